package keys

import (
	"bytes"
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/store"
)

// The cache of signing keys:
//
//   - Signing and publishing read memory. The database is read when the snapshot is older than the ring's ttl, once for all concurrent callers.
//   - While the database is unavailable, the last snapshot stays in use, and no caller waits for the next read: keys change rarely, and tokens must remain verifiable.
//   - A snapshot is immutable; it is replaced.

// snapshot is a tenant's keys as the database had them at one moment.
type snapshot struct {
	at      time.Time
	signers []*signer // the newest last
	missing []string  // algorithms without a key
}

// entry is a tenant's place in the cache.
type entry struct {
	snap  atomic.Pointer[snapshot]
	retry atomic.Int64 // Unix nanoseconds; after a failed read, no other before that
}

const (
	loadTimeout = time.Second
	retryAfter  = 2 * time.Second
)

// fresh reports whether the snapshot is younger than ttl. A snapshot from the future is not
// fresh: the clock was set back.
func (s *snapshot) fresh(now time.Time, ttl time.Duration) bool {
	age := now.Sub(s.at)
	return age >= 0 && age <= ttl
}

// snapshot returns the tenant's keys, from memory if they are fresh.
func (r *Ring) snapshot(ctx context.Context, tenant auth.TenantID) (*snapshot, error) {
	now := r.now()
	e := r.entry(tenant)
	snap := e.snap.Load()
	if snap != nil && snap.fresh(now, r.ttl) {
		return snap, nil
	}
	reload := func() (any, error) { return r.refresh(ctx, tenant, e) }
	if retry := e.retry.Load(); snap != nil && retry != 0 {
		if wait := retry - now.UnixNano(); wait <= 0 || wait > int64(retryAfter) {
			r.refreshing.DoChan(string(tenant), reload)
		}
		return snap, nil
	}
	newer, err, _ := r.refreshing.Do(string(tenant), reload)
	switch {
	case err == nil:
		return newer.(*snapshot), nil
	case snap != nil:
		return snap, nil
	}
	return nil, err
}

// refresh reads the tenant's keys into the cache.
func (r *Ring) refresh(ctx context.Context, tenant auth.TenantID, e *entry) (*snapshot, error) {
	snap, err := r.load(ctx, tenant, e.snap.Load())
	if err != nil {
		if e.snap.Load() == nil {
			r.tenants.CompareAndDelete(tenant, e) // it may not even exist
		}
		e.retry.Store(r.now().Add(retryAfter).UnixNano())
		r.log.Warn("signing keys could not be read; the known ones stay in use", "tenant", tenant, "error", err)
		return nil, err
	}
	e.retry.Store(0)
	e.snap.Store(snap)
	// A tenant without keys, which may not even exist, takes no place in memory.
	if len(snap.signers) == 0 {
		r.tenants.CompareAndDelete(tenant, e)
	}
	return snap, nil
}

func (r *Ring) entry(tenant auth.TenantID) *entry {
	if e, ok := r.tenants.Load(tenant); ok {
		return e.(*entry)
	}
	e, _ := r.tenants.LoadOrStore(tenant, &entry{})
	return e.(*entry)
}

// invalidate makes the next call read the database. A read that is under way may have missed the
// last write, so its result is discarded.
func (r *Ring) invalidate(tenant auth.TenantID) {
	r.tenants.Delete(tenant)
	r.refreshing.Forget(string(tenant))
}

