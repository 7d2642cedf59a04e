package outbox

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/store"
	"github.com/watchword-auth/watchword/internal/store/storetest"
)

// recorder is a handler that stores its messages.
type recorder struct {
	mu   sync.Mutex
	got  []auth.Message
	fail func(m auth.Message, try int) error // may be nil
	more chan struct{}
}

func newRecorder() *recorder { return &recorder{more: make(chan struct{}, 10_000)} }

func (r *recorder) handle(_ context.Context, m auth.Message) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	defer func() { r.more <- struct{}{} }()
	if r.fail != nil {
		if err := r.fail(m, m.Attempts); err != nil {
			return err
		}
	}
	r.got = append(r.got, m)
	return nil
}

func (r *recorder) names(to string) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []string
	for _, m := range r.got {
		if m.Payload.To == to {
			out = append(out, m.Payload.Name)
		}
	}
	return out
}

func (r *recorder) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.got)
}

// wait returns when cond holds. It checks at each call of the handler and
// periodically.
func wait(t *testing.T, what string, cond func() bool) {
	t.Helper()
	late := time.Now().Add(time.Minute)
	for !cond() {
		if time.Now().After(late) {
			t.Fatalf("timed out: %s", what)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

func enqueue(t *testing.T, db *store.DB, kind auth.MessageKind, mails ...auth.Mail) {
	t.Helper()
	for _, m := range mails {
		err := db.Write(t.Context(), auth.DefaultTenant, func(tx *store.Tx) error { return tx.Enqueue(kind, m) })
		if err != nil {
			t.Fatal(err)
		}
	}
}

func waiting(t *testing.T, db *store.DB) int64 {
	t.Helper()
	var n int64
	err := db.ReadSystem(t.Context(), func(tx *store.SystemTx) (err error) {
		n, _, err = tx.OutboxBacklog()
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// run starts the outbox and ends it with the test.
func run(t *testing.T, cfg Config) *Outbox {
	t.Helper()
	return start(t, New(cfg))
}

func start(t *testing.T, o *Outbox) *Outbox {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- o.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return o
}

func to(h Handler) map[auth.MessageKind]Handler { return handlers(h) }

func TestStrictOrderPerAddress(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, cfg store.Config) {
		c := storetest.NewClock()
		cfg.Now = c.Now
		db := storetest.Open(t, cfg)
		r := newRecorder()
		r.fail = func(m auth.Message, try int) error {
			if m.Payload.To == "a@x.test" && m.Payload.Name == "0" && try < 3 {
				return errors.New("not yet")
			}
			return nil
		}
		var want []string
		for i := range 8 {
			name := fmt.Sprint(i)
			want = append(want, name)
			enqueue(t, db, auth.MailKnownAddress, auth.Mail{To: "a@x.test", Name: name}, auth.Mail{To: "b@x.test", Name: name})
		}
		o := run(t, Config{DB: db, Handlers: to(r.handle)})
		wait(t, "b has all", func() bool { return len(r.names("b@x.test")) == 8 })
		if got := r.names("a@x.test"); got != nil {
			t.Errorf("a message overtook an earlier one: %v", got)
		}
		for range 2 {
			c.Advance(15 * time.Second)
			o.Wake()
			<-r.more
		}
		wait(t, "a has all", func() bool {
			o.Wake()
			if len(r.names("a@x.test")) == 0 { // later the clock would end the leases of slow deliveries
				c.Advance(time.Second)
			}
			return len(r.names("a@x.test")) == 8
		})
		for _, addr := range []string{"a@x.test", "b@x.test"} {
			if d := cmp.Diff(want, r.names(addr)); d != "" {
				t.Errorf("%s (-want +got):\n%s", addr, d)
			}
		}
		wait(t, "empty", func() bool { return waiting(t, db) == 0 })
	})
}

func TestTwoWorkersNeverSendTwice(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, cfg store.Config) {
		db := storetest.Open(t, cfg)
		other, err := store.Open(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { other.Close() })
		const n = 120
		var mails []auth.Mail
		for i := range n {
			mails = append(mails, auth.Mail{To: fmt.Sprintf("%d@x.test", i%30), Name: fmt.Sprint(i)})
		}
		enqueue(t, db, auth.MailKnownAddress, mails...)
		r := newRecorder()
		o1 := run(t, Config{DB: db, Handlers: to(r.handle), Poll: 20 * time.Millisecond})
		run(t, Config{DB: other, Handlers: to(r.handle), Poll: 20 * time.Millisecond})
		wait(t, "empty", func() bool { o1.Wake(); return waiting(t, db) == 0 })
		seen := map[auth.MessageID]int{}
		last := map[string]auth.MessageID{}
		for _, m := range r.got {
			seen[m.ID]++
			if m.ID <= last[m.Payload.To] {
				t.Errorf("%s out of order", m.Payload.To)
			}
			last[m.Payload.To] = m.ID
		}
		if len(seen) != n || r.count() != n {
			t.Errorf("%d messages delivered %d times, want each of %d once", len(seen), r.count(), n)
		}
	})
}

func givenUpEvents(t *testing.T, db *store.DB) []map[string]string {
	t.Helper()
	var out []map[string]string
	err := db.Read(t.Context(), auth.DefaultTenant, func(tx *store.Tx) error {
		events, err := tx.Events(store.EventFilter{Kind: auth.EventMailGivenUp, Limit: 10})
		for _, e := range events {
			out = append(out, e.Detail)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestGivesUpAndRecords(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		mail  auth.Mail
		fail  error
		age   time.Duration
		calls int
	}{
		"at once when it is hopeless": {fail: Permanent(errors.New("550 no such mailbox")), calls: 1},
		"when it is too old":          {fail: errors.New("451 later"), age: 73 * time.Hour, calls: 1},
		"when its link is dead":       {mail: auth.Mail{ExpiresAt: storetest.NewClock().Now().Add(time.Hour)}, age: time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := storetest.NewClock()
			db := storetest.Open(t, store.Config{URL: storetest.SQLite(t), Keyring: storetest.Keyring(t), Now: c.Now})
			tc.mail.To = "a@x.test"
			enqueue(t, db, auth.MailKnownAddress, tc.mail)
			c.Advance(tc.age)
			calls := 0
			r := newRecorder()
			r.fail = func(auth.Message, int) error { calls++; return tc.fail }
			run(t, Config{DB: db, Handlers: to(r.handle)})
			wait(t, "gone", func() bool { return waiting(t, db) == 0 })
			if got := givenUpEvents(t, db); len(got) != 1 || got[0]["kind"] != string(auth.MailKnownAddress) {
				t.Errorf("audit: %v", got)
			}
			if calls != tc.calls || r.count() != 0 {
				t.Errorf("%d calls, %d delivered; want %d, 0", calls, r.count(), tc.calls)
			}
		})
	}
}

// While the mail server is unreachable, one message at a time is attempted, whatever the backlog.
// No message is lost, and each is delivered once when the server is reachable again.
func TestOfflineProbesWithOne(t *testing.T) {
	t.Parallel()
	db := storetest.Open(t, storetest.SQLiteConfig(t))
	var mails []auth.Mail
	for i := range 20 {
		mails = append(mails, auth.Mail{To: fmt.Sprintf("%d@x.test", i)})
	}
	enqueue(t, db, auth.MailKnownAddress, mails...)
	var mu sync.Mutex
	down, tries, atOnce, most := true, 0, 0, 0
	r := newRecorder()
	h := func(ctx context.Context, m auth.Message) error {
		mu.Lock()
		if !down {
			mu.Unlock()
			return r.handle(ctx, m)
		}
		tries++
		if tries > 4 {
			atOnce++
			most = max(most, atOnce)
			defer func() { mu.Lock(); atOnce--; mu.Unlock() }()
		}
		mu.Unlock()
		return markOffline(errors.New("connection refused"))
	}
	o := New(Config{DB: db, Handlers: to(h)})
	o.shortest, o.longest = 20*time.Millisecond, 50*time.Millisecond
	start(t, o)
	wait(t, "probes", func() bool { mu.Lock(); defer mu.Unlock(); return tries >= 6 })
	mu.Lock()
	down = false
	if tries > 15 || most > 1 {
		t.Errorf("%d tries, %d at once", tries, most)
	}
	mu.Unlock()
	o.Wake()
	wait(t, "all out", func() bool { return r.count() == 20 })
	wait(t, "empty", func() bool { return waiting(t, db) == 0 })
	if got := givenUpEvents(t, db); len(got) != 0 {
		t.Errorf("given up: %v", got)
	}
}

func TestPanicIsAnError(t *testing.T) {
	t.Parallel()
	c := storetest.NewClock()
	db := storetest.Open(t, store.Config{URL: storetest.SQLite(t), Keyring: storetest.Keyring(t), Now: c.Now})
	enqueue(t, db, auth.MailKnownAddress, auth.Mail{To: "a@x.test"})
	r := newRecorder()
	r.fail = func(_ auth.Message, try int) error {
		if try == 1 {
			panic("oh")
		}
		return nil
	}
	o := run(t, Config{DB: db, Handlers: to(r.handle)})
	<-r.more
	wait(t, "delivered", func() bool { c.Advance(time.Second); o.Wake(); return r.count() == 1 })
}

// Deliveries under way when the process ends get Config.Drain. A delivery that hangs is released,
// and the next process delivers it at once.
func TestEndGivesBack(t *testing.T) {
	t.Parallel()
	db := storetest.Open(t, storetest.SQLiteConfig(t))
	enqueue(t, db, auth.MailKnownAddress, auth.Mail{To: "a@x.test"})
	begun := make(chan struct{})
	hang := func(ctx context.Context, _ auth.Message) error {
		close(begun)
		<-ctx.Done()
		return ctx.Err()
	}
	ctx, cancel := context.WithCancel(t.Context())
	o := New(Config{DB: db, Handlers: to(hang), Drain: 20 * time.Millisecond})
	ended := make(chan error)
	go func() { ended <- o.Run(ctx) }()
	<-begun
	cancel()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	r := newRecorder()
	run(t, Config{DB: db, Handlers: to(r.handle)})
	wait(t, "delivered by the next", func() bool { return r.count() == 1 })
}

func TestNothingToDeliverIsRemoved(t *testing.T) {
	t.Parallel()
	db := storetest.Open(t, storetest.SQLiteConfig(t))
	run(t, Config{DB: db})
	enqueue(t, db, auth.MailNone, auth.Mail{To: "a@x.test"})
	wait(t, "empty", func() bool { return waiting(t, db) == 0 })
	if got := givenUpEvents(t, db); len(got) != 0 {
		t.Errorf("given up: %v", got)
	}
}

func TestBackoffGrowsToItsLimit(t *testing.T) {
	t.Parallel()
	for n, want := range map[int]time.Duration{0: 5 * time.Second, 1: 5 * time.Second, 2: 10 * time.Second, 5: 80 * time.Second, 9: 15 * time.Minute, 1 << 40: 15 * time.Minute} {
		for range 100 {
			if got := backoff(n); got < want*4/5 || got > want*6/5 {
				t.Errorf("backoff(%d) = %v, want about %v", n, got, want)
			}
		}
	}
}

func TestJobsComeRoundInSpiteOfPanics(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var runs atomic.Int64
		o := New(Config{})
		ctx, cancel := context.WithCancel(t.Context())
		go o.runJobLoop(ctx, Job{Name: "j", Every: time.Hour, Run: func(context.Context) error {
			if runs.Add(1) == 1 {
				panic("oh")
			}
			return errors.New("no")
		}})
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if n := runs.Load(); n != 1 {
			t.Errorf("%d runs soon after the start, want 1", n)
		}
		time.Sleep(24 * time.Hour)
		synctest.Wait()
		if n := runs.Load(); n < 15 || n > 50 {
			t.Errorf("%d runs in a day, want about 24", n)
		}
		cancel()
		synctest.Wait()
	})
}

func TestSweepRemovesInBatches(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, cfg store.Config) {
		c := storetest.NewClock()
		cfg.Now = c.Now
		db := storetest.Open(t, cfg)
		err := db.Write(t.Context(), auth.DefaultTenant, func(tx *store.Tx) error {
			for i := range sweepBatch + 10 {
				if err := tx.InsertSingleUse(auth.SingleUse{Kind: auth.UseVerifyEmail, Digest: fmt.Sprint(i), CreatedAt: tx.Now, ExpiresAt: tx.Now.Add(time.Hour)}); err != nil {
					return err
				}
			}
			return tx.InsertSingleUse(auth.SingleUse{Kind: auth.UseVerifyEmail, Digest: "live", CreatedAt: tx.Now, ExpiresAt: tx.Now.Add(100 * time.Hour)})
		})
		if err != nil {
			t.Fatal(err)
		}
		c.Advance(26 * time.Hour)
		if err := Sweep(SweepConfig{DB: db, Flows: 24 * time.Hour}).Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		err = db.Read(t.Context(), auth.DefaultTenant, func(tx *store.Tx) error {
			for _, digest := range []string{"0", fmt.Sprint(sweepBatch + 9)} {
				if _, err := tx.SingleUse(auth.UseVerifyEmail, digest); !errors.Is(err, auth.ErrNotFound) {
					t.Errorf("%s: %v", digest, err)
				}
			}
			_, err := tx.SingleUse(auth.UseVerifyEmail, "live")
			return err
		})
		if err != nil {
			t.Error(err)
		}
	})
}

