package password

import (
	"container/list"
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/watchword-auth/watchword/internal/timer"
)

// BusyError means that too many passwords are being hashed. Nothing was
// computed; the caller may try again after RetryAfter, a whole number of
// seconds.
type BusyError struct {
	RetryAfter time.Duration
}

func (e *BusyError) Error() string {
	return fmt.Sprintf("password hashing is busy, retry in %v", e.RetryAfter)
}

// Stats is a snapshot of the gate. The first five are gauges, the rest are counters.
type Stats struct {
	Memory        int // KiB, the budget
	MaxConcurrent int
	QueueLimit    int
	InFlight      int
	Waiting       int

	Done      uint64 // hashes and comparisons that ran
	Rejected  uint64 // refused because the queue was full
	TimedOut  uint64 // refused after waiting too long
	Abandoned uint64 // the caller's context ended while waiting
}

// gate admits callers while memory and threads last, in order of arrival. A large request at the head of the
// queue is not overtaken by small ones, or it would starve.
type gate struct {
	memory, threads, limit int
	wait                   time.Duration
	timers                 timer.Source

	mu          sync.Mutex // guards the next three
	freeMemory  int
	freeThreads int
	queue       list.List // of *ticket

	inFlight, waiting                   atomic.Int64
	done, rejected, timedOut, abandoned atomic.Uint64
	mean                                atomic.Int64 // nanoseconds, moving average of one run
}

// ticket is a caller in the queue. The caller that frees enough closes granted.
type ticket struct {
	kib, threads int
	granted      chan struct{}
}

func newGate(cfg Config) *gate {
	g := &gate{memory: cfg.MaxMemory, threads: cfg.MaxConcurrent, limit: max(cfg.QueueLimit, 0), wait: cfg.MaxWait, timers: cfg.Timers}
	g.freeMemory, g.freeThreads = g.memory, g.threads
	return g
}

// enter waits for memory and threads. The returned function releases them. It must be called once, with the
// duration of the work.
func (g *gate) enter(ctx context.Context, kib, threads int) (leave func(ran time.Duration), err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	// A hash with more lanes than threads just runs slower.
	t := &ticket{kib: min(kib, g.memory), threads: min(threads, g.threads), granted: make(chan struct{})}
	place, err := g.admitOrQueue(t)
	if err != nil {
		return nil, err
	}
	if place != nil {
		if err := g.waitForGrant(ctx, t, place); err != nil {
			return nil, err
		}
	}
	g.inFlight.Add(1)
	return func(ran time.Duration) {
		g.inFlight.Add(-1)
		g.done.Add(1)
		g.recordDuration(ran)
		g.releaseAndAdmit(t)
	}, nil
}

// admitOrQueue reserves memory and threads (nil, nil), returns a place in the queue, or refuses.
func (g *gate) admitOrQueue(t *ticket) (*list.Element, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.queue.Len() == 0 && g.hasRoom(t) {
		g.reserve(t)
		return nil, nil
	}
	if g.queue.Len() >= g.limit {
		g.rejected.Add(1)
		return nil, g.busyError(g.queue.Len())
	}
	g.waiting.Add(1)
	return g.queue.PushBack(t), nil
}

func (g *gate) waitForGrant(ctx context.Context, t *ticket, place *list.Element) error {
	timeout, stop := g.timers.After(g.wait)
	defer stop()
	var count *atomic.Uint64
	var err error
	select {
	case <-t.granted:
		return nil
	case <-ctx.Done():
		count, err = &g.abandoned, ctx.Err()
	case <-timeout:
		count = &g.timedOut
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	select {
	case <-t.granted:
		// Granted in the same moment. A caller that is not canceled takes it.
		if err == nil {
			return nil
		}
		g.release(t)
	default:
		g.queue.Remove(place)
		g.waiting.Add(-1)
	}
	g.admit() // this ticket may have been the large one at the head of the queue
	count.Add(1)
	if err == nil {
		err = g.busyError(g.queue.Len())
	}
	return err
}

func (g *gate) releaseAndAdmit(t *ticket) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.release(t)
	g.admit()
}

// The functions below require g.mu.

func (g *gate) hasRoom(t *ticket) bool { return t.kib <= g.freeMemory && t.threads <= g.freeThreads }
func (g *gate) reserve(t *ticket)      { g.freeMemory -= t.kib; g.freeThreads -= t.threads }
func (g *gate) release(t *ticket)      { g.freeMemory += t.kib; g.freeThreads += t.threads }

// admit admits tickets from the head of the queue as long as they fit.
func (g *gate) admit() {
	for e := g.queue.Front(); e != nil; e = g.queue.Front() {
		t := e.Value.(*ticket)
		if !g.hasRoom(t) {
			return
		}
		g.queue.Remove(e)
		g.waiting.Add(-1)
		g.reserve(t)
		close(t.granted)
	}
}

// recordDuration updates the average of about the last sixteen runs.
func (g *gate) recordDuration(ran time.Duration) {
	old := g.mean.Load()
	if old == 0 {
		g.mean.Store(int64(ran))
		return
	}
	// A lost race between two writers loses one sample, which is harmless.
	g.mean.Store(old + (int64(ran)-old)/16)
}

// busyError estimates when the present queue will have been served.
func (g *gate) busyError(waiting int) *BusyError {
	line := time.Duration(waiting+1) * time.Duration(g.mean.Load()) / time.Duration(g.threads)
	seconds := (line + time.Second - 1) / time.Second
	return &BusyError{RetryAfter: min(max(seconds, 1), 60) * time.Second}
}

func (g *gate) stats() Stats {
	return Stats{
		Memory:        g.memory,
		MaxConcurrent: g.threads,
		QueueLimit:    g.limit,
		InFlight:      int(g.inFlight.Load()),
		Waiting:       int(g.waiting.Load()),
		Done:          g.done.Load(),
		Rejected:      g.rejected.Load(),
		TimedOut:      g.timedOut.Load(),
		Abandoned:     g.abandoned.Load(),
	}
}
