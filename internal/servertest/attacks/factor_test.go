package attacks_test

import (
	"encoding/base64"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/servertest"
)

// authenticatorApp is an authenticator app of a user.
type authenticatorApp struct {
	s      *servertest.Server
	secret string
}

// addApp adds an authenticator app to an account. The next code of it has not been used.
func addApp(t testing.TB, s *servertest.Server, account auth.AccountID) authenticatorApp {
	t.Helper()
	owner := auth.Actor{Kind: auth.ActorAccount, ID: string(account), IP: "192.0.2.1"}
	e, err := s.Logins.BeginTOTP(t.Context(), auth.DefaultTenant, "Phone", owner)
	if err != nil {
		t.Fatal(err)
	}
	app := authenticatorApp{s, e.Secret.Reveal()}
	if _, err := s.Logins.ConfirmTOTP(t.Context(), auth.DefaultTenant, e.ID, app.code(t), owner); err != nil {
		t.Fatal(err)
	}
	app.advance()
	return app
}

// addRecoveryCodes gives an account with an authenticator app recovery codes.
func addRecoveryCodes(t testing.TB, s *servertest.Server, account auth.AccountID) (codes []string) {
	t.Helper()
	list, err := s.Logins.BeginRecoveryCodes(t.Context(), auth.DefaultTenant, account)
	if err == nil {
		err = s.Logins.ConfirmRecoveryCodes(t.Context(), auth.DefaultTenant, list[0].Reveal(), auth.Actor{Kind: auth.ActorAccount, ID: string(account), IP: "192.0.2.1"})
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range list {
		codes = append(codes, c.Reveal())
	}
	return codes
}

// code returns the code that the app shows.
func (a authenticatorApp) code(t testing.TB) string {
	t.Helper()
	code, err := totp.GenerateCode(a.secret, a.s.Clock.Now())
	if err != nil {
		t.Fatal(err)
	}
	return code
}

// advance waits for the next code.
func (a authenticatorApp) advance() { a.s.Clock.Advance(30 * time.Second) }

// beginLogin sends the right password of an account with a second factor, and returns the mfa_token.
func beginLogin(t testing.TB, s *servertest.Server, email string, more ...string) string {
	t.Helper()
	request := body{"email": email, "password": servertest.Password}
	for i := 0; i+1 < len(more); i += 2 {
		request[more[i]] = more[i+1]
	}
	r := post(t, s, "/login", request).WantCode(t, 401, "mfa_required")
	if cookie := strings.Join(r.Header["Set-Cookie"], "\n"); cookie != "" && !strings.HasPrefix(cookie, browserCookie+"=") || strings.Contains(cookie, "\n") || r.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("headers %v", r.Header)
	}
	return decode[body](t, r)["mfa_token"].(string)
}

// finishLogin sends a code with an mfa_token.
func finishLogin(t testing.TB, s *servertest.Server, token, code string, opts ...servertest.RequestOption) servertest.Response {
	t.Helper()
	return post(t, s, "/login/mfa", body{"mfa_token": token, "factor": "totp", "code": code}, opts...)
}

// tokenClaims returns the payload of a JWT, which it does not verify.
func tokenClaims(t testing.TB, token any) (claims body) {
	t.Helper()
	text, _ := token.(string)
	parts := strings.Split(text, ".")
	if len(parts) != 3 {
		t.Fatalf("%v is no JWT", token)
	}
	b, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	if err := jsonInto(b, &claims); err != nil {
		t.Fatal(err)
	}
	return claims
}

// wantTwoFactors checks that a token tells of a password and an authenticator app.
func wantTwoFactors(t testing.TB, token any) {
	t.Helper()
	c := tokenClaims(t, token)
	amr := stringList(c["amr"])
	if c["acr"] != "2" || !slices.Equal(amr, []string{"mfa", "otp", "pwd"}) {
		t.Errorf("acr %v, amr %v", c["acr"], amr)
	}
}

