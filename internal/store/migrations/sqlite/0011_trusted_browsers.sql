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
    created_at INTEGER NOT NULL,
    used_at    INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, account_id) REFERENCES accounts (tenant_id, id) ON DELETE CASCADE
) WITHOUT ROWID;
CREATE INDEX trusted_browsers_account_idx ON trusted_browsers (tenant_id, account_id);
CREATE INDEX trusted_browsers_expiry_idx ON trusted_browsers (expires_at);

INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES
    ('trusted_browsers', 'trusted_browsers', '500000 50000 1'),
    ('trusted_browsers', 'trusted_browsers_account_idx', '500000 50000 2'),
    ('trusted_browsers', 'trusted_browsers_expiry_idx', '500000 2');
ANALYZE sqlite_schema;
