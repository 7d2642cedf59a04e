package browser

import (
	"fmt"
	"net/url"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/client"
	"github.com/watchword-auth/watchword/internal/oidc"
	"github.com/watchword-auth/watchword/internal/servertest"
)

// requireSettled waits until the browser is at the path and no redirect follows.
func (b *tab) requireSettled(path string) *tab {
	b.t.Helper()
	b.requirePath(path)
	b.run(chromedp.Sleep(time.Second))
	return b.requirePath(path)
}

// A double click on the buttons of sign-in, account choice, consent and logout has the effect
// of one click: the client gets a code that it can redeem, or the same error.
func TestRepair_B1_DoubleClicksInFlows(t *testing.T) {
	t.Parallel()
	chromium(t)
	for _, gap := range clickGaps {
		t.Run(fmt.Sprint(gap), func(t *testing.T) {
			t.Parallel()
			latency := 400 * time.Millisecond
			if gap == 50*time.Millisecond { // the second click comes while the server handles the first
				latency = 0
			}
			s := servertest.New(t)
			c := newClient(t, s, ledger)
			s.Enrol(t, alice)
			b := newTab(t, windowSettings{})
			twice := func(id string) { b.delayResponses(latency).doubleClick(id, gap) }

			b.open(c.authorizationURL()).requirePath("/login").fill("email", alice, "password", servertest.Password)
			twice("submit")
			b.requireSettled("/consent").delayResponses(0)
			twice("approve")
			b.requireSettled("/callback").delayResponses(0)
			c.redeem(t)
			b.open(c.authorizationURL("prompt", "login")).requirePath("/login").fill("password", servertest.Password)
			twice("submit")
			b.requireSettled("/callback").delayResponses(0)
			c.redeem(t)
			b.open(c.authorizationURL("prompt", "select_account")).requirePath("/choose-account")
			twice("account-0")
			b.requireSettled("/callback").delayResponses(0)
			c.redeem(t)
			b.open(c.authorizationURL("prompt", "consent")).requirePath("/consent")
			twice("approve")
			b.requireSettled("/callback").delayResponses(0)
			c.redeem(t)
			b.open(c.authorizationURL("prompt", "consent")).requirePath("/consent")
			twice("deny")
			b.requireSettled("/callback").delayResponses(0)
			if got := c.takeResponse(); got.Get("error") != "access_denied" || got.Get("code") != "" {
				t.Errorf("after a double no: %v", got)
			}
			b.open(s.URL + "/logout")
			twice("approve")
			b.requireSettled("/logout/done").delayResponses(0)
			b.requireNoErrors()
		})
	}
}

// A registration or reset form that is sent after another tab has reached the client shows its
// page, whose link leads to the client.
func TestSideFormAfterTheEnd(t *testing.T) {
	t.Parallel()
	chromium(t)
	s, c := newServerWithClient(t)
	s.Enrol(t, alice)
	b := newTab(t, windowSettings{})
	b.open(c.authorizationURL()).requirePath("/login")
	other := b.newTab()
	other.open(b.currentURL()).press("forgot").requirePath("/forgot-password")
	b.signIn(alice).requirePath("/callback")
	c.redeem(t)

	other.fill("email", alice).press("submit").waitForText("Check your email")

	other.press("login").requirePath("/callback")
	c.redeem(t)
	b.requireNoErrors()
	other.requireNoErrors()
}

