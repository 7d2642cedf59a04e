package attacks_test

import (
	"net/url"
	"testing"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/client"
	"github.com/watchword-auth/watchword/internal/servertest"
)

const (
	ledgerCallback = "https://ledger.example.test/callback"
	pkceVerifier   = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
	pkceChallenge  = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM" // RFC 7636, appendix B
)

// newThirdParty registers a third-party client.
func newThirdParty(t testing.TB, s *servertest.Server, tenant auth.TenantID, change ...func(*client.Registration)) testClient {
	t.Helper()
	r := client.Registration{Type: auth.ClientWeb, Name: "Ledger", RedirectURIs: []string{ledgerCallback}}
	for _, fn := range change {
		fn(&r)
	}
	return createClient(t, s, tenant, r)
}

// authorizationQuery returns an authorization request; more are names and values that replace its own.
func authorizationQuery(c testClient, more ...string) string {
	v := url.Values{
		"client_id": {string(c.ID)}, "response_type": {"code"}, "redirect_uri": {ledgerCallback}, "scope": {"openid email"},
		"state": {"the-state"}, "code_challenge": {pkceChallenge}, "code_challenge_method": {"S256"},
	}
	for i := 0; i+1 < len(more); i += 2 {
		if v.Del(more[i]); more[i+1] != "" {
			v.Set(more[i], more[i+1])
		}
	}
	return "/oauth2/authorize?" + v.Encode()
}

// signIn signs in on the login page.
func signIn(t testing.TB, b *servertest.Browser, email string) *servertest.Page {
	t.Helper()
	b.Page.Want(t, 200).At(t, "/login")
	return b.Press("submit", "email", email, "password", servertest.Password)
}

// TestAuthorizationCode completes the code flow in a browser, with sign-in and consent.
func TestAuthorizationCode(t *testing.T) {
	t.Parallel()
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		createAccount(t, s, alice)
		c := newThirdParty(t, s, auth.DefaultTenant)
		b := s.Browser(t)
		b.Open(authorizationQuery(c))
		signIn(t, b, alice).Want(t, 200).At(t, "/consent")
		got := b.Press("approve").Answer(t)
		if got.Get("code") == "" || got.Get("state") != "the-state" || got.Get("iss") != s.Issuer {
			t.Fatalf("answer %v", got)
		}
		r := postForm(t, s, "/oauth2/token", url.Values{"grant_type": {"authorization_code"}, "code": {got.Get("code")}, "redirect_uri": {ledgerCallback}, "code_verifier": {pkceVerifier}}.Encode(), c.basic()).Want(t, 200)
		if v := decode[body](t, r); v["id_token"] == nil || v["token_type"] != "Bearer" || v["scope"] != "openid email" {
			t.Errorf("tokens %v", v)
		}
	})
}
