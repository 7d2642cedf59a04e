package servertest_test

import (
	"testing"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/servertest"
)

// TestMainJob registers, verifies, signs in, refreshes and signs out.
func TestMainJob(t *testing.T) {
	t.Parallel()
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		const alice = "alice@example.test"
		s.Register(t, alice, servertest.Password)
		s.Do(t, "POST", "/api/v1/login", map[string]string{"email": alice, "password": servertest.Password}).WantCode(t, 403, "email_not_verified")
		mail := s.WaitMail(t, alice)
		if mail.Kind != auth.MailVerify {
			t.Errorf("mail %s", mail.Kind)
		}
		token := servertest.LinkToken(t, mail)
		s.Do(t, "POST", "/api/v1/verify-email", map[string]string{"token": token}).Want(t, 200)
		if r := s.Do(t, "POST", "/api/v1/verify-email", map[string]string{"token": token}); r.Status < 400 {
			t.Errorf("the link worked twice: %d", r.Status)
		}
		s.Do(t, "POST", "/api/v1/login", map[string]string{"email": alice, "password": "wrong"}).WantCode(t, 401, "invalid_credentials")

		first := s.Login(t, alice, servertest.Password)
		var me struct {
			Email string `json:"email"`
		}
		s.Do(t, "GET", "/api/v1/me", nil, servertest.Bearer(first.AccessToken)).Want(t, 200).Decode(t, &me)
		if me.Email != alice {
			t.Errorf("me: %q", me.Email)
		}
		s.Clock.Advance(time.Duration(first.ExpiresIn)*time.Second + 2*time.Minute)
		s.Do(t, "GET", "/api/v1/me", nil, servertest.Bearer(first.AccessToken)).Want(t, 401)

		second := s.Refresh(t, first.RefreshToken)
		s.Do(t, "GET", "/api/v1/me", nil, servertest.Bearer(second.AccessToken)).Want(t, 200)

		s.Do(t, "POST", "/api/v1/logout", map[string]string{"refresh_token": second.RefreshToken}, servertest.Bearer(second.AccessToken)).Want(t, 204)
		s.Do(t, "GET", "/api/v1/me", nil, servertest.Bearer(second.AccessToken)).Want(t, 401)
		s.Do(t, "POST", "/api/v1/refresh", map[string]string{"refresh_token": second.RefreshToken}).WantCode(t, 401, "invalid_refresh_token")
	})
}

func TestForgottenPassword(t *testing.T) {
	t.Parallel()
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		const alice = "alice@example.test"
		before := s.SignUp(t, alice)
		s.Do(t, "POST", "/api/v1/password/forgot", map[string]string{"email": alice}).Want(t, 202)
		mail := s.WaitMail(t, alice)
		if mail.Kind != auth.MailReset {
			t.Fatalf("mail %s", mail.Kind)
		}
		const fresh = "other-brave-walnuts-77"
		s.Do(t, "POST", "/api/v1/password/reset", map[string]string{"token": servertest.LinkToken(t, mail), "password": fresh}).Want(t, 204)
		s.Do(t, "GET", "/api/v1/me", nil, servertest.Bearer(before.AccessToken)).Want(t, 401)
		s.Do(t, "POST", "/api/v1/login", map[string]string{"email": alice, "password": servertest.Password}).Want(t, 401)
		s.Login(t, alice, fresh)
		if m := s.WaitMail(t, alice); m.Kind != auth.MailPasswordChanged {
			t.Errorf("mail %s, want the notice", m.Kind)
		}
	})
}

// A change on one node is visible on the other.
func TestNodesShareEverything(t *testing.T) {
	t.Parallel()
	nodes := servertest.Nodes(t, 2)
	a, b := nodes[0], nodes[1]
	a.Register(t, "alice@example.test", servertest.Password)
	// Either node may have sent the mail.
	deadline := time.Now().Add(time.Minute)
	for len(a.MailsTo("alice@example.test"))+len(b.MailsTo("alice@example.test")) == 0 {
		if time.Now().After(deadline) {
			t.Fatal("no mail")
		}
		time.Sleep(5 * time.Millisecond)
	}
	mail := append(a.MailsTo("alice@example.test"), b.MailsTo("alice@example.test")...)[0]
	b.Do(t, "POST", "/api/v1/verify-email", map[string]string{"token": servertest.LinkToken(t, mail)}).Want(t, 200)
	tokens := a.Login(t, "alice@example.test", servertest.Password)
	b.Do(t, "GET", "/api/v1/me", nil, servertest.Bearer(tokens.AccessToken)).Want(t, 200)
	next := b.Refresh(t, tokens.RefreshToken)
	a.Do(t, "POST", "/api/v1/logout", nil, servertest.Bearer(next.AccessToken)).Want(t, 204)
	b.Do(t, "GET", "/api/v1/me", nil, servertest.Bearer(next.AccessToken)).Want(t, 401)
}
