package web

import (
	"fmt"
	"testing"
	"time"
)

// While the database is unavailable, requests for invented tenants cache nothing, and published
// documents stay available.
func TestFault_FL_05_StrangersNamesTakeNoMemoryWhileTheDatabaseIsAway(t *testing.T) {
	t.Parallel()
	h := newFixture(t)
	for _, path := range []string{"/.well-known/jwks.json", "/.well-known/openid-configuration"} {
		h.requireReply(h.get(path), 200, "")
	}
	h.db.Close()
	h.advance(2 * time.Second)
	for i := range 3 {
		h.get(fmt.Sprintf("/t/stranger-%d/.well-known/openid-configuration", i))
		h.get(fmt.Sprintf("/.well-known/oauth-authorization-server/t/stranger-%d", i))
		h.get(fmt.Sprintf("/t/stranger-%d/.well-known/jwks.json", i))
	}
	for _, path := range []string{"/.well-known/jwks.json", "/.well-known/openid-configuration"} {
		h.requireReply(h.get(path), 200, "")
	}
}
