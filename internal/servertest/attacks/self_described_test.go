package attacks_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/client"
	"github.com/watchword-auth/watchword/internal/oidc"
	"github.com/watchword-auth/watchword/internal/servertest"
)

// registerDynamically registers a client by dynamic registration.
func registerDynamically(t testing.TB, s *servertest.Server, m body) testClient {
	t.Helper()
	made := decode[body](t, s.Do(t, "POST", "/oauth2/register", m).Want(t, 201))
	c, err := s.Clients.Get(t.Context(), auth.DefaultTenant, auth.ClientID(made["client_id"].(string)))
	if err != nil {
		t.Fatal(err)
	}
	return testClient{Client: c}
}

// The pages of a device flow show no unproved host.
func TestRepair_S5_NoUnprovedHost(t *testing.T) {
	t.Parallel()
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		createAccount(t, s, alice)
		c := registerDynamically(t, s, body{"client_name": "Bank of Example", "redirect_uris": []string{"https://login.bank.example/callback"},
			"grant_types": []string{"authorization_code", string(auth.GrantDeviceCode)}, "token_endpoint_auth_method": "none"})
		wantError(t, postForm(t, s, oidc.DeviceAuthorizationPath, "client_id="+string(c.ID)), 400, "unauthorized_client")
		_, _, err := s.Clients.Update(t.Context(), auth.DefaultTenant, c.ID, "", auth.System, func(r *client.Registration) error {
			r.Grants = append(r.Grants, auth.GrantDeviceCode)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		a := authorizeDevice(t, s, c)
		b := s.Browser(t)
		b.Open("/login")
		b.Press("submit", "email", alice, "password", servertest.Password)
		b.Open("/device").Want(t, 200)
		page := b.Press("submit", "code", a.User).Want(t, 200).At(t, "/device/confirm")
		if text := page.Text(); strings.Contains(text, "bank.example") || !strings.Contains(text, "We can’t verify who made Bank of Example") {
			t.Errorf("the page shows: %s", text)
		}
		b.Press("decision=approve").Want(t, 200)
		pollDevice(t, s, c, a).Want(t, 200)
		if text := b.Open("/account/apps").Want(t, 200).Text(); strings.Contains(text, "bank.example") || !strings.Contains(text, "Bank of Example") {
			t.Errorf("the account page shows: %s", text)
		}
	}, setRegistrationMode("open"))
}

// Settings of an administrator for a self-registered client are shown as bounds and apply to
// later registrations.
func TestRepair_S8_AdminSetsBounds(t *testing.T) {
	t.Parallel()
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		rp := body{"client_name": "RP", "redirect_uris": []string{"https://rp.example.test/cb"}, "grant_types": []string{"authorization_code", "refresh_token"}}
		made := decode[body](t, s.Do(t, "POST", "/oauth2/register", rp).Want(t, 201))
		id := made["client_id"].(string)
		robot := createClient(t, s, auth.DefaultTenant, client.Registration{Name: "Robot", Type: auth.ClientMachine, Scopes: []string{"watchword:admin"}})
		admin, one := servertest.Bearer(machineToken(t, s, robot)), "/api/v1/admin/clients/"+id
		got := decode[body](t, s.Do(t, "PATCH", one, body{"scopes": []string{"openid"}, "grant_types": []string{"authorization_code"}, "dpop_bound_access_tokens": true,
			"require_pushed_authorization_requests": true, "require_signed_request_object": false, "require_auth_time": true, "client_name": "Seen"}, admin).Want(t, 200))
		bounds, ok := got["bounds"].(map[string]any)
		if !ok || len(bounds) != 6 || bounds["client_name"] != "Seen" || bounds["dpop_bound_access_tokens"] != true {
			t.Errorf("shown: %v", got["bounds"])
		}
		rp["client_id"] = id
		got = decode[body](t, s.Do(t, "PUT", "/oauth2/register/"+id, rp, servertest.Bearer(made["registration_access_token"].(string))).Want(t, 200))
		if got["scope"] != "openid" || len(stringList(got["grant_types"])) != 1 || got["dpop_bound_access_tokens"] != true || got["require_pushed_authorization_requests"] != true ||
			got["require_auth_time"] != true || got["client_name"] != "Seen" {
			t.Errorf("the client's own answer: %v", got)
		}

		// Empty lists lift nothing.
		refusal := decode[body](t, s.Do(t, "PATCH", one, body{"scopes": []string{}}, admin).Want(t, 400))
		if refusal["code"] != "scope_missing" || refusal["field"] != "scopes" {
			t.Errorf("no scopes: %v", refusal)
		}
		got = decode[body](t, s.Do(t, "PATCH", one, body{"grant_types": []string{}}, admin).Want(t, 200))
		if bounds := got["bounds"].(map[string]any); len(stringList(bounds["scopes"])) != 1 || bounds["grant_types"] == nil || len(stringList(bounds["grant_types"])) != 0 {
			t.Errorf("shown: %v", bounds)
		}
		got = decode[body](t, s.Do(t, "PUT", "/oauth2/register/"+id, rp, servertest.Bearer(made["registration_access_token"].(string))).Want(t, 200))
		if len(stringList(got["grant_types"])) != 0 || got["scope"] != "openid" {
			t.Errorf("the client's own answer: %v", got)
		}
	}, setRegistrationMode("open"))
}

