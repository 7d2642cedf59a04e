package store_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/store"
	"github.com/watchword-auth/watchword/internal/store/storetest"
)

func insertRole(tx *store.Tx, name string) error {
	return tx.InsertRole(auth.Role{ID: auth.RoleID(name), Name: name, CreatedAt: tx.Now})
}

func hasRole(t testing.TB, db *store.DB, name string) bool {
	t.Helper()
	err := db.Read(t.Context(), auth.DefaultTenant, func(tx *store.Tx) error {
		_, err := tx.Role(name)
		return err
	})
	if err != nil && !errors.Is(err, auth.ErrNotFound) {
		t.Fatal(err)
	}
	return err == nil
}

// hold keeps the writer inside a transaction until the returned function is called,
// so that the Writes that follow wait together.
func hold(t *testing.T, db *store.DB) (release func()) {
	t.Helper()
	held, free, done := make(chan struct{}), make(chan struct{}), make(chan error)
	go func() {
		done <- write(context.Background(), db, func(*store.Tx) error {
			close(held)
			<-free
			return nil
		})
	}()
	<-held
	return sync.OnceFunc(func() {
		close(free)
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// together runs n Writes that wait for the writer at the same time.
func together(t *testing.T, db *store.DB, n int, fn func(i int) error) []error {
	t.Helper()
	release := hold(t, db)
	errs := make([]error, n)
	var begun, wg sync.WaitGroup
	for i := range n {
		begun.Add(1)
		wg.Go(func() {
			begun.Done()
			errs[i] = fn(i)
		})
	}
	begun.Wait()
	time.Sleep(20 * time.Millisecond) // for the queue to fill; less would only make smaller batches
	release()
	wg.Wait()
	return errs
}

func sqliteDB(t *testing.T, change func(*store.Config)) (*store.DB, store.Config) {
	cfg := testConfig(t, storetest.SQLite(t))
	if change != nil {
		change(&cfg)
	}
	return open(t, cfg), cfg
}

// TestGroupCommitSharesCommits counts commits by the number of snapshots that a reader sees.
func TestGroupCommitSharesCommits(t *testing.T) {
	t.Parallel()
	db, cfg := sqliteDB(t, nil)
	watch := raw(t, cfg.URL)
	watch.SetMaxOpenConns(1)
	version := func() int { return count(t, watch, "PRAGMA data_version") }

	// All of a batch become visible at once, so a reader sees either none or many.
	sizes := map[int]bool{}
	stop, seen := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(seen)
		for {
			select {
			case <-stop:
				return
			default:
				sizes[count(t, watch, "SELECT count(*) FROM roles")] = true
			}
		}
	}()
	errs := together(t, db, 100, func(i int) error {
		return write(t.Context(), db, func(tx *store.Tx) error { return insertRole(tx, fmt.Sprint("r", i)) })
	})
	close(stop)
	<-seen
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	if n := count(t, watch, "SELECT count(*) FROM roles"); n != 100 {
		t.Errorf("%d of 100 rows", n)
	}
	if len(sizes) > 10 {
		t.Errorf("a hundred waiting Writes became visible in %d steps: they do not share commits", len(sizes))
	}
	before := version()
	write(t.Context(), db, func(tx *store.Tx) error { return insertRole(tx, "single") })
	if version() == before {
		t.Error("the watcher sees no commit at all")
	}
}

func TestOneCommitEachGivesTheSame(t *testing.T) {
	t.Parallel()
	for _, single := range []bool{false, true} {
		db, _ := sqliteDB(t, func(c *store.Config) { c.DisableGroupCommit = single })
		errs := together(t, db, 60, func(i int) error {
			return write(t.Context(), db, func(tx *store.Tx) error {
				if err := insertRole(tx, fmt.Sprint("r", i%30)); err != nil { // each name twice
					return err
				}
				if i%3 == 0 {
					return store.CommitWith(auth.Refuse(auth.KindForbidden, "no", "no"))
				}
				return nil
			})
		})
		conflicts, refusals := 0, 0
		for _, err := range errs {
			switch {
			case errors.Is(err, auth.ErrConflict):
				conflicts++
			case auth.KindOf(err) == auth.KindForbidden:
				refusals++
			case err != nil:
				t.Error(err)
			}
		}
		if conflicts != 30 || refusals != 10 {
			t.Errorf("one commit each %v: %d conflicts and %d refusals, want 30 and 10", single, conflicts, refusals)
		}
		for i := range 30 {
			if !hasRole(t, db, fmt.Sprint("r", i)) {
				t.Errorf("one commit each %v: r%d is missing", single, i)
			}
		}
	}
}

func TestRefusalsAmongOthers(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, cfg store.Config) {
		db := open(t, cfg)
		no := auth.Refuse(auth.KindForbidden, "no", "no")
		do := func(i int) error {
			return write(t.Context(), db, func(tx *store.Tx) error {
				if err := insertRole(tx, fmt.Sprint("r", i)); err != nil {
					return err
				}
				switch i % 4 {
				case 1:
					return no
				case 2:
					return store.CommitWith(no)
				case 3:
					return fmt.Errorf("on its way: %w", store.CommitWith(no))
				}
				return nil
			})
		}
		var errs []error
		if db.Dialect() == "sqlite" {
			errs = together(t, db, 40, do)
		} else {
			for i := range 8 {
				errs = append(errs, do(i))
			}
		}
		for i, err := range errs {
			if i%4 == 2 && err != error(no) {
				t.Errorf("%d: Write returned %v, not the refusal itself", i, err)
			}
			if refused := errors.Is(err, no); refused != (i%4 != 0) || !refused && err != nil {
				t.Errorf("%d: %v", i, err)
			}
			if got, want := hasRole(t, db, fmt.Sprint("r", i)), i%4 != 1; got != want {
				t.Errorf("%d: stored %v, want %v", i, got, want)
			}
		}
	})
}

