package web

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/session"
	"github.com/watchword-auth/watchword/internal/web/router"
)

func TestAttack_SE_03_CookieAttributes(t *testing.T) {
	t.Parallel()
	h := newFixture(t)
	h.newAccount("alice@example.com")
	r := h.requireReply(h.post("/api/v1/login", `{"email":"alice@example.com","password":"`+pass+`","session":"cookie"}`), 204, "")
	if len(r.body) != 0 {
		t.Errorf("body %q", r.body)
	}
	line := r.Header.Get("Set-Cookie")
	c := r.Cookies()[0]
	if c.Name != "__Host-watchword" || !c.Secure || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || strings.Contains(line, "Domain") {
		t.Errorf("cookie %q", line)
	}
	if !secret.Valid(session.Prefix, c.Value) || len(line) > 4096 {
		t.Errorf("cookie %q", line)
	}
	h.requireReply(h.get("/api/v1/me", "Cookie: "+c.Name+"="+c.Value), 200, "")
}

// stateChanging returns the state-changing routes with a cross-site check.
func stateChanging(h *fixture) []*router.Route {
	var list []*router.Route
	for _, rt := range h.router.Table() {
		if rt.Method != http.MethodGet && !rt.Dialect.CrossSite {
			list = append(list, rt)
		}
	}
	if len(list) < 10 {
		h.Fatalf("only %d state-changing routes", len(list))
	}
	return list
}

// Other sites may send forms only to endpoints that read no cookie, and to the two to which clients
// send browsers.
func TestRoutes_AllowCrossSiteOnlyWithoutCookies(t *testing.T) {
	t.Parallel()
	h := newFixture(t)
	cookieless := map[string]bool{"client": true, "tokenHolder": true}
	for _, rt := range h.router.Table() {
		open := cookieless[rt.Principal.Name] || rt.Path == "/oauth2/authorize" || rt.Path == "/oauth2/logout"
		if rt.Dialect.CrossSite != open {
			t.Errorf("%s %s: crossSite %v", rt.Method, rt.Path, rt.Dialect.CrossSite)
		}
	}
}

// path returns the path of a route with values for its parameters.
func path(rt *router.Route) string {
	return strings.NewReplacer("{id}", "x", "{client_id}", "x").Replace(rt.Path)
}

func TestAttack_SE_06_CrossSite(t *testing.T) {
	t.Parallel()
	h := newFixture(t)
	cookie := h.signInBrowser("alice@example.com")
	h.takeMails()
	for _, rt := range stateChanging(h) {
		for name, headers := range map[string][]string{
			"cross-site fetch":     {"Sec-Fetch-Site: cross-site", "Origin: https://evil.test"},
			"same-site fetch":      {"Sec-Fetch-Site: same-site", "Origin: https://other.example.test"},
			"form":                 {"Content-Type: application/x-www-form-urlencoded", "Origin: https://evil.test"},
			"text/plain JSON":      {"Content-Type: text/plain", "Origin: https://evil.test"},
			"origin null":          {"Origin: null"},
			"no origin":            {},
			"issuer as a prefix":   {"Origin: https://auth.example.test.evil.test"},
			"only a referer":       {"Referer: https://auth.example.test/"},
			"old browser, no site": {"Content-Type: text/plain"},
		} {
			r := h.do(request(rt.Method, path(rt), `{"name":"eve"}`, append(headers, cookie)...))
			if r.StatusCode != 403 {
				t.Errorf("%s %s, %s: %d %s", rt.Method, rt.Path, name, r.StatusCode, r.code())
			}
		}
	}
	me := h.requireReply(h.get("/api/v1/me", cookie), 200, "").json(t)
	if me["name"] != "Alice" || len(h.takeMails()) != 0 {
		t.Errorf("something changed: %v", me)
	}
	// Allowed origins work.
	for _, headers := range [][]string{
		{"Sec-Fetch-Site: same-origin"}, {"Origin: " + base}, {"Origin: " + origin, "Sec-Fetch-Site: same-site"},
	} {
		h.requireReply(h.do(request("PATCH", "/api/v1/me", `{"name":"Alice"}`, append(headers, cookie)...)), 200, "")
	}
	// A bearer token needs no Origin.
	tk := h.tokens(h.login("alice@example.com", pass))
	h.requireReply(h.do(request("PATCH", "/api/v1/me", `{"name":"Alice"}`, bearer(tk))), 200, "")
	// A cookie does not replace an invalid token.
	h.requireReply(h.do(request("PATCH", "/api/v1/me", `{"name":"Eve"}`, "Authorization: Bearer x", cookie, "Origin: https://evil.test")), 401, "invalid_token")
}

