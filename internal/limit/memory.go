package limit

import (
	"context"
	"fmt"
	"hash/maphash"
	"math/bits"
	"sync"
	"time"
)

// A table is built like a processor's cache: a key's hash names one small set, and the key
// may lie in any place of that set. It is allocated once, so no flood of keys makes it grow.
const (
	shardCount = 64
	ways       = 16
	// DefaultKeys is the number of keys in debt that each table of a Memory remembers apart
	// when not told otherwise; 2.2 MB a table.
	DefaultKeys = 1 << 17
)

// Keys whose debts last about as long share a table, so that hours which some rule books
// push out no key of a rule whose debts last minutes, and raise no floor under it.
const (
	shortDebt  = 5 * time.Minute
	middleDebt = 30 * time.Minute
	tableCount = 3
)

// Memory is a Limiter inside one process. Its size never changes.
//
// A key without debt needs no place. When the set of a new key is full of keys in
// debt, the one nearest to being free gives up its place, and its debt becomes the
// floor from which every key starts that the set does not know. A floor leaves each key the
// last token of its own rate: nobody who comes for the first time is refused for what others
// owe, and a key that was pushed out gains one token by that, for which the set had to be
// filled with keys that owe more.
//
// Keys are kept as 64-bit hashes under a secret seed; two keys that meet by chance
// share one debt.
type Memory struct {
	now    func() time.Time
	base   time.Time
	seed   maphash.Seed
	tables [tableCount][shardCount]shard
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

// NewMemory makes a Memory whose tables are each for about the given number of keys in debt at
// one time (DefaultKeys if less than 1). It calls now under a lock, so now must not call
// back.
func NewMemory(keys int, now func() time.Time) *Memory {
	if keys < 1 {
		keys = DefaultKeys
	}
	perShard := max(1, (keys+shardCount*ways-1)/(shardCount*ways))
	m := &Memory{now: now, base: now(), seed: maphash.MakeSeed()}
	for t := range m.tables {
		for i := range m.tables[t] {
			m.tables[t][i].sets = make([]set, perShard)
		}
	}
	return m
}

// Take implements Limiter. It returns an error only for a rate or number that
// makes no sense.
func (m *Memory) Take(_ context.Context, key string, r Rate, n int) (Decision, error) {
	g, ask, d, err := checkRate(r, n)
	if !ask {
		return d, err
	}
	h, sh, set := m.find(g.table(), key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	now := m.tick(sh)
	i, tat := set.debt(h, g, now)
	tat, d = g.decide(now, tat, n)
	if d.OK {
		set.put(i, h, tat, now)
	}
	return d, nil
}

// TakeAll implements Limiter. It begins with the first bucket, and takes nothing of those
// behind one that refuses: give the narrow ones first.
func (m *Memory) TakeAll(ctx context.Context, buckets []Bucket) (Decision, error) {
	all := allowAll
	for i, b := range buckets {
		one := m.Peek
		if all.OK {
			one = m.takeOne
		}
		d, err := one(ctx, b.Key, b.Rate)
		refuses := all.OK && !d.OK
		if all = all.join(d); refuses {
			_ = m.RefundAll(ctx, buckets[:i])
		}
		if err != nil {
			return Decision{}, err
		}
	}
	return all, nil
}

func (m *Memory) takeOne(ctx context.Context, key string, r Rate) (Decision, error) {
	return m.Take(ctx, key, r, 1)
}

// Peek implements Limiter.
func (m *Memory) Peek(_ context.Context, key string, r Rate) (Decision, error) {
	g, ask, d, err := checkRate(r, 1)
	if !ask {
		return d, err
	}
	h, sh, set := m.find(g.table(), key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	now := m.tick(sh)
	_, tat := set.debt(h, g, now)
	_, d = g.decide(now, tat, 1)
	if d.OK {
		d.Remaining++ // nothing was taken
	}
	return d, nil
}

// Refund implements Limiter. A key that the table had to forget gets nothing back.
func (m *Memory) Refund(_ context.Context, key string, r Rate, n int) error {
	g, ask, _, err := checkRate(r, n)
	if !ask {
		return err
	}
	h, sh, set := m.find(g.table(), key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if i := set.place(h); i >= 0 {
		// Below the present would be credit, but the present is the least that a
		// later Take starts from.
		set.tats[i] -= int64(n) * g.interval
	}
	return nil
}

// RefundAll implements Limiter.
func (m *Memory) RefundAll(ctx context.Context, buckets []Bucket) error {
	for _, b := range buckets {
		if err := m.Refund(ctx, b.Key, b.Rate, 1); err != nil {
			return err
		}
	}
	return nil
}

// Reset implements Limiter.
func (m *Memory) Reset(_ context.Context, key string) error {
	for t := range m.tables {
		h, sh, set := m.find(t, key)
		sh.mu.Lock()
		if i := set.place(h); i >= 0 {
			set.tats[i] = 0
		}
		sh.mu.Unlock()
	}
	return nil
}

// String keeps the tables out of logs.
func (m *Memory) String() string {
	return fmt.Sprintf("limit.Memory(%d tables of %d keys)", tableCount, shardCount*ways*len(m.tables[0][0].sets))
}

// table is the number of the table that holds keys of the rate.
func (g gcra) table() int {
	switch depth := time.Duration(g.depth); {
	case depth <= shortDebt:
		return 0
	case depth <= middleDebt:
		return 1
	}
	return 2
}

func (m *Memory) find(table int, key string) (uint64, *shard, *set) {
	h := maphash.String(m.seed, key)
	sh := &m.tables[table][h%shardCount]
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

// place returns where h is, or -1.
func (s *set) place(h uint64) int {
	for i := range s.keys {
		if s.keys[i] == h {
			return i
		}
	}
	return -1
}

// debt returns the place of h and the end of its debt, or -1 and what the floor says.
func (s *set) debt(h uint64, g gcra, now int64) (int, int64) {
	if i := s.place(h); i >= 0 {
		return i, s.tats[i]
	}
	return -1, min(s.floor, now+g.depth-g.interval)
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
