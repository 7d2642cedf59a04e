package storetest

import (
	"sync"
	"time"
)

// Clock is frozen until it is moved. It is safe for concurrent use.
type Clock struct {
	mu  sync.Mutex
	now time.Time // owned by mu
}

// NewClock returns a clock at noon of a day in 2026.
func NewClock() *Clock { return &Clock{now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)} }

// Now returns the time of the clock.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Advance moves the clock, backwards when d is negative.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}
