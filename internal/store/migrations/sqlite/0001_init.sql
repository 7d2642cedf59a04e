-- The whole data model. Conventions: tenant_id leads every key; times are integer
-- milliseconds UTC; ids are text; lists and settings are JSON text; secrets are
-- digests (text) or sealed (bytes). WITHOUT ROWID keeps a row where its key is: one
-- look-up instead of two.

-- +goose Up

-- export: no (not about one account), clean-up: no (kept until an operator acts)
CREATE TABLE tenants (
    id          TEXT   NOT NULL PRIMARY KEY,
    name        TEXT   NOT NULL,
    settings    TEXT   NOT NULL,
    created_at  INTEGER NOT NULL,
    disabled_at INTEGER
) WITHOUT ROWID;

-- Values of the system itself stand under the empty tenant.
-- export: no (not about one account), clean-up: no (kept until replaced)
CREATE TABLE settings (
    tenant_id  TEXT   NOT NULL,
    name       TEXT   NOT NULL,
    value      BLOB  NOT NULL,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, name)
) WITHOUT ROWID;

-- export: yes, clean-up: no (kept until deleted)
CREATE TABLE accounts (
    tenant_id         TEXT   NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    id                TEXT   NOT NULL,
    email             TEXT   NOT NULL,
    login             TEXT   NOT NULL,
    name              TEXT   NOT NULL,
    email_verified_at INTEGER,
    disabled_at       INTEGER,
    last_login_at     INTEGER,
    created_at        INTEGER NOT NULL,
    updated_at        INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, id)
) WITHOUT ROWID;
CREATE UNIQUE INDEX accounts_login_idx ON accounts (tenant_id, login);

-- One row for each thing that proves an account: kind 'password' holds a hash in
-- secret; other kinds a public part, a sealed part and a counter.
-- export: yes, clean-up: no (deleted with the account)
CREATE TABLE credentials (
    tenant_id  TEXT   NOT NULL,
    id         TEXT   NOT NULL,
    account_id TEXT   NOT NULL,
    kind       TEXT   NOT NULL,
    label      TEXT   NOT NULL,
    public     BLOB,
    secret     BLOB,
    counter    INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    used_at    INTEGER,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, account_id) REFERENCES accounts (tenant_id, id) ON DELETE CASCADE
) WITHOUT ROWID;
CREATE INDEX credentials_account_idx ON credentials (tenant_id, account_id, kind);
CREATE UNIQUE INDEX credentials_password_idx ON credentials (tenant_id, account_id) WHERE kind = 'password';

-- export: no (not about one account), clean-up: yes
CREATE TABLE clients (
    tenant_id     TEXT    NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    id            TEXT    NOT NULL,
    name          TEXT    NOT NULL,
    kind          TEXT    NOT NULL,
    first_party   INTEGER  NOT NULL,
    secrets       TEXT    NOT NULL,
    redirect_uris TEXT    NOT NULL,
    scopes        TEXT    NOT NULL,
    settings      TEXT    NOT NULL,
    created_at    INTEGER  NOT NULL,
    updated_at    INTEGER  NOT NULL,
    disabled_at   INTEGER,
    PRIMARY KEY (tenant_id, id)
) WITHOUT ROWID;

-- export: yes, clean-up: yes
CREATE TABLE sessions (
    tenant_id  TEXT   NOT NULL,
    id         TEXT   NOT NULL,
    account_id TEXT   NOT NULL,
    client_id  TEXT   NOT NULL,
    digest     TEXT,
    auth_at    INTEGER NOT NULL,
    acr        TEXT   NOT NULL,
    amr        TEXT   NOT NULL,
    ip         TEXT   NOT NULL,
    user_agent TEXT   NOT NULL,
    created_at INTEGER NOT NULL,
    seen_at    INTEGER NOT NULL,
    idle_at    INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    ended_at   INTEGER,
    end_reason TEXT,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, account_id) REFERENCES accounts (tenant_id, id) ON DELETE CASCADE
) WITHOUT ROWID;
CREATE UNIQUE INDEX sessions_digest_idx ON sessions (tenant_id, digest) WHERE digest IS NOT NULL;
CREATE INDEX sessions_account_idx ON sessions (tenant_id, account_id);
CREATE INDEX sessions_expiry_idx ON sessions (expires_at);

