package attacks_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/servertest"
)

const cookieName = "__Host-watchword"

// signInCookie signs in for a browser and returns the cookie.
func signInCookie(t testing.TB, s *servertest.Server, email, password string, opts ...servertest.RequestOption) *http.Cookie {
	t.Helper()
	r := post(t, s, "/login", body{"email": email, "password": password, "session": "cookie"}, opts...).Want(t, 204)
	return requireOneCookie(t, r)
}

// requireOneCookie returns the only cookie that a response sets, apart from that of known
// browsers.
func requireOneCookie(t testing.TB, r servertest.Response) *http.Cookie {
	t.Helper()
	set := slices.DeleteFunc((&http.Response{Header: r.Header}).Cookies(), func(c *http.Cookie) bool { return strings.HasPrefix(c.Name, knownCookie) })
	if len(set) != 1 {
		t.Fatalf("%d cookies", len(set))
	}
	return set[0]
}

// withOwnOrigin sets the Origin of the server's own pages.
func withOwnOrigin(s *servertest.Server) servertest.RequestOption {
	return servertest.Header("Origin", s.Issuer)
}

func withCookie(c *http.Cookie) servertest.RequestOption {
	return servertest.Header("Cookie", c.Name+"="+c.Value)
}

// TestAttack_SE_01_NewIdentifiers: every new proof of the user gives the browser a new cookie
// and invalidates the previous one.
func TestAttack_SE_01_NewIdentifiers(t *testing.T) {
	t.Parallel()
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		s.SignUp(t, alice)
		first := signInCookie(t, s, alice, servertest.Password)
		me(t, s, withCookie(first)).Want(t, 200)
		second := signInCookie(t, s, alice, servertest.Password, withCookie(first), withOwnOrigin(s))
		if second.Value == first.Value {
			t.Error("signing in again kept the identifier")
		}
		me(t, s, withCookie(second)).Want(t, 200)
		me(t, s, withCookie(first)).Want(t, 401)

		changed := post(t, s, "/password/change", body{"current_password": servertest.Password, "new_password": otherPassword}, withCookie(second), withOwnOrigin(s)).Want(t, 204)
		third := requireOneCookie(t, changed)
		me(t, s, withCookie(third)).Want(t, 200)
		me(t, s, withCookie(second)).Want(t, 401)
	})
}

// TestAttack_SE_02_Fixation: a cookie that an attacker set never becomes a session.
func TestAttack_SE_02_Fixation(t *testing.T) {
	t.Parallel()
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		s.SignUp(t, alice)
		s.SignUp(t, eve)
		for name, planted := range map[string]*http.Cookie{
			"made up":   {Name: cookieName, Value: "wwa_" + strings.Repeat("A", 43)},
			"eve's own": signInCookie(t, s, eve, servertest.Password),
		} {
			t.Run("SE-02 "+name, func(t *testing.T) {
				got := signInCookie(t, s, alice, servertest.Password, withCookie(planted), withOwnOrigin(s))
				if got.Value == planted.Value {
					t.Fatal("the planted cookie was kept")
				}
				if r := me(t, s, withCookie(planted)); r.Status == 200 && strings.Contains(string(r.Body), alice) {
					t.Error("the planted cookie is alice's session")
				}
			})
		}
	})
}

// TestAttack_SE_03_CookieAttributes looks at the cookie itself.
func TestAttack_SE_03_CookieAttributes(t *testing.T) {
	t.Parallel()
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		s.SignUp(t, alice)
		seen := map[string]bool{}
		for range 20 {
			c := signInCookie(t, s, alice, servertest.Password)
			if !strings.HasPrefix(c.Name, "__Host-") || !c.Secure || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode && c.SameSite != http.SameSiteStrictMode ||
				c.Domain != "" || c.Path != "/" || len(c.Raw) > 4096 {
				t.Fatalf("cookie %s", c.Raw)
			}
			if len(strings.TrimPrefix(c.Value, "wwa_")) < 22 || seen[c.Value] { // 22 characters of base64 hold 128 bits
				t.Fatalf("cookie value %s", c.Value)
			}
			seen[c.Value] = true
			if n := queryValue[int](t, openDatabase(t, s.Config.DatabaseURL()), "SELECT count(*) FROM sessions WHERE digest = $1", c.Value); n != 0 {
				t.Error("the secret itself is stored")
			}
		}
	})
}

