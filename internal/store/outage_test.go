package store_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/store"
	"github.com/watchword-auth/watchword/internal/store/storetest"
)

// proxy is between the store and PostgreSQL and misbehaves on demand.
type proxy struct {
	l      net.Listener
	target string
	mode   atomic.Int32

	mu    sync.Mutex // guards conns
	conns map[net.Conn]bool
}

const (
	passing   int32 = iota
	hangingUp       // accepts and closes; what was open is cut
	silent          // accepts; nothing that is sent arrives, here or there
)

// through returns the URL of the database by way of a proxy.
func through(t *testing.T, dsn string) (*proxy, string) {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{l: l, target: u.Host, conns: map[net.Conn]bool{}}
	u.Host = l.Addr().String()
	go p.serve()
	t.Cleanup(func() {
		l.Close()
		p.cut()
	})
	return p, u.String()
}

func (p *proxy) serve() {
	for {
		in, err := p.l.Accept()
		if err != nil {
			return
		}
		if p.mode.Load() == hangingUp {
			in.Close()
			continue
		}
		p.keep(in)
		if p.mode.Load() == silent {
			continue
		}
		out, err := net.Dial("tcp", p.target)
		if err != nil {
			in.Close()
			continue
		}
		p.keep(out)
		go p.pipe(in, out)
		go p.pipe(out, in)
	}
}

func (p *proxy) keep(c net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.conns[c] = true
}

func (p *proxy) pipe(to, from net.Conn) {
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		if p.mode.Load() == silent && !errors.Is(err, io.EOF) && err == nil {
			continue // swallowed
		}
		if _, werr := to.Write(buf[:n]); err != nil || werr != nil {
			to.Close()
			from.Close()
			return
		}
	}
}

func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		c.Close()
	}
	clear(p.conns)
}

// set changes the mode. It closes existing connections, unless the new mode only stops
// forwarding.
func (p *proxy) set(mode int32) {
	old := p.mode.Swap(mode)
	if mode == hangingUp || old == silent {
		p.cut()
	}
}

// TestAttack_FL_05: PostgreSQL becomes unavailable during traffic, in three ways.
func TestAttack_FL_05_databaseDown(t *testing.T) {
	t.Parallel()
	for name, mode := range map[string]int32{"hanging up": hangingUp, "silent": silent} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, dsn := through(t, storetest.Postgres(t))
			cfg := testConfig(t, dsn)
			cfg.MaxWait = 500 * time.Millisecond
			db := open(t, cfg)
			for _, ms := range []int{rounds(400, 60_000), 400} {
				p.set(mode)
				requireOutage(t, db, cfg.MaxWait, time.Duration(ms)*time.Millisecond)
				p.set(passing)
				requireRecovery(t, db)
			}
		})
	}
	t.Run("not listening", func(t *testing.T) {
		t.Parallel()
		p, dsn := through(t, storetest.Postgres(t))
		cfg := testConfig(t, dsn)
		cfg.MaxWait = 500 * time.Millisecond
		db := open(t, cfg)
		p.l.Close()
		p.cut()
		requireOutage(t, db, cfg.MaxWait, 400*time.Millisecond)
		l, err := net.Listen("tcp", p.l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		p.l = l
		t.Cleanup(func() { l.Close() })
		go p.serve()
		requireRecovery(t, db)
	})
}

// requireOutage sends traffic while the database is unavailable: all of it is refused as
// Unavailable in time.
func requireOutage(t *testing.T, db *store.DB, wait, long time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), long)
	defer cancel()
	var mu sync.Mutex
	var took []time.Duration
	var wg sync.WaitGroup
	for g := range 30 { // more than there are connections
		wg.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				at := time.Now()
				var err error
				switch (g + n) % 3 {
				case 0:
					err = write(t.Context(), db, func(tx *store.Tx) error { return tx.Record(auth.Event{Kind: auth.EventLogin}) })
				case 1:
					err = db.Read(t.Context(), auth.DefaultTenant, func(tx *store.Tx) error { _, err := tx.CurrentTenant(); return err })
				case 2:
					err = db.Ping(t.Context())
				}
				mu.Lock()
				took = append(took, time.Since(at))
				mu.Unlock()
				var e *auth.Error
				if !errors.As(err, &e) || e.Kind != auth.KindUnavailable || e.RetryAfter <= 0 {
					t.Errorf("answered with %v", err)
					return
				}
				time.Sleep(max(20*time.Millisecond, long/200))
			}
		})
	}
	wg.Wait()
	// A busy machine adds seconds to the wait.
	if d := slices.Max(took); d > wait+time.Minute {
		t.Errorf("of %d refusals one took %s; the wait is %s", len(took), d, wait)
	}
}

