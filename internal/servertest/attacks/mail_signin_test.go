package attacks_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/totp"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/client"
	"github.com/watchword-auth/watchword/internal/servertest"
)

// changeSettings changes the settings of the default tenant.
func changeSettings(t *testing.T, s *servertest.Server, change func(*auth.Settings)) {
	t.Helper()
	_, err := s.Tenants.Update(context.Background(), auth.DefaultTenant, func(v *auth.Tenant) error { change(&v.Settings); return nil }, auth.System)
	if err != nil {
		t.Fatal(err)
	}
}

// mailWith returns the next mail to alice with the text in its subject.
func mailWith(t *testing.T, s *servertest.Server, subject string) (text string, links []string) {
	t.Helper()
	for range 10 {
		if m := s.WaitMail(t, alice); strings.Contains(m.Subject, subject) {
			return m.Text, m.Links
		}
	}
	t.Fatalf("no mail with %q", subject)
	return "", nil
}

// pathOf returns a link of a mail without the issuer.
func pathOf(s *servertest.Server, link string) string { return strings.TrimPrefix(link, s.Issuer) }

// codeIn returns the code of a mail, which stands on a line of its own.
func codeIn(t *testing.T, text string) string {
	t.Helper()
	for line := range strings.Lines(text) {
		if code, ok := strings.CutPrefix(line, "    "); ok {
			return strings.TrimSpace(code)
		}
	}
	t.Fatalf("no code in %q", text)
	return ""
}

// TestAttack_PW_10_SignInLink: a scanner that opens the link of a sign-in mail signs nobody in and uses
// nothing up; in another browser the link shows the code to type where the sign-in began.
func TestAttack_PW_10_SignInLink(t *testing.T) {
	t.Parallel()
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		s.Enrol(t, alice)
		b := s.Browser(t)
		if b.Open("/login").Want(t, 200).Has("by-mail") {
			t.Error("the page offers what the tenant has not turned on")
		}
		b.Open(strings.Replace(b.Page.URL.RequestURI(), "/login", "/login/email", 1)).Want(t, 200).At(t, "/login")
		changeSettings(t, s, func(v *auth.Settings) { v.EmailSignIn = true })

		b.Open("/login").Want(t, 200)
		b.Open(b.Page.Link("by-mail")).Want(t, 200).At(t, "/login/email")
		b.Press("submit", "email", alice).Want(t, 200).At(t, "/login/email")
		text, links := mailWith(t, s, "Sign in")
		code := codeIn(t, text)

		for range 3 { // a mail scanner, without cookies
			other := s.Browser(t)
			page := other.Open(pathOf(s, links[0])).Want(t, 200)
			if !strings.Contains(page.Text(), code) || page.Has("submit") {
				t.Errorf("elsewhere: %s", page.Text())
			}
			other.Open("/account").At(t, "/login")
		}

		filled := b.Open(pathOf(s, links[0])).Want(t, 200).At(t, "/login/email")
		if filled.Value("code") != code {
			t.Errorf("the link fills in %q, want %q", filled.Value("code"), code)
		}
		b.Press("submit").Want(t, 200).At(t, "/account")
		if again := b.Open(pathOf(s, links[0])); again.URL.Path != "/account" {
			t.Errorf("the link again leads to %s", again.URL.Path)
		}
	})
}

// TestAttack_MF_04_CodeOfAnotherBrowser: whoever has a mailed code cannot sign in with it in a browser of
// their own.
func TestAttack_MF_04_CodeOfAnotherBrowser(t *testing.T) {
	t.Parallel()
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		s.Enrol(t, alice)
		changeSettings(t, s, func(v *auth.Settings) { v.EmailSignIn = true })
		ask := func() *servertest.Browser {
			b := s.Browser(t)
			b.Open("/login").Want(t, 200)
			b.Open(b.Page.Link("by-mail"))
			b.Press("submit", "email", alice).Want(t, 200)
			return b
		}
		hers := ask()
		text, _ := mailWith(t, s, "Sign in")
		eves := ask()
		mailWith(t, s, "Sign in")
		eves.Press("submit", "code", codeIn(t, text)).Want(t, 400)
		eves.Open("/account").At(t, "/login")
		hers.Press("submit", "code", codeIn(t, text)).Want(t, 200).At(t, "/account")
	})
}

