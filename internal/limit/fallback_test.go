package limit

import (
	"context"
	"errors"
	"testing"
	"time"
)

// broken is a shared limiter that can be disconnected.
type broken struct {
	*Memory
	err   error
	asked int
}

func (b *broken) Take(ctx context.Context, key string, r Rate, n int) (Decision, error) {
	b.asked++
	if b.err != nil {
		return Decision{}, b.err
	}
	if ctx.Err() != nil {
		return Decision{}, ctx.Err()
	}
	return b.Memory.Take(ctx, key, r, n)
}

func newBroken(t *testing.T) (*broken, *Fallback, *frozen, *[]string) {
	t.Helper()
	clock := newFrozen()
	shared := &broken{Memory: NewMemory(0, clock.now)}
	var told []string
	f := NewFallback(FallbackConfig{
		Shared: shared, Local: NewMemory(0, clock.now), Now: clock.now, Timeout: 50 * time.Millisecond,
		Changed: func(degraded bool, cause error) {
			if degraded != (cause != nil) {
				t.Errorf("degraded %v with cause %v", degraded, cause)
			}
			told = append(told, map[bool]string{true: "away", false: "back"}[degraded])
		},
	})
	return shared, f, clock, &told
}

func TestBreakerOpensProbesAndCloses(t *testing.T) {
	t.Parallel()
	shared, f, clock, told := newBroken(t)
	take(t, f, "k", tenAMinute, 1)
	shared.err = errors.New("connection refused")
	for range 100 {
		take(t, f, "k", tenAMinute, 1)
	}
	if shared.asked != 1+tripAfter || !f.Degraded() {
		t.Fatalf("called %d times, degraded %v", shared.asked, f.Degraded())
	}
	clock.advance(time.Second)
	take(t, f, "k", tenAMinute, 1)
	take(t, f, "k", tenAMinute, 1)
	if shared.asked != 2+tripAfter {
		t.Fatalf("one probe after the cooldown, not %d", shared.asked-1-tripAfter)
	}
	shared.err = nil
	clock.advance(-time.Hour) // a clock that went back must not keep the breaker open
	take(t, f, "k", tenAMinute, 1)
	if f.Degraded() {
		t.Fatal("still degraded after a good probe")
	}
	if len(*told) != 2 || (*told)[0] != "away" || (*told)[1] != "back" {
		t.Fatalf("changes %q", *told)
	}
}

// BF-12: losing the connection to the shared limiter gives no fresh allowance.
func TestAttack_BF_12_NoFreshAllowance(t *testing.T) {
	t.Parallel()
	shared, f, _, _ := newBroken(t)
	if got := admitted(t, f, "k", tenAMinute, 8); got != 8 {
		t.Fatalf("%d of 8", got)
	}
	if err := f.Refund(context.Background(), "k", tenAMinute, 1); err != nil {
		t.Fatal(err)
	}
	shared.err = errors.New("gone")
	if got := admitted(t, f, "k", tenAMinute, 100); got != 3 {
		t.Fatalf("%d admitted without the shared counter, 3 were left", got)
	}
	if err := f.Reset(context.Background(), "k"); err != nil {
		t.Fatal(err)
	}
	if got := admitted(t, f, "k", tenAMinute, 100); got != 10 {
		t.Fatalf("%d admitted after a reset", got)
	}
}

func TestCallerWhoHangsUpIsCountedAndIsNoFailure(t *testing.T) {
	t.Parallel()
	_, f, _, _ := newBroken(t)
	gone, cancel := context.WithCancel(context.Background())
	cancel()
	n := 0
	for range 50 {
		if d, err := f.Take(gone, "k", tenAMinute, 1); err != nil {
			t.Fatal(err)
		} else if d.OK {
			n++
		}
	}
	if n != 10 || f.Degraded() {
		t.Fatalf("%d admitted, degraded %v", n, f.Degraded())
	}
}

// Losing the connection to the shared limiter gives no fresh allowance, for one bucket and for
// several.
func TestTakeAllIsBookedLocallyToo(t *testing.T) {
	t.Parallel()
	clock := newFrozen()
	shared := &broken{Memory: NewMemory(0, clock.now)}
	f := NewFallback(FallbackConfig{Shared: shared, Local: NewMemory(0, clock.now), Now: clock.now, Timeout: 50 * time.Millisecond})
	both := []Bucket{{"narrow", tenAMinute}, {"wide", tenAMinute.Times(2)}}
	for i := range 10 {
		if d, err := f.TakeAll(t.Context(), both); err != nil || !d.OK {
			t.Fatalf("take %d: %+v, %v", i, d, err)
		}
	}
	shared.err = errors.New("connection refused")

	if d, err := f.TakeAll(t.Context(), both); err != nil || d.OK {
		t.Fatalf("after the disconnection: %+v, %v", d, err)
	}
	if err := f.RefundAll(t.Context(), both); err != nil {
		t.Fatal(err)
	}
	if d, err := f.TakeAll(t.Context(), both); err != nil || !d.OK {
		t.Fatalf("after a refund: %+v, %v", d, err)
	}
}

func (b *broken) TakeAll(ctx context.Context, buckets []Bucket) (Decision, error) {
	if b.err != nil {
		return Decision{}, b.err
	}
	return b.Memory.TakeAll(ctx, buckets)
}
