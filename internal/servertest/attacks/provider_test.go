package attacks_test

import (
	"net/url"
	"testing"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/client"
	"github.com/watchword-auth/watchword/internal/servertest"
)

// pushRequest pushes a request of the client and returns its request_uri.
func pushRequest(t testing.TB, s *servertest.Server, c testClient) string {
	t.Helper()
	form := url.Values{"response_type": {"code"}, "redirect_uri": {ledgerCallback}, "scope": {"openid"}, "code_challenge": {pkceChallenge}, "code_challenge_method": {"S256"}}
	r := postForm(t, s, "/oauth2/par", form.Encode(), c.basic()).Want(t, 201)
	requireNoStore(t, r)
	return decode[struct {
		URI string `json:"request_uri"`
	}](t, r).URI
}

// TestAttack_AZ_30_ForeignPushedRequest: another client cannot use a pushed request.
func TestAttack_AZ_30_ForeignPushedRequest(t *testing.T) {
	t.Parallel()
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		createAccount(t, s, alice)
		par := newThirdParty(t, s, auth.DefaultTenant, func(r *client.Registration) { r.RequirePushed = true })
		conf := newThirdParty(t, s, auth.DefaultTenant)
		uri := pushRequest(t, s, par)
		b := s.Browser(t)
		b.Open("/oauth2/authorize?"+url.Values{"client_id": {string(conf.ID)}, "request_uri": {uri}}.Encode()).Want(t, 400)
		b.Open("/oauth2/authorize?"+url.Values{"client_id": {string(par.ID)}, "request_uri": {uri}}.Encode()).Want(t, 200).At(t, "/login")
		if n := queryValue[int](t, openDatabase(t, s.Config.DatabaseURL()), "SELECT count(*) FROM single_use WHERE kind = 'code'"); n != 0 {
			t.Errorf("%d codes", n)
		}
	})
}

// TestAttack_AZ_34_PushByGet: the PAR endpoint accepts only POST (RFC 9126 §2).
func TestAttack_AZ_34_PushByGet(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	for _, method := range []string{"GET", "HEAD", "PUT"} {
		if r := s.Do(t, method, "/oauth2/par", nil).Want(t, 405); r.Header.Get("Allow") != "POST" {
			t.Errorf("%s: Allow %q", method, r.Header.Get("Allow"))
		}
	}
}

// TestAttack_AZ_42_WhoAnswers: every authorization response has the issuer of its tenant (RFC
// 9207).
func TestAttack_AZ_42_WhoAnswers(t *testing.T) {
	t.Parallel()
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		if _, err := s.Tenants.Create(t.Context(), "acme", "Acme", auth.Settings{}, auth.System); err != nil {
			t.Fatal(err)
		}
		for tenant, issuer := range map[auth.TenantID]string{auth.DefaultTenant: s.Issuer, "acme": s.Issuer + "/t/acme"} {
			c := newThirdParty(t, s, tenant)
			for name, changes := range map[string][]string{
				"no session":  {"prompt", "none"},
				"bad request": {"code_challenge", ""},
				"fragment":    {"prompt", "none", "response_mode", "fragment"},
			} {
				got := s.Browser(t).Open(tenant.Path() + authorizationQuery(c, changes...)).Answer(t)
				if got.Get("error") == "" || got.Get("iss") != issuer || got.Get("state") != "the-state" {
					t.Errorf("%s, %s: %v", tenant, name, got)
				}
			}
		}
	})
}

// TestAttack_TK_20_NobodyKeepsTokens: no cache stores responses of the token endpoint, and no
// browser sniffs them.
func TestAttack_TK_20_NobodyKeepsTokens(t *testing.T) {
	t.Parallel()
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		c := newMachine(t, s)
		requireNoStore(t, postForm(t, s, "/oauth2/token", forItself, c.basic()).Want(t, 200))
		for form, code := range map[string]string{
			"": "invalid_request", "grant_type=password&username=a&password=b": "unsupported_grant_type", "grant_type=authorization_code&code=x": "unauthorized_client",
		} {
			wantError(t, postForm(t, s, "/oauth2/token", form, c.basic()), 400, code)
		}
		wantError(t, postForm(t, s, "/oauth2/token", forItself), 401, "invalid_client")
	})
}