func TestPanicReachesItsCallerOnly(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, cfg store.Config) {
		db := open(t, cfg)
		do := func(i int) (err error) {
			defer func() {
				if p := recover(); p != nil {
					err = fmt.Errorf("caught %v", p)
				}
			}()
			return write(t.Context(), db, func(tx *store.Tx) error {
				if err := insertRole(tx, fmt.Sprint("r", i)); err != nil {
					return err
				}
				if i%5 == 2 {
					panic(i)
				}
				return nil
			})
		}
		var errs []error
		if db.Dialect() == "sqlite" {
			errs = together(t, db, 40, do)
		} else {
			for i := range 5 {
				errs = append(errs, do(i))
			}
		}
		for i, err := range errs {
			want := i%5 == 2
			if got := err != nil && err.Error() == fmt.Sprint("caught ", i); got != want {
				t.Errorf("%d: %v", i, err)
			}
			if hasRole(t, db, fmt.Sprint("r", i)) == want {
				t.Errorf("%d: stored %v", i, !want)
			}
		}
		func() {
			defer func() { recover() }()
			db.Read(t.Context(), auth.DefaultTenant, func(*store.Tx) error { panic("in a read") })
		}()
		if !hasRole(t, db, "r0") {
			t.Error("reads are broken after a panic in one")
		}
	})
}

// A test that fails inside a transaction ends its goroutine; so may a library.
func TestGoexitEndsItsCallerOnly(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, cfg store.Config) {
		db := open(t, cfg)
		returned := make([]atomic.Bool, 20)
		do := func(i int) error {
			done := make(chan struct{})
			go func() {
				defer close(done)
				err := write(context.Background(), db, func(tx *store.Tx) error {
					if err := insertRole(tx, fmt.Sprint("r", i)); err != nil {
						return err
					}
					if i%7 == 3 {
						runtime.Goexit()
					}
					return nil
				})
				returned[i].Store(true)
				if err != nil {
					t.Errorf("%d: %v", i, err)
				}
			}()
			<-done
			return nil
		}
		if db.Dialect() == "sqlite" {
			together(t, db, len(returned), do)
		} else {
			for i := range returned {
				do(i)
			}
		}
		for i := range returned {
			if want := i%7 != 3; returned[i].Load() != want || hasRole(t, db, fmt.Sprint("r", i)) != want {
				t.Errorf("%d: returned %v, stored %v, want %v", i, returned[i].Load(), !want, want)
			}
		}
	})
}

func TestCancelledBeforeItsTurn(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, cfg store.Config) {
		db := open(t, cfg)
		ctx, cancel := context.WithCancel(t.Context())
		release := func() {}
		if db.Dialect() == "sqlite" {
			release = hold(t, db)
		} else {
			cancel()
		}
		time.AfterFunc(10*time.Millisecond, cancel)
		ran := false
		err := write(ctx, db, func(tx *store.Tx) error { ran = true; return insertRole(tx, "r") })
		if !errors.Is(err, context.Canceled) || ran {
			t.Errorf("ran %v, error %v", ran, err)
		}
		release()
		if hasRole(t, db, "r") {
			t.Error("stored although Write returned an error")
		}
	})
}

