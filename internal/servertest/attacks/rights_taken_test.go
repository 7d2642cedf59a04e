package attacks_test

import (
	"encoding/base64"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/watchword-auth/watchword/guard"
	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/client"
	"github.com/watchword-auth/watchword/internal/config"
	"github.com/watchword-auth/watchword/internal/oauth"
	"github.com/watchword-auth/watchword/internal/servertest"
)

func addOrdersResource(c *config.Config) { c.OAuth.Resources = config.Resources{{URL: ordersAPI}} }

// change registers something else of a client.
func (c testClient) change(t testing.TB, s *servertest.Server, fn func(*client.Registration)) {
	t.Helper()
	_, _, err := s.Clients.Update(t.Context(), auth.DefaultTenant, c.ID, "", auth.System, func(r *client.Registration) error {
		fn(r)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestRepair_R1_AdministratorsByTheDatabase: a removed role or machine scope has no effect from
// the next request on, whatever the token contains.
func TestRepair_R1_AdministratorsByTheDatabase(t *testing.T) {
	t.Parallel()
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		id := createClerk(t, s)
		robot := createClient(t, s, auth.DefaultTenant, client.Registration{Name: "Robot", Type: auth.ClientMachine, Scopes: []string{auth.AdminPermission}})
		person, program := servertest.Bearer(newAdministratorToken(t, s)), servertest.Bearer(machineToken(t, s, robot))
		const path = "/api/v1/admin/clients"
		s.Do(t, "GET", path, nil, person).Want(t, 200)
		s.Do(t, "GET", path, nil, program).Want(t, 200)

		if err := s.Access.Unassign(t.Context(), auth.DefaultTenant, id, auth.AdminRole, auth.System, auth.AllowNoAdministrator); err != nil {
			t.Fatal(err)
		}
		robot.change(t, s, func(r *client.Registration) { r.Scopes = []string{"read"} })
		for _, who := range []servertest.RequestOption{person, program} {
			s.Do(t, "GET", path, nil, who).WantCode(t, 403, "not_an_admin")
			s.Do(t, "POST", path, body{"type": "machine", "client_name": "X", "scope": auth.AdminPermission}, who).WantCode(t, 403, "not_an_admin")
		}
	})
}

// TestRepair_S1_OlderThanTheScope: a token from before the scope is refused and its client
// refreshes to get the scope; a token requested with a smaller scope gets insufficient_scope.
func TestRepair_S1_OlderThanTheScope(t *testing.T) {
	t.Parallel()
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		createClerk(t, s)
		now := s.Login(t, alice, servertest.Password)
		with := func(scope string) string {
			t.Helper()
			claims, err := base64.RawURLEncoding.DecodeString(strings.Split(now.AccessToken, ".")[1])
			if err != nil {
				t.Fatal(err)
			}
			changed := strings.Replace(string(claims), auth.LoginScope.String(), scope, 1)
			access, err := s.Keys.Sign(t.Context(), auth.DefaultTenant, "", "at+jwt", []byte(changed))
			if err != nil || changed == string(claims) {
				t.Fatalf("%s: %v", claims, err)
			}
			return access
		}

		refused := me(t, s, servertest.Bearer(with(auth.DefaultScope.String()))).WantCode(t, 401, "invalid_token")
		if c := refused.Header.Get("WWW-Authenticate"); !strings.HasPrefix(c, `Bearer error="invalid_token"`) {
			t.Errorf("challenge %q", c)
		}
		if _, err := openDatabase(t, s.Config.DatabaseURL()).Exec(`UPDATE refresh_families SET scope = '["openid","profile","email","offline_access"]'`); err != nil {
			t.Fatal(err)
		}
		me(t, s, servertest.Bearer(rotate(t, s, now.RefreshToken).AccessToken)).Want(t, 200)

		for _, scope := range []string{"openid", "openid profile email", "offline_access openid profile email"} {
			me(t, s, servertest.Bearer(with(scope))).WantCode(t, 403, "insufficient_scope")
		}
		narrow := decode[servertest.Tokens](t, post(t, s, "/login", body{"email": alice, "password": servertest.Password, "scope": "openid profile"}).Want(t, 200))
		me(t, s, servertest.Bearer(narrow.AccessToken)).WantCode(t, 403, "insufficient_scope")
	})
}

