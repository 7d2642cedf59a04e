-- Which kinds of password hashes are stored: hashes begin with scheme and cost, so an
-- index by their bytes finds one of each kind. Export and clean-up are not concerned.

-- +goose Up

CREATE INDEX credentials_secret_idx ON credentials (secret) WHERE kind = 'password';

-- From where a device asked, for the person who approves it; gone with the code.
ALTER TABLE device_codes ADD COLUMN ip TEXT NOT NULL DEFAULT '';