// TestAttack_MF_03_MailedCode: where a second factor is required, an account without an authenticator has no
// session before the code that is mailed after its password.
func TestAttack_MF_03_MailedCode(t *testing.T) {
	t.Parallel()
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		s.Enrol(t, alice)
		changeSettings(t, s, func(v *auth.Settings) { v.Factors.Policy, v.Factors.EmailCode = auth.FactorsRequired, true })
		b := s.Browser(t)
		b.Open("/login").Want(t, 200)
		b.Press("submit", "email", alice, "password", servertest.Password).Want(t, 200).At(t, "/login/factor")
		text, _ := mailWith(t, s, "code")
		b.Press("submit", "code", "000000").Want(t, 400)
		b.Press("send").Want(t, 200).At(t, "/login/factor") // within the pause: no second mail
		b.Open("/account").At(t, "/login")
		b = s.Browser(t)
		b.Open("/login")
		b.Press("submit", "email", alice, "password", servertest.Password).At(t, "/login/factor")
		b.Press("submit", "code", codeIn(t, text)).Want(t, 400) // of the other flow
		text, _ = mailWith(t, s, "code")
		b.Press("submit", "code", codeIn(t, text)).Want(t, 200).At(t, "/account")
	})
}

// TestAttack_MF_13_TrustedBrowser: a trusted browser needs no second factor, and no other browser is
// trusted by its cookie's account.
func TestAttack_MF_13_TrustedBrowser(t *testing.T) {
	t.Parallel()
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		s.Enrol(t, alice)
		changeSettings(t, s, func(v *auth.Settings) { v.Factors.Policy = auth.FactorsRequired })
		b := s.Browser(t)
		signIn := func(b *servertest.Browser) *servertest.Page {
			b.Open("/login").Want(t, 200)
			return b.Press("submit", "email", alice, "password", servertest.Password).Want(t, 200)
		}
		signIn(b).At(t, "/login/add-factor")
		key, err := otp.NewKeyFromURL(b.Page.Link("open"))
		if err != nil {
			t.Fatal(err)
		}
		code, err := totp.GenerateCode(key.Secret(), s.Clock.Now())
		if err != nil {
			t.Fatal(err)
		}
		b.Press("submit", "code", code, "trust", "on").Want(t, 200).At(t, "/account")
		for range 2 { // each use replaces the cookie
			before := b.Cookie(cookieName + "-trusted")
			b.Restart()
			signIn(b).At(t, "/account")
			if after := b.Cookie(cookieName + "-trusted"); before == "" || after == before {
				t.Errorf("the cookie stays %q", after)
			}
		}
		signIn(s.Browser(t)).At(t, "/login/factor")

		b.Open("/account/sessions").Want(t, 200)
		b.Press("forget-0").Want(t, 200).At(t, "/account/sessions")
		if b.Page.Has("trusted") {
			t.Error("the browser is listed after its trust has ended")
		}
		b.Restart()
		signIn(b).At(t, "/login/factor")
	})
}

// TestAttack_MF_14_StepUpByMail: a client that asks for two factors gets them by a mailed code, where the
// tenant allows it, and the tokens say so.
func TestAttack_MF_14_StepUpByMail(t *testing.T) {
	t.Parallel()
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		s.Enrol(t, alice)
		changeSettings(t, s, func(v *auth.Settings) { v.Factors.EmailCode = true })
		c := createClient(t, s, auth.DefaultTenant, client.Registration{Name: "Bank", Type: auth.ClientWeb, FirstParty: true, RedirectURIs: []string{ledgerCallback}})
		b := s.Browser(t)
		b.Open(authorizationQuery(c)).At(t, "/login")
		b.Press("submit", "email", alice, "password", servertest.Password).Answer(t) // one factor is enough for it
		b.Open(authorizationQuery(c, "acr_values", "2")).At(t, "/login/factor")
		if b.Page.Has("code") {
			t.Error("the page asks for a code that nobody has asked for")
		}
		b.Press("send").Want(t, 200).At(t, "/login/factor")
		text, _ := mailWith(t, s, "code")
		v := redeem(t, s, c, b.Press("submit", "code", codeIn(t, text)).Answer(t))
		id := decodeJWT(t, v["id_token"].(string))
		if id["acr"] != "2" || !slices.Equal(stringList(id["amr"]), []string{"mfa", "otp", "pwd"}) {
			t.Errorf("acr %v, amr %v", id["acr"], id["amr"])
		}
	})
}

