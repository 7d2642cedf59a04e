-- A column for clean-up, which asks for clients that have registered themselves and to
-- which no operator has given anything. Export does not know clients.
--
-- There is JSON that the database refuses because it is nested too deep, and an error here
-- would stop the migration and every write of that client: it is not cleaned up.

-- +goose Up

ALTER TABLE clients ADD COLUMN self_registered INTEGER
    AS (CASE WHEN NOT json_valid(settings) THEN 0
        ELSE json_extract(settings, '$.registration') IS NOT NULL AND json_extract(settings, '$.audiences') IS NULL
        AND json_extract(settings, '$.serves') IS NULL AND json_extract(settings, '$.token_exchange') IS NULL END) VIRTUAL;
CREATE INDEX clients_self_registered_idx ON clients (updated_at, tenant_id, id) WHERE self_registered = 1;