// TestAttack_MF_03_WithoutTheSecondStep goes on after the password as if no second factor were needed, on the
// pages and with what the JSON API returned.
func TestAttack_MF_03_WithoutTheSecondStep(t *testing.T) {
	t.Parallel()
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		app := addApp(t, s, createAccount(t, s, alice))
		c := newThirdParty(t, s, auth.DefaultTenant)
		b := s.Browser(t)
		flow := b.Open(authorizationQuery(c)).At(t, "/login").Value("flow")
		signIn(t, b, alice).At(t, "/login/factor")
		if b.Cookie(cookieName) != "" || b.Cookie(rememberCookie) != "" || b.Cookie(knownCookie) != "" {
			t.Errorf("cookies %v after the password", b.Cookies())
		}
		for _, path := range []string{"/consent", "/choose-account", "/continue", "/login/add-factor"} {
			b.Open(path+"?flow="+flow).At(t, "/login/factor")
		}
		for _, path := range []string{"/account", authorizationQuery(c)} {
			b.Open(path).At(t, "/login")
		}
		if got := b.Open(authorizationQuery(c, "prompt", "none")).Answer(t); got.Get("error") != "login_required" {
			t.Errorf("prompt=none: %v", got)
		}

		token := beginLogin(t, s, alice)
		me(t, s, servertest.Bearer(token)).Want(t, 401)
		me(t, s, servertest.Header("Cookie", cookieName+"="+token)).Want(t, 401)
		refresh(t, s, token).Want(t, 401)
		s.Do(t, "GET", "/oauth2/userinfo", nil, servertest.Bearer(token)).Want(t, 401)
		for _, factor := range []string{"", "password", "passkey", "email_code"} {
			if r := post(t, s, "/login/mfa", body{"mfa_token": token, "factor": factor, "code": servertest.Password}); r.Status != 400 {
				t.Errorf("factor %q: %d %s", factor, r.Status, r.Body)
			}
		}
		tokens := decode[servertest.Tokens](t, finishLogin(t, s, token, app.code(t)).Want(t, 200))
		wantTwoFactors(t, tokens.AccessToken)
	})
}

// TestAttack_MF_04_AnothersPendingSignIn proves eve's second factor in the sign-in of alice.
func TestAttack_MF_04_AnothersPendingSignIn(t *testing.T) {
	t.Parallel()
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		apps := map[string]authenticatorApp{}
		for _, email := range []string{alice, eve} {
			apps[email] = addApp(t, s, createAccount(t, s, email))
		}
		begin := func(email string) *servertest.Browser {
			b := s.Browser(t)
			b.Open("/login")
			signIn(t, b, email).At(t, "/login/factor")
			return b
		}
		hers, own := begin(alice), begin(eve)
		stolen, form := hers.Page.Fields(t, "submit"), own.Page.Fields(t, "submit")
		send := func(b *servertest.Browser, fields url.Values) servertest.Response {
			t.Helper()
			return s.Do(t, "POST", "/login/factor", fields.Encode(), servertest.Header("Content-Type", formType), withOwnOrigin(s), servertest.Header("Cookie", browserCookie+"="+b.Cookie(browserCookie)))
		}
		for name, fields := range map[string]url.Values{
			"her flow and her token":  {"flow": stolen["flow"], "csrf": stolen["csrf"]},
			"her flow and eve's":      {"flow": stolen["flow"], "csrf": form["csrf"]},
			"eve's flow, her token":   {"flow": form["flow"], "csrf": stolen["csrf"]},
			"her flow, without token": {"flow": stolen["flow"]},
		} {
			for _, email := range []string{alice, eve} {
				fields.Set("method", "totp")
				fields.Set("code", apps[email].code(t))
				if r := send(own, fields); r.Status != 403 || len(r.Header["Set-Cookie"]) != 0 {
					t.Errorf("%s, code of %s: %d %v", name, email, r.Status, r.Header["Set-Cookie"])
				}
			}
		}
		// In her own browser the code of eve is wrong for alice, and each still signs in.
		hers.Press("submit", "code", apps[eve].code(t)).Want(t, 400).At(t, "/login/factor")
		finishLogin(t, s, beginLogin(t, s, alice), apps[eve].code(t)).WantCode(t, 400, "invalid_code")
		for email, b := range map[string]*servertest.Browser{alice: hers, eve: own} {
			if p := b.Press("submit", "code", apps[email].code(t)).At(t, "/account"); !strings.Contains(p.Text(), email) {
				t.Errorf("%s: %s", email, p.Text())
			}
		}
	})
}

