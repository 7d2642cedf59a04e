package guard

import (
	"crypto/sha256"
	"sync"
	"time"
)

// maxCachedToken: longer tokens are verified each time, so that the cache is
// bounded in bytes as well.
const maxCachedToken = 4 << 10

const shards = 64

// digest is the whole SHA-256 of a token. Nothing shorter will do: a collision
// would hand one caller the claims of another.
type digest = [sha256.Size]byte

// entry is a verified token.
type entry struct {
	claims *Claims // for the caller
	grants grants  // for Require, out of reach of handlers
	key    *key
	exp    time.Time
}

// bearer refuses a token that must not be used without a proof of its key.
func (en *entry) bearer() *Error {
	if en.claims.bound {
		return refuse(ErrBound, nil)
	}
	return nil
}

// cache remembers verified tokens. Each shard has two generations: when the
// young one is full it becomes the old one, and the old one is forgotten. So
// it is bounded, forgetting costs nothing, and what is used stays.
type cache struct {
	perGeneration int
	shard         [shards]cacheShard
}

type cacheShard struct {
	mu         sync.RWMutex // guards both maps
	young, old map[digest]*entry
	_          [24]byte // shards on their own cache lines
}

// newCache returns a cache for about size tokens, nil for none.
func newCache(size int) *cache {
	if size < 0 {
		return nil
	}
	return &cache{perGeneration: max(1, size/(2*shards))}
}

func (c *cache) get(d *digest) *entry {
	s := &c.shard[d[0]%shards]
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
	s := &c.shard[d[0]%shards]
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.young == nil || len(s.young) >= c.perGeneration {
		s.old = s.young
		s.young = make(map[digest]*entry)
	}
	s.young[*d] = e
}
