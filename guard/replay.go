package guard

import (
	"crypto/sha256"
	"slices"
	"sync"
	"time"
)

// replays remembers proofs for at least as long as they could be used again. The memory
// is bounded: when it is full, the holders of tokens with the most proofs lose theirs
// first. A proof that was forgotten is not let in a second time: its holder's proofs up
// to then are refused from then on. So a flood makes the memory stricter for the one who
// floods, and for nobody else.
type replays struct {
	size int
	keep time.Duration // how long a proof can be used after its iat

	mu      sync.Mutex // guards what follows
	proofs  map[proofID]seen
	holders map[holderID]*holder
	horizon int64 // proofs of any key made no later than this may have been forgotten
}

// proofID is half a SHA-256 over key and jti: nobody but the owner of the key could
// use two that are equal, and would gain a refusal.
type proofID [16]byte

// holderID is half a SHA-256 over the subject and the client of a token. A client can
// make any number of keys, so a share of the memory does not go by key.
type holderID [16]byte

type seen struct {
	by holderID
	at int64 // iat
}

type holder struct {
	proofs  int
	horizon int64 // its proofs made no later than this may have been forgotten
}

func newReplays(size int, keep time.Duration) *replays {
	return &replays{size: max(2, size), keep: keep, proofs: map[proofID]seen{}, holders: map[holderID]*holder{}}
}

// holderOf returns to whose share the proofs beside the token count.
func holderOf(c *Claims) holderID {
	sum := sha256.Sum256([]byte(c.Subject + "\x00" + c.ClientID))
	return holderID(sum[:16])
}

// first tells whether the proof is seen for the first time, and remembers it.
func (s *replays) first(by holderID, p Proof, now time.Time) bool {
	sum := sha256.Sum256([]byte(p.JKT + "\x00" + p.JTI))
	id, at := proofID(sum[:16]), p.IssuedAt.Unix()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.proofs) >= s.size {
		s.makeRoom(now)
	}
	h := s.holders[by]
	if at <= s.horizon || h != nil && at <= h.horizon || len(s.proofs) >= s.size {
		return false
	}
	if _, again := s.proofs[id]; again {
		return false
	}
	if h == nil {
		h = &holder{}
		s.holders[by] = h
	}
	h.proofs++
	s.proofs[id] = seen{by, at}
	return true
}

// makeRoom frees half of the memory: what is too old to be used again, then what those
// hold who have more than a fair share, then the oldest proofs. It forgets none that was
// made for a moment to come, since the horizon would then refuse honest proofs; so it
// may free less.
func (s *replays) makeRoom(now time.Time) {
	oldest := now.Add(-s.keep).Unix()
	s.forget(func(p seen) bool { return p.at < oldest })
	for by, h := range s.holders {
		if h.proofs == 0 && h.horizon < oldest {
			delete(s.holders, by)
		}
	}
	if len(s.proofs) <= s.size/2 {
		return
	}
	fair := max(1, s.size/2/len(s.holders))
	made, all := map[holderID][]int64{}, make([]int64, 0, len(s.proofs))
	for _, p := range s.proofs {
		if s.holders[p.by].proofs > fair {
			made[p.by] = append(made[p.by], p.at)
		} else {
			all = append(all, p.at)
		}
	}
	for by, times := range made {
		slices.Sort(times)
		s.holders[by].horizon = times[len(times)-fair-1]
		all = append(all, times[len(times)-fair:]...)
	}
	if excess := len(all) - s.size/2; excess > 0 {
		slices.Sort(all)
		s.horizon = max(s.horizon, min(all[excess-1], now.Unix()))
	}
	s.forget(func(p seen) bool { return p.at <= max(s.horizon, s.holders[p.by].horizon) })
}

func (s *replays) forget(which func(seen) bool) {
	for id, p := range s.proofs {
		if which(p) {
			delete(s.proofs, id)
			s.holders[p.by].proofs--
		}
	}
}
