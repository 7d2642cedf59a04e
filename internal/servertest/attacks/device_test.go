package attacks_test

import (
	"net/url"
	"testing"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/client"
	"github.com/watchword-auth/watchword/internal/config"
	"github.com/watchword-auth/watchword/internal/oauth"
	"github.com/watchword-auth/watchword/internal/oidc"
	"github.com/watchword-auth/watchword/internal/servertest"
)

// newDeviceClient registers a client with the device grant.
func newDeviceClient(t testing.TB, s *servertest.Server) testClient {
	t.Helper()
	return createClient(t, s, auth.DefaultTenant, client.Registration{
		Name: "Television", Type: auth.ClientNative, Scopes: []string{"openid", "email"},
		ClientSettings: auth.ClientSettings{Grants: []auth.GrantType{auth.GrantDeviceCode}},
	})
}

// deviceAuthorization is a device authorization response.
type deviceAuthorization struct {
	Device   string `json:"device_code"`
	User     string `json:"user_code"`
	Complete string `json:"verification_uri_complete"`
}

func authorizeDevice(t testing.TB, s *servertest.Server, c testClient) deviceAuthorization {
	t.Helper()
	return decode[deviceAuthorization](t, postForm(t, s, oidc.DeviceAuthorizationPath, url.Values{"client_id": {string(c.ID)}}.Encode()).Want(t, 200))
}

func pollDevice(t testing.TB, s *servertest.Server, c testClient, a deviceAuthorization) servertest.Response {
	t.Helper()
	s.Clock.Advance(5 * time.Second)
	return postForm(t, s, oauth.TokenPath, url.Values{"grant_type": {string(auth.GrantDeviceCode)}, "client_id": {string(c.ID)}, "device_code": {a.Device}}.Encode())
}

// TestAttack_TK_35_Door guesses user codes on the device page until 429, which applies to the
// right code and in every browser.
func TestAttack_TK_35_Door(t *testing.T) {
	t.Parallel()
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		a := authorizeDevice(t, s, newDeviceClient(t, s))
		b := s.Browser(t)
		for i := range 20 {
			if i == 10 {
				b = s.Browser(t)
			}
			b.Open("/device").Want(t, 200)
			if p := b.Press("submit", "code", "BCDF-BCDF"); p.Status == 429 || p.Status < 400 {
				t.Fatalf("guess %d: %d: %s", i+1, p.Status, p.Text())
			}
		}
		for _, code := range []string{"BCDF-BCDF", a.User} {
			b.Open("/device").Want(t, 200)
			if p := b.Press("submit", "code", code); p.Status != 429 || p.Header.Get("Retry-After") == "" {
				t.Errorf("%s: %d, want 429: %s", code, p.Status, p.Text())
			}
		}
	}, servertest.Limits(func(l *config.Limits) {
		for _, name := range []string{"user_code.ip", "user_code.account"} {
			*l.Rate(name) = *config.Default().Limits.Rate(name)
		}
	}))
}

// TestAttack_TK_36_Door: an attacker's device link, opened by a signed-in user, approves
// nothing, and neither does a form of another site.
func TestAttack_TK_36_Door(t *testing.T) {
	t.Parallel()
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		createAccount(t, s, alice)
		c := newDeviceClient(t, s)
		a := authorizeDevice(t, s, c)
		b := s.Browser(t)
		b.Open("/login")
		b.Press("submit", "email", alice, "password", servertest.Password)
		page := b.Open(a.Complete).Want(t, 200).At(t, "/device")
		if page.Value("code") != a.User {
			t.Errorf("the field holds %q: the person cannot compare it with the device", page.Value("code"))
		}
		wantError(t, pollDevice(t, s, c, a), 400, "authorization_pending")
		page = b.Press("submit").Want(t, 200).At(t, "/device/confirm")
		wantError(t, pollDevice(t, s, c, a), 400, "authorization_pending")

		flow := url.Values{"flow": {page.Value("flow")}, "decision": {"approve"}}
		other := s.Browser(t)
		other.Open("/device")
		for name, p := range map[string]*servertest.Page{
			"a form of another site": b.Post("/device/confirm", flow, "https://evil.example.test"),
			"without the page's MAC": b.Post("/device/confirm", flow, s.Issuer),
			"a link":                 b.Open("/device/confirm?" + flow.Encode()),
			"from another browser":   other.Post("/device/confirm", url.Values{"flow": flow["flow"], "decision": {"approve"}, "csrf": {page.Value("csrf")}}, s.Issuer),
		} {
			if p.Status != 403 && p.Status != 404 && name != "a link" {
				t.Errorf("%s: %d", name, p.Status)
			}
			wantError(t, pollDevice(t, s, c, a), 400, "authorization_pending")
		}
		b.Open("/device/confirm?flow="+flow.Get("flow")).Want(t, 200)
		b.Press("decision=approve").Want(t, 200)
		pollDevice(t, s, c, a).Want(t, 200)
	})
}
