-- A browser in which a second factor was proved can be trusted: its sign-ins to the account need none
-- for some time.

-- +goose Up

-- export: yes, clean-up: yes
CREATE TABLE trusted_browsers (
    tenant_id  TEXT    NOT NULL,
    id         TEXT    NOT NULL,
    account_id TEXT    NOT NULL,
    digest     TEXT    NOT NULL,
    previous   TEXT    NOT NULL,
    ip         TEXT    NOT NULL,
    user_agent TEXT    NOT NULL,
    created_at BIGINT  NOT NULL,
    used_at    BIGINT  NOT NULL,
    expires_at BIGINT  NOT NULL,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, account_id) REFERENCES accounts (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX trusted_browsers_account_idx ON trusted_browsers (tenant_id, account_id);
CREATE INDEX trusted_browsers_expiry_idx ON trusted_browsers (expires_at);
