package limit

import (
	"context"
	"sync"
	"time"
)

// FallbackConfig configures a Fallback. Shared, Local and Now are required.
type FallbackConfig struct {
	// Shared decides while it is available. It is a Redis.
	Shared Limiter
	// Local decides while Shared is unavailable.
	Local *Memory
	// Now is the clock of the circuit breaker.
	Now func() time.Time
	// Timeout bounds each call of Shared. It is required.
	Timeout time.Duration
	// Cooldown is how long Shared is not called after it has failed several times in a row; zero
	// means one second.
	Cooldown time.Duration
	// Changed, if set, is called when the breaker opens (with the cause) and when it closes (with
	// nil). It must not block.
	Changed func(degraded bool, cause error)
}

// Fallback is a Limiter that uses a shared one and, when that fails or is slow, decides locally
// with the same rates. It never allows anything unchecked: without the shared counter each node
// enforces the whole limit by itself, so N nodes together allow at most N times as much until the
// shared limiter is available again.
//
// Tokens that the shared limiter grants are also taken locally, so cutting the connection to it
// gives nobody a fresh allowance.
type Fallback struct {
	cfg FallbackConfig

	mu       sync.Mutex
	failures int       // owned by mu: in a row
	open     bool      // owned by mu: Shared is not called
	openedAt time.Time // owned by mu
	probing  bool      // owned by mu: one call tests whether Shared is available again
}

// tripAfter is the number of failures in a row that open the breaker.
const tripAfter = 3

// NewFallback returns a Fallback.
func NewFallback(cfg FallbackConfig) *Fallback {
	if cfg.Cooldown <= 0 {
		cfg.Cooldown = time.Second
	}
	return &Fallback{cfg: cfg}
}

// Degraded reports whether limits are local at the moment.
func (f *Fallback) Degraded() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.open
}

// Take implements Limiter. It returns an error only for an invalid rate or number.
func (f *Fallback) Take(ctx context.Context, key string, r Rate, n int) (Decision, error) {
	if _, valid, d, err := checkRate(r, n); !valid {
		return d, err
	}
	var d Decision
	if f.callShared(ctx, func(ctx context.Context) (err error) {
		d, err = f.cfg.Shared.Take(ctx, key, r, n)
		return err
	}) {
		if d.OK {
			_, _ = f.cfg.Local.Take(ctx, key, r, n) // counted; the decision is that of Shared
		}
		return d, nil
	}
	return f.cfg.Local.Take(ctx, key, r, n)
}

// TakeAll implements Limiter.
func (f *Fallback) TakeAll(ctx context.Context, buckets []Bucket) (Decision, error) {
	if err := checkBuckets(buckets); err != nil {
		return Decision{}, err
	}
	var d Decision
	if f.callShared(ctx, func(ctx context.Context) (err error) {
		d, err = f.cfg.Shared.TakeAll(ctx, buckets)
		return err
	}) {
		for _, b := range buckets {
			if d.OK {
				_, _ = f.cfg.Local.Take(ctx, b.Key, b.Rate, 1) // counted; the decision is that of Shared
			}
		}
		return d, nil
	}
	return f.cfg.Local.TakeAll(ctx, buckets)
}

// RefundAll implements Limiter, with the same limitation as Refund.
func (f *Fallback) RefundAll(ctx context.Context, buckets []Bucket) error {
	if err := checkBuckets(buckets); err != nil {
		return err
	}
	f.callShared(ctx, func(ctx context.Context) error { return f.cfg.Shared.RefundAll(ctx, buckets) })
	return f.cfg.Local.RefundAll(ctx, buckets)
}

// Peek implements Limiter.
func (f *Fallback) Peek(ctx context.Context, key string, r Rate) (Decision, error) {
	if _, valid, d, err := checkRate(r, 1); !valid {
		return d, err
	}
	var d Decision
	if f.callShared(ctx, func(ctx context.Context) (err error) {
		d, err = f.cfg.Shared.Peek(ctx, key, r)
		return err
	}) {
		return d, nil
	}
	return f.cfg.Local.Peek(ctx, key, r)
}

// Refund implements Limiter. While Shared is unavailable only the local count is corrected.
func (f *Fallback) Refund(ctx context.Context, key string, r Rate, n int) error {
	if _, valid, _, err := checkRate(r, n); !valid {
		return err
	}
	f.callShared(ctx, func(ctx context.Context) error { return f.cfg.Shared.Refund(ctx, key, r, n) })
	return f.cfg.Local.Refund(ctx, key, r, n)
}

// Reset implements Limiter, with the same limitation as Refund.
func (f *Fallback) Reset(ctx context.Context, key string) error {
	f.callShared(ctx, func(ctx context.Context) error { return f.cfg.Shared.Reset(ctx, key) })
	return f.cfg.Local.Reset(ctx, key)
}

// callShared calls the shared limiter unless the breaker is open, and reports whether it
// succeeded.
func (f *Fallback) callShared(ctx context.Context, call func(context.Context) error) bool {
	if !f.mayCall() {
		return false
	}
	// A canceled request must neither look like a failing Redis nor undo the count, so the call
	// is not canceled with it.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), f.cfg.Timeout)
	defer cancel()
	done := false
	defer func() {
		if !done { // call panicked: the breaker must not wait for it forever
			f.recordResult(context.Canceled)
		}
	}()
	err := call(ctx)
	done = true
	f.recordResult(err)
	return err == nil
}

// mayCall allows every call while the breaker is closed, and one at a time once the cooldown of
// an open one is over.
func (f *Fallback) mayCall() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.open {
		return true
	}
	if elapsed := f.cfg.Now().Sub(f.openedAt); f.probing || elapsed >= 0 && elapsed < f.cfg.Cooldown {
		return false
	}
	f.probing = true
	return true
}

func (f *Fallback) recordResult(err error) {
	f.mu.Lock()
	was := f.open
	f.probing = false
	if err == nil {
		f.failures, f.open = 0, false
	} else if f.failures++; f.failures >= tripAfter {
		f.open, f.openedAt = true, f.cfg.Now()
	}
	is := f.open
	f.mu.Unlock()
	if was != is && f.cfg.Changed != nil {
		f.cfg.Changed(is, err)
	}
}
