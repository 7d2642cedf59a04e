package attacks_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/client"
	"github.com/watchword-auth/watchword/internal/servertest"
)

const (
	browserCookie  = "__Host-watchword-browser"
	rememberCookie = "__Host-watchword-remember"
	knownCookie    = "__Host-watchword-known"
)

// openPages opens all pages of a flow and calls look with each.
func openPages(t testing.TB, s *servertest.Server, look func(name string, p *servertest.Page)) {
	t.Helper()
	c := newThirdParty(t, s, auth.DefaultTenant)
	b := s.Browser(t)
	see := func(name string, p *servertest.Page) *servertest.Page {
		if p.Away {
			t.Fatalf("%s led away to %s", name, p.URL)
		}
		look(name, p)
		return p
	}
	see("login", b.Open(authorizationQuery(c))).At(t, "/login")
	see("wrong password", b.Press("submit", "email", alice, "password", wrongPassword)).Want(t, 400)
	flow := b.Page.Value("flow")
	see("register", b.Open("/register?flow="+flow)).At(t, "/register")
	see("forgot", b.Open("/forgot-password?flow="+flow)).At(t, "/forgot-password")
	see("forgot sent", b.Press("submit", "email", "nobody@example.test"))
	see("login again", b.Open("/login?flow="+flow))
	see("consent", b.Press("submit", "email", alice, "password", servertest.Password)).At(t, "/consent")
	see("choose", b.Open("/choose-account?flow="+flow)).At(t, "/choose-account")
	see("without its token", b.Post("/consent", url.Values{"flow": {flow}}, s.Issuer)).Want(t, 403)
	see("form of another site", b.Post("/consent", url.Values{"flow": {flow}}, "https://evil.test")).Want(t, 403)
	see("unknown flow", b.Open("/consent?flow=01a2f3c4"))
	see("unknown client", b.Open(authorizationQuery(c, "client_id", "nobody"))).Want(t, 400)
	see("foreign redirect URI", b.Open(authorizationQuery(c, "redirect_uri", "https://evil.test/"))).Want(t, 400)
	see("account", b.Open("/account")).At(t, "/account")
	see("device", b.Open("/device")).At(t, "/device")
	see("wrong code", b.Press("submit", "code", "BCDF-GHJK"))
	see("logout", b.Open("/logout")).At(t, "/logout")
	see("logged out", b.Press("approve"))
	see("nothing there", b.Open("/nothing"))
	see("wrong method", b.Open("/account/logout")).Want(t, 405)
}

// TestAttack_AZ_35_PageHeaders: no page can be framed, sniffed or cached, runs foreign scripts,
// or reveals its URL to other sites.
func TestAttack_AZ_35_PageHeaders(t *testing.T) {
	t.Parallel()
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		createAccount(t, s, alice)
		check := func(name string, p *servertest.Page) {
			h, csp := p.Header, p.Header.Get("Content-Security-Policy")
			for _, want := range []string{"default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'"} {
				if !strings.Contains(csp, want) {
					t.Errorf("AZ-35 %s: policy %q lacks %s", name, csp, want)
				}
			}
			if strings.Contains(csp, "unsafe") || strings.Contains(csp, "*;") || strings.Contains(csp, "; script-src 'self'") != strings.Contains(string(p.Body), "<script") {
				t.Errorf("AZ-35 %s: policy %q", name, csp)
			}
			referrer := h.Get("Referrer-Policy")
			if h.Get("X-Frame-Options") != "DENY" || h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Cache-Control") != "no-store" ||
				referrer != "same-origin" && referrer != "no-referrer" || h.Get("Content-Type") != "text/html; charset=utf-8" || h.Get("Cross-Origin-Opener-Policy") != "same-origin" {
				t.Errorf("AZ-35 %s: headers %v", name, h)
			}
			if all, ours := strings.Count(string(p.Body), "<script"), strings.Count(string(p.Body), `<script src="/assets/`); all != ours {
				t.Errorf("AZ-35 %s: %d scripts, %d of them from this server", name, all, ours)
			}
		}
		openPages(t, s, check)

		c := newThirdParty(t, s, auth.DefaultTenant)
		b := s.Browser(t)
		b.Open(authorizationQuery(c, "response_mode", "form_post"))
		signIn(t, b, alice)
		p := b.Press("approve").Want(t, 200)
		check("form_post", p)
		if csp := p.Header.Get("Content-Security-Policy"); !strings.Contains(csp, "script-src 'self'") {
			t.Errorf("AZ-35 form_post: policy %q", csp)
		}
		if got := b.Press("submit").Answer(t); got.Get("code") == "" || b.Page.URL.String() != ledgerCallback {
			t.Errorf("form_post: %v to %s", got, b.Page.URL)
		}
	})
}

