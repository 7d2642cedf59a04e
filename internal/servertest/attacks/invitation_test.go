package attacks_test

import (
	"testing"
	"time"

	"github.com/watchword-auth/watchword/internal/account"
	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/servertest"
)

// TestAttack_PW_18_Invitations: the link of an invitation opens only its own account, once,
// before it expires, and other members of the request have no effect.
func TestAttack_PW_18_Invitations(t *testing.T) {
	t.Parallel()
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		invite := func(email string) string {
			if _, err := s.Accounts.Create(t.Context(), auth.DefaultTenant, account.Creation{Email: email}, auth.System); err != nil {
				t.Fatal(err)
			}
			return servertest.LinkToken(t, s.WaitMail(t, email))
		}
		accept := func(token string, more body) servertest.Response {
			more["token"], more["password"] = token, servertest.Password
			return post(t, s, "/verify-email", more)
		}

		token := invite(alice)
		accept(token, body{"email": eve}).Want(t, 400)
		accept(token, body{"roles": []string{auth.AdminRole}}).Want(t, 400)
		s.Do(t, "POST", "/verify-email", "token="+token+"&password="+servertest.Password+"&email="+eve+"&role="+auth.AdminRole,
			servertest.Header("Content-Type", formType), withOwnOrigin(s)).Want(t, 303)
		accept(token, body{}).WantCode(t, 400, "invalid_link")

		login(t, s, eve, servertest.Password).Want(t, 401)
		got := me(t, s, servertest.Bearer(s.Login(t, alice, servertest.Password).AccessToken)).Want(t, 200)
		var profile struct {
			Email string
			Roles []string
		}
		if got.Decode(t, &profile); profile.Email != alice || len(profile.Roles) != 0 {
			t.Errorf("%s", got.Body)
		}

		late := invite(bob)
		s.Clock.Advance(s.Config.Links.Verify + time.Second)
		accept(late, body{}).WantCode(t, 400, "invalid_link")
		login(t, s, bob, servertest.Password).Want(t, 401)
	})
}
