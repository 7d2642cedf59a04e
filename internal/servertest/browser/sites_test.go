package browser

import (
	"encoding/base64"
	"encoding/json"
	"net/url"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/servertest"
)

// A signed-in user is not asked again, whether the client uses GET or POST. A cross-site POST
// carries no cookie (SameSite=Lax); the server redirects it to a GET.
func TestSingleSignOn(t *testing.T) {
	eachSetting(t, func(t *testing.T, l windowSettings) {
		s := servertest.New(t)
		c, other := newClient(t, s, orders), newClient(t, s, orders)
		s.Enrol(t, alice)
		b := newTab(t, l)
		b.open(c.base + "/start").press("submit").requirePath("/login")
		b.signIn(alice).requirePath("/callback")
		_, first := c.redeem(t)
		b.open(c.base + "/start").press("submit").requirePath("/callback")
		hint, again := c.redeem(t)
		b.open(other.authorizationURL("prompt", "none")).requirePath("/callback")
		_, elsewhere := other.redeem(t)
		if sessionID(t, first) != sessionID(t, again) || sessionID(t, first) == sessionID(t, elsewhere) || claims(t, first)["auth_time"] != claims(t, elsewhere)["auth_time"] {
			t.Errorf("sessions: %v, %v, %v", claims(t, first), claims(t, again), claims(t, elsewhere))
		}

		// The ID Token hint names the user, so no confirmation is needed.
		b.open(s.URL + "/oauth2/logout?" + url.Values{"id_token_hint": {hint}, "post_logout_redirect_uri": {c.base + "/bye"}}.Encode()).requirePath("/bye")
		b.open(other.authorizationURL("prompt", "none")).requirePath("/callback")
		if got := other.takeResponse(); got.Get("error") != "login_required" {
			t.Errorf("after signing out: %v", got)
		}
		b.requireNoErrors()
	})
}

func sessionID(t *testing.T, accessToken string) any {
	t.Helper()
	return claims(t, accessToken)["sid"]
}

// claims reads a token that came straight from the token endpoint.
func claims(t *testing.T, jwt string) map[string]any {
	t.Helper()
	_, rest, _ := strings.Cut(jwt, ".")
	payload, _, _ := strings.Cut(rest, ".")
	raw, err := base64.RawURLEncoding.DecodeString(payload)
	var c map[string]any
	if err != nil || json.Unmarshal(raw, &c) != nil || c["sub"] == nil {
		t.Fatalf("no token: %s, %v", jwt, err)
	}
	return c
}

// The pages work without a mouse: the first field has the focus, Tab goes through the fields in
// order, and Enter sends the form.
func TestKeyboard(t *testing.T) {
	t.Parallel()
	chromium(t)
	s := servertest.New(t)
	c := newClient(t, s, ledger)
	s.Enrol(t, alice)
	b := newTab(t, windowSettings{})
	b.open(c.authorizationURL()).requirePath("/login")
	b.run(chromedp.KeyEvent(alice), chromedp.KeyEvent(kb.Tab), chromedp.KeyEvent(kb.Tab), chromedp.KeyEvent(servertest.Password))
	b.waitForPage(chromedp.KeyEvent(kb.Enter)).requirePath("/consent")
	// "Not you?", then the two buttons: no comes first.
	b.run(chromedp.KeyEvent(kb.Tab), chromedp.KeyEvent(kb.Tab), chromedp.KeyEvent(kb.Tab))
	b.screenshot("focus").waitForPage(chromedp.KeyEvent(kb.Enter)).requirePath("/callback")
	c.redeem(t)
	b.requireNoErrors()
}

// A tenant has its own branding, language, cookies and accounts in the same browser.
func TestTenant(t *testing.T) {
	eachSetting(t, func(t *testing.T, l windowSettings) {
		s := servertest.New(t)
		radius := 2
		_, err := s.Tenants.Create(t.Context(), "acme", "Acme", auth.Settings{Locale: "de", AllowUnverified: true, Branding: auth.Branding{Accent: "#8a1f3c", Radius: &radius, Font: "serif", Logo: logo,
			PrivacyURI: "https://acme.example/privacy"}}, auth.System)
		if err != nil {
			t.Fatal(err)
		}
		s.Do(t, "POST", "/t/acme/api/v1/register", map[string]string{"email": alice, "password": servertest.Password}).Want(t, 202)
		c := newTenantClient(t, s, "acme", ledger)
		l.language = "fr" // which we do not have
		b := newTab(t, l)
		b.open(c.authorizationURL()).requirePath("/t/acme/login").requireText("Anmelden", "Datenschutz").requireAccessible("login").screenshot("1-login")
		look, err := chromedp.Run(b.ctx, chromedp.Evaluate[[]any](`[getComputedStyle(document.getElementById("submit")).borderRadius, document.querySelector(".brand img").naturalWidth,
			getComputedStyle(document.body).fontFamily.includes("Georgia")]`))
		if err != nil || len(look) != 3 || look[0] != "2px" || look[1] != 2.0 || look[2] != true {
			t.Errorf("the look is %v, %v", look, err)
		}
		b.signIn(alice).requirePath("/t/acme/consent").requireAccessible("consent").screenshot("2-consent").press("approve").requirePath("/callback")
		c.redeem(t)
		b.open(s.URL + "/account").requirePath("/login") // of the default tenant, without a session
		b.open(s.URL + "/t/acme/account").requirePath("/t/acme/account").requireText(alice).screenshot("3-account")
		b.requireNoErrors()
	})
}

// Cookies are HttpOnly, Secure, host-only and SameSite=Lax.
func TestCookies(t *testing.T) {
	t.Parallel()
	chromium(t)
	s := servertest.New(t)
	s.Enrol(t, alice)
	b := newTab(t, windowSettings{})
	b.open(s.URL+"/login").fill("email", alice, "password", servertest.Password).click("remember").press("submit").requirePath("/account")
	kept, err := chromedp.Call(b.ctx, network.GetCookies, network.GetCookiesParams{})
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, k := range kept.Cookies {
		names[k.Name] = true
		if !k.HTTPOnly || !k.Secure || k.SameSite != "Lax" || k.Path != "/" {
			t.Errorf("the cookie %+v", k)
		}
		if lasting := k.Name == "__Host-watchword-remember" || k.Name == "__Host-watchword-known"; k.Session == lasting {
			t.Errorf("%s: ends with the browser: %v", k.Name, k.Session)
		}
	}
	if !names["__Host-watchword"] || !names["__Host-watchword-remember"] || !names["__Host-watchword-browser"] || !names["__Host-watchword-known"] || len(names) != 4 {
		t.Errorf("cookies %v", names)
	}
	// The browser is closed and opened again: what lasts is enough.
	for _, name := range []string{"__Host-watchword", "__Host-watchword-browser"} {
		if _, err := chromedp.Call(b.ctx, network.DeleteCookies, network.DeleteCookiesParams{Name: name, URL: s.URL}); err != nil {
			t.Fatal(err)
		}
	}
	b.open(s.URL + "/account").requirePath("/account").requireText(alice)
	b.press("logout").requirePath("/logout/done").open(s.URL + "/account").requirePath("/login")
	b.requireNoErrors()
}

// logo is a PNG of two by two pixels.
const logo = "iVBORw0KGgoAAAANSUhEUgAAAAIAAAACCAIAAAD91JpzAAAAEElEQVR4nGPokrcBIgYIBQAaUgOVBnpfFAAAAABJRU5ErkJggg=="