func TestAttack_SE_07_StateChangeByGET(t *testing.T) {
	t.Parallel()
	h := newFixture(t)
	reads := map[string]bool{}
	for _, rt := range h.router.Table() {
		reads[rt.Path] = reads[rt.Path] || rt.Method == http.MethodGet
	}
	for _, rt := range stateChanging(h) {
		if reads[rt.Path] {
			continue // the next test checks that GET changes nothing
		}
		for _, method := range []string{"GET", "HEAD"} {
			r := h.do(request(method, path(rt), ""))
			if r.StatusCode != 405 || !strings.Contains(strings.Join(r.Header.Values("Allow"), ","), rt.Method) {
				t.Errorf("%s %s: %d", method, rt.Path, r.StatusCode)
			}
		}
	}
}

// SE-07, PW-10: GET of a path that another method changes, changes nothing.
func TestAttack_PW_10_ReadingSpendsNothing(t *testing.T) {
	t.Parallel()
	h := newFixture(t)
	h.requireReply(h.post("/api/v1/register", `{"email":"alice@example.com","password":"`+pass+`"}`), 202, "")
	link := h.link()
	for range 3 {
		for _, method := range []string{"GET", "HEAD"} {
			h.requireReply(h.do(request(method, "/verify-email?token="+link, "")), 200, "")
			h.requireReply(h.do(request(method, "/verify-email?token="+link+"&confirm=1", "")), 200, "")
		}
	}
	h.requireReply(h.login("alice@example.com", pass), 403, "email_not_verified")
	h.requireReply(form(h, "/verify-email", "token="+link+"&password="+url.QueryEscape(pass)), 303, "")
	h.requireReply(h.login("alice@example.com", pass), 200, "")

	h.requireReply(h.post("/api/v1/password/forgot", `{"email":"alice@example.com"}`), 202, "")
	link = h.link()
	for _, method := range []string{"GET", "HEAD"} {
		h.requireReply(h.do(request(method, "/reset-password?token="+link+"&password=another+good+password", "")), 200, "")
	}
	h.requireReply(h.login("alice@example.com", pass), 200, "")
	h.requireReply(form(h, "/reset-password?password=from+the+query", "token="+link+"&password=another+good+password"), 303, "")
	h.requireReply(h.login("alice@example.com", "another good password"), 200, "")
}

func TestAttack_SE_12_StrangeCookies(t *testing.T) {
	t.Parallel()
	h := newFixture(t)
	good := strings.TrimPrefix(h.signInBrowser("alice@example.com"), "Cookie: ")
	name, value, _ := strings.Cut(good, "=")
	last := map[bool]string{true: "B", false: "A"}[strings.HasSuffix(value, "A")]
	var many []string
	for range 200 {
		many = append(many, "a=b")
	}
	for what, cookie := range map[string]string{
		"tampered":  name + "=" + value[:len(value)-1] + last,
		"truncated": name + "=" + value[:len(value)-3],
		"empty":     name + "=",
		"8 KB":      name + "=" + strings.Repeat("a", 8000),
		"not UTF-8": name + "=\xff\xfe\xfd",
		"quoted":    name + `="` + value[:10] + `"`,
		"no name":   "=" + value,
		"other":     "__Host-watchword-acme=" + value,
		"case":      strings.ToUpper(name) + "=" + value,
		"two":       good + "; " + good,
		"control":   name + "=a\x01b",
	} {
		r := h.get("/api/v1/me", "Cookie: "+cookie)
		if r.StatusCode != 401 {
			t.Errorf("%s: %d", what, r.StatusCode)
		}
		if r := h.get("/reset-password?token=x", "Cookie: "+cookie); r.StatusCode != 400 { // the link is invalid
			t.Errorf("%s on a page: %d", what, r.StatusCode)
		}
	}
	if r := h.get("/api/v1/me", "Cookie: "+strings.Join(many, "; ")); r.StatusCode != 401 {
		t.Errorf("200 cookies: %d", r.StatusCode)
	}
	h.requireReply(h.get("/api/v1/me", "Cookie: "+strings.Join(many, "; ")+"; "+good), 200, "")
}

