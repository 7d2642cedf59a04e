package attacks_test

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/client"
	"github.com/watchword-auth/watchword/internal/config"
	"github.com/watchword-auth/watchword/internal/servertest"
)

// TestRegisterWithinAFlow registers in a flow and ends at the client.
func TestRegisterWithinAFlow(t *testing.T) {
	t.Parallel()
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		c := newThirdParty(t, s, auth.DefaultTenant)
		b := s.Browser(t)
		flow := b.Open(authorizationQuery(c)).At(t, "/login").Value("flow")
		b.Open("/register?flow="+flow).At(t, "/register")
		if p := b.Press("submit", "email", alice, "password", "short").Want(t, 400); !p.Has("refused") || p.Value("email") != alice {
			t.Errorf("too short: %s", p.Text())
		}
		if p := b.Press("submit", "email", alice, "password", servertest.Password).Want(t, 200); !strings.Contains(p.Text(), alice) {
			t.Errorf("sent: %s", p.Text())
		}
		b.Open("/login?flow=" + flow)
		if p := b.Press("submit", "email", alice, "password", servertest.Password).Want(t, 403); !p.Has("submit") || b.Cookie(cookieName) != "" {
			t.Errorf("not verified: %s", p.Text())
		}
		first := s.WaitMail(t, alice).Links[0]
		b.Press("submit").Want(t, 200)
		link := s.WaitMail(t, alice).Links[0]
		if link == first {
			t.Error("the same link was sent again")
		}
		other := s.Browser(t) // the mail may be read elsewhere
		other.Open(link).Want(t, 200)
		other.Press("submit", "password", servertest.Password).At(t, "/verify-email/done")
		b.Open("/login?flow=" + flow)
		signIn(t, b, alice).At(t, "/consent")
		if got := b.Press("approve").Answer(t); got.Get("code") == "" {
			t.Errorf("answer %v", got)
		}
	})
}

func TestForgottenPasswordOnPages(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	createAccount(t, s, alice)
	b := s.Browser(t)
	b.Open("/forgot-password").At(t, "/forgot-password")
	b.Press("submit", "email", "no address").Want(t, 400)
	known := b.Press("submit", "email", alice).Want(t, 200)
	b.Open("/forgot-password")
	unknown := b.Press("submit", "email", eve).Want(t, 200)
	if strings.ReplaceAll(known.Text(), alice, "") != strings.ReplaceAll(unknown.Text(), eve, "") {
		t.Errorf("the pages differ: %q, %q", known.Text(), unknown.Text())
	}
	b.Open(s.WaitMail(t, alice).Links[0])
	b.Press("submit", "password", otherPassword).At(t, "/login")
	b.Open("/login")
	b.Press("submit", "email", alice, "password", servertest.Password).Want(t, 400)
	b.Press("submit", "email", alice, "password", otherPassword).At(t, "/account")
}

// TestRemembered: a user who ticked the box is signed in again after the browser was closed,
// and no longer after signing out.
func TestRemembered(t *testing.T) {
	t.Parallel()
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		createAccount(t, s, alice)
		c := newThirdParty(t, s, auth.DefaultTenant)
		b := s.Browser(t)
		b.Open("/login")
		b.Press("submit", "email", alice, "password", servertest.Password).At(t, "/account")
		b.Restart()
		b.Open("/account").At(t, "/login")
		b.Press("submit", "email", alice, "password", servertest.Password, "remember", "on").At(t, "/account")
		for range 3 {
			b.Restart()
			b.Open("/account").At(t, "/account")
		}
		b.Restart()
		b.Open(authorizationQuery(c)).At(t, "/consent")
		b.Press("approve").Answer(t)
		b.Restart()
		b.Open(authorizationQuery(c, "prompt", "login")).At(t, "/login") // being remembered proves nothing
		b.Restart()
		if got := b.Open(authorizationQuery(c)).Answer(t); got.Get("code") == "" {
			t.Errorf("answer %v", got)
		}
		b.Restart()
		b.Open("/logout").At(t, "/logout")
		b.Press("approve").At(t, "/logout/done")
		b.Restart()
		b.Open("/account").At(t, "/login")
	})
}

