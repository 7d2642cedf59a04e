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

// settled waits until the browser is at the path and nothing leads it on.
func (b *tab) settled(path string) *tab {
	b.t.Helper()
	b.at(path)
	b.do(chromedp.Sleep(time.Second))
	return b.at(path)
}

// A double click on the buttons of sign-in, choice, consent and logout ends like a click: the client
// gets a code that it can redeem, or the same error.
func TestRepair_B1_DoubleClicksInFlows(t *testing.T) {
	t.Parallel()
	chromium(t)
	for _, gap := range gaps {
		t.Run(fmt.Sprint(gap), func(t *testing.T) {
			t.Parallel()
			latency := 400 * time.Millisecond
			if gap == 50*time.Millisecond { // the second click comes while the first is answered
				latency = 0
			}
			s := servertest.New(t)
			c := newClient(t, s, ledger)
			s.Enrol(t, alice)
			b := newTab(t, look{})
			twice := func(id string) { b.slow(latency).doubleClick(id, gap) }

			b.open(c.start()).at("/login").fill("email", alice, "password", servertest.Password)
			twice("submit")
			b.settled("/consent").slow(0)
			twice("approve")
			b.settled("/callback").slow(0)
			c.redeem(t)
			b.open(c.start("prompt", "login")).at("/login").fill("email", alice, "password", servertest.Password)
			twice("submit")
			b.settled("/callback").slow(0)
			c.redeem(t)
			b.open(c.start("prompt", "select_account")).at("/choose-account")
			twice("account-0")
			b.settled("/callback").slow(0)
			c.redeem(t)
			b.open(c.start("prompt", "consent")).at("/consent")
			twice("approve")
			b.settled("/callback").slow(0)
			c.redeem(t)
			b.open(c.start("prompt", "consent")).at("/consent")
			twice("deny")
			b.settled("/callback").slow(0)
			if got := c.answer(); got.Get("error") != "access_denied" || got.Get("code") != "" {
				t.Errorf("after a double no: %v", got)
			}
			b.open(s.URL + "/logout")
			twice("approve")
			b.settled("/logout/done").slow(0)
			b.quiet()
		})
	}
}

// A form beside sign-in that is sent when another tab has reached the client shows its page, whose link
// leads to the client as well.
func TestSideFormAfterTheEnd(t *testing.T) {
	t.Parallel()
	chromium(t)
	s, c := shop(t)
	s.Enrol(t, alice)
	b := newTab(t, look{})
	b.open(c.start()).at("/login")
	other := b.second()
	other.open(b.where()).press("forgot").at("/forgot-password")
	b.signIn(alice).at("/callback")
	c.redeem(t)

	other.fill("email", alice).press("submit").reads("Check your email")

	other.press("login").at("/callback")
	c.redeem(t)
	b.quiet()
	other.quiet()
}

// A double click on the buttons of the device pages ends like a click.
func TestRepair_B1_DoubleClicksForDevices(t *testing.T) {
	t.Parallel()
	chromium(t)
	for _, gap := range gaps {
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
			b := newTab(t, look{})
			twice := func(id string) { b.slow(400*time.Millisecond).doubleClick(id, gap) }

			b.open(s.URL+"/device").at("/device").fill("code", d.UserCode)
			twice("submit")
			b.settled("/login").slow(0).fill("email", alice, "password", servertest.Password)
			twice("submit")
			b.settled("/device/confirm").slow(0)
			twice("approve")
			b.reads("Device connected").slow(0)
			b.do(chromedp.Sleep(time.Second))
			b.says("Device connected").shot("1-connected")
			b.do(chromedp.NavigateBack())
			b.at("/device").shot("2-back")
			b.quiet()
		})
	}
}

// Back, reload, a bookmark and a second tab lead to the client, also from pages that are over.
func TestRepair_B11_BackReloadBookmarkTabs(t *testing.T) {
	everyLook(t, func(t *testing.T, l look) {
		s := servertest.New(t)
		c := newClient(t, s, ledger)
		s.Enrol(t, alice)
		b := newTab(t, l)
		b.open(c.start()).at("/login")
		other := b.second()
		other.open(c.start()).at("/login")
		bookmark := b.where()
		b.do(chromedp.Reload())
		b.at("/login").signIn(alice).at("/consent")
		b.do(chromedp.Reload())
		b.at("/consent").press("approve").at("/callback")
		c.redeem(t)
		b.do(chromedp.NavigateBack()) // to the consent page, which leads on
		b.settled("/callback")
		c.redeem(t)
		b.open(bookmark).settled("/callback")
		c.redeem(t)

		other.do(chromedp.Reload()) // the other tab has signed in meanwhile
		other.settled("/callback")
		c.redeem(t)

		b.open(c.start("prompt", "login")).at("/login").signIn(alice).at("/callback")
		c.redeem(t)
		b.do(chromedp.NavigateBack())
		b.at("/login").accessible("back").shot("1-back").signIn(alice).at("/callback")
		c.redeem(t)

		stranger := newTab(t, l)
		stranger.open(bookmark).accessible("expired").shot("2-expired").press("login").at("/login")
		b.quiet()
	})
}

// A page that was open for more than an hour takes the right password, and asks again what it asked.
func TestRepair_B11_AnHoursLunch(t *testing.T) {
	everyLook(t, func(t *testing.T, l look) {
		s := servertest.New(t)
		c := newClient(t, s, ledger)
		s.Enrol(t, alice)
		b := newTab(t, l)
		b.open(c.start()).at("/login")
		s.Clock.Advance(61 * time.Minute)
		b.signIn(alice).at("/consent")
		s.Clock.Advance(61 * time.Minute)
		b.press("approve").at("/consent").shot("1-asked-again").press("approve").at("/callback")
		c.redeem(t)

		b.open(s.URL + "/logout")
		s.Clock.Advance(61 * time.Minute)
		b.press("approve").at("/logout/done")
		b.open(s.URL + "/login").at("/login")
		s.Clock.Advance(61 * time.Minute) // a phone that slept
		b.do(chromedp.Reload())
		b.at("/login")
		s.Clock.Advance(61 * time.Minute)
		b.signIn(alice).at("/account")
		b.quiet()
	})
}