// TestAttack_SE_01_StepUp: proving a second factor gives the browser a new cookie and invalidates the
// previous one.
func TestAttack_SE_01_StepUp(t *testing.T) {
	t.Parallel()
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		account := createAccount(t, s, alice)
		c := newThirdParty(t, s, auth.DefaultTenant, makeFirstParty)
		b := s.Browser(t)
		b.Open(authorizationQuery(c))
		signIn(t, b, alice).Answer(t)
		before := b.Cookie(cookieName)
		app := addApp(t, s, account)

		b.Open(authorizationQuery(c, "acr_values", "2")).At(t, "/login/factor")
		wantTwoFactors(t, redeem(t, s, c, b.Press("submit", "code", app.code(t)).Answer(t))["id_token"])
		if b.Cookie(cookieName) == before {
			t.Error("the cookie is the same as before the second factor")
		}
		me(t, s, servertest.Header("Cookie", cookieName+"="+before)).Want(t, 401)
		me(t, s, servertest.Header("Cookie", cookieName+"="+b.Cookie(cookieName))).Want(t, 200)
	})
}

// TestAttack_SE_02_SE_08_FactorFromElsewhere signs alice's browser in as eve, by the second step of a sign-in
// that eve has begun.
func TestAttack_SE_02_SE_08_FactorFromElsewhere(t *testing.T) {
	t.Parallel()
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		createAccount(t, s, alice)
		app := addApp(t, s, createAccount(t, s, eve))
		attacker, victim := s.Browser(t), s.Browser(t)
		attacker.Open("/login")
		signIn(t, attacker, eve).At(t, "/login/factor")
		form := attacker.Page.Fields(t, "submit")
		form.Set("code", app.code(t))
		for _, origin := range []string{"https://evil.test", "null", s.Issuer} {
			if p := victim.Post("/login/factor", form, origin); p.Status != 403 || len(victim.Cookies()) != 0 {
				t.Errorf("SE-08 from %s: %d, cookies %v", origin, p.Status, victim.Cookies())
			}
		}
		// A browser cookie that eve has planted signs in nobody but eve, in neither browser.
		victim.SetCookie(browserCookie, attacker.Cookie(browserCookie))
		victim.Open("/login")
		if signIn(t, victim, alice).At(t, "/account"); victim.Cookie(cookieName) == "" {
			t.Fatal("alice is not signed in")
		}
		p := attacker.Press("submit", "code", app.code(t)).At(t, "/account")
		if strings.Contains(p.Text(), alice) || attacker.Cookie(cookieName) == victim.Cookie(cookieName) {
			t.Errorf("SE-02 eve's browser: %s", p.Text())
		}

		app.advance()
		token := beginLogin(t, s, eve, "session", "cookie")
		for name, opts := range map[string][]servertest.RequestOption{
			"JSON":       {servertest.Header("Content-Type", "application/json"), servertest.Header("Origin", "https://evil.test")},
			"text/plain": {servertest.Header("Content-Type", "text/plain"), servertest.Header("Sec-Fetch-Site", "cross-site")},
			"old form":   {servertest.Header("Content-Type", "text/plain")},
		} {
			r := s.Do(t, "POST", api("/login/mfa"), `{"mfa_token":"`+token+`","factor":"totp","code":"`+app.code(t)+`"}`, opts...)
			if r.Status < 400 || len(r.Header["Set-Cookie"]) != 0 {
				t.Errorf("SE-08 %s: %d, cookies %v", name, r.Status, r.Header["Set-Cookie"])
			}
		}
	})
}