// TestAttack_AZ_36_NoScripts: scripts of other origins cannot read the endpoints that a browser
// visits.
func TestAttack_AZ_36_NoScripts(t *testing.T) {
	t.Parallel()
	s := servertest.New(t, servertest.Configure(origins("https://app.example.test")))
	c := newThirdParty(t, s, auth.DefaultTenant)
	for _, path := range []string{authorizationQuery(c), authorizationQuery(c, "prompt", "none"), "/oauth2/authorize", "/oauth2/logout", "/login", "/continue?flow=x", "/consent", "/account"} {
		for _, method := range []string{"GET", "POST", "OPTIONS"} {
			for _, origin := range []string{"https://app.example.test", "https://evil.test", "null"} {
				r := s.Do(t, method, path, nil, servertest.Header("Origin", origin), servertest.Header("Access-Control-Request-Method", "GET"))
				for name := range r.Header {
					if strings.HasPrefix(name, "Access-Control-") {
						t.Errorf("AZ-36 %s %s from %s: %s", method, path, origin, name)
					}
				}
			}
		}
	}
}

// TestAttack_AZ_37_ConsentForgery sends the consent form without its page.
func TestAttack_AZ_37_ConsentForgery(t *testing.T) {
	t.Parallel()
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		createAccount(t, s, alice)
		createAccount(t, s, eve)
		c := newThirdParty(t, s, auth.DefaultTenant)
		at := func(email string) *servertest.Browser {
			b := s.Browser(t)
			b.Open(authorizationQuery(c))
			signIn(t, b, email).At(t, "/consent")
			return b
		}
		mine, theirs := at(alice), at(eve)
		yes := mine.Page.Fields(t, "approve")
		foreign := theirs.Page.Fields(t, "approve")
		older := s.Browser(t)
		older.Open(authorizationQuery(c))
		change := func(name, value string) url.Values {
			v := url.Values{}
			for k, vs := range yes {
				v[k] = slices.Clone(vs)
			}
			if v.Del(name); value != "" {
				v.Set(name, value)
			}
			return v
		}
		page := mine.Page
		requireUnchanged(t, s, func() {
			for name, form := range map[string]url.Values{
				"without it":               change("csrf", ""),
				"another session's":        change("csrf", foreign.Get("csrf")),
				"another flow of the kind": change("flow", foreign.Get("flow")),
				"all of another's":         foreign,
				"tampered":                 change("csrf", yes.Get("csrf")[1:]+"A"),
				"of no flow":               change("flow", ""),
				"older page":               change("csrf", older.Page.Value("csrf")),
			} {
				if p := mine.Post("/consent", form, s.Issuer); p.Status != 403 {
					t.Errorf("AZ-37 %s: %d", name, p.Status)
				}
				mine.Page = page
				form.Set("decision", "approve")
				r := s.Do(t, "POST", "/consent", form.Encode(), servertest.Header("Content-Type", formType), withOwnOrigin(s),
					servertest.Header("Cookie", browserCookie+"="+mine.Cookie(browserCookie)+"; "+cookieName+"="+mine.Cookie(cookieName)))
				if r.Status != 403 {
					t.Errorf("AZ-37 %s, with the cookies: %d", name, r.Status)
				}
			}
		}, "sessions")
		if n := queryValue[int](t, openDatabase(t, s.Config.DatabaseURL()), "SELECT count(*) FROM consents"); n != 0 {
			t.Errorf("AZ-37 %d consents", n)
		}
		first := mine.Press("approve").Answer(t)
		if first.Get("code") == "" {
			t.Errorf("the page itself: %v", first)
		}
		mine.Page = page // sent twice
		if again := mine.Press("approve").Answer(t); again.Get("code") == "" || again.Get("code") == first.Get("code") {
			t.Errorf("the page again: %v after %v", again, first)
		}
	})
}

