package servertest

import (
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/outbox"
)

// Password is the password of SignUp; it passes the default policy.
const Password = "seven-quiet-otters-42"

// Tokens is the response to a sign-in or refresh.
type Tokens struct {
	AccessToken      string `json:"access_token"`
	TokenType        string `json:"token_type"`
	ExpiresIn        int    `json:"expires_in"`
	RefreshToken     string `json:"refresh_token"`
	RefreshExpiresIn int    `json:"refresh_expires_in"`
	Scope            string `json:"scope"`
}

// Register registers an account and requires status 202.
func (s *Server) Register(t testing.TB, email, password string) {
	t.Helper()
	s.Do(t, "POST", "/api/v1/register", map[string]string{"email": email, "password": password}).Want(t, 202)
}

// Verify verifies an address by the link in the next mail to it.
func (s *Server) Verify(t testing.TB, email string) {
	t.Helper()
	s.Do(t, "POST", "/api/v1/verify-email", map[string]string{"token": LinkToken(t, s.WaitMail(t, email))}).Want(t, 200)
}

// Enrol registers accounts with Password and verifies their addresses, without signing in.
func (s *Server) Enrol(t testing.TB, emails ...string) {
	t.Helper()
	for _, email := range emails {
		s.Register(t, email, Password)
		s.Verify(t, email)
	}
}

// Login signs in.
func (s *Server) Login(t testing.TB, email, password string) Tokens {
	t.Helper()
	return decodeTokens(t, s.Do(t, "POST", "/api/v1/login", map[string]string{"email": email, "password": password}))
}

// SignUp registers with Password, verifies and signs in.
func (s *Server) SignUp(t testing.TB, email string) Tokens {
	t.Helper()
	s.Enrol(t, email)
	return s.Login(t, email, Password)
}

// Refresh exchanges a refresh token.
func (s *Server) Refresh(t testing.TB, refreshToken string) Tokens {
	t.Helper()
	return decodeTokens(t, s.Do(t, "POST", "/api/v1/refresh", map[string]string{"refresh_token": refreshToken}))
}

func decodeTokens(t testing.TB, r Response) Tokens {
	t.Helper()
	var v Tokens
	r.Want(t, 200).Decode(t, &v)
	if v.AccessToken == "" || v.TokenType != "Bearer" {
		t.Fatalf("no tokens: %s", r.Body)
	}
	return v
}

// WaitMail returns the oldest caught mail to the address that it has not returned before, without notices of
// sign-ins from new devices. It waits up to a minute. It does not see mail of other nodes.
func (s *Server) WaitMail(t testing.TB, to string) outbox.Mail {
	t.Helper()
	return s.waitMail(t, to, func(m outbox.Mail) bool { return m.Kind != auth.MailNewDevice })
}

// WaitNotice returns the notice of a sign-in from a new device, as WaitMail does with other mails.
func (s *Server) WaitNotice(t testing.TB, to string) outbox.Mail {
	t.Helper()
	return s.waitMail(t, to, func(m outbox.Mail) bool { return m.Kind == auth.MailNewDevice })
}

func (s *Server) waitMail(t testing.TB, to string, wanted func(outbox.Mail) bool) outbox.Mail {
	t.Helper()
	if s.Mailbox == nil {
		t.Fatal("this server has no mailbox")
	}
	late := time.After(time.Minute)
	for {
		more := s.Mailbox.More()
		if m, ok := s.next(to, wanted); ok {
			return m
		}
		s.Outbox.Wake()
		select {
		case <-more:
		case <-late:
			t.Fatalf("no mail to %s; the mailbox holds %d", to, len(s.Mailbox.Mails()))
		}
	}
}

func (s *Server) next(to string, wanted func(outbox.Mail) bool) (outbox.Mail, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, m := range s.allMailsTo(to) {
		if wanted(m) && !s.read[to][i] {
			if s.read[to] == nil {
				s.read[to] = map[int]bool{}
			}
			s.read[to][i] = true
			return m, true
		}
	}
	return outbox.Mail{}, false
}

// MailsTo lists the caught mails to an address, oldest first, without the notices of WaitNotice.
func (s *Server) MailsTo(to string) []outbox.Mail {
	return slices.DeleteFunc(s.allMailsTo(to), func(m outbox.Mail) bool { return m.Kind == auth.MailNewDevice })
}

func (s *Server) allMailsTo(to string) []outbox.Mail {
	var out []outbox.Mail
	for _, m := range s.Mailbox.Mails() {
		if m.To == to {
			out = append([]outbox.Mail{m}, out...)
		}
	}
	return out
}

// LinkToken returns the secret in a mail's link.
func LinkToken(t testing.TB, m outbox.Mail) string {
	t.Helper()
	if len(m.Links) != 1 {
		t.Fatalf("%q has %d links, want one", m.Subject, len(m.Links))
	}
	u, err := url.Parse(m.Links[0])
	if err != nil || u.Query().Get("token") == "" {
		t.Fatalf("the link %q has no token (%v)", m.Links[0], err)
	}
	return u.Query().Get("token")
}
