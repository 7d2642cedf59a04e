package browser

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
	"github.com/pquerna/otp/totp"

	"github.com/watchword-auth/watchword/internal/servertest"
)

const newPassword = "nine-loud-badgers-17"

// gaps are those between the two clicks of a double click, in the order in which people make them.
var clickGaps = []time.Duration{0, 50 * time.Millisecond, 150 * time.Millisecond, 300 * time.Millisecond}

// delayResponses delays every response, so that a second click comes before the response to the
// first.
func (b *tab) delayResponses(latency time.Duration) *tab {
	b.t.Helper()
	call(b, network.EmulateNetworkConditionsByRule, network.EmulateNetworkConditionsByRuleParams{MatchedNetworkConditions: []*network.Conditions{
		{Latency: float64(latency.Milliseconds()), DownloadThroughput: -1, UploadThroughput: -1}}})
	return b
}

// doubleClick clicks a button twice at the same position, with a gap.
func (b *tab) doubleClick(id string, gap time.Duration) *tab {
	b.t.Helper()
	b.run(chromedp.ScrollIntoView(chromedp.ID(id)))
	box, err := chromedp.Run(b.ctx, chromedp.Dimensions(chromedp.ID(id)))
	if err != nil {
		b.t.Fatal(err)
	}
	x, y := (box.Content[0]+box.Content[4])/2, (box.Content[1]+box.Content[5])/2
	b.run(chromedp.MouseClickXY(x, y), chromedp.Sleep(gap), chromedp.MouseClickXY(x, y))
	return b
}

// A double click on the buttons of registration, verification and reset has the effect of one
// click.
func TestRepair_B1_DoubleClicks(t *testing.T) {
	t.Parallel()
	chromium(t)
	for _, gap := range clickGaps {
		t.Run(fmt.Sprint(gap), func(t *testing.T) {
			t.Parallel()
			s, c := newServerWithClient(t)
			b := newTab(t, windowSettings{})
			b.open(c.authorizationURL()).press("register").requirePath("/register").fill("email", alice, "password", servertest.Password)
			b.delayResponses(400*time.Millisecond).doubleClick("submit", gap)
			b.waitForText("Check your email").delayResponses(0)
			link := s.WaitMail(t, alice).Links[0]

			b.open(link).requirePath("/verify-email").delayResponses(400*time.Millisecond).doubleClick("submit", gap)
			b.requirePath("/login").waitForText("confirmed").delayResponses(0)
			if n := len(s.MailsTo(alice)); n != 1 {
				t.Errorf("%d mails", n)
			}

			b.press("forgot").requirePath("/forgot-password").fill("email", alice)
			b.delayResponses(400*time.Millisecond).doubleClick("submit", gap)
			b.waitForText("Check your email").delayResponses(0)
			b.open(s.WaitMail(t, alice).Links[0]).requirePath("/reset-password").fill("password", newPassword)
			b.delayResponses(400*time.Millisecond).doubleClick("submit", gap)
			b.requirePath("/login").waitForText("has been changed").delayResponses(0)
			b.fill("email", alice, "password", newPassword).press("submit").requirePath("/callback")
			c.redeem(t)
			b.requireNoErrors()
		})
	}
}

// A double click on the button of a session does not reach the next one, which takes its place.
func TestDoubleClicksOnTheAccountPage(t *testing.T) {
	t.Parallel()
	chromium(t)
	for _, gap := range clickGaps {
		t.Run(fmt.Sprint(gap), func(t *testing.T) {
			t.Parallel()
			s := servertest.New(t)
			s.Enrol(t, alice)
			for range 5 {
				s.Login(t, alice, servertest.Password)
			}
			b := newTab(t, windowSettings{})
			b.open(s.URL + "/account/sessions").signIn(alice).requirePath("/account/sessions")
			for want := 5; want > 2; want-- {
				b.doubleClick("end-1", gap).waitForText("Device signed out")
				b.waitForButtons()
				got, err := chromedp.Run(b.ctx, chromedp.Evaluate[int](`document.querySelectorAll("#devices li").length`))
				if err != nil || got != want {
					t.Fatalf("%d sessions, want %d: %v", got, want, err)
				}
			}
			b.requireNoErrors()
		})
	}
}

