-- Whether a flow offers the user a passkey after the sign-in. No new table.

-- +goose Up

ALTER TABLE flows ADD COLUMN offer_passkey INTEGER NOT NULL DEFAULT 0;
