package attacks_test

import (
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/client"
	"github.com/watchword-auth/watchword/internal/config"
	"github.com/watchword-auth/watchword/internal/servertest"
)

func makeFirstParty(r *client.Registration) {
	r.FirstParty, r.Scopes = true, []string{"openid", "email"}
}

func countLiveSessions(t *testing.T, s *servertest.Server) int {
	t.Helper()
	return queryValue[int](t, openDatabase(t, s.Config.DatabaseURL()), "SELECT count(*) FROM sessions WHERE ended_at IS NULL AND client_id = 'first-party'")
}

// TestRepair_B1_SignInSentTwice: the second response leads to the client as well, with its own
// code. There is one session.
func TestRepair_B1_SignInSentTwice(t *testing.T) {
	t.Parallel()
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		createAccount(t, s, alice)
		c := newThirdParty(t, s, auth.DefaultTenant, makeFirstParty)
		for name, lost := range map[string]bool{"the cookie came": false, "the cookie was lost": true} {
			for _, prompt := range []string{"", "login"} {
				before := countLiveSessions(t, s)
				b := s.Browser(t)
				page := b.Open(authorizationQuery(c, "prompt", prompt)).At(t, "/login")
				first := signIn(t, b, alice).Answer(t)
				if lost {
					b.SetCookie(cookieName, "")
				}
				hashes := s.Hasher.Stats().Done
				b.Page = page
				second := signIn(t, b, alice).Answer(t)

				if first.Get("code") == "" || second.Get("code") == "" || first.Get("code") == second.Get("code") || second.Get("state") != "the-state" {
					t.Errorf("%s: first %v, second %v", name, first, second)
				}
				if n := s.Hasher.Stats().Done - hashes; !lost && n != 0 {
					t.Errorf("%s: %d hashes", name, n)
				}
				if n := countLiveSessions(t, s) - before; n != 1 {
					t.Errorf("%s: %d sessions", name, n)
				}
				redeem(t, s, c, first)
				tokens := redeem(t, s, c, second)
				s.Do(t, "GET", "/oauth2/userinfo", nil, servertest.Bearer(tokens["access_token"].(string))).Want(t, 200)
				b.Open("/account").At(t, "/account")
			}
		}
	})
}

// TestRepair_B1_SignInSentAtOnce: each of several concurrent responses leads to the client, and
// there is one session.
func TestRepair_B1_SignInSentAtOnce(t *testing.T) {
	t.Parallel()
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		createAccount(t, s, alice)
		c := newThirdParty(t, s, auth.DefaultTenant, makeFirstParty)
		for _, prompt := range []string{"", "login"} {
			before := countLiveSessions(t, s)
			b := s.Browser(t)
			form := b.Open(authorizationQuery(c, "prompt", prompt)).At(t, "/login").Fields(t, "submit")
			form.Set("email", alice)
			form.Set("password", servertest.Password)
			var wg sync.WaitGroup
			codes := sync.Map{}
			for range 4 {
				wg.Go(func() {
					r := s.Do(t, "POST", "/login", form.Encode(), servertest.Header("Content-Type", formType), withOwnOrigin(s), servertest.Header("Cookie", browserCookie+"="+b.Cookie(browserCookie)))
					to, err := url.Parse(r.Header.Get("Location"))
					if err != nil || r.Status != 303 || to.Query().Get("code") == "" {
						t.Errorf("%d to %s: %s", r.Status, r.Header.Get("Location"), r.Body)
						return
					}
					if _, twice := codes.LoadOrStore(to.Query().Get("code"), true); twice {
						t.Error("a code came twice")
					}
				})
			}
			wg.Wait()
			if n := countLiveSessions(t, s) - before; n != 1 {
				t.Errorf("%d sessions", n)
			}
		}
	})
}

