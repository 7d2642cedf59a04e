-- When an account will be deleted whose owner has asked for that, where the tenant delays deletions.
-- Export shows it; deletion of the account removes it.

-- +goose Up

ALTER TABLE accounts ADD COLUMN delete_at BIGINT;
CREATE INDEX accounts_deletion_idx ON accounts (delete_at) WHERE delete_at IS NOT NULL;
