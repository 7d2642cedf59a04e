package browser

import (
	"net/url"
	"testing"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/client"
	"github.com/watchword-auth/watchword/internal/oauth"
	"github.com/watchword-auth/watchword/internal/oidc"
	"github.com/watchword-auth/watchword/internal/servertest"
)

const bob = "bob@example.test"

// ledger is a third-party client: users are asked for consent.
var ledger = client.Registration{Name: "Ledger", Type: auth.ClientWeb, Scopes: []string{"openid", "email", "offline_access", "orders:read"}}

// orders is a first-party client: users are not asked for consent.
var orders = client.Registration{Name: "Acme Orders", Type: auth.ClientWeb, FirstParty: true, Scopes: []string{"openid", "email"}}

// A user comes from a client, registers, verifies the address, signs in, consents, and is back
// with a code.
func TestFirstVisit(t *testing.T) {
	eachSetting(t, func(t *testing.T, l windowSettings) {
		s := servertest.New(t)
		c := newClient(t, s, ledger)
		b := newTab(t, l)
		b.open(c.authorizationURL("scope", "openid email offline_access orders:read")).requirePath("/login").requireAccessible("login").screenshot("1-login")
		b.press("register").requirePath("/register").requireAccessible("register").screenshot("2-register")
		b.fill("email", alice, "password", "12345678").press("submit").requirePath("/register").requireAccessible("refused").screenshot("3-refused")
		b.fill("password", servertest.Password).press("submit").requireText(alice).requireAccessible("sent").screenshot("4-sent")

		mail := newTab(t, l) // the mail is opened in another browser
		mail.open(s.WaitMail(t, alice).Links[0]).fill("password", servertest.Password).press("submit").requirePath("/verify-email/done").requireNoErrors()

		b.press("login").requirePath("/login")
		b.fill("email", alice, "password", "not-quite-the-one-31").press("submit").requirePath("/login").requireAccessible("bad").screenshot("5-bad")
		b.signIn(alice).requirePath("/consent").requireText("Ledger", alice, "orders:read").requireAccessible("consent").screenshot("6-consent")
		b.press("approve").requirePath("/callback").screenshot("7-back")
		c.redeem(t)

		b.open(c.authorizationURL()).requirePath("/callback") // what was allowed is not asked again
		c.redeem(t)
		b.open(c.authorizationURL("prompt", "consent")).requirePath("/consent").press("deny").requirePath("/callback")
		if got := c.takeResponse(); got.Get("error") != "access_denied" || got.Get("code") != "" {
			t.Errorf("after a no: %v", got)
		}
		b.requireNoErrors()
	})
}

// The response is in a form that the page's script sends, or its button.
func TestFormPost(t *testing.T) {
	eachSetting(t, func(t *testing.T, l windowSettings) {
		s, c := newServerWithClient(t)
		s.Enrol(t, alice)
		b := newTab(t, l)
		b.open(c.authorizationURL("response_mode", "form_post")).requirePath("/login").signIn(alice)
		if l.noScript {
			b.requirePath("/login").requireAccessible("form_post").screenshot("form_post").press("submit")
		}
		b.requirePath("/callback")
		c.redeem(t)
		b.requireNoErrors()
	})
}

// A user resets a forgotten password and continues the flow.
func TestForgotten(t *testing.T) {
	eachSetting(t, func(t *testing.T, l windowSettings) {
		s, c := newServerWithClient(t)
		s.Enrol(t, alice)
		b := newTab(t, l)
		b.open(c.authorizationURL()).press("forgot").requirePath("/forgot-password").requireAccessible("forgot").screenshot("1-forgot")
		b.fill("email", alice).press("submit").requireText(alice).requireAccessible("sent").screenshot("2-sent")
		mail := newTab(t, l)
		mail.open(s.WaitMail(t, alice).Links[0]).requirePath("/reset-password").fill("password", "nine-loud-badgers-17").press("submit").requirePath("/reset-password/done").requireNoErrors()
		b.press("login").requirePath("/login").fill("email", alice, "password", "nine-loud-badgers-17").press("submit").requirePath("/callback")
		c.redeem(t)
		b.requireNoErrors()
	})
}

// Two users share a browser, choose their account at each client, and one signs out everywhere.
func TestAccounts(t *testing.T) {
	eachSetting(t, func(t *testing.T, l windowSettings) {
		s, c := newServerWithClient(t)
		s.Enrol(t, alice, bob)
		b := newTab(t, l)
		b.open(s.URL+"/login").requirePath("/login").fill("email", alice, "password", servertest.Password).click("remember").press("submit").requirePath("/account").requireText(alice).requireAccessible("account").screenshot("1-account")
		b.open(c.authorizationURL("prompt", "select_account")).requirePath("/choose-account").requireAccessible("choose one").press("other").requirePath("/login")
		b.signIn(bob).requirePath("/callback")
		c.redeem(t)
		b.open(c.authorizationURL("prompt", "select_account")).requirePath("/choose-account").requireText(alice, bob).requireAccessible("choose").screenshot("2-choose")
		b.press("account-1").requirePath("/callback")
		idToken, _ := c.redeem(t)

		b.open(s.URL + "/oauth2/logout?" + url.Values{"client_id": {string(c.ID)}, "post_logout_redirect_uri": {c.base + "/bye"}, "state": {"x1"}}.Encode()).
			requireText("Acme Orders").requireAccessible("logout").screenshot("3-logout")
		b.press("approve").requirePath("/bye")
		b.open(c.authorizationURL()).requirePath("/login")
		if idToken == "" {
			t.Error("no ID Token")
		}
		b.requireNoErrors()
	})
}