// TestRepair_B1_WrongPasswordStaysWrong: a repeated form with another password or account does
// not use the first sign-in.
func TestRepair_B1_WrongPasswordStaysWrong(t *testing.T) {
	t.Parallel()
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		createAccount(t, s, alice)
		createAccount(t, s, eve)
		c := newThirdParty(t, s, auth.DefaultTenant, makeFirstParty)
		b := s.Browser(t)
		page := b.Open(authorizationQuery(c)).At(t, "/login")
		signIn(t, b, alice).Answer(t)
		b.SetCookie(cookieName, "")

		b.Page = page
		b.Press("submit", "email", alice, "password", "not-quite-the-one-31").At(t, "/login").Want(t, 400)
		if b.Cookie(cookieName) != "" {
			t.Error("a session without the password")
		}
		b.Page = page // another user at the same page
		signIn(t, b, eve).Answer(t)
		if p := b.Open("/account").At(t, "/account"); !strings.Contains(p.Text(), eve) || strings.Contains(p.Text(), alice) {
			t.Errorf("signed in: %s", p.Text())
		}
	})
}

// TestRepair_B11_Lunch: the right password after an hour, Back after the sign-in, a reload and a
// bookmark lead to the client.
func TestRepair_B11_Lunch(t *testing.T) {
	t.Parallel()
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		createAccount(t, s, alice)
		c := newThirdParty(t, s, auth.DefaultTenant, makeFirstParty)
		b := s.Browser(t)
		page := b.Open(authorizationQuery(c)).At(t, "/login")
		s.Clock.Advance(61 * time.Minute)
		redeem(t, s, c, signIn(t, b, alice).Answer(t))

		bookmark := "/login?flow=" + page.Value("flow")
		redeem(t, s, c, b.Open(bookmark).Answer(t)) // Back, reload
		redeem(t, s, c, b.Open(bookmark).Answer(t))
		s.Browser(t).Open(bookmark).Want(t, 404)
		s.Clock.Advance(24 * time.Hour)
		if p := b.Open(bookmark).Want(t, 404); p.Link("login") != "/login" {
			t.Errorf("no way on: %s", p.Text())
		}

		own := s.Browser(t)
		own.Open("/account").At(t, "/login")
		s.Clock.Advance(61 * time.Minute)
		signIn(t, own, alice).At(t, "/account")
	})
}

// TestRepair_B11_SidePages: the registration and reset forms of a flow work after an hour as
// well.
func TestRepair_B11_SidePages(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	createAccount(t, s, alice)
	c := newThirdParty(t, s, auth.DefaultTenant, makeFirstParty)
	for _, path := range []string{"register", "forgot"} {
		b := s.Browser(t)
		b.Open(authorizationQuery(c)).At(t, "/login")
		page := b.Open(b.Page.Link(path)).Want(t, 200)
		s.Clock.Advance(61 * time.Minute)
		for range 2 {
			b.Page = page
			sent := b.Press("submit", "email", "new-"+alice, "password", servertest.Password).Want(t, 200)
			if !strings.Contains(sent.Link("login"), "flow=") {
				t.Fatalf("%s: no way on: %s", path, sent.Text())
			}
			b.Open(sent.Link("login")).At(t, "/login")
		}
		redeem(t, s, c, signIn(t, b, alice).Answer(t))
	}
}

// TestRepair_B11_LogoutPage: the confirmation works twice, and after two hours.
func TestRepair_B11_LogoutPage(t *testing.T) {
	t.Parallel()
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		createAccount(t, s, alice)
		b := s.Browser(t)
		for _, open := range []time.Duration{0, 2 * time.Hour} {
			b.Open("/account").At(t, "/login")
			signIn(t, b, alice).At(t, "/account")
			page := b.Open("/logout").Want(t, 200)
			s.Clock.Advance(open)

			b.Press("approve").At(t, "/logout/done")
			b.Page = page
			b.Press("approve").At(t, "/logout/done")
			b.Open("/account").At(t, "/login")
		}
	})
}

