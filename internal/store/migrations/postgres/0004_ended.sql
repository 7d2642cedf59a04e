-- An authorization code says in columns which sessions it belongs to, so that all that
-- its redemption depends on is read in one statement.
--
-- What has ended stands apart in every index by which an ordinary request looks for
-- what lives, and is found by the time of its end, so that it can leave soon. No new
-- table: export and clean-up know all of these.

-- +goose Up

ALTER TABLE single_use ADD COLUMN session_id TEXT;
ALTER TABLE single_use ADD COLUMN client_session_id TEXT;

DROP INDEX sessions_account_idx;
CREATE INDEX sessions_account_idx ON sessions (tenant_id, account_id, ended_at, parent_id, id);
DROP INDEX sessions_parent_idx;
CREATE INDEX sessions_parent_idx ON sessions (tenant_id, parent_id, ended_at, client_id, id) WHERE parent_id IS NOT NULL;
DROP INDEX sessions_series_idx;
CREATE INDEX sessions_series_idx ON sessions (tenant_id, series_id) WHERE series_id IS NOT NULL AND ended_at IS NULL;
CREATE INDEX sessions_ended_idx ON sessions (ended_at) WHERE ended_at IS NOT NULL;

DROP INDEX refresh_families_account_idx;
CREATE INDEX refresh_families_account_idx ON refresh_families (tenant_id, account_id, revoked_at);
DROP INDEX refresh_families_session_idx;
CREATE INDEX refresh_families_session_idx ON refresh_families (tenant_id, session_id, revoked_at);
CREATE INDEX refresh_families_ended_idx ON refresh_families (revoked_at) WHERE revoked_at IS NOT NULL;

DROP INDEX remembered_account_idx;
CREATE INDEX remembered_account_idx ON remembered (tenant_id, account_id, revoked_at);
CREATE INDEX remembered_ended_idx ON remembered (revoked_at) WHERE revoked_at IS NOT NULL;

DROP INDEX single_use_account_idx;
CREATE INDEX single_use_account_idx ON single_use (tenant_id, account_id, kind, used_at);
