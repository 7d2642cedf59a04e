package guard

import (
	"crypto/sha256"
	"slices"
	"sync"
	"time"
)

// replayCache remembers proofs for as long as they could be replayed. It is bounded: when
// it is full, the proofs of the holders with the most proofs are evicted first. An
// evicted proof is never accepted again: all proofs of its holder up to its iat are
// refused. So a flood affects only its sender.
type replayCache struct {
	size   int
	window time.Duration // how long a proof can be used after its iat

	mu      sync.Mutex // guards the fields below
	proofs  map[proofID]proofRecord
	holders map[holderID]*holder
	horizon int64 // proofs with an iat up to this may have been evicted
}

// proofID is half of a SHA-256 of key and jti. Only the owner of the key can construct a
// collision, and it would only make a proof refused.
type proofID [16]byte

// holderID is half of a SHA-256 of the subject and the client of a token. Shares are not
// by key, because a client can make any number of keys.
type holderID [16]byte

type proofRecord struct {
	owner holderID
	at    int64 // iat
}

type holder struct {
	proofs  int
	horizon int64 // its proofs with an iat up to this may have been evicted
}

func newReplayCache(size int, window time.Duration) *replayCache {
	return &replayCache{size: max(2, size), window: window, proofs: map[proofID]proofRecord{}, holders: map[holderID]*holder{}}
}

// holderOf returns the holder of a token.
func holderOf(c *Claims) holderID {
	sum := sha256.Sum256([]byte(c.Subject + "\x00" + c.ClientID))
	return holderID(sum[:16])
}

// insert remembers a proof. It returns false if the proof was used before or could have
// been.
func (s *replayCache) insert(by holderID, p Proof, now time.Time) bool {
	sum := sha256.Sum256([]byte(p.JKT + "\x00" + p.JTI))
	id, at := proofID(sum[:16]), p.IssuedAt.Unix()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.proofs) >= s.size {
		s.evict(now)
	}
	h := s.holders[by]
	if at <= s.horizon || h != nil && at <= h.horizon || len(s.proofs) >= s.size {
		return false
	}
	if _, replayed := s.proofs[id]; replayed {
		return false
	}
	if h == nil {
		h = &holder{}
		s.holders[by] = h
	}
	h.proofs++
	s.proofs[id] = proofRecord{by, at}
	return true
}

// evict frees half of the cache: first expired proofs, then those of holders above their
// fair share, then the oldest. It may free less: proofs with an iat in the future stay,
// because a horizon in the future would refuse new proofs.
func (s *replayCache) evict(now time.Time) {
	oldest := now.Add(-s.window).Unix()
	s.deleteFunc(func(p proofRecord) bool { return p.at < oldest })
	for by, h := range s.holders {
		if h.proofs == 0 && h.horizon < oldest {
			delete(s.holders, by)
		}
	}
	if len(s.proofs) <= s.size/2 {
		return
	}
	fair := max(1, s.size/2/len(s.holders))
	// The iats of the proofs of holders above the fair share, and those that may stay.
	above, kept := map[holderID][]int64{}, make([]int64, 0, len(s.proofs))
	for _, p := range s.proofs {
		if s.holders[p.owner].proofs > fair {
			above[p.owner] = append(above[p.owner], p.at)
		} else {
			kept = append(kept, p.at)
		}
	}
	for by, iats := range above {
		slices.Sort(iats)
		s.holders[by].horizon = iats[len(iats)-fair-1]
		kept = append(kept, iats[len(iats)-fair:]...)
	}
	if excess := len(kept) - s.size/2; excess > 0 {
		slices.Sort(kept)
		s.horizon = max(s.horizon, min(kept[excess-1], now.Unix()))
	}
	s.deleteFunc(func(p proofRecord) bool { return p.at <= max(s.horizon, s.holders[p.owner].horizon) })
}

// deleteFunc deletes the proofs for which del returns true.
func (s *replayCache) deleteFunc(del func(proofRecord) bool) {
	for id, p := range s.proofs {
		if del(p) {
			delete(s.proofs, id)
			s.holders[p.owner].proofs--
		}
	}
}
