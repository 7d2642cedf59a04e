package outbox

import (
	"context"
	"runtime/debug"
	"time"

	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/store"
	"github.com/watchword-auth/watchword/internal/timer"
)

// Job is work that comes round. Nodes do not agree on whose turn it is, so running
// it twice at once must do no harm.
type Job struct {
	Name  string
	Every time.Duration
	Run   func(ctx context.Context) error
}

// firstRun keeps jobs out of the way of a start.
const firstRun = 5 * time.Second

// keepRunning runs the job until ctx is done. An error or a panic is logged; the
// job comes round again all the same.
func (o *Outbox) keepRunning(ctx context.Context, j Job) {
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
		o.cfg.Log.Error("job failed; it will come round again", "job", j.Name, "error", err)
	}
}

const (
	sweepEvery = 5 * time.Minute
	sweepKeep  = 24 * time.Hour // what has expired stays this long
	sweepBrief = time.Hour      // what was ended, and of what there is one for each request: a day of it would be most of the database
	sweepBatch = 500            // rows in one transaction
	sweepPause = 50 * time.Millisecond
	sweepMost  = 2000 // batches in one round
)

// clientKept is how long a client that describes itself is kept when nobody uses it.
const clientKept = 30 * 24 * time.Hour

// clientBatch is how many such clients one transaction looks at.
const clientBatch = 200

// SweepClients is the job that removes clients which describe themselves, in a document or by
// registering, and that nobody uses. Anybody can make one.
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
	var mark store.ClientCursor
	for more := true; more; {
		after := mark
		err := db.WriteSystem(ctx, func(tx *store.SystemTx) (err error) {
			mark, more, err = tx.SweepClients(from, tx.Now.Add(-clientKept), after, clientBatch)
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

// Sweep is the job that removes what nobody can use any more, and audit lines older
// than retention (zero keeps them all). It works in small transactions with pauses
// between them, so that requests come through however much has piled up.
func Sweep(db *store.DB, timers timer.Source, retention time.Duration) Job {
	return Job{Name: "sweep", Every: sweepEvery, Run: func(ctx context.Context) error {
		for range sweepMost {
			var gone int64
			err := db.WriteSystem(ctx, func(tx *store.SystemTx) (err error) {
				auditBefore := time.Time{}
				if retention > 0 {
					auditBefore = tx.Now.Add(-retention)
				}
				brief := tx.Now.Add(-sweepBrief)
				gone, err = tx.Sweep(store.Retention{Flows: tx.Now, ShortLived: brief, Ended: brief, Expired: tx.Now.Add(-sweepKeep), Audit: auditBefore}, sweepBatch)
				return err
			})
			if err != nil || gone < sweepBatch {
				return err
			}
			if timers.Sleep(ctx, sweepPause) != nil {
				return nil
			}
		}
		return nil
	}}
}
