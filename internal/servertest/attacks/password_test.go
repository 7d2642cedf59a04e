package attacks_test

import (
	"bytes"
	"crypto/sha1"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/config"
	"github.com/watchword-auth/watchword/internal/servertest"
)

// registerAndVerify registers an account and verifies its address.
func registerAndVerify(t testing.TB, s *servertest.Server, password string) string {
	t.Helper()
	email := newEmail()
	s.Register(t, email, password)
	s.Verify(t, email)
	return email
}

// TestAttack_PW_01_Prefixes: passwords with a long common prefix are different passwords.
func TestAttack_PW_01_Prefixes(t *testing.T) {
	t.Parallel()
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		long := strings.Repeat("quiet otters 42 ", 8)
		for _, c := range []struct{ right, wrong string }{
			{long[:72], long[:73]}, {long[:73], long[:72]},
			{long[:63] + "x", long[:63] + "y"}, {long[:127] + "x", long[:127] + "y"},
			{"brave-walnuts\x00-77", "brave-walnuts"}, {"brave-walnuts\x00-77", "brave-walnuts\x00-78"},
		} {
			email := registerAndVerify(t, s, c.right)
			login(t, s, email, c.wrong).WantCode(t, 401, "invalid_credentials")
			s.Login(t, email, c.right)
		}
	})
}

// TestAttack_PW_02_Long: a password of a megabyte is refused without a hash, one of the maximum
// length is accepted.
func TestAttack_PW_02_Long(t *testing.T) {
	t.Parallel()
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		tokens := s.SignUp(t, alice)
		done := s.Hasher.Stats().Done
		for _, size := range []int{129, 2000, 1 << 20, 1<<20 + 100} {
			huge := strings.Repeat("a", size)
			for path, b := range map[string]body{
				"/login":           {"email": alice, "password": huge},
				"/register":        {"email": newEmail(), "password": huge},
				"/password/change": {"current_password": huge, "new_password": otherPassword},
			} {
				if r := post(t, s, path, b, servertest.Bearer(tokens.AccessToken)); r.Status != 400 && r.Status != 413 {
					t.Errorf("PW-02 %s with %d: %d %s", path, size, r.Status, r.Body)
				}
			}
		}
		if n := s.Hasher.Stats().Done - done; n != 0 {
			t.Errorf("%d passwords were hashed", n)
		}
		for _, size := range []int{64, 128} {
			pw := strings.Repeat("brave-walnuts-7 ", 8)[:size]
			s.Login(t, registerAndVerify(t, s, pw), pw)
		}
		over := post(t, s, "/password/change", body{"current_password": servertest.Password, "new_password": strings.Repeat("x7 ", 50)}, servertest.Bearer(tokens.AccessToken))
		over.WantCode(t, 400, "password_refused")
	})
}

// TestAttack_PW_03_Text: passwords are compared as typed, except for Unicode normalization.
func TestAttack_PW_03_Text(t *testing.T) {
	t.Parallel()
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		for _, c := range []struct {
			set   string
			same  []string
			other []string
		}{
			{"  spaces around 77  ", nil, []string{"spaces around 77", " spaces around 77  ", "  spaces around 77"}},
			{"caf\u00e9-walnuts-77", []string{"cafe\u0301-walnuts-77"}, []string{"cafe-walnuts-77", "CAF\u00c9-walnuts-77"}},
			{"\U0001F9A6 otter \U0001F9A6 otter", nil, []string{"otter otter", "\U0001F9A6 otter \U0001F9A5 otter"}},
			{"nul\x00in-the-middle-7", nil, []string{"nul", "nulin-the-middle-7"}},
			{"\ttabs and\nlines 77", nil, []string{" tabs and lines 77"}},
		} {
			email := registerAndVerify(t, s, c.set)
			for _, pw := range append(c.same, c.set) {
				s.Login(t, email, pw)
			}
			for _, pw := range c.other {
				login(t, s, email, pw).WantCode(t, 401, "invalid_credentials")
			}
		}
	})
}

