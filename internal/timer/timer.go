// Package timer wakes background work and measures how long work takes.
//
// A Source is the one value through which the server reaches timers: polling, pauses
// between retries, leases that are extended, bounds on waiting. Its zero value is the
// system's timers. It is not the clock of tokens and sessions: that one is the Now of a
// Config, and stands still in most tests while timers go on.
package timer

import (
	"context"
	"time"
)

// Source starts timers. The zero value starts those of the system.
type Source struct {
	// Clock measures durations; time.Now when nil.
	Clock func() time.Time
	// Start calls fn in a goroutine of its own after d, unless stop returns true first;
	// time.AfterFunc when nil.
	Start func(d time.Duration, fn func()) (stop func() bool)
}

// Now is the time by which the timers run. It is for measuring durations.
func (s Source) Now() time.Time {
	if s.Clock != nil {
		return s.Clock()
	}
	return time.Now()
}

// AfterFunc calls fn in a goroutine of its own after d. The returned function stops the
// timer and reports whether fn will not be called.
func (s Source) AfterFunc(d time.Duration, fn func()) (stop func() bool) {
	if s.Start != nil {
		return s.Start(d, fn)
	}
	return time.AfterFunc(d, fn).Stop
}

// After returns a channel that is closed after d, and a function that releases the timer.
func (s Source) After(d time.Duration) (<-chan struct{}, func() bool) {
	c := make(chan struct{})
	return c, s.AfterFunc(d, func() { close(c) })
}

// Sleep waits for d, if that is positive. It returns the error of ctx when that is done first.
func (s Source) Sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return nil
	}
	c, stop := s.After(d)
	select {
	case <-c:
		return nil
	case <-ctx.Done():
		stop()
		return ctx.Err()
	}
}
