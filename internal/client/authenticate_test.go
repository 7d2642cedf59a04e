package client_test

import (
	"encoding/base64"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/client"
	"github.com/watchword-auth/watchword/internal/client/clienttest"
	"github.com/watchword-auth/watchword/internal/oauth"
)

// The audit event of a refused client names the claimed client_id, as bounded text and without
// secrets.
func TestRepair_C7_ClaimedClient(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		k := clienttest.NewKeyPair(t, jose.ES256)
		header := func(value string) client.Request {
			r := clienttest.Form(t)
			r.Authorization = []string{"Basic " + base64.StdEncoding.EncodeToString([]byte(value))}
			return r
		}
		long := strings.Repeat("x", 300)
		for name, c := range map[string]struct {
			r    client.Request
			want string
		}{
			"a form":             {clienttest.Form(t, "client_id", "nobody", "client_secret", "wws_x"), "nobody"},
			"a header":           {header("nobody:wws_x"), "nobody"},
			"an assertion":       {clienttest.Form(t, "client_assertion_type", clienttest.AssertionType, "client_assertion", clienttest.Sign(t, jose.ES256, k.Private, h.assertionClaims("nobody"), nil)), "nobody"},
			"too long":           {clienttest.Form(t, "client_id", long), long[:auth.MaxClientID]},
			"beyond ASCII":       {clienttest.Form(t, "client_id", "caf\u00e9\u0085"), "café?"},
			"a secret as the id": {clienttest.Form(t, "client_id", "wws_abcdefgh", "client_secret", "x"), "(a client secret)"},
		} {
			before := len(h.events(auth.EventClientRefused))
			_, err := h.clients.Authenticate(t.Context(), c.r)
			h.requireRefused(err, oauth.InvalidClient)
			events := h.events(auth.EventClientRefused)
			if len(events) != before+1 {
				t.Fatalf("%s: %d audit events", name, len(events)-before)
			}
			if got := events[0]; got.Detail["client_id"] != c.want || strings.Contains(string(got.Actor.Client), "wws_") {
				t.Errorf("%s: %q, %+v", name, got.Detail["client_id"], got.Actor)
			}
		}
	})
}
