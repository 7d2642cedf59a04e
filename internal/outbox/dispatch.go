package outbox

import (
	"context"
	"time"

	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/store"
)

// While no message can be delivered at all (the mail server is down or hangs), one
// message at a time tries the way, at pauses between these two. That costs next
// to nothing however much waits, and finds the way open again within seconds.
const (
	shortestPause = time.Second
	longestPause  = 5 * time.Second
)

// dispatcher hands claimed messages to goroutines. Its fields belong to run.
type dispatcher struct {
	o     *Outbox
	work  context.Context // outlives the ctx of run by the time to drain
	free  int             // workers without a delivery
	ended chan verdict    // one for each delivery

	look   bool // something may be due
	pause  time.Duration
	paused bool
	resume *time.Timer
}

func (d *dispatcher) run(ctx context.Context) {
	tick := time.NewTicker(d.o.cfg.Poll)
	defer tick.Stop()
	d.resume = time.NewTimer(time.Hour)
	defer d.resume.Stop()
	d.look = true // what an earlier process left
	for ctx.Err() == nil {
		d.claim(ctx)
		select {
		case <-ctx.Done():
		case v := <-d.ended:
			d.end(v)
		case <-d.o.wake:
			d.look, d.paused, d.pause = true, false, 0
		case <-d.o.cfg.DB.Queued():
			d.look = true
		case <-tick.C:
			d.o.measure(ctx)
			d.look = d.look || d.o.Stats().Waiting > 0
		case <-d.resume.C:
			d.look, d.paused = true, false
		}
	}
	for d.free < d.o.cfg.Workers {
		d.end(<-d.ended)
	}
}

// claim takes as many messages as there are free workers, or a single one while
// it is not known whether anything can be delivered.
func (d *dispatcher) claim(ctx context.Context) {
	n := d.free
	if d.pause > 0 {
		n = min(1, 1-(d.o.cfg.Workers-d.free))
	}
	if !d.look || d.paused || n < 1 {
		return
	}
	d.look = false
	lease := secret.New("").Reveal()
	var got []store.Claimed
	err := d.o.cfg.DB.WriteSystem(ctx, func(tx *store.SystemTx) (err error) {
		got, err = tx.Claim(lease, tx.Now.Add(d.o.cfg.Lease), n)
		return err
	})
	d.o.report(ctx, err)
	if err != nil {
		return // the next look tries again; a claim that was lost on the way runs out
	}
	for _, m := range got {
		d.free--
		go func() { d.ended <- d.o.handle(d.work, m) }()
	}
	d.look = len(got) == n
}

// end takes note of a delivery that is over. The message behind it in its queue
// may be due now.
func (d *dispatcher) end(v verdict) {
	d.free++
	d.look = true
	switch v {
	case interrupted, discarded: // says nothing about the way
		return
	case delivered, retry, givenUp:
		d.pause, d.paused = 0, false
		return
	}
	if d.paused {
		return // one of several that were under way when the way closed
	}
	d.pause = min(max(2*d.pause, d.o.shortest), d.o.longest)
	d.paused = true
	d.resume.Reset(d.pause)
}