// TestAttack_MF_06_FirstFactorByPassword: where the tenant mails codes, the password alone adds no authenticator, with
// which it would satisfy a client that requires two factors. A mailed code comes first, on the pages and in the API.
func TestAttack_MF_06_FirstFactorByPassword(t *testing.T) {
	t.Parallel()
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		s.Enrol(t, alice)
		changeSettings(t, s, func(v *auth.Settings) { v.Factors.EmailCode = true })
		c := createClient(t, s, auth.DefaultTenant, client.Registration{Name: "Bank", Type: auth.ClientWeb, FirstParty: true, RedirectURIs: []string{ledgerCallback}})
		setClientPolicy(t, s, c, auth.FactorsRequired)
		b := s.Browser(t)
		b.Open("/login")
		b.Press("submit", "email", alice, "password", servertest.Password, "passkeys", "yes").At(t, "/account") // without the offer of a passkey
		b.Open(authorizationQuery(c)).At(t, "/login/factor")
		for _, page := range []string{"/account/email", "/account/passkeys", "/account/two-factor"} {
			b.Open(page).At(t, "/login/factor")
		}
		b.Press("send").Want(t, 200).At(t, "/login/factor")
		text, _ := mailWith(t, s, "code")
		b.Press("submit", "code", codeIn(t, text)).At(t, "/account/two-factor")
		b.Open("/account/passkeys").At(t, "/account/passkeys")

		add := func(login servertest.Response) servertest.Response {
			token := decode[body](t, login.Want(t, 200))["access_token"].(string)
			return post(t, s, "/me/factors/totp", body{"name": "Phone"}, servertest.Header("Authorization", "Bearer "+token))
		}
		credentials := body{"email": alice, "password": servertest.Password}
		refused := add(post(t, s, "/login", credentials)).Want(t, 401)
		if got := refused.Header.Get("WWW-Authenticate"); !strings.Contains(got, `acr_values="2"`) {
			t.Errorf("challenge %s", got)
		}
		s.Clock.Advance(time.Minute)
		credentials["acr_values"] = "phr 2"
		pending := decode[body](t, post(t, s, "/login", credentials).Want(t, 401))
		if pending["code"] != "mfa_required" || !slices.Equal(stringList(pending["factors"]), []string{"email_code"}) {
			t.Errorf("%v", pending)
		}
		text, _ = mailWith(t, s, "code")
		add(post(t, s, "/login/mfa", body{"mfa_token": pending["mfa_token"], "factor": "email_code", "code": codeIn(t, text)})).Want(t, 201)
	}, servertest.Domain())
}

// TestAttack_BF_01_MF_03_EmailSignInByAPI: the responses to known and unknown addresses are the same. The code
// signs in where its token is, with a second factor if one is needed.
func TestAttack_BF_01_MF_03_EmailSignInByAPI(t *testing.T) {
	t.Parallel()
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		s.Enrol(t, alice)
		ask := func(email string) servertest.Response { return post(t, s, "/login/email", body{"email": email}) }
		ask(alice).Want(t, 404)
		changeSettings(t, s, func(v *auth.Settings) { v.EmailSignIn = true })
		hers := decode[body](t, ask(alice).Want(t, 202))
		text, _ := mailWith(t, s, "Sign in")
		others := decode[body](t, ask("nobody@example.test").Want(t, 202))
		guess := func(v body, code string) servertest.Response {
			return post(t, s, "/login/email/code", body{"login_token": v["login_token"], "code": code})
		}
		known, unknown := guess(hers, "AAAA-AAAA").Want(t, 400), guess(others, "AAAA-AAAA").Want(t, 400)
		if a, b := decode[body](t, known), decode[body](t, unknown); a["code"] != "invalid_code" || a["code"] != b["code"] || a["detail"] != b["detail"] {
			t.Errorf("BF-01 %s and %s", known.Body, unknown.Body)
		}
		guess(others, codeIn(t, text)).Want(t, 400)
		if acr := acrOf(t, guess(hers, codeIn(t, text)).Want(t, 200)); acr != "1" {
			t.Errorf("acr %q", acr)
		}

		setFactors(t, s, auth.FactorSettings{Policy: auth.FactorsRequired})
		hers = decode[body](t, ask(alice).Want(t, 202))
		text, _ = mailWith(t, s, "Sign in")
		if v := decode[body](t, guess(hers, codeIn(t, text)).Want(t, 401)); v["code"] != "mfa_required" || v["mfa_token"] == nil {
			t.Errorf("MF-03 %v", v)
		}
	})
}
