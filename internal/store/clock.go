package store

import (
	"sync"
	"time"
)

// clock reads the injected clock and never runs backwards: when that is set back,
// it goes on from where it was at its own pace, until the process ends or the other
// has caught up. Otherwise an hour that comes twice would bring back what had
// expired in it.
type clock struct {
	read func() time.Time

	mu   sync.Mutex // guards what follows
	seen time.Time  // the last reading
	last time.Time  // the last answer
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.read()
	// Sub goes by the monotonic part of the readings when they have one, which a
	// clock that is set back does not change.
	passed := max(0, t.Sub(c.seen))
	first := c.seen.IsZero()
	c.seen = t
	t = t.Round(0)
	if floor := c.last.Add(passed); !first && t.Before(floor) {
		t = floor
	}
	c.last = t
	return t
}