// TestAttack_AZ_39_NoPasswordGoesAlong: the redirect after a sign-in is a GET.
func TestAttack_AZ_39_NoPasswordGoesAlong(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	createAccount(t, s, alice)
	c := newThirdParty(t, s, auth.DefaultTenant)
	b := s.Browser(t)
	b.Open(authorizationQuery(c))
	form := b.Page.Fields(t, "submit")
	form.Set("email", alice)
	form.Set("password", servertest.Password)
	r := s.Do(t, "POST", "/login", form.Encode(), servertest.Header("Content-Type", formType), withOwnOrigin(s), servertest.Header("Cookie", browserCookie+"="+b.Cookie(browserCookie)))
	if to := r.Header.Get("Location"); r.Status != http.StatusSeeOther || !strings.HasPrefix(to, "/consent?flow=") || strings.Contains(to, "password") || len(r.Body) != 0 {
		t.Errorf("AZ-39 %d to %q", r.Status, to)
	}
}

// TestAttack_AZ_18_Silent: prompt=none shows no page and stores nothing.
func TestAttack_AZ_18_Silent(t *testing.T) {
	t.Parallel()
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		createAccount(t, s, alice)
		c := newThirdParty(t, s, auth.DefaultTenant)
		b := s.Browser(t)
		silent := func() url.Values {
			t.Helper()
			p := b.Open(authorizationQuery(c, "prompt", "none"))
			if len(p.Hops) != 1 {
				t.Errorf("AZ-18 through %v", p.Hops)
			}
			return p.Answer(t)
		}
		if got := silent(); got.Get("error") != "login_required" || got.Get("state") != "the-state" || len(b.Cookies()) != 0 {
			t.Errorf("AZ-18 %v, cookies %v", got, b.Cookies())
		}
		r := s.Do(t, "GET", authorizationQuery(c, "prompt", "none"), nil)
		if len(r.Header["Set-Cookie"]) != 0 || len(r.Body) != 0 || r.Status != http.StatusSeeOther {
			t.Errorf("AZ-18 %d, cookies %v, %q", r.Status, r.Header["Set-Cookie"], r.Body)
		}
		b.Open(authorizationQuery(c))
		b.Press("submit", "email", alice, "password", servertest.Password, "remember", "on").At(t, "/consent")
		if got := silent(); got.Get("error") != "consent_required" {
			t.Errorf("AZ-18 before consent: %v", got)
		}
		b.Open(authorizationQuery(c)).At(t, "/consent")
		b.Press("approve").Answer(t)
		if got := silent(); got.Get("code") == "" {
			t.Errorf("AZ-18 after consent: %v", got)
		}
		b.Restart()
		kept := b.Cookie(rememberCookie)
		if got := silent(); got.Get("error") != "login_required" || kept == "" || b.Cookie(rememberCookie) != kept {
			t.Errorf("AZ-18 remembered only: %v; cookies %v", got, b.Cookies())
		}
	})
}

