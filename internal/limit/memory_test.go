package limit

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// frozen is a clock that only advance moves.
type frozen struct{ at atomic.Int64 }

func newFrozen() *frozen {
	f := new(frozen)
	f.at.Store(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC).UnixNano())
	return f
}

func (f *frozen) now() time.Time          { return time.Unix(0, f.at.Load()).UTC() }
func (f *frozen) advance(d time.Duration) { f.at.Add(int64(d)) }

func take(t testing.TB, l Limiter, key string, r Rate, n int) Decision {
	t.Helper()
	d, err := l.Take(context.Background(), key, r, n)
	if err != nil {
		t.Fatalf("Take(%q, %v, %d): %v", key, r, n, err)
	}
	return d
}

var tenAMinute = Rate{Count: 10, Per: time.Minute}

func TestMemoryGrantsTheBurstThenTheRate(t *testing.T) {
	t.Parallel()
	clock := newFrozen()
	m := NewMemory(0, clock.now)
	for i := range 10 {
		if d := take(t, m, "k", tenAMinute, 1); !d.OK || d.Remaining != 9-i || d.RetryAfter != 0 {
			t.Fatalf("take %d: %+v", i, d)
		}
	}
	d := take(t, m, "k", tenAMinute, 1)
	if d.OK || d.RetryAfter != 6*time.Second || d.Remaining != 0 {
		t.Fatalf("the eleventh: %+v", d)
	}
	clock.advance(6*time.Second - 1)
	if d := take(t, m, "k", tenAMinute, 1); d.OK || d.RetryAfter != 1 {
		t.Fatalf("a nanosecond early: %+v", d)
	}
	clock.advance(1)
	if d := take(t, m, "k", tenAMinute, 1); !d.OK {
		t.Fatalf("after RetryAfter: %+v", d)
	}
	if d := take(t, m, "other", tenAMinute, 10); !d.OK {
		t.Fatalf("another key shares the debt: %+v", d)
	}
}

func TestMemoryTakesAllOrNothing(t *testing.T) {
	t.Parallel()
	m := NewMemory(0, newFrozen().now)
	r := Rate{Count: 10, Per: time.Minute, Burst: 20}
	if d := take(t, m, "k", r, 21); d.OK || d.RetryAfter != 2*time.Minute {
		t.Fatalf("more than the burst: %+v", d)
	}
	if d := take(t, m, "k", r, 15); !d.OK || d.Remaining != 5 {
		t.Fatalf("15 of 20: %+v", d)
	}
	if d := take(t, m, "k", r, 6); d.OK || d.Remaining != 5 || d.RetryAfter != 6*time.Second {
		t.Fatalf("6 of 5: %+v", d)
	}
	if d := take(t, m, "k", r, 5); !d.OK || d.Remaining != 0 {
		t.Fatalf("the refused take left a trace: %+v", d)
	}
}