-- One row for each chain of refresh tokens, however often it is rotated.
-- export: no (secrets, but their sessions are exported), clean-up: yes
CREATE TABLE refresh_families (
    tenant_id  TEXT   NOT NULL,
    id         TEXT   NOT NULL,
    account_id TEXT   NOT NULL,
    client_id  TEXT   NOT NULL,
    session_id TEXT   NOT NULL,
    scope      TEXT   NOT NULL,
    generation INTEGER NOT NULL,
    digest     TEXT   NOT NULL,
    created_at INTEGER NOT NULL,
    rotated_at INTEGER NOT NULL,
    idle_at    INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    revoked_at INTEGER,
    end_reason TEXT,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, account_id) REFERENCES accounts (tenant_id, id) ON DELETE CASCADE
) WITHOUT ROWID;
CREATE INDEX refresh_families_account_idx ON refresh_families (tenant_id, account_id);
CREATE INDEX refresh_families_session_idx ON refresh_families (tenant_id, session_id);
CREATE INDEX refresh_families_expiry_idx ON refresh_families (expires_at);

-- export: no (secrets), clean-up: yes
CREATE TABLE single_use (
    tenant_id  TEXT   NOT NULL,
    kind       TEXT   NOT NULL,
    digest     TEXT   NOT NULL,
    account_id TEXT,
    client_id  TEXT,
    data       TEXT   NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    used_at    INTEGER,
    PRIMARY KEY (tenant_id, kind, digest),
    FOREIGN KEY (tenant_id, account_id) REFERENCES accounts (tenant_id, id) ON DELETE CASCADE
) WITHOUT ROWID;
CREATE INDEX single_use_account_idx ON single_use (tenant_id, account_id, kind);
CREATE INDEX single_use_expiry_idx ON single_use (expires_at);

-- export: no (their names come with the roles), clean-up: no (kept until an operator acts)
CREATE TABLE permissions (
    tenant_id   TEXT   NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    name        TEXT   NOT NULL,
    description TEXT   NOT NULL,
    created_at  INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, name)
) WITHOUT ROWID;

-- export: yes, clean-up: no (kept until deleted)
CREATE TABLE roles (
    tenant_id   TEXT   NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    id          TEXT   NOT NULL,
    name        TEXT   NOT NULL,
    description TEXT   NOT NULL,
    created_at  INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, id)
) WITHOUT ROWID;
CREATE UNIQUE INDEX roles_name_idx ON roles (tenant_id, name);

-- export: yes, clean-up: no (deleted with the role)
CREATE TABLE role_permissions (
    tenant_id  TEXT NOT NULL,
    role_id    TEXT NOT NULL,
    permission TEXT NOT NULL,
    PRIMARY KEY (tenant_id, role_id, permission),
    FOREIGN KEY (tenant_id, role_id) REFERENCES roles (tenant_id, id) ON DELETE CASCADE,
    FOREIGN KEY (tenant_id, permission) REFERENCES permissions (tenant_id, name) ON DELETE CASCADE
) WITHOUT ROWID;

-- export: yes, clean-up: no (deleted with the account or the role)
CREATE TABLE assignments (
    tenant_id  TEXT   NOT NULL,
    account_id TEXT   NOT NULL,
    role_id    TEXT   NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, account_id, role_id),
    FOREIGN KEY (tenant_id, account_id) REFERENCES accounts (tenant_id, id) ON DELETE CASCADE,
    FOREIGN KEY (tenant_id, role_id) REFERENCES roles (tenant_id, id) ON DELETE CASCADE
) WITHOUT ROWID;
CREATE INDEX assignments_role_idx ON assignments (tenant_id, role_id);

-- export: no (not about one account), clean-up: no (removed by the rotation of keys)
CREATE TABLE signing_keys (
    tenant_id  TEXT   NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    id         TEXT   NOT NULL,
    alg        TEXT   NOT NULL,
    public     BLOB  NOT NULL,
    sealed     BLOB  NOT NULL,
    created_at INTEGER NOT NULL,
    active_at  INTEGER NOT NULL,
    retired_at INTEGER,
    expires_at INTEGER,
    PRIMARY KEY (tenant_id, id)
) WITHOUT ROWID;

