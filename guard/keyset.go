package guard

import (
	"encoding/base64"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// keySet is a parsed key set of the issuer. It is immutable.
type keySet struct {
	keys     []*key
	byHeader map[string]verifier // by the first part of a token, with its dot
	staleAt  time.Time           // the set must not be used from then on
}

// verifier is the key and algorithm of an expected token header. A token with exactly
// that header is verified before anything of it is parsed.
type verifier struct {
	key *key
	alg jose.SignatureAlgorithm
}

func newKeySet(keys []*key, staleAt time.Time) *keySet {
	s := &keySet{keys: keys, byHeader: make(map[string]verifier), staleAt: staleAt}
	for _, k := range keys {
		if !isPlainID(k.id) {
			continue
		}
		for _, alg := range k.algs {
			s.byHeader[headerOf(alg, k.id)] = verifier{k, alg}
		}
	}
	return s
}

// headerOf returns the first part of a token that Watchword issued, with its dot.
func headerOf(alg jose.SignatureAlgorithm, kid string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"`+string(alg)+`","typ":"at+jwt","kid":"`+kid+`"}`)) + "."
}

// isPlainID reports whether every JSON encoder writes the key ID in the same way.
func isPlainID(id string) bool {
	return id != "" && !strings.ContainsFunc(id, func(r rune) bool {
		return r <= ' ' || r > '~' || strings.ContainsRune(`"\<>&'/`, r)
	})
}

// candidates returns the keys that may have signed a token with this algorithm and key
// ID: at most one with an ID, all keys of the algorithm without.
func (s *keySet) candidates(alg jose.SignatureAlgorithm, kid string, hasKid bool) []*key {
	var out []*key
	for _, k := range s.keys {
		if k.allows(alg) && (!hasKid || k.id == kid) {
			out = append(out, k)
		}
	}
	return out
}

// hasID reports whether any key has the ID, with any algorithm.
func (s *keySet) hasID(kid string) bool {
	for _, k := range s.keys {
		if k.id == kid {
			return true
		}
	}
	return false
}

// reuseKeys replaces those keys that old also has with the values of old, and marks the
// other keys of old as withdrawn.
func reuseKeys(old *keySet, keys []*key) {
	if old == nil {
		return
	}
	for _, prev := range old.keys {
		published := false
		for i, k := range keys {
			if prev.equal(k) {
				keys[i], published = prev, true
			}
		}
		if !published {
			prev.withdrawn.Store(true)
		}
	}
}
