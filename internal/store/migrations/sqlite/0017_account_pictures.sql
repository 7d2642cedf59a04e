-- The picture of an account, as the server encoded it. The account has its name, so that claims and pages
-- need no second row; empty for none.

-- +goose Up

ALTER TABLE accounts ADD COLUMN picture TEXT NOT NULL DEFAULT '';

-- export: yes, clean-up: no (deletion of the account removes it)
CREATE TABLE account_pictures (
    tenant_id    TEXT    NOT NULL,
    name         TEXT    NOT NULL,
    account_id   TEXT    NOT NULL,
    content_type TEXT    NOT NULL,
    bytes        BLOB    NOT NULL,
    created_at   INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, name),
    FOREIGN KEY (tenant_id, account_id) REFERENCES accounts (tenant_id, id) ON DELETE CASCADE
);
CREATE UNIQUE INDEX account_pictures_account_idx ON account_pictures (tenant_id, account_id);

INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES
    ('account_pictures', 'sqlite_autoindex_account_pictures_1', '500000 50000 1'),
    ('account_pictures', 'account_pictures_account_idx', '500000 50000 1');
ANALYZE sqlite_schema;
