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

// TestSingleSignOn: who is signed in passes through, whichever way the application
// asks. A POST from another site carries no cookie of ours (SameSite=Lax); the person
// is recognised all the same, since the request goes on by GET.
func TestSingleSignOn(t *testing.T) {
	everyLook(t, func(t *testing.T, l look) {
		s := servertest.New(t)
		c, other := newClient(t, s, orders), newClient(t, s, orders)
		s.Enrol(t, alice)
		b := newTab(t, l)
		b.open(c.base + "/start").press("submit").at("/login")
		b.signIn(alice).at("/callback")
		_, first := c.redeem(t)
		b.open(c.base + "/start").press("submit").at("/callback")
		hint, again := c.redeem(t)
		b.open(other.start("prompt", "none")).at("/callback")
		_, elsewhere := other.redeem(t)
		if sid(t, first) != sid(t, again) || sid(t, first) == sid(t, elsewhere) || claims(t, first)["auth_time"] != claims(t, elsewhere)["auth_time"] {
			t.Errorf("sessions: %v, %v, %v", claims(t, first), claims(t, again), claims(t, elsewhere))
		}

		// The application shows who it speaks of, so nobody has to be asked.
		b.open(s.URL + "/oauth2/logout?" + url.Values{"id_token_hint": {hint}, "post_logout_redirect_uri": {c.base + "/bye"}}.Encode()).at("/bye")
		b.open(other.start("prompt", "none")).at("/callback")
		if got := other.answer(); got.Get("error") != "login_required" {
			t.Errorf("after signing out: %v", got)
		}
		b.quiet()
	})
}

func sid(t *testing.T, accessToken string) any { t.Helper(); return claims(t, accessToken)["sid"] }

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

// TestKeyboard: nobody needs a mouse. The page says where to begin, Tab goes through
// the fields in their order, and Enter sends the form.
func TestKeyboard(t *testing.T) {
	t.Parallel()
	chromium(t)
	s := servertest.New(t)
	c := newClient(t, s, ledger)
	s.Enrol(t, alice)
	b := newTab(t, look{})
	b.open(c.start()).at("/login")
	b.do(chromedp.KeyEvent(alice), chromedp.KeyEvent(kb.Tab), chromedp.KeyEvent(kb.Tab), chromedp.KeyEvent(servertest.Password))
	b.await(chromedp.KeyEvent(kb.Enter)).at("/consent")
	// "Not you?", then the two buttons: no comes first.
	b.do(chromedp.KeyEvent(kb.Tab), chromedp.KeyEvent(kb.Tab), chromedp.KeyEvent(kb.Tab))
	b.shot("focus").await(chromedp.KeyEvent(kb.Enter)).at("/callback")
	c.redeem(t)
	b.quiet()
}

// TestTenant: a tenant has its own look, language, cookies and accounts, beside the
// others in the same browser.
func TestTenant(t *testing.T) {
	everyLook(t, func(t *testing.T, l look) {
		s := servertest.New(t)
		radius := 2
		_, err := s.Tenants.Create(t.Context(), "acme", "Acme", auth.Settings{Locale: "de", AllowUnverified: true, Branding: auth.Branding{Accent: "#8a1f3c", Radius: &radius, Font: "serif", Logo: logo,
			PrivacyURI: "https://acme.example/privacy"}}, auth.System)
		if err != nil {
			t.Fatal(err)
		}
		s.Do(t, "POST", "/t/acme/api/v1/register", map[string]string{"email": alice, "password": servertest.Password}).Want(t, 202)
		c := newClientOf(t, s, "acme", ledger)
		l.language = "fr" // which we do not have
		b := newTab(t, l)
		b.open(c.start()).at("/t/acme/login").says("Anmelden", "Datenschutz").accessible("login").shot("1-login")
		look, err := chromedp.Run(b.ctx, chromedp.Evaluate[[]any](`[getComputedStyle(document.getElementById("submit")).borderRadius, document.querySelector(".brand img").naturalWidth,
			getComputedStyle(document.body).fontFamily.includes("Georgia")]`))
		if err != nil || len(look) != 3 || look[0] != "2px" || look[1] != 2.0 || look[2] != true {
			t.Errorf("the look is %v, %v", look, err)
		}
		b.signIn(alice).at("/t/acme/consent").accessible("consent").shot("2-consent").press("approve").at("/callback")
		c.redeem(t)
		b.open(s.URL + "/account").at("/login") // of the default tenant, where nobody is signed in
		b.open(s.URL + "/t/acme/account").at("/t/acme/account").says(alice).shot("3-account")
		b.quiet()
	})
}

// TestCookies: what the browser keeps is closed to scripts, to neighbours and to plain
// HTTP, and sent by other sites only with what they could link to.
func TestCookies(t *testing.T) {
	t.Parallel()
	chromium(t)
	s := servertest.New(t)
	s.Enrol(t, alice)
	b := newTab(t, look{})
	b.open(s.URL+"/login").fill("email", alice, "password", servertest.Password).tick("remember").press("submit").at("/account")
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
	b.open(s.URL + "/account").at("/account").says(alice)
	b.press("logout").at("/logout/done").open(s.URL + "/account").at("/login")
	b.quiet()
}

// logo is a PNG of two by two pixels.
const logo = "iVBORw0KGgoAAAANSUhEUgAAAAIAAAACCAIAAAD91JpzAAAAEElEQVR4nGPokrcBIgYIBQAaUgOVBnpfFAAAAABJRU5ErkJggg=="
