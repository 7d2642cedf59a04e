package limit

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
)

// retryUnavailable is the Retry-After of a request that could not be counted.
const retryUnavailable = 5 * time.Second

// Take takes n tokens of a bucket, or none. It fails with auth.Throttled, and with
// auth.Unavailable when the limiter does: a request that cannot be counted is refused.
func Take(ctx context.Context, l Limiter, b Bucket, n int) (Decision, error) {
	d, err := l.Take(ctx, b.Key, b.Rate, n)
	return d.refusal(err)
}

// TakeAll takes one token of every bucket, or of none. It fails as Take does.
func TakeAll(ctx context.Context, l Limiter, buckets ...Bucket) (Decision, error) {
	d, err := l.TakeAll(ctx, buckets)
	return d.refusal(err)
}

func (d Decision) refusal(err error) (Decision, error) {
	switch {
	case err != nil:
		return Decision{}, auth.Unavailable(fmt.Errorf("count request: %w", err), retryUnavailable)
	case !d.OK:
		return d, auth.Throttled(d.RetryAfter)
	}
	return d, nil
}

// RefundAll gives one token back to every bucket, even when ctx is canceled.
func RefundAll(ctx context.Context, l Limiter, log *slog.Logger, buckets ...Bucket) {
	if err := l.RefundAll(context.WithoutCancel(ctx), buckets); err != nil {
		log.Warn("rate limiter unavailable; tokens not refunded", "error", err)
	}
}
