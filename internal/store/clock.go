package store

import (
	"sync"
	"time"
)

// clock reads the injected clock and never runs backwards. When the injected clock is set back,
// it continues from its last result at the same pace, until the injected clock has caught up.
// Otherwise an hour that is repeated would revive what expired in it.
type clock struct {
	read func() time.Time

	mu   sync.Mutex // owns the fields below
	seen time.Time  // the last reading
	last time.Time  // the last result
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.read()
	// Sub uses the monotonic part of the readings, if they have one, which setting the clock does
	// not change.
	passed := t.Sub(c.seen)
	c.seen = t
	c.last = advance(t.Round(0), c.last, passed)
	return c.last
}

// advance returns the reading t, or the last result plus the time passed since when that is
// later.
func advance(t, last time.Time, passed time.Duration) time.Time {
	if floor := last.Add(max(0, passed)); !last.IsZero() && t.Before(floor) {
		return floor
	}
	return t
}