// An unreachable mail server cannot fill the disk: beyond the limit, changes that need a
// mail are refused as Unavailable.
func TestAttack_FL_12_QueueIsBounded(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, cfg store.Config) {
		cfg.OutboxLimit = 5
		db := storetest.Open(t, cfg)
		o := New(Config{DB: db})
		one := func() error {
			o.countMessages(t.Context())
			return db.Write(t.Context(), auth.DefaultTenant, func(tx *store.Tx) error {
				return tx.Enqueue(auth.MailKnownAddress, auth.Mail{To: "a@x.test"})
			})
		}
		for n := range 6 {
			if err := one(); err != nil {
				t.Fatalf("message %d: %v", n, err)
			}
		}
		err := one()
		if e, ok := errors.AsType[*auth.Error](err); !ok || e.Kind != auth.KindUnavailable || e.RetryAfter <= 0 {
			t.Errorf("one more: %v", err)
		}
		if s := o.Stats(); s.Waiting != 6 || s.Oldest.IsZero() {
			t.Errorf("stats: %+v", s)
		}
		// It accepts more as soon as there is space.
		r := newRecorder()
		run(t, Config{DB: db, Handlers: to(r.handle)})
		wait(t, "all out", func() bool { return waiting(t, db) == 0 })
		if err := one(); err != nil {
			t.Errorf("afterwards: %v", err)
		}
	})
}

// Undelivered logout notices do not block mail, and undelivered mail does not block notices.
func TestRepair_Outbox_NoticesKeepNobodyFromMail(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, cfg store.Config) {
		cfg.OutboxLimit = 5
		db := storetest.Open(t, cfg)
		o := New(Config{DB: db})
		write := func(fn func(tx *store.Tx) error) error {
			o.countMessages(t.Context())
			return db.Write(t.Context(), auth.DefaultTenant, fn)
		}
		mail := func(tx *store.Tx) error { return tx.Enqueue(auth.MailKnownAddress, auth.Mail{To: "a@x.test"}) }
		notice := func(tx *store.Tx) error { return tx.EnqueueLogout(auth.LogoutNotice{Session: "s"}) }
		for range 6 {
			if err := write(notice); err != nil {
				t.Fatal(err)
			}
		}
		if err := write(notice); auth.KindOf(err) != auth.KindUnavailable {
			t.Errorf("one notice more: %v", err)
		}
		for n := range 6 {
			if err := write(mail); err != nil {
				t.Errorf("mail %d beside full notices: %v", n, err)
			}
		}
		if err := write(mail); auth.KindOf(err) != auth.KindUnavailable {
			t.Errorf("one mail more: %v", err)
		}
	})
}
