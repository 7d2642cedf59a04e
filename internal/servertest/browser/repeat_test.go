package browser

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"github.com/watchword-auth/watchword/internal/servertest"
)

const changed = "nine-loud-badgers-17"

// gaps are those between the two clicks of a double click, in the order in which people make them.
var gaps = []time.Duration{0, 50 * time.Millisecond, 150 * time.Millisecond, 300 * time.Millisecond}

// slow delays every answer, so that a second click comes before the answer to the first.
func (b *tab) slow(latency time.Duration) *tab {
	b.t.Helper()
	call(b, network.EmulateNetworkConditionsByRule, network.EmulateNetworkConditionsByRuleParams{MatchedNetworkConditions: []*network.Conditions{
		{Latency: float64(latency.Milliseconds()), DownloadThroughput: -1, UploadThroughput: -1}}})
	return b
}

// doubleClick clicks a button twice where it is, with a gap.
func (b *tab) doubleClick(id string, gap time.Duration) *tab {
	b.t.Helper()
	b.do(chromedp.ScrollIntoView(chromedp.ID(id)))
	box, err := chromedp.Run(b.ctx, chromedp.Dimensions(chromedp.ID(id)))
	if err != nil {
		b.t.Fatal(err)
	}
	x, y := (box.Content[0]+box.Content[4])/2, (box.Content[1]+box.Content[5])/2
	b.do(chromedp.MouseClickXY(x, y), chromedp.Sleep(gap), chromedp.MouseClickXY(x, y))
	return b
}

// A double click on the buttons of registration, verification and reset ends like a click.
func TestRepair_B1_DoubleClicks(t *testing.T) {
	t.Parallel()
	chromium(t)
	for _, gap := range gaps {
		t.Run(fmt.Sprint(gap), func(t *testing.T) {
			t.Parallel()
			s, c := shop(t)
			b := newTab(t, look{})
			b.open(c.start()).press("register").at("/register").fill("email", alice, "password", servertest.Password)
			b.slow(400*time.Millisecond).doubleClick("submit", gap)
			b.reads("Check your email").slow(0)
			link := s.WaitMail(t, alice).Links[0]

			b.open(link).at("/verify-email").slow(400*time.Millisecond).doubleClick("submit", gap)
			b.at("/login").reads("confirmed").slow(0)
			if n := len(s.MailsTo(alice)); n != 1 {
				t.Errorf("%d mails", n)
			}

			b.press("forgot").at("/forgot-password").fill("email", alice)
			b.slow(400*time.Millisecond).doubleClick("submit", gap)
			b.reads("Check your email").slow(0)
			b.open(s.WaitMail(t, alice).Links[0]).at("/reset-password").fill("password", changed)
			b.slow(400*time.Millisecond).doubleClick("submit", gap)
			b.at("/login").reads("has been changed").slow(0)
			b.fill("email", alice, "password", changed).press("submit").at("/callback")
			c.redeem(t)
			b.quiet()
		})
	}
}

// A double click on the button of a device or an app does not reach the next one, which takes its place.
func TestDoubleClicksOnTheAccountPage(t *testing.T) {
	t.Parallel()
	chromium(t)
	for _, gap := range gaps {
		t.Run(fmt.Sprint(gap), func(t *testing.T) {
			t.Parallel()
			s := servertest.New(t)
			s.Enrol(t, alice)
			for range 5 {
				s.Login(t, alice, servertest.Password)
			}
			b := newTab(t, look{})
			b.open(s.URL + "/login").signIn(alice).at("/account")
			for want := 5; want > 2; want-- {
				b.doubleClick("end-1", gap).reads("Device signed out")
				b.rested()
				got, err := chromedp.Run(b.ctx, chromedp.Evaluate[int](`document.querySelectorAll("#devices li").length`))
				if err != nil || got != want {
					t.Fatalf("%d sessions, want %d: %v", got, want, err)
				}
			}
			b.quiet()
		})
	}
}

// rested waits until the buttons of a page that follows a button take clicks.
func (b *tab) rested() *tab {
	b.t.Helper()
	b.do(chromedp.Sleep(time.Second))
	return b
}

// reads waits until the page shows the words.
func (b *tab) reads(words string) *tab {
	b.t.Helper()
	ctx := b.ctx
	late := time.Now().Add(time.Minute)
	for time.Now().Before(late) {
		if text, err := chromedp.Run(ctx, chromedp.Text(chromedp.CSS("body"))); err == nil && strings.Contains(text, words) {
			return b
		}
		b.do(chromedp.Sleep(50 * time.Millisecond))
	}
	b.shot("failed")
	b.t.Fatalf("at %s: no %q in %q", b.where(), words, b.text())
	return b
}

// The link of the mail is opened in the browser that began, and leads back to the client.
func TestRepair_N2_LinkInTheBrowserThatBegan(t *testing.T) {
	everyLook(t, func(t *testing.T, l look) {
		s, c := shop(t)
		b := newTab(t, l)
		b.open(c.start()).press("register").at("/register").fill("email", alice, "password", servertest.Password).press("submit")
		verify := s.WaitMail(t, alice).Links[0]
		b.open(verify).at("/verify-email").press("submit").at("/login").accessible("verified").shot("1-verified")
		b.signIn(alice).at("/callback")
		c.redeem(t)
		b.open(verify).at("/verify-email/done").accessible("again").shot("2-again")

		b.open(c.start("prompt", "login")).at("/login").press("forgot").fill("email", alice).press("submit")
		reset := s.WaitMail(t, alice).Links[0]
		b.open(reset).at("/reset-password").fill("password", changed).press("submit").at("/login").accessible("changed").shot("3-changed")
		b.do(chromedp.NavigateBack())
		b.at("/login").shot("4-back") // the used link leads to the flow again
		b.fill("email", alice, "password", changed).press("submit").at("/callback")
		c.redeem(t)
		b.open(reset).at("/reset-password/done")
		b.do(chromedp.Reload())
		b.at("/reset-password/done").shot("5-reload")
		b.quiet()
	})
}

// The link is opened on another device: it says what has happened and leads to sign-in there,
// and the first browser goes on.
func TestRepair_N2_LinkOnThePhone(t *testing.T) {
	everyLook(t, func(t *testing.T, l look) {
		s, c := shop(t)
		b, phone := newTab(t, l), newTab(t, look{dark: l.dark, language: l.language, noScript: l.noScript, width: 360})
		b.open(c.start()).press("register").at("/register").fill("email", alice, "password", servertest.Password).press("submit")
		phone.open(s.WaitMail(t, alice).Links[0]).at("/verify-email").fill("password", changed).press("submit").
			at("/verify-email/done").accessible("done").shot("1-done")
		phone.press("next").at("/login").fill("email", alice, "password", changed).press("submit").at("/account").shot("2-account")

		b.press("login").at("/login").fill("email", alice, "password", changed).press("submit").at("/callback")
		c.redeem(t)
		b.quiet()
		phone.quiet()
	})
}