// B1: a browser keeps a form whose response was a page, such as form_post. Another person who
// sends that form again later must enter the password.
func TestRepair_B1_PasswordFormSentAgainLater(t *testing.T) {
	t.Parallel()
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		createAccount(t, s, alice)
		c := newThirdParty(t, s, auth.DefaultTenant, makeFirstParty)
		for name, after := range map[string]struct{ lunch, later time.Duration }{
			"at once": {}, "within the minute": {later: 30 * time.Second}, "after the minute": {later: 2 * time.Minute}, "in the evening": {later: 8 * time.Hour},
			"page was old, at once": {lunch: 61 * time.Minute}, "page was old, after the minute": {lunch: 61 * time.Minute, later: 2 * time.Minute},
		} {
			b := s.Browser(t)
			page := b.Open(authorizationQuery(c, "response_mode", "form_post")).At(t, "/login")
			s.Clock.Advance(after.lunch) // the user signs in within a successor of the page's flow
			signIn(t, b, alice)
			b.Open("/logout").Want(t, 200)
			b.Press("approve").At(t, "/logout/done")
			s.Clock.Advance(after.later)

			b.Page = page
			signIn(t, b, alice)
			if b.Cookie(cookieName) != "" || !strings.HasSuffix(b.Page.URL.Path, "/login") {
				t.Errorf("%s: signed in again at %s", name, b.Page.URL)
			}
			signIn(t, b, alice) // who types the password is signed in
			if b.Cookie(cookieName) == "" {
				t.Errorf("%s: the password does not sign in", name)
			}
		}

		b := s.Browser(t) // signed in, but prompt=login asks for the user
		page := b.Open(authorizationQuery(c, "response_mode", "form_post", "prompt", "login")).At(t, "/login")
		signIn(t, b, alice)
		s.Clock.Advance(2 * time.Minute)
		b.Page = page
		signIn(t, b, alice).At(t, "/login")
	})
}

// A sign-in form that is sent repeatedly counts as a sign-in each time, since each response has
// a code.
func TestRepair_B1_RepeatedSignInsAreLimited(t *testing.T) {
	t.Parallel()
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		createAccount(t, s, alice)
		c := newThirdParty(t, s, auth.DefaultTenant, makeFirstParty)
		for _, later := range []time.Duration{0, 2 * time.Minute} {
			s.Clock.Advance(24 * time.Hour)
			b := s.Browser(t)
			page := b.Open(authorizationQuery(c)).At(t, "/login")
			signIn(t, b, alice).Answer(t)
			s.Clock.Advance(later)
			codes, refused := 0, false
			for range 8 {
				b.Page = page
				if r := signIn(t, b, alice); r.Status == 429 {
					refused = true
				} else if r.Answer(t).Get("code") != "" {
					codes++
				}
			}
			if !refused || codes > 2 {
				t.Errorf("%s later: %d codes, refused %t", later, codes, refused)
			}
		}
	}, servertest.Limits(func(l *config.Limits) { *l.Rate("login.success") = config.Rate{Count: 3, Per: time.Hour} }))
}

// TestSideFormsEndNoFlow: the registration and reset forms, and refused forms, show their page.
// They issue no code, and the link of the page leads to the client.
func TestSideFormsEndNoFlow(t *testing.T) {
	t.Parallel()
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		createAccount(t, s, alice)
		c := newThirdParty(t, s, auth.DefaultTenant, makeFirstParty)
		codes := func() int {
			return queryValue[int](t, openDatabase(t, s.Config.DatabaseURL()), "SELECT count(*) FROM single_use WHERE kind = 'code'")
		}
		for name, side := range map[string]struct {
			link   string // on the page of sign-in
			fields []string
			status int
		}{
			"forgot":            {"forgot", []string{"email", alice}, 200},
			"forgot, refused":   {"forgot", []string{"email", "nobody"}, 400},
			"register":          {"register", []string{"email", bob, "password", servertest.Password}, 200},
			"register, refused": {"register", []string{"email", bob, "password", "short"}, 400},
			"sign-in, refused":  {"", []string{"email", bob, "password", otherPassword}, 400},
		} {
			b := s.Browser(t)
			login := b.Open(authorizationQuery(c)).At(t, "/login")
			page := login
			if side.link != "" {
				page = b.Open(login.Link(side.link)).Want(t, 200)
			}
			b.Page = login
			signIn(t, b, alice).Answer(t)
			before := codes()

			b.Page = page
			b.Press("submit", side.fields...).Want(t, side.status)

			if n := codes(); n != before {
				t.Errorf("%s: %d codes were issued", name, n-before)
			}
			if side.link == "" {
				b.Press("submit", "email", alice, "password", servertest.Password).Answer(t)
			} else if b.Open(b.Page.Link("login")).Answer(t).Get("code") == "" {
				t.Errorf("%s: the page does not lead to the client", name)
			}
		}
	})
}
