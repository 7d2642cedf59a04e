package attacks_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"golang.org/x/text/unicode/norm"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/servertest"
)

// What users of other products have reported about accounts, tried here. Each test names the reports.

// TestReported_NameOfAnother: nobody takes the address of another user as a user name (zitadel/zitadel/issues/10782,
// keycloak/keycloak/pull/2311), or a user name in another spelling (graphjs/graphjs/issues/239,
// scidsg/hushline/pull/1175).
func TestReported_NameOfAnother(t *testing.T) {
	t.Parallel()
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		changeSettings(t, s, func(v *auth.Settings) { v.Identifiers = auth.IdentifyByBoth })
		name := func(v servertest.Tokens, name string) servertest.Response {
			return post(t, s, "/me/username", body{"username": name, "current_password": servertest.Password}, servertest.Bearer(v.AccessToken))
		}
		hers, his := s.SignUp(t, alice), s.SignUp(t, bob)
		name(his, alice).WantCode(t, 400, "username_invalid")
		name(hers, "alice").Want(t, 200)
		for _, taken := range []string{"alice", "Alice", "ALICE", " alice "} {
			name(his, taken).WantCode(t, 409, "username_taken")
		}
		r := post(t, s, "/login", body{"username": "ALICE", "password": servertest.Password}).Want(t, 200)
		if got, want := decodeJWT(t, decode[servertest.Tokens](t, r).AccessToken)["sub"], decodeJWT(t, hers.AccessToken)["sub"]; got != want {
			t.Errorf("signed in as %v, want %v", got, want)
		}
	})
}

// TestReported_FormerAddress: after a change of address the old one signs in no more (keycloak/keycloak/issues/29962),
// by mailed codes and links neither (jelmerdejong/flask-email-login/issues/8), and its mailbox is told
// (nextcloud/server/issues/15373, objectstack-ai/objectstack/issues/8019).
func TestReported_FormerAddress(t *testing.T) {
	t.Parallel()
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		const moved = "alice@elsewhere.test"
		changeSettings(t, s, func(v *auth.Settings) { v.EmailSignIn = true })
		own := s.SignUp(t, alice)
		asked := decode[body](t, post(t, s, "/login/email", body{"email": alice}).Want(t, 202))
		code, _ := mailWith(t, s, "Sign in")
		post(t, s, "/password/forgot", body{"email": alice}).Want(t, 202)
		reset := servertest.LinkToken(t, s.WaitMail(t, alice))

		change := body{"email": moved, "current_password": servertest.Password}
		post(t, s, "/me/email", change, servertest.Bearer(own.AccessToken)).Want(t, 200)
		s.Login(t, alice, servertest.Password) // until the new address is proved
		link := body{"token": servertest.LinkToken(t, s.WaitMail(t, moved))}
		post(t, s, "/verify-email", link, servertest.Bearer(own.AccessToken)).Want(t, 200)

		login(t, s, alice, servertest.Password).WantCode(t, 401, "invalid_credentials")
		post(t, s, "/login/email/code", body{"login_token": asked["login_token"], "code": codeIn(t, code)}).WantCode(t, 400, "invalid_code")
		resetPassword(t, s, reset, otherPassword).WantCode(t, 400, "invalid_link")
		s.Login(t, moved, servertest.Password)
		if m := s.WaitMail(t, alice); m.Kind != auth.MailEmailChanged {
			t.Errorf("the old mailbox got %s", m.Kind)
		}
	})
}

