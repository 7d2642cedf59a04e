package web

import (
	"fmt"
	"strings"
	"testing"

	"github.com/watchword-auth/watchword/internal/web/pages"
)

// preflight sends the preflight of a scripted request from an origin with the headers.
func (h *fixture) preflight(path, method, from, headers string) reply {
	return h.do(request("OPTIONS", path, "", "Origin: "+from, "Access-Control-Request-Method: "+method, "Access-Control-Request-Headers: "+headers))
}

// B5: clients send tracing headers, protocol versions and the like; preflights allow any header.
func TestRepair_B5_AnyHeaderInPreflights(t *testing.T) {
	t.Parallel()
	h := newFixture(t)
	for path, method := range map[string]string{
		"/.well-known/openid-configuration": "GET", "/.well-known/oauth-authorization-server": "GET", "/.well-known/jwks.json": "GET", "/t/acme/.well-known/jwks.json": "GET",
		"/oauth2/token": "POST", "/oauth2/revoke": "POST", "/oauth2/par": "POST", "/oauth2/device_authorization": "POST", "/oauth2/userinfo": "GET",
		"/oauth2/register": "POST", "/oauth2/register/x": "PUT",
	} {
		for _, headers := range []string{"mcp-protocol-version", "x-requested-with", "traceparent", "baggage,sentry-trace", "cache-control,pragma", "authorization,content-type,dpop"} {
			r := h.preflight(path, method, "https://spa.example", headers)
			if r.StatusCode != 204 || r.Header.Get("Access-Control-Allow-Origin") != "*" || r.Header.Get("Access-Control-Allow-Headers") != headers ||
				r.Header.Get("Access-Control-Max-Age") != "86400" || r.Header.Get("Access-Control-Allow-Credentials") != "" {
				t.Errorf("%s, %s: %d %v", path, headers, r.StatusCode, r.Header)
			}
		}
		if r := h.preflight(path, method, "https://spa.example", "x-"+strings.Repeat("a", 8000)); len(fmt.Sprint(r.Header)) > 1500 {
			t.Errorf("%s: the response repeats %d bytes", path, len(fmt.Sprint(r.Header)))
		}
	}
	r := h.preflight("/api/v1/login", "POST", origin, "content-type,x-requested-with")
	if r.Header.Get("Access-Control-Allow-Origin") != origin || r.Header.Get("Access-Control-Allow-Headers") != "content-type,x-requested-with" {
		t.Errorf("the API, from a listed origin: %d %v", r.StatusCode, r.Header)
	}
	if r := h.preflight("/api/v1/login", "POST", "https://evil.test", "content-type"); r.Header.Get("Access-Control-Allow-Headers") != "" || r.Header.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("the API, from another origin: %v", r.Header)
	}
}

// N10: only applications on this machine may call a development server without configuration.
func TestRepair_N10_LoopbackOriginsInDevelopment(t *testing.T) {
	t.Parallel()
	dev := newFixture(t, func(c *Config) { c.Mailbox, c.Origins = func() []pages.Mail { return nil }, nil })
	dev.newAccount("alice@example.com")
	body := `{"email":"alice@example.com","password":"` + pass + `"}`
	for from, want := range map[string]bool{
		"http://localhost:5173": true, "http://127.0.0.1:3000": true, "http://[::1]:3000": true, "https://localhost": true,
		"http://localhost.evil.test": false, "http://127.0.0.1.evil.test": false, "https://evil.test": false, "null": false, "http://192.0.2.1": false, "ftp://localhost": false,
		"http://localhost:5173/": false, "http://x@localhost:5173": false,
	} {
		pre := dev.preflight("/api/v1/login", "POST", from, "content-type")
		r := dev.post("/api/v1/login", body, "Origin: "+from, "Sec-Fetch-Site: cross-site")
		if got := pre.Header.Get("Access-Control-Allow-Origin") == from && r.Header.Get("Access-Control-Allow-Origin") == from && r.StatusCode == 200; got != want {
			t.Errorf("%s: %d %v, then %d %s", from, pre.StatusCode, pre.Header, r.StatusCode, r.body)
		}
	}
	// With the session cookie a script acts for the signed-in user, so its origin must be configured.
	r := dev.do(request("POST", "/api/v1/logout", "", "Origin: http://localhost:5173", "Sec-Fetch-Site: same-site", dev.signInBrowser("bob@example.com")))
	if r.StatusCode != 403 {
		t.Errorf("with the cookie, from another port: %d", r.StatusCode)
	}
	// A form of such a page is still cross-site.
	r = dev.post("/login", "flow=x&csrf=x", "Content-Type: application/x-www-form-urlencoded", "Origin: http://localhost:5173", "Sec-Fetch-Site: same-site")
	if r.StatusCode != 403 {
		t.Errorf("a form from another port: %d", r.StatusCode)
	}
	live := newFixture(t, func(c *Config) { c.Origins = nil })
	if r := live.preflight("/api/v1/login", "POST", "http://localhost:5173", "content-type"); r.Header.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("in production: %v", r.Header)
	}
}