// A double click on a form of the account that replaces or ends its own session has the effect of one
// click: the browser never stores the cookie of the first response.
func TestDoubleClicksThatReplaceTheSession(t *testing.T) {
	t.Parallel()
	chromium(t)
	for _, gap := range clickGaps {
		t.Run(fmt.Sprint(gap), func(t *testing.T) {
			t.Parallel()
			s := servertest.New(t)
			s.Enrol(t, alice)
			b := newTab(t, windowSettings{})
			// twice clicks a button twice while responses are slow, and waits for the page that follows.
			twice := func(button, path, text string) {
				t.Helper()
				b.waitForButtons().delayResponses(400*time.Millisecond).doubleClick(button, gap)
				b.waitForText(text).requirePath(path).delayResponses(0)
			}
			b.open(s.URL+"/account/profile").signIn(alice).fill("name", "Alice")
			twice("submit", "/account/profile", "has been saved")
			b.open(s.URL + "/account/two-factor")
			twice("add", "/account/two-factor/add", "Scan")
			code, err := totp.GenerateCode(strings.ReplaceAll(b.textOf("secret"), " ", ""), s.Clock.Now())
			if err != nil {
				t.Fatal(err)
			}
			b.fill("code", code)
			twice("submit", "/account/two-factor/codes", "App added")
			twice("create", "/account/two-factor/codes", "Save these codes now")
			b.fill("code", strings.Fields(b.textOf("list"))[4])
			twice("submit", "/account/two-factor", "10 recovery codes left")
			b.open(s.URL+"/account/password").fill("current", servertest.Password, "password", newPassword)
			twice("submit", "/account/password", "has been changed")
			b.open(s.URL+"/account/email").fill("email", "carol@example.test")
			twice("submit", "/account/email", "sent a link to the new address")
			if n := len(s.MailsTo("carol@example.test")); n != 1 {
				t.Errorf("%d mails to the new address", n)
			}
			b.open(s.URL + "/account/two-factor").press("edit-0").requirePath("/account/two-factor/edit")
			twice("remove", "/account/two-factor", "Removed")
			b.open(s.URL + "/account/data/delete").click("confirm")
			twice("submit", "/account/deleted", "deleted")
			b.requireNoErrors()
		})
	}
}

// waitForButtons waits until the buttons of a page that follows a button accept clicks.
func (b *tab) waitForButtons() *tab {
	b.t.Helper()
	b.run(chromedp.Sleep(time.Second))
	return b
}

// waitForText waits until the page shows the text.
func (b *tab) waitForText(words string) *tab {
	b.t.Helper()
	ctx := b.ctx
	late := time.Now().Add(time.Minute)
	for time.Now().Before(late) {
		if text, err := chromedp.Run(ctx, chromedp.Text(chromedp.CSS("body"))); err == nil && strings.Contains(text, words) {
			return b
		}
		b.run(chromedp.Sleep(50 * time.Millisecond))
	}
	b.screenshot(failed)
	b.t.Fatalf("at %s: no %q in %q", b.currentURL(), words, b.text())
	return b
}

// A link that is opened in the browser of the flow leads back to the client.
func TestRepair_N2_LinkInTheBrowserThatBegan(t *testing.T) {
	eachSetting(t, func(t *testing.T, l windowSettings) {
		s, c := newServerWithClient(t)
		b := newTab(t, l)
		b.open(c.authorizationURL()).press("register").requirePath("/register").fill("email", alice, "password", servertest.Password).press("submit")
		verify := s.WaitMail(t, alice).Links[0]
		b.open(verify).requirePath("/verify-email").press("submit").requirePath("/login").requireAccessible("verified").screenshot("1-verified")
		b.signIn(alice).requirePath("/callback")
		c.redeem(t)
		b.open(verify).requirePath("/verify-email/done").requireAccessible("again").screenshot("2-again")

		b.open(c.authorizationURL("prompt", "login")).requirePath("/login").press("forgot").fill("email", alice).press("submit")
		reset := s.WaitMail(t, alice).Links[0]
		b.open(reset).requirePath("/reset-password").fill("password", newPassword).press("submit").requirePath("/login").requireAccessible("changed").screenshot("3-changed")
		b.run(chromedp.NavigateBack())
		b.requirePath("/login").screenshot("4-back") // the used link leads to the flow again
		b.fill("email", alice, "password", newPassword).press("submit").requirePath("/callback")
		c.redeem(t)
		b.open(reset).requirePath("/reset-password/done")
		b.run(chromedp.Reload())
		b.requirePath("/reset-password/done").screenshot("5-reload")
		b.requireNoErrors()
	})
}

// A link that is opened on another device leads to sign-in there, and the first browser
// continues the flow.
func TestRepair_N2_LinkOnThePhone(t *testing.T) {
	eachSetting(t, func(t *testing.T, l windowSettings) {
		s, c := newServerWithClient(t)
		b, phone := newTab(t, l), newTab(t, windowSettings{dark: l.dark, language: l.language, noScript: l.noScript, width: 360})
		b.open(c.authorizationURL()).press("register").requirePath("/register").fill("email", alice, "password", servertest.Password).press("submit")
		phone.open(s.WaitMail(t, alice).Links[0]).requirePath("/verify-email").fill("password", newPassword).press("submit").
			requirePath("/verify-email/done").requireAccessible("done").screenshot("1-done")
		phone.press("next").requirePath("/login").fill("email", alice, "password", newPassword).press("submit").requirePath("/account").screenshot("2-account")

		b.press("login").requirePath("/login").fill("email", alice, "password", newPassword).press("submit").requirePath("/callback")
		c.redeem(t)
		b.requireNoErrors()
		phone.requireNoErrors()
	})
}