// TestAttack_AZ_41_Markup: foreign input is escaped on every page.
func TestAttack_AZ_41_Markup(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	createAccount(t, s, alice)
	for i, bad := range []string{`<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, `{{7*7}}`, `'"--><svg/onload=alert(1)>`, `javascript:alert(1)`} {
		c := newThirdParty(t, s, auth.DefaultTenant, func(r *client.Registration) {
			r.Name = auth.Clip(bad, 60)
			r.Scopes = []string{"openid", "a<b>", "{{7*7}}"}
		})
		b := s.Browser(t)
		look := func(what string, p *servertest.Page) {
			if p.Away {
				t.Fatalf("AZ-41 %s left to %s", what, p.URL)
			}
			low := strings.ToLower(string(p.Body))
			for _, no := range []string{"<script>alert", "<img src=x", "<svg/onload", "onerror=alert(1)>", ">49<", `href="javascript`, "<b>"} {
				if strings.Contains(low, no) && !(no == "<b>" && strings.Contains(low, "<b><bdi>")) && !(no == "<b>" && what == "consent") {
					t.Errorf("AZ-41 %d in %s: %s in %s", i, what, no, p.Body)
				}
			}
		}
		look("login", b.Open(authorizationQuery(c, "scope", "openid a<b> {{7*7}}", "state", bad, "login_hint", "x@"+bad, "ui_locales", bad, "nonce", bad)))
		look("refused", b.Press("submit", "email", bad, "password", bad))
		look("consent", b.Press("submit", "email", alice, "password", servertest.Password).At(t, "/consent"))
		if !strings.Contains(b.Page.Text(), auth.Clip(bad, 60)) {
			t.Errorf("AZ-41 the name is not shown as it is: %s", b.Page.Text())
		}
		if got := b.Press("approve").Answer(t); got.Get("state") != bad {
			t.Errorf("AZ-41 state %q came back as %q", bad, got.Get("state"))
		}
		q := url.QueryEscape(bad)
		for _, path := range []string{"/oauth2/authorize?client_id=" + q, "/login?flow=" + q, "/continue?flow=" + q, "/device?user_code=" + q, "/oauth2/logout?post_logout_redirect_uri=" + q + "&state=" + q,
			"/oauth2/authorize?error_description=" + q + "&" + q, "/account?done=" + q, "/account/apps?done=" + q, "/logout?" + q} {
			if p := b.Open(path); !p.Away {
				look(path, p)
			} else {
				t.Errorf("AZ-41 %s led to %s", path, p.URL)
			}
		}
	}
}

// TestAttack_SE_03_BrowserCookies checks all cookies that a browser gets.
func TestAttack_SE_03_BrowserCookies(t *testing.T) {
	t.Parallel()
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		var emails []string
		for range 6 {
			emails = append(emails, newEmail())
			createAccount(t, s, emails[len(emails)-1])
		}
		c := newThirdParty(t, s, auth.DefaultTenant)
		b := s.Browser(t) // fails for attributes that a browser would not take
		for _, email := range emails {
			if b.Open(authorizationQuery(c, "prompt", "select_account")); b.Page.URL.Path == "/choose-account" {
				b.Press("other")
			}
			b.Press("submit", "email", email, "password", servertest.Password, "remember", "on").At(t, "/consent")
			for _, name := range []string{cookieName, browserCookie, rememberCookie, knownCookie} {
				v := b.Cookie(name)
				if v == "" || len(v) > 2048 {
					t.Errorf("SE-03 %s has %d bytes", name, len(v))
				}
				for _, table := range []string{"sessions", "flows", "remembered"} {
					for _, line := range dump(t, openDatabase(t, s.Config.DatabaseURL()), table) {
						for part := range strings.SplitSeq(v, ".") {
							if strings.Contains(line, part) {
								t.Errorf("SE-03 the secret of %s is stored in %s", name, table)
							}
						}
					}
				}
			}
		}
		if n := strings.Count(b.Cookie(cookieName), ".") + 1; n != 5 {
			t.Errorf("SE-03 the cookie holds %d sessions", n)
		}
		if strings.Join(b.Cookies(), " ") != strings.Join([]string{cookieName, browserCookie, knownCookie, rememberCookie}, " ") {
			t.Errorf("SE-03 cookies %v", b.Cookies())
		}
	})
}

// TestAttack_SE_11_PagesOfAnotherTenant: a session in one tenant is none in another, whatever
// the cookies are called.
func TestAttack_SE_11_PagesOfAnotherTenant(t *testing.T) {
	t.Parallel()
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		createAccount(t, s, alice)
		t2 := secondTenant(t, s)
		b := s.Browser(t)
		b.Open("/account").At(t, "/login")
		b.Press("submit", "email", alice, "password", servertest.Password, "remember", "on").At(t, "/account")
		flow := b.Open("/device").Value("flow")
		for name := range map[string]bool{cookieName: true, browserCookie: true, rememberCookie: true} {
			b.SetCookie(name+"-t2", b.Cookie(name))
		}
		if p := b.Open(t2.at+"/account").At(t, "/login"); !strings.HasPrefix(p.URL.Path, t2.at) {
			t.Errorf("SE-11 at %s", p.URL)
		}
		b.Open(t2.at+"/device?flow="+flow).Want(t, 404)
		// The cookies of a tenant whose ID is a kind of cookie differ from those of that kind.
		for _, id := range []auth.TenantID{"browser", "remember", "browser-t2"} {
			if _, err := s.Tenants.Create(t.Context(), string(id), "Another", auth.Settings{}, auth.System); err != nil {
				t.Fatal(err)
			}
			createIn(t, s, id, alice, auth.System)
			b.Open(id.Path()+"/account").At(t, "/login")
			b.Press("submit", "email", alice, "password", servertest.Password).At(t, "/account")
		}
		for _, at := range []string{"", "/t/browser", "/t/keep", "/t/browser-t2"} {
			if p := b.Open(at + "/account"); p.URL.Path != at+"/account" {
				t.Errorf("SE-11 the sign-in with %q was lost: %s", at, p.URL)
			}
		}
	})
}

