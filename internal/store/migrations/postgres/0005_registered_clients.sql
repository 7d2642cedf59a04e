-- A column for clean-up, which asks for clients that have registered themselves and to
-- which no operator has given anything. Export does not know clients.
--
-- There is JSON that the database refuses, and an error here would stop the migration and
-- every write of that client. A \u0000 cannot be read out of any part of it, so escapes
-- become others of the same length; settings that may be nested too deep are not read,
-- and such a client is not cleaned up.

-- +goose Up

ALTER TABLE clients ADD COLUMN self_registered INTEGER
    GENERATED ALWAYS AS (CASE WHEN length(settings) - length(translate(settings, '[{', '')) >= 1000 THEN 0
        WHEN replace(settings, '\u', '\n')::json -> 'registration' IS NOT NULL AND replace(settings, '\u', '\n')::json -> 'audiences' IS NULL
        AND replace(settings, '\u', '\n')::json -> 'serves' IS NULL AND replace(settings, '\u', '\n')::json -> 'token_exchange' IS NULL THEN 1 ELSE 0 END) STORED;
CREATE INDEX clients_self_registered_idx ON clients (updated_at, tenant_id, id) WHERE self_registered = 1;
