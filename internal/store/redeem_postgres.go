package store

import (
	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/fault"
	"github.com/watchword-auth/watchword/internal/secret"
)

// consumeCodeByCAS is consumeCode for PostgreSQL without a transaction around it. One statement
// locks the rows on which it depends and checks that they are unchanged. It waits for other
// holders of those rows, and has no serialization failures.
//
// The order of locks ensures that a transaction that ends sessions sees a session that begins.
// The client's row is locked: disabling or deleting the client comes before this statement, or
// sees its session. The browser session's row is written: a transaction that ends the sessions of
// the account without having seen the new one fails there and runs again. The account's row comes
// first, in a lock that conflicts with a write of it. Any transaction that ends or deletes rows
// of an account writes that row first (lockAccount), so the two wait for each other only there.
func (tx *Tx) consumeCodeByCAS(r RedemptionState, result Redemption) (bool, error) {
	v, f := result.Session, result.Family
	if f == nil {
		f = &auth.Family{}
	}
	args := []any{
		tx.tenant, r.Code.Digest, millis(tx.Now), // 1
		millisOrZero(r.Account.DisabledAt), millisOrZero(r.Account.EmailVerifiedAt), millisOrZero(r.Client.DisabledAt), millisOrZero(r.Tenant.DisabledAt), // 4
		r.Code.Browser, v.ID, v.Account, v.Client, millis(v.AuthAt), v.ACR, encodeJSON(v.AMR), v.IP, v.UserAgent, // 8
		millis(v.IdleAt), millis(v.ExpiresAt), boolToInt(v.Offline), encodeJSON(v.Claims), // 17
		f.ID, encodeJSON(f.Scope), f.Digest, millisOrZero(f.IdleAt), millisOrZero(f.ExpiresAt), encodeJSON(f.Audience), f.JKT, // 21
	}
	args = append(args, auditRow(auditEntry{tx.tenant, secret.NewID(tx.Now), tx.Now, result.Event})[1:]...) // 28
	consumed, err := execCount(tx.q, consumeCodeText, args...)
	if err != nil || consumed == 0 {
		return false, err
	}
	return true, fault.Point(fault.SingleUseConsumed)
}

const consumeCodeText = `WITH fit AS (
		SELECT u.digest FROM single_use u
		JOIN accounts a ON a.tenant_id = u.tenant_id AND a.id = u.account_id
		JOIN clients c ON c.tenant_id = u.tenant_id AND c.id = u.client_id
		JOIN tenants t ON t.id = u.tenant_id
		WHERE u.tenant_id = $1 AND u.kind = 'code' AND u.digest = $2 AND u.used_at IS NULL AND u.expires_at > $3
		AND a.locked_at IS NULL AND coalesce(a.disabled_at, 0) = $4 AND coalesce(a.email_verified_at, 0) = $5
		AND coalesce(c.disabled_at, 0) = $6 AND coalesce(t.disabled_at, 0) = $7
		FOR SHARE OF a FOR UPDATE OF u FOR SHARE OF c),
	browser AS (
		UPDATE sessions SET seen_at = seen_at
		WHERE tenant_id = $1 AND id = $8 AND ended_at IS NULL AND EXISTS (SELECT 1 FROM fit)
		RETURNING id),
	signed AS (
		INSERT INTO sessions AS s (tenant_id, id, account_id, client_id, auth_at, acr, amr, ip, user_agent,
			created_at, seen_at, idle_at, expires_at, parent_id, offline, claims)
		SELECT $1, $9, $10, $11, $12::bigint, $13, $14, $15, $16, $3::bigint, $3::bigint, $17::bigint, $18::bigint, $8, $19::bigint, $20 FROM browser
		ON CONFLICT (tenant_id, id) DO UPDATE SET auth_at = excluded.auth_at, acr = excluded.acr, amr = excluded.amr, claims = excluded.claims,
			seen_at = excluded.seen_at, idle_at = excluded.idle_at, expires_at = excluded.expires_at, offline = greatest(s.offline, excluded.offline)
		WHERE s.ended_at IS NULL AND s.parent_id = excluded.parent_id AND s.client_id = excluded.client_id AND s.account_id = excluded.account_id
		RETURNING id),
	taken AS (
		UPDATE single_use SET used_at = $3
		WHERE tenant_id = $1 AND kind = 'code' AND digest = $2 AND EXISTS (SELECT 1 FROM signed)
		RETURNING digest),
	family AS (
		INSERT INTO refresh_families (tenant_id, id, account_id, client_id, session_id, scope, generation, digest,
			created_at, rotated_at, idle_at, expires_at, audience, jkt)
		SELECT $1, $21, $10, $11, $9, $22, 0, $23, $3::bigint, $3::bigint, $24::bigint, $25::bigint, $26, $27 FROM taken WHERE $21 <> ''),
	line AS (
		INSERT INTO audit (tenant_id, ` + auditCols + `)
		SELECT $1, $28, $29::bigint, $30, $31, $32, $33, $34, $35, $36, $37, $38, $39, $40 FROM taken)
	SELECT digest FROM taken`
