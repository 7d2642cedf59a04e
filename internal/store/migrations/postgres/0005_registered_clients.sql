-- A column for clean-up, which asks for clients that have registered themselves and to
-- which no operator has given anything. Export does not know clients.

-- +goose Up

ALTER TABLE clients ADD COLUMN self_registered INTEGER
    GENERATED ALWAYS AS (CASE WHEN settings::json ->> 'registration' IS NOT NULL AND settings::json -> 'audiences' IS NULL
        AND settings::json -> 'serves' IS NULL AND settings::json -> 'token_exchange' IS NULL THEN 1 ELSE 0 END) STORED;
CREATE INDEX clients_self_registered_idx ON clients (updated_at, tenant_id, id) WHERE self_registered = 1;