// requireRecovery checks I6: the database becomes ready again by itself.
func requireRecovery(t *testing.T, db *store.DB) {
	t.Helper()
	for until := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		err := errors.Join(db.Ping(t.Context()), write(t.Context(), db, func(tx *store.Tx) error { return tx.Record(auth.Event{Kind: auth.EventLogin}) }))
		if err == nil {
			break
		}
		if time.Now().After(until) {
			t.Fatalf("no recovery within a minute: %v", err)
		}
	}
	for range 20 { // and for good
		if err := write(t.Context(), db, func(tx *store.Tx) error { return tx.Record(auth.Event{Kind: auth.EventLogin}) }); err != nil {
			t.Errorf("after the recovery: %v", err)
		}
	}
}

// Opening a database that does not respond fails in time, and the error names it.
func TestOpenWithoutAServer(t *testing.T) {
	t.Parallel()
	p, dsn := through(t, "postgres://nobody:hunter2@127.0.0.1:1/none")
	for _, mode := range []int32{hangingUp, silent} {
		p.set(mode)
		cfg := testConfig(t, dsn)
		cfg.MaxWait = 300 * time.Millisecond
		at := time.Now()
		db, err := store.Open(t.Context(), cfg)
		if err == nil {
			db.Close()
			t.Fatal("opened")
		}
		if d := time.Since(at); d > time.Minute {
			t.Errorf("gave up after %s", d)
		}
		if s := err.Error(); len(s) > 600 || strings.Contains(s, "hunter2") {
			t.Errorf("says %q", s)
		}
	}
}

// TestAttack_FL_06: all connections are terminated during traffic. Writes that were
// running may be lost or done, never done twice; everything else goes on.
func TestAttack_FL_06_terminated(t *testing.T) {
	t.Parallel()
	cfg := testConfig(t, storetest.Postgres(t))
	db := open(t, cfg)
	const writers, cuts = 6, 5
	var acked, failed, lost atomic.Int32
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var wg sync.WaitGroup
	for g := range writers {
		id := fmt.Sprint("p", g)
		if err := write(t.Context(), db, func(tx *store.Tx) error {
			if err := insertAccount(tx, id); err != nil {
				return err
			}
			return tx.InsertFamily(newFamily(id, auth.AccountID(id), tx.Now))
		}); err != nil {
			t.Fatal(err)
		}
		wg.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				name := fmt.Sprintf("%s-%d", id, n)
				err := write(context.Background(), db, func(tx *store.Tx) error {
					f, err := tx.Family(auth.FamilyID(id))
					if err != nil {
						return err
					}
					if _, err := tx.RotateFamily(f.ID, f.Digest, strconv.FormatInt(f.Generation+1, 10), tx.Now); err != nil {
						return err
					}
					return insertRole(tx, name)
				})
				switch {
				case err == nil:
					acked.Add(1)
					if !hasRole(t, db, name) {
						t.Errorf("%s was acknowledged", name)
					}
				case unavailable(err):
					failed.Add(1)
					if !hasRole(t, db, name) {
						lost.Add(1)
					}
				default:
					t.Error(err)
				}
				time.Sleep(5 * time.Millisecond)
			}
		})
	}
	admin := raw(t, cfg.URL)
	for range cuts {
		for goal := acked.Load() + writers; acked.Load() < goal; { // however slow this machine is
			time.Sleep(5 * time.Millisecond)
		}
		before := failed.Load()
		count(t, admin, "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()")
		time.Sleep(60 * time.Millisecond)
		if n := failed.Load() - before; n > writers {
			t.Errorf("%d failures, %d writes were running", n, writers)
		}
	}
	cancel()
	wg.Wait()
	if acked.Load() < writers*cuts {
		t.Errorf("only %d writes went through", acked.Load())
	}
	t.Logf("%d acknowledged, %d refused as unavailable, of these %d not done", acked.Load(), failed.Load(), lost.Load())
	requireConsistent(t, cfg.URL)
	for g := range writers {
		id := fmt.Sprint("p", g)
		done := count(t, admin, "SELECT count(*) FROM roles WHERE name LIKE $1", id+"-%")
		if n := count(t, admin, "SELECT generation FROM refresh_families WHERE id = $1", id); n != done {
			t.Errorf("%s: %d rows, counter at %d: something was done twice or in part", id, done, n)
		}
	}
}