// TestAttack_SE_04_ReplayAfterLogout sends the cookie again after the logout, and checks that
// pages are not cached.
func TestAttack_SE_04_ReplayAfterLogout(t *testing.T) {
	t.Parallel()
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		s.SignUp(t, alice)
		c := signInCookie(t, s, alice, servertest.Password)
		for _, path := range []string{"/me", "/me/sessions", "/me/export"} {
			r := s.Do(t, "GET", api(path), nil, withCookie(c)).Want(t, 200)
			if r.Header.Get("Cache-Control") != "no-store" {
				t.Errorf("%s may be stored: %q", path, r.Header.Get("Cache-Control"))
			}
		}
		gone := requireOneCookie(t, post(t, s, "/logout", nil, withCookie(c), withOwnOrigin(s)).Want(t, 204))
		if gone.Name != c.Name || gone.MaxAge >= 0 || gone.Value != "" {
			t.Errorf("the browser keeps the cookie: %s", gone.Raw)
		}
		for _, path := range []string{"/me", "/me/sessions", "/me/export"} {
			s.Do(t, "GET", api(path), nil, withCookie(c)).Want(t, 401)
		}
		post(t, s, "/logout", nil, withCookie(c), withOwnOrigin(s)).Want(t, 401)
	})
}

// TestAttack_SE_05_Limits reaches the idle and the absolute limit by one second.
func TestAttack_SE_05_Limits(t *testing.T) {
	t.Parallel()
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		s.SignUp(t, alice)
		idle, absolute := s.Config.Sessions.Idle, s.Config.Sessions.Lifetime
		c := signInCookie(t, s, alice, servertest.Password)
		s.Clock.Advance(idle - time.Second)
		me(t, s, withCookie(c)).Want(t, 200)
		s.Clock.Advance(idle - time.Second)
		me(t, s, withCookie(c)).Want(t, 200)
		s.Clock.Advance(idle + time.Second)
		me(t, s, withCookie(c)).Want(t, 401)
		s.Clock.Advance(-idle) // FL-09: not even then
		me(t, s, withCookie(c)).Want(t, 401)
		s.Clock.Advance(idle)

		c = signInCookie(t, s, alice, servertest.Password)
		for since := time.Duration(0); since+idle/2 < absolute; since += idle / 2 {
			me(t, s, withCookie(c)).Want(t, 200)
			s.Clock.Advance(idle / 2)
		}
		me(t, s, withCookie(c)).Want(t, 200)
		s.Clock.Advance(idle/2 + time.Second)
		me(t, s, withCookie(c)).Want(t, 401)
	})
}

type sessionList struct {
	Sessions []struct {
		ID      string `json:"id"`
		Current bool   `json:"current"`
	} `json:"sessions"`
}

// TestAttack_SE_09_EndSessions ends one session, all others, and all as an operator.
func TestAttack_SE_09_EndSessions(t *testing.T) {
	t.Parallel()
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		own := s.SignUp(t, alice)
		s.SignUp(t, bob)
		bobs := signInCookie(t, s, bob, servertest.Password)
		c := signInCookie(t, s, alice, servertest.Password)
		tokens := s.Login(t, alice, servertest.Password)
		id := func(opt servertest.RequestOption) string {
			for _, v := range decode[sessionList](t, s.Do(t, "GET", api("/me/sessions"), nil, opt).Want(t, 200)).Sessions {
				if v.Current {
					return v.ID
				}
			}
			t.Fatal("no current session")
			return ""
		}
		cookieID, tokenID, bobsID := id(withCookie(c)), id(servertest.Bearer(tokens.AccessToken)), id(withCookie(bobs))

		requireUnchanged(t, s, func() {
			s.Do(t, "DELETE", api("/me/sessions/"+bobsID), nil, servertest.Bearer(own.AccessToken)).Want(t, 404)
			s.Do(t, "DELETE", api("/me/sessions/nothing"), nil, servertest.Bearer(own.AccessToken)).Want(t, 404)
		})
		s.Do(t, "DELETE", api("/me/sessions/"+cookieID), nil, servertest.Bearer(own.AccessToken)).Want(t, 204)
		me(t, s, withCookie(c)).Want(t, 401)
		s.Do(t, "DELETE", api("/me/sessions/"+tokenID), nil, servertest.Bearer(own.AccessToken)).Want(t, 204)
		me(t, s, servertest.Bearer(tokens.AccessToken)).Want(t, 401)
		refresh(t, s, tokens.RefreshToken).WantCode(t, 401, "invalid_refresh_token")

		c, tokens = signInCookie(t, s, alice, servertest.Password), s.Login(t, alice, servertest.Password)
		s.Do(t, "DELETE", api("/me/sessions"), nil, servertest.Bearer(own.AccessToken)).Want(t, 204)
		me(t, s, withCookie(c)).Want(t, 401)
		me(t, s, servertest.Bearer(tokens.AccessToken)).Want(t, 401)
		refresh(t, s, tokens.RefreshToken).Want(t, 401)
		me(t, s, servertest.Bearer(own.AccessToken)).Want(t, 200)
		me(t, s, withCookie(bobs)).Want(t, 200)

		a, err := s.Accounts.Find(t.Context(), auth.DefaultTenant, alice)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Accounts.EndOtherSessions(t.Context(), auth.DefaultTenant, a.ID, "", auth.Actor{Kind: auth.ActorOperator, ID: "root"}); err != nil {
			t.Fatal(err)
		}
		me(t, s, servertest.Bearer(own.AccessToken)).Want(t, 401)
		refresh(t, s, own.RefreshToken).Want(t, 401)
		me(t, s, withCookie(bobs)).Want(t, 200)
	})
}