// TestReported_PendingDeletion: an account that waits for its deletion is signed out at once
// (buttondown/roadmap/issues/2827), and its owner can still get in and keep it, with a new password too
// (authgear/authgear-server/issues/1811, thunderbird/thunderbird-accounts/issues/204).
func TestReported_PendingDeletion(t *testing.T) {
	t.Parallel()
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		changeSettings(t, s, func(v *auth.Settings) { v.DeletionDays = 7 })
		own := s.SignUp(t, alice)
		s.Do(t, "DELETE", api("/me"), body{"current_password": servertest.Password}, servertest.Bearer(own.AccessToken)).Want(t, 204)
		me(t, s, servertest.Bearer(own.AccessToken)).Want(t, 401)
		refresh(t, s, own.RefreshToken).Want(t, 401)
		s.WaitMail(t, alice)

		post(t, s, "/password/forgot", body{"email": alice}).Want(t, 202)
		resetPassword(t, s, servertest.LinkToken(t, s.WaitMail(t, alice)), otherPassword).Want(t, 204)
		own = s.Login(t, alice, otherPassword)
		if v := decode[body](t, me(t, s, servertest.Bearer(own.AccessToken)).Want(t, 200)); v["delete_at"] == nil {
			t.Errorf("a sign-in or a new password keeps the account: %v", v)
		}
		for range 2 {
			post(t, s, "/me/keep", nil, servertest.Bearer(own.AccessToken)).Want(t, 204)
		}
		s.Clock.Advance(8 * 24 * time.Hour)
		s.Login(t, alice, otherPassword)
	})
}

// TestReported_LockedAccount: a locked account stays locked at the second attempt and for remembered browsers
// (VidetteMakes/MESS/issues/132, Meeds-io/meeds/issues/311). A new password unlocks it
// (heartcombo/devise/issues/2090) and signs nobody in (heartcombo/devise/issues/1486).
func TestReported_LockedAccount(t *testing.T) {
	t.Parallel()
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		s.Enrol(t, alice)
		b := s.Browser(t)
		b.Open("/login")
		b.Press("submit", "email", alice, "password", servertest.Password, "remember", "on").At(t, "/account")
		b.Open("/account/sessions")
		b.Press("secure").At(t, "/secure-account/done")
		for range 2 {
			login(t, s, alice, servertest.Password).WantCode(t, 403, "account_locked")
			b.Restart()
			b.Open("/account").At(t, "/login")
		}
		link := servertest.LinkToken(t, s.WaitMail(t, alice))
		b.Open("/reset-password?token="+link).Want(t, 200)
		b.Press("submit", "password", otherPassword).Want(t, 200)
		b.Open("/account").At(t, "/login")
		b.Press("submit", "email", alice, "password", otherPassword).At(t, "/account")
	})
}

// TestReported_Passwords: no byte of a long password is dropped (bcrypt-ruby/bcrypt-ruby/issues/283,
// netlify/gotrue/pull/449), characters are counted and not bytes (pgEdge/ai-dba-workbench/pull/193), and every
// keyboard's spelling of a letter is the same (usnistgov/800-63-3/issues/301,
// pallets-eco/flask-security/issues/231).
func TestReported_Passwords(t *testing.T) {
	t.Parallel()
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		long := strings.Repeat("grüne Wälder und Täler ", 5) + "Ende"
		for email, p := range map[string]struct {
			set, same, other string
		}{
			alice: {long, long, long[:len(long)-1] + "f"},
			bob:   {"ma\u00f1ana por la ma\u00f1ana", "man\u0303ana por la man\u0303ana", "manana por la manana"},
			eve:   {"각설탕 열두 개와 파란 우산 하나", norm.NFD.String("각설탕 열두 개와 파란 우산 하나"), "각설탕 열두 개와 파란 우산 둘"},
		} {
			s.Register(t, email, p.set)
			s.Verify(t, email)
			s.Login(t, email, p.same)
			login(t, s, email, p.other).WantCode(t, 401, "invalid_credentials")
		}
	})
}

// TestReported_ChangePasswordURL: password managers find the page that changes the password, through sign-in
// (kanidm/kanidm/issues/2808, goauthentik/authentik/issues/4695, MTES-MCT/dossierfacile-backend/issues/249). They
// trust the address only where a path that does not exist is not found (W3C, reliability of status codes).
func TestReported_ChangePasswordURL(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	s.Enrol(t, alice)
	b := s.Browser(t)
	b.Open("/.well-known/change-password").Want(t, 200).At(t, "/login")
	b.Press("submit", "email", alice, "password", servertest.Password).Want(t, 200).At(t, "/account/password")
	b.Open("/.well-known/change-password").Want(t, 200).At(t, "/account/password")
	s.Do(t, "GET", "/.well-known/resource-that-should-not-exist-whose-status-code-should-not-be-200", nil).Want(t, http.StatusNotFound)
}

