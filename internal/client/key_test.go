package client_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/client"
	"github.com/watchword-auth/watchword/internal/client/clienttest"
)

// TestKeyIDsHaveNoControlCharacters: a single key with such a kid is refused with a message, and among
// other keys it is ignored and not stored.
func TestKeyIDsHaveNoControlCharacters(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		good := clienttest.NewKeyPair(t, "ES256").JWKS
		key := func(kid string) string {
			var set struct {
				Keys []map[string]any `json:"keys"`
			}
			h.requireOK(json.Unmarshal([]byte(good), &set))
			set.Keys[0]["kid"] = kid
			b, err := json.Marshal(set.Keys[0])
			h.requireOK(err)
			return string(b)
		}
		register := func(keys ...string) (auth.Client, error) {
			c, _, err := h.clients.Create(t.Context(), tenant, client.Registration{Name: "A", Type: auth.ClientWeb, RedirectURIs: []string{callback},
				ClientSettings: auth.ClientSettings{Auth: auth.AuthPrivateKeyJWT, JWKS: json.RawMessage(`{"keys":[` + strings.Join(keys, ",") + `]}`)}}, operator)
			return c, err
		}
		for _, kid := range []string{"a\x00b", "a\nb", "\u0085"} {
			if _, err := register(key(kid)); auth.KindOf(err) != auth.KindInvalid || !strings.Contains(err.Error(), "kid") {
				t.Errorf("%q: %v", kid, err)
			}
		}
		c, err := register(key("a\x00b"), key("good"))
		h.requireOK(err)
		if text := string(c.Settings.JWKS); strings.Contains(text, "u0000") || !strings.Contains(text, "good") {
			t.Error(text)
		}
	})
}