func TestPeekRefundReset(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	clock := newFrozen()
	m := NewMemory(0, clock.now)
	peek := func() Decision {
		t.Helper()
		d, err := m.Peek(ctx, "k", tenAMinute)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	if d := peek(); !d.OK || d.Remaining != 10 {
		t.Fatalf("fresh: %+v", d)
	}
	take(t, m, "k", tenAMinute, 10)
	if d := peek(); d.OK || d.RetryAfter != 6*time.Second || d.Remaining != 0 {
		t.Fatalf("used up: %+v", d)
	}
	if err := m.Refund(ctx, "k", tenAMinute, 3); err != nil {
		t.Fatal(err)
	}
	if d := peek(); !d.OK || d.Remaining != 3 {
		t.Fatalf("after a refund: %+v", d)
	}
	clock.advance(time.Hour)
	for range 5 {
		if err := m.Refund(ctx, "k", tenAMinute, 10); err != nil {
			t.Fatal(err)
		}
	}
	if d := peek(); d.Remaining != 10 {
		t.Fatalf("refunds filled the key beyond its burst: %+v", d)
	}
	take(t, m, "k", tenAMinute, 10)
	if err := m.Reset(ctx, "k"); err != nil {
		t.Fatal(err)
	}
	if d := peek(); d.Remaining != 10 {
		t.Fatalf("after a reset: %+v", d)
	}
}

func TestUselessRatesRefuse(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	m := NewMemory(0, newFrozen().now)
	f := NewFallback(FallbackConfig{Shared: m, Local: m, Now: m.now, Timeout: 50 * time.Millisecond})
	for _, l := range []Limiter{m, f} {
		for _, r := range []Rate{{}, {Count: 1}, {Per: 1}, {Count: -1, Per: 1}, {Count: 1, Per: 1, Burst: -1},
			{Count: 1, Per: 1 << 62}, {Count: 1, Per: maxDepth, Burst: 1 << 62}} {
			if d, err := l.Take(ctx, "k", r, 1); d.OK || !errors.Is(err, ErrRate) {
				t.Errorf("%T take at %+v: %+v, %v", l, r, d, err)
			}
			if d, err := l.Peek(ctx, "k", r); d.OK || !errors.Is(err, ErrRate) {
				t.Errorf("%T peek at %+v: %+v, %v", l, r, d, err)
			}
		}
		for _, n := range []int{0, -1} {
			if d, err := l.Take(ctx, "k", tenAMinute, n); d.OK || !errors.Is(err, ErrCost) {
				t.Errorf("%T take %d: %+v, %v", l, n, d, err)
			}
			if err := l.Refund(ctx, "k", tenAMinute, n); !errors.Is(err, ErrCost) {
				t.Errorf("%T refund %d: %v", l, n, err)
			}
		}
	}
}

// BF-10: a parallel burst gets what is left of the limit, not one more.
func TestAttack_BF_10_ParallelBurst(t *testing.T) {
	t.Parallel()
	m := NewMemory(0, newFrozen().now)
	if got := burst(t, m, 200); got != 10 {
		t.Fatalf("%d of 200 parallel attempts were admitted, the limit is 10", got)
	}
}

// burst sends n parallel takes at one key and counts the admitted.
func burst(t testing.TB, l Limiter, n int) int64 {
	var admitted atomic.Int64
	var wg sync.WaitGroup
	gate := make(chan struct{})
	for range n {
		wg.Go(func() {
			<-gate
			d, err := l.Take(context.Background(), "alice", tenAMinute, 1)
			if err != nil {
				t.Error(err)
			}
			if d.OK {
				admitted.Add(1)
			}
		})
	}
	close(gate)
	wg.Wait()
	return admitted.Load()
}

// FL-09: a clock that goes back neither frees a key nor locks it for longer.
func TestAttack_FL_09_ClockGoesBack(t *testing.T) {
	t.Parallel()
	clock := newFrozen()
	m := NewMemory(0, clock.now)
	clock.advance(time.Hour)
	take(t, m, "k", tenAMinute, 10)
	clock.advance(-24 * time.Hour)
	if d := take(t, m, "k", tenAMinute, 1); d.OK || d.RetryAfter != 6*time.Second {
		t.Fatalf("after the jump: %+v", d)
	}
	clock.advance(6 * time.Second)
	if d := take(t, m, "k", tenAMinute, 1); !d.OK {
		t.Fatalf("the key stayed locked: %+v", d)
	}
	if d := take(t, m, "k", tenAMinute, 1); d.OK {
		t.Fatalf("the jump freed the key: %+v", d)
	}
}

// FL-08: a clock that jumps ahead locks no key.
func TestAttack_FL_08_ClockJumpsAhead(t *testing.T) {
	t.Parallel()
	clock := newFrozen()
	m := NewMemory(0, clock.now)
	take(t, m, "k", tenAMinute, 10)
	clock.advance(24 * time.Hour)
	if d := take(t, m, "k", tenAMinute, 10); !d.OK {
		t.Fatalf("after the jump: %+v", d)
	}
}

// A flood of keys must neither grow the table nor clear a debt. An evicted key gains one token
// each time.
func TestMemoryUnderAFloodOfKeys(t *testing.T) {
	t.Parallel()
	clock := newFrozen()
	m := NewMemory(1, clock.now) // one set a shard: 1,024 places
	hourly := Rate{Count: 3, Per: time.Hour}
	take(t, m, "victim", hourly, 3)
	h, _, set := m.find(2, "victim")
	won, displaced := 0, 0
	for i := range 100_000 {
		clock.advance(time.Millisecond)
		take(t, m, fmt.Sprint("flood", i), hourly, 1)
		if set.slot(h) < 0 {
			displaced++
			if d := take(t, m, "victim", hourly, 2); d.OK {
				t.Fatal("the flood cleared the victim's debt")
			}
			if take(t, m, "victim", hourly, 1).OK {
				won++
			}
		} else if take(t, m, "victim", hourly, 1).OK {
			t.Fatal("a stored key was admitted beyond its rate")
		}
	}
	if won != displaced || won > 100_000/(shardCount*ways)*2 {
		t.Fatalf("%d tokens gained, evicted %d times", won, displaced)
	}
	if len(m.tables[2][0].sets) != 1 {
		t.Fatal("the table grew")
	}
}

func TestMemoryRecoversAfterAFlood(t *testing.T) {
	t.Parallel()
	clock := newFrozen()
	m := NewMemory(1, clock.now)
	hourly := Rate{Count: 3, Per: time.Hour}
	for i := range 20_000 {
		take(t, m, fmt.Sprint("flood", i), hourly, 1)
	}
	clock.advance(time.Hour)
	for i := range 64 {
		if d := take(t, m, fmt.Sprint("late", i), hourly, 3); !d.OK {
			t.Fatalf("an hour later key %d is still refused: %+v", i, d)
		}
	}
}

// Compared with an exact count for each key: a large table agrees with it, and a full one
// admits what the exact count refuses only as the last token of an evicted key.
func TestMemoryAgainstExactModel(t *testing.T) {
	t.Parallel()
	rates := []Rate{tenAMinute, {Count: 3, Per: time.Hour}, {Count: 100, Per: time.Second, Burst: 7}, {Count: 7, Per: time.Second}}
	for _, crowded := range []bool{false, true} {
		rapid.Check(t, func(rt *rapid.T) {
			clock, keys := newFrozen(), 20
			m := NewMemory(1<<14, clock.now)
			if crowded {
				m, keys = NewMemory(1, clock.now), 4000
			}
			owed := map[string]int64{} // the exact end of each key's debt
			for range rapid.IntRange(1, 2000).Draw(rt, "steps") {
				k := rapid.IntRange(0, keys).Draw(rt, "key")
				key, r := fmt.Sprint(k), rates[k%len(rates)]
				g, _ := r.gcra()
				now := clock.at.Load()
				switch rapid.IntRange(0, 9).Draw(rt, "do") {
				case 0:
					clock.advance(time.Duration(rapid.Int64Range(0, int64(10*time.Minute)).Draw(rt, "wait")))
				case 1:
					if crowded {
						continue // what a displaced key gets back is not exact
					}
					_ = m.Refund(context.Background(), key, r, 1)
					owed[key] = max(owed[key], now) - g.interval
				default:
					n := rapid.IntRange(1, 3).Draw(rt, "n")
					next, want := g.decide(now, owed[key], n)
					h, _, set := m.find(g.table(), key)
					pushedOut := crowded && n == 1 && set.slot(h) < 0
					got := take(t, m, key, r, n)
					if got.OK && !want.OK && pushedOut {
						next = now + g.depth
					} else if got.OK && !want.OK || !crowded && got != want {
						rt.Fatalf("key %s: got %+v, exact %+v", key, got, want)
					}
					if got.OK {
						owed[key] = next
					}
				}
			}
		})
	}
}

func BenchmarkMemoryTake(b *testing.B) {
	m := NewMemory(0, time.Now)
	r := Rate{Count: 1_000_000, Per: time.Second}
	keys := make([]string, 4096)
	for i := range keys {
		keys[i] = fmt.Sprintf("login.ip|192.0.2.%d", i)
	}
	ctx := context.Background()
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for i := 0; pb.Next(); i++ {
			_, _ = m.Take(ctx, keys[i%len(keys)], r, 1)
		}
	})
}

// BF-13: the cost of a refusal.
func BenchmarkMemoryRefuse(b *testing.B) {
	m := NewMemory(0, time.Now)
	ctx := context.Background()
	_, _ = m.Take(ctx, "k", Rate{Count: 1, Per: time.Hour}, 1)
	b.ReportAllocs()
	for b.Loop() {
		_, _ = m.Take(ctx, "k", Rate{Count: 1, Per: time.Hour}, 1)
	}
}