// TestRepair_S1_ReplayAtTheIssuer: a token for one API is refused by the issuer and by other
// APIs; administration needs its scope.
func TestRepair_S1_ReplayAtTheIssuer(t *testing.T) {
	t.Parallel()
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		createClerk(t, s)
		plain := s.Login(t, alice, servertest.Password)
		me(t, s, servertest.Bearer(plain.AccessToken)).Want(t, 200)
		refused := s.Do(t, "GET", "/api/v1/admin/clients", nil, servertest.Bearer(plain.AccessToken)).WantCode(t, 403, "insufficient_scope")
		if c := refused.Header.Get("WWW-Authenticate"); !strings.Contains(c, `error="insufficient_scope"`) || !strings.Contains(c, `scope="watchword:admin"`) {
			t.Errorf("challenge %q", c)
		}

		ask := func(path string, more body) servertest.Response {
			t.Helper()
			more["email"], more["password"] = alice, servertest.Password
			return post(t, s, path, more)
		}
		orders := decode[servertest.Tokens](t, ask("/login", body{"resource": ordersAPI + "/"}).Want(t, 200))
		for by, access := range map[string]string{
			"sign-in":                   orders.AccessToken,
			"refresh":                   rotate(t, s, orders.RefreshToken).AccessToken,
			"a resource at the refresh": decode[servertest.Tokens](t, post(t, s, "/refresh", body{"refresh_token": plain.RefreshToken, "resource": ordersAPI}).Want(t, 200)).AccessToken,
		} {
			got := rightsOf(t, access)
			if got.Audience != ordersAPI || strings.Contains(got.Scope, "watchword:") || !slices.Equal(got.Permissions, []string{may}) || len(got.Roles) != 2 {
				t.Errorf("%s: %+v", by, got)
			}
			me(t, s, servertest.Bearer(access)).Want(t, 401)
			s.Do(t, "GET", "/api/v1/admin/clients", nil, servertest.Bearer(access)).Want(t, 401)
			g, err := guard.New(t.Context(), guard.Config{Issuer: s.Issuer, Now: s.Clock.Now})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := g.Verify(t.Context(), access); err == nil {
				t.Errorf("%s: an API without a resource takes it", by)
			}
		}

		// The family keeps to what was asked for; a scope that one has not is left out.
		second := decode[servertest.Tokens](t, ask("/login", body{"resource": ordersAPI}).Want(t, 200))
		for _, resource := range []string{s.Issuer, billingAPI} {
			post(t, s, "/refresh", body{"refresh_token": second.RefreshToken, "resource": resource}).WantCode(t, 400, "invalid_target")
		}
		ask("/login", body{"resource": billingAPI}).WantCode(t, 400, "invalid_target")
		testClient{Client: auth.Client{ID: auth.FirstParty}}.change(t, s, func(r *client.Registration) { r.Audiences = []string{billingAPI} })
		ask("/login", body{"resource": billingAPI}).Want(t, 200)
		if got := decode[servertest.Tokens](t, ask("/login", body{"scope": "openid nothing:like-it " + may}).Want(t, 200)); got.Scope != "openid "+may {
			t.Errorf("scope %q", got.Scope)
		}
		ask("/login", body{"session": "cookie", "scope": "openid"}).WantCode(t, 400, "session_invalid")
	}, servertest.Configure(addOrdersResource))
}

// TestRepair_R3_ScopesThatNamePermissions: a scope that names a permission is shown and granted
// only to users who have the permission.
func TestRepair_R3_ScopesThatNamePermissions(t *testing.T) {
	t.Parallel()
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		id := createClerk(t, s)
		createAccount(t, s, eve)
		app := newThirdParty(t, s, auth.DefaultTenant, func(r *client.Registration) {
			r.Scopes = []string{"openid", "offline_access", may, "files"}
			r.Grants = []auth.GrantType{auth.GrantAuthorizationCode, auth.GrantRefreshToken, auth.GrantDeviceCode}
		})
		b := s.Browser(t)
		b.Open(authorizationQuery(app, "scope", "openid files "+may))
		if page := signIn(t, b, eve).At(t, "/consent"); strings.Contains(page.Text(), may) || !strings.Contains(page.Text(), "files") {
			t.Errorf("the consent page: %s", page.Text())
		}
		c := testSetup{t, s, b, app}
		if got := c.requestToken(redemption(b.Press("approve").Answer(t).Get("code"))); got["scope"] != "openid files" {
			t.Errorf("eve's scope is %q", got["scope"])
		}
		if got := b.Open(authorizationQuery(app, "scope", may)).Answer(t); got.Get("error") != "access_denied" {
			t.Errorf("nothing is left, and the answer is %v", got)
		}
		if got := c.authorizeDevice("openid "+may, ""); got["scope"] != "openid" {
			t.Errorf("eve's device has %q", got["scope"])
		}

		// What alice has is granted, and gone and back again with her role.
		c.b = s.Browser(t)
		c.b.Open("/login")
		signIn(t, c.b, alice)
		tokens := c.signInForTokens("openid offline_access "+may, "")
		step := func(what, scope string, change func() error) {
			t.Helper()
			if err := change(); err != nil {
				t.Fatal(err)
			}
			if tokens = c.refresh(tokens); tokens["scope"] != scope || strings.Contains(scope, may) != (len(rightsOf(t, tokens["access_token"].(string)).Permissions) == 1) {
				t.Errorf("%s: scope %q", what, tokens["scope"])
			}
		}
		step("granted", "openid offline_access "+may, func() error { return nil })
		step("taken", "openid offline_access", func() error {
			return s.Access.Disallow(t.Context(), auth.DefaultTenant, "clerk", may, auth.System)
		})
		step("given back", "openid offline_access "+may, func() error {
			return s.Access.Allow(t.Context(), auth.DefaultTenant, "clerk", may, auth.System)
		})
		step("unassigned", "openid offline_access", func() error {
			return s.Access.Unassign(t.Context(), auth.DefaultTenant, id, "clerk", auth.System)
		})
	})
}

