package attacks_test

import (
	"strings"
	"testing"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/oidc"
	"github.com/watchword-auth/watchword/internal/servertest"
)

// selfRegistered registers a client the way a stranger does.
func selfRegistered(t testing.TB, s *servertest.Server, m body) program {
	t.Helper()
	made := decode[body](t, s.Do(t, "POST", "/oauth2/register", m).Want(t, 201))
	c, err := s.OIDC.Client(t.Context(), auth.DefaultTenant, auth.ClientID(made["client_id"].(string)))
	if err != nil {
		t.Fatal(err)
	}
	return program{Client: c}
}

// The pages about a device name no host that nothing proves.
func TestRepair_S5_NoUnprovedHost(t *testing.T) {
	t.Parallel()
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		member(t, s, alice)
		c := selfRegistered(t, s, body{"client_name": "Bank of Example", "redirect_uris": []string{"https://login.bank.example/callback"},
			"grant_types": []string{"authorization_code", string(auth.GrantDeviceCode)}, "token_endpoint_auth_method": "none"})
		a := askDevice(t, s, c)
		b := s.Browser(t)
		b.Open("/login")
		b.Press("submit", "email", alice, "password", servertest.Password)
		b.Open("/device").Want(t, 200)
		page := b.Press("submit", "code", a.User).Want(t, 200).At(t, "/device/confirm")
		if text := page.Text(); strings.Contains(text, "bank.example") || !strings.Contains(text, "We can’t check who made Bank of Example") {
			t.Errorf("the page says: %s", text)
		}
		b.Press("decision=approve").Want(t, 200)
		pollDevice(t, s, c, a).Want(t, 200)
		if text := b.Open("/account").Want(t, 200).Text(); strings.Contains(text, "bank.example") || !strings.Contains(text, "Bank of Example") {
			t.Errorf("the account page says: %s", text)
		}
	}, registration("open"))
}

// What an administrator sets of a client that registered itself is shown, and holds
// against what the client says next.
func TestRepair_S8_AdminSetsBounds(t *testing.T) {
	t.Parallel()
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		rp := body{"client_name": "RP", "redirect_uris": []string{"https://rp.example.test/cb"}, "grant_types": []string{"authorization_code", "refresh_token"}}
		made := decode[body](t, s.Do(t, "POST", "/oauth2/register", rp).Want(t, 201))
		id := made["client_id"].(string)
		robot := enrol(t, s, auth.DefaultTenant, oidc.Registration{Name: "Robot", Type: auth.ClientMachine, Scopes: []string{"watchword:admin"}})
		admin, one := servertest.Bearer(machineToken(t, s, robot)), "/api/v1/admin/clients/"+id
		got := decode[body](t, s.Do(t, "PATCH", one, body{"scopes": []string{"openid"}, "grant_types": []string{"authorization_code"}, "dpop_bound_access_tokens": true,
			"require_pushed_authorization_requests": true, "require_signed_request_object": false, "require_auth_time": true, "client_name": "Seen"}, admin).Want(t, 200))
		bounds, ok := got["bounds"].(map[string]any)
		if !ok || len(bounds) != 6 || bounds["client_name"] != "Seen" || bounds["dpop_bound_access_tokens"] != true {
			t.Errorf("shown: %v", got["bounds"])
		}
		rp["client_id"] = id
		got = decode[body](t, s.Do(t, "PUT", "/oauth2/register/"+id, rp, servertest.Bearer(made["registration_access_token"].(string))).Want(t, 200))
		if got["scope"] != "openid" || len(list(got["grant_types"])) != 1 || got["dpop_bound_access_tokens"] != true || got["require_pushed_authorization_requests"] != true ||
			got["require_auth_time"] != true || got["client_name"] != "Seen" {
			t.Errorf("the client's own answer: %v", got)
		}
	}, registration("open"))
}