// TestAttack_PW_04_Policy: refused passwords, each with reasons that programs can read.
func TestAttack_PW_04_Policy(t *testing.T) {
	t.Parallel()
	const breached = "violet-tractor-spoon-9"
	file := filepath.Join(t.TempDir(), "breached.txt")
	if err := os.WriteFile(file, fmt.Appendf(nil, "%X:12\n", sha1.Sum([]byte(breached))), 0o600); err != nil {
		t.Fatal(err)
	}
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		reasons := func(email, password string) (list []string) {
			t.Helper()
			r := post(t, s, "/register", body{"email": email, "password": password, "name": "Winterbottom"}).WantCode(t, 400, "password_refused")
			v := decode[struct {
				Field   string `json:"field"`
				Reasons []struct{ Code, Message string }
			}](t, r)
			for _, reason := range v.Reasons {
				if reason.Message == "" {
					t.Errorf("%q has no message", reason.Code)
				}
				list = append(list, reason.Code)
			}
			if len(list) == 0 || v.Field != "password" {
				t.Errorf("no reason: %s", r.Body)
			}
			if bytes.Contains(r.Body, []byte(password)) {
				t.Errorf("the password is given back: %s", r.Body)
			}
			return list
		}
		requireUnchanged(t, s, func() {
			for name, password := range map[string]string{
				"14 characters": "xK9#pQ2vB5$zW8", "common": "password1", "common, other case": "PassWord123", "breached": breached,
				"address": "marmaduke@example.test", "part of the address": "marmaduke1", "name": "Winterbottom1", "keyboard": "qwertyuiop", "repeated": "aaaaaaaaaaaa",
			} {
				if got := reasons("marmaduke@example.test", password); len(got) == 0 {
					t.Errorf("PW-04 %s", name)
				}
			}
		})
		if _, err := s.Tenants.Update(t.Context(), auth.DefaultTenant, func(v *auth.Tenant) error {
			v.Settings.Password = auth.PasswordRules{MinLength: 15, RequireUpper: true, RequireLower: true, RequireDigit: true, RequireSpecial: true}
			return nil
		}, auth.System); err != nil {
			t.Fatal(err)
		}
		s.Clock.Advance(2 * time.Second)
		short := reasons(newEmail(), "Xk9#pQ2 zW5&vB")
		none := reasons(newEmail(), "quietottersquietotters")
		if len(short) != 1 || len(none) != 3 {
			t.Errorf("PW-04 by the tenant's policy: %v for 14 characters, %v without upper case, digit and special", short, none)
		}
		post(t, s, "/register", body{"email": newEmail(), "password": "Xk9#pQ2 zW5&vB7!"}).Want(t, 202)
	}, servertest.Configure(func(c *config.Config) { c.Password.BreachedFile = file }))
}

// TestAttack_PW_05_CurrentPassword changes an account with only a stolen session.
func TestAttack_PW_05_CurrentPassword(t *testing.T) {
	t.Parallel()
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		tokens := s.SignUp(t, alice)
		by := servertest.Bearer(tokens.AccessToken)
		db := openDatabase(t, s.Config.DatabaseURL())
		requireUnchanged(t, s, func() {
			for _, b := range []body{{"new_password": otherPassword}, {"current_password": nil, "new_password": otherPassword}} {
				if r := post(t, s, "/password/change", b, by); r.Status != 400 {
					t.Errorf("PW-05 without the current password: %d", r.Status)
				}
			}
			before := queryValue[int](t, db, "SELECT count(*) FROM audit WHERE outcome = 'failure'")
			for _, current := range []string{"", wrongPassword, strings.ToUpper(servertest.Password), servertest.Password + " "} {
				post(t, s, "/password/change", body{"current_password": current, "new_password": otherPassword}, by).WantCode(t, 403, "wrong_password")
				s.Do(t, "DELETE", api("/me"), body{"current_password": current}, by).WantCode(t, 403, "wrong_password")
				post(t, s, "/me/email", body{"email": eve, "current_password": current}, by).WantCode(t, 403, "wrong_password")
			}
			if n := queryValue[int](t, db, "SELECT count(*) FROM audit WHERE outcome = 'failure'") - before; n != 12 {
				t.Errorf("%d audit lines for 12 failures", n)
			}
			post(t, s, "/password/change", body{"current_password": servertest.Password, "new_password": otherPassword}).Want(t, 401)
		})
		login(t, s, alice, servertest.Password).Want(t, 200)
	})
}

// requestReset requests a reset link and returns its token. It waits until the delivery is
// recorded, because moving the clock earlier would end its lease and send the mail twice.
func requestReset(t testing.TB, s *servertest.Server, email string, opts ...servertest.RequestOption) string {
	t.Helper()
	post(t, s, "/password/forgot", body{"email": email}, opts...).Want(t, 202)
	for {
		if m := s.WaitMail(t, email); m.Kind == auth.MailReset {
			waitForOutbox(t, s)
			return servertest.LinkToken(t, m)
		}
	}
}