// TestReported_ExportWithoutSecrets: an export holds nothing that signs anyone in (simple-login/app/pull/1758,
// rinafcode/teachLink_backend/issues/880), and is refused to a session that is not recent
// (TUM-Dev/gocast/issues/360).
func TestReported_ExportWithoutSecrets(t *testing.T) {
	t.Parallel()
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		own := s.SignUp(t, alice)
		app := decode[body](t, post(t, s, "/me/factors/totp", body{}, servertest.Bearer(own.AccessToken)).Want(t, 201))
		confirm := body{"code": codeOfApp(t, s, app["secret"].(string))}
		post(t, s, "/me/factors/"+app["id"].(string)+"/confirm", confirm, servertest.Bearer(own.AccessToken)).Want(t, 204)
		codes := decode[map[string][]string](t, post(t, s, "/me/recovery-codes", nil, servertest.Bearer(own.AccessToken)).Want(t, 201))
		export := func() servertest.Response {
			return s.Do(t, "GET", api("/me/export"), nil, servertest.Bearer(own.AccessToken))
		}
		text := string(export().Want(t, 200).Body)
		for _, secret := range append(codes["codes"], "argon2", "$", app["secret"].(string), own.RefreshToken, "digest", "hash") {
			if strings.Contains(text, secret) {
				t.Errorf("the export holds %q: %s", secret, text)
			}
		}
		s.Clock.Advance(6 * time.Minute)
		export().WantCode(t, 401, "insufficient_user_authentication")
	})
}

// TestReported_MailedSignIn: a wrong code leaves the right one valid (stas/otp-jwt/issues/5), guesses end
// (p2-inc/keycloak-magic-link/issues/83), and a user name reaches no mailbox of another user
// (pallets-eco/flask-security/issues/845).
func TestReported_MailedSignIn(t *testing.T) {
	t.Parallel()
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		changeSettings(t, s, func(v *auth.Settings) { v.EmailSignIn, v.Identifiers = true, auth.IdentifyByBoth })
		s.Enrol(t, alice)
		ask := func() (guess func(code string) servertest.Response, code string) {
			v := decode[body](t, post(t, s, "/login/email", body{"email": alice}).Want(t, 202))
			text, _ := mailWith(t, s, "Sign in")
			return func(code string) servertest.Response {
				return post(t, s, "/login/email/code", body{"login_token": v["login_token"], "code": code})
			}, codeIn(t, text)
		}
		guess, code := ask()
		for range 4 {
			guess("AAAA-AAAA").WantCode(t, 400, "invalid_code")
		}
		guess(strings.ToLower(code)).Want(t, 200)
		guess, code = ask()
		for range 5 {
			guess("AAAA-AAAA").WantCode(t, 400, "invalid_code")
		}
		guess(code).WantCode(t, 400, "invalid_code")
		post(t, s, "/login/email", body{"email": "alice"}).WantCode(t, 400, "email_invalid")
	})
}

// TestReported_NewDevice: the owner gets one notice of a new device, which says when, where and with what
// (goauthentik/authentik/issues/14439, ls1intum/Artemis/issues/7862), and none of the next sign-in
// (TrustHire/hiresettle-backend/issues/235).
func TestReported_NewDevice(t *testing.T) {
	t.Parallel()
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		s.SignUp(t, alice)
		for _, agent := range []string{"Orders/3 okhttp/5.1", "curl/8.5.0"} {
			for range 2 {
				login(t, s, alice, servertest.Password, servertest.Header("User-Agent", agent)).Want(t, 200)
			}
		}
		for _, want := range []string{"with Orders.", "with curl."} {
			m := s.WaitNotice(t, alice)
			if !strings.Contains(m.Text, want) || !strings.Contains(m.Text, " UTC from the network address 127.0.0.1, ") {
				t.Errorf("the notice reads %q, want %q", m.Text, want)
			}
		}
	})
}