-- export: yes, clean-up: yes
CREATE TABLE audit (
    tenant_id  TEXT   NOT NULL,
    id         TEXT   NOT NULL,
    at         INTEGER NOT NULL,
    event      TEXT   NOT NULL,
    outcome    TEXT   NOT NULL,
    actor_kind TEXT   NOT NULL,
    actor_id   TEXT   NOT NULL,
    account_id TEXT,
    client_id  TEXT,
    session_id TEXT,
    ip         TEXT   NOT NULL,
    user_agent TEXT   NOT NULL,
    request_id TEXT   NOT NULL,
    detail     TEXT   NOT NULL,
    PRIMARY KEY (tenant_id, id)
) WITHOUT ROWID;
CREATE INDEX audit_account_idx ON audit (tenant_id, account_id, id);
CREATE INDEX audit_at_idx ON audit (at);

-- export: no (its messages are sent to the owner), clean-up: no (deleted when delivered or given up)
CREATE TABLE outbox (
    tenant_id   TEXT   NOT NULL,
    id          TEXT   NOT NULL,
    kind        TEXT   NOT NULL,
    queue       TEXT   NOT NULL,
    sealed      BLOB  NOT NULL,
    created_at  INTEGER NOT NULL,
    due_at      INTEGER NOT NULL,
    attempts    INTEGER NOT NULL,
    lease_until INTEGER,
    lease       TEXT,
    last_error  TEXT,
    PRIMARY KEY (tenant_id, id)
) WITHOUT ROWID;
CREATE INDEX outbox_queue_idx ON outbox (tenant_id, queue, id);
CREATE INDEX outbox_due_idx ON outbox (due_at);

-- What the planner should expect: few tenants, many of everything in each. Without it
-- the planner takes the key's first column, the tenant, for selective, and walks
-- through all its rows. Each line: rows, then how many share the first column of the
-- index, the first two, and so on.
ANALYZE;
INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES
    ('tenants', 'tenants', '10 1'),
    ('settings', 'settings', '20 10 1'),
    ('accounts', 'accounts', '1000000 100000 1'),
    ('accounts', 'accounts_login_idx', '1000000 100000 1'),
    ('credentials', 'credentials', '1000000 100000 1'),
    ('credentials', 'credentials_account_idx', '1000000 100000 1 1'),
    ('credentials', 'credentials_password_idx', '1000000 100000 1'),
    ('clients', 'clients', '100 10 1'),
    ('sessions', 'sessions', '2000000 200000 1'),
    ('sessions', 'sessions_digest_idx', '500000 50000 1'),
    ('sessions', 'sessions_account_idx', '2000000 200000 4'),
    ('sessions', 'sessions_expiry_idx', '2000000 4'),
    ('refresh_families', 'refresh_families', '2000000 200000 1'),
    ('refresh_families', 'refresh_families_account_idx', '2000000 200000 4'),
    ('refresh_families', 'refresh_families_session_idx', '2000000 200000 1'),
    ('refresh_families', 'refresh_families_expiry_idx', '2000000 4'),
    ('single_use', 'single_use', '100000 10000 2000 1'),
    ('single_use', 'single_use_account_idx', '100000 10000 2 1'),
    ('single_use', 'single_use_expiry_idx', '100000 2'),
    ('permissions', 'permissions', '200 20 1'),
    ('roles', 'roles', '100 10 1'),
    ('roles', 'roles_name_idx', '100 10 1'),
    ('role_permissions', 'role_permissions', '1000 100 10 1'),
    ('assignments', 'assignments', '1000000 100000 2 1'),
    ('assignments', 'assignments_role_idx', '1000000 100000 10000'),
    ('signing_keys', 'signing_keys', '50 5 1'),
    ('audit', 'audit', '10000000 1000000 1'),
    ('audit', 'audit_account_idx', '10000000 1000000 20 1'),
    ('audit', 'audit_at_idx', '10000000 2'),
    ('outbox', 'outbox', '1000 100 1'),
    ('outbox', 'outbox_queue_idx', '1000 100 2 1'),
    ('outbox', 'outbox_due_idx', '1000 2');
ANALYZE sqlite_schema;
