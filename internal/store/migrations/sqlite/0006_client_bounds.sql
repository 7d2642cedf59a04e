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
    AS (instr(settings, '"backchannel_logout_uri":"') > 0) VIRTUAL;
ALTER TABLE clients ADD COLUMN forgettable INTEGER
    AS (CASE WHEN NOT json_valid(settings) THEN 0
        ELSE json_extract(settings, '$.document_at') IS NOT NULL AND json_extract(settings, '$.audiences') IS NULL
        AND json_extract(settings, '$.serves') IS NULL AND json_extract(settings, '$.token_exchange') IS NULL END) VIRTUAL;
CREATE INDEX clients_forgettable_idx ON clients (updated_at, tenant_id, id) WHERE forgettable = 1;

-- Clients that describe themselves and that an operator has changed keep what they have
-- now as their bounds, as far as the audit log still knows. Settings begin with the
-- grants, if there are any.
UPDATE clients SET bounds = '{"scopes":' || scopes || ',"grant_types":' || CASE WHEN substr(settings, 1, 16) = '{"grant_types":[' THEN substr(settings, 16, instr(settings, ']') - 15) ELSE 'null' END
    || CASE WHEN instr(settings, '"require_pushed_authorization_requests":true') > 0 THEN ',"require_pushed_authorization_requests":true' ELSE '' END
    || CASE WHEN instr(settings, '"require_signed_request_object":true') > 0 THEN ',"require_signed_request_object":true' ELSE '' END
    || CASE WHEN instr(settings, '"dpop_bound_access_tokens":true') > 0 THEN ',"dpop_bound_access_tokens":true' ELSE '' END
    || CASE WHEN instr(settings, '"require_auth_time":true') > 0 THEN ',"require_auth_time":true' ELSE '' END || '}'
WHERE (instr(settings, '"document_at":"') > 0 OR instr(settings, '"registration":"') > 0)
AND (tenant_id, id) IN (SELECT tenant_id, json_extract(detail, '$.client') FROM audit
    WHERE event = 'client.changed' AND json_extract(detail, '$.change') = 'updated' AND actor_id <> json_extract(detail, '$.client'));
