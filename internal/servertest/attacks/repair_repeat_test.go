package attacks_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/client"
	"github.com/watchword-auth/watchword/internal/servertest"
)

// pressTwice presses a button twice: after Back, and by a second click before the first
// response, with the cookies of before.
func pressTwice(t *testing.T, b *servertest.Browser, button string, fields ...string) (first, second *servertest.Page) {
	t.Helper()
	page, before := b.Page, map[string]string{}
	for _, name := range b.Cookies() {
		before[name] = b.Cookie(name)
	}
	first = b.Press(button, fields...)
	b.Page = page
	back := b.Press(button, fields...)
	if back.Status != first.Status || back.URL.Path != first.URL.Path {
		t.Errorf("%s after Back: %d at %s, first %d at %s", button, back.Status, back.URL, first.Status, first.URL)
	}
	for _, name := range b.Cookies() {
		b.SetCookie(name, "")
	}
	for name, value := range before {
		b.SetCookie(name, value)
	}
	b.Page = page
	return first, b.Press(button, fields...)
}

// signInBrowser returns a browser at the account page.
func signInBrowser(t *testing.T, s *servertest.Server, email string) *servertest.Browser {
	t.Helper()
	b := s.Browser(t)
	b.Open("/login")
	signIn(t, b, email).Want(t, 200).At(t, "/account")
	return b
}

// The forms of the account page have the same outcome when they are posted again.
func TestRepair_B1_AccountForms(t *testing.T) {
	t.Parallel()
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		createAccount(t, s, alice)
		c := newThirdParty(t, s, auth.DefaultTenant)
		b := s.Browser(t)
		b.Open(authorizationQuery(c))
		signIn(t, b, alice).At(t, "/consent")
		b.Press("approve").Answer(t)
		for button, page := range map[string]string{"others": "/account/sessions", "remove-0": "/account/apps", "new-password": "/account/password"} {
			s.Login(t, alice, servertest.Password) // another device
			b.Open(page).Want(t, 200)
			first, second := pressTwice(t, b, button)
			first.Want(t, 200).At(t, page)
			second.Want(t, 200).At(t, page)
			if first.Text() != second.Text() {
				t.Errorf("%s: %q, then %q", button, first.Text(), second.Text())
			}
		}
		s.WaitMail(t, alice)
		if n := len(s.MailsTo(alice)); n != 1 {
			t.Errorf("%d mails for a new password", n)
		}
	})
}

// Signing out twice has the effect of once, with one account in the browser and with several.
func TestRepair_B1_SignOut(t *testing.T) {
	t.Parallel()
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		createAccount(t, s, alice)
		first, second := pressTwice(t, signInBrowser(t, s, alice), "logout")
		first.Want(t, 200).At(t, "/logout/done")
		second.Want(t, 200).At(t, "/logout/done")

		b := signInBrowser(t, s, alice)
		b.Open("/logout").Want(t, 200)
		first, second = pressTwice(t, b, "approve")
		first.Want(t, 200).At(t, "/logout/done")
		second.Want(t, 200).At(t, "/logout/done")
	})
}

// With two accounts in the browser, a second click does not sign out the other account.
func TestRepair_B1_SignOutOneOfTwo(t *testing.T) {
	t.Parallel()
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		createAccount(t, s, alice)
		createAccount(t, s, bob)
		c := createClient(t, s, auth.DefaultTenant, client.Registration{Type: auth.ClientWeb, Name: "Orders", FirstParty: true, RedirectURIs: []string{ledgerCallback}})
		b := signInBrowser(t, s, alice)
		b.Open(authorizationQuery(c, "prompt", "select_account")).At(t, "/choose-account")
		b.Press("other").At(t, "/login")
		signIn(t, b, bob).Answer(t)
		b.Open("/account").Want(t, 200)
		first, second := pressTwice(t, b, "logout")
		first.Want(t, 200).At(t, "/account")
		if second.Want(t, 200).At(t, "/account"); !strings.Contains(second.Text(), alice) || strings.Contains(second.Text(), bob) {
			t.Errorf("the other account is not left alone: %s", second.Text())
		}
	})
}

// A link requested in a flow leads its browser back to the client, even if no further step is
// needed.
func TestRepair_N2_LinkLeadsToTheClient(t *testing.T) {
	t.Parallel()
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		c := createClient(t, s, auth.DefaultTenant, client.Registration{Type: auth.ClientWeb, Name: "Orders", FirstParty: true, RedirectURIs: []string{ledgerCallback}})
		b := s.Browser(t)
		b.Open(authorizationQuery(c)).At(t, "/login")
		b.Open(b.Page.Link("register")).At(t, "/register")
		b.Press("submit", "email", alice, "password", servertest.Password).Want(t, 200)
		link := "/verify-email?token=" + servertest.LinkToken(t, s.WaitMail(t, alice))
		b.Open(link).Want(t, 200)
		first, second := pressTwice(t, b, "submit")
		first.Want(t, 200).At(t, "/login")
		second.Want(t, 200).At(t, "/login")
		b.Open(link).Want(t, 200).At(t, "/login")
		if signIn(t, b, alice).Answer(t).Get("code") == "" {
			t.Error("no code")
		}
		b.Open(link).Want(t, 200).At(t, "/verify-email/done")
	})
}

// A link opened in another browser gives neither browser the flow or session of the other.
func TestRepair_N2_LinkInAnotherBrowser(t *testing.T) {
	t.Parallel()
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		c := newThirdParty(t, s, auth.DefaultTenant)
		attacker, victim := s.Browser(t), s.Browser(t)
		attacker.Open(authorizationQuery(c)).At(t, "/login")
		flow := attacker.Page.URL.Query().Get("flow")
		attacker.Open(attacker.Page.Link("register"))
		attacker.Press("submit", "email", alice, "password", otherPassword).Want(t, 200)

		victim.Open("/verify-email?token="+servertest.LinkToken(t, s.WaitMail(t, alice))).Want(t, 200)
		done, twice := pressTwice(t, victim, "submit", "password", servertest.Password)
		done.Want(t, 200).At(t, "/verify-email/done")
		twice.Want(t, 200).At(t, "/verify-email/done")
		if strings.Contains(string(done.Body), flow) || victim.Cookie("__Host-watchword") != "" {
			t.Error("the other browser has the flow or a session")
		}
		if victim.Open("/login?flow=" + url.QueryEscape(flow)); victim.Page.Value("flow") == flow {
			t.Error("the other browser continues the flow")
		}

		attacker.Open("/login?flow="+url.QueryEscape(flow)).Want(t, 200).At(t, "/login")
		attacker.Press("submit", "email", alice, "password", otherPassword).Want(t, 400).At(t, "/login")
	})
}
