package keys

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/store"
)

// Ensure creates the tenant's first key of the algorithm, active at once, unless there is one.
// Two nodes that do so at the same time create one key.
func (r *Ring) Ensure(ctx context.Context, tenant auth.TenantID, alg string) error {
	if alg == "" {
		alg = r.alg
	}
	if snap, err := r.snapshot(ctx, tenant); err == nil && snap.active(alg, r.now()) != nil {
		return nil
	}
	// Callers that need the same key wait for this one. Callers that need another algorithm do
	// not wait for an RSA key. The key is created for all of them, so it is not canceled with one
	// request.
	_, err, _ := r.ensuring.Do(string(tenant)+" "+alg, func() (any, error) {
		return nil, r.ensure(context.WithoutCancel(ctx), tenant, alg)
	})
	return err
}

// createMissing creates the missing keys of a key set, unless the tenant does not exist, the
// database is unavailable, or this node cannot open the present keys. After a failure it waits
// before the next attempt: keys are expensive, and anyone may request the set.
func (r *Ring) createMissing(ctx context.Context, tenant auth.TenantID, missing []string) {
	now := r.now()
	if until, ok := r.retryAt.Load(tenant); ok && now.Before(until.(time.Time)) {
		return
	}
	err := r.db.Read(ctx, tenant, func(tx *store.Tx) error {
		_, err := tx.CurrentTenant()
		return err
	})
	if err != nil || r.CheckUsable(ctx, tenant) != nil {
		return
	}
	for _, alg := range missing {
		if err := r.Ensure(ctx, tenant, alg); err != nil {
			r.retryAt.Store(tenant, now.Add(r.ttl))
			r.log.Warn("a key set is published without a key of every algorithm", "tenant", tenant, "algorithm", alg, "error", err)
			return
		}
	}
	r.retryAt.Delete(tenant)
}

func (r *Ring) ensure(ctx context.Context, tenant auth.TenantID, alg string) error {
	r.invalidate(tenant)
	if snap, err := r.snapshot(ctx, tenant); err != nil {
		return err
	} else if snap.active(alg, r.now()) != nil {
		return nil // another node or the previous caller created it
	}
	m, err := r.newMaterial(alg)
	if err != nil {
		return err
	}
	k := m.seal(r.db.Keyring(), tenant)
	err = r.db.Write(ctx, tenant, func(tx *store.Tx) error {
		list, err := tx.SigningKeys()
		if err != nil || hasKey(list, alg, tx.Now) {
			return err
		}
		k.CreatedAt, k.ActiveAt = tx.Now, tx.Now
		if err := tx.InsertSigningKey(k); err != nil {
			return err
		}
		return tx.Record(auth.Event{Kind: auth.EventKeyCreated, Actor: auth.System, Detail: map[string]string{"kid": string(k.ID), "alg": alg}})
	})
	r.invalidate(tenant)
	if err != nil {
		return fmt.Errorf("store the first %s key: %w", alg, err)
	}
	return nil
}

func hasKey(list []auth.SigningKey, alg string, now time.Time) bool {
	for _, k := range list {
		if k.Algorithm == alg && !isExpired(k, now) {
			return true
		}
	}
	return false
}

var errPending = auth.Refuse(auth.KindConflict, auth.CodeRotationPending, "the next key is already published and will sign soon")

// Rotate publishes the next key, which signs after PublishAhead. The present key retires then,
// and stays published for KeepFor. During a rotation another one is refused as Conflict
// rotation_pending.
func (r *Ring) Rotate(ctx context.Context, tenant auth.TenantID, alg string, actor auth.Actor) error {
	if alg == "" {
		alg = r.alg
	}
	return r.replace(ctx, tenant, alg, actor, func(auth.SigningKey, time.Time) bool { return true })
}

// replace rotates when due returns true for the newest key in the transaction: another node may
// just have rotated.
func (r *Ring) replace(ctx context.Context, tenant auth.TenantID, alg string, actor auth.Actor, due func(newest auth.SigningKey, now time.Time) bool) error {
	m, err := r.newMaterial(alg)
	if err != nil {
		return err
	}
	k := m.seal(r.db.Keyring(), tenant)
	err = r.db.Write(ctx, tenant, func(tx *store.Tx) error {
		list, err := tx.SigningKeys()
		if err != nil {
			return err
		}
		newest, ok := newestKey(list, alg)
		if ok && tx.Now.Before(newest.ActiveAt) {
			return errPending
		}
		if ok && !due(newest, tx.Now) {
			return nil
		}
		return r.storeNext(tx, k, list, actor)
	})
	r.invalidate(tenant)
	if err != nil {
		return fmt.Errorf("rotate %s key: %w", alg, err)
	}
	return nil
}

func newestKey(list []auth.SigningKey, alg string) (newest auth.SigningKey, ok bool) {
	for _, k := range list {
		if k.Algorithm == alg {
			newest, ok = k, true
		}
	}
	return newest, ok
}

