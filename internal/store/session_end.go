package store

import (
	"errors"
	"maps"
	"slices"

	"github.com/watchword-auth/watchword/internal/auth"
)

// This file ends every session. With a session, its refresh families are revoked, its client
// sessions end, and each client with a back-channel logout URL gets a notice. Its remember-me
// series is revoked too, or the browser would sign in again by itself, except when the session
// ends because the account has too many.

// EndSession ends one session; ErrNotFound when it is not the account's or has ended already.
// Its client sessions end with it. A logout leaves the sessions of clients with offline access,
// which are then independent.
func (tx *Tx) EndSession(account auth.AccountID, id auth.SessionID, reason string) error {
	v, err := tx.Session(id)
	if err != nil {
		return err
	}
	if v.Account != account || !v.EndedAt.IsZero() {
		return auth.ErrNotFound
	}
	if err := tx.lockAccount(account); err != nil {
		return err
	}
	return tx.endLiveSession(v, reason)
}

// lockAccount writes the account's row without a change. A transaction that ends several rows of
// an account writes that row first, as deleting the account does. In another order two
// transactions could deadlock.
func (tx *Tx) lockAccount(id auth.AccountID) error {
	_, err := execCount(tx.q, "UPDATE accounts SET updated_at = updated_at WHERE tenant_id = $1 AND id = $2", tx.tenant, id)
	return err
}

// EndSessions ends all sessions of the account and returns how many. One session may be
// excepted, together with the client sessions of its browser and its remember-me series.
func (tx *Tx) EndSessions(account auth.AccountID, except auth.SessionID, reason string) (int64, error) {
	if err := tx.lockAccount(account); err != nil {
		return 0, err
	}
	keep, series, err := tx.browserSession(except)
	if err != nil {
		return 0, err
	}
	err = tx.enqueueLogoutNotices("s.account_id = $2 AND s.id <> $3 AND (s.parent_id IS NULL OR s.parent_id <> $3)", account, keep)
	if err != nil {
		return 0, err
	}
	_, err = execCount(tx.q, `UPDATE refresh_families SET revoked_at = $1, end_reason = $2
		WHERE tenant_id = $3 AND account_id = $4 AND session_id <> $5 AND revoked_at IS NULL
		AND session_id NOT IN (SELECT id FROM sessions WHERE tenant_id = $3 AND parent_id = $5 AND ended_at IS NULL)`,
		millis(tx.Now), reason, tx.tenant, account, keep)
	if err != nil {
		return 0, err
	}
	if err := tx.RevokeAllRememberMe(account, series, reason); err != nil {
		return 0, err
	}
	return execCount(tx.q, `UPDATE sessions SET ended_at = $1, end_reason = $2, digest = NULL
		WHERE tenant_id = $3 AND account_id = $4 AND id <> $5 AND (parent_id IS NULL OR parent_id <> $5) AND ended_at IS NULL`,
		millis(tx.Now), reason, tx.tenant, account, keep)
}

// browserSession returns the browser session to which a session belongs, and its remember-me
// series.
func (tx *Tx) browserSession(id auth.SessionID) (auth.SessionID, auth.RememberMeID, error) {
	if id == "" {
		return "", "", nil
	}
	v, err := tx.Session(id)
	if err == nil && v.Parent != "" {
		v, err = tx.Session(v.Parent)
	}
	if errors.Is(err, auth.ErrNotFound) {
		return id, "", nil
	}
	return v.ID, v.RememberMe, err
}

// EndOldestSessions ends all but the newest keep sessions of the account and returns how many.
// Client sessions below a browser session do not count.
func (tx *Tx) EndOldestSessions(account auth.AccountID, keep int, reason string) (int64, error) {
	return tx.endFoundSessions(reason, "SELECT "+sessionCols+` FROM sessions
		WHERE tenant_id = $1 AND account_id = $2 AND ended_at IS NULL AND parent_id IS NULL ORDER BY id DESC LIMIT 1000 OFFSET $3`,
		tx.tenant, account, keep)
}

