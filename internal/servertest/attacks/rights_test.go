package attacks_test

import (
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/watchword-auth/watchword/guard"
	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/client"
	"github.com/watchword-auth/watchword/internal/config"
	"github.com/watchword-auth/watchword/internal/oauth"
	"github.com/watchword-auth/watchword/internal/oidc"
	"github.com/watchword-auth/watchword/internal/servertest"
)

const (
	ordersAPI  = "https://orders.example.test"
	billingAPI = "https://billing.example.test"
	may        = "orders:write"
)

// newAdministratorToken returns an access token of alice for her account and the administration
// API.
func newAdministratorToken(t testing.TB, s *servertest.Server) string {
	t.Helper()
	r := post(t, s, "/login", body{"email": alice, "password": servertest.Password, "scope": auth.ScopeAccount + " " + auth.AdminPermission})
	return decode[servertest.Tokens](t, r.Want(t, 200)).AccessToken
}

// createClerk creates alice with the roles clerk, which may write orders, and administrator.
func createClerk(t testing.TB, s *servertest.Server) auth.AccountID {
	t.Helper()
	id, ctx := createAccount(t, s, alice), t.Context()
	_, err := s.Access.CreateRole(ctx, auth.DefaultTenant, "clerk", "", auth.System)
	for _, do := range []func() error{
		func() error { return s.Access.Allow(ctx, auth.DefaultTenant, "clerk", may, auth.System) },
		func() error { return s.Access.Assign(ctx, auth.DefaultTenant, id, "clerk", auth.System) },
		func() error { return s.Access.Assign(ctx, auth.DefaultTenant, id, auth.AdminRole, auth.System) },
	} {
		if err == nil {
			err = do()
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// tokenRights are the rights in a token.
type tokenRights struct {
	Audience    any      `json:"aud"`
	Scope       string   `json:"scope"`
	Roles       []string `json:"roles"`
	Permissions []string `json:"permissions"`
}

func rightsOf(t testing.TB, jwt string) (c tokenRights) {
	t.Helper()
	b, err := base64.RawURLEncoding.DecodeString(strings.Split(jwt, ".")[1])
	if err == nil {
		err = json.Unmarshal(b, &c)
	}
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// serveDocument serves one client metadata document.
func serveDocument(t testing.TB) (url string, with servertest.Option) {
	t.Helper()
	var srv *httptest.Server
	srv = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(body{"client_id": srv.URL + "/client", "client_name": "Document", "redirect_uris": []string{ledgerCallback},
			"grant_types": []string{"authorization_code", "refresh_token", string(auth.GrantDeviceCode)}, "scope": "openid offline_access " + may, "token_endpoint_auth_method": "none"})
	}))
	t.Cleanup(srv.Close)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	return srv.URL + "/client", servertest.Configure(func(c *config.Config) {
		c.OAuth.ClientMetadata, c.OAuth.Registration, c.OAuth.Resources = true, "open", config.Resources{{URL: ordersAPI}}
		c.Outbound.Allow, c.Outbound.CAFile = config.Prefixes{netip.MustParsePrefix("127.0.0.0/8")}, ca
	})
}

// testSetup is a client with users, and its requests to the token endpoint.
type testSetup struct {
	t testing.TB
	s *servertest.Server
	b *servertest.Browser // in which alice is signed in
	testClient
}

// newSetups returns one client of each of the four kinds.
func newSetups(t *testing.T, s *servertest.Server, document string) map[string]testSetup {
	t.Helper()
	b := s.Browser(t)
	b.Open("/login")
	signIn(t, b, alice)
	all := func(r *client.Registration) {
		r.Scopes = []string{"openid", "offline_access", may}
		r.Grants = []auth.GrantType{auth.GrantAuthorizationCode, auth.GrantRefreshToken, auth.GrantDeviceCode, auth.GrantTokenExchange}
	}
	made := decode[body](t, s.Do(t, "POST", "/oauth2/register", body{"client_name": "Self", "redirect_uris": []string{ledgerCallback},
		"grant_types": []string{"authorization_code", "refresh_token", string(auth.GrantDeviceCode)}, "scope": "openid offline_access " + may}).Want(t, 201))
	clients := map[string]testClient{
		"first":    newThirdParty(t, s, auth.DefaultTenant, all, func(r *client.Registration) { r.FirstParty = true }),
		"third":    newThirdParty(t, s, auth.DefaultTenant, all),
		"self":     {auth.Client{ID: auth.ClientID(made["client_id"].(string))}, made["client_secret"].(string)},
		"document": {auth.Client{ID: auth.ClientID(document)}, ""},
	}
	out := map[string]testSetup{}
	for name, c := range clients {
		out[name] = testSetup{t, s, b, c}
	}
	return out
}

// requestToken sends a form to the token endpoint, with the client's secret if it has one.
func (c testSetup) requestToken(form url.Values) body {
	c.t.Helper()
	return decode[body](c.t, c.post(oauth.TokenPath, form).Want(c.t, 200))
}

func (c testSetup) post(path string, form url.Values) servertest.Response {
	c.t.Helper()
	if c.Secret == "" {
		form.Set("client_id", string(c.ID))
		return postForm(c.t, c.s, path, form.Encode())
	}
	return postForm(c.t, c.s, path, form.Encode(), c.basic())
}

// signInForTokens signs alice in by the code flow.
func (c testSetup) signInForTokens(scope, resource string) body {
	c.t.Helper()
	page := c.b.Open(authorizationQuery(c.testClient, "scope", scope, "resource", resource))
	if strings.HasPrefix(page.URL.Path, "/consent") {
		page = c.b.Press("approve")
	}
	return c.requestToken(redemption(page.Answer(c.t).Get("code")))
}

// authorizeDevice approves a device.
func (c testSetup) authorizeDevice(scope, resource string) body {
	c.t.Helper()
	form := url.Values{"scope": {scope}}
	if resource != "" {
		form.Set("resource", resource)
	}
	asked := decode[deviceAuthorization](c.t, c.post(oidc.DeviceAuthorizationPath, form).Want(c.t, 200))
	c.b.Open(strings.TrimPrefix(asked.Complete, c.s.Issuer)).Want(c.t, 200)
	c.b.Press("submit").Want(c.t, 200)
	c.b.Press("approve").Want(c.t, 200)
	return c.requestToken(url.Values{"grant_type": {string(auth.GrantDeviceCode)}, "device_code": {asked.Device}})
}

func (c testSetup) refresh(tokens body) body {
	c.t.Helper()
	return c.requestToken(url.Values{"grant_type": {"refresh_token"}, "refresh_token": {tokens["refresh_token"].(string)}})
}

func (c testSetup) exchange(tokens body) body {
	c.t.Helper()
	return c.requestToken(url.Values{"grant_type": {string(auth.GrantTokenExchange)}, "subject_token": {tokens["access_token"].(string)}, "subject_token_type": {accessTokenType}})
}

const accessTokenType = "urn:ietf:params:oauth:token-type:access_token"

// TestRepair_S1_WhatTokensCarry: for every kind of client and grant, tokens of third-party
// clients contain no roles, only the permissions in the granted scope, and are useless at an
// API without its resource.
func TestRepair_S1_WhatTokensCarry(t *testing.T) {
	t.Parallel()
	document, open := serveDocument(t)
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		createClerk(t, s)
		api := createClient(t, s, auth.DefaultTenant, client.Registration{Name: "Orders", Type: auth.ClientMachine, ClientSettings: auth.ClientSettings{Serves: []string{ordersAPI}}})
		all := tokenRights{Roles: []string{auth.AdminRole, "clerk"}, Permissions: []string{may}}
		for name, c := range newSetups(t, s, document) {
			for _, scope := range []string{"openid offline_access", "openid offline_access " + may + " watchword:account watchword:admin"} {
				for _, resource := range []string{"", ordersAPI} {
					want := tokenRights{Audience: s.Issuer + "/oauth2/userinfo", Scope: "openid offline_access", Roles: []string{}, Permissions: []string{}}
					if name == "first" {
						want.Audience, want.Roles, want.Permissions = s.Issuer, all.Roles, append(slices.Clone(all.Permissions), auth.AdminPermission)
					}
					if asked := strings.Contains(scope, may); asked && (name == "first" || name == "third") {
						want.Scope += " " + may
						if name == "third" {
							want.Permissions = []string{may}
						}
					}
					if resource != "" {
						want.Audience = resource
						want.Permissions = slices.DeleteFunc(want.Permissions, auth.Reserved)
					}
					for grant, first := range map[string]func(string, string) body{"code": c.signInForTokens, "device": c.authorizeDevice} {
						if grant == "device" && (name == "self" || name == "document") {
							continue // only an operator allows a client the device grant
						}
						tokens := first(scope, resource)
						c.requireRights(grant, tokens, want, api)
						next := c.refresh(tokens)
						c.requireRights(grant+", refresh", next, want, api)
						if name == "first" || name == "third" {
							less := want
							less.Scope = strings.Replace(want.Scope, " offline_access", "", 1)
							c.requireRights(grant+", exchange", c.exchange(next), less, api)
						}
					}
				}
			}
		}
	}, open)
}