// While the disk hangs, no caller waits longer than configured, and the queue is
// bounded.
func TestWriterStuck(t *testing.T) {
	t.Parallel()
	db, _ := sqliteDB(t, func(c *store.Config) { c.MaxWait = time.Hour })
	release := hold(t, db)
	const extra = 50
	refused := make(chan error, store.QueueLimit+extra)
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	var wg sync.WaitGroup
	for range store.QueueLimit + extra {
		wg.Go(func() {
			refused <- write(ctx, db, func(*store.Tx) error { return nil })
		})
	}
	for range extra {
		if err := <-refused; !unavailable(err) || !strings.Contains(err.Error(), "writes are waiting") {
			t.Fatalf("refused with %v", err)
		}
	}
	if err := db.Read(t.Context(), auth.DefaultTenant, func(tx *store.Tx) error { _, err := tx.CurrentTenant(); return err }); err != nil {
		t.Errorf("a read meanwhile: %v", err)
	}
	leave()
	wg.Wait()
	release()
	requireRecovery(t, db) // at first the line may still be full of those whose callers have left
}

func TestWriterLate(t *testing.T) {
	t.Parallel()
	db, _ := sqliteDB(t, func(c *store.Config) { c.MaxWait = 100 * time.Millisecond })
	release := hold(t, db)
	err := write(t.Context(), db, func(*store.Tx) error { return nil })
	if !unavailable(err) || !strings.Contains(err.Error(), "no turn to write") {
		t.Errorf("refused with %v", err)
	}
	release()
	requireRecovery(t, db)
}

// After a failure with which SQLite may have rolled back the transaction, later statements of the
// function must not commit by themselves, and the other jobs of the batch continue.
func TestNothingAfterALostTransaction(t *testing.T) {
	t.Parallel()
	db, cfg := sqliteDB(t, nil)
	pages := count(t, raw(t, cfg.URL), "PRAGMA page_count")
	limit := func(n int) {
		if err := write(t.Context(), db, func(tx *store.Tx) error { return store.Exec(tx, fmt.Sprint("PRAGMA max_page_count = ", n)) }); err != nil {
			t.Fatal(err)
		}
	}
	limit(pages + 20)
	errs := together(t, db, 20, func(i int) error {
		return write(t.Context(), db, func(tx *store.Tx) error {
			if i == 10 {
				var failed error
				for n := 0; failed == nil && n < 100; n++ {
					failed = tx.Record(auth.Event{Kind: auth.EventLogin, Detail: map[string]string{"x": strings.Repeat("x", 9000)}})
				}
				if failed == nil {
					t.Error("the file never was full")
				}
				insertRole(tx, "ghost") // as if nothing had happened
				return nil
			}
			return insertRole(tx, fmt.Sprint("r", i))
		})
	})
	for i, err := range errs {
		if (i == 10) != unavailable(err) || i != 10 && (err != nil || !hasRole(t, db, fmt.Sprint("r", i))) {
			t.Errorf("%d: %v", i, err)
		}
	}
	if hasRole(t, db, "ghost") || count(t, raw(t, cfg.URL), "SELECT count(*) FROM audit") != 0 {
		t.Error("a part of a lost transaction was committed")
	}
	limit(1 << 30)
	if err := write(t.Context(), db, func(tx *store.Tx) error { return insertRole(tx, "after") }); err != nil {
		t.Errorf("no recovery: %v", err)
	}
}

func TestCloseFinishesWhatWasAccepted(t *testing.T) {
	t.Parallel()
	db, cfg := sqliteDB(t, nil)
	release := hold(t, db)
	errs := make(chan error, 50)
	for i := range cap(errs) {
		go func() {
			errs <- write(context.Background(), db, func(tx *store.Tx) error { return insertRole(tx, fmt.Sprint("r", i)) })
		}()
	}
	time.Sleep(10 * time.Millisecond)
	go release()
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	stored := 0
	for range cap(errs) {
		if err := <-errs; err == nil {
			stored++
		} else if !unavailable(err) {
			t.Error(err)
		}
	}
	if err := write(t.Context(), db, func(*store.Tx) error { return nil }); !unavailable(err) {
		t.Errorf("a write after Close: %v", err)
	}
	if err := db.Close(); err != nil {
		t.Errorf("the second Close: %v", err)
	}
	if n := count(t, raw(t, cfg.URL), "SELECT count(*) FROM roles"); n != stored {
		t.Errorf("%d rows, %d acknowledged", n, stored)
	}
}