// EndRememberMeSessions ends the sessions of the account that belong to a remember-me series,
// and returns how many.
func (tx *Tx) EndRememberMeSessions(account auth.AccountID, series auth.RememberMeID, reason string) (int64, error) {
	return tx.endFoundSessions(reason, "SELECT "+sessionCols+` FROM sessions
		WHERE tenant_id = $1 AND series_id = $2 AND account_id = $3 AND ended_at IS NULL`, tx.tenant, series, account)
}

// EndGrantedSessions ends all sessions of one account at one client and returns how many. It
// does nothing for the built-in client, whose sessions are the parents of others.
func (tx *Tx) EndGrantedSessions(account auth.AccountID, client auth.ClientID, reason string) (int64, error) {
	if client == auth.FirstParty {
		return 0, nil
	}
	if err := tx.lockAccount(account); err != nil {
		return 0, err
	}
	if err := tx.enqueueLogoutNotices("s.account_id = $2 AND s.client_id = $3", account, client); err != nil {
		return 0, err
	}
	_, err := execCount(tx.q, `UPDATE refresh_families SET revoked_at = $1, end_reason = $2
		WHERE tenant_id = $3 AND account_id = $4 AND client_id = $5 AND revoked_at IS NULL`, millis(tx.Now), reason, tx.tenant, account, client)
	if err != nil {
		return 0, err
	}
	return execCount(tx.q, `UPDATE sessions SET ended_at = $1, end_reason = $2, digest = NULL
		WHERE tenant_id = $3 AND account_id = $4 AND client_id = $5 AND ended_at IS NULL`, millis(tx.Now), reason, tx.tenant, account, client)
}

// EndOldestGrantedSessions ends all but the newest keep sessions of one account at one client,
// and returns how many.
func (tx *Tx) EndOldestGrantedSessions(account auth.AccountID, client auth.ClientID, keep int, reason string) (int64, error) {
	return tx.endFoundSessions(reason, "SELECT "+sessionCols+` FROM sessions
		WHERE tenant_id = $1 AND account_id = $2 AND client_id = $3 AND ended_at IS NULL ORDER BY id DESC LIMIT 1000 OFFSET $4`,
		tx.tenant, account, client, keep)
}

// EndClientSessions ends up to n sessions of a client, of any accounts, and returns how many:
// fewer than n when none is left. It does nothing for the built-in client.
func (tx *Tx) EndClientSessions(client auth.ClientID, n int, reason string) (int64, error) {
	found, err := queryRows(tx.q, scanSession, "SELECT "+sessionCols+` FROM sessions
		WHERE tenant_id = $1 AND client_id = $2 AND client_id <> 'first-party' AND ended_at IS NULL ORDER BY id LIMIT $3`, tx.tenant, client, n)
	if err != nil || len(found) == 0 {
		return 0, err
	}
	owners := map[auth.AccountID]bool{}
	for _, v := range found {
		owners[v.Account] = true
	}
	for _, id := range slices.Sorted(maps.Keys(owners)) {
		if err := tx.lockAccount(id); err != nil {
			return 0, err
		}
	}
	last := found[len(found)-1].ID
	if err := tx.enqueueLogoutNotices("s.client_id = $2 AND s.client_id <> 'first-party' AND s.id <= $3", client, last); err != nil {
		return 0, err
	}
	for _, v := range found {
		if err := tx.revokeFamilies(v.ID, reason); err != nil {
			return 0, err
		}
	}
	return execCount(tx.q, `UPDATE sessions SET ended_at = $1, end_reason = $2, digest = NULL
		WHERE tenant_id = $3 AND client_id = $4 AND client_id <> 'first-party' AND ended_at IS NULL AND id <= $5`,
		millis(tx.Now), reason, tx.tenant, client, last)
}

// revokeFamilies revokes the refresh families of a session.
func (tx *Tx) revokeFamilies(session auth.SessionID, reason string) error {
	_, err := execCount(tx.q, `UPDATE refresh_families SET revoked_at = $1, end_reason = $2
		WHERE tenant_id = $3 AND session_id = $4 AND revoked_at IS NULL`, millis(tx.Now), reason, tx.tenant, session)
	return err
}

