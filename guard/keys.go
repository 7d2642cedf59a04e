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

// source delivers the issuer's key set, and how long the issuer says that it
// stays fresh (0: it did not say).
type source func(ctx context.Context) (body []byte, maxAge time.Duration, err error)

// keys keeps the issuer's keys. Its laws:
//
//   - At most one fetch is under way, and it ends within the time-out.
//   - A fetch is caused by a request and by nothing else; no goroutine waits.
//   - A bad answer changes nothing. Keys die only when a good answer lacks
//     them, or when there was no good answer for maxStale.
//   - A request waits only if it cannot be decided without the answer.
type keys struct {
	fetch   source
	allowed []jose.SignatureAlgorithm
	now     func() time.Time
	log     *slog.Logger

	timeout, refresh, minRefetch, maxStale time.Duration

	set     atomic.Pointer[keySet]
	nextTry atomic.Int64 // Unix nanoseconds; before that no fetch by age

	mu       sync.Mutex // guards what follows
	flight   *flight
	failures int
	failure  error     // of the last fetch, nil after a good one
	forced   time.Time // last fetch for an unknown key id
}

// flight is a fetch under way. err may be read after done is closed.
type flight struct {
	done chan struct{}
	err  error
}

// why says what caused a fetch; each cause has its own brake.
type why int

const (
	byAge why = iota
	unknownKey
)

var errBackingOff = errors.New("the last fetch failed, the next one is not due yet")

// current returns the keys to use now. It waits for a fetch only when there
// are none.
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
		return nil, k.unavailable(errors.New("the fetched keys are stale already"))
	}
	return set, nil
}

// afterUnknown returns newer keys than set, if they may and can be had.
func (k *keys) afterUnknown(ctx context.Context, set *keySet, kid string) *keySet {
	f := k.start(unknownKey, k.now())
	if f == nil {
		return nil
	}
	k.log.Info("fetching keys for an unknown key id", "kid", kid[:min(len(kid), 64)])
	if k.wait(ctx, f) != nil {
		return nil
	}
	if newer := k.set.Load(); newer != set {
		return newer
	}
	return nil
}

// due tells whether the age of the keys asks for a fetch. A time far ahead
// means that the clock was set back: do not wait for it.
func (k *keys) due(now time.Time) bool {
	next := k.nextTry.Load()
	return now.UnixNano() >= next || next-now.UnixNano() > int64(k.refresh+k.timeout+k.minRefetch)
}

// start returns the fetch under way, begins one, or returns nil when the
// cause's brake forbids it.
func (k *keys) start(cause why, now time.Time) *flight {
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
		if since := now.Sub(k.forced); since >= 0 && since < k.minRefetch {
			return nil
		}
		k.forced = now
	}
	f := &flight{done: make(chan struct{})}
	k.flight = f
	k.nextTry.Store(now.Add(k.timeout).UnixNano())
	go k.run(f)
	return f
}

// run fetches and publishes the outcome. It belongs to no request: the one that
// caused it may go away while others wait.
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

// update makes one attempt. Only run calls it, so there is one at a time.
func (k *keys) update(ctx context.Context) (time.Duration, error) {
	body, maxAge, err := k.fetch(ctx)
	if err != nil {
		return 0, err
	}
	fresh, notes, err := parseKeySet(body, k.allowed)
	for _, note := range notes {
		k.log.Warn("odd key set", "note", note)
	}
	if err != nil {
		return 0, err
	}
	old := k.set.Load()
	adopt(old, fresh)
	k.set.Store(newKeySet(fresh, k.now().Add(k.maxStale)))
	return maxAge, nil
}

// wait has its own clock, so that a transport or FetchKeys that ignores its
// context holds up no request for longer than the time-out.
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

// lastFailure says why there are no keys while the next fetch is not due.
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
