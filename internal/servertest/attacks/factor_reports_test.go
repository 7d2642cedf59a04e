package attacks_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/servertest"
)

// What users of other products have reported about their second factors, tried here. Each test names the
// report.

// TestReported_SetupCodeAgain: the code that adds an app signs nobody in
// (github.com/teamhanko/hanko/pull/2723).
func TestReported_SetupCodeAgain(t *testing.T) {
	t.Parallel()
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		account := createAccount(t, s, alice)
		owner := auth.Actor{Kind: auth.ActorAccount, ID: string(account)}
		e, err := s.Logins.BeginTOTP(t.Context(), auth.DefaultTenant, "", owner)
		if err != nil {
			t.Fatal(err)
		}
		app := authenticatorApp{s, e.Secret.Reveal()}
		setup := app.code(t)
		if _, err := s.Logins.ConfirmTOTP(t.Context(), auth.DefaultTenant, e.ID, setup, owner); err != nil {
			t.Fatal(err)
		}
		token := beginLogin(t, s, alice)
		finishLogin(t, s, token, setup).WantCode(t, 400, "invalid_code")
		app.advance()
		finishLogin(t, s, token, app.code(t)).Want(t, 200)
	})
}

// TestReported_RememberMe: no cookie remembers a user before the second factor
// (github.com/scheb/two-factor-bundle/issues/253), and the choice to be remembered outlasts it
// (github.com/better-auth/better-auth/issues/1564, github.com/Freika/dawarich/pull/3533).
func TestReported_RememberMe(t *testing.T) {
	t.Parallel()
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		app := addApp(t, s, createAccount(t, s, alice))
		for remember, at := range map[string]string{"on": "/account", "": "/login"} {
			b := s.Browser(t)
			b.Open("/login")
			b.Press("submit", "email", alice, "password", servertest.Password, "remember", remember).At(t, "/login/factor")
			if b.Cookie(rememberCookie) != "" {
				t.Error("remembered after the password")
			}
			b.Press("submit", "code", app.code(t)).At(t, "/account")
			b.Restart()
			b.Open("/account").At(t, at)
			app.advance()
		}
	})
}

// TestReported_PW_11_PasswordReset: a new password signs nobody in without the second factor
// (github.com/LemmyNet/lemmy/issues/3714, github.com/pallets-eco/flask-security/issues/258).
func TestReported_PW_11_PasswordReset(t *testing.T) {
	t.Parallel()
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		app := addApp(t, s, createAccount(t, s, alice))
		s.WaitMail(t, alice) // that an app was added
		b := s.Browser(t)
		b.Open("/forgot-password")
		b.Press("submit", "email", alice).Want(t, 200)
		b.Open(s.WaitMail(t, alice).Links[0])
		b.Press("submit", "password", otherPassword)
		if b.Cookie(cookieName) != "" {
			t.Errorf("signed in at %s", b.Page.URL)
		}
		b.Open("/login")
		b.Press("submit", "email", alice, "password", otherPassword).At(t, "/login/factor")
		b.Press("submit", "code", app.code(t)).At(t, "/account")
	})
}

