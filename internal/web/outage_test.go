package web

import (
	"fmt"
	"testing"
	"time"
)

// Whether a tenant exists cannot be known while the database is away, and its name
// is any stranger's choice; what was published before stays published.
func TestFault_FL_05_StrangersNamesTakeNoMemoryWhileTheDatabaseIsAway(t *testing.T) {
	t.Parallel()
	h := newFixture(t)
	for _, path := range []string{"/.well-known/jwks.json", "/.well-known/openid-configuration"} {
		h.requireReply(h.get(path), 200, "")
	}
	before := len(h.protocol.documents.known)
	h.db.Close()
	h.advance(2 * time.Second)
	for i := range 3 {
		h.get(fmt.Sprintf("/t/stranger-%d/.well-known/openid-configuration", i))
		h.get(fmt.Sprintf("/.well-known/oauth-authorization-server/t/stranger-%d", i))
		h.get(fmt.Sprintf("/t/stranger-%d/.well-known/jwks.json", i))
	}
	if n := len(h.protocol.documents.known); n != before {
		t.Errorf("%d documents are remembered, %d before", n, before)
	}
	for _, path := range []string{"/.well-known/jwks.json", "/.well-known/openid-configuration"} {
		h.requireReply(h.get(path), 200, "")
	}
}

// The database is away when the tenant is asked for, and back when its keys are.
func TestRepair_S17_StrangersTenantsAreNeitherAnsweredNorRemembered(t *testing.T) {
	t.Parallel()
	h := newFixture(t)
	paths := []string{"/.well-known/jwks.json", "/.well-known/openid-configuration"}
	for _, path := range paths {
		h.requireReply(h.get(path), 200, "")
	}
	before := len(h.protocol.documents.known)
	h.retryAt.Store(h.now.Add(cacheableRetry).UnixNano()) // it did not answer a moment ago
	for i := range 3 {
		for _, path := range paths {
			r := h.requireReply(h.get(fmt.Sprintf("/t/stranger-%d%s", i, path)), 503, "")
			if cc := r.Header.Get("Cache-Control"); cc != "no-store" {
				t.Errorf("%s: Cache-Control %q", path, cc)
			}
		}
	}
	if n := len(h.protocol.documents.known); n != before {
		t.Errorf("%d documents are remembered, %d before", n, before)
	}
	h.advance(time.Millisecond)
	for _, path := range paths {
		h.requireReply(h.get(path), 200, "")
	}
}
