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
	used time.Time // time of the last lookup

	mu      sync.Mutex // guards the rest; not held during a request
	keys    []clientKey
	good    time.Time     // when the keys were found
	tried   time.Time     // when the last request began
	err     error         // why the last try failed
	unknown time.Time     // until then, the tries for unknown kids are used up
	asking  chan struct{} // closed at the end of the running request; nil without one
}

func (ks *keySets) get(ctx context.Context, from keySource, kid string) ([]clientKey, error) {
	e := ks.entry(from)
	e.mu.Lock()
	now := ks.now()
	asks := e.asking == nil && e.due(now, kid)
	if asks {
		e.tried, e.asking = now, make(chan struct{})
		// The result is for all waiting callers, so it is not canceled with one request; the
		// client for it has a time-out of its own.
		go e.refresh(context.WithoutCancel(ctx), ks.fetch, from.uri, now)
	}
	asking, serves := e.asking, e.usable(now) && e.has(kid)
	e.mu.Unlock()
	if asking != nil && (asks || !serves) {
		await(ctx, asking, serves)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.usable(now) {
		return nil, fmt.Errorf("no keys at jwks_uri: %w", cmp.Or(e.err, ctx.Err()))
	}
	return e.keys, nil
}

// await waits for the response, at most keySetWait if there are usable keys already.
func await(ctx context.Context, answer <-chan struct{}, serves bool) {
	if serves {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, keySetWait)
		defer cancel()
	}
	select {
	case <-answer:
	case <-ctx.Done():
	}
}

// due reports whether a request to the address is due. If an unknown kid is the reason, it
// consumes one of the tries for that.
func (e *keySet) due(now time.Time, kid string) bool {
	if !e.usable(now) || now.Sub(e.good) >= keySetFresh {
		return e.tried.IsZero() || now.Sub(e.tried) >= keySetRetry
	}
	if e.has(kid) {
		return false
	}
	from := now
	if e.unknown.After(now) {
		from = e.unknown
	}
	if from.Sub(now) > (unknownBurst-1)*unknownEvery {
		return false
	}
	e.unknown = from.Add(unknownEvery)
	return true
}

func (e *keySet) usable(now time.Time) bool { return e.keys != nil && now.Sub(e.good) <= keySetMaxAge }

func (e *keySet) has(kid string) bool {
	return kid == "" || slices.ContainsFunc(e.keys, func(k clientKey) bool { return k.KeyID == kid })
}

// refresh requests the keys. On failure it keeps the former ones.
func (e *keySet) refresh(ctx context.Context, fetch func(context.Context, string) ([]byte, error), from string, now time.Time) {
	body, err := fetch(ctx, from)
	var keys []clientKey
	if err == nil {
		keys, err = ParseKeys(body)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.err = err; err == nil {
		e.keys, e.good = keys, now
	}
	close(e.asking)
	e.asking = nil
}

// entry returns the cached key set of a client's address. When the cache is full, the least recently
// used entry is removed.
func (ks *keySets) entry(from keySource) *keySet {
	ks.mu.Lock()
	defer ks.mu.Unlock()
	e := ks.known[from]
	if e == nil {
		if len(ks.known) >= maxKeySets {
			ks.dropOldest()
		}
		e = &keySet{}
		ks.known[from] = e
	}
	e.used = ks.now()
	return e
}

func (ks *keySets) dropOldest() {
	var oldest keySource
	for from, e := range ks.known {
		if oldest == (keySource{}) || e.used.Before(ks.known[oldest].used) {
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
	a, err := s.cfg.Out.Get(ctx, from)
	if err != nil {
		return nil, err
	}
	if a.Status != 200 {
		return nil, fmt.Errorf("status %d", a.Status)
	}
	if len(a.Body) > maxDocument {
		return nil, errors.New("the document is too long")
	}
	return a.Body, nil
}
