// Package limit implements rate limits: may this key go on now, or must it wait?
//
// A key is whatever its caller counts: an address, an account, a credential,
// with the name of the rule in front ("login.ip|192.0.2.1"). The answer comes from
// GCRA (generic cell rate algorithm): one number a key, the moment at which the
// key's debt is paid off, so a check and its booking are one step and nothing
// has to be swept.
//
// [Memory] counts inside one process in tables of fixed size. [Redis] counts
// for all nodes together. [Fallback] joins the two: Redis while it answers,
// memory while it does not, and never no limit at all.
//
// [ClientIP] turns a connection and its forwarding headers into an address, and [ByAddress]
// an address into the buckets that count it. The package knows nothing of HTTP, accounts or
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
	// ErrRate says that a Rate can limit nothing, such as the zero Rate. The
	// decision that comes with it is always a refusal.
	ErrRate = errors.New("rate must have a positive count and period")
	// ErrCost says that fewer than one token was asked for or given back.
	ErrCost = errors.New("number of tokens must be at least 1")
)

// Bucket is a key with the rate at which it is counted.
type Bucket struct {
	Key  string
	Rate Rate
}

// Limiter counts tokens by key. Every method is safe for concurrent use, and no
// two of them can act on the same remaining token.
//
// To count failures only, Take before the costly work and Refund (or Reset) when
// it succeeds. Peek followed by Take leaves a gap that a parallel burst walks
// through, so Peek is for display, never for admission.
type Limiter interface {
	// Take takes n tokens of key when all of them are there, and none otherwise.
	// More tokens than the rate's burst are never there.
	Take(ctx context.Context, key string, r Rate, n int) (Decision, error)
	// TakeAll takes one token of every bucket when all of them are there, and none
	// otherwise. The decision has the longest wait of those that refuse, and the fewest
	// remaining tokens of all.
	TakeAll(ctx context.Context, buckets []Bucket) (Decision, error)
	// RefundAll gives one token back to every bucket, as Refund does.
	RefundAll(ctx context.Context, buckets []Bucket) error
	// Peek tells what Take of one token would answer now, without taking it.
	Peek(ctx context.Context, key string, r Rate) (Decision, error)
	// Refund gives n taken tokens back. It never fills a key beyond its burst.
	Refund(ctx context.Context, key string, r Rate, n int) error
	// Reset forgets the key's debt.
	Reset(ctx context.Context, key string) error
}

// TokenBytes is how long a request may be that costs one token, where size counts.
const TokenBytes = 2 << 10

// Decision is the answer to a Take or a Peek. Its zero value refuses.
type Decision struct {
	// OK tells whether the caller may go on.
	OK bool
	// RetryAfter is how long to wait before the same request can succeed; zero
	// when OK.
	RetryAfter time.Duration
	// Remaining is how many further tokens could be taken at once now.
	Remaining int
}

// join makes the decision about several buckets out of those about each.
func (d Decision) join(e Decision) Decision {
	return Decision{OK: d.OK && e.OK, RetryAfter: max(d.RetryAfter, e.RetryAfter), Remaining: min(d.Remaining, e.Remaining)}
}

// allowAll is the decision about no bucket at all.
var allowAll = Decision{OK: true, Remaining: math.MaxInt}

// gcra is a Rate in the units of the algorithm, nanoseconds.
type gcra struct {
	interval int64 // time that pays for one token
	depth    int64 // debt that a key may have: burst * interval
}

// decide books n tokens onto a debt that ends at tat. It returns the new end of
// the debt, which is tat itself when the decision is a refusal.
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

// checkRate validates a request for n tokens. Its second result is false when the decision is
// known without a counter.
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