func resetPassword(t testing.TB, s *servertest.Server, token, password string) servertest.Response {
	t.Helper()
	return post(t, s, "/password/reset", body{"token": token, "password": password})
}

// TestAttack_PW_08_ResetLinks uses links that are no longer valid.
func TestAttack_PW_08_ResetLinks(t *testing.T) {
	t.Parallel()
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		s.SignUp(t, alice)
		refused := func(name, token string) {
			t.Helper()
			done := s.Hasher.Stats().Done
			requireUnchanged(t, s, func() { resetPassword(t, s, token, "third-brave-teapot-55").WantCode(t, 400, "invalid_link") })
			if s.Hasher.Stats().Done != done {
				t.Errorf("PW-08 %s: a password was hashed", name)
			}
		}
		older := requestReset(t, s, alice)
		newer := requestReset(t, s, alice)
		refused("older", older)
		resetPassword(t, s, newer, otherPassword).Want(t, 204)
		refused("used twice", newer)

		late := requestReset(t, s, alice)
		s.Clock.Advance(s.Config.Links.Reset - time.Second)
		resetPassword(t, s, late, "123").WantCode(t, 400, "password_refused") // alive: the password is what is wrong
		s.Clock.Advance(2 * time.Second)
		refused("after its expiry", late)

		before := requestReset(t, s, alice)
		tokens := s.Login(t, alice, otherPassword)
		post(t, s, "/password/change", body{"current_password": otherPassword, "new_password": servertest.Password}, servertest.Bearer(tokens.AccessToken)).Want(t, 204)
		refused("after a change of the password", before)

		other := requestReset(t, s, alice)
		t2 := secondTenant(t, s)
		t2.signUp(t, "carol@example.test")
		t2.post(t, "/password/reset", body{"token": other, "password": otherPassword}).WantCode(t, 400, "invalid_link")
		for name, token := range map[string]string{
			"shortened": other[:len(other)-1], "longer": other + "A", "other case": strings.ToUpper(other), "other prefix": "wwr_" + other[4:],
			"digest": queryValue[string](t, openDatabase(t, s.Config.DatabaseURL()), "SELECT digest FROM single_use WHERE used_at IS NULL AND account_id IS NOT NULL ORDER BY created_at DESC LIMIT 1"),
		} {
			refused(name, token)
		}
		s.Register(t, bob, servertest.Password)
		refused("a link of another kind", servertest.LinkToken(t, s.WaitMail(t, bob)))
		resetPassword(t, s, other, otherPassword).Want(t, 204)
	})
}

// TestAttack_PW_09_PoisonedHost requests a link with every header that names another host: the
// mail uses only the configured base URL.
func TestAttack_PW_09_PoisonedHost(t *testing.T) {
	t.Parallel()
	for name, opts := range map[string][]servertest.Option{
		"no proxy": nil, "trusted proxy": {servertest.Configure(trustLocalProxy)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := servertest.New(t, opts...)
			s.SignUp(t, alice)
			h := servertest.Header
			for _, opt := range []servertest.RequestOption{
				h("Host", "evil.test"), h("X-Forwarded-Host", "evil.test"), h("X-Forwarded-Proto", "javascript"), h("X-Forwarded-Prefix", "/evil.test"), h("Forwarded", "for=1.2.3.4;host=evil.test;proto=http"),
				h("X-Original-Host", "evil.test"), h("X-Host", "evil.test"), h("X-Original-URL", "//evil.test/"), h("Referer", "https://evil.test/"), h("X-Forwarded-Server", "evil.test"),
			} {
				requestReset(t, s, alice, opt)
			}
			answers, _ := sendRaw(t, s, "POST http://evil.test/api/v1/password/forgot HTTP/1.1\r\nHost: evil.test\r\nContent-Type: application/json\r\nContent-Length: 30\r\nConnection: close\r\n\r\n{\"email\":\"alice@example.test\"}")
			if len(answers) != 1 || answers[0].StatusCode != 202 {
				t.Fatalf("absolute form: %v", answers)
			}
			waitForOutbox(t, s)
			for _, m := range s.MailsTo(alice) {
				if strings.Contains(m.Text+m.HTML+m.Subject, "evil.test") {
					t.Fatalf("PW-09: the mail repeats the header: %s", m.Text)
				}
				for _, link := range m.Links {
					if !strings.HasPrefix(link, s.Issuer+"/") {
						t.Errorf("PW-09: link %s", link)
					}
				}
			}
			for _, path := range []string{"/.well-known/openid-configuration", api("/openapi.json"), "/"} {
				r := s.Do(t, "GET", path, nil, h("Host", "evil.test"), h("X-Forwarded-Host", "evil.test"), h("X-Forwarded-Proto", "ftp"))
				if bytes.Contains(r.Body, []byte("evil.test")) || strings.Contains(r.Header.Get("Location"), "evil.test") {
					t.Errorf("PW-09: %s repeats the host", path)
				}
			}
		})
	}
}

