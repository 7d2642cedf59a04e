package attacks_test

import (
	"encoding/json"
	"maps"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/servertest"
)

// signInAccount creates an account and signs in with it in a browser.
func signInAccount(t *testing.T, s *servertest.Server, email string) *servertest.Browser {
	t.Helper()
	createAccount(t, s, email)
	b := s.Browser(t)
	b.Open("/account")
	signIn(t, b, email).At(t, "/account")
	return b
}

// appCode returns the current code of an authenticator app.
func appCode(t *testing.T, s *servertest.Server, seed string) string {
	t.Helper()
	code, err := totp.GenerateCode(strings.ReplaceAll(seed, " ", ""), s.Clock.Now())
	if err != nil {
		t.Fatal(err)
	}
	return code
}

var (
	shownSeed = regexp.MustCompile(`id="secret"[^>]*>([A-Z2-7 ]+)<`)
	shownCode = regexp.MustCompile(`<li><code>([^<]+)</code></li>`)
)

// TestAccountPages_TwoFactor: a user adds an app and saves recovery codes, signs in with both, renames the
// app and removes it.
func TestAccountPages_TwoFactor(t *testing.T) {
	t.Parallel()
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		b := signInAccount(t, s, alice)
		copied := b.Cookie(cookieName)
		b.Open("/account/two-factor")
		b.Press("add").Want(t, 200).At(t, "/account/two-factor/add")
		b.Press("submit", "code", "000000").Want(t, 400)
		seed := shownSeed.FindStringSubmatch(string(b.Page.Body))[1]
		b.Press("submit", "code", appCode(t, s, seed)).Want(t, 200).At(t, "/account/two-factor/codes") // it asks for no code once more
		if b.Cookie(cookieName) == copied {
			t.Error("SE-01: the session became stronger under the same cookie")
		}

		b.Press("create").Want(t, 200)
		codes := shownCode.FindAllStringSubmatch(string(b.Page.Body), -1)
		if len(codes) != 10 {
			t.Fatalf("%d codes: %s", len(codes), b.Page.Text())
		}
		b.Press("submit", "code", "AAAA-AAAA-AAAA-AAAA").Want(t, 400)
		if b.Page.Has("list") {
			t.Error("MF-08: the codes are shown again")
		}
		b.Press("submit", "code", codes[3][1]).Want(t, 200).At(t, "/account/two-factor")
		if !strings.Contains(b.Page.Text(), "10 recovery codes left") {
			t.Errorf("%s", b.Page.Text())
		}

		b.Press("logout")
		b.Open("/account/two-factor").At(t, "/login")
		signIn(t, b, alice).At(t, "/login/factor")
		b.Open(b.Page.Link("other"))
		b.Press("submit", "code", codes[0][1]).Want(t, 200).At(t, "/account/two-factor") // the page that was asked for

		b.Open(b.Page.Link("edit-0")).At(t, "/account/two-factor/edit")
		b.Press("submit", "name", strings.Repeat("x", 201)).Want(t, 400)
		b.Press("submit", "name", "Work phone").Want(t, 200).At(t, "/account/two-factor")
		removal := b.Open(b.Page.Link("edit-0")).Fields(t, "remove")
		b.Press("remove").Want(t, 200).At(t, "/account/two-factor")
		if !b.Page.Has("add") || b.Page.Has("codes") {
			t.Errorf("MF-08: codes without an app: %s", b.Page.Text())
		}
		repeat := s.Do(t, "POST", "/account/two-factor/edit/remove", removal.Encode(), servertest.Header("Content-Type", formType), withOwnOrigin(s),
			servertest.Header("Cookie", cookieName+"="+b.Cookie(cookieName)+"; "+browserCookie+"="+b.Cookie(browserCookie)))
		if repeat.Status != 303 {
			t.Errorf("the form sent twice: %d %s", repeat.Status, repeat.Body)
		}
	})
}

