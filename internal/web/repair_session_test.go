package web

import (
	"net/http"
	"strings"
	"testing"
)

// Without Fetch Metadata, the Origin is compared with the issuer's and the configured ones, not with
// the Host header, which the sender chooses.
func TestRepair_H4_OriginIsNotComparedWithHost(t *testing.T) {
	t.Parallel()
	h := newFixture(t)
	cookie := h.signInBrowser("alice@example.com")
	for _, rt := range stateChanging(h) {
		for _, host := range []string{"evil.test", "auth.example.test:8443", "127.0.0.1:8080"} {
			for _, scheme := range []string{"https://", "http://"} {
				r := request(rt.Method, path(rt), `{"name":"eve"}`, "Origin: "+scheme+host, cookie)
				r.Host = host
				if res := h.do(r); res.StatusCode != 403 {
					t.Errorf("%s %s from %s%s: %d", rt.Method, rt.Path, scheme, host, res.StatusCode)
				}
			}
		}
	}
	for _, from := range []string{base, origin} { // with any Host
		r := request("PATCH", "/api/v1/me", `{"name":"Alice"}`, "Origin: "+from, cookie)
		r.Host = "10.0.0.7:8080"
		h.requireReply(h.do(r), 200, "")
	}
}

// Safari drops Secure cookies over plain http, on loopback too.
func TestRepair_N9_CookiesOverPlainHTTP(t *testing.T) {
	t.Parallel()
	plain := newFixture(t, func(c *Config) { c.Base, c.InsecureCookies = "http://127.0.0.1:8080", true })
	plain.newAccount("alice@example.com")
	r := plain.requireReply(plain.post("/api/v1/login", `{"email":"alice@example.com","password":"`+pass+`","session":"cookie"}`), 204, "")

	c := r.Cookies()[0]
	if c.Name != "watchword-dev" || c.Secure || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != "/" {
		t.Errorf("cookie %q", r.Header.Get("Set-Cookie"))
	}
	plain.requireReply(plain.get("/api/v1/me", "Cookie: "+c.Name+"="+c.Value), 200, "")
	plain.requireReply(plain.get("/api/v1/me", "Cookie: __Host-watchword="+c.Value), 401, "missing_token")
}

// The page for a browser that blocks cookies says so, and not that the flow has expired.
func TestRepair_N9_CookiesAreBlocked(t *testing.T) {
	t.Parallel()
	h := newFixture(t)
	page := h.do(request("GET", "/login", "", "Accept: text/html"))
	flow := page.Header.Get("Location")
	if !strings.Contains(flow, "flow=") {
		t.Fatalf("no flow: %s %s", page.Status, flow)
	}
	if res := h.do(request("GET", flow, "", "Accept: text/html")); res.StatusCode != 404 || !strings.Contains(string(res.body), "blocks cookies") {
		t.Errorf("%s %s", res.Status, res.body)
	}
}
