// Package timer starts timers and measures durations.
//
// The server uses timers only through a Source: for polling, pauses between retries, extensions
// of leases, timeouts. The zero Source is the system's timers. It is not the clock of tokens and
// sessions: that clock is the Now of a Config, and is frozen in most tests while timers run.
package timer

import (
	"context"
	"time"
)

// Source starts timers. The zero value uses the timers of the system.
type Source struct {
	// Clock measures durations; time.Now when nil.
	Clock func() time.Time
	// Start calls fn in its own goroutine after d, unless stop returns true first;
	// time.AfterFunc when nil.
	Start func(d time.Duration, fn func()) (stop func() bool)
}

// Now returns the time of the timers' clock. It is for measuring durations.
func (s Source) Now() time.Time {
	if s.Clock != nil {
		return s.Clock()
	}
	return time.Now()
}

// AfterFunc calls fn in its own goroutine after d. The returned function stops the
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

// Sleep waits for d. It returns the error of ctx if that is done first, and at once when d is not
// positive.
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