// TestAttack_PW_10_PW_19_Pages opens links as mail scanners do, and checks what the page
// reveals.
func TestAttack_PW_10_PW_19_Pages(t *testing.T) {
	t.Parallel()
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		s.SignUp(t, alice)
		s.Register(t, bob, servertest.Password)
		links := map[string]string{"/verify-email": servertest.LinkToken(t, s.WaitMail(t, bob)), "/reset-password": requestReset(t, s, alice)}
		for path, token := range links {
			requireUnchanged(t, s, func() {
				for _, method := range []string{"GET", "HEAD", "GET"} {
					r := s.Do(t, method, path+"?token="+token, nil, servertest.Header("Accept", "text/html")).Want(t, 200)
					if r.Header.Get("Referrer-Policy") != "no-referrer" || r.Header.Get("Cache-Control") != "no-store" || len(r.Header["Set-Cookie"]) != 0 {
						t.Errorf("PW-19 %s: %v", path, r.Header)
					}
					csp := r.Header.Get("Content-Security-Policy")
					for _, want := range []string{"default-src 'none'", "frame-ancestors 'none'", "form-action 'self'", "base-uri 'none'"} {
						if !strings.Contains(csp, want) || strings.Contains(csp, "unsafe") {
							t.Errorf("PW-19 %s: policy %s", path, csp)
						}
					}
					page := strings.NewReplacer("http://www.w3.org/2000/svg", "", `<script src="/assets/show.js?v=`, "").Replace(string(r.Body))
					for _, foreign := range []string{"http://", "https://", "src=\"//", "href=\"//", "<script"} {
						if strings.Contains(page, foreign) {
							t.Errorf("PW-19 %s asks for %s", path, foreign)
						}
					}
				}
			})
		}
		form := func(path, fields string) servertest.Response {
			return s.Do(t, "POST", path, fields, servertest.Header("Content-Type", "application/x-www-form-urlencoded"), withOwnOrigin(s))
		}
		if r := form("/verify-email", "token="+links["/verify-email"]+"&password="+servertest.Password).Want(t, 303); strings.Contains(r.Header.Get("Location"), links["/verify-email"]) {
			t.Errorf("PW-19: the token goes on to %s", r.Header.Get("Location"))
		}
		form("/reset-password", "token="+links["/reset-password"]+"&password="+otherPassword).Want(t, 303)
		login(t, s, alice, otherPassword).Want(t, 200)
		login(t, s, bob, servertest.Password).Want(t, 200)
		for path, token := range links {
			form(path, "token="+token+"&password="+servertest.Password).Want(t, 400)
		}
	})
}

// TestAttack_PW_12_RT_08_NewPasswordEndsTheOthers: a new password ends all other sessions, and
// the owner is notified.
func TestAttack_PW_12_RT_08_NewPasswordEndsTheOthers(t *testing.T) {
	t.Parallel()
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		own := s.SignUp(t, alice)
		thief, cookie := s.Login(t, alice, servertest.Password), signInCookie(t, s, alice, servertest.Password)
		out := func(tokens servertest.Tokens) {
			t.Helper()
			me(t, s, servertest.Bearer(tokens.AccessToken)).Want(t, 401)
			refresh(t, s, tokens.RefreshToken).WantCode(t, 401, "invalid_refresh_token")
		}
		post(t, s, "/password/change", body{"current_password": servertest.Password, "new_password": otherPassword}, servertest.Bearer(own.AccessToken)).Want(t, 204)
		out(thief)
		me(t, s, withCookie(cookie)).Want(t, 401)
		me(t, s, servertest.Bearer(own.AccessToken)).Want(t, 200)
		own = s.Refresh(t, own.RefreshToken)
		if m := s.WaitMail(t, alice); m.Kind != auth.MailPasswordChanged {
			t.Errorf("mail %s", m.Kind)
		}
		thief, cookie = s.Login(t, alice, otherPassword), signInCookie(t, s, alice, otherPassword)
		resetPassword(t, s, requestReset(t, s, alice), servertest.Password).Want(t, 204)
		out(own)
		out(thief)
		me(t, s, withCookie(cookie)).Want(t, 401)
		if m := s.WaitMail(t, alice); m.Kind != auth.MailPasswordChanged {
			t.Errorf("mail %s", m.Kind)
		}
	})
}

