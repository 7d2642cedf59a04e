package store

import (
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/fault"
)

const singleUseCols = "kind, digest, account_id, client_id, data, created_at, expires_at, used_at, session_id, client_session_id"

func scanSingleUse(s scanner, v *auth.SingleUse) error {
	return s.Scan(&v.Kind, &v.Digest, textDest(&v.Account), textDest(&v.Client), &v.Data, timeDest(&v.CreatedAt), timeDest(&v.ExpiresAt), timeDest(&v.UsedAt),
		textDest(&v.Browser), textDest(&v.Session))
}

// InsertSingleUse returns ErrConflict when the secret exists, which means a replay of a nonce or
// an assertion.
func (tx *Tx) InsertSingleUse(v auth.SingleUse) error {
	return insert(tx.q, `INSERT INTO single_use (tenant_id, `+singleUseCols+`)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT (tenant_id, kind, digest) DO NOTHING`,
		tx.tenant, v.Kind, v.Digest, nullText(v.Account), nullText(v.Client), v.Data, millis(v.CreatedAt), millis(v.ExpiresAt), millis(v.UsedAt),
		nullText(v.Browser), nullText(v.Session))
}

// ReplaceExpired is InsertSingleUse for values that recur: an expired one is replaced.
func (tx *Tx) ReplaceExpired(v auth.SingleUse) error {
	return insert(tx.q, `INSERT INTO single_use (tenant_id, kind, digest, account_id, data, created_at, expires_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (tenant_id, kind, digest) DO UPDATE
		SET account_id = excluded.account_id, data = excluded.data, created_at = excluded.created_at, expires_at = excluded.expires_at
		WHERE single_use.expires_at <= excluded.created_at`,
		tx.tenant, v.Kind, v.Digest, nullText(v.Account), v.Data, millis(v.CreatedAt), millis(v.ExpiresAt))
}

// PutSingleUse stores a secret in place of the one with its kind and digest, consumed or not.
func (tx *Tx) PutSingleUse(v auth.SingleUse) error {
	return insert(tx.q, `INSERT INTO single_use (tenant_id, kind, digest, account_id, data, created_at, expires_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (tenant_id, kind, digest) DO UPDATE
		SET account_id = excluded.account_id, data = excluded.data, created_at = excluded.created_at, expires_at = excluded.expires_at, used_at = NULL`,
		tx.tenant, v.Kind, v.Digest, nullText(v.Account), v.Data, millis(v.CreatedAt), millis(v.ExpiresAt))
}

// Consume consumes a secret. Of any number of concurrent calls, on any number of nodes, one gets
// it; the rest, and every call after its expiry, get ErrNotFound.
func (tx *Tx) Consume(kind auth.SingleUseKind, digest string) (auth.SingleUse, error) {
	v, err := queryRow(tx.q, scanSingleUse, `UPDATE single_use SET used_at = $1
		WHERE tenant_id = $2 AND kind = $3 AND digest = $4 AND used_at IS NULL AND expires_at > $1
		RETURNING `+singleUseCols, millis(tx.Now), tx.tenant, kind, digest)
	if err == nil {
		err = fault.Point(fault.SingleUseConsumed)
	}
	return v, err
}

// SingleUse reads a secret without consuming it, consumed and expired ones included.
func (tx *Tx) SingleUse(kind auth.SingleUseKind, digest string) (auth.SingleUse, error) {
	return queryRow(tx.q, scanSingleUse, "SELECT "+singleUseCols+" FROM single_use WHERE tenant_id = $1 AND kind = $2 AND digest = $3",
		tx.tenant, kind, digest)
}

// LiveSingleUses lists the usable secrets of a kind that belong to the account.
func (tx *Tx) LiveSingleUses(account auth.AccountID, kind auth.SingleUseKind) ([]auth.SingleUse, error) {
	return queryRows(tx.q, scanSingleUse, "SELECT "+singleUseCols+` FROM single_use
		WHERE tenant_id = $1 AND account_id = $2 AND kind = $3 AND used_at IS NULL AND expires_at > $4`,
		tx.tenant, account, kind, millis(tx.Now))
}

// CompareAndSwapSingleUse replaces the data of an unconsumed secret that still has the old data,
// for secrets that may be used several times. Of any number of concurrent calls one returns
// true.
func (tx *Tx) CompareAndSwapSingleUse(kind auth.SingleUseKind, digest, from, to string) (bool, error) {
	n, err := execCount(tx.q, `UPDATE single_use SET data = $1
		WHERE tenant_id = $2 AND kind = $3 AND digest = $4 AND data = $5 AND used_at IS NULL AND expires_at > $6`,
		to, tx.tenant, kind, digest, from, millis(tx.Now))
	return n == 1, err
}

// AnnotateSingleUse replaces the data of a consumed secret.
func (tx *Tx) AnnotateSingleUse(kind auth.SingleUseKind, digest, data string) error {
	return execRow(tx.q, `UPDATE single_use SET data = $1
		WHERE tenant_id = $2 AND kind = $3 AND digest = $4 AND used_at IS NOT NULL`, data, tx.tenant, kind, digest)
}

// DeleteSingleUses deletes the unconsumed secrets of these kinds that belong to the account.
func (tx *Tx) DeleteSingleUses(account auth.AccountID, kinds ...auth.SingleUseKind) error {
	for _, kind := range kinds {
		if _, err := execCount(tx.q, `DELETE FROM single_use WHERE tenant_id = $1 AND account_id = $2 AND kind = $3 AND used_at IS NULL`,
			tx.tenant, account, kind); err != nil {
			return err
		}
	}
	return nil
}

// DeleteSingleUse deletes an unconsumed secret of the account, if it is there.
func (tx *Tx) DeleteSingleUse(account auth.AccountID, kind auth.SingleUseKind, digest string) error {
	_, err := execCount(tx.q, `DELETE FROM single_use WHERE tenant_id = $1 AND account_id = $2 AND kind = $3 AND digest = $4 AND used_at IS NULL`,
		tx.tenant, account, kind, digest)
	return err
}

// DeleteRescues deletes the rescue links of the account, consumed ones included, which ends the sign-ins that
// began with them.
func (tx *Tx) DeleteRescues(account auth.AccountID) error {
	_, err := execCount(tx.q, `DELETE FROM single_use WHERE tenant_id = $1 AND account_id = $2 AND kind = $3`, tx.tenant, account, auth.UseRescue)
	return err
}

// DeleteSingleUsesSince deletes the unconsumed secrets of a kind that the account got at the given
// time or later.
func (tx *Tx) DeleteSingleUsesSince(account auth.AccountID, kind auth.SingleUseKind, since time.Time) error {
	_, err := execCount(tx.q, `DELETE FROM single_use WHERE tenant_id = $1 AND account_id = $2 AND kind = $3 AND used_at IS NULL AND created_at >= $4`,
		tx.tenant, account, kind, millis(since))
	return err
}
