package password

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func testGate(memory, threads, limit int) *gate {
	return newGate(Config{MaxMemory: memory, MaxConcurrent: threads, QueueLimit: limit, MaxWait: 5 * time.Second})
}

// mustEnter enters, or fails the test.
func mustEnter(t *testing.T, g *gate, kib, threads int) func(time.Duration) {
	t.Helper()
	leave, err := g.enter(t.Context(), kib, threads)
	if err != nil {
		t.Fatal(err)
	}
	return leave
}

func TestGateBoundsMemoryAndThreads(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name             string
		memory, threads  int
		kib, lanes, most int64
	}{
		{"memory", 100, 64, 19, 1, 5},
		{"threads", 1000, 3, 19, 1, 3},
		{"lanes", 1000, 8, 19, 4, 2},
		{"more lanes than threads", 1000, 2, 19, 16, 1},
		{"more memory than there is", 100, 8, 1000, 1, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := newGate(Config{MaxMemory: tt.memory, MaxConcurrent: tt.threads, QueueLimit: 1000, MaxWait: time.Hour})
				var running, most atomic.Int64
				var wg sync.WaitGroup
				for range 50 {
					wg.Go(func() {
						leave, err := g.enter(t.Context(), int(tt.kib), int(tt.lanes))
						if err != nil {
							t.Error(err)
							return
						}
						n := running.Add(1)
						for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
						}
						time.Sleep(time.Second)
						running.Add(-1)
						leave(time.Second)
					})
				}
				wg.Wait()
				if got := most.Load(); got != tt.most {
					t.Errorf("%d ran at once, want %d", got, tt.most)
				}
				s := g.stats()
				if s.Done != 50 || s.InFlight != 0 || s.Waiting != 0 || g.freeMemory != tt.memory || g.freeThreads != tt.threads {
					t.Errorf("afterwards: %+v, free %d KiB and %d threads", s, g.freeMemory, g.freeThreads)
				}
			})
		})
	}
}

func TestGateFullLineIsBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := testGate(100, 1, 2)
		mustEnter(t, g, 1, 1)(3 * time.Second) // teaches the gate how long a run takes
		leave := mustEnter(t, g, 1, 1)
		var wg sync.WaitGroup
		for range 2 {
			wg.Go(func() { mustEnter(t, g, 1, 1)(time.Second) })
		}
		synctest.Wait()
		if s := g.stats(); s.InFlight != 1 || s.Waiting != 2 {
			t.Errorf("before: %+v", s)
		}
		_, err := g.enter(t.Context(), 1, 1)
		var busy *BusyError
		if !errors.As(err, &busy) {
			t.Fatalf("a full line: %v, want *BusyError", err)
		}
		if busy.RetryAfter != 9*time.Second {
			t.Errorf("retry after %v, want 9s: three runs of 3s", busy.RetryAfter)
		}
		if s := g.stats(); s.Rejected != 1 {
			t.Errorf("after: %+v", s)
		}
		leave(time.Second)
		wg.Wait()
	})
}

func TestGateWithoutLine(t *testing.T) {
	t.Parallel()
	g := testGate(100, 1, -1)
	leave := mustEnter(t, g, 1, 1)
	var busy *BusyError
	if _, err := g.enter(t.Context(), 1, 1); !errors.As(err, &busy) || busy.RetryAfter != time.Second {
		t.Errorf("second one: %v, want *BusyError with one second", err)
	}
	leave(0)
	mustEnter(t, g, 1, 1)(0)
}

func TestGateWaitsNoLongerThanMaxWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := testGate(100, 1, 10)
		leave := mustEnter(t, g, 1, 1)
		began := time.Now()
		_, err := g.enter(t.Context(), 1, 1)
		var busy *BusyError
		if !errors.As(err, &busy) || time.Since(began) != 5*time.Second {
			t.Errorf("after %v: %v, want *BusyError after 5s", time.Since(began), err)
		}
		if s := g.stats(); s.TimedOut != 1 || s.Waiting != 0 {
			t.Errorf("%+v", s)
		}
		leave(0)
		mustEnter(t, g, 1, 1)(0)
	})
}

func TestGateCancelLeavesLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := testGate(100, 2, 10)
		leave := mustEnter(t, g, 60, 1)
		ctx, cancel := context.WithCancel(t.Context())
		gone := make(chan error, 1)
		go func() {
			_, err := g.enter(ctx, 60, 1) // does not fit
			gone <- err
		}()
		synctest.Wait()
		small := make(chan struct{})
		go func() { mustEnter(t, g, 10, 1)(0); close(small) }()
		synctest.Wait()
		select {
		case <-small:
			t.Error("a small one overtook the head of the line")
		default:
		}
		cancel()
		if err := <-gone; !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled: %v", err)
		}
		<-small // let in by the one that gave up
		if s := g.stats(); s.Abandoned != 1 || s.Waiting != 0 {
			t.Errorf("%+v", s)
		}
		leave(0)
		if _, err := g.enter(ctx, 1, 1); !errors.Is(err, context.Canceled) {
			t.Errorf("entering with an ended context: %v", err)
		}
	})
}

func TestGateServesInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := testGate(100, 1, 10)
		leave := mustEnter(t, g, 1, 1)
		order := make(chan int, 5)
		for i := range 5 {
			go func() {
				l := mustEnter(t, g, 1, 1)
				order <- i
				l(0)
			}()
			synctest.Wait()
		}
		leave(0)
		for want := range 5 {
			if got := <-order; got != want {
				t.Errorf("place %d was served to %d", want, got)
			}
		}
	})
}

// Room must not leak when callers give up at the moment they are let in.
func TestGateUnderCancellationStorm(t *testing.T) {
	t.Parallel()
	g := testGate(4, 4, 64)
	var wg sync.WaitGroup
	for i := range 200 {
		wg.Go(func() {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			if i%2 == 0 {
				go cancel()
			}
			if leave, err := g.enter(ctx, 1+i%4, 1+i%4); err == nil {
				leave(time.Microsecond)
			}
		})
	}
	wg.Wait()
	if s := g.stats(); s.InFlight != 0 || s.Waiting != 0 || g.freeMemory != 4 || g.freeThreads != 4 || g.queue.Len() != 0 {
		t.Errorf("room leaked: %+v, free %d KiB and %d threads, %d in line", s, g.freeMemory, g.freeThreads, g.queue.Len())
	}
}

func TestHasherIsBusy(t *testing.T) {
	t.Parallel()
	started, finish := make(chan struct{}), make(chan struct{})
	calls := 0
	h := newHasher(t, func(c *Config) {
		c.MaxConcurrent, c.QueueLimit = 1, 0
		c.Now = func() time.Time {
			if calls++; calls == 2 { // the first caller is inside the gate
				close(started)
				<-finish
			}
			return time.Unix(0, 0)
		}
	})
	done := make(chan error)
	go func() { _, err := h.Hash(context.Background(), "correct horse"); done <- err }()
	<-started
	var busy *BusyError
	if _, err := h.VerifyNone(t.Context(), "correct horse"); !errors.As(err, &busy) {
		t.Errorf("a second hash: %v, want *BusyError", err)
	}
	close(finish)
	if err := <-done; err != nil {
		t.Error(err)
	}
}