// TestAttack_SE_09_SE_10_TenantShut: disabling a tenant invalidates all its sessions and
// tokens.
func TestAttack_SE_09_SE_10_TenantShut(t *testing.T) {
	t.Parallel()
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		t2 := secondTenant(t, s)
		tokens := t2.signUp(t, "carol@example.test")
		if _, err := s.Tenants.Update(t.Context(), "t2", func(v *auth.Tenant) error { v.DisabledAt = s.Clock.Now(); return nil }, auth.System); err != nil {
			t.Fatal(err)
		}
		s.Clock.Advance(time.Second) // how long a tenant may be remembered
		s.Do(t, "GET", "/t/t2"+api("/me"), nil, servertest.Bearer(tokens.AccessToken)).Want(t, 404)
		s.Do(t, "POST", "/t/t2"+api("/refresh"), body{"refresh_token": tokens.RefreshToken}).Want(t, 404)
	})
}

// tenant is a second tenant of the server.
type tenant struct {
	s  *servertest.Server
	at string // its base path
}

func secondTenant(t testing.TB, s *servertest.Server) tenant {
	t.Helper()
	if _, err := s.Tenants.Create(t.Context(), "t2", "Second", auth.Settings{}, auth.System); err != nil {
		t.Fatal(err)
	}
	return tenant{s, "/t/t2"}
}

func (v tenant) post(t testing.TB, path string, b any, opts ...servertest.RequestOption) servertest.Response {
	t.Helper()
	return v.s.Do(t, "POST", v.at+api(path), b, opts...)
}

func (v tenant) signUp(t testing.TB, email string) servertest.Tokens {
	t.Helper()
	v.post(t, "/register", body{"email": email, "password": servertest.Password}).Want(t, 202)
	v.post(t, "/verify-email", body{"token": servertest.LinkToken(t, v.s.WaitMail(t, email))}).Want(t, 200)
	return decode[servertest.Tokens](t, v.post(t, "/login", body{"email": email, "password": servertest.Password}).Want(t, 200))
}

// TestAttack_SE_10_RT_07_AllNodes: a disabled or deleted account is refused at the next
// request, on every node.
func TestAttack_SE_10_RT_07_AllNodes(t *testing.T) {
	t.Parallel()
	nodes := servertest.Nodes(t, 2)
	a, b := nodes[0], nodes[1]
	for name, shut := range map[string]func(id auth.AccountID) error{
		"disable": func(id auth.AccountID) error {
			return a.Accounts.Disable(t.Context(), auth.DefaultTenant, id, auth.System)
		},
		"delete": func(id auth.AccountID) error {
			return a.Accounts.Remove(t.Context(), auth.DefaultTenant, id, auth.System)
		},
	} {
		t.Run("SE-10 "+name, func(t *testing.T) {
			email := newEmail()
			id := createAccount(t, a, email)
			c, tokens := signInCookie(t, b, email, servertest.Password), b.Login(t, email, servertest.Password)
			me(t, b, withCookie(c)).Want(t, 200)
			me(t, b, servertest.Bearer(tokens.AccessToken)).Want(t, 200)
			if err := shut(id); err != nil {
				t.Fatal(err)
			}
			for _, s := range nodes {
				me(t, s, withCookie(c)).Want(t, 401)
				me(t, s, servertest.Bearer(tokens.AccessToken)).Want(t, 401)
				refresh(t, s, tokens.RefreshToken).WantCode(t, 401, "invalid_refresh_token")
				login(t, s, email, servertest.Password).WantCode(t, 401, "invalid_credentials")
			}
		})
	}
}

