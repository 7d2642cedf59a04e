package outbox

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/store"
)

// While no message can be delivered (the mail server is down or hangs), one message at a time is
// attempted, with pauses between these two. That is cheap for any backlog, and notices within
// seconds that delivery works again.
const (
	shortestPause = time.Second
	longestPause  = 5 * time.Second
)

// dispatcher passes claimed messages of one lane to goroutines. Each lane has its own workers, so
// that clients that hang do not delay mail, and a hanging mail server does not delay the clients.
// Only run uses the fields without a comment on sharing.
type dispatcher struct {
	o        *Outbox
	kinds    string // prefix of the kinds of its messages
	workers  int
	woken    chan struct{}   // something may be due
	retryNow atomic.Bool     // claim even while deliveries are paused
	work     context.Context // outlives the ctx of run by Config.Drain
	free     int             // workers without a delivery
	ended    chan verdict    // the results of deliveries

	mayBeDue bool // something may be due
	pause    time.Duration
	paused   bool
	resume   <-chan struct{} // closed at the end of the pause; nil before the first one
}

func (o *Outbox) dispatcher(work context.Context, kinds string, workers int) *dispatcher {
	return &dispatcher{o: o, kinds: kinds, workers: workers, woken: make(chan struct{}, 1), work: work, free: workers, ended: make(chan verdict, workers)}
}

// wake makes the dispatcher claim messages.
func (d *dispatcher) wake(now bool) {
	if now {
		d.retryNow.Store(true)
	}
	select {
	case d.woken <- struct{}{}:
	default: // the last wake-up is still pending
	}
}

func (d *dispatcher) run(ctx context.Context) {
	d.mayBeDue = true // of an earlier process
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
		now, due := false, true
		select {
		case <-ctx.Done():
			return
		case <-o.wake:
			now = true
		case <-o.cfg.DB.Queued():
		case <-poll:
			poll, stop = o.cfg.Timers.After(o.cfg.Poll)
			o.countMessages(ctx)
			due = o.Stats().Waiting > 0
		}
		for _, d := range lanes {
			if due {
				d.wake(now)
			}
		}
	}
}

// claim claims one message for each free worker, or a single one while it is unknown whether
// anything can be delivered.
func (d *dispatcher) claim(ctx context.Context) {
	n := d.free
	if d.pause > 0 {
		n = min(1, 1-(d.workers-d.free))
	}
	if !d.mayBeDue || d.paused || n < 1 || !d.o.mayClaim() {
		return
	}
	d.mayBeDue = false
	lease, claimedAt := secret.New("").Reveal(), d.o.cfg.Timers.Now()
	var got []store.ClaimedMessage
	err := d.o.cfg.DB.WriteSystem(ctx, func(tx *store.SystemTx) (err error) {
		got, err = tx.ClaimMessages(lease, tx.Now.Add(d.o.cfg.Lease), d.kinds, n)
		return err
	})
	d.o.reportDatabase(ctx, err)
	if err != nil {
		return // the next poll tries again; a claim whose response was lost expires
	}
	for _, m := range got {
		d.free--
		go func() { d.ended <- d.o.deliver(d.work, m, claimedAt) }()
	}
	d.mayBeDue = len(got) == n
}

// finishDelivery frees the worker of a delivery. The next message of its queue may be due now.
func (d *dispatcher) finishDelivery(v verdict) {
	d.free++
	d.mayBeDue = true
	switch v {
	case interrupted, discarded: // does not show whether deliveries work
		return
	case delivered, retry, givenUp:
		d.pause, d.paused = 0, false
		return
	}
	if d.paused {
		return // one of several concurrent deliveries that failed together
	}
	d.pause = min(max(2*d.pause, d.o.shortest), d.o.longest)
	d.paused = true
	d.resume, _ = d.o.cfg.Timers.After(d.pause)
}
