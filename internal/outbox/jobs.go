package outbox

import (
	"context"
	"runtime/debug"
	"time"

	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/store"
	"github.com/watchword-auth/watchword/internal/timer"
)

// Job is periodic work. Nodes do not coordinate, so it must be safe to run it twice at the same
// time.
type Job struct {
	Name  string
	Every time.Duration
	Run   func(ctx context.Context) error
}

// firstRun delays the jobs after a start.
const firstRun = 5 * time.Second

// runJobLoop runs the job until ctx is done. It logs errors and panics and continues.
func (o *Outbox) runJobLoop(ctx context.Context, j Job) {
	wait := min(firstRun, j.Every)
	for {
		if o.cfg.Timers.Sleep(ctx, wait/2+secret.Jitter(wait)) != nil {
			return
		}
		o.runJob(ctx, j)
		wait = j.Every
	}
}

func (o *Outbox) runJob(ctx context.Context, j Job) {
	defer func() {
		if p := recover(); p != nil {
			o.cfg.Log.Error("job panicked", "job", j.Name, "panic", p, "stack", string(debug.Stack()))
		}
	}()
	if err := j.Run(ctx); err != nil && ctx.Err() == nil {
		o.cfg.Log.Error("job failed; it will run again", "job", j.Name, "error", err)
	}
}

const (
	sweepEvery        = 5 * time.Minute
	sweepExpiredAfter = 24 * time.Hour // expired rows are kept this long
	sweepUnboundAfter = time.Minute    // the clocks of nodes differ
	sweepEndedAfter   = time.Hour      // ended rows, and rows of single requests, are kept this long: a day of them would be most of the database
	sweepBatch        = 500            // rows in one transaction
	sweepPause        = 50 * time.Millisecond
	sweepMaxBatches   = 2000 // batches in one round
)

// unusedClientAfter is how long an unused self-registered or self-described client is kept.
const unusedClientAfter = 30 * 24 * time.Hour

// clientBatchSize is how many of these clients one transaction examines.
const clientBatchSize = 200

// SweepClients returns the job that removes unused self-registered and self-described clients.
// Anyone can create these.
func SweepClients(db *store.DB, timers timer.Source) Job {
	return Job{Name: "sweep clients", Every: 6 * time.Hour, Run: func(ctx context.Context) error {
		for _, from := range []store.ClientOrigin{store.FromDocument, store.FromRegistration} {
			if err := sweepClients(ctx, db, timers, from); err != nil {
				return err
			}
		}
		return nil
	}}
}

func sweepClients(ctx context.Context, db *store.DB, timers timer.Source, from store.ClientOrigin) error {
	var cursor store.ClientCursor
	for more := true; more; {
		after := cursor
		err := db.WriteSystem(ctx, func(tx *store.SystemTx) (err error) {
			cursor, more, err = tx.SweepClients(from, tx.Now.Add(-unusedClientAfter), after, clientBatchSize)
			return err
		})
		if err != nil || !more {
			return err
		}
		if timers.Sleep(ctx, sweepPause) != nil {
			return nil
		}
	}
	return nil
}

// SweepConfig configures the job of Sweep. DB and Flows are required.
type SweepConfig struct {
	DB     *store.DB
	Timers timer.Source
	Flows  time.Duration // how long flows are kept after their start
	Audit  time.Duration // how long audit events are kept; zero keeps them all
}

// Sweep returns the job that removes expired and ended rows. It works in small transactions with
// pauses, so that requests are not delayed.
func Sweep(cfg SweepConfig) Job {
	return Job{Name: "sweep", Every: sweepEvery, Run: func(ctx context.Context) error {
		for range sweepMaxBatches {
			var removed int64
			err := cfg.DB.WriteSystem(ctx, func(tx *store.SystemTx) (err error) {
				auditBefore := time.Time{}
				if cfg.Audit > 0 {
					auditBefore = tx.Now.Add(-cfg.Audit)
				}
				ended := tx.Now.Add(-sweepEndedAfter)
				removed, err = tx.Sweep(store.Retention{Flows: tx.Now.Add(-cfg.Flows), Unbound: tx.Now.Add(-sweepUnboundAfter), ShortLived: ended, Ended: ended,
					Expired: tx.Now.Add(-sweepExpiredAfter), Audit: auditBefore}, sweepBatch)
				return err
			})
			if err != nil || removed < sweepBatch {
				return err
			}
			if cfg.Timers.Sleep(ctx, sweepPause) != nil {
				return nil
			}
		}
		return nil
	}}
}
