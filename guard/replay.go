package guard

import (
	"crypto/sha256"
	"sync"
	"time"
)

// replays remembers proofs for as long as they could be used again. It has two
// generations: the old one is forgotten when all in it is too old to be used anyway,
// or when the young one is full. What is forgotten before its time is not let in a
// second time either: from then on proofs as old as those are refused. So the memory
// is bounded, and a flood makes it stricter, not forgetful.
type replays struct {
	perGeneration int
	keep          time.Duration // how long a proof can be used after it was seen

	mu         sync.Mutex // guards what follows
	young, old generation
	horizon    time.Time // proofs made no later than this may have been forgotten
}

type generation struct {
	seen   map[proofID]struct{}
	since  time.Time // when its first proof was seen
	newest time.Time // the latest iat in it
}

// proofID is half a SHA-256 over key and jti: nobody but the owner of the key could
// use two that are equal, and would gain a refusal.
type proofID [16]byte

func newReplays(size int, keep time.Duration) *replays {
	return &replays{perGeneration: max(1, size/2), keep: keep}
}

// first tells whether the proof is seen for the first time, and remembers it.
func (s *replays) first(p Proof, now time.Time) bool {
	sum := sha256.Sum256([]byte(p.JKT + "\x00" + p.JTI))
	id := proofID(sum[:16])
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, again := s.young.seen[id]; again {
		return false
	}
	if _, again := s.old.seen[id]; again || !p.IssuedAt.After(s.horizon) {
		return false
	}
	if s.young.seen == nil || len(s.young.seen) >= s.perGeneration || now.Sub(s.young.since) > s.keep {
		if s.old.newest.After(s.horizon) {
			s.horizon = s.old.newest
		}
		s.old = s.young
		s.young = generation{seen: map[proofID]struct{}{}, since: now}
	}
	s.young.seen[id] = struct{}{}
	if p.IssuedAt.After(s.young.newest) {
		s.young.newest = p.IssuedAt
	}
	return true
}
