-- When the owner of an account locked it. Export shows it; deletion of the account removes it.

-- +goose Up

ALTER TABLE accounts ADD COLUMN locked_at BIGINT;
