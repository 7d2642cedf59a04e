-- The OAuth provider: flows through our pages, consent, devices, remember-me, and the
-- sessions of clients under the session of a browser.

-- +goose Up

ALTER TABLE sessions ADD COLUMN parent_id TEXT;
ALTER TABLE sessions ADD COLUMN offline INTEGER NOT NULL DEFAULT 0;
ALTER TABLE sessions ADD COLUMN series_id TEXT;
ALTER TABLE sessions ADD COLUMN claims TEXT NOT NULL DEFAULT '{}';
CREATE INDEX sessions_parent_idx ON sessions (tenant_id, parent_id, client_id) WHERE parent_id IS NOT NULL;
CREATE INDEX sessions_client_idx ON sessions (tenant_id, client_id) WHERE ended_at IS NULL AND client_id <> 'first-party';
CREATE INDEX sessions_series_idx ON sessions (tenant_id, series_id) WHERE series_id IS NOT NULL;

ALTER TABLE refresh_families ADD COLUMN audience TEXT NOT NULL DEFAULT 'null';
ALTER TABLE refresh_families ADD COLUMN jkt TEXT NOT NULL DEFAULT '';

-- export: no (unfinished sign-ins), clean-up: yes
CREATE TABLE flows (
    tenant_id  TEXT   NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    id         TEXT   NOT NULL,
    browser    TEXT   NOT NULL,
    kind       TEXT   NOT NULL,
    request    TEXT   NOT NULL,
    device     TEXT   NOT NULL,
    session_id TEXT,
    proved_at  INTEGER,
    allowed    TEXT   NOT NULL,
    denied     INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    done_at    INTEGER,
    PRIMARY KEY (tenant_id, id)
) WITHOUT ROWID;
CREATE INDEX flows_expiry_idx ON flows (expires_at);

-- export: yes, clean-up: no (deleted with the account)
CREATE TABLE consents (
    tenant_id  TEXT   NOT NULL,
    account_id TEXT   NOT NULL,
    client_id  TEXT   NOT NULL,
    scope      TEXT   NOT NULL,
    audience   TEXT   NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, account_id, client_id),
    FOREIGN KEY (tenant_id, account_id) REFERENCES accounts (tenant_id, id) ON DELETE CASCADE,
    FOREIGN KEY (tenant_id, client_id) REFERENCES clients (tenant_id, id) ON DELETE CASCADE
) WITHOUT ROWID;
CREATE INDEX consents_client_idx ON consents (tenant_id, client_id);

-- export: no (secrets), clean-up: yes
CREATE TABLE device_codes (
    tenant_id   TEXT   NOT NULL,
    digest      TEXT   NOT NULL,
    user_digest TEXT   NOT NULL,
    client_id   TEXT   NOT NULL,
    scope       TEXT   NOT NULL,
    audience    TEXT   NOT NULL,
    jkt         TEXT   NOT NULL,
    interval_ms INTEGER NOT NULL,
    polled_at   INTEGER,
    status      TEXT   NOT NULL,
    account_id  TEXT,
    session_id  TEXT,
    created_at  INTEGER NOT NULL,
    expires_at  INTEGER NOT NULL,
    used_at     INTEGER,
    PRIMARY KEY (tenant_id, digest),
    FOREIGN KEY (tenant_id, account_id) REFERENCES accounts (tenant_id, id) ON DELETE CASCADE,
    FOREIGN KEY (tenant_id, client_id) REFERENCES clients (tenant_id, id) ON DELETE CASCADE
) WITHOUT ROWID;
CREATE UNIQUE INDEX device_codes_user_idx ON device_codes (tenant_id, user_digest);
CREATE INDEX device_codes_account_idx ON device_codes (tenant_id, account_id);
CREATE INDEX device_codes_client_idx ON device_codes (tenant_id, client_id);
CREATE INDEX device_codes_expiry_idx ON device_codes (expires_at);

-- export: yes, clean-up: yes
CREATE TABLE remembered (
    tenant_id  TEXT   NOT NULL,
    id         TEXT   NOT NULL,
    account_id TEXT   NOT NULL,
    digest     TEXT   NOT NULL,
    previous   TEXT   NOT NULL,
    auth_at    INTEGER NOT NULL,
    acr        TEXT   NOT NULL,
    amr        TEXT   NOT NULL,
    created_at INTEGER NOT NULL,
    rotated_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    revoked_at INTEGER,
    end_reason TEXT,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, account_id) REFERENCES accounts (tenant_id, id) ON DELETE CASCADE
) WITHOUT ROWID;
CREATE INDEX remembered_account_idx ON remembered (tenant_id, account_id);
CREATE INDEX remembered_expiry_idx ON remembered (expires_at);

INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES
    ('sessions', 'sessions_parent_idx', '1000000 100000 3 1'),
    ('sessions', 'sessions_client_idx', '500000 50000 5000'),
    ('sessions', 'sessions_series_idx', '200000 20000 2'),
    ('flows', 'flows', '10000 1000 1'),
    ('flows', 'flows_expiry_idx', '10000 2'),
    ('consents', 'consents', '1000000 100000 3 1'),
    ('consents', 'consents_client_idx', '1000000 100000 10000'),
    ('device_codes', 'device_codes', '10000 1000 1'),
    ('device_codes', 'device_codes_user_idx', '10000 1000 1'),
    ('device_codes', 'device_codes_account_idx', '10000 1000 2'),
    ('device_codes', 'device_codes_client_idx', '10000 1000 100'),
    ('device_codes', 'device_codes_expiry_idx', '10000 2'),
    ('remembered', 'remembered', '500000 50000 1'),
    ('remembered', 'remembered_account_idx', '500000 50000 2'),
    ('remembered', 'remembered_expiry_idx', '500000 2');
ANALYZE sqlite_schema;