// TestAttack_SE_09_MF_06_SignOutEverywhereElse: after a change of factors the page offers to end all other
// sessions (ASVS 7.4.3). That forgets trusted browsers, except the one that asks.
func TestAttack_SE_09_MF_06_SignOutEverywhereElse(t *testing.T) {
	t.Parallel()
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		app := addApp(t, s, createAccount(t, s, alice))
		signInTrusted := func() *servertest.Browser {
			b := s.Browser(t)
			b.Open("/account/two-factor")
			signIn(t, b, alice).At(t, "/login/factor")
			b.Press("submit", "code", app.code(t), "trust", "on").Want(t, 200).At(t, "/account/two-factor")
			app.advance()
			return b
		}
		here, there := signInTrusted(), signInTrusted()
		tokens := decode[servertest.Tokens](t, finishLogin(t, s, beginLogin(t, s, alice), app.code(t)).Want(t, 200))
		if here.Page.Has("others") {
			t.Error("the offer stands without a change")
		}
		here.Open(here.Page.Link("codes"))
		here.Press("create").Want(t, 200)
		here.Press("submit", "code", shownCode.FindStringSubmatch(string(here.Page.Body))[1]).Want(t, 200).At(t, "/account/two-factor")
		there.Open("/account").Want(t, 200).At(t, "/account")

		here.Press("others").Want(t, 200).At(t, "/account/sessions")
		if here.Page.Has("end-1") || here.Page.Has("forget-1") || !here.Page.Has("forget-0") {
			t.Errorf("%s", here.Page.Text())
		}
		s.Do(t, "GET", api("/me"), nil, servertest.Bearer(tokens.AccessToken)).Want(t, 401)
		there.Open("/account")
		signIn(t, there, alice).At(t, "/login/factor")
		here.Restart()
		here.Open("/account")
		signIn(t, here, alice).At(t, "/account")
	})
}

// TestAttack_MF_13_LastFactorOnPage: the page says why the last factor stays while one is required.
func TestAttack_MF_13_LastFactorOnPage(t *testing.T) {
	t.Parallel()
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		app := addApp(t, s, createAccount(t, s, alice))
		b := s.Browser(t)
		b.Open("/account/two-factor")
		signIn(t, b, alice).At(t, "/login/factor")
		b.Press("submit", "code", app.code(t)).Want(t, 200)
		changeSettings(t, s, func(v *auth.Settings) { v.Factors.Policy = auth.FactorsRequired })

		b.Open(b.Page.Link("edit-0"))
		b.Press("remove").Want(t, 409)
		if text := b.Page.Text(); !b.Page.Has("edit-0") || b.Page.Has("others") || !strings.Contains(text, "A second step is required for your account. Add another one first.") || strings.Contains(text, "Removed.") {
			t.Errorf("%s", text)
		}
		changeSettings(t, s, func(v *auth.Settings) { v.Factors.Policy = auth.FactorsOptional })
		b.Open(b.Page.Link("edit-0"))
		if b.Press("remove").Want(t, 200).At(t, "/account/two-factor"); b.Page.Has("edit-0") || !b.Page.Has("others") {
			t.Errorf("%s", b.Page.Text())
		}
	})
}