// TestAttack_PW_13_Addresses registers addresses that would send mail to other recipients.
func TestAttack_PW_13_Addresses(t *testing.T) {
	t.Parallel()
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		requireUnchanged(t, s, func() {
			for _, email := range []string{
				`"a@evil"@good.test`, "a@good.test\r\nBcc: b@evil.test", "a@good.test%0d%0aBcc:b@evil.test", "a@good.test,b@evil.test", "a@good.test;b@evil.test", "<a@evil.test>a@good.test",
				"a@good.test\nTo: b@evil.test", "a b@good.test", "a@good.test b@evil.test", "a@[127.0.0.1]", "a@good..test", "@good.test", "a@", "a@-good.test", "a@go_od.test", "a@good.test\x00",
				"\u0430lice@example.test", strings.Repeat("a", 65) + "@good.test", "a@" + strings.Repeat("a.", 130) + "test", "a@good.test@evil.test", "mailto:a@good.test?cc=b@evil.test&x=", "a(b)@good.test", "",
			} {
				for _, path := range []string{"/register", "/password/forgot", "/verify-email/resend"} {
					b := body{"email": email}
					if path == "/register" {
						b["password"] = servertest.Password
					}
					if r := post(t, s, path, b); r.Status != 400 {
						t.Errorf("PW-13 %s with %q: %d %s", path, email, r.Status, r.Body)
					}
				}
			}
		})
		if n := len(s.Mailbox.Mails()); n != 0 {
			t.Errorf("%d mails", n)
		}
		// A look-alike domain is another domain: the mail goes there and nowhere else.
		s.Register(t, "alice@ex\u0430mple.test", servertest.Password)
		if m := s.WaitMail(t, "alice@xn--exmple-4nf.test"); m.To != "alice@xn--exmple-4nf.test" {
			t.Errorf("mail to %s", m.To)
		}
	})
}

// TestAttack_PW_14_OwnProfile sends members of the profile that a user may not change.
func TestAttack_PW_14_OwnProfile(t *testing.T) {
	t.Parallel()
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		tokens := s.SignUp(t, alice)
		by := servertest.Bearer(tokens.AccessToken)
		requireUnchanged(t, s, func() {
			for _, member := range []string{`"email_verified":true`, `"phone_verified":true`, `"roles":["admin"]`, `"permissions":["watchword:admin"]`, `"tenant":"t2"`, `"tenant_id":"t2"`, `"id":"x"`,
				`"disabled_at":null`, `"is_admin":true`, `"__proto__":{"admin":true}`, `"Name":"x"`, `"EMAIL":"x@example.test"`} {
				s.Do(t, "PATCH", api("/me"), `{"name":"Alice",`+member+`}`, by, jsonType).WantCode(t, 400, "member_unknown")
				post(t, s, "/register", `{"email":"`+bob+`","password":"`+servertest.Password+`",`+member+`}`, jsonType).WantCode(t, 400, "member_unknown")
			}
		})
		post(t, s, "/me/email", body{"email": eve, "current_password": servertest.Password}, by).Want(t, 200)
		mine := decode[struct {
			Email    string
			Verified bool `json:"email_verified"`
			Roles    []string
		}](t, me(t, s, by).Want(t, 200))
		if mine.Email != alice || !mine.Verified || len(mine.Roles) != 0 {
			t.Errorf("PW-14 before the link: %+v", mine)
		}
		s.Login(t, alice, servertest.Password)
		login(t, s, eve, servertest.Password).WantCode(t, 401, "invalid_credentials")
		reset := requestReset(t, s, alice) // the old address still recovers
		if reset == "" {
			t.Fatal("no link")
		}
		post(t, s, "/verify-email", body{"token": servertest.LinkToken(t, s.WaitMail(t, eve)), "password": servertest.Password}).Want(t, 200)
		s.Login(t, eve, servertest.Password)
		login(t, s, alice, servertest.Password).WantCode(t, 401, "invalid_credentials")
	})
}

var jsonType = servertest.Header("Content-Type", "application/json")

