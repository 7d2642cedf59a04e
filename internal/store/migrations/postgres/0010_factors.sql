-- Authenticators beside the password are rows of credentials: apps with one-time codes, passkeys,
-- recovery codes. One counts once it is proved. A lookup value finds it: the ID of a passkey, the
-- digest of a recovery code. Export and clean-up know the rows already.
--
-- A flow holds what the user has proved before there is a session, the WebAuthn ceremony that is
-- under way, and the number of wrong responses.

-- +goose Up

ALTER TABLE credentials ADD COLUMN lookup TEXT;
ALTER TABLE credentials ADD COLUMN data TEXT NOT NULL DEFAULT '{}';
ALTER TABLE credentials ADD COLUMN proved_at BIGINT;
CREATE UNIQUE INDEX credentials_lookup_idx ON credentials (tenant_id, kind, lookup) WHERE lookup IS NOT NULL;

ALTER TABLE flows ADD COLUMN proofs TEXT NOT NULL DEFAULT 'null';
ALTER TABLE flows ADD COLUMN ceremony TEXT NOT NULL DEFAULT '';
ALTER TABLE flows ADD COLUMN failures BIGINT NOT NULL DEFAULT 0;
ALTER TABLE flows ADD COLUMN remember BIGINT NOT NULL DEFAULT 0;