// load reads the keys and opens those that are not open in the older snapshot.
func (r *Ring) load(ctx context.Context, tenant auth.TenantID, older *snapshot) (*snapshot, error) {
	// The read serves all waiting callers, so it is not canceled with one request.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), loadTimeout)
	defer cancel()
	var list []auth.SigningKey
	snap := &snapshot{at: r.now()}
	err := r.db.Read(ctx, tenant, func(tx *store.Tx) (err error) {
		list, err = tx.SigningKeys()
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read signing keys: %w", err)
	}
	for _, k := range list {
		snap.signers = append(snap.signers, r.reopen(tenant, k, older))
	}
	for _, alg := range Algorithms {
		if !hasKey(list, alg, snap.at) {
			snap.missing = append(snap.missing, alg)
		}
	}
	return snap, nil
}

func (r *Ring) reopen(tenant auth.TenantID, k auth.SigningKey, older *snapshot) *signer {
	known := false
	if older != nil {
		for _, was := range older.signers {
			if was.key.ID != k.ID {
				continue
			}
			if was.err == nil && was.key.Algorithm == k.Algorithm && bytes.Equal(was.key.Public, k.Public) {
				s := &signer{key: k, private: was.private}
				s.key.Sealed = nil
				return s
			}
			known = was.isForged()
		}
	}
	s := open(r.db.Keyring(), tenant, k)
	if s.isForged() && !known {
		r.log.Error("a signing key was changed in the database; it is refused", "tenant", tenant, "error", s.err)
	}
	return s
}

// active returns the key of the algorithm that signs at the given time: of the keys that are
// published and not retired, the one that became active last. When a clock is set back to before
// the first key became active, that key signs; when every key has retired, the newest does.
func (s *snapshot) active(alg string, now time.Time) *signer {
	var first, best, last *signer
	for _, c := range s.signers {
		if c.key.Algorithm != alg || isExpired(c.key, now) {
			continue
		}
		if first == nil {
			first = c
		}
		if now.Before(c.key.ActiveAt) {
			continue
		}
		last = c
		if c.key.RetiredAt.IsZero() || now.Before(c.key.RetiredAt) {
			best = c
		}
	}
	switch {
	case best != nil:
		return best
	case last != nil:
		return last
	}
	return first
}

func isExpired(k auth.SigningKey, now time.Time) bool {
	return !k.ExpiresAt.IsZero() && !now.Before(k.ExpiresAt)
}

// JWKS returns the key set that a tenant publishes (RFC 7517 §5): public members only, with the
// next key before it is used, and with a key of every algorithm. It creates missing keys; while
// that fails, it returns the existing ones. A tenant that does not exist has an empty key set.
func (r *Ring) JWKS(ctx context.Context, tenant auth.TenantID) ([]byte, error) {
	snap, err := r.snapshot(ctx, tenant)
	if err != nil {
		return nil, err
	}
	if len(snap.missing) > 0 {
		r.createMissing(ctx, tenant, snap.missing)
	}
	return r.CurrentJWKS(ctx, tenant)
}

// CurrentJWKS returns the key set without creating keys, for verifiers in this process, which
// need no key before it signs.
func (r *Ring) CurrentJWKS(ctx context.Context, tenant auth.TenantID) ([]byte, error) {
	snap, err := r.snapshot(ctx, tenant)
	if err != nil {
		return nil, err
	}
	return snap.encode(r.now()), nil
}

// CachedJWKS returns the key set in memory, without reading the database, or nil.
func (r *Ring) CachedJWKS(tenant auth.TenantID) []byte {
	e, ok := r.tenants.Load(tenant)
	if !ok {
		return nil
	}
	snap := e.(*entry).snap.Load()
	if snap == nil {
		return nil
	}
	return snap.encode(r.now())
}

func (s *snapshot) encode(now time.Time) []byte {
	var out bytes.Buffer
	out.WriteString(`{"keys":[`)
	for _, k := range s.signers {
		if isExpired(k.key, now) || k.isForged() {
			continue
		}
		if out.Len() > len(`{"keys":[`) {
			out.WriteByte(',')
		}
		out.Write(k.key.Public)
	}
	out.WriteString("]}")
	return out.Bytes()
}

// PublicKey returns the JWK of a key that is or was published, to verify ID Tokens of any age
// that are used as hints. It returns ErrNotFound for any other key.
func (r *Ring) PublicKey(ctx context.Context, tenant auth.TenantID, id auth.KeyID) ([]byte, error) {
	snap, err := r.snapshot(ctx, tenant)
	if err != nil {
		return nil, err
	}
	for _, s := range snap.signers {
		if s.key.ID == id && s.isForged() {
			return nil, fmt.Errorf("%w: %w", auth.ErrNotFound, s.err)
		}
		if s.key.ID == id {
			return s.key.Public, nil
		}
	}
	var k auth.SigningKey
	err = r.db.Read(ctx, tenant, func(tx *store.Tx) (err error) {
		k, err = tx.RetiredKey(id)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read retired key: %w", err)
	}
	return k.Public, nil
}
