-- Which token of a chain was given again after its answer was lost, and how many
-- successive ones were. Export and clean-up know the rows already.
--
-- Public halves of keys that signed ID Tokens which may come back as hints. They are
-- about no person; Sweep removes them.

-- +goose Up

ALTER TABLE refresh_families ADD COLUMN retried TEXT NOT NULL DEFAULT '';
ALTER TABLE refresh_families ADD COLUMN retries INTEGER NOT NULL DEFAULT 0;
ALTER TABLE remembered ADD COLUMN retried TEXT NOT NULL DEFAULT '';
ALTER TABLE remembered ADD COLUMN retries INTEGER NOT NULL DEFAULT 0;

CREATE TABLE retired_keys (
    tenant_id  TEXT   NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    id         TEXT   NOT NULL,
    alg        TEXT   NOT NULL,
    public     BYTEA  NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX retired_keys_expiry_idx ON retired_keys (expires_at);
