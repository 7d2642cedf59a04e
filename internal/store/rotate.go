package store

import (
	"context"
	"errors"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/fault"
)

// Rotation is the result of a decision about a refresh family. The zero value changes nothing.
type Rotation struct {
	From, To      string       // digests: the newest token, and its successor; the same where it stays
	IdleAt        time.Time    // of the family
	SessionIdleAt time.Time    // when not zero, the session was used now and has this limit
	Retried       auth.Retries // when not zero, the newest token is returned again and nothing else changes
}

// Rotate reads the state of a refresh family, calls decide with it, and executes the rotation.
// All of this is one transaction: of any number of concurrent calls, on any number of nodes, one
// rotates and the others see that. The rules of Write apply: decide may run twice. Rotate
// returns ErrNotFound when the family, its session, account or client is missing. It returns an
// error of decide unchanged, and then changes nothing.
func (db *DB) Rotate(ctx context.Context, tenant auth.TenantID, id auth.FamilyID, decide func(now time.Time, r RefreshState) (Rotation, error)) error {
	if pg, ok := db.backend.(*postgresDB); ok && tenant != "" {
		return db.translateError(pg.compareAndSwap(ctx, func(q querier) (bool, error) {
			return db.tenantTx(tenant, q).rotate(id, decide, func(tx *Tx, r RefreshState, result Rotation) (bool, error) {
				done, err := tx.rotateFamilyByCAS(r, result)
				if done {
					// The token is consumed. A client that gets an error now would present it
					// again, which looks like reuse.
					if err := tx.touchRotatedSession(r, result); err != nil {
						db.cfg.Log.Warn("use of a session not recorded", "error", err)
					}
				}
				return done, err
			})
		}))
	}
	return db.Write(ctx, tenant, func(tx *Tx) error {
		done, err := tx.rotate(id, decide, func(tx *Tx, r RefreshState, result Rotation) (bool, error) {
			done, err := tx.RotateFamily(id, result.From, result.To, result.IdleAt)
			if done {
				err = tx.touchRotatedSession(r, result)
			}
			return done, err
		})
		if err == nil && !done {
			return errors.New("store: decide rotated a token that is not the newest")
		}
		return err
	})
}

// rotate returns false when the family has changed since decide read it.
func (tx *Tx) rotate(id auth.FamilyID, decide func(time.Time, RefreshState) (Rotation, error), do func(*Tx, RefreshState, Rotation) (bool, error)) (bool, error) {
	r, err := tx.RefreshState(id)
	if err != nil {
		return true, err
	}
	result, err := decide(tx.Now, r)
	if err == nil && result.Retried != 0 {
		return tx.RetryFamily(id, r.Family.Digest, result.Retried)
	}
	if err != nil || result.To == "" {
		return true, err
	}
	return do(tx, r, result)
}

// touchRotatedSession records the use of the session after a rotation.
func (tx *Tx) touchRotatedSession(r RefreshState, result Rotation) error {
	if err := fault.Point(fault.RefreshConsumed); err != nil || result.SessionIdleAt.IsZero() {
		return err
	}
	return tx.TouchSession(r.Family.Session, result.SessionIdleAt)
}

// rotateFamilyByCAS is RotateFamily for PostgreSQL without a transaction around it. It
// takes two round trips, half of a transaction's, and depends on its own rows only: a
// serializable transaction reads index pages of other families and fails because of them.
//
// The statement compares the newest digest, the end of the session, and what disables the
// account, the client and the tenant, with what was read. It does not compare the rest of r: the
// scopes and settings of client and tenant, the rights of the account, the times of the session.
// A change of those that commits in between takes effect at the next refresh, as if this refresh
// had been first.
func (tx *Tx) rotateFamilyByCAS(r RefreshState, result Rotation) (bool, error) {
	changed, err := execCount(tx.q, `UPDATE refresh_families AS f SET generation = f.generation + CASE WHEN f.digest = $1 THEN 0 ELSE 1 END,
		retries = CASE WHEN f.digest = $1 THEN f.retries ELSE (f.retries * 2) & 255 END, digest = $1, rotated_at = $2, idle_at = $3
		WHERE f.tenant_id = $4 AND f.id = $5 AND f.digest = $6 AND f.revoked_at IS NULL
		AND EXISTS (SELECT 1 FROM sessions s
			JOIN accounts a ON a.tenant_id = s.tenant_id AND a.id = s.account_id
			JOIN clients c ON c.tenant_id = s.tenant_id
			JOIN tenants t ON t.id = s.tenant_id
			WHERE s.tenant_id = $4 AND s.id = $7 AND coalesce(s.ended_at, 0) = $8
			AND a.locked_at IS NULL AND coalesce(a.disabled_at, 0) = $9 AND coalesce(a.email_verified_at, 0) = $10
			AND c.id = $11 AND coalesce(c.disabled_at, 0) = $12 AND coalesce(t.disabled_at, 0) = $13)`,
		result.To, millis(tx.Now), millis(result.IdleAt), tx.tenant, r.Family.ID, result.From,
		r.Family.Session, millisOrZero(r.Session.EndedAt), millisOrZero(r.Account.DisabledAt), millisOrZero(r.Account.EmailVerifiedAt),
		r.Client.ID, millisOrZero(r.Client.DisabledAt), millisOrZero(r.Tenant.DisabledAt))
	return changed == 1, err
}

// millisOrZero is millis with 0 for the zero time, so that it can be compared.
func millisOrZero(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}
