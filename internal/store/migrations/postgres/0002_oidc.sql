-- The OAuth provider: flows through our pages, consent, devices, remember-me, and the
-- sessions of clients under the session of a browser.

-- +goose Up

ALTER TABLE sessions ADD COLUMN parent_id TEXT;
ALTER TABLE sessions ADD COLUMN offline BIGINT NOT NULL DEFAULT 0;
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
    proved_at  BIGINT,
    allowed    TEXT   NOT NULL,
    denied     BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    done_at    BIGINT,
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX flows_expiry_idx ON flows (expires_at);

-- export: yes, clean-up: no (deleted with the account)
CREATE TABLE consents (
    tenant_id  TEXT   NOT NULL,
    account_id TEXT   NOT NULL,
    client_id  TEXT   NOT NULL,
    scope      TEXT   NOT NULL,
    audience   TEXT   NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, account_id, client_id),
    FOREIGN KEY (tenant_id, account_id) REFERENCES accounts (tenant_id, id) ON DELETE CASCADE,
    FOREIGN KEY (tenant_id, client_id) REFERENCES clients (tenant_id, id) ON DELETE CASCADE
);
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
    interval_ms BIGINT NOT NULL,
    polled_at   BIGINT,
    status      TEXT   NOT NULL,
    account_id  TEXT,
    session_id  TEXT,
    created_at  BIGINT NOT NULL,
    expires_at  BIGINT NOT NULL,
    used_at     BIGINT,
    PRIMARY KEY (tenant_id, digest),
    FOREIGN KEY (tenant_id, account_id) REFERENCES accounts (tenant_id, id) ON DELETE CASCADE,
    FOREIGN KEY (tenant_id, client_id) REFERENCES clients (tenant_id, id) ON DELETE CASCADE
);
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
    auth_at    BIGINT NOT NULL,
    acr        TEXT   NOT NULL,
    amr        TEXT   NOT NULL,
    created_at BIGINT NOT NULL,
    rotated_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    revoked_at BIGINT,
    end_reason TEXT,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, account_id) REFERENCES accounts (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX remembered_account_idx ON remembered (tenant_id, account_id);
CREATE INDEX remembered_expiry_idx ON remembered (expires_at);
