// Package outbox does background work: it delivers the messages that transactions have
// enqueued, and runs periodic jobs.
//
// Workers claim due messages under a lease, hand each to the handler of its kind
// and remove it when it is delivered. They extend the lease while the handler runs. A failed delivery is retried with growing
// pauses until the message is too old; then it is given up, with an audit line.
// Messages to one address are delivered in the order in which they were enqueued.
//
// Delivery is at least once. Two nodes never hold the same message, but when a process dies
// between the delivery and its record, the message goes out a second time when the lease has
// expired. A mail's Message-ID is derived from the message's id, so that a mailbox can drop the
// second copy.
//
// The package knows SMTP and the texts of mails. It knows no rules about accounts: the
// transaction that enqueued a message has decided about it.
package outbox

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/store"
	"github.com/watchword-auth/watchword/internal/timer"
)

// Handler delivers one message. Nil means delivered. An error of Permanent means that a retry
// cannot succeed. The mailer's offlineError means that no message can be delivered at present. Any
// other error is temporary and concerns only this message. A handler returns soon after ctx is done.
type Handler func(ctx context.Context, m auth.Message) error

// Config configures an Outbox. DB is required; zero fields mean the defaults.
type Config struct {
	DB       *store.DB
	Timers   timer.Source // wake the workers and the jobs
	Handlers map[auth.MessageKind]Handler
	Jobs     []Job

	Workers int           // concurrent mails; 4
	Callers int           // concurrent requests to clients; 16
	Poll    time.Duration // interval of polling for messages of other processes; 1 s
	Timeout time.Duration // of one delivery; 90 s
	Lease   time.Duration // on a claimed message, extended during its delivery; 1 min
	GiveUp  time.Duration // age at which a message is given up; 72 h
	Drain   time.Duration // for deliveries under way when Run ends; 3 s

	// Observe, if set, is called with the result of each attempt: "delivered", "retry" or
	// "given_up". It must not block.
	Observe func(kind auth.MessageKind, result string)
	Log     *slog.Logger
}

// Stats is the backlog of the outbox at the last poll.
type Stats struct {
	Waiting int64     // messages not yet delivered
	Oldest  time.Time // when the oldest of them was written; zero without any
}

// Outbox delivers messages and runs jobs while Run runs. It is safe for concurrent
// use.
type Outbox struct {
	cfg  Config
	wake chan struct{}

	shortest, longest time.Duration // pauses while nothing can be delivered

	unreachable atomic.Bool // the last attempt failed with an offlineError

	mu          sync.Mutex
	stats       Stats     // owned by mu
	dbAvailable bool      // owned by mu: the last query succeeded
	dbBack      time.Time // owned by mu: the end of the last outage, by the clock of the timers
}

// New returns an Outbox. It does nothing before Run.
func New(cfg Config) *Outbox {
	setDefault(&cfg.Workers, 4)
	setDefault(&cfg.Callers, 16)
	setDefault(&cfg.Poll, time.Second)
	setDefault(&cfg.Timeout, 90*time.Second)
	setDefault(&cfg.Lease, time.Minute)
	setDefault(&cfg.GiveUp, 72*time.Hour)
	setDefault(&cfg.Drain, 3*time.Second)
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return &Outbox{cfg: cfg, wake: make(chan struct{}, 1), dbAvailable: true, shortest: shortestPause, longest: longestPause}
}

func setDefault[T comparable](v *T, fallback T) {
	var zero T
	if *v == zero {
		*v = fallback
	}
}

// Wake makes the outbox claim due messages now, even while the mail server is unreachable.
func (o *Outbox) Wake() {
	select {
	case o.wake <- struct{}{}:
	default:
	}
}

// Stats returns the backlog at the last poll; polls are at most Config.Poll apart.
func (o *Outbox) Stats() Stats {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.stats
}

// Run delivers messages and runs jobs until ctx is done. Then it waits for deliveries under way
// for up to Config.Drain, and returns nil. It is called once.
func (o *Outbox) Run(ctx context.Context) error {
	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	stop := context.AfterFunc(ctx, func() { o.cfg.Timers.AfterFunc(o.cfg.Drain, cancel) })
	defer stop()
	var wg sync.WaitGroup
	for _, j := range o.cfg.Jobs {
		wg.Go(func() { o.runJobLoop(ctx, j) })
	}
	lanes := []*dispatcher{o.dispatcher(work, "mail.", o.cfg.Workers), o.dispatcher(work, "logout.", o.cfg.Callers)}
	for _, d := range lanes {
		wg.Go(func() { d.run(ctx) })
	}
	o.watch(ctx, lanes)
	wg.Wait()
	return nil
}

// countMessages reads the backlog, by which the store also learns whether the queue is full.
func (o *Outbox) countMessages(ctx context.Context) {
	var s Stats
	err := o.cfg.DB.ReadSystem(ctx, func(tx *store.SystemTx) (err error) {
		s.Waiting, s.Oldest, err = tx.OutboxBacklog()
		return err
	})
	o.reportDatabase(ctx, err)
	if err != nil {
		return
	}
	o.mu.Lock()
	o.stats = s
	o.mu.Unlock()
}

// mayClaim reports whether messages may be claimed. A lease may have run out during an outage of
// the database, so each worker gets one interval of polling to record what it has delivered.
func (o *Outbox) mayClaim() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.dbAvailable && o.cfg.Timers.Now().Sub(o.dbBack) >= o.cfg.Poll
}

// reportDatabase logs a change of the database's state, not every failure during one.
func (o *Outbox) reportDatabase(ctx context.Context, err error) {
	if ctx.Err() != nil {
		return
	}
	o.mu.Lock()
	was := o.dbAvailable
	o.dbAvailable = err == nil
	if err == nil && !was {
		o.dbBack = o.cfg.Timers.Now()
	}
	o.mu.Unlock()
	if err != nil && was {
		o.cfg.Log.Warn("outbox cannot read its queue; retrying", "error", err)
	}
	if err == nil && !was {
		o.cfg.Log.Info("outbox reads its queue again")
	}
}