// SE-11: tenants on one host have different cookies.
func TestAttack_SE_11_CookieOfAnotherTenant(t *testing.T) {
	t.Parallel()
	h := newFixture(t)
	_, err := h.cfg.Tenants.Create(t.Context(), "acme", "Acme", noSettings, system)
	h.requireOK(err)
	cookie := h.signInBrowser("alice@example.com")
	h.requireReply(h.get("/t/acme/api/v1/me", cookie), 401, "missing_token")
	h.requireReply(h.get("/t/acme/api/v1/me", strings.Replace(cookie, "__Host-watchword", "__Host-watchword-acme", 1)), 401, "session_invalid")
}

func TestCookie_IsReplacedAndDeleted(t *testing.T) {
	t.Parallel()
	h := newFixture(t)
	cookie := h.signInBrowser("alice@example.com")
	sameOrigin := "Origin: " + base
	// SE-01: changing the password replaces the cookie and ends the old session.
	r := h.requireReply(h.post("/api/v1/password/change", `{"current_password":"`+pass+`","new_password":"the second password"}`, cookie, sameOrigin), 204, "")
	if len(r.Cookies()) != 1 {
		t.Fatalf("%d cookies", len(r.Cookies()))
	}
	next := "Cookie: " + r.Cookies()[0].Name + "=" + r.Cookies()[0].Value
	h.requireReply(h.get("/api/v1/me", cookie), 401, "session_invalid")
	h.requireReply(h.get("/api/v1/me", next), 200, "")
	r = h.requireReply(h.post("/api/v1/logout", "", next, sameOrigin), 204, "")
	if c := r.Cookies(); len(c) != 1 || c[0].MaxAge >= 0 {
		t.Errorf("cookies after logout: %v", c)
	}
	h.requireReply(h.get("/api/v1/me", next), 401, "session_invalid")
}

// form sends a form as a browser does on a page of the server.
func form(h *fixture, path, body string, headers ...string) reply {
	h.Helper()
	headers = append([]string{"Content-Type: application/x-www-form-urlencoded", "Sec-Fetch-Site: same-origin", "Accept: text/html"}, headers...)
	return h.do(request("POST", path, body, headers...))
}

// Pages of mailed links send no Referer, so browsers without Fetch Metadata (Safari before 16.4) send
// the origin null with their forms.
func TestRepair_B10_NullOriginOfOurOwnForm(t *testing.T) {
	t.Parallel()
	h := newFixture(t)
	send := func(path string, headers ...string) reply {
		headers = append([]string{"Content-Type: application/x-www-form-urlencoded", "Accept: text/html", "Origin: null"}, headers...)
		return h.do(request("POST", path, "token=wwl_bogus&password=another+good+password", headers...))
	}
	for _, path := range []string{"/verify-email", "/reset-password"} {
		if r := h.requireReply(send(path), 400, ""); !strings.Contains(string(r.body), "<h1>") {
			t.Errorf("%s: %s", path, r.body)
		}
		h.requireReply(send(path, "Sec-Fetch-Site: same-origin"), 400, "")
		h.requireReply(send(path, "Sec-Fetch-Site: cross-site"), 403, "")
	}
	for _, path := range []string{"/login", "/logout", "/account/logout"} {
		h.requireReply(send(path), 403, "")
	}
}
