package attacks_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/servertest"
)

// TestAttack_SE_09_ThisWasNotMe signs a thief in who knows the password. The notice to the owner ends all of the
// thief's access, and keeps it ended until the owner proves the address.
func TestAttack_SE_09_ThisWasNotMe(t *testing.T) {
	t.Parallel()
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		own := s.SignUp(t, alice)
		thief := s.Browser(t)
		thief.Open("/login")
		thief.Press("submit", "email", alice, "password", servertest.Password, "remember", "on").Want(t, 200).At(t, "/account")
		notice := servertest.LinkToken(t, s.WaitNotice(t, alice))

		owner := s.Browser(t)
		for range 2 { // a mail scanner opens it first
			owner.Open("/secure-account?token="+notice).Want(t, 200)
		}
		me(t, s, servertest.Bearer(own.AccessToken)).Want(t, 200)
		owner.Press("submit").Want(t, 200).At(t, "/secure-account/done")

		thief.Open("/account").At(t, "/login")
		thief.Press("submit", "email", alice, "password", servertest.Password).Want(t, http.StatusForbidden).At(t, "/login")
		me(t, s, servertest.Bearer(own.AccessToken)).Want(t, 401)
		refresh(t, s, own.RefreshToken).WantCode(t, 401, "invalid_refresh_token")
		login(t, s, alice, servertest.Password).WantCode(t, 403, "account_locked")
		login(t, s, alice, wrongPassword).WantCode(t, 401, "invalid_credentials")

		m := s.WaitMail(t, alice)
		if m.Kind != auth.MailAccountLocked {
			t.Fatalf("mail %s", m.Kind)
		}
		resetPassword(t, s, servertest.LinkToken(t, m), otherPassword).Want(t, 204)
		login(t, s, alice, servertest.Password).WantCode(t, 401, "invalid_credentials")
		s.Login(t, alice, otherPassword)
		thief.Open("/account").At(t, "/login")
	})
}

// The button on the account page does the same as the link of a notice.
func TestAttack_SE_09_LockOwnAccount(t *testing.T) {
	t.Parallel()
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		s.Enrol(t, alice)
		own := s.Login(t, alice, servertest.Password)
		b := s.Browser(t)
		b.Open("/login")
		b.Press("submit", "email", alice, "password", servertest.Password).At(t, "/account")
		b.Open("/account/sessions")
		b.Press("secure").Want(t, 200).At(t, "/secure-account/done")
		b.Open("/account").At(t, "/login")
		me(t, s, servertest.Bearer(own.AccessToken)).Want(t, 401)
		login(t, s, alice, servertest.Password).WantCode(t, 403, "account_locked")
	})
}

// TestAttack_PW_14_UndoneAddress changes the address with a stolen password. The link to the old address undoes it.
func TestAttack_PW_14_UndoneAddress(t *testing.T) {
	t.Parallel()
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		thief := s.SignUp(t, alice)
		post(t, s, "/me/email", body{"email": eve, "current_password": servertest.Password}, servertest.Bearer(thief.AccessToken)).Want(t, 200)
		post(t, s, "/verify-email", body{"token": servertest.LinkToken(t, s.WaitMail(t, eve))}, servertest.Bearer(thief.AccessToken)).Want(t, 200)
		notice := servertest.LinkToken(t, s.WaitMail(t, alice))

		owner := s.Browser(t)
		if p := owner.Open("/secure-account?token="+notice).Want(t, 200); !strings.Contains(p.Text(), alice) {
			t.Errorf("the page does not name the address: %s", p.Text())
		}
		owner.Press("submit").Want(t, 200).At(t, "/secure-account/done")
		me(t, s, servertest.Bearer(thief.AccessToken)).Want(t, 401)
		resetPassword(t, s, servertest.LinkToken(t, s.WaitMail(t, alice)), otherPassword).Want(t, 204)
		s.Login(t, alice, otherPassword)
		login(t, s, eve, servertest.Password).WantCode(t, 401, "invalid_credentials")
	})
}
