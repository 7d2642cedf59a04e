// Package limit implements rate limits.
//
// A key names what is counted: an address, an account, a credential, with the name of the rule in
// front ("login.ip|192.0.2.1"). The algorithm is GCRA (generic cell rate algorithm). It stores
// one number for each key, the theoretical arrival time (TAT), at which the key's debt is paid
// off. So checking and counting are one step, and nothing has to be cleaned up.
//
// [Memory] counts inside one process in tables of fixed size. [Redis] counts
// for all nodes together. [Fallback] uses Redis while it is available, and memory otherwise.
//
// [ClientIP] derives the client's address from a connection and its forwarding headers,
// [AddressBuckets] the buckets that count an address. The package does not know HTTP, accounts or
// configuration.
package limit

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"
)

var (
	// ErrRate is returned for an unusable Rate, such as the zero Rate, together with a refusal.
	ErrRate = errors.New("rate must have a positive count and period")
	// ErrCost is returned when fewer than one token is taken or refunded.
	ErrCost = errors.New("number of tokens must be at least 1")
)

// Bucket is a key with the rate at which it is counted.
type Bucket struct {
	Key  string
	Rate Rate
}

// Limiter counts tokens by key. Every method is safe for concurrent use, and no two calls get the
// same token.
//
// To count failures only, Take before the costly work and Refund (or Reset) when it succeeds.
// Peek followed by Take is a race that a parallel burst wins, so Peek is for display, never for
// admission.
type Limiter interface {
	// Take takes n tokens of key when all of them are available, and none otherwise. More tokens
	// than the rate's burst are never available.
	Take(ctx context.Context, key string, r Rate, n int) (Decision, error)
	// TakeAll takes one token of every bucket when all of them are available, and none otherwise.
	// The decision has the longest wait of the refusing buckets, and the fewest remaining tokens
	// of all.
	TakeAll(ctx context.Context, buckets []Bucket) (Decision, error)
	// RefundAll gives one token back to every bucket, as Refund does.
	RefundAll(ctx context.Context, buckets []Bucket) error
	// Peek returns the decision of Take for one token, without taking it.
	Peek(ctx context.Context, key string, r Rate) (Decision, error)
	// Refund gives n taken tokens back. It never fills a key beyond its burst.
	Refund(ctx context.Context, key string, r Rate, n int) error
	// Reset clears the key's debt.
	Reset(ctx context.Context, key string) error
}

// TokenBytes is the size of a request that one token pays for, where size counts.
const TokenBytes = 2 << 10

// Decision is the result of Take or Peek. Its zero value refuses.
type Decision struct {
	// OK reports whether the request is allowed.
	OK bool
	// RetryAfter is how long to wait before the same request can succeed; zero
	// when OK.
	RetryAfter time.Duration
	// Remaining is how many further tokens can be taken now.
	Remaining int
}

// join combines the decisions about two buckets.
func (d Decision) join(e Decision) Decision {
	return Decision{OK: d.OK && e.OK, RetryAfter: max(d.RetryAfter, e.RetryAfter), Remaining: min(d.Remaining, e.Remaining)}
}

// allowAll is the decision for an empty list of buckets.
var allowAll = Decision{OK: true, Remaining: math.MaxInt}

// gcra is a Rate in the units of the algorithm, nanoseconds.
type gcra struct {
	interval int64 // time in which one token is refilled
	depth    int64 // largest debt of a key: burst * interval
}

// decide adds n tokens to a debt that ends at tat. It returns the new end of the debt, which is
// tat when the decision is a refusal.
func (g gcra) decide(now, tat int64, n int) (int64, Decision) {
	tat = max(tat, now)
	cost := int64(n) * g.interval
	if over := tat - now + cost - g.depth; over > 0 {
		return tat, Decision{
			RetryAfter: time.Duration(over),
			Remaining:  int(max(0, (g.depth-(tat-now))/g.interval)),
		}
	}
	tat += cost
	return tat, Decision{OK: true, Remaining: int((g.depth - (tat - now)) / g.interval)}
}

// checkRate validates a request for n tokens. Its second result is false when the decision needs
// no counter.
func checkRate(r Rate, n int) (gcra, bool, Decision, error) {
	g, ok := r.gcra()
	if !ok {
		return g, false, Decision{}, fmt.Errorf("take %d at %v: %w", n, r, ErrRate)
	}
	if n < 1 {
		return g, false, Decision{}, fmt.Errorf("take %d at %v: %w", n, r, ErrCost)
	}
	if int64(n) > g.depth/g.interval {
		return g, false, Decision{RetryAfter: time.Duration(g.depth)}, nil
	}
	return g, true, Decision{}, nil
}

// checkBuckets validates the rates of buckets.
func checkBuckets(buckets []Bucket) error {
	for _, b := range buckets {
		if _, _, _, err := checkRate(b.Rate, 1); err != nil {
			return err
		}
	}
	return nil
}
