package guard

import (
	"encoding/base64"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// keySet is one answer of the issuer, ready for use. It never changes.
type keySet struct {
	keys     []*key
	byHeader map[string]known // the first part of a token, with its dot
	staleAt  time.Time        // from then on the set must not be used
}

// known is what a token's first part means when it is exactly the one that we
// expect for a key: everything is fixed before anything is parsed.
type known struct {
	key *key
	alg jose.SignatureAlgorithm
}

func newKeySet(keys []*key, staleAt time.Time) *keySet {
	s := &keySet{keys: keys, byHeader: make(map[string]known), staleAt: staleAt}
	for _, k := range keys {
		if !plain(k.id) {
			continue
		}
		for _, alg := range k.algs {
			s.byHeader[headerOf(alg, k.id)] = known{k, alg}
		}
	}
	return s
}

// headerOf is the first part, with its dot, of a token as Watchword issues it.
func headerOf(alg jose.SignatureAlgorithm, kid string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"`+string(alg)+`","typ":"at+jwt","kid":"`+kid+`"}`)) + "."
}

// plain tells whether a key id looks the same in every JSON encoder.
func plain(id string) bool {
	return id != "" && !strings.ContainsFunc(id, func(r rune) bool {
		return r <= ' ' || r > '~' || strings.ContainsRune(`"\<>&'/`, r)
	})
}

// candidates returns the keys that a token with this algorithm and key id
// could mean: one at most if it has an id, all of the algorithm if it has none.
func (s *keySet) candidates(alg jose.SignatureAlgorithm, kid string, hasKid bool) []*key {
	var out []*key
	for _, k := range s.keys {
		if k.allows(alg) && (!hasKid || k.id == kid) {
			out = append(out, k)
		}
	}
	return out
}

// has tells whether any key has the id, whatever its algorithm.
func (s *keySet) has(kid string) bool {
	for _, k := range s.keys {
		if k.id == kid {
			return true
		}
	}
	return false
}

// adopt puts the keys of old, where they are still published, in the place of
// their new copies, and withdraws the others.
func adopt(old *keySet, keys []*key) {
	if old == nil {
		return
	}
	for _, was := range old.keys {
		kept := false
		for i, k := range keys {
			if was.same(k) {
				keys[i], kept = was, true
			}
		}
		if !kept {
			was.withdrawn.Store(true)
		}
	}
}
