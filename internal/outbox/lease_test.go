package outbox

import (
	"context"
	"testing"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/store"
	"github.com/watchword-auth/watchword/internal/store/storetest"
	"github.com/watchword-auth/watchword/internal/timer"
)

// requireClaim claims whatever is due, as another process does, and checks how many messages that is.
func requireClaim(t *testing.T, db *store.DB, want int) {
	t.Helper()
	err := db.WriteSystem(t.Context(), func(tx *store.SystemTx) error {
		got, err := tx.ClaimMessages("another", tx.Now.Add(New(Config{}).cfg.Lease), "", 10)
		if len(got) != want {
			t.Errorf("another process claimed %d messages, want %d", len(got), want)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// slowWorker is an outbox whose delivery has begun and does not end. extend fires the timer of the
// lease's extension, and returns when the next one has started.
type slowWorker struct {
	clock     *storetest.Clock
	db        *store.DB
	handled   *recorder
	release   chan struct{}
	cancelled chan struct{}
	extend    func()
}

func newSlowWorker(t *testing.T, cfg store.Config) *slowWorker {
	t.Helper()
	w := &slowWorker{clock: storetest.NewClock(), handled: newRecorder(), release: make(chan struct{}), cancelled: make(chan struct{})}
	cfg.Now = w.clock.Now
	w.db = storetest.Open(t, cfg)
	enqueue(t, w.db, auth.MailKnownAddress, auth.Mail{To: "a@x.test", Name: "1"})
	begun, started := make(chan struct{}), make(chan func(), 10)
	timers := timer.Source{Start: func(d time.Duration, fn func()) func() bool {
		if d == time.Minute/4 {
			started <- fn
			return func() bool { return true }
		}
		return time.AfterFunc(d, fn).Stop
	}}
	run(t, Config{DB: w.db, Timers: timers, Workers: 1, Handlers: to(func(ctx context.Context, m auth.Message) error {
		if m.Payload.Name != "1" {
			return w.handled.handle(ctx, m)
		}
		close(begun)
		select {
		case <-w.release:
			return w.handled.handle(ctx, m)
		case <-ctx.Done():
			close(w.cancelled)
			return ctx.Err()
		}
	})})
	<-begun
	next := <-started
	w.extend = func() {
		next()
		select {
		case next = <-started:
		case <-w.cancelled:
		}
	}
	return w
}

// A process died during a delivery. The message, and a later one to the same address, wait for
// the end of its lease and no longer.
func TestLeaseOfDeadProcessEnds(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, cfg store.Config) {
		c := storetest.NewClock()
		cfg.Now = c.Now
		db := storetest.Open(t, cfg)
		enqueue(t, db, auth.MailKnownAddress, auth.Mail{To: "a@x.test", Name: "1"})
		requireClaim(t, db, 1)
		enqueue(t, db, auth.MailKnownAddress, auth.Mail{To: "a@x.test", Name: "2"}, auth.Mail{To: "b@x.test"})
		r := newRecorder()
		o := run(t, Config{DB: db, Handlers: to(r.handle)})

		c.Advance(time.Minute - time.Second)
		o.Wake()
		wait(t, "delivery to the other address", func() bool { return len(r.names("b@x.test")) == 1 })
		if n := len(r.names("a@x.test")); n != 0 {
			t.Fatalf("delivered %d messages under the lease of another process", n)
		}

		c.Advance(time.Second)
		o.Wake()
		wait(t, "delivery", func() bool { return len(r.names("a@x.test")) == 2 })
		wait(t, "empty outbox", func() bool { return waiting(t, db) == 0 })
	})
}

// The lease of a delivery that takes longer than the lease is extended.
func TestLeaseOfSlowDeliveryIsExtended(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, cfg store.Config) {
		w := newSlowWorker(t, cfg)
		for range 10 {
			w.clock.Advance(time.Minute / 4)
			w.extend()
			requireClaim(t, w.db, 0)
		}

		close(w.release)

		wait(t, "empty outbox", func() bool { return waiting(t, w.db) == 0 })
		if n := w.handled.count(); n != 1 {
			t.Errorf("delivered %d times", n)
		}
	})
}

// A worker that lost its lease ends its delivery, and leaves the message to the process that has it.
func TestLostLeaseEndsDelivery(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, cfg store.Config) {
		w := newSlowWorker(t, cfg)
		w.clock.Advance(time.Minute)
		requireClaim(t, w.db, 1)

		w.extend()

		<-w.cancelled
		enqueue(t, w.db, auth.MailKnownAddress, auth.Mail{To: "b@x.test", Name: "2"})
		wait(t, "delivery of another message", func() bool { return w.handled.count() == 1 })
		if n := waiting(t, w.db); n == 0 {
			t.Error("removed the message of another process")
		}
	})
}

// A worker that cannot extend its lease ends its delivery before the lease ends.
func TestDeliveryEndsBeforeItsLease(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, cfg store.Config) {
		db := storetest.Open(t, cfg)
		enqueue(t, db, auth.MailKnownAddress, auth.Mail{To: "a@x.test"})
		timers := timer.Source{Start: func(d time.Duration, fn func()) func() bool {
			if d > time.Minute/4 && d <= 3*time.Minute/4 {
				d = 0
			}
			return time.AfterFunc(d, fn).Stop
		}}
		cancelled := make(chan struct{}, 100)
		run(t, Config{DB: db, Timers: timers, Handlers: to(func(ctx context.Context, _ auth.Message) error {
			<-ctx.Done()
			cancelled <- struct{}{}
			return ctx.Err()
		})})
		<-cancelled
	})
}

// After an outage of the database a worker first records what it has delivered.
func TestClaimsWaitAfterOutage(t *testing.T) {
	t.Parallel()
	now := time.Now()
	o := New(Config{Timers: timer.Source{Clock: func() time.Time { return now }}})
	if !o.mayClaim() {
		t.Error("no claim before any outage")
	}

	o.reportDatabase(t.Context(), auth.Unavailable(context.DeadlineExceeded, time.Second))
	during := o.mayClaim()
	o.reportDatabase(t.Context(), nil)
	atOnce := o.mayClaim()
	now = now.Add(o.cfg.Poll)

	if during || atOnce || !o.mayClaim() {
		t.Errorf("may claim during an outage: %v, at its end: %v, later: %v", during, atOnce, o.mayClaim())
	}
}