// TestReported_WrongCodeAtSetup: a wrong first code and a reload keep the secret
// (github.com/brave-intl/publishers/issues/2091), apps show the issuer as it is written
// (github.com/oslo-project/otp/issues/8), and the code that adds the app is the second factor of this sign-in
// (github.com/nextcloud/server/issues/15744), as its tokens tell (github.com/keycloak/keycloak/issues/40391).
func TestReported_WrongCodeAtSetup(t *testing.T) {
	t.Parallel()
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		createAccount(t, s, alice)
		_, err := s.Tenants.Update(t.Context(), auth.DefaultTenant, func(v *auth.Tenant) error {
			v.Name, v.Settings.Factors.Policy = "Ann & Co Shop", auth.FactorsRequired
			return nil
		}, auth.System)
		if err != nil {
			t.Fatal(err)
		}
		c := newThirdParty(t, s, auth.DefaultTenant, makeFirstParty)
		b := s.Browser(t)
		b.Open(authorizationQuery(c))
		flow := signIn(t, b, alice).At(t, "/login/add-factor").Value("flow")
		shown := b.Page.Link("open")
		if strings.Contains(shown, "+") || !strings.Contains(shown, "otpauth://totp/Ann%20%26%20Co%20Shop:alice%40example.test?") || !strings.Contains(shown, "&issuer=Ann%20%26%20Co%20Shop&") {
			t.Errorf("apps read %s", shown)
		}
		b.Press("submit", "code", "000000").Want(t, 400).At(t, "/login/add-factor")
		if got := b.Page.Link("open"); got != shown {
			t.Errorf("after a wrong code: %s", got)
		}
		if got := b.Open("/login/add-factor?flow=" + flow).Link("open"); got != shown {
			t.Errorf("after a reload: %s", got)
		}
		u, err := url.Parse(shown)
		if err != nil {
			t.Fatal(err)
		}
		app := authenticatorApp{s, u.Query().Get("secret")}
		tokens := redeem(t, s, c, b.Press("submit", "code", app.code(t)).Answer(t))
		wantTwoFactors(t, tokens["id_token"])
		wantTwoFactors(t, tokens["access_token"])
	})
}

// TestReported_UnfinishedSetup: an app that is begun and not confirmed changes nothing
// (github.com/greasyfork-org/greasyfork/issues/1446, github.com/owncloud/twofactor_totp/issues/20).
func TestReported_UnfinishedSetup(t *testing.T) {
	t.Parallel()
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		account := createAccount(t, s, alice)
		begin := func() authenticatorApp {
			t.Helper()
			e, err := s.Logins.BeginTOTP(t.Context(), auth.DefaultTenant, "", auth.Actor{Kind: auth.ActorAccount, ID: string(account)})
			if err != nil {
				t.Fatal(err)
			}
			return authenticatorApp{s, e.Secret.Reveal()}
		}
		begin()
		login(t, s, alice, servertest.Password).Want(t, 200)
		app := addApp(t, s, account)
		next := begin()
		token := beginLogin(t, s, alice)
		finishLogin(t, s, token, next.code(t)).WantCode(t, 400, "invalid_code")
		finishLogin(t, s, token, app.code(t)).Want(t, 200)
	})
}

// TestReported_BackToThePassword: who goes back from the second step and signs in with another account gets
// that account (github.com/wso2/product-is/issues/12774).
func TestReported_BackToThePassword(t *testing.T) {
	t.Parallel()
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		app := addApp(t, s, createAccount(t, s, alice))
		createAccount(t, s, bob)
		b := s.Browser(t)
		back := b.Open("/login")
		signIn(t, b, alice).At(t, "/login/factor")
		b.Page = back
		if p := signIn(t, b, bob).At(t, "/account"); !strings.Contains(p.Text(), bob) || strings.Contains(p.Text(), alice) {
			t.Errorf("bob is at %s", p.Text())
		}

		b = s.Browser(t)
		b.Open("/login")
		signIn(t, b, alice).At(t, "/login/factor")
		b.Press("submit", "code", app.code(t)).At(t, "/account")
	})
}

