package login_test

import (
	"slices"
	"testing"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/login"
	"github.com/watchword-auth/watchword/internal/token"
)

// A sign-in gets the requested scope, also at each refresh. Without a scope it gets that of the
// server's own API.
func TestRepair_R3_LoginScopeAsAsked(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		h.insertAccount("alice@example.test", good)
		for requested, want := range map[string]auth.Scope{
			"":                                    auth.LoginScope,
			auth.DefaultScope.String():            auth.DefaultScope,
			"offline_access email openid profile": auth.DefaultScope,
			auth.LoginScope.String():              auth.LoginScope,
			"offline_access":                      {"offline_access"},
		} {
			scope, err := auth.ParseScope(requested)
			h.requireOK(err)
			res, err := h.Password(t.Context(), tenant, login.Request{Email: "alice@example.test", Password: good, Scope: scope, Actor: browserActor})
			h.requireOK(err)
			next, err := h.tokens.Refresh(t.Context(), token.RefreshRequest{Tenant: tenant, Client: auth.FirstParty, Token: res.Tokens.RefreshToken, Actor: browserActor})
			h.requireOK(err)
			for _, got := range []auth.Scope{res.Tokens.Scope, next.Scope} {
				if !slices.Equal(slices.Sorted(slices.Values(got)), slices.Sorted(slices.Values(want))) {
					t.Errorf("requested %q: granted %q", requested, got)
				}
			}
		}
	})
}
