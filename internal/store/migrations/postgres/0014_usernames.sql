-- User names, with which the users of some tenants sign in. A registration has the name that its user
-- wants; the name is unique once the address is verified, so that a registration reserves none and
-- tells nobody which addresses have accounts. Export shows it; deletion of the account removes it.

-- +goose Up

ALTER TABLE accounts ADD COLUMN username TEXT NOT NULL DEFAULT '';
CREATE UNIQUE INDEX accounts_username_idx ON accounts (tenant_id, username) WHERE username <> '' AND email_verified_at IS NOT NULL;