// TestAttack_SE_11_OtherTenant: a cookie of one tenant is refused by another on the same host,
// under either name.
func TestAttack_SE_11_OtherTenant(t *testing.T) {
	t.Parallel()
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		s.SignUp(t, alice)
		t2 := secondTenant(t, s)
		t2.signUp(t, "carol@example.test")
		mine := signInCookie(t, s, alice, servertest.Password)
		theirs := requireOneCookie(t, t2.post(t, "/login", body{"email": "carol@example.test", "password": servertest.Password, "session": "cookie"}))
		get := func(at string, c *http.Cookie) int { return s.Do(t, "GET", at+api("/me"), nil, withCookie(c)).Status }
		if get("", mine) != 200 || get("/t/t2", theirs) != 200 {
			t.Fatal("the cookies do not work at home")
		}
		for _, got := range []int{
			get("/t/t2", mine), get("", theirs),
			get("/t/t2", &http.Cookie{Name: theirs.Name, Value: mine.Value}), get("", &http.Cookie{Name: mine.Name, Value: theirs.Value}),
		} {
			if got != 401 {
				t.Errorf("status %d", got)
			}
		}
	})
}

// TestAttack_SE_12_Garbage sends invalid cookies: no session, and no 5xx.
func TestAttack_SE_12_Garbage(t *testing.T) {
	t.Parallel()
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		s.SignUp(t, alice)
		good := signInCookie(t, s, alice, servertest.Password)
		v := good.Value
		many := make([]string, 200)
		for i := range many {
			many[i] = fmt.Sprintf("%s=wwa_%043d", cookieName, i)
		}
		lines := map[string]string{
			"one bit off":       cookieName + "=" + v[:len(v)-2] + string(v[len(v)-2]^1) + v[len(v)-1:],
			"truncated":         cookieName + "=" + v[:len(v)-1],
			"longer":            cookieName + "=" + v + "A",
			"other case":        cookieName + "=" + strings.ToUpper(v),
			"8 KB":              cookieName + "=" + strings.Repeat("a", 8<<10),
			"not UTF-8":         cookieName + "=\xff\xfe\xfd",
			"empty":             cookieName + "=",
			"no name":           "=" + v,
			"quoted twice":      cookieName + "=\"\"" + v + "\"\"",
			"other name":        "watchword=" + v,
			"lower name":        strings.ToLower(cookieName) + "=" + v,
			"without prefix":    cookieName + "=" + strings.TrimPrefix(v, "wwa_"),
			"a refresh token":   cookieName + "=wwr_" + strings.TrimPrefix(v, "wwa_"),
			"SQL":               cookieName + "=' OR '1'='1",
			"200 cookies":       strings.Join(many, "; "),
			"two of them":       good.Name + "=" + v + "; " + good.Name + "=" + v,
			"control character": cookieName + "=" + v + "\x01",
			"the digest":        cookieName + "=" + queryValue[string](t, openDatabase(t, s.Config.DatabaseURL()), "SELECT digest FROM sessions WHERE digest IS NOT NULL LIMIT 1"),
		}
		requireUnchanged(t, s, func() {
			for name, line := range lines {
				answers, _ := sendRaw(t, s, "GET /api/v1/me HTTP/1.1\r\nHost: x\r\nCookie: "+line+"\r\nConnection: close\r\n\r\n")
				if len(answers) != 1 || answers[0].StatusCode != 401 && answers[0].StatusCode != 400 {
					t.Errorf("SE-12 %s: %d answers, %v", name, len(answers), answers)
				}
			}
		})
		me(t, s, withCookie(good)).Want(t, 200)
	})
}
