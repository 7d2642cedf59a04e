package limit

import (
	"context"
	"sync"
	"time"
)

// FallbackConfig sets up a Fallback. Shared, Local and Now are required.
type FallbackConfig struct {
	// Shared decides while it answers. Use a Redis.
	Shared Limiter
	// Local decides while Shared does not.
	Local *Memory
	// Now is the clock of the circuit breaker.
	Now func() time.Time
	// Timeout bounds each question to Shared; zero means 50 ms.
	Timeout time.Duration
	// Cooldown is how long Shared is left alone after it has failed several times in a
	// row; zero means one second.
	Cooldown time.Duration
	// Changed, if set, is called when Shared is given up (with the cause) and when it
	// is back (with nil). It must not block.
	Changed func(degraded bool, cause error)
}

// Fallback is a Limiter that asks a shared one and, when that fails or is slow,
// decides locally with the same rates. It never lets anything through unchecked:
// without the shared counter each node enforces the whole limit alone, so N nodes
// together allow at most N times as much until the shared one is back, which it
// finds out by itself.
//
// What the shared one admits is booked locally too, so cutting the line to it does
// not hand anyone a fresh allowance.
type Fallback struct {
	cfg FallbackConfig

	mu       sync.Mutex
	failures int       // owned by mu: in a row
	open     bool      // owned by mu: Shared is left alone
	openedAt time.Time // owned by mu
	probing  bool      // owned by mu: one request tries whether Shared is back
}

// tripAfter failures in a row open the breaker: one lost packet does not.
const tripAfter = 3

// NewFallback makes a Fallback.
func NewFallback(cfg FallbackConfig) *Fallback {
	if cfg.Timeout <= 0 {
		cfg.Timeout = 50 * time.Millisecond
	}
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

// Take implements Limiter. It returns an error only for a rate or number that
// makes no sense.
func (f *Fallback) Take(ctx context.Context, key string, r Rate, n int) (Decision, error) {
	if _, ask, d, err := checkRate(r, n); !ask {
		return d, err
	}
	var d Decision
	if f.askShared(ctx, func(ctx context.Context) (err error) {
		d, err = f.cfg.Shared.Take(ctx, key, r, n)
		return err
	}) {
		if d.OK {
			_, _ = f.cfg.Local.Take(ctx, key, r, n) // booked, not asked
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
	if f.askShared(ctx, func(ctx context.Context) (err error) {
		d, err = f.cfg.Shared.TakeAll(ctx, buckets)
		return err
	}) {
		for _, b := range buckets {
			if d.OK {
				_, _ = f.cfg.Local.Take(ctx, b.Key, b.Rate, 1) // booked, not asked
			}
		}
		return d, nil
	}
	return f.cfg.Local.TakeAll(ctx, buckets)
}

// RefundAll implements Limiter, with the same reservation as Refund.
func (f *Fallback) RefundAll(ctx context.Context, buckets []Bucket) error {
	if err := checkBuckets(buckets); err != nil {
		return err
	}
	f.askShared(ctx, func(ctx context.Context) error { return f.cfg.Shared.RefundAll(ctx, buckets) })
	return f.cfg.Local.RefundAll(ctx, buckets)
}

// Peek implements Limiter.
func (f *Fallback) Peek(ctx context.Context, key string, r Rate) (Decision, error) {
	if _, ask, d, err := checkRate(r, 1); !ask {
		return d, err
	}
	var d Decision
	if f.askShared(ctx, func(ctx context.Context) (err error) {
		d, err = f.cfg.Shared.Peek(ctx, key, r)
		return err
	}) {
		return d, nil
	}
	return f.cfg.Local.Peek(ctx, key, r)
}

// Refund implements Limiter. While Shared is away only the local count is
// corrected; the shared one heals by the passing of time.
func (f *Fallback) Refund(ctx context.Context, key string, r Rate, n int) error {
	if _, ask, _, err := checkRate(r, n); !ask {
		return err
	}
	f.askShared(ctx, func(ctx context.Context) error { return f.cfg.Shared.Refund(ctx, key, r, n) })
	return f.cfg.Local.Refund(ctx, key, r, n)
}

// Reset implements Limiter, with the same reservation as Refund.
func (f *Fallback) Reset(ctx context.Context, key string) error {
	f.askShared(ctx, func(ctx context.Context) error { return f.cfg.Shared.Reset(ctx, key) })
	return f.cfg.Local.Reset(ctx, key)
}

// try asks the shared limiter unless the breaker is open, and reports whether
// it answered.
func (f *Fallback) askShared(ctx context.Context, ask func(context.Context) error) bool {
	if !f.mayAsk() {
		return false
	}
	// A caller who hangs up must neither look like a failing Redis nor take back
	// what was counted, so the question outlives him.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), f.cfg.Timeout)
	defer cancel()
	answered := false
	defer func() {
		if !answered { // ask panicked: the breaker must not wait for it for ever
			f.recordResult(context.Canceled)
		}
	}()
	err := ask(ctx)
	answered = true
	f.recordResult(err)
	return err == nil
}

// mayAsk lets everyone through a closed breaker, and one at a time through an open
// one whose cooldown is over.
func (f *Fallback) mayAsk() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.open {
		return true
	}
	if rested := f.cfg.Now().Sub(f.openedAt); f.probing || rested >= 0 && rested < f.cfg.Cooldown {
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