// No link to this server redirects to a self-described client, whatever the error and whoever
// is signed in, until the user has allowed the client in this browser.
func TestRepair_S13_NoOpenRedirector(t *testing.T) {
	t.Parallel()
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		createAccount(t, s, alice)
		const phish = "https://phish.example/login"
		c := registerDynamically(t, s, body{"client_name": "Phish", "redirect_uris": []string{phish, "http://127.0.0.1/cb"}, "post_logout_redirect_uris": []string{phish},
			"token_endpoint_auth_method": "none"})
		c.RedirectURIs = []string{phish}
		id := url.QueryEscape(string(c.ID))
		to := "/oauth2/authorize?client_id=" + id + "&redirect_uri=" + url.QueryEscape(phish)
		links := map[string]string{
			"a wrong request": to + "&response_type=x&state=s",
			"prompt=none":     authorizationQuery(c, "prompt", "none", "redirect_uri", phish),
			"form_post":       to + "&response_type=x&response_mode=form_post",
			"fragment":        to + "&response_type=token",
			"log-out":         "/oauth2/logout?client_id=" + id + "&post_logout_redirect_uri=" + url.QueryEscape(phish),
		}
		asks := func(who string, open func(string) servertest.Response) {
			for name, link := range links {
				r := open(link)
				if r.Status != 200 || r.Header.Get("Location") != "" || !strings.Contains(string(r.Body), "phish.example") || strings.Contains(string(r.Body), "<script") ||
					strings.Contains(string(r.Body), "http-equiv") {
					t.Errorf("%s, %s: %d %s", who, name, r.Status, r.Header.Get("Location"))
				}
			}
		}
		stranger := func(link string) servertest.Response { return s.Do(t, "GET", link, nil) }
		asks("nobody", stranger)
		if r := s.Do(t, "POST", "/oauth2/authorize", "client_id="+id+"&redirect_uri="+url.QueryEscape(phish)+"&response_type=x",
			servertest.Header("Content-Type", "application/x-www-form-urlencoded")); r.Status != 200 || r.Header.Get("Location") != "" {
			t.Errorf("posted: %d %s", r.Status, r.Header.Get("Location"))
		}

		// The person may go on.
		b := s.Browser(t)
		if p := b.Open(links["prompt=none"]); !strings.HasPrefix(p.Link("next"), phish+"?error=login_required") {
			t.Errorf("the button leads to %q", p.Link("next"))
		}
		// Errors go directly to loopback redirect URIs and to clients of operators.
		local := strings.Replace(links["a wrong request"], url.QueryEscape(phish), url.QueryEscape("http://127.0.0.1:5000/cb"), 1)
		if r := stranger(local); r.Status != 303 {
			t.Errorf("loopback: %d", r.Status)
		}
		if r := stranger(authorizationQuery(newThirdParty(t, s, auth.DefaultTenant), "prompt", "none")); r.Status != 303 {
			t.Errorf("an operator's client: %d", r.Status)
		}

		b.Open(authorizationQuery(c, "redirect_uri", phish))
		signIn(t, b, alice)
		delete(links, "log-out")
		asks("signed in, nothing allowed", func(link string) servertest.Response {
			p := b.Open(link)
			return servertest.Response{Status: p.Status, Header: p.Header, Body: p.Body}
		})
		b.Open(authorizationQuery(c, "redirect_uri", phish)).At(t, "/consent")
		if got := b.Press("decision=deny").Answer(t); got.Get("error") != "access_denied" {
			t.Errorf("after denial: %v", got)
		}
		b.Open(authorizationQuery(c, "redirect_uri", phish)).At(t, "/consent")
		if got := b.Press("decision=approve").Answer(t); got.Get("code") == "" {
			t.Errorf("after consent: %v", got)
		}
		// From then on the client renews silently, and its mistakes come back to it.
		if got := b.Open(authorizationQuery(c, "prompt", "none", "redirect_uri", phish)).Answer(t); got.Get("code") == "" {
			t.Errorf("silent renewal: %v", got)
		}
		if got := b.Open(links["a wrong request"]).Answer(t); got.Get("error") != "unsupported_response_type" {
			t.Errorf("an error of its own: %v", got)
		}
		// In a browser that knows the client this holds after the log-out too.
		b.Open("/logout")
		b.Press("decision=approve").Want(t, 200)
		if got := b.Open(authorizationQuery(c, "prompt", "none", "redirect_uri", phish)).Answer(t); got.Get("error") != "login_required" {
			t.Errorf("signed out: %v", got)
		}
		if p := b.Open("/oauth2/logout?client_id=" + id + "&post_logout_redirect_uri=" + url.QueryEscape(phish)); !p.Away {
			t.Errorf("a second log-out stays at %s", p.URL)
		}
		another := registerDynamically(t, s, body{"client_name": "Another", "redirect_uris": []string{phish}, "token_endpoint_auth_method": "none"})
		if p := b.Open(authorizationQuery(another, "prompt", "none", "redirect_uri", phish)); p.Away {
			t.Error("another client is known by the first one's cookie")
		}
	}, setRegistrationMode("open"))
}