// endFoundSessions ends the sessions that a query returns.
func (tx *Tx) endFoundSessions(reason, query string, args ...any) (int64, error) {
	found, err := queryRows(tx.q, scanSession, query, args...)
	if err != nil {
		return 0, err
	}
	for i, v := range found {
		if i == 0 || v.Account != found[i-1].Account {
			if err := tx.lockAccount(v.Account); err != nil {
				return 0, err
			}
		}
		if err := tx.endLiveSession(v, reason); err != nil {
			return 0, err
		}
	}
	return int64(len(found)), nil
}

// endLiveSession ends a session that has not ended.
func (tx *Tx) endLiveSession(v auth.Session, reason string) error {
	if v.Parent == "" {
		if err := tx.endChildSessions(v.ID, reason); err != nil {
			return err
		}
	}
	if v.Client != auth.FirstParty {
		if err := tx.enqueueLogoutNotices("s.id = $2", v.ID); err != nil {
			return err
		}
	}
	if v.RememberMe != "" && reason != auth.EndTooManySessions {
		if err := tx.RevokeRememberMe(v.Account, v.RememberMe, reason); err != nil {
			return err
		}
	}
	if err := tx.revokeFamilies(v.ID, reason); err != nil {
		return err
	}
	return execRow(tx.q, `UPDATE sessions SET ended_at = $1, end_reason = $2, digest = NULL
		WHERE tenant_id = $3 AND id = $4 AND ended_at IS NULL`, millis(tx.Now), reason, tx.tenant, v.ID)
}

// endChildSessions ends the client sessions of a browser session, or detaches those with offline
// access at a logout. All of these clients get a notice.
func (tx *Tx) endChildSessions(parent auth.SessionID, reason string) error {
	_, err := queryRow(tx.q, scanText, "SELECT id FROM sessions WHERE tenant_id = $1 AND parent_id = $2 AND ended_at IS NULL LIMIT 1", tx.tenant, parent)
	if errors.Is(err, auth.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := tx.enqueueLogoutNotices("s.parent_id = $2", parent); err != nil {
		return err
	}
	if reason == auth.EndLogout {
		if _, err := execCount(tx.q, `UPDATE sessions SET parent_id = NULL
			WHERE tenant_id = $1 AND parent_id = $2 AND offline = 1 AND ended_at IS NULL`, tx.tenant, parent); err != nil {
			return err
		}
	}
	_, err = execCount(tx.q, `UPDATE refresh_families SET revoked_at = $1, end_reason = $2
		WHERE tenant_id = $3 AND revoked_at IS NULL
		AND session_id IN (SELECT id FROM sessions WHERE tenant_id = $3 AND parent_id = $4 AND ended_at IS NULL)`,
		millis(tx.Now), reason, tx.tenant, parent)
	if err != nil {
		return err
	}
	_, err = execCount(tx.q, `UPDATE sessions SET ended_at = $1, end_reason = $2, digest = NULL
		WHERE tenant_id = $3 AND parent_id = $4 AND ended_at IS NULL`, millis(tx.Now), reason, tx.tenant, parent)
	return err
}

// enqueueLogoutNotices enqueues a notice to the client of each live session that the condition
// selects. The parameters of the condition begin with $2.
func (tx *Tx) enqueueLogoutNotices(condition string, args ...any) error {
	type endedSession struct {
		auth.LogoutNotice
		settings auth.ClientSettings
	}
	list, err := queryRows(tx.q, func(s scanner, v *endedSession) error {
		return s.Scan(&v.Client, &v.Account, &v.Session, jsonDest{&v.settings})
	}, `SELECT s.client_id, s.account_id, s.id, c.settings FROM sessions s
		JOIN clients c ON c.tenant_id = s.tenant_id AND c.id = s.client_id
		WHERE s.tenant_id = $1 AND `+condition+` AND s.ended_at IS NULL AND c.notified = 1`,
		append([]any{tx.tenant}, args...)...)
	if err != nil {
		return err
	}
	for _, v := range list {
		if v.URI = v.settings.BackchannelURI; v.URI == "" {
			continue
		}
		err := tx.EnqueueLogout(v.LogoutNotice)
		if auth.KindOf(err) == auth.KindUnavailable {
			return nil // a full outbox must not keep a session alive
		}
		if err != nil {
			return err
		}
	}
	return nil
}