// TestSeveralAccounts: two users share a browser, and each continues with their own account.
func TestSeveralAccounts(t *testing.T) {
	t.Parallel()
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		ids := map[string]auth.AccountID{alice: createAccount(t, s, alice), bob: createAccount(t, s, bob)}
		c := newThirdParty(t, s, auth.DefaultTenant)
		b := s.Browser(t)
		b.Open(authorizationQuery(c))
		signIn(t, b, alice).At(t, "/consent")
		b.Open(b.Page.Link("notyou")).At(t, "/choose-account")
		b.Press("other").At(t, "/login")
		if p := signIn(t, b, bob).At(t, "/consent"); !strings.Contains(p.Text(), bob) || strings.Contains(p.Text(), alice) {
			t.Errorf("asked: %s", p.Text())
		}
		for _, email := range []string{alice, bob} {
			p := b.Open(authorizationQuery(c)).At(t, "/choose-account")
			i := strings.Index(p.Text(), bob) < strings.Index(p.Text(), alice)
			button := map[bool]string{true: "account-0", false: "account-1"}[(email == bob) == i]
			if p = b.Press(button); !p.Away {
				p = b.Press("approve")
			}
			tokens := redeem(t, s, c, p.Answer(t))
			if got := userinfo(t, s, tokens)["sub"]; got != string(ids[email]) {
				t.Errorf("%s became %v", email, got)
			}
		}
		if p := b.Open("/account").At(t, "/account"); !strings.Contains(p.Text(), bob) { // the last that was chosen
			t.Errorf("account: %s", p.Text())
		}
		b.Press("logout").At(t, "/account")
		if p := b.Open("/account").At(t, "/account"); !strings.Contains(p.Text(), alice) {
			t.Errorf("account: %s", p.Text())
		}
		b.Press("logout").At(t, "/logout/done")
		b.Open("/account").At(t, "/login")
	})
}

// TestAccountPage: a user sees and ends sessions, and withdraws a consent.
func TestAccountPage(t *testing.T) {
	t.Parallel()
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		createAccount(t, s, alice)
		c := newThirdParty(t, s, auth.DefaultTenant, func(r *client.Registration) { r.Scopes = []string{"openid", "email", "offline_access"} })
		b, other := s.Browser(t), s.Browser(t)
		for _, v := range []*servertest.Browser{b, other} {
			v.Open("/account")
			v.Press("submit", "email", alice, "password", servertest.Password).At(t, "/account")
		}
		if p := other.Open(authorizationQuery(c, "scope", "openid email offline_access")).At(t, "/consent"); !strings.Contains(p.Text(), "ledger.example.test") {
			t.Errorf("consent: %s", p.Text())
		}
		tokens := redeem(t, s, c, other.Press("approve").Answer(t))
		if p := b.Open("/account/apps"); !strings.Contains(p.Text(), "Ledger") || !p.Has("remove-0") {
			t.Fatalf("account: %s", p.Text())
		}
		forged := b.Page.Fields(t, "remove-0")
		forged.Set("csrf", other.Open("/account/apps").Value("csrf"))
		if r := s.Do(t, "POST", "/account/apps/remove", forged.Encode(), servertest.Header("Content-Type", formType), withOwnOrigin(s), servertest.Header("Cookie", cookieName+"="+b.Cookie(cookieName))); r.Status != 403 {
			t.Errorf("with the token of another page: %d", r.Status)
		}
		b.Press("remove-0").At(t, "/account/apps")
		if p := b.Page; p.Has("remove-0") || len(p.Hops) != 2 {
			t.Errorf("account: %s", p.Text())
		}
		if r := postForm(t, s, "/oauth2/token", "grant_type=refresh_token&refresh_token="+tokens["refresh_token"].(string), c.basic()); r.Status != 400 {
			t.Errorf("its refresh token still works: %d %s", r.Status, r.Body)
		}
		other.Open(authorizationQuery(c)).At(t, "/consent")
		b.Open("/account/sessions")
		b.Press("others").At(t, "/account/sessions")
		other.Open("/account").At(t, "/login")
		b.Open("/account").At(t, "/account")
	})
}

