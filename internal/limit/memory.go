package limit

import (
	"context"
	"fmt"
	"hash/maphash"
	"math/bits"
	"sync"
	"time"
)

// The table is built like a processor's cache: a key's hash names one small set,
// and the key may lie in any place of that set. It is allocated once, so no flood
// of keys makes it grow.
const (
	shardCount = 64
	ways       = 16
	// DefaultKeys is the number of keys in debt that a Memory remembers apart when
	// not told otherwise; 2.2 MB.
	DefaultKeys = 1 << 17
)

// Memory is a Limiter inside one process. Its size never changes.
//
// A key without debt needs no place. When the set of a new key is full of keys in
// debt, the one nearest to being free gives up its place, and its debt becomes the
// floor from which every key starts that the set does not know. So forgetting a
// key can only make a limit stricter, never looser: an attacker who floods the
// table with keys cannot wash off anyone's debt, his own included.
//
// Keys are kept as 64-bit hashes under a secret seed; two keys that meet by chance
// share one debt.
type Memory struct {
	now    func() time.Time
	base   time.Time
	seed   maphash.Seed
	shards [shardCount]shard
}

type shard struct {
	mu   sync.Mutex
	last int64 // owned by mu: the shard's clock, nanoseconds, never goes back
	lag  int64 // owned by mu: what the outer clock has lost by going back
	sets []set // owned by mu
	_    [64]byte
}

// set remembers up to ways keys. A place whose tat is not after now is free.
type set struct {
	floor int64 // no key that is missing here owes beyond this moment
	keys  [ways]uint64
	tats  [ways]int64
}

// NewMemory makes a Memory for about the given number of keys in debt at one time
// (DefaultKeys if less than 1). It calls now under a lock, so now must not call
// back.
func NewMemory(keys int, now func() time.Time) *Memory {
	if keys < 1 {
		keys = DefaultKeys
	}
	perShard := max(1, (keys+shardCount*ways-1)/(shardCount*ways))
	m := &Memory{now: now, base: now(), seed: maphash.MakeSeed()}
	for i := range m.shards {
		m.shards[i].sets = make([]set, perShard)
	}
	return m
}

// Take implements Limiter. It returns an error only for a rate or number that
// makes no sense.
func (m *Memory) Take(_ context.Context, key string, r Rate, n int) (Decision, error) {
	g, ask, d, err := admit(r, n)
	if !ask {
		return d, err
	}
	h, sh, set := m.find(key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	now := m.tick(sh)
	i, tat := set.debt(h)
	tat, d = g.decide(now, tat, n)
	if d.OK {
		set.put(i, h, tat, now)
	}
	return d, nil
}

// Peek implements Limiter.
func (m *Memory) Peek(_ context.Context, key string, r Rate) (Decision, error) {
	g, ask, d, err := admit(r, 1)
	if !ask {
		return d, err
	}
	h, sh, set := m.find(key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	now := m.tick(sh)
	_, tat := set.debt(h)
	_, d = g.decide(now, tat, 1)
	if d.OK {
		d.Remaining++ // nothing was taken
	}
	return d, nil
}

// Refund implements Limiter. A key that the table had to forget gets nothing back.
func (m *Memory) Refund(_ context.Context, key string, r Rate, n int) error {
	g, ask, _, err := admit(r, n)
	if !ask {
		return err
	}
	h, sh, set := m.find(key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if i, tat := set.debt(h); i >= 0 {
		// Below the present would be credit, but the present is the least that a
		// later Take starts from.
		set.tats[i] = tat - int64(n)*g.interval
	}
	return nil
}

// Reset implements Limiter.
func (m *Memory) Reset(_ context.Context, key string) error {
	h, sh, set := m.find(key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if i, _ := set.debt(h); i >= 0 {
		set.tats[i] = 0
	}
	return nil
}

// String keeps the table out of logs.
func (m *Memory) String() string {
	return fmt.Sprintf("limit.Memory(%d keys)", shardCount*ways*len(m.shards[0].sets))
}

func (m *Memory) find(key string) (uint64, *shard, *set) {
	h := maphash.String(m.seed, key)
	sh := &m.shards[h%shardCount]
	// The high half of the product spreads the hash over a number of sets that is
	// not a power of two, and does so by the hash's high bits; the shard took the low ones.
	i, _ := bits.Mul64(h, uint64(len(sh.sets)))
	if h == 0 {
		h = 1 // zero marks a place never used
	}
	return h, sh, &sh.sets[i]
}

// tick reads the clock; sh.mu is held, so within a shard times are in order. When
// the outer clock goes back the shard's clock goes on from where it was: a debt is
// neither forgotten nor prolonged.
func (m *Memory) tick(sh *shard) int64 {
	now := int64(m.now().Sub(m.base)) + sh.lag
	if now < sh.last {
		sh.lag += sh.last - now
		now = sh.last
	}
	sh.last = now
	return now
}

// debt returns the place of h and the end of its debt, or -1 and the floor.
func (s *set) debt(h uint64) (int, int64) {
	for i := range s.keys {
		if s.keys[i] == h {
			return i, s.tats[i]
		}
	}
	return -1, s.floor
}

// put records the debt of h at place i, or at the best place when i is -1.
func (s *set) put(i int, h uint64, tat, now int64) {
	if i < 0 {
		i = 0
		for j := range s.tats {
			if s.tats[j] < s.tats[i] {
				i = j
			}
		}
		if s.tats[i] > now {
			s.floor = max(s.floor, s.tats[i])
		}
	}
	s.keys[i], s.tats[i] = h, tat
}
