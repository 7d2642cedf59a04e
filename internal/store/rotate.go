package store

import (
	"context"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/fault"
)

// Rotation is what a decision makes of a refresh family. The zero value changes
// nothing.
type Rotation struct {
	From, To      string    // digests: the newest token, and its successor
	IdleAt        time.Time // of the family
	SessionIdleAt time.Time // when not zero, the session was used now and has this idle limit
}

// Rotate reads a refresh family with everything its fate depends on, lets decide
// look at it, and carries out the rotation: as one transaction, so that of any
// number of tries at once, on any number of nodes, one rotates and every other sees
// that it did. It is under the rules of Write: decide may run twice. ErrNotFound
// when the family, its session, account or client is gone; an error of decide is
// returned as it is and changes nothing.
func (db *DB) Rotate(ctx context.Context, tenant auth.TenantID, id auth.FamilyID, decide func(now time.Time, r Refreshing) (Rotation, error)) error {
	return db.Write(ctx, tenant, func(tx *Tx) error {
		r, err := tx.Refreshing(id)
		if err != nil {
			return err
		}
		rotation, err := decide(tx.Now, r)
		if err != nil || rotation.To == "" {
			return err
		}
		ok, err := tx.RotateFamily(id, rotation.From, rotation.To, rotation.IdleAt)
		if err != nil {
			return err
		}
		if !ok {
			return auth.ErrConflict // decide looked at another token than From
		}
		if err := fault.Point(fault.RefreshConsumed); err != nil {
			return err
		}
		if rotation.SessionIdleAt.IsZero() {
			return nil
		}
		return tx.TouchSession(r.Family.Session, rotation.SessionIdleAt)
	})
}