// TestAuthorizeByForm: a form of another site reaches the authorization endpoint without
// cookies; a signed-in user stays so.
func TestAuthorizeByForm(t *testing.T) {
	t.Parallel()
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		createAccount(t, s, alice)
		c := newThirdParty(t, s, auth.DefaultTenant)
		u, err := url.Parse(authorizationQuery(c))
		if err != nil {
			t.Fatal(err)
		}
		b := s.Browser(t)
		b.Post("/oauth2/authorize", u.Query(), "https://ledger.example.test").At(t, "/login")
		flow := b.Page.Value("flow")
		signIn(t, b, alice).At(t, "/consent")
		kept := b.Cookie(browserCookie)
		if got := b.Press("approve").Answer(t); got.Get("code") == "" || flow == "" {
			t.Errorf("answer %v", got)
		}
		if got := b.Post("/oauth2/authorize", u.Query(), "https://ledger.example.test").Answer(t); got.Get("code") == "" || b.Cookie(browserCookie) != kept {
			t.Errorf("the second time: %v", got)
		}
		stranger := s.Browser(t)
		stranger.Post("/oauth2/authorize", u.Query(), "https://ledger.example.test").At(t, "/login")
		if p := b.Open("/login?flow=" + stranger.Page.Value("flow")); p.Status != 404 || p.Has("password") {
			t.Errorf("a flow of another browser: %d %s", p.Status, p.Text())
		}
	})
}

// TestNativeClients: native clients are reached at their own scheme or port, which form-action
// of the pages allows.
func TestNativeClients(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	createAccount(t, s, alice)
	for _, to := range []string{"com.example.app:/callback", "http://127.0.0.1/callback", "http://localhost:4711/callback", "http://[::1]/callback"} {
		c := newThirdParty(t, s, auth.DefaultTenant, func(r *client.Registration) { r.Type, r.RedirectURIs = auth.ClientNative, []string{to} })
		b := s.Browser(t)
		asked := strings.NewReplacer("127.0.0.1/", "127.0.0.1:49152/", "[::1]/", "[::1]:49152/").Replace(to)
		b.Open(authorizationQuery(c, "redirect_uri", asked))
		signIn(t, b, alice).At(t, "/consent")
		if got := b.Press("approve").Answer(t); got.Get("code") == "" && b.Page.URL.Opaque == "" || !strings.HasPrefix(b.Page.URL.String(), asked) {
			t.Errorf("%s: %v at %s", to, got, b.Page.URL)
		}
	}
}

// TestDevicePages approves and denies a device.
func TestDevicePages(t *testing.T) {
	t.Parallel()
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		createAccount(t, s, alice)
		c := newThirdParty(t, s, auth.DefaultTenant, func(r *client.Registration) {
			r.Type, r.RedirectURIs, r.Grants = auth.ClientNative, nil, []auth.GrantType{auth.GrantDeviceCode}
		})
		for _, decision := range []string{"approve", "deny"} {
			d := decode[body](t, postForm(t, s, "/oauth2/device_authorization", "client_id="+string(c.ID)).Want(t, 200))
			b := s.Browser(t)
			p := b.Open(d["verification_uri_complete"].(string)).At(t, "/device")
			if p.Value("code") != d["user_code"] {
				t.Errorf("code %q, want %v", p.Value("code"), d["user_code"])
			}
			b.Press("submit", "code", "BCDFGHJK").Want(t, 400)
			b.Press("submit", "code", strings.ToLower(d["user_code"].(string))).At(t, "/login")
			if p := signIn(t, b, alice).At(t, "/device/confirm"); !strings.Contains(p.Text(), "The request came from network address 127.0.0.1 , the same as yours.") {
				t.Errorf("H12: not from where the device asked: %s", p.Text())
			}
			if p := b.Press(decision).Want(t, 200); !strings.Contains(p.Text(), "Ledger") {
				t.Errorf("%s: %s", decision, p.Text())
			}
			s.Clock.Advance(10 * time.Second)
			r := postForm(t, s, "/oauth2/token", url.Values{"grant_type": {string(auth.GrantDeviceCode)}, "client_id": {string(c.ID)}, "device_code": {d["device_code"].(string)}}.Encode())
			if decision == "approve" && r.Status != 200 || decision == "deny" && r.Status != 400 {
				t.Errorf("%s: %d %s", decision, r.Status, r.Body)
			}
		}
	})
}

