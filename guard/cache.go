package guard

import (
	"crypto/sha256"
	"sync"
	"time"
)

// maxCachedToken is the length of the longest token that is cached. It bounds the
// cache in bytes.
const maxCachedToken = 4 << 10

const shardCount = 64

// digest is the full SHA-256 of a token. It must not be truncated: a collision would
// give one caller the claims of another.
type digest = [sha256.Size]byte

// entry is a verified token.
type entry struct {
	claims *Claims // for the caller
	grants grants  // for Require; handlers never see it
	key    *key
	exp    time.Time
}

// requireBearer refuses a sender-constrained token.
func (en *entry) requireBearer() *Error {
	if en.claims.bound {
		return refuse(ErrProofRequired, nil)
	}
	return nil
}

// cache holds verified tokens. Each shard has two generations: when the young one is
// full it becomes the old one, and the old one is dropped. So the cache is bounded,
// eviction costs nothing, and used entries stay.
type cache struct {
	perGeneration int
	shard         [shardCount]cacheShard
}

type cacheShard struct {
	mu         sync.RWMutex // guards both maps
	young, old map[digest]*entry
	_          [24]byte // keeps shards on separate cache lines
}

// newCache returns a cache for about size tokens, nil for none.
func newCache(size int) *cache {
	if size < 0 {
		return nil
	}
	return &cache{perGeneration: max(1, size/(2*shardCount))}
}

func (c *cache) get(d *digest) *entry {
	s := &c.shard[d[0]%shardCount]
	s.mu.RLock()
	e, young := s.young[*d]
	if !young {
		e = s.old[*d]
	}
	s.mu.RUnlock()
	if e != nil && !young {
		c.put(d, e)
	}
	return e
}

func (c *cache) put(d *digest, e *entry) {
	s := &c.shard[d[0]%shardCount]
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.young == nil || len(s.young) >= c.perGeneration {
		s.old = s.young
		s.young = make(map[digest]*entry)
	}
	s.young[*d] = e
}