// TestAttack_SE_12_GarbageOnPages sends invalid cookies to the pages.
func TestAttack_SE_12_GarbageOnPages(t *testing.T) {
	t.Parallel()
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		createAccount(t, s, alice)
		c := newThirdParty(t, s, auth.DefaultTenant)
		b := s.Browser(t)
		b.Open("/account")
		b.Press("submit", "email", alice, "password", servertest.Password, "remember", "on").At(t, "/account")
		requireUnchanged(t, s, func() {
			for name, change := range map[string]func(string) string{
				"truncated": func(v string) string { return v[:len(v)-1] },
				"tampered":  func(v string) string { return v[:8] + string(v[8]^1) + v[9:] },
				"8 KB":      func(string) string { return strings.Repeat("a", 8<<10) },
				"not UTF-8": func(string) string { return "\xff\xfe\xfd" },
				"dots":      func(v string) string { return v + "." + v + "." },
				"twice":     func(v string) string { return v + "." + v },
				"many":      func(v string) string { return strings.Repeat(v+".", 20) + v },
			} {
				var line []string
				for _, cookie := range []string{cookieName, browserCookie, rememberCookie, knownCookie} {
					line = append(line, cookie+"="+change(b.Cookie(cookie)))
				}
				for _, path := range []string{"/account", "/login", "/continue?flow=x", "/device", authorizationQuery(c, "prompt", "none"), "/logout"} {
					answers, _ := sendRaw(t, s, "GET "+path+" HTTP/1.1\r\nHost: x\r\nCookie: "+strings.Join(line, "; ")+"\r\nConnection: close\r\n\r\n")
					if len(answers) != 1 || answers[0].StatusCode >= 500 {
						t.Errorf("SE-12 %s at %s: %v", name, path, answers)
						continue
					}
					if to := answers[0].Header.Get("Location"); path == "/account" && to != "/login" || strings.Contains(to, "code=") {
						t.Errorf("SE-12 %s at %s: signed in, to %q", name, path, to)
					}
				}
			}
		}, "remembered")
		b.Open("/account").At(t, "/account")
	})
}

// TestAttack_SE_13_ReturnTo: no parameter sets the target of a sign-in.
func TestAttack_SE_13_ReturnTo(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	createAccount(t, s, alice)
	for _, to := range []string{"//evil.test", `/\evil.test`, "https:evil.test", "%2f%2fevil.test", "/%09/evil.test", "javascript:alert(1)", "@evil.test", "https://our-host.evil.test", "https://evil.test/"} {
		b := s.Browser(t)
		var query []string
		for _, name := range []string{"return_to", "redirect", "redirect_uri", "next", "url", "continue", "target", "r", "post_logout_redirect_uri"} {
			query = append(query, name+"="+url.QueryEscape(to), name+"="+to)
		}
		q := strings.ReplaceAll(strings.Join(query, "&"), `\`, "%5C")
		b.Open("/login?"+q).At(t, "/login")
		b.Press("submit", "email", alice, "password", servertest.Password, "return_to", to, "next", to, "redirect_uri", to).At(t, "/account")
		for _, path := range []string{"/login?", "/continue?", "/choose-account?", "/logout?"} {
			if p := b.Open(path + q); p.Away {
				t.Errorf("SE-13 %s%s led to %s", path, q, p.URL)
			}
		}
		b.Open("/logout")
		if p := b.Press("approve", "post_logout_redirect_uri", to, "return_to", to); p.Away {
			t.Errorf("SE-13 log-out led to %s", p.URL)
		}
	}
}
