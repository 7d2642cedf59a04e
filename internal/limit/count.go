package limit

import (
	"context"
	"log/slog"

	"github.com/watchword-auth/watchword/internal/auth"
)

// TakeAll takes one token of every bucket, or of none. The refusal is auth.Throttled. A
// limiter that is unavailable is logged; its decision counts.
func TakeAll(ctx context.Context, l Limiter, log *slog.Logger, buckets ...Bucket) error {
	d, err := l.TakeAll(ctx, buckets)
	if err != nil {
		log.Error("rate limiter unavailable", "error", err)
	}
	if d.OK {
		return nil
	}
	return auth.Throttled(d.RetryAfter)
}

// RefundAll gives one token back to every bucket, even when the caller has gone away.
func RefundAll(ctx context.Context, l Limiter, log *slog.Logger, buckets ...Bucket) {
	if err := l.RefundAll(context.WithoutCancel(ctx), buckets); err != nil {
		log.Warn("rate limiter unavailable; tokens not refunded", "error", err)
	}
}