// A user sees sessions and consents, ends both, and signs out.
func TestOwnAccount(t *testing.T) {
	eachSetting(t, func(t *testing.T, l windowSettings) {
		s := servertest.New(t)
		c := newClient(t, s, ledger)
		s.Enrol(t, alice)
		s.Login(t, alice, servertest.Password) // another device
		b := newTab(t, l)
		b.open(c.authorizationURL()).signIn(alice).requirePath("/consent").press("approve").requirePath("/callback")
		_, access := c.redeem(t)
		s.Do(t, "GET", "/oauth2/userinfo", nil, servertest.Bearer(access)).Want(t, 200)

		b.open(s.URL + "/account").requirePath("/account").requireText(alice).requireAccessible("account").screenshot("1-account")
		b.open(s.URL + "/account/apps").requireText("Ledger").press("remove-0").requirePath("/account/apps").requireAccessible("removed").screenshot("2-removed")
		s.Do(t, "GET", "/oauth2/userinfo", nil, servertest.Bearer(access)).Want(t, 401)
		b.open(s.URL + "/account/sessions").press("others").requirePath("/account/sessions").screenshot("3-others")
		b.open(s.URL + "/account").press("logout").requirePath("/logout/done").requireAccessible("done").screenshot("4-done")
		b.open(s.URL + "/account").requirePath("/login")
		b.requireNoErrors()
	})
}

// A device shows a code; the user enters it, signs in and approves.
func TestDevice(t *testing.T) {
	eachSetting(t, func(t *testing.T, l windowSettings) {
		s := servertest.New(t)
		c := newClient(t, s, client.Registration{Name: "Acme TV", Type: auth.ClientNative, Scopes: []string{"openid", "email"},
			ClientSettings: auth.ClientSettings{Grants: []auth.GrantType{auth.GrantDeviceCode, auth.GrantAuthorizationCode}}})
		s.Enrol(t, alice)
		form := servertest.Header("Content-Type", "application/x-www-form-urlencoded")
		var d struct {
			DeviceCode string `json:"device_code"`
			UserCode   string `json:"user_code"`
			URI        string `json:"verification_uri"`
			Complete   string `json:"verification_uri_complete"`
		}
		s.Do(t, "POST", oidc.DeviceAuthorizationPath, url.Values{"client_id": {string(c.ID)}, "scope": {"openid email"}}.Encode(), form).Want(t, 200).Decode(t, &d)

		b := newTab(t, l)
		b.open(d.URI).requirePath("/device").requireAccessible("code").screenshot("1-code")
		b.fill("code", "BBBB-BBBB").press("submit").requirePath("/device").requireAccessible("bad code").screenshot("2-bad")
		b.open(d.Complete).requirePath("/device") // the link fills in the code, the user sends it
		b.press("submit").requirePath("/login").signIn(alice)
		b.requirePath("/device/confirm").requireText("Acme TV", alice).requireAccessible("confirm").screenshot("3-confirm")
		b.press("approve").requireText("Acme TV").requireAccessible("allowed").screenshot("4-allowed")
		s.Do(t, "POST", oauth.TokenPath, url.Values{"grant_type": {string(auth.GrantDeviceCode)}, "device_code": {d.DeviceCode}, "client_id": {string(c.ID)}}.Encode(), form).Want(t, 200)
		b.requireNoErrors()
	})
}

// Requests that cannot be continued show an error page of the server.
func TestWrongTurns(t *testing.T) {
	eachSetting(t, func(t *testing.T, l windowSettings) {
		s := servertest.New(t)
		c := newClient(t, s, ledger)
		b := newTab(t, l)
		for name, address := range map[string]string{
			"no-client":    c.authorizationURL("client_id", "cl_nobody"),
			"redirect-uri": c.authorizationURL("redirect_uri", "https://evil.test/"),
			"no-flow":      s.URL + "/consent?flow=nothing",
			"nowhere":      s.URL + "/nowhere",
		} {
			b.open(address).requireAccessible(name).screenshot(name)
			if u, err := url.Parse(b.currentURL()); err != nil || u.Host != requireHost(t, s.URL) {
				t.Errorf("%s leads to %s", name, b.currentURL())
			}
		}
		b.requireNoErrors()
	})
}

func requireHost(t *testing.T, address string) string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return u.Host
}
