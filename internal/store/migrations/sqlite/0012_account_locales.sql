-- The language in which the pages address an account, as its owner chose it; empty for that of the
-- browser. Export shows it; deletion of the account removes it.

-- +goose Up

ALTER TABLE accounts ADD COLUMN locale TEXT NOT NULL DEFAULT '';
