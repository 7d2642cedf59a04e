-- What an operator has said of a client that describes itself, apart from what the
-- client says; and columns for what statements ask of clients, worked out from what
-- is stored, whichever program wrote it. Export does not know clients; clean-up asks
-- the columns. What follows looks for members in the text of the settings where it may,
-- and reads no JSON that the database may refuse: within a string the quotation marks of
-- such a text would be escaped, and keys of a client that name the same change nothing
-- for anybody else.

-- +goose Up

ALTER TABLE clients ADD COLUMN bounds TEXT NOT NULL DEFAULT 'null';
ALTER TABLE clients ADD COLUMN notified INTEGER
    GENERATED ALWAYS AS (CASE WHEN strpos(settings, '"backchannel_logout_uri":"') > 0 THEN 1 ELSE 0 END) STORED;
ALTER TABLE clients ADD COLUMN forgettable INTEGER
    GENERATED ALWAYS AS (CASE WHEN length(settings) - length(translate(settings, '[{', '')) >= 1000 THEN 0
        WHEN replace(settings, '\u', '\n')::json -> 'document_at' IS NOT NULL AND replace(settings, '\u', '\n')::json -> 'audiences' IS NULL
        AND replace(settings, '\u', '\n')::json -> 'serves' IS NULL AND replace(settings, '\u', '\n')::json -> 'token_exchange' IS NULL THEN 1 ELSE 0 END) STORED;
CREATE INDEX clients_forgettable_idx ON clients (updated_at, tenant_id, id) WHERE forgettable = 1;

-- Clients that describe themselves and that an operator has changed keep what they have
-- now as their bounds, as far as the audit log still knows. Settings begin with the
-- grants, if there are any.
UPDATE clients SET bounds = '{"scopes":' || scopes || ',"grant_types":' || coalesce(substring(settings FROM '^[{]"grant_types":(\[[^]]*\])'), 'null')
    || CASE WHEN strpos(settings, '"require_pushed_authorization_requests":true') > 0 THEN ',"require_pushed_authorization_requests":true' ELSE '' END
    || CASE WHEN strpos(settings, '"require_signed_request_object":true') > 0 THEN ',"require_signed_request_object":true' ELSE '' END
    || CASE WHEN strpos(settings, '"dpop_bound_access_tokens":true') > 0 THEN ',"dpop_bound_access_tokens":true' ELSE '' END
    || CASE WHEN strpos(settings, '"require_auth_time":true') > 0 THEN ',"require_auth_time":true' ELSE '' END || '}'
WHERE (strpos(settings, '"document_at":"') > 0 OR strpos(settings, '"registration":"') > 0)
AND (tenant_id, id) IN (SELECT tenant_id, detail::json ->> 'client' FROM audit
    WHERE event = 'client.changed' AND detail::json ->> 'change' = 'updated' AND actor_id <> detail::json ->> 'client');
