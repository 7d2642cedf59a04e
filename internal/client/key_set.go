package client

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
)

// Validity of the keys that are read from a jwks_uri.
const (
	keySetFresh  = 5 * time.Minute // no new request for this long after a success
	keySetRetry  = time.Minute     // no new request for this long after a failure
	keySetMaxAge = 24 * time.Hour  // the last keys stay usable for this long while requests fail
	maxKeySets   = 1024            // cache entries
	keySetWait   = time.Second     // wait for newer keys when older ones are usable
	// An unknown kid causes a request at once, five times and then once a minute.
	unknownEvery = time.Minute
	unknownBurst = 5
)

// clientKeys returns the public keys with which a client signs its assertions and request objects:
// the registered ones, or those at its jwks_uri. The kid is that of the signature, or empty. The
// caller checks whether a key matches the signature: see keyMatches.
func (s *Service) clientKeys(ctx context.Context, c auth.Client, kid string) ([]clientKey, error) {
	if c.Settings.JWKSURI == "" {
		return ParseKeys(c.Settings.JWKS)
	}
	return s.keySets.get(ctx, keySource{c.ID, c.Settings.JWKSURI}, kid)
}

// keySource is where a client publishes its keys. Clients that name the same address do not share
// a cache entry, so none can use up the requests of another.
type keySource struct {
	client auth.ClientID
	uri    string
}

// keySets caches the keys found at clients' addresses. It is bounded. It sends at most one request
// at a time for a client. Only callers without a usable key wait for the response.
type keySets struct {
	fetch func(ctx context.Context, from string) ([]byte, error)
	now   func() time.Time

	mu    sync.Mutex // guards known and the used of each
	known map[keySource]*keySet
}

type keySet struct {
	usedAt time.Time // time of the last lookup

	mu           sync.Mutex // guards the rest; not held during a request
	keys         []clientKey
	foundAt      time.Time     // when the keys were found
	triedAt      time.Time     // when the last request began
	err          error         // of the last request; nil when it succeeded
	unknownUntil time.Time     // until then, the tries for unknown kids are used up
	running      chan struct{} // closed at the end of the running request; nil without one
}

func (ks *keySets) get(ctx context.Context, from keySource, kid string) ([]clientKey, error) {
	set := ks.entry(from)
	set.mu.Lock()
	now := ks.now()
	start := set.running == nil && set.due(now, kid)
	if start {
		set.triedAt, set.running = now, make(chan struct{})
		// The result is for all waiting callers, so it is not canceled with one request; the
		// client for it has a time-out of its own.
		go set.refresh(context.WithoutCancel(ctx), ks.fetch, from.uri, now)
	}
	running, usable := set.running, set.usable(now) && set.has(kid)
	set.mu.Unlock()
	if running != nil && (start || !usable) {
		await(ctx, running, usable)
	}
	set.mu.Lock()
	defer set.mu.Unlock()
	if !set.usable(now) {
		return nil, fmt.Errorf("no keys at jwks_uri: %w", cmp.Or(set.err, ctx.Err()))
	}
	return set.keys, nil
}

// await waits for the end of a request, at most keySetWait if there are usable keys already.
func await(ctx context.Context, done <-chan struct{}, usable bool) {
	if usable {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, keySetWait)
		defer cancel()
	}
	select {
	case <-done:
	case <-ctx.Done():
	}
}

// due reports whether a request to the address is due. If an unknown kid is the reason, it
// consumes one of the tries for that.
func (set *keySet) due(now time.Time, kid string) bool {
	if !set.usable(now) || now.Sub(set.foundAt) >= keySetFresh {
		return set.triedAt.IsZero() || now.Sub(set.triedAt) >= keySetRetry
	}
	if set.has(kid) {
		return false
	}
	from := now
	if set.unknownUntil.After(now) {
		from = set.unknownUntil
	}
	if from.Sub(now) > (unknownBurst-1)*unknownEvery {
		return false
	}
	set.unknownUntil = from.Add(unknownEvery)
	return true
}

func (set *keySet) usable(now time.Time) bool {
	return set.keys != nil && now.Sub(set.foundAt) <= keySetMaxAge
}

func (set *keySet) has(kid string) bool {
	return kid == "" || slices.ContainsFunc(set.keys, func(k clientKey) bool { return k.KeyID == kid })
}

// refresh requests the keys. On failure it keeps the former ones.
func (set *keySet) refresh(ctx context.Context, fetch func(context.Context, string) ([]byte, error), from string, now time.Time) {
	body, err := fetch(ctx, from)
	var keys []clientKey
	if err == nil {
		keys, err = ParseKeys(body)
	}
	set.mu.Lock()
	defer set.mu.Unlock()
	if set.err = err; err == nil {
		set.keys, set.foundAt = keys, now
	}
	close(set.running)
	set.running = nil
}

// entry returns the cached key set of a client's address. When the cache is full, the least recently
// used entry is removed.
func (ks *keySets) entry(from keySource) *keySet {
	ks.mu.Lock()
	defer ks.mu.Unlock()
	set := ks.known[from]
	if set == nil {
		if len(ks.known) >= maxKeySets {
			ks.dropOldest()
		}
		set = &keySet{}
		ks.known[from] = set
	}
	set.usedAt = ks.now()
	return set
}

func (ks *keySets) dropOldest() {
	var oldest keySource
	for from, set := range ks.known {
		if oldest == (keySource{}) || set.usedAt.Before(ks.known[oldest].usedAt) {
			oldest = from
		}
	}
	delete(ks.known, oldest)
}

// forget drops the cached keys of a client that has changed.
func (ks *keySets) forget(id auth.ClientID) {
	ks.mu.Lock()
	defer ks.mu.Unlock()
	maps.DeleteFunc(ks.known, func(from keySource, _ *keySet) bool { return from.client == id })
}

// maxDocument is the maximum size of a document that a client publishes, in bytes.
const maxDocument = 64 << 10

// FetchDocument reads a document that a client publishes.
func (s *Service) FetchDocument(ctx context.Context, from string) ([]byte, error) {
	response, err := s.cfg.Out.Get(ctx, from)
	if err != nil {
		return nil, err
	}
	if response.Status != 200 {
		return nil, fmt.Errorf("status %d", response.Status)
	}
	if len(response.Body) > maxDocument {
		return nil, errors.New("the document is too long")
	}
	return response.Body, nil
}
