package store

import (
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
)

const sessionCols = `id, account_id, client_id, digest, auth_at, acr, amr, ip, user_agent,
	created_at, seen_at, idle_at, expires_at, ended_at, end_reason,
	parent_id, offline, series_id, claims`

func scanSession(s scanner, v *auth.Session) error {
	return s.Scan(&v.ID, &v.Account, &v.Client, textDest(&v.Digest), timeDest(&v.AuthAt), &v.ACR, jsonDest{&v.AMR}, &v.IP, &v.UserAgent,
		timeDest(&v.CreatedAt), timeDest(&v.SeenAt), timeDest(&v.IdleAt), timeDest(&v.ExpiresAt), timeDest(&v.EndedAt), textDest(&v.EndReason),
		textDest(&v.Parent), boolDest{&v.Offline}, textDest(&v.RememberMe), jsonDest{&v.Claims})
}

// InsertSession stores a new session.
func (tx *Tx) InsertSession(v auth.Session) error {
	return insert(tx.q, `INSERT INTO sessions (tenant_id, `+sessionCols+`)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, NULL, NULL, $15, $16, $17, $18)`,
		tx.tenant, v.ID, v.Account, v.Client, nullText(v.Digest), millis(v.AuthAt), v.ACR, encodeJSON(v.AMR), v.IP, v.UserAgent,
		millis(v.CreatedAt), millis(v.SeenAt), millis(v.IdleAt), millis(v.ExpiresAt),
		nullText(v.Parent), boolToInt(v.Offline), nullText(v.RememberMe), encodeJSON(v.Claims))
}

// ClientSession returns the newest live session of a client below a browser session; ErrNotFound
// without one.
func (tx *Tx) ClientSession(parent auth.SessionID, client auth.ClientID) (auth.Session, error) {
	return queryRow(tx.q, scanSession, "SELECT "+sessionCols+` FROM sessions
		WHERE tenant_id = $1 AND parent_id = $2 AND client_id = $3 AND ended_at IS NULL AND expires_at > $4 ORDER BY id DESC LIMIT 1`,
		tx.tenant, parent, client, millis(tx.Now))
}

// UpdateClientSession writes what another authorization of the same client in the same browser
// changes: the authentication, the requested claims, the limits, and offline access, which is
// never removed. ErrNotFound when the session has ended.
func (tx *Tx) UpdateClientSession(v auth.Session) error {
	return execRow(tx.q, `UPDATE sessions SET auth_at = $1, acr = $2, amr = $3, claims = $4, seen_at = $5, idle_at = $6, expires_at = $7,
		offline = CASE WHEN offline = 1 THEN 1 ELSE $8 END
		WHERE tenant_id = $9 AND id = $10 AND ended_at IS NULL`,
		millis(v.AuthAt), v.ACR, encodeJSON(v.AMR), encodeJSON(v.Claims), millis(tx.Now), millis(v.IdleAt), millis(v.ExpiresAt), boolToInt(v.Offline), tx.tenant, v.ID)
}

// Session returns a session, ended ones included.
func (tx *Tx) Session(id auth.SessionID) (auth.Session, error) {
	return queryRow(tx.q, scanSession, "SELECT "+sessionCols+" FROM sessions WHERE tenant_id = $1 AND id = $2", tx.tenant, id)
}

// SessionByDigest finds the session of a cookie.
func (tx *Tx) SessionByDigest(digest string) (auth.Session, error) {
	return queryRow(tx.q, scanSession, "SELECT "+sessionCols+" FROM sessions WHERE tenant_id = $1 AND digest = $2", tx.tenant, digest)
}

// Sessions lists the sessions of an account that have not ended, newest first, without client
// sessions below a browser session.
func (tx *Tx) Sessions(account auth.AccountID) ([]auth.Session, error) {
	return queryRows(tx.q, scanSession, "SELECT "+sessionCols+` FROM sessions
		WHERE tenant_id = $1 AND account_id = $2 AND ended_at IS NULL AND parent_id IS NULL ORDER BY id DESC LIMIT 1000`, tx.tenant, account)
}

// AllSessions is Sessions with client sessions.
func (tx *Tx) AllSessions(account auth.AccountID) ([]auth.Session, error) {
	return queryRows(tx.q, scanSession, "SELECT "+sessionCols+` FROM sessions
		WHERE tenant_id = $1 AND account_id = $2 AND ended_at IS NULL ORDER BY id DESC LIMIT 10000`, tx.tenant, account)
}

// TouchSession records use and moves the idle limit. An ended session stays ended.
func (tx *Tx) TouchSession(id auth.SessionID, idleAt time.Time) error {
	_, err := execCount(tx.q, `UPDATE sessions SET seen_at = $1, idle_at = $2
		WHERE tenant_id = $3 AND id = $4 AND ended_at IS NULL`, millis(tx.Now), millis(idleAt), tx.tenant, id)
	return err
}

// RenewSession gives the session a new cookie after a reauthentication and invalidates the old
// one. It writes the digest, the authentication, the limits and the remember-me series, which is
// never removed.
func (tx *Tx) RenewSession(v auth.Session) error {
	if err := tx.lockAccount(v.Account); err != nil { // the time of the sign-in is written to it next
		return err
	}
	return execRow(tx.q, `UPDATE sessions SET digest = $1, auth_at = $2, acr = $3, amr = $4, idle_at = $5, expires_at = $6, series_id = coalesce($7, series_id)
		WHERE tenant_id = $8 AND id = $9 AND ended_at IS NULL`,
		v.Digest, millis(v.AuthAt), v.ACR, encodeJSON(v.AMR), millis(v.IdleAt), millis(v.ExpiresAt), nullText(v.RememberMe), tx.tenant, v.ID)
}

// ClearSessionDigest invalidates the cookie of the session if it is still this one. The session
// itself continues.
func (tx *Tx) ClearSessionDigest(id auth.SessionID, digest string) error {
	_, err := execCount(tx.q, "UPDATE sessions SET digest = NULL WHERE tenant_id = $1 AND id = $2 AND digest = $3", tx.tenant, id, digest)
	return err
}
