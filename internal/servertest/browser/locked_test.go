package browser

import (
	"testing"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/servertest"
)

// A tenant with user names: registration and sign-in.
func TestUsernames(t *testing.T) {
	eachSetting(t, func(t *testing.T, l windowSettings) {
		s := servertest.New(t)
		if _, err := s.Tenants.Update(t.Context(), auth.DefaultTenant, func(v *auth.Tenant) error {
			v.Settings.Identifiers = auth.IdentifyByBoth
			return nil
		}, auth.System); err != nil {
			t.Fatal(err)
		}
		b := newTab(t, l)
		b.open(s.URL + "/login").requireAccessible("login").screenshot("1-login").press("register").requirePath("/register")
		b.fill("email", alice, "username", "admin", "password", servertest.Password).press("submit").requirePath("/register").requireAccessible("refused").screenshot("2-refused")
		b.fill("username", "alice", "password", servertest.Password).press("submit")
		b.open(s.WaitMail(t, alice).Links[0]).press("submit").requirePath("/login")
		b.open(s.URL+"/login").fill("email", "Alice", "password", servertest.Password).press("submit").requirePath("/account").requireNoErrors()
	})
}

// The owner locks the account by the link of a notice, and sets a new password.
func TestLockedAccount(t *testing.T) {
	eachSetting(t, func(t *testing.T, l windowSettings) {
		s := servertest.New(t)
		s.SignUp(t, alice)
		b := newTab(t, l)
		b.open(s.URL + "/login").signIn(alice).requirePath("/account").requireAccessible("account").screenshot("1-account")
		b.open(s.WaitNotice(t, alice).Links[0]).requirePath("/secure-account").requireAccessible("secure").screenshot("2-secure")
		b.press("submit").requirePath("/secure-account/done").requireAccessible("locked").screenshot("3-locked")
		b.open(s.URL + "/login").signIn(alice).requirePath("/login").requireAccessible("refused").screenshot("4-refused")
		b.open(s.WaitMail(t, alice).Links[0]).fill("password", "nine-loud-badgers-17").press("submit").requirePath("/reset-password/done").requireNoErrors()
	})
}
