package store

import (
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
)

const rememberMeCols = "id, account_id, digest, previous, auth_at, acr, amr, created_at, rotated_at, expires_at, revoked_at, end_reason, retries"

func scanRememberMe(s scanner, v *auth.RememberMe) error {
	return s.Scan(&v.ID, &v.Account, &v.Digest, &v.Previous, timeDest(&v.AuthAt), &v.ACR, jsonDest{&v.AMR}, timeDest(&v.CreatedAt), timeDest(&v.RotatedAt),
		timeDest(&v.ExpiresAt), timeDest(&v.RevokedAt), textDest(&v.EndReason), &v.Retries)
}

// InsertRememberMe stores a new remember-me series.
func (tx *Tx) InsertRememberMe(v auth.RememberMe) error {
	return insert(tx.q, `INSERT INTO remembered (tenant_id, `+rememberMeCols+`)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, NULL, NULL, $12)`,
		tx.tenant, v.ID, v.Account, v.Digest, v.Previous, millis(v.AuthAt), v.ACR, encodeJSON(v.AMR), millis(v.CreatedAt), millis(v.RotatedAt), millis(v.ExpiresAt), v.Retries)
}

// RememberMe returns a series, revoked ones included.
func (tx *Tx) RememberMe(id auth.RememberMeID) (auth.RememberMe, error) {
	return queryRow(tx.q, scanRememberMe, "SELECT "+rememberMeCols+" FROM remembered WHERE tenant_id = $1 AND id = $2", tx.tenant, id)
}

// AccountRememberMe lists the live series of an account.
func (tx *Tx) AccountRememberMe(account auth.AccountID) ([]auth.RememberMe, error) {
	return queryRows(tx.q, scanRememberMe, "SELECT "+rememberMeCols+` FROM remembered
		WHERE tenant_id = $1 AND account_id = $2 AND revoked_at IS NULL AND expires_at > $3 ORDER BY id DESC LIMIT 10000`, tx.tenant, account, millis(tx.Now))
}

// RotateRememberMe replaces the newest token by its successor, if it is still the newest. Of any
// number of concurrent calls one returns true. The retries shift by one (auth.Retries).
func (tx *Tx) RotateRememberMe(id auth.RememberMeID, from, to string) (bool, error) {
	n, err := execCount(tx.q, `UPDATE remembered SET digest = $1, previous = $2, rotated_at = $3, retries = (retries * 2) & 255
		WHERE tenant_id = $4 AND id = $5 AND digest = $2 AND revoked_at IS NULL AND expires_at > $3`,
		to, from, millis(tx.Now), tx.tenant, id)
	return n == 1, err
}

// RetryRememberMe records a retry of the newest token, if it is still the newest.
func (tx *Tx) RetryRememberMe(id auth.RememberMeID, newest string, r auth.Retries) error {
	return execRow(tx.q, "UPDATE remembered SET retries = $1 WHERE tenant_id = $2 AND id = $3 AND digest = $4 AND revoked_at IS NULL",
		r, tx.tenant, id, newest)
}

// RenewRememberMe records a reauthentication of the user.
func (tx *Tx) RenewRememberMe(id auth.RememberMeID, authAt time.Time, acr string, amr []string) error {
	return execRow(tx.q, "UPDATE remembered SET auth_at = $1, acr = $2, amr = $3 WHERE tenant_id = $4 AND id = $5 AND revoked_at IS NULL",
		millis(authAt), acr, encodeJSON(amr), tx.tenant, id)
}

// RevokeRememberMe revokes one series of an account. Revoking it again changes nothing.
func (tx *Tx) RevokeRememberMe(account auth.AccountID, id auth.RememberMeID, reason string) error {
	_, err := execCount(tx.q, `UPDATE remembered SET revoked_at = $1, end_reason = $2
		WHERE tenant_id = $3 AND account_id = $4 AND id = $5 AND revoked_at IS NULL`, millis(tx.Now), reason, tx.tenant, account, id)
	return err
}

// RevokeAllRememberMe revokes all series of an account except one, which may be empty.
func (tx *Tx) RevokeAllRememberMe(account auth.AccountID, except auth.RememberMeID, reason string) error {
	_, err := execCount(tx.q, `UPDATE remembered SET revoked_at = $1, end_reason = $2
		WHERE tenant_id = $3 AND account_id = $4 AND id <> $5 AND revoked_at IS NULL`, millis(tx.Now), reason, tx.tenant, account, except)
	return err
}
