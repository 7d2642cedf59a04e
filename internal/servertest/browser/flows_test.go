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

// ledger is a third party's application, which asks people for their consent.
var ledger = client.Registration{Name: "Ledger", Type: auth.ClientWeb, Scopes: []string{"openid", "email", "offline_access", "orders:read"}}

// orders is an application of the house, which does not.
var orders = client.Registration{Name: "Acme Orders", Type: auth.ClientWeb, FirstParty: true, Scopes: []string{"openid", "email"}}

// TestFirstVisit: a person comes from an application, makes an account, proves the
// address by the mail, signs in, allows it, and is back with a code.
func TestFirstVisit(t *testing.T) {
	everyLook(t, func(t *testing.T, l look) {
		s := servertest.New(t)
		c := newClient(t, s, ledger)
		b := newTab(t, l)
		b.open(c.start("scope", "openid email offline_access orders:read")).at("/login").accessible("login").shot("1-login")
		b.press("register").at("/register").accessible("register").shot("2-register")
		b.fill("email", alice, "password", "12345678").press("submit").at("/register").accessible("refused").shot("3-refused")
		b.fill("password", servertest.Password).press("submit").says(alice).accessible("sent").shot("4-sent")

		mail := newTab(t, l) // the mail is opened in another browser
		mail.open(s.WaitMail(t, alice).Links[0]).fill("password", servertest.Password).press("submit").at("/verify-email/done").quiet()

		b.press("login").at("/login")
		b.fill("email", alice, "password", "not-quite-the-one-31").press("submit").at("/login").accessible("bad").shot("5-bad")
		b.signIn(alice).at("/consent").says("Ledger", alice, "orders:read").accessible("consent").shot("6-consent")
		b.press("approve").at("/callback").shot("7-back")
		c.redeem(t)

		b.open(c.start()).at("/callback") // what was allowed is not asked again
		c.redeem(t)
		b.open(c.start("prompt", "consent")).at("/consent").press("deny").at("/callback")
		if got := c.answer(); got.Get("error") != "access_denied" || got.Get("code") != "" {
			t.Errorf("after a no: %v", got)
		}
		b.quiet()
	})
}

// TestFormPost: the answer comes by a form that sends itself, or by its button.
func TestFormPost(t *testing.T) {
	everyLook(t, func(t *testing.T, l look) {
		s, c := shop(t)
		s.Enrol(t, alice)
		b := newTab(t, l)
		b.open(c.start("response_mode", "form_post")).at("/login").signIn(alice)
		if l.noScript {
			b.at("/login").accessible("form_post").shot("form_post").press("submit")
		}
		b.at("/callback")
		c.redeem(t)
		b.quiet()
	})
}

// TestForgotten: a person has forgotten the password, sets a new one by the mail, and
// goes on where they were.
func TestForgotten(t *testing.T) {
	everyLook(t, func(t *testing.T, l look) {
		s, c := shop(t)
		s.Enrol(t, alice)
		b := newTab(t, l)
		b.open(c.start()).press("forgot").at("/forgot-password").accessible("forgot").shot("1-forgot")
		b.fill("email", alice).press("submit").says(alice).accessible("sent").shot("2-sent")
		mail := newTab(t, l)
		mail.open(s.WaitMail(t, alice).Links[0]).at("/reset-password").fill("password", "nine-loud-badgers-17").press("submit").at("/reset-password/done").quiet()
		b.press("login").at("/login").fill("email", alice, "password", "nine-loud-badgers-17").press("submit").at("/callback")
		c.redeem(t)
		b.quiet()
	})
}

