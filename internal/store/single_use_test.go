package store_test

import (
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/store"
)

// A single-use secret is consumed once, however many callers try at the same time, on one
// node or on two.

// race starts fn in n goroutines at the same time and counts how many return true.
func race(n int, fn func(i int) bool) int {
	var yes atomic.Int32
	var wg sync.WaitGroup
	start := make(chan struct{})
	for i := range n {
		wg.Go(func() {
			<-start
			if fn(i) {
				yes.Add(1)
			}
		})
	}
	close(start)
	wg.Wait()
	return int(yes.Load())
}

// nodes opens the database n times, as n servers would.
func nodes(t *testing.T, cfg store.Config, n int) []*store.DB {
	t.Helper()
	cfg.MaxWait = 20 * time.Second // what is under test is who wins, not how fast
	var dbs []*store.DB
	for range n {
		dbs = append(dbs, open(t, cfg))
	}
	return dbs
}

func takeOnce(t *testing.T, dbs []*store.DB, rounds int) {
	t.Helper()
	for round := range rounds {
		code := fmt.Sprint("code-", round)
		if err := write(t.Context(), dbs[0], func(tx *store.Tx) error { return tx.InsertSingleUse(newLink(code, tx.Now)) }); err != nil {
			t.Fatal(err)
		}
		got := race(64, func(i int) bool {
			err := write(t.Context(), dbs[i%len(dbs)], func(tx *store.Tx) error {
				if _, err := tx.Consume(auth.UseVerifyEmail, code); err != nil {
					return err
				}
				return insertRole(tx, fmt.Sprint(code, "-", i))
			})
			if err != nil && !errors.Is(err, auth.ErrNotFound) && !unavailable(err) {
				t.Errorf("round %d: %v", round, err)
			}
			return err == nil
		})
		if got != 1 {
			t.Fatalf("round %d: %d of 64 got the code", round, got)
		}
	}
	n := 0
	dbs[0].Read(t.Context(), auth.DefaultTenant, func(tx *store.Tx) error {
		roles, err := tx.Roles()
		n = len(roles)
		return err
	})
	if n != rounds {
		t.Errorf("%d codes created %d rows", rounds, n)
	}
}

func TestTakeOnce(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, cfg store.Config) {
		takeOnce(t, nodes(t, cfg, 1), 50)
	})
}

func TestAttack_FL_11_twoNodes(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, cfg store.Config) { takeOnce(t, nodes(t, cfg, 2), rounds(10, 100)) })
}

// TestAttack_FL_10: one successor for each refresh token, on two nodes.
func TestAttack_FL_10_rotate(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, cfg store.Config) {
		dbs := nodes(t, cfg, 2)
		if err := write(t.Context(), dbs[0], func(tx *store.Tx) error {
			if err := insertAccount(tx, "p"); err != nil {
				return err
			}
			return tx.InsertFamily(newFamily("f", "p", tx.Now))
		}); err != nil {
			t.Fatal(err)
		}
		for n := range rounds(10, 300) {
			got := race(16, func(i int) bool {
				won := false
				err := write(t.Context(), dbs[i%2], func(tx *store.Tx) error {
					var err error
					won, err = tx.RotateFamily("f", strconv.Itoa(n), strconv.Itoa(n+1), tx.Now.Add(time.Hour))
					return err
				})
				if err != nil && !unavailable(err) {
					t.Error(err)
				}
				return err == nil && won
			})
			if got != 1 {
				t.Fatalf("generation %d has %d successors", n, got)
			}
		}
	})
}

// What a Write has read still holds when it commits: of two Writes that exclude each other, only
// one commits.
func TestNoWriteSkew(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, cfg store.Config) {
		dbs := nodes(t, cfg, 2)
		for round := range 10 {
			got := race(8, func(i int) bool {
				return write(t.Context(), dbs[i%2], func(tx *store.Tx) error {
					roles, err := tx.Roles()
					if err != nil {
						return err
					}
					if len(roles) > round { // only one may find the room free
						return errNo
					}
					return insertRole(tx, fmt.Sprint(round, "-", i))
				}) == nil
			})
			if got != 1 {
				t.Fatalf("round %d: %d got the last place", round, got)
			}
		}
	})
}

// TestAttack_FL_08_FL_09: the clock jumps; what expired stays expired and what was
// used stays used.
func TestAttack_FL_08_FL_09_clock(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, cfg store.Config) {
		var clock atomic.Int64 // milliseconds
		clock.Store(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).UnixMilli())
		cfg.Now = func() time.Time { return time.UnixMilli(clock.Load()) }
		jump := func(d time.Duration) { clock.Add(d.Milliseconds()) }
		db := open(t, cfg)
		put := func(code string) {
			if err := write(t.Context(), db, func(tx *store.Tx) error { return tx.InsertSingleUse(newLink(code, tx.Now)) }); err != nil {
				t.Fatal(err)
			}
		}
		take := func(code string) error {
			return write(t.Context(), db, func(tx *store.Tx) error { _, err := tx.Consume(auth.UseVerifyEmail, code); return err })
		}
		put("used")
		put("unused")
		if err := take("used"); err != nil {
			t.Fatal(err)
		}
		jump(time.Hour + time.Millisecond)
		if err := take("unused"); !errors.Is(err, auth.ErrNotFound) {
			t.Errorf("FL-08: +1 h: an expired code: %v", err)
		}
		put("fresh")
		jump(-time.Hour)
		for _, code := range []string{"used", "unused"} {
			if err := take(code); !errors.Is(err, auth.ErrNotFound) {
				t.Errorf("FL-09: −1 h: %s is valid again: %v", code, err)
			}
		}
		if err := take("fresh"); err != nil {
			t.Errorf("FL-09: −1 h: a fresh code is not valid: %v", err)
		}
		jump(25 * time.Hour)
		put("next")
		if err := take("next"); err != nil {
			t.Errorf("FL-08: +1 day: %v", err)
		}
	})
}

// When the system's clock is set back, the store's clock continues at the same pace.
func TestClockGoesOnWhenSetBack(t *testing.T) {
	t.Parallel()
	at := func(minutes int) time.Time { return time.Unix(0, 0).Add(time.Duration(minutes) * time.Minute) }
	for _, c := range []struct {
		name               string
		read, last, passed int // minutes
		want               int
	}{
		{"as usual", 101, 100, 1, 101},
		{"set back", 41, 100, 1, 101},
		{"set back, and no monotonic reading", 40, 100, -60, 100},
		{"set forward", 161, 100, 1, 161},
		{"woken up from a sleep that the monotonic clock does not count", 161, 100, 0, 161},
	} {
		if got := store.Advance(at(c.read), at(c.last), time.Duration(c.passed)*time.Minute); !got.Equal(at(c.want)) {
			t.Errorf("%s: %s, want minute %d", c.name, got.UTC(), c.want)
		}
	}
}