// TestClientLogsOut: a client sends a logout request and gets the user back.
func TestClientLogsOut(t *testing.T) {
	t.Parallel()
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		createAccount(t, s, alice)
		const back = "https://ledger.example.test/bye"
		c := newThirdParty(t, s, auth.DefaultTenant, func(r *client.Registration) { r.PostLogoutURIs = []string{back} })
		for _, posted := range []bool{false, true} {
			b := s.Browser(t)
			b.Open(authorizationQuery(c))
			signIn(t, b, alice)
			if b.Page.URL.Path == "/consent" {
				b.Press("approve")
			}
			tokens := redeem(t, s, c, b.Page.Answer(t))
			q := url.Values{"post_logout_redirect_uri": {back}, "state": {"s1"}, "client_id": {string(c.ID)}}
			b.Open("/oauth2/logout?"+q.Encode()).At(t, "/oauth2/logout") // asks, since nothing shows that the client knows who is here
			b.Press("deny").At(t, "/account")
			q.Set("id_token_hint", tokens["id_token"].(string))
			if posted {
				b.Post("/oauth2/logout", q, "https://ledger.example.test")
			} else {
				b.Open("/oauth2/logout?" + q.Encode())
			}
			if got := b.Page.Answer(t); b.Page.URL.Path != "/bye" || got.Get("state") != "s1" || b.Cookie(cookieName) != "" {
				t.Errorf("posted %v: %v at %s", posted, got, b.Page.URL)
			}
			b.Open("/account").At(t, "/login")
		}
	})
}

// TestAuthorizeIsLimited: authorization requests of one address are limited.
func TestAuthorizeIsLimited(t *testing.T) {
	t.Parallel()
	s := servertest.New(t, servertest.Limits(func(l *config.Limits) { *l.Rate("authorize.ip") = config.Rate{Count: 3, Per: time.Minute} }))
	c := newThirdParty(t, s, auth.DefaultTenant)
	for i := range 5 {
		if r := s.Do(t, "GET", authorizationQuery(c), nil); (i < 3) != (r.Status == 303) || i >= 3 && (r.Status != 429 || r.Header.Get("Retry-After") == "") {
			t.Errorf("request %d: %d", i, r.Status)
		}
	}
}

// redeem redeems the code of an authorization response.
func redeem(t testing.TB, s *servertest.Server, c testClient, answer url.Values) body {
	t.Helper()
	form := url.Values{"grant_type": {"authorization_code"}, "code": {answer.Get("code")}, "redirect_uri": {ledgerCallback}, "code_verifier": {pkceVerifier}}
	return decode[body](t, postForm(t, s, "/oauth2/token", form.Encode(), c.basic()).Want(t, 200))
}

func userinfo(t testing.TB, s *servertest.Server, tokens body) body {
	t.Helper()
	return decode[body](t, s.Do(t, "GET", "/oauth2/userinfo", nil, servertest.Bearer(tokens["access_token"].(string))).Want(t, 200))
}
