package storetest

import (
	"sync"
	"time"
)

// Clock stands still until it is moved, backwards too. It is safe for concurrent
// use.
type Clock struct {
	mu  sync.Mutex
	now time.Time // owned by mu
}

// NewClock is a clock that shows noon of a day in 2026.
func NewClock() *Clock { return &Clock{now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)} }

// Now is what the clock shows.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Advance moves the clock.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}
