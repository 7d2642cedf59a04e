package limit

import (
	"context"
	"fmt"
	"hash/maphash"
	"math/bits"
	"sync"
	"time"
)

// A table is set-associative: a key's hash selects one small set, and the key is stored in any
// slot of that set. It is allocated once, so no flood of keys makes it grow.
const (
	shardCount = 64
	ways       = 16
	// DefaultKeys is the default number of keys in debt that each table of a Memory stores; 2.2
	// MB a table.
	DefaultKeys = 1 << 17
)

// Keys with debts of similar length share a table, so that a rule with debts of hours evicts no
// key of a rule with debts of minutes, and raises no floor of its sets.
const (
	shortDebt  = 5 * time.Minute
	middleDebt = 30 * time.Minute
	tableCount = 3
)

// Memory is a Limiter inside one process. Its size never changes.
//
// A key without debt needs no slot. When the set of a new key is full of keys in debt, the key
// whose debt ends first is evicted, and its debt becomes the floor: the debt with which every key
// starts that is not in the set. A floor leaves each key one token, so a new key is never refused
// because of other keys. An evicted key gains at most that token.
//
// Keys are stored as 64-bit hashes under a secret seed; two keys with the same hash share one
// debt.
type Memory struct {
	now    func() time.Time
	base   time.Time
	seed   maphash.Seed
	tables [tableCount][shardCount]shard
}

type shard struct {
	mu   sync.Mutex
	last int64 // owned by mu: the shard's clock, nanoseconds, never decreases
	lag  int64 // owned by mu: sum of the steps by which the outer clock was set back
	sets []set // owned by mu
	_    [64]byte
}

// set stores up to ways keys. A slot whose tat is not after now is free.
type set struct {
	floor int64 // the debt of a missing key ends at this time at the latest
	keys  [ways]uint64
	tats  [ways]int64
}

// NewMemory returns a Memory whose tables each store about the given number of keys in debt
// (DefaultKeys if less than 1). It calls now under a lock, so now must not call the Memory.
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

// Take implements Limiter. It returns an error only for an invalid rate or number.
func (m *Memory) Take(_ context.Context, key string, r Rate, n int) (Decision, error) {
	g, valid, d, err := checkRate(r, n)
	if !valid {
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

// TakeAll implements Limiter. It takes nothing of the buckets after one that refuses, so the
// narrow ones come first.
func (m *Memory) TakeAll(ctx context.Context, buckets []Bucket) (Decision, error) {
	all := allowAll
	for i, b := range buckets {
		call := m.Peek
		if all.OK {
			call = m.takeOne
		}
		d, err := call(ctx, b.Key, b.Rate)
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
	g, valid, d, err := checkRate(r, 1)
	if !valid {
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

// Refund implements Limiter. It does nothing for an evicted key.
func (m *Memory) Refund(_ context.Context, key string, r Rate, n int) error {
	g, valid, _, err := checkRate(r, n)
	if !valid {
		return err
	}
	h, sh, set := m.find(g.table(), key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if i := set.slot(h); i >= 0 {
		// A time in the past adds no tokens: the next Take starts from the present.
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
		if i := set.slot(h); i >= 0 {
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

// table returns the number of the table for keys of the rate.
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
	// The high half of the product maps the hash to one of any number of sets by its high bits;
	// its low bits selected the shard.
	i, _ := bits.Mul64(h, uint64(len(sh.sets)))
	if h == 0 {
		h = 1 // zero marks an unused slot
	}
	return h, sh, &sh.sets[i]
}

// tick reads the clock; sh.mu is held, so within a shard times are in order. When the outer clock
// is set back, the shard's clock continues from where it was: a debt is neither cleared nor
// extended.
func (m *Memory) tick(sh *shard) int64 {
	now := int64(m.now().Sub(m.base)) + sh.lag
	if now < sh.last {
		sh.lag += sh.last - now
		now = sh.last
	}
	sh.last = now
	return now
}

// slot returns the slot of h, or -1.
func (s *set) slot(h uint64) int {
	for i := range s.keys {
		if s.keys[i] == h {
			return i
		}
	}
	return -1
}

// debt returns the slot of h and the end of its debt, or -1 and the debt that the floor gives.
func (s *set) debt(h uint64, g gcra, now int64) (int, int64) {
	if i := s.slot(h); i >= 0 {
		return i, s.tats[i]
	}
	return -1, min(s.floor, now+g.depth-g.interval)
}

// put records the debt of h in slot i, or in the slot whose debt ends first when i is -1.
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
