-- A column for clean-up, which asks for clients that have registered themselves and to
-- which no operator has given anything. Export does not know clients.

-- +goose Up

ALTER TABLE clients ADD COLUMN self_registered INTEGER
    AS (json_extract(settings, '$.registration') IS NOT NULL AND json_extract(settings, '$.audiences') IS NULL
        AND json_extract(settings, '$.serves') IS NULL AND json_extract(settings, '$.token_exchange') IS NULL) VIRTUAL;
CREATE INDEX clients_self_registered_idx ON clients (updated_at, tenant_id, id) WHERE self_registered = 1;
