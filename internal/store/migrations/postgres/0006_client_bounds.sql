-- What an operator has said of a client that describes itself, apart from what the
-- client says; and columns for what statements ask of clients, worked out from what
-- is stored, whichever program wrote it. Export does not know clients; clean-up asks
-- the columns.

-- +goose Up

ALTER TABLE clients ADD COLUMN bounds TEXT NOT NULL DEFAULT 'null';
ALTER TABLE clients ADD COLUMN notified INTEGER
    GENERATED ALWAYS AS (CASE WHEN settings::json ->> 'backchannel_logout_uri' IS NOT NULL THEN 1 ELSE 0 END) STORED;
ALTER TABLE clients ADD COLUMN forgettable INTEGER
    GENERATED ALWAYS AS (CASE WHEN settings::json ->> 'document_at' IS NOT NULL AND settings::json -> 'audiences' IS NULL
        AND settings::json -> 'serves' IS NULL AND settings::json -> 'token_exchange' IS NULL THEN 1 ELSE 0 END) STORED;
CREATE INDEX clients_forgettable_idx ON clients (updated_at, tenant_id, id) WHERE forgettable = 1;

-- Clients that describe themselves and that an operator has changed keep what they have
-- now as their bounds, as far as the audit log still knows.
UPDATE clients SET bounds = json_build_object('scopes', scopes::json, 'grant_types', settings::json -> 'grant_types',
    'require_pushed_authorization_requests', settings::json -> 'require_pushed_authorization_requests',
    'require_signed_request_object', settings::json -> 'require_signed_request_object',
    'dpop_bound_access_tokens', settings::json -> 'dpop_bound_access_tokens',
    'require_auth_time', settings::json -> 'require_auth_time')::text
WHERE (settings::json -> 'document_at' IS NOT NULL OR settings::json -> 'registration' IS NOT NULL)
AND (tenant_id, id) IN (SELECT tenant_id, detail::json ->> 'client' FROM audit
    WHERE event = 'client.changed' AND detail::json ->> 'change' = 'updated' AND actor_id <> detail::json ->> 'client');
