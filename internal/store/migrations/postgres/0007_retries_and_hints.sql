-- Which of the last eight tokens of a chain were given again after their answers were
-- lost, a bit for each. Export and clean-up know the rows already.
--
-- Public halves of keys that signed ID Tokens which may come back as hints. They are
-- about no person; Sweep removes them.

-- +goose Up

ALTER TABLE refresh_families ADD COLUMN retries INTEGER NOT NULL DEFAULT 0;
ALTER TABLE remembered ADD COLUMN retries INTEGER NOT NULL DEFAULT 0;

-- export: no (not about one account), clean-up: yes
CREATE TABLE retired_keys (
    tenant_id  TEXT   NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    id         TEXT   NOT NULL,
    alg        TEXT   NOT NULL,
    public     BYTEA  NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX retired_keys_expiry_idx ON retired_keys (expires_at);