// TestAttack_MF_06_Pages: five minutes after the sign-in, the pages ask for both factors and lead back.
func TestAttack_MF_06_Pages(t *testing.T) {
	t.Parallel()
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		b := signInAccount(t, s, alice)
		b.Open("/account/two-factor")
		b.Press("add")
		seed := shownSeed.FindStringSubmatch(string(b.Page.Body))[1]
		b.Press("submit", "code", appCode(t, s, seed)).Want(t, 200)
		page := b.Open("/account/two-factor/codes").Want(t, 200)

		s.Clock.Advance(5*time.Minute + time.Second)
		b.Page = page
		b.Press("create").At(t, "/login") // shows no codes
		signIn(t, b, alice).At(t, "/login/factor")
		b.Press("submit", "code", appCode(t, s, seed)).Want(t, 200).At(t, "/account/two-factor/codes")
		b.Press("create").Want(t, 200)
		if len(shownCode.FindAllString(string(b.Page.Body), -1)) != 10 {
			t.Errorf("%s", b.Page.Text())
		}

		s.Clock.Advance(5*time.Minute + time.Second)
		for _, path := range []string{"/account", "/account/profile", "/account/sessions", "/account/apps"} {
			b.Open(path).Want(t, 200).At(t, path)
		}
		for _, path := range []string{"/account/email", "/account/password", "/account/two-factor", "/account/data", "/account/data/delete"} {
			b.Open(path).Want(t, 200).At(t, "/login")
		}
		if b.Page.Has("register") || b.Page.Has("remember") || b.Page.Value("email") != alice || !strings.Contains(b.Page.Text(), alice) {
			t.Errorf("the page does not know whose sign-in it repeats: %s", b.Page.Text())
		}
		createAccount(t, s, bob)
		b.Press("submit", "password", wrongPassword).Want(t, 400)
		b.Open(b.Page.Link("notyou")).Want(t, 200).At(t, "/login")
		if !b.Page.Has("register") || !b.Page.Has("remember") || b.Page.Value("email") != "" {
			t.Errorf("the way for another user: %s", b.Page.Text())
		}
		if signIn(t, b, bob).At(t, "/account/data/delete"); !strings.Contains(b.Page.Text(), bob) {
			t.Errorf("%s", b.Page.Text())
		}
	})
}

// TestAttack_SE_01_FormSentTwice: the form that replaces the cookie of its session, sent again with the old one,
// gets a cookie of the session. Anything but the same form from the same browser at once does not.
func TestAttack_SE_01_FormSentTwice(t *testing.T) {
	t.Parallel()
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		b := signInAccount(t, s, alice)
		send := func(path string, form url.Values, session, browser string) servertest.Response {
			t.Helper()
			return s.Do(t, "POST", path, form.Encode(), servertest.Header("Content-Type", formType), withOwnOrigin(s),
				servertest.Header("Cookie", cookieName+"="+session+"; "+browserCookie+"="+browser))
		}
		other := s.Browser(t)
		other.Open("/login")
		refused := func(name string, r servertest.Response) {
			t.Helper()
			if r.Status == 303 && strings.Contains(r.Header.Get("Location"), "?done=") || strings.Contains(strings.Join(r.Header.Values("Set-Cookie"), " "), cookieName+"=ww") {
				t.Errorf("%s: %d to %s with %v", name, r.Status, r.Header.Get("Location"), r.Header.Values("Set-Cookie"))
			}
		}

		b.Open("/account/two-factor")
		b.Press("add").Want(t, 200)
		code := appCode(t, s, shownSeed.FindStringSubmatch(string(b.Page.Body))[1])
		add := b.Page.Fields(t, "submit")
		add.Set("code", code)
		b.Open("/account/password")
		change := b.Page.Fields(t, "submit")
		change.Set("current", servertest.Password)
		change.Set("password", otherPassword)
		for _, v := range []struct {
			path string
			form url.Values
		}{{"/account/two-factor/add", add}, {"/account/password", change}} {
			path, form := v.path, v.form
			old, browser := b.Cookie(cookieName), b.Cookie(browserCookie)
			send(path, form, old, browser).Want(t, 303)
			edited := maps.Clone(form)
			edited.Set("code", "000000")
			edited.Set("password", "a wrong guess of it")
			refused("another form", send(path, edited, old, browser))
			refused("another browser", send(path, form, old, other.Cookie(browserCookie)))
			refused("another path", send("/account/passkeys", form, old, browser))
			again := send(path, form, old, browser).Want(t, 303)
			b.SetCookie(cookieName, requireOneCookie(t, again).Value)
			b.Open("/account").Want(t, 200).At(t, "/account")
			s.Clock.Advance(11 * time.Second)
			refused("later", send(path, form, old, browser))
			b.Open("/account").Want(t, 200).At(t, "/account")
		}

		b.Open("/account/data/delete").Want(t, 200).At(t, "/account/data/delete")
		form := b.Page.Fields(t, "submit")
		form.Set("confirm", "on")
		for range 2 {
			if r := send("/account/data/delete", form, b.Cookie(cookieName), b.Cookie(browserCookie)); r.Status != 303 || r.Header.Get("Location") != "/account/deleted" {
				t.Errorf("%d to %s", r.Status, r.Header.Get("Location"))
			}
		}
		s.Clock.Advance(11 * time.Second)
		if r := send("/account/data/delete", form, b.Cookie(cookieName), b.Cookie(browserCookie)); r.Header.Get("Location") == "/account/deleted" {
			t.Error("a form of a session that has ended says that the account is deleted")
		}
	})
}