// requireRights checks a token, its introspection by the API that serves the resource, and the
// routes that accept it.
func (c testSetup) requireRights(by string, tokens body, want tokenRights, api testClient) {
	c.t.Helper()
	access := tokens["access_token"].(string)
	if d := cmp.Diff(want, rightsOf(c.t, access)); d != "" || tokens["scope"] != want.Scope {
		c.t.Errorf("%s by %s: answered scope %q (-want +got):\n%s", c.ID, by, tokens["scope"], d)
	}
	// Introspection returns the claims of the token, and an API can introspect only its own tokens.
	told := decode[struct {
		Active bool `json:"active"`
		tokenRights
	}](c.t, postForm(c.t, c.s, "/oauth2/introspect", url.Values{"token": {access}}.Encode(), api.basic()).Want(c.t, 200))
	if active := want.Audience == ordersAPI || want.Audience == c.s.Issuer; told.Active != active ||
		active && (!slices.Equal(told.Roles, want.Roles) || !slices.Equal(told.Permissions, want.Permissions)) {
		c.t.Errorf("%s by %s: introspection tells %v", c.ID, by, told)
	}
	for audience, opens := range map[string]bool{"": want.Audience == c.s.Issuer, ordersAPI: want.Audience == ordersAPI} {
		g, err := guard.New(c.t.Context(), guard.Config{Issuer: c.s.Issuer, Audience: audience, Now: c.s.Clock.Now})
		if err != nil {
			c.t.Fatal(err)
		}
		if _, err := g.Verify(c.t.Context(), access); (err == nil) != opens {
			c.t.Errorf("%s by %s: guard for %q: %v", c.ID, by, audience, err)
		}
	}
	for _, path := range []string{"/me", "/admin/clients"} {
		if r := c.s.Do(c.t, "GET", "/api/v1"+path, nil, servertest.Bearer(access)); r.Status != 401 && r.Status != 403 {
			c.t.Errorf("%s by %s: %s answers %d", c.ID, by, path, r.Status)
		}
	}
	status := 200
	if want.Audience == ordersAPI {
		status = 401
	}
	c.s.Do(c.t, "GET", "/oauth2/userinfo", nil, servertest.Bearer(access)).Want(c.t, status)
}