// A double click on the buttons of the device pages has the effect of one click.
func TestRepair_B1_DoubleClicksForDevices(t *testing.T) {
	t.Parallel()
	chromium(t)
	for _, gap := range clickGaps {
		t.Run(fmt.Sprint(gap), func(t *testing.T) {
			t.Parallel()
			s := servertest.New(t)
			c := newClient(t, s, client.Registration{Name: "Acme TV", Type: auth.ClientNative, Scopes: []string{"openid"},
				ClientSettings: auth.ClientSettings{Grants: []auth.GrantType{auth.GrantDeviceCode}}})
			s.Enrol(t, alice)
			var d struct {
				UserCode string `json:"user_code"`
			}
			s.Do(t, "POST", oidc.DeviceAuthorizationPath, url.Values{"client_id": {string(c.ID)}, "scope": {"openid"}}.Encode(),
				servertest.Header("Content-Type", "application/x-www-form-urlencoded")).Want(t, 200).Decode(t, &d)
			b := newTab(t, windowSettings{})
			twice := func(id string) { b.delayResponses(400*time.Millisecond).doubleClick(id, gap) }

			b.open(s.URL+"/device").requirePath("/device").fill("code", d.UserCode)
			twice("submit")
			b.requireSettled("/login").delayResponses(0).fill("email", alice, "password", servertest.Password)
			twice("submit")
			b.requireSettled("/device/confirm").delayResponses(0)
			twice("approve")
			b.waitForText("Device connected").delayResponses(0)
			b.run(chromedp.Sleep(time.Second))
			b.requireText("Device connected").screenshot("1-connected")
			b.run(chromedp.NavigateBack())
			b.requirePath("/device").screenshot("2-back")
			b.requireNoErrors()
		})
	}
}

// Back, reload, a bookmark and a second tab lead to the client, even from pages of an ended
// flow.
func TestRepair_B11_BackReloadBookmarkTabs(t *testing.T) {
	eachSetting(t, func(t *testing.T, l windowSettings) {
		s := servertest.New(t)
		c := newClient(t, s, ledger)
		s.Enrol(t, alice)
		b := newTab(t, l)
		b.open(c.authorizationURL()).requirePath("/login")
		other := b.newTab()
		other.open(c.authorizationURL()).requirePath("/login")
		bookmark := b.currentURL()
		b.run(chromedp.Reload())
		b.requirePath("/login").signIn(alice).requirePath("/consent")
		b.run(chromedp.Reload())
		b.requirePath("/consent").press("approve").requirePath("/callback")
		c.redeem(t)
		b.run(chromedp.NavigateBack()) // to the consent page, which leads on
		b.requireSettled("/callback")
		c.redeem(t)
		b.open(bookmark).requireSettled("/callback")
		c.redeem(t)

		other.run(chromedp.Reload()) // the other tab has signed in meanwhile
		other.requireSettled("/callback")
		c.redeem(t)

		b.open(c.authorizationURL("prompt", "login")).requirePath("/login").signIn(alice).requirePath("/callback")
		c.redeem(t)
		b.run(chromedp.NavigateBack())
		b.requirePath("/login").requireAccessible("back").screenshot("1-back").signIn(alice).requirePath("/callback")
		c.redeem(t)

		stranger := newTab(t, l)
		stranger.open(bookmark).requireAccessible("expired").screenshot("2-expired").press("login").requirePath("/login")
		b.requireNoErrors()
	})
}

// A page that was open for more than an hour accepts the password, and the flow continues.
func TestRepair_B11_AnHoursLunch(t *testing.T) {
	eachSetting(t, func(t *testing.T, l windowSettings) {
		s := servertest.New(t)
		c := newClient(t, s, ledger)
		s.Enrol(t, alice)
		b := newTab(t, l)
		b.open(c.authorizationURL()).requirePath("/login")
		s.Clock.Advance(61 * time.Minute)
		b.signIn(alice).requirePath("/consent")
		s.Clock.Advance(61 * time.Minute)
		b.press("approve").requirePath("/consent").screenshot("1-asked-again").press("approve").requirePath("/callback")
		c.redeem(t)

		b.open(s.URL + "/logout")
		s.Clock.Advance(61 * time.Minute)
		b.press("approve").requirePath("/logout/done")
		b.open(s.URL + "/login").requirePath("/login")
		s.Clock.Advance(61 * time.Minute) // a phone that slept
		b.run(chromedp.Reload())
		b.requirePath("/login")
		s.Clock.Advance(61 * time.Minute)
		b.signIn(alice).requirePath("/account")
		b.requireNoErrors()
	})
}
