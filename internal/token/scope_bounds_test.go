package token_test

import (
	"testing"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/keys"
	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/token"
)

// The scopes of an open resource stay within the operator's bounds.
func TestRepair_S8_OpenScopesWithinBounds(t *testing.T) {
	t.Parallel()
	const api = "https://api.example.test"
	s := token.New(token.Config{Keys: keys.New(keys.Config{}), Base: "https://id.example.test", Root: secret.Bytes(32), ResourceScopes: map[string][]string{api: {"orders:read"}}})
	c := auth.Client{ID: "cl_x", Type: auth.ClientSPA, Scopes: auth.DefaultScope, Settings: auth.StoredSettings{Registration: "digest"}}
	if !s.UserScope(c, []string{api}).Has("orders:read") {
		t.Error("the resource is not open")
	}
	c.Bounds = &auth.ClientBounds{Scopes: []string{"openid"}}
	if got := s.UserScope(c.Bounded(), []string{api}); len(got) != 1 || got[0] != "openid" {
		t.Errorf("within its bounds the client has %v", got)
	}
}