// TestAttack_SE_10_PendingSignIns: a sign-in that waits for its second factor ends with the account.
func TestAttack_SE_10_PendingSignIns(t *testing.T) {
	t.Parallel()
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		account := createAccount(t, s, alice)
		app := addApp(t, s, account)
		b := s.Browser(t)
		b.Open("/login")
		signIn(t, b, alice).At(t, "/login/factor")
		token := beginLogin(t, s, alice)
		if err := s.Accounts.Disable(t.Context(), auth.DefaultTenant, account, auth.System); err != nil {
			t.Fatal(err)
		}
		if r := finishLogin(t, s, token, app.code(t)); r.Status != 401 {
			t.Errorf("disabled, JSON: %d %s", r.Status, r.Body)
		}
		if p := b.Press("submit", "code", app.code(t)); p.Status < 400 || b.Cookie(cookieName) != "" {
			t.Errorf("disabled, page: %d %s", p.Status, p.Text())
		}
	})
}

// TestAttack_SE_11_PendingOfAnotherTenant: an mfa_token is for one tenant.
func TestAttack_SE_11_PendingOfAnotherTenant(t *testing.T) {
	t.Parallel()
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		if _, err := s.Tenants.Create(t.Context(), "acme", "Acme", auth.Settings{}, auth.System); err != nil {
			t.Fatal(err)
		}
		app := addApp(t, s, createAccount(t, s, alice))
		createIn(t, s, "acme", alice, auth.System)
		token := beginLogin(t, s, alice)
		s.Do(t, "POST", "/t/acme"+api("/login/mfa"), body{"mfa_token": token, "factor": "totp", "code": app.code(t)}).WantCode(t, 401, "invalid_mfa_token")
		if v := decode[body](t, postForm(t, s, "/oauth2/introspect", "token="+token, newMachine(t, s).basic()).Want(t, 200)); v["active"] != false || len(v) != 1 {
			t.Errorf("introspection: %v", v)
		}
		finishLogin(t, s, token, app.code(t)).Want(t, 200)
	})
}

// TestAttack_MF_01_MF_08_FL_11_OneCodeOnTwoNodes sends one code of an app, and one recovery code, with 64
// sign-ins at two nodes at once, on the pages and to the JSON API. One succeeds.
func TestAttack_MF_01_MF_08_FL_11_OneCodeOnTwoNodes(t *testing.T) {
	t.Parallel()
	nodes := servertest.Nodes(t, 2)
	s := nodes[0]
	account := createAccount(t, s, alice)
	app := addApp(t, s, account)
	codes := addRecoveryCodes(t, s, account)
	for factor, code := range map[string]string{"totp": app.code(t), "recovery_code": codes[1]} {
		var tokens [48]string
		for i := range tokens {
			tokens[i] = beginLogin(t, nodes[i%2], alice)
		}
		var pages [16]*servertest.Browser
		for i := range pages {
			pages[i] = nodes[i%2].Browser(t)
			pages[i].Open("/login")
			signIn(t, pages[i], alice).At(t, "/login/factor")
		}
		before := countLiveSessions(t, s)
		var succeeded atomic.Int32
		runAtOnce(len(tokens)+len(pages), func(i int) {
			node := nodes[i%2]
			if i < len(tokens) {
				r, err := node.Try("POST", api("/login/mfa"), body{"mfa_token": tokens[i], "factor": factor, "code": code})
				if err == nil && r.Status == 200 {
					succeeded.Add(1)
				}
				return
			}
			b := pages[i-len(tokens)]
			form := url.Values{"flow": {b.Page.Value("flow")}, "csrf": {b.Page.Value("csrf")}, "method": {factor}, "code": {code}}
			r, err := node.Try("POST", "/login/factor", form.Encode(), servertest.Header("Content-Type", formType), servertest.Header("Origin", node.Issuer),
				servertest.Header("Cookie", browserCookie+"="+b.Cookie(browserCookie)))
			if err == nil && r.Status == 303 {
				succeeded.Add(1)
			}
		})
		if n := countLiveSessions(t, s) - before; succeeded.Load() != 1 || n != 1 {
			t.Errorf("%s: %d successes, %d sessions", factor, succeeded.Load(), n)
		}
	}
}
