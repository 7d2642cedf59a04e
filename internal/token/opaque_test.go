package token_test

import (
	"strings"
	"testing"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/store/storetest"
)

// FuzzOpaque searches for a second spelling of a sealed token, and for a token that was not
// sealed but can be opened.
func FuzzOpaque(f *testing.F) {
	h := newFixture(f, storetest.SQLiteConfig(f))
	good := h.issue(auth.Grant{Account: h.alice, Client: auth.FirstParty, Opaque: true}).AccessToken
	f.Add(good)
	f.Add(good[:len(good)-1])
	f.Add("wwt_")
	f.Add("wwt_" + secret.Encode(make([]byte, 40)))
	f.Fuzz(func(t *testing.T, raw string) {
		if _, err := h.tokens.Verify(t.Context(), auth.DefaultTenant, raw); err == nil && raw != good {
			t.Errorf("%q is accepted", raw)
		}
		if h.tokens.Audience(auth.DefaultTenant, raw) != nil && strings.HasPrefix(raw, "wwt_") && raw != good {
			t.Errorf("%q was opened", raw)
		}
	})
}

func TestOpaqueTokensKeepToTheirTenant(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		storetest.Tenant(t, h.db, "t2")
		ts := h.issue(auth.Grant{Account: h.alice, Client: auth.FirstParty, Opaque: true, Audience: []string{"https://api.test", base}})
		if _, err := h.tokens.VerifyAudience(t.Context(), auth.DefaultTenant, ts.AccessToken, "https://api.test"); err != nil {
			t.Error(err)
		}
		_, err := h.tokens.VerifyAudience(t.Context(), auth.DefaultTenant, ts.AccessToken, "https://other.test")
		wantCode(t, err, "invalid_token")
		_, err = h.tokens.VerifyAudience(t.Context(), "t2", ts.AccessToken, "https://api.test")
		wantCode(t, err, "invalid_token")
		if h.tokens.Audience("t2", ts.AccessToken) != nil {
			t.Error("another tenant reads the audience")
		}
		again := h.issue(auth.Grant{Account: h.alice, Client: auth.FirstParty, Opaque: true})
		if again.AccessToken == ts.AccessToken {
			t.Error("two tokens are the same")
		}
	})
}
