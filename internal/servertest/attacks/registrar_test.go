package attacks_test

import (
	"net/url"
	"testing"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/client"
	"github.com/watchword-auth/watchword/internal/servertest"
)

// TestRepair_S2_TheBrowserThatRegistered: a registration link needs no password in the browser
// that registered, and a new one in any other browser, where the first password never becomes
// valid.
func TestRepair_S2_TheBrowserThatRegistered(t *testing.T) {
	t.Parallel()
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		register := func(email string) (*servertest.Browser, string) {
			b := s.Browser(t)
			b.Open("/register")
			b.Press("submit", "email", email, "password", otherPassword).Want(t, 200)
			return b, s.WaitMail(t, email).Links[0]
		}

		own, link := register(alice)
		if p := own.Open(link).Want(t, 200); p.Has("password") {
			t.Errorf("the browser that registered is asked for a password: %s", p.Text())
		}
		own.Press("submit").At(t, "/login")
		login(t, s, alice, otherPassword).Want(t, 200)

		_, link = register(bob)
		owner := s.Browser(t)
		owner.Open("/login") // has a browser's cookie too
		if p := owner.Open(link).Want(t, 200); !p.Has("password") {
			t.Errorf("another browser is not asked for a password: %s", p.Text())
		}
		token := linkToken(t, link)
		s.Do(t, "POST", "/verify-email", "token="+token, servertest.Header("Content-Type", "application/x-www-form-urlencoded"), withOwnOrigin(s)).Want(t, 400)
		login(t, s, bob, otherPassword).WantCode(t, 403, "email_not_verified")
		owner.Press("submit", "password", servertest.Password).At(t, "/verify-email/done")
		login(t, s, bob, otherPassword).WantCode(t, 401, "invalid_credentials")
		login(t, s, bob, servertest.Password).Want(t, 200)
	})
}

// TestRepair_N2_EveryPageHasAWayOn: every page behind a mailed link has a next step.
func TestRepair_N2_EveryPageHasAWayOn(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	b := s.Browser(t)
	b.Open("/register")
	if p := b.Press("submit", "email", alice, "password", servertest.Password).Want(t, 200); !p.Has("again") || !p.Has("login") {
		t.Errorf("check your mail: %s", p.Body)
	}
	first := s.WaitMail(t, alice).Links[0]
	b.Press("again").Want(t, 200)
	link := s.WaitMail(t, alice).Links[0]
	if p := b.Open(first).Want(t, 400); !p.Has("login") {
		t.Errorf("a replaced link: %s", p.Body)
	}
	b.Open(link)
	b.Press("submit").Want(t, 200).At(t, "/login") // the flow goes on
	b.Open(link).Want(t, 200).At(t, "/login")
	if p := s.Browser(t).Open(link).Want(t, 400); p.Link("login") != "/login" {
		t.Errorf("a used link: %s", p.Body)
	}

	b.Open("/forgot-password")
	if p := b.Press("submit", "email", alice).Want(t, 200); !p.Has("again") {
		t.Errorf("check your mail: %s", p.Body)
	}
	s.WaitMail(t, alice)
	b.Press("again").Want(t, 200)
	link = s.WaitMail(t, alice).Links[0]
	phone := s.Browser(t)
	phone.Open(link)
	if p := phone.Press("submit", "password", otherPassword).At(t, "/reset-password/done"); p.Link("next") != "/login" {
		t.Errorf("set: %s", p.Body)
	}
	if p := b.Open(link).Want(t, 400); p.Link("forgot") != "/forgot-password" {
		t.Errorf("a used link: %s", p.Body)
	}
	for _, path := range []string{"/nowhere", "/login?flow=gone"} {
		if p := b.Open(path).Want(t, 404); p.Link("login") != "/login" {
			t.Errorf("%s: %s", path, p.Body)
		}
	}
}

// A flow that cannot be continued leads to the home page of its client, in the browser in
// which it began, if an operator has registered the client.
func TestRepair_N2_FlowOverLeadsHome(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	c := newThirdParty(t, s, auth.DefaultTenant, func(r *client.Registration) { r.ClientURI = "https://ledger.example/" })
	b := s.Browser(t)
	flow := b.Open(authorizationQuery(c)).At(t, "/login").Value("flow")
	s.Clock.Advance(24 * time.Hour)
	if p := b.Open("/login?flow="+flow).Want(t, 404); p.Link("home") != "https://ledger.example/" || p.Link("login") != "/login" {
		t.Errorf("no way on: %s", p.Body)
	}
	if p := s.Browser(t).Open("/login?flow="+flow).Want(t, 404); p.Has("home") {
		t.Errorf("another browser learns of the client: %s", p.Body)
	}
}

func linkToken(t *testing.T, link string) string {
	t.Helper()
	u, err := url.Parse(link)
	if err != nil {
		t.Fatal(err)
	}
	return u.Query().Get("token")
}