// TestAttack_PW_15_LinkOfAnother: alice's link, opened by eve, verifies only alice's address.
func TestAttack_PW_15_LinkOfAnother(t *testing.T) {
	t.Parallel()
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		eves := s.SignUp(t, eve)
		c := signInCookie(t, s, eve, servertest.Password)
		s.Register(t, alice, servertest.Password)
		r := post(t, s, "/verify-email", body{"token": servertest.LinkToken(t, s.WaitMail(t, alice))}, withCookie(c), withOwnOrigin(s)).Want(t, 200)
		if len(r.Header["Set-Cookie"]) != 0 || bytes.Contains(r.Body, []byte("token")) {
			t.Errorf("PW-15: a session began: %v %s", r.Header, r.Body)
		}
		for _, opt := range []servertest.RequestOption{withCookie(c), servertest.Bearer(eves.AccessToken)} {
			if got := decode[struct{ Email string }](t, me(t, s, opt).Want(t, 200)).Email; got != eve {
				t.Errorf("PW-15: eve is %s", got)
			}
		}
		s.Login(t, alice, servertest.Password)
		s.Login(t, eve, servertest.Password)
	})
}

// TestAttack_PW_16_RegisteredBefore: eve registers alice's address before alice.
func TestAttack_PW_16_RegisteredBefore(t *testing.T) {
	t.Parallel()
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		s.Register(t, alice, "eves-evil-password-1")
		older := servertest.LinkToken(t, s.WaitMail(t, alice))
		s.Register(t, alice, servertest.Password)
		newer := servertest.LinkToken(t, s.WaitMail(t, alice))
		post(t, s, "/verify-email", body{"token": older}).WantCode(t, 400, "invalid_link")
		post(t, s, "/verify-email", body{"token": newer}).Want(t, 200)
		login(t, s, alice, "eves-evil-password-1").WantCode(t, 401, "invalid_credentials")
		s.Login(t, alice, servertest.Password)
	})
}

// TestAttack_PW_17_Spellings registers alice again in every spelling.
func TestAttack_PW_17_Spellings(t *testing.T) {
	t.Parallel()
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		s.SignUp(t, alice)
		for _, email := range []string{"Alice@example.test", "alice@EXAMPLE.TEST", " alice@example.test ", "ALICE@EXAMPLE.TEST", "ａｌｉｃｅ@example.test", "alice@ｅxample.test", "al\u200bice@example.test", "alice\u00ad@example.test", "\ufeffalice@example.test", "alice\u2060@example.test"} {
			post(t, s, "/register", body{"email": email, "password": otherPassword}).Want(t, 202)
		}
		waitForOutbox(t, s)
		if n := queryValue[int](t, openDatabase(t, s.Config.DatabaseURL()), "SELECT count(*) FROM accounts"); n != 1 {
			t.Errorf("PW-17: %d accounts", n)
		}
		login(t, s, alice, otherPassword).WantCode(t, 401, "invalid_credentials")
		login(t, s, "ＡLICE@example.TEST", servertest.Password).Want(t, 200)
	})
}

// TestAttack_OP_06_StoredHashes: two hashes of one password differ and contain their
// parameters; higher parameters apply from the next sign-in.
func TestAttack_OP_06_StoredHashes(t *testing.T) {
	t.Parallel()
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		createAccount(t, s, alice)
		createAccount(t, s, bob)
		db := openDatabase(t, s.Config.DatabaseURL())
		hash := func(email string) string {
			return queryValue[string](t, db, "SELECT c.secret FROM credentials c JOIN accounts a ON a.id = c.account_id WHERE a.email = $1", email)
		}
		if hash(alice) == hash(bob) || !strings.HasPrefix(hash(alice), "$argon2id$v=19$m=64,t=1,p=1$") {
			t.Errorf("stored as %s and %s", hash(alice), hash(bob))
		}
		higher := s.Join(t, servertest.Configure(func(c *config.Config) { c.Password.Memory = 128 << 10 }))
		before := hash(alice)
		login(t, higher, alice, wrongPassword).Want(t, 401)
		if hash(alice) != before {
			t.Error("a wrong password changed the hash")
		}
		higher.Login(t, alice, servertest.Password)
		if !strings.HasPrefix(hash(alice), "$argon2id$v=19$m=128,t=1,p=1$") {
			t.Errorf("not raised: %s", hash(alice))
		}
		s.Login(t, alice, servertest.Password)
	})
}