// Idle connections that are dead are skipped.
func TestAttack_FL_06_terminatedIdle(t *testing.T) {
	t.Parallel()
	cfg := testConfig(t, storetest.Postgres(t))
	db := open(t, cfg)
	admin := raw(t, cfg.URL)
	for round := range 3 {
		var inside atomic.Int32
		race(cfg.Connections, func(int) bool { // all of them connected
			return db.Read(t.Context(), auth.DefaultTenant, func(tx *store.Tx) error {
				inside.Add(1)
				for until := time.Now().Add(time.Minute); int(inside.Load()) < cfg.Connections && time.Now().Before(until); {
					time.Sleep(time.Millisecond)
				}
				_, err := tx.CurrentTenant()
				return err
			}) == nil
		})
		if n := count(t, admin, "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"); n < cfg.Connections/2 {
			t.Fatalf("only %d connections were there to kill", n)
		}
		for n := range 20 {
			if err := write(t.Context(), db, func(tx *store.Tx) error { return insertRole(tx, fmt.Sprint(round, "-", n)) }); err != nil {
				t.Errorf("write %d: %v", n, err)
			}
		}
	}
}

// TestAttack_FL_22: slow statements take all connections; the others are refused
// in time, and served as soon as a connection is free.
func TestAttack_FL_22_poolExhausted(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, cfg store.Config) {
		cfg.MaxWait, cfg.Connections = 400*time.Millisecond, 2
		db := open(t, cfg)
		free := make(chan struct{})
		var wg sync.WaitGroup
		for range 64 {
			wg.Go(func() {
				db.Read(context.Background(), auth.DefaultTenant, func(tx *store.Tx) error {
					<-free
					return nil
				})
			})
		}
		for until := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
			at := time.Now()
			err := db.Read(t.Context(), auth.DefaultTenant, func(tx *store.Tx) error { _, err := tx.CurrentTenant(); return err })
			if d := time.Since(at); err != nil && !unavailable(err) || d > cfg.MaxWait+time.Minute {
				t.Errorf("after %s: %v", d, err)
			}
			if err != nil || db.Dialect() != "sqlite" { // PostgreSQL takes the connections back by itself
				break
			}
			if time.Now().After(until) {
				t.Error("read without a reader")
				break
			}
		}
		close(free)
		wg.Wait()
		requireRecovery(t, db)
	})
}

// A transaction waits for the lock of another no longer than configured.
func TestLockedRow(t *testing.T) {
	t.Parallel()
	cfg := testConfig(t, storetest.Postgres(t))
	cfg.MaxWait = 400 * time.Millisecond
	db := open(t, cfg)
	other := raw(t, cfg.URL)
	tx, err := other.Begin()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec("UPDATE tenants SET name = 'held'"); err != nil {
		t.Fatal(err)
	}
	at := time.Now()
	err = write(t.Context(), db, func(tx *store.Tx) error { return tx.UpdateCurrentTenant(auth.Tenant{Name: "mine"}) })
	if d := time.Since(at); !unavailable(err) || d > cfg.MaxWait+time.Minute {
		t.Errorf("after %s: %v", d, err)
	}
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	if err := write(t.Context(), db, func(tx *store.Tx) error { return tx.UpdateCurrentTenant(auth.Tenant{Name: "mine"}) }); err != nil {
		t.Error(err)
	}
}
