package browser

import (
	"testing"

	"github.com/watchword-auth/watchword/internal/servertest"
)

const alice = "alice@example.test"

// Links in mails work with scripts and without.
func TestMailedLinks(t *testing.T) {
	eachSetting(t, func(t *testing.T, l windowSettings) {
		s := servertest.New(t)
		b := newTab(t, l)
		s.Register(t, alice, servertest.Password)
		link := s.WaitMail(t, alice).Links[0]
		b.open(link).requirePath("/verify-email").requireAccessible("verify").screenshot("1-verify")
		b.fill("password", servertest.Password).press("submit").requirePath("/verify-email/done").requireAccessible("verified").screenshot("2-verified")
		b.open(link).requirePath("/verify-email").requireAccessible("spent").screenshot("3-spent")
		s.Login(t, alice, servertest.Password)

		s.Do(t, "POST", "/api/v1/password/forgot", map[string]string{"email": alice}).Want(t, 202)
		b.open(s.WaitMail(t, alice).Links[0]).requirePath("/reset-password").requireAccessible("reset").screenshot("4-reset")
		b.fill("password", "12345678").press("submit").requirePath("/reset-password").requireAccessible("refused").screenshot("5-refused")
		b.fill("password", "nine-loud-badgers-17").press("submit").requirePath("/reset-password/done").screenshot("6-done")
		s.Login(t, alice, "nine-loud-badgers-17")
		b.requireNoErrors()
	})
}

// eachSetting runs a test in the real browser twice: with scripts, light, wide; and without
// scripts, dark, narrow, in German.
func eachSetting(t *testing.T, fn func(t *testing.T, l windowSettings)) {
	t.Helper()
	t.Parallel()
	chromium(t)
	t.Run("script", func(t *testing.T) { t.Parallel(); fn(t, windowSettings{}) })
	t.Run("noscript", func(t *testing.T) {
		t.Parallel()
		fn(t, windowSettings{noScript: true, dark: true, language: "de", width: 320})
	})
}