// TestAccountPages_Changes: a user changes name, password and address, downloads the data and deletes the
// account.
func TestAccountPages_Changes(t *testing.T) {
	t.Parallel()
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		b := signInAccount(t, s, alice)
		other := s.Login(t, alice, servertest.Password)
		b.Open("/account/profile")
		b.Press("submit", "name", "Alice\x07").Want(t, 400)
		b.Press("submit", "name", "Alice Liddell").Want(t, 200).At(t, "/account/profile")
		if !strings.Contains(b.Page.Text(), "Alice Liddell") {
			t.Errorf("%s", b.Page.Text())
		}

		b.Open("/account/profile")
		b.Press("submit", "locale", "xx").Want(t, 400)
		if b.Press("submit", "locale", "de").Want(t, 200); !strings.Contains(b.Page.Text(), "Ihr Profil wurde gespeichert") {
			t.Errorf("%s", b.Page.Text())
		}
		b.Press("submit", "locale", "").Want(t, 200)

		b.Open("/account/password")
		if b.Press("submit", "current", wrongPassword, "password", otherPassword).Want(t, 400); !b.Page.Has("wrong") {
			t.Errorf("PW-05: %s", b.Page.Text())
		}
		if b.Press("submit", "current", servertest.Password, "password", "password1").Want(t, 400); !b.Page.Has("refused") || b.Page.Value("password") != "" {
			t.Errorf("PW-04: %s", b.Page.Text())
		}
		before := b.Cookie(cookieName)
		b.Press("submit", "current", servertest.Password, "password", otherPassword).Want(t, 200).At(t, "/account/password")
		if b.Cookie(cookieName) == before {
			t.Error("SE-01: the cookie stays after a change of the password")
		}
		me(t, s, servertest.Bearer(other.AccessToken)).Want(t, 401)

		const next = "alice.liddell@example.test"
		b.Open("/account/email")
		b.Press("submit", "email", "alice@").Want(t, 400)
		b.Press("submit", "email", next).Want(t, 200).At(t, "/account/email")
		if !strings.Contains(b.Page.Text(), "You sign in with "+alice) {
			t.Errorf("PW-14: %s", b.Page.Text())
		}
		b.Open("/verify-email?token=" + servertest.LinkToken(t, s.WaitMail(t, next)))
		b.Press("submit").Want(t, 200)
		if p := b.Open("/account/email").Want(t, 200); !strings.Contains(p.Text(), "You sign in with "+next) {
			t.Errorf("%s", p.Text())
		}

		b.Open("/account/data")
		var export struct{ Account struct{ Email string } }
		b.Press("export").Want(t, 200)
		if err := json.Unmarshal(b.Page.Body, &export); err != nil || export.Account.Email != next || !strings.HasPrefix(b.Page.Header.Get("Content-Disposition"), "attachment") {
			t.Errorf("%v: %s %v", err, b.Page.Body, b.Page.Header)
		}

		b.Open("/account/data/delete")
		b.Press("submit").Want(t, 400)
		b.Press("submit", "confirm", "on").Want(t, 200).At(t, "/account/deleted")
		b.Open("/account").At(t, "/login")
		s.Do(t, "POST", api("/login"), body{"email": next, "password": otherPassword}).Want(t, 401)
	})
}
