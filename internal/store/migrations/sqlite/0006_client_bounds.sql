-- What an operator has said of a client that describes itself, apart from what the
-- client says; and columns for what statements ask of clients, worked out from what
-- is stored, whichever program wrote it. Export does not know clients; clean-up asks
-- the columns.

-- +goose Up

ALTER TABLE clients ADD COLUMN bounds TEXT NOT NULL DEFAULT 'null';
ALTER TABLE clients ADD COLUMN notified INTEGER
    AS (json_extract(settings, '$.backchannel_logout_uri') IS NOT NULL) VIRTUAL;
ALTER TABLE clients ADD COLUMN forgettable INTEGER
    AS (json_extract(settings, '$.document_at') IS NOT NULL AND json_extract(settings, '$.audiences') IS NULL
        AND json_extract(settings, '$.serves') IS NULL AND json_extract(settings, '$.token_exchange') IS NULL) VIRTUAL;
CREATE INDEX clients_forgettable_idx ON clients (updated_at, tenant_id, id) WHERE forgettable = 1;

-- Clients that describe themselves and that an operator has changed keep what they have
-- now as their bounds, as far as the audit log still knows.
UPDATE clients SET bounds = json_object('scopes', json(scopes), 'grant_types', settings -> '$.grant_types',
    'require_pushed_authorization_requests', settings -> '$.require_pushed_authorization_requests',
    'require_signed_request_object', settings -> '$.require_signed_request_object',
    'dpop_bound_access_tokens', settings -> '$.dpop_bound_access_tokens',
    'require_auth_time', settings -> '$.require_auth_time')
WHERE (json_extract(settings, '$.document_at') IS NOT NULL OR json_extract(settings, '$.registration') IS NOT NULL)
AND (tenant_id, id) IN (SELECT tenant_id, json_extract(detail, '$.client') FROM audit
    WHERE event = 'client.changed' AND json_extract(detail, '$.change') = 'updated' AND actor_id <> json_extract(detail, '$.client'));