// TestReported_FactorSentTwice: a second click on the button of the second step leads on, whether or not the
// first response came (github.com/parse-community/parse-dashboard/issues/3370,
// github.com/wso2/product-is/issues/20831).
func TestReported_FactorSentTwice(t *testing.T) {
	t.Parallel()
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		app := addApp(t, s, createAccount(t, s, alice))
		c := newThirdParty(t, s, auth.DefaultTenant, makeFirstParty)
		for name, lost := range map[string]bool{"the cookie came": false, "the cookie was lost": true} {
			before := countLiveSessions(t, s)
			b := s.Browser(t)
			b.Open(authorizationQuery(c))
			page := signIn(t, b, alice).At(t, "/login/factor")
			first := b.Press("submit", "code", app.code(t)).Answer(t)
			if lost {
				b.SetCookie(cookieName, "")
			}
			b.Page = page
			second := b.Press("submit", "code", app.code(t)).Answer(t)
			if first.Get("code") == "" || second.Get("code") == "" || first.Get("code") == second.Get("code") {
				t.Errorf("%s: first %v, second %v", name, first, second)
			}
			if n := countLiveSessions(t, s) - before; n != 1 {
				t.Errorf("%s: %d sessions", name, n)
			}
			wantTwoFactors(t, redeem(t, s, c, second)["id_token"])
			b.Open("/account").At(t, "/account")
			if n := queryValue[int](t, openDatabase(t, s.Config.DatabaseURL()), "SELECT count(*) FROM audit WHERE event = 'login' AND outcome = 'failure'"); n != 0 {
				t.Errorf("%s: %d failures in the audit log", name, n)
			}
			app.advance()
		}
	})
}

// TestReported_CodesAsTheyAreTyped: a code may begin with a zero
// (github.com/goauthentik/authentik/issues/19818, github.com/pterodactyl/panel/issues/2163) and have the space
// that apps show (github.com/WordPress/two-factor/issues/317).
func TestReported_CodesAsTheyAreTyped(t *testing.T) {
	t.Parallel()
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		app := addApp(t, s, createAccount(t, s, alice))
		for !strings.HasPrefix(app.code(t), "0") {
			app.advance()
		}
		code := app.code(t)
		finishLogin(t, s, beginLogin(t, s, alice), code[:3]+" "+code[3:]).Want(t, 200)
		for app.advance(); !strings.HasPrefix(app.code(t), "0"); app.advance() {
		}
		b := s.Browser(t)
		b.Open("/login")
		signIn(t, b, alice)
		b.Press("submit", "code", " "+app.code(t)+" ").At(t, "/account")
	})
}

// TestReported_SecondFactorStaysProved: later responses of the same session, and refreshed tokens, tell of the
// same authentication (github.com/keycloak/keycloak/issues/43968).
func TestReported_SecondFactorStaysProved(t *testing.T) {
	t.Parallel()
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		app := addApp(t, s, createAccount(t, s, alice))
		c := newThirdParty(t, s, auth.DefaultTenant, makeFirstParty)
		b := s.Browser(t)
		b.Open(authorizationQuery(c))
		signIn(t, b, alice)
		wantTwoFactors(t, redeem(t, s, c, b.Press("submit", "code", app.code(t)).Answer(t))["id_token"])
		for _, prompt := range []string{"", "none"} {
			wantTwoFactors(t, redeem(t, s, c, b.Open(authorizationQuery(c, "prompt", prompt)).Answer(t))["id_token"])
		}
		app.advance()
		tokens := decode[servertest.Tokens](t, finishLogin(t, s, beginLogin(t, s, alice), app.code(t)).Want(t, 200))
		wantTwoFactors(t, s.Refresh(t, tokens.RefreshToken).AccessToken)
	})
}

// TestReported_DeviceWithoutTheSecondFactor: a device gets tokens only after the second factor, and the page
// leads on to the device afterwards (github.com/idenplane/idenplane/issues/111 and 624).
func TestReported_DeviceWithoutTheSecondFactor(t *testing.T) {
	t.Parallel()
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		app := addApp(t, s, createAccount(t, s, alice))
		c := newDeviceClient(t, s)
		a := authorizeDevice(t, s, c)
		b := s.Browser(t)
		b.Open(a.Complete)
		b.Press("submit")
		signIn(t, b, alice).At(t, "/login/factor")
		b.Open("/device/confirm?flow="+b.Page.Value("flow")).At(t, "/login/factor")
		wantError(t, pollDevice(t, s, c, a), 400, "authorization_pending")
		b.Press("submit", "code", app.code(t)).At(t, "/device/confirm")
		b.Press("decision=approve").Want(t, 200)
		wantTwoFactors(t, decode[body](t, pollDevice(t, s, c, a).Want(t, 200))["access_token"])
	})
}
