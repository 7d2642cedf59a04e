package servertest

import (
	"sync"
	"time"
)

// Clock stands still until it is moved. Every node of a test has the same one. It
// is safe for concurrent use.
type Clock struct {
	mu  sync.Mutex
	now time.Time // owned by mu
}

// NewClock returns a clock that stands at the present second, so that whoever
// checks tokens by the real time agrees with it at first.
func NewClock() *Clock { return &Clock{now: time.Now().UTC().Truncate(time.Second)} }

// Now is the time of the server.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Advance moves the clock, back when d is negative.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}
