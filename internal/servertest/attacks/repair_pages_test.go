package attacks_test

import (
	"strings"
	"testing"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/client"
	"github.com/watchword-auth/watchword/internal/servertest"
)

// The consent page calls a client an app on the device only where it may be one, and
// promises no claim that does not exist.
func TestRepair_N20_ConsentSaysWhatIs(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	member(t, s, alice)
	for _, kind := range []auth.ClientType{auth.ClientWeb, auth.ClientNative} {
		c := thirdParty(t, s, auth.DefaultTenant, func(r *client.Registration) {
			r.Type, r.RedirectURIs = kind, []string{"http://127.0.0.1/callback"}
		})
		b := s.Browser(t)
		b.Open(authorizationQuery(c, "scope", "openid profile", "redirect_uri", "http://127.0.0.1/callback"))
		text := enter(t, b, alice).At(t, "/consent").Text()
		if strings.Contains(text, "app on your device") != (kind == auth.ClientNative) {
			t.Errorf("%s: %s", kind, text)
		}
		if strings.Contains(text, "picture") || strings.Contains(text, "language") {
			t.Errorf("%s: %s", kind, text)
		}
	}
}

// A person who is signed in gets a new password from the account page, where password
// managers lead too.
func TestRepair_N21_NewPasswordFromTheAccountPage(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	member(t, s, alice)
	b := s.Browser(t)
	b.Open("/login")
	b.Press("submit", "email", alice, "password", servertest.Password).At(t, "/account")

	b.Open("/.well-known/change-password").At(t, "/account")
	b.Press("new-password").Want(t, 200).At(t, "/account")

	b.Open("/reset-password?token=" + servertest.LinkToken(t, s.WaitMail(t, alice)))
	b.Press("submit", "password", otherPassword).Want(t, 200)
	s.Login(t, alice, otherPassword)
}
