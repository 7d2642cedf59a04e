package attacks_test

import (
	"strings"
	"testing"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/client"
	"github.com/watchword-auth/watchword/internal/servertest"
)

// The consent page calls only native clients an app on the device, and lists only existing
// claims.
func TestRepair_N20_ConsentSaysWhatIs(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	createAccount(t, s, alice)
	for _, kind := range []auth.ClientType{auth.ClientWeb, auth.ClientNative} {
		c := newThirdParty(t, s, auth.DefaultTenant, func(r *client.Registration) {
			r.Type, r.RedirectURIs = kind, []string{"http://127.0.0.1/callback"}
		})
		b := s.Browser(t)
		b.Open(authorizationQuery(c, "scope", "openid profile", "redirect_uri", "http://127.0.0.1/callback"))
		text := signIn(t, b, alice).At(t, "/consent").Text()
		if strings.Contains(text, "app on your device") != (kind == auth.ClientNative) {
			t.Errorf("%s: %s", kind, text)
		}
		if strings.Contains(text, "website") || !strings.Contains(text, "name, username, picture and language") {
			t.Errorf("%s: %s", kind, text)
		}
	}
}

// A signed-in user sets a new password from the account page, the target of /.well-
// known/change-password.
func TestRepair_N21_NewPasswordFromTheAccountPage(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	createAccount(t, s, alice)
	b := s.Browser(t)
	b.Open("/login")
	b.Press("submit", "email", alice, "password", servertest.Password).At(t, "/account")

	b.Open("/.well-known/change-password").At(t, "/account/password")
	b.Press("new-password").Want(t, 200).At(t, "/account/password")

	b.Open("/reset-password?token=" + servertest.LinkToken(t, s.WaitMail(t, alice)))
	b.Press("submit", "password", otherPassword).Want(t, 200)
	s.Login(t, alice, otherPassword)
}
