package browser

import (
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/pquerna/otp/totp"

	"github.com/watchword-auth/watchword/internal/servertest"
)

// textOf returns the text of an element.
func (b *tab) textOf(id string) string {
	b.t.Helper()
	text, err := chromedp.Run(b.ctx, chromedp.Evaluate[string](`document.getElementById("`+id+`").textContent`))
	if err != nil {
		b.t.Fatal(err)
	}
	return text
}

// A user goes through the pages of the account, adds an authenticator app, saves recovery codes and
// changes the password.
func TestAccountPages(t *testing.T) {
	eachSetting(t, func(t *testing.T, l windowSettings) {
		s := servertest.New(t)
		s.Enrol(t, alice)
		b := newTab(t, l)
		b.open(s.URL + "/account/profile").requirePath("/login").signIn(alice).requirePath("/account/profile")
		b.fill("name", "Alice Liddell").press("submit").requirePath("/account/profile").requireAccessible("profile").screenshot("1-profile")

		b.open(s.URL + "/account/two-factor").requireAccessible("off").screenshot("2-off").press("add").requirePath("/account/two-factor/add").requireAccessible("add")
		code, err := totp.GenerateCode(strings.ReplaceAll(b.textOf("secret"), " ", ""), s.Clock.Now())
		if err != nil {
			t.Fatal(err)
		}
		b.screenshot("3-add").fill("code", code).press("submit").requirePath("/account/two-factor/codes").requireAccessible("codes").screenshot("4-codes")
		b.press("create").requireAccessible("new codes").screenshot("5-new-codes")
		b.fill("code", strings.Fields(b.textOf("list"))[4]).press("submit").requirePath("/account/two-factor").requireAccessible("on").screenshot("6-on")

		b.open(s.URL + "/account/password").requireAccessible("password").screenshot("7-password")
		b.fill("current", servertest.Password, "password", newPassword).press("submit").requirePath("/account/password").requireAccessible("changed").screenshot("8-changed")
		b.open(s.URL + "/account").requirePath("/account").requireText("Alice Liddell").requireAccessible("overview").screenshot("9-overview")
		b.requireNoErrors()
	})
}
