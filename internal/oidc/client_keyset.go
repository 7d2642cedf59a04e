package oidc

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
)

// How long what is published at a jwks_uri is good for.
const (
	keySetFresh = 5 * time.Minute // it is not asked again for this long
	keySetAgain = time.Minute     // nor for this long after a failure or for a kid that it does not have
	keySetKept  = 24 * time.Hour  // while the address does not answer, the last keys are taken for this long
	keySetMost  = 1024            // addresses remembered
)

// clientKeys are the public keys with which a client signs its assertions and
// request objects: those that are registered, or those at its jwks_uri. The kid is
// the one that the signature names, or empty; a kid that is not known yet is a
// reason to ask the address again, at most once a minute. Whether a key fits the
// signature is for the caller to see: see fits.
func (s *Service) clientKeys(ctx context.Context, c auth.Client, kid string) ([]clientKey, error) {
	if c.Settings.JWKSURI == "" {
		return ParseClientKeys(c.Settings.JWKS)
	}
	return s.keySets.get(ctx, c.Settings.JWKSURI, kid)
}

// keySets remembers what was found at addresses of keys. It is bounded, and an address
// is asked by one request at a time; the others wait for its answer.
type keySets struct {
	fetch func(ctx context.Context, from string) ([]byte, error)
	now   func() time.Time

	mu    sync.Mutex // owns known and the when of each
	known map[string]*keySet
}

type keySet struct {
	used time.Time // when it was last looked for

	mu    sync.Mutex // owns the rest, and is held while the address is asked
	keys  []clientKey
	good  time.Time // when the keys were found
	tried time.Time // when the address was last asked
	err   error     // why the last try failed
}

func (ks *keySets) get(ctx context.Context, from, kid string) ([]clientKey, error) {
	e := ks.entry(from)
	e.mu.Lock()
	defer e.mu.Unlock()
	now := ks.now()
	if e.due(now, kid) {
		e.ask(ctx, ks.fetch, from, now)
	}
	if e.keys == nil || now.Sub(e.good) > keySetKept {
		return nil, fmt.Errorf("no keys at jwks_uri: %w", e.err)
	}
	return e.keys, nil
}

// due reports whether the address is to be asked again.
func (e *keySet) due(now time.Time, kid string) bool {
	if !e.tried.IsZero() && now.Sub(e.tried) < keySetAgain {
		return false
	}
	stale := e.keys == nil || now.Sub(e.good) >= keySetFresh
	return stale || kid != "" && !slices.ContainsFunc(e.keys, func(k clientKey) bool { return k.KeyID == kid })
}

// ask keeps the former keys when nothing better is to be had.
func (e *keySet) ask(ctx context.Context, fetch func(context.Context, string) ([]byte, error), from string, now time.Time) {
	// The answer is for everybody who waits, so it does not hang on one request; the
	// client for it has a time-out of its own.
	body, err := fetch(context.WithoutCancel(ctx), from)
	var keys []clientKey
	if err == nil {
		keys, err = ParseClientKeys(body)
	}
	e.tried, e.err = now, err
	if err == nil {
		e.keys, e.good = keys, now
	}
}

// entry finds the memory of an address. When there is no room, the one that was not
// looked for the longest makes some.
func (ks *keySets) entry(from string) *keySet {
	ks.mu.Lock()
	defer ks.mu.Unlock()
	e := ks.known[from]
	if e == nil {
		if len(ks.known) >= keySetMost {
			ks.forget()
		}
		e = &keySet{}
		ks.known[from] = e
	}
	e.used = ks.now()
	return e
}

func (ks *keySets) forget() {
	var oldest string
	for from, e := range ks.known {
		if oldest == "" || e.used.Before(ks.known[oldest].used) {
			oldest = from
		}
	}
	delete(ks.known, oldest)
}

// published reads a document that a client publishes.
func (s *Service) published(ctx context.Context, from string) ([]byte, error) {
	a, err := s.cfg.Out.Get(ctx, from)
	if err != nil {
		return nil, err
	}
	if a.Status != 200 {
		return nil, fmt.Errorf("status %d", a.Status)
	}
	if len(a.Body) > 64<<10 {
		return nil, errors.New("the document is too long")
	}
	return a.Body, nil
}
