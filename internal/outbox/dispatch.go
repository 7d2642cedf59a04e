package outbox

import (
	"context"
	"sync/atomic"
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

// dispatcher hands claimed messages of one lane to goroutines. Each lane has its own
// workers, so that clients which hang do not keep mail waiting, nor a dead mail server
// the clients. The other fields belong to run.
type dispatcher struct {
	o        *Outbox
	kinds    string // what its messages begin with
	workers  int
	woken    chan struct{}   // something may be due
	retryNow atomic.Bool     // look even while the way is closed
	work     context.Context // outlives the ctx of run by the time to drain
	free     int             // workers without a delivery
	ended    chan verdict    // one for each delivery

	mayBeDue bool // something may be due
	pause    time.Duration
	paused   bool
	resume   <-chan struct{} // closed at the end of the pause; nil before the first one
}

func (o *Outbox) dispatcher(work context.Context, kinds string, workers int) *dispatcher {
	return &dispatcher{o: o, kinds: kinds, workers: workers, woken: make(chan struct{}, 1), work: work, free: workers, ended: make(chan verdict, workers)}
}

// wake makes the dispatcher claim messages.
func (d *dispatcher) wake(insist bool) {
	if insist {
		d.retryNow.Store(true)
	}
	select {
	case d.woken <- struct{}{}:
	default: // it has not taken note of the last one yet
	}
}

func (d *dispatcher) run(ctx context.Context) {
	d.mayBeDue = true // what an earlier process left
	for ctx.Err() == nil {
		d.claim(ctx)
		select {
		case <-ctx.Done():
		case v := <-d.ended:
			d.finishDelivery(v)
		case <-d.woken:
			d.mayBeDue = true
			if d.retryNow.Swap(false) {
				d.paused, d.pause = false, 0
			}
		case <-d.resume:
			d.resume, d.mayBeDue, d.paused = nil, true, false
		}
	}
	for d.free < d.workers {
		d.finishDelivery(<-d.ended)
	}
}

// watch wakes the dispatchers when a message may be due.
func (o *Outbox) watch(ctx context.Context, lanes []*dispatcher) {
	poll, stop := o.cfg.Timers.After(o.cfg.Poll)
	defer func() { stop() }()
	for {
		insist, due := false, true
		select {
		case <-ctx.Done():
			return
		case <-o.wake:
			insist = true
		case <-o.cfg.DB.Queued():
		case <-poll:
			poll, stop = o.cfg.Timers.After(o.cfg.Poll)
			o.countMessages(ctx)
			due = o.Stats().Waiting > 0
		}
		for _, d := range lanes {
			if due {
				d.wake(insist)
			}
		}
	}
}

// claim takes as many messages as workers are free, or a single one while it is unknown whether
// anything can be delivered.
func (d *dispatcher) claim(ctx context.Context) {
	n := d.free
	if d.pause > 0 {
		n = min(1, 1-(d.workers-d.free))
	}
	if !d.mayBeDue || d.paused || n < 1 {
		return
	}
	d.mayBeDue = false
	lease := secret.New("").Reveal()
	var got []store.ClaimedMessage
	err := d.o.cfg.DB.WriteSystem(ctx, func(tx *store.SystemTx) (err error) {
		got, err = tx.ClaimMessages(lease, tx.Now.Add(d.o.cfg.Lease), d.kinds, n)
		return err
	})
	d.o.reportDatabase(ctx, err)
	if err != nil {
		return // the next look tries again; a claim that was lost on the way runs out
	}
	for _, m := range got {
		d.free--
		go func() { d.ended <- d.o.deliver(d.work, m) }()
	}
	d.mayBeDue = len(got) == n
}

// finishDelivery records that a delivery is over. The next message of its queue may be due now.
func (d *dispatcher) finishDelivery(v verdict) {
	d.free++
	d.mayBeDue = true
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
	d.resume, _ = d.o.cfg.Timers.After(d.pause)
}
