package guard

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// source fetches the issuer's key set. maxAge is its freshness lifetime, 0 if unknown.
type source func(ctx context.Context) (body []byte, maxAge time.Duration, err error)

// keys caches the issuer's keys. Its rules:
//
//   - At most one fetch is in flight, and it ends within the timeout.
//   - Only a request starts a fetch; there is no background goroutine between fetches.
//   - A failed fetch changes nothing. Keys are removed only when a successful fetch
//     lacks them, or after maxStale without one.
//   - A request waits for a fetch only if it cannot be decided without it.
type keys struct {
	fetch   source
	allowed []jose.SignatureAlgorithm
	now     func() time.Time
	log     *slog.Logger

	timeout, refresh, minRefetch, maxStale time.Duration

	set     atomic.Pointer[keySet]
	nextTry atomic.Int64 // Unix nanoseconds of the next fetch by age

	mu         sync.Mutex // guards the fields below
	flight     *flight
	failures   int
	failure    error     // of the last fetch, nil after a good one
	lastForced time.Time // last fetch for an unknown key ID
}

// flight is a fetch in flight. err may be read after done is closed.
type flight struct {
	done chan struct{}
	err  error
}

// fetchCause is the cause of a fetch; each has its own rate limit.
type fetchCause int

const (
	byAge fetchCause = iota
	unknownKey
)

var errBackingOff = errors.New("backing off after a failed fetch")

// current returns the usable keys. It waits for a fetch only if there are none.
func (k *keys) current(ctx context.Context, now time.Time) (*keySet, *Error) {
	set := k.set.Load()
	due := k.due(now)
	if set != nil && now.Before(set.staleAt) {
		if due {
			k.start(byAge, now)
		}
		return set, nil
	}
	f := k.start(byAge, now)
	if f == nil {
		return nil, k.unavailable(k.lastFailure())
	}
	if err := k.wait(ctx, f); err != nil {
		return nil, k.unavailable(err)
	}
	if set = k.set.Load(); set == nil || !k.now().Before(set.staleAt) {
		return nil, k.unavailable(errors.New("the fetched keys are already stale"))
	}
	return set, nil
}

// fetchForUnknownID fetches keys because of an unknown key ID. It returns nil if a fetch is
// not due or brings no newer keys.
func (k *keys) fetchForUnknownID(ctx context.Context, set *keySet, kid string) *keySet {
	f := k.start(unknownKey, k.now())
	if f == nil {
		return nil
	}
	k.log.Info("fetching keys for an unknown key ID", "kid", kid[:min(len(kid), 64)])
	if k.wait(ctx, f) != nil {
		return nil
	}
	if newer := k.set.Load(); newer != set {
		return newer
	}
	return nil
}

// due reports whether the keys are old enough for a fetch. A next try far in the future
// means that the clock was set back; it does not count.
func (k *keys) due(now time.Time) bool {
	next := k.nextTry.Load()
	return now.UnixNano() >= next || next-now.UnixNano() > int64(k.refresh+k.timeout+k.minRefetch)
}

// start returns the fetch in flight or starts one. It returns nil if the rate limit of
// the cause forbids it.
func (k *keys) start(cause fetchCause, now time.Time) *flight {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.flight != nil {
		return k.flight
	}
	switch cause {
	case byAge:
		if !k.due(now) {
			return nil
		}
	case unknownKey:
		if since := now.Sub(k.lastForced); since >= 0 && since < k.minRefetch {
			return nil
		}
		k.lastForced = now
	}
	f := &flight{done: make(chan struct{})}
	k.flight = f
	k.nextTry.Store(now.Add(k.timeout).UnixNano())
	go k.run(f)
	return f
}

// run fetches the keys and publishes the outcome. It outlives the request that started
// it, because other requests may wait for it.
func (k *keys) run(f *flight) {
	ctx, cancel := context.WithTimeout(context.Background(), k.timeout)
	defer cancel()
	maxAge, err := k.update(ctx)

	k.mu.Lock()
	defer k.mu.Unlock()
	wait := k.refresh
	k.failure = err
	if err != nil {
		k.failures++
		wait = min(time.Second<<min(k.failures-1, 10), k.minRefetch, k.refresh)
		k.log.Warn("fetching the issuer's keys failed", "error", err, "failures", k.failures, "next_try_in", wait)
	} else {
		k.failures = 0
		if maxAge > 0 {
			wait = min(max(maxAge, k.minRefetch), k.refresh)
		}
	}
	k.nextTry.Store(k.now().Add(wait).UnixNano())
	f.err = err
	k.flight = nil
	close(f.done)
}

// update makes one attempt. Only run calls it, one at a time.
func (k *keys) update(ctx context.Context) (time.Duration, error) {
	body, maxAge, err := k.fetch(ctx)
	if err != nil {
		return 0, err
	}
	fresh, notes, err := parseKeySet(body, k.allowed)
	for _, note := range notes {
		k.log.Warn("invalid key in the issuer's key set", "note", note)
	}
	if err != nil {
		return 0, err
	}
	old := k.set.Load()
	reuseKeys(old, fresh)
	k.set.Store(newKeySet(fresh, k.now().Add(k.maxStale)))
	return maxAge, nil
}

// wait waits for a fetch, at most the timeout: a transport or FetchKeys that ignores its
// context delays no request for longer.
func (k *keys) wait(ctx context.Context, f *flight) error {
	ctx, cancel := context.WithTimeout(ctx, k.timeout)
	defer cancel()
	select {
	case <-f.done:
		return f.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// lastFailure returns why there are no keys while the next fetch is not due.
func (k *keys) lastFailure() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.failure == nil {
		return errBackingOff
	}
	return fmt.Errorf("%w: %w", errBackingOff, k.failure)
}

func (k *keys) unavailable(cause error) *Error {
	e := refuse(ErrKeysUnavailable, cause)
	e.RetryAfter = max(time.Unix(0, k.nextTry.Load()).Sub(k.now()), time.Second)
	return e
}