// N10: in production the log names, once for each origin and for at most eight origins, the setting
// that would allow it.
func TestRepair_N10_TheLogNamesTheSetting(t *testing.T) {
	t.Parallel()
	h := newFixture(t)
	named := func() (n int) {
		for _, line := range h.logLines() {
			if line["level"] == "WARN" && strings.Contains(fmt.Sprint(line["msg"]), "cors.origins") {
				n++
			}
		}
		return n
	}
	for range 3 {
		h.preflight("/api/v1/login", "POST", "https://spa.example", "content-type")
	}
	h.get("/api/v1/me", "Origin: "+origin)
	h.get("/api/v1/me", "Origin: "+base)
	h.get("/api/v1/me", "Origin: null")
	h.preflight("/oauth2/token", "POST", "https://other.example", "content-type")
	if n := named(); n != 1 {
		t.Errorf("%d lines, want one for the refused origin", n)
	}
	for i := range 100 {
		h.get("/api/v1/me", fmt.Sprintf("Origin: https://%d.example", i))
	}
	if n := named(); n > 8 {
		t.Errorf("%d lines", n)
	}
}

// B13: the charset parameter is ignored; bytes that are not UTF-8 are refused.
func TestRepair_B13_BytesCountAndLabelsDoNot(t *testing.T) {
	t.Parallel()
	h := newFixture(t)
	const form = "application/x-www-form-urlencoded"
	endpoints := map[string]string{
		"/oauth2/token": "grant_type=x&client_id=none", "/oauth2/introspect": "token=x&client_id=none", "/oauth2/revoke": "token=x&client_id=none", "/oauth2/userinfo": "access_token=x",
		"/oauth2/authorize": "client_id=none", "/oauth2/par": "client_id=none", "/oauth2/device_authorization": "client_id=none", "/oauth2/logout": "state=x", "/verify-email": "token=x",
	}
	for path, body := range endpoints {
		plain := h.post(path, body, "Content-Type: "+form)
		for _, media := range []string{form + ";charset=UTF-8", form + `; charset="utf-8"`, form + ";charset=ISO-8859-1", form + "; charset=us-ascii", form + "; charset=utf-16",
			form + ";", form + "; charset", form + " ; a=b; a=c", strings.ToUpper(form)} {
			r := h.post(path, body, "Content-Type: "+media)
			if r.StatusCode != plain.StatusCode || r.StatusCode == 415 {
				t.Errorf("%s, %s: %d, plain %d", path, media, r.StatusCode, plain.StatusCode)
			}
		}
		for _, bad := range []string{"&x=\xff", "&x=%ff", "&x=%zz"} {
			if r := h.post(path, body+bad, "Content-Type: "+form+"; charset=iso-8859-1"); r.StatusCode != 400 && r.StatusCode != 401 {
				t.Errorf("%s with %q: %d", path, bad, r.StatusCode)
			}
		}
		for _, media := range []string{"application/x-www-form-urlencodedx", "text/plain", form + ", text/plain"} {
			if path == "/oauth2/userinfo" {
				continue // its body is read only if it is a form
			}
			if r := h.post(path, body, "Content-Type: "+media); r.StatusCode != 415 {
				t.Errorf("%s, %s: %d", path, media, r.StatusCode)
			}
		}
	}
}