// storeNext stores the next key and retires every older one of its algorithm at the time when it
// begins to sign.
func (r *Ring) storeNext(tx *store.Tx, k auth.SigningKey, list []auth.SigningKey, actor auth.Actor) error {
	t, err := tx.CurrentTenant()
	if err != nil {
		return err
	}
	k.CreatedAt, k.ActiveAt = tx.Now, tx.Now.Add(r.ahead)
	if _, ok := newestKey(list, k.Algorithm); !ok {
		k.ActiveAt = tx.Now // nothing to wait for
	}
	if err := tx.InsertSigningKey(k); err != nil {
		return err
	}
	for _, old := range list {
		if old.Algorithm != k.Algorithm || !old.RetiredAt.IsZero() {
			continue
		}
		old.RetiredAt = k.ActiveAt
		old.ExpiresAt = k.ActiveAt.Add(r.keepFor(t))
		if err := tx.UpdateSigningKey(old); err != nil {
			return err
		}
	}
	return tx.Record(auth.Event{Kind: auth.EventKeyRotated, Actor: actor, Detail: map[string]string{
		"kid": string(k.ID), "alg": k.Algorithm, "active_at": k.ActiveAt.Format(time.RFC3339)}})
}

// keepFor returns how long a retired key stays published: until the last token it signed has
// certainly expired. Nodes may sign with it a ttl too long, and clocks differ.
func (r *Ring) keepFor(t auth.Tenant) time.Duration {
	return max(r.keep, t.Settings.Lifetimes.Access+r.ttl+5*time.Minute)
}

// Maintain rotates the keys that are due and removes expired ones, for every tenant. Nodes may
// run it at the same time. A failure for one tenant does not stop the others.
func (r *Ring) Maintain(ctx context.Context) error {
	var tenants []auth.Tenant
	err := r.db.ReadSystem(ctx, func(tx *store.SystemTx) (err error) {
		tenants, err = tx.Tenants()
		return err
	})
	if err != nil {
		return fmt.Errorf("list tenants: %w", err)
	}
	var errs []error
	for _, t := range tenants {
		if err := r.maintainTenant(ctx, t.ID); err != nil {
			errs = append(errs, fmt.Errorf("tenant %s: %w", t.ID, err))
		}
	}
	return errors.Join(errs...)
}

func (r *Ring) maintainTenant(ctx context.Context, tenant auth.TenantID) error {
	list, err := r.List(ctx, tenant)
	if err != nil {
		return err
	}
	now := r.now()
	expired := false
	for _, k := range list {
		expired = expired || isExpired(k, now)
	}
	if expired {
		if err := r.removeExpired(ctx, tenant); err != nil {
			return err
		}
	}
	for _, alg := range Algorithms {
		if newest, ok := newestKey(list, alg); !ok || !r.needsSuccessor(newest, now) {
			continue
		}
		if err := r.replace(ctx, tenant, alg, auth.System, r.needsSuccessor); err != nil && !errors.Is(err, errPending) {
			return err
		}
	}
	return nil
}

// needsSuccessor reports whether a successor of the newest key must be published now, so that the
// key signs no longer than RotateEvery.
func (r *Ring) needsSuccessor(newest auth.SigningKey, now time.Time) bool {
	return now.Sub(newest.ActiveAt) >= r.rotate-r.ahead && !now.Before(newest.ActiveAt)
}

// removeExpired removes the keys whose last token has expired. It keeps their public halves for
// hints, as long as a session may last for which they signed.
func (r *Ring) removeExpired(ctx context.Context, tenant auth.TenantID) error {
	err := r.db.Write(ctx, tenant, func(tx *store.Tx) error {
		list, err := tx.SigningKeys()
		if err != nil {
			return err
		}
		t, err := tx.CurrentTenant()
		if err != nil {
			return err
		}
		for _, k := range list {
			if !isExpired(k, tx.Now) {
				continue
			}
			if until := k.RetiredAt.Add(t.Settings.Lifetimes.Or(r.lives).Longest()); until.After(tx.Now) {
				if err := tx.InsertRetiredKey(k, until); err != nil {
					return err
				}
			}
			if err := tx.DeleteSigningKey(k.ID); err != nil {
				return err
			}
			if err := tx.Record(auth.Event{Kind: auth.EventKeyRemoved, Actor: auth.System, Detail: map[string]string{"kid": string(k.ID), "alg": k.Algorithm}}); err != nil {
				return err
			}
		}
		return nil
	})
	r.invalidate(tenant)
	if err != nil {
		return fmt.Errorf("remove expired keys: %w", err)
	}
	return nil
}

// Reseal seals everything in the database under the newest master key, in one transaction, and
// returns how many values changed. Its audit event belongs to the default tenant.
func (r *Ring) Reseal(ctx context.Context, actor auth.Actor) (int, error) {
	n := 0
	err := r.db.WriteSystem(ctx, func(tx *store.SystemTx) (err error) {
		if n, err = tx.Reseal(); err != nil {
			return err
		}
		return tx.In(auth.DefaultTenant).Record(auth.Event{Kind: auth.EventKeysResealed, Actor: actor, Detail: map[string]string{"values": strconv.Itoa(n)}})
	})
	if err != nil {
		return 0, fmt.Errorf("reseal under the newest master key: %w", err)
	}
	return n, nil
}