// TestAccounts: two people share a browser; each application is asked with whom; one
// signs out, everywhere and here.
func TestAccounts(t *testing.T) {
	everyLook(t, func(t *testing.T, l look) {
		s, c := shop(t)
		s.Enrol(t, alice, bob)
		b := newTab(t, l)
		b.open(s.URL+"/login").at("/login").fill("email", alice, "password", servertest.Password).tick("remember").press("submit").at("/account").says(alice).accessible("account").shot("1-account")
		b.open(c.start("prompt", "select_account")).at("/choose-account").accessible("choose one").press("other").at("/login")
		b.signIn(bob).at("/callback")
		c.redeem(t)
		b.open(c.start("prompt", "select_account")).at("/choose-account").says(alice, bob).accessible("choose").shot("2-choose")
		b.press("account-1").at("/callback")
		idToken, _ := c.redeem(t)

		b.open(s.URL + "/oauth2/logout?" + url.Values{"client_id": {string(c.ID)}, "post_logout_redirect_uri": {c.base + "/bye"}, "state": {"x1"}}.Encode()).
			says("Acme Orders").accessible("logout").shot("3-logout")
		b.press("approve").at("/bye")
		b.open(c.start()).at("/login")
		if idToken == "" {
			t.Error("no ID Token")
		}
		b.quiet()
	})
}

// TestOwnAccount: a person sees where they are signed in and what they allowed, ends
// both, and signs out.
func TestOwnAccount(t *testing.T) {
	everyLook(t, func(t *testing.T, l look) {
		s := servertest.New(t)
		c := newClient(t, s, ledger)
		s.Enrol(t, alice)
		s.Login(t, alice, servertest.Password) // another device
		b := newTab(t, l)
		b.open(c.start()).signIn(alice).at("/consent").press("approve").at("/callback")
		_, access := c.redeem(t)
		s.Do(t, "GET", "/oauth2/userinfo", nil, servertest.Bearer(access)).Want(t, 200)

		b.open(s.URL+"/account").at("/account").says("Ledger", alice).accessible("account").shot("1-account")
		b.press("remove-0").at("/account").accessible("removed").shot("2-removed")
		s.Do(t, "GET", "/oauth2/userinfo", nil, servertest.Bearer(access)).Want(t, 401)
		b.rested().press("others").at("/account").shot("3-others")
		b.rested().press("logout").at("/logout/done").accessible("done").shot("4-done")
		b.open(s.URL + "/account").at("/login")
		b.quiet()
	})
}

// TestDevice: a device shows a code; the person enters it, signs in, and says yes.
func TestDevice(t *testing.T) {
	everyLook(t, func(t *testing.T, l look) {
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
		b.open(d.URI).at("/device").accessible("code").shot("1-code")
		b.fill("code", "BBBB-BBBB").press("submit").at("/device").accessible("bad code").shot("2-bad")
		b.open(d.Complete).at("/device") // the link of the device fills the code in; the person still sends it
		b.press("submit").at("/login").signIn(alice)
		b.at("/device/confirm").says("Acme TV", alice).accessible("confirm").shot("3-confirm")
		b.press("approve").says("Acme TV").accessible("allowed").shot("4-allowed")
		s.Do(t, "POST", oauth.TokenPath, url.Values{"grant_type": {string(auth.GrantDeviceCode)}, "device_code": {d.DeviceCode}, "client_id": {string(c.ID)}}.Encode(), form).Want(t, 200)
		b.quiet()
	})
}

// TestWrongTurns: what does not lead on says so, and sends nobody anywhere.
func TestWrongTurns(t *testing.T) {
	everyLook(t, func(t *testing.T, l look) {
		s := servertest.New(t)
		c := newClient(t, s, ledger)
		b := newTab(t, l)
		for name, address := range map[string]string{
			"no-client":    c.start("client_id", "cl_nobody"),
			"redirect-uri": c.start("redirect_uri", "https://evil.test/"),
			"no-flow":      s.URL + "/consent?flow=nothing",
			"nowhere":      s.URL + "/nowhere",
		} {
			b.open(address).accessible(name).shot(name)
			if u, err := url.Parse(b.where()); err != nil || u.Host != mustHost(t, s.URL) {
				t.Errorf("%s leads to %s", name, b.where())
			}
		}
		b.quiet()
	})
}

func mustHost(t *testing.T, address string) string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return u.Host
}