// TestRepair_S10_TwoExchanges: two exchanges allow no more than one, even with the widest
// policy, and rights never grow (R4).
func TestRepair_S10_TwoExchanges(t *testing.T) {
	t.Parallel()
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		createClerk(t, s)
		stranger := newThirdParty(t, s, auth.DefaultTenant, func(r *client.Registration) { r.Scopes = []string{"openid"} })
		for _, impersonate := range []bool{false, true} {
			gateway := testSetup{t, s, s.Browser(t), createClient(t, s, auth.DefaultTenant, client.Registration{
				Name: "Gateway", Type: auth.ClientMachine, FirstParty: true, Scopes: []string{"openid", may, auth.ScopeAccount, auth.AdminPermission},
				ClientSettings: auth.ClientSettings{Grants: []auth.GrantType{auth.GrantTokenExchange}, Audiences: []string{billingAPI},
					Exchange: &auth.ClientExchangePolicy{Subjects: []auth.ClientID{"*"}, Audiences: []string{s.Issuer, billingAPI}, Impersonate: impersonate}}})}
			exchange := func(subject, resource string, more ...string) servertest.Response {
				form := url.Values{"grant_type": {string(auth.GrantTokenExchange)}, "subject_token": {subject}, "subject_token_type": {accessTokenType}, "resource": {resource}}
				for i := 0; i < len(more); i += 2 {
					form.Set(more[i], more[i+1])
				}
				return gateway.post(oauth.TokenPath, form)
			}
			b := s.Browser(t)
			b.Open(authorizationQuery(stranger, "scope", "openid"))
			if signIn(t, b, alice); b.Page.URL.Path == "/consent" {
				b.Press("approve")
			}
			theirs := testSetup{t, s, b, stranger}.requestToken(redemption(b.Page.Answer(t).Get("code")))["access_token"].(string)
			wantError(t, exchange(theirs, s.Issuer), 400, "invalid_target")
			first := decode[servertest.Tokens](t, exchange(theirs, billingAPI).Want(t, 200)).AccessToken
			wantError(t, exchange(first, s.Issuer), 400, "invalid_target")
			if got := rightsOf(t, first); len(got.Roles)+len(got.Permissions) != 0 {
				t.Errorf("R4: rights grew to %+v", got)
			}

			// From a token of the operator's own client: what it has, and with a scope only that.
			own := s.Login(t, alice, servertest.Password).AccessToken
			if got := rightsOf(t, decode[servertest.Tokens](t, exchange(own, billingAPI).Want(t, 200)).AccessToken); len(got.Roles) != 2 || !slices.Equal(got.Permissions, []string{may}) {
				t.Errorf("R4: %+v", got)
			}
			narrow := decode[servertest.Tokens](t, exchange(own, s.Issuer, "scope", "openid").Want(t, 200)).AccessToken
			if got := rightsOf(t, narrow); len(got.Roles)+len(got.Permissions) != 0 {
				t.Errorf("R4: narrowed to openid, and it carries %+v", got)
			}
			me(t, s, servertest.Bearer(narrow)).WantCode(t, 403, "insufficient_scope")
			me(t, s, servertest.Bearer(decode[servertest.Tokens](t, exchange(own, s.Issuer).Want(t, 200)).AccessToken)).Want(t, 200)
		}
	})
}
