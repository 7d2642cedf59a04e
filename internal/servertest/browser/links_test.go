package browser

import (
	"testing"

	"github.com/watchword-auth/watchword/internal/servertest"
)

const alice = "alice@example.test"

// TestMailedLinks: the links of mails lead people through, with scripts and without.
func TestMailedLinks(t *testing.T) {
	everyLook(t, func(t *testing.T, l look) {
		s := servertest.New(t)
		b := newTab(t, l)
		s.Register(t, alice, servertest.Password)
		link := s.WaitMail(t, alice).Links[0]
		b.open(link).at("/verify-email").accessible("verify").shot("1-verify")
		b.fill("password", servertest.Password).press("submit").at("/verify-email/done").accessible("verified").shot("2-verified")
		b.open(link).at("/verify-email").accessible("spent").shot("3-spent")
		s.Login(t, alice, servertest.Password)

		s.Do(t, "POST", "/api/v1/password/forgot", map[string]string{"email": alice}).Want(t, 202)
		b.open(s.WaitMail(t, alice).Links[0]).at("/reset-password").accessible("reset").shot("4-reset")
		b.fill("password", "12345678").press("submit").at("/reset-password").accessible("refused").shot("5-refused")
		b.fill("password", "nine-loud-badgers-17").press("submit").at("/reset-password/done").shot("6-done")
		s.Login(t, alice, "nine-loud-badgers-17")
		b.quiet()
	})
}

// everyLook runs a test with scripts in light and wide, and without in dark and
// narrow and German, beside other tests, in the real browser.
func everyLook(t *testing.T, fn func(t *testing.T, l look)) {
	t.Helper()
	t.Parallel()
	chromium(t)
	t.Run("script", func(t *testing.T) { t.Parallel(); fn(t, look{}) })
	t.Run("noscript", func(t *testing.T) { t.Parallel(); fn(t, look{noScript: true, dark: true, language: "de", width: 320}) })
}
