package web

import (
	"fmt"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/watchword-auth/watchword/internal/config"
	"github.com/watchword-auth/watchword/internal/limit"
)

// three allows three requests, and then one a minute.
var three = limit.Rate{Count: 3, Per: 3 * time.Minute}

func withRates(change func(limit.Rates)) option { return func(c *Config) { change(c.Rates) } }

// burst sends requests until one has 429, and returns how many were allowed; -1 if all were.
func burst(h *fixture, next func(i int) *http.Request) int {
	h.Helper()
	for i := range 200 {
		if r := h.do(next(i)); r.StatusCode == http.StatusTooManyRequests {
			return i
		}
	}
	return -1
}

// BF-11 and BF-13: each operation has its limit, which applies before anything is hashed or looked up.
func TestAttack_BF_13_ThrottledCostsNothing(t *testing.T) {
	t.Parallel()
	all := limit.Rates{"register.ip": three, "login.ip": three, "verify.ip": three, "resend.ip": three, "forgot.ip": three, "reset.ip": three, "change.ip": three, "refresh.ip": three, "refresh.credential": three}
	for path, body := range map[string]string{
		"/api/v1/register":            `{"email":"a%d@example.com","password":"correct horse battery"}`,
		"/api/v1/login":               `{"email":"a%d@example.com","password":"x"}`,
		"/api/v1/verify-email":        `{"token":"wwl_%d"}`,
		"/api/v1/verify-email/resend": `{"email":"a%d@example.com"}`,
		"/api/v1/password/forgot":     `{"email":"a%d@example.com"}`,
		"/api/v1/password/reset":      `{"token":"wwl_%d","password":"x"}`,
		"/api/v1/password/change":     `{"current_password":"%d","new_password":"x"}`,
		"/api/v1/refresh":             `{"refresh_token":"wwr_%d"}`,
		"/verify-email":               `token=%d`,
		"/reset-password":             `token=%d&password=x`,
	} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			h := newFixture(t, withRates(func(r limit.Rates) { clear(r); maps.Copy(r, all) }))
			send := func(i int) *http.Request {
				if strings.HasPrefix(path, "/api") {
					return request("POST", path, fmt.Sprintf(body, i))
				}
				return request("POST", path, fmt.Sprintf(body, i), "Content-Type: application/x-www-form-urlencoded")
			}
			if n := burst(h, send); n != 3 {
				t.Fatalf("refused after %d", n)
			}
			hashed := h.hasher.Stats().Done
			r := h.do(send(999))
			if r.StatusCode != 429 || r.Header.Get("Retry-After") != "60" {
				t.Errorf("%d, Retry-After %q", r.StatusCode, r.Header.Get("Retry-After"))
			}
			if strings.HasPrefix(path, "/api") && r.code() != "rate_limited" {
				t.Errorf("code %q", r.code())
			}
			if n := h.hasher.Stats().Done; n != hashed {
				t.Errorf("%d passwords hashed for a refused request", n-hashed)
			}
			h.advance(time.Minute)
			if r := h.do(send(1000)); r.StatusCode == 429 {
				t.Error("still refused after Retry-After")
			}
		})
	}
}

func TestAttack_BF_05_ForgedAddresses(t *testing.T) {
	t.Parallel()
	h := newFixture(t, withRates(func(r limit.Rates) { r["login.ip"] = three }))
	n := burst(h, func(i int) *http.Request {
		ip := fmt.Sprintf("198.51.100.%d", i)
		return request("POST", "/api/v1/login", `{"email":"a@example.com","password":"x"}`,
			"X-Forwarded-For: "+ip, "X-Real-IP: "+ip, "Forwarded: for="+ip, "True-Client-IP: "+ip, "CF-Connecting-IP: "+ip, "X-Request-Id: "+ip)
	})
	if n != 3 {
		t.Errorf("refused after %d", n)
	}
}

func TestAttack_BF_06_StrangeForwarding(t *testing.T) {
	t.Parallel()
	h := newFixture(t, trusted("192.0.2.0/24"), withRates(func(r limit.Rates) { r["login.ip"] = three }))
	strange := []string{"a", "", "," + strings.Repeat("1.2.3.4,", 1200), "fe80::1%eth0", "192.0.2.1, , ", "::ffff:1.2.3.4", "[::1]:99999", "\"1.2.3.4\"", "unknown"}
	n := burst(h, func(i int) *http.Request {
		return request("POST", "/api/v1/login", `{"email":"a@example.com","password":"x"}`, "X-Forwarded-For: "+strange[0])
	})
	if n != 3 {
		t.Errorf("an invalid address: refused after %d", n)
	}
	for _, v := range strange {
		r := h.post("/api/v1/login", `{"email":"a@example.com","password":"x"}`, "X-Forwarded-For: "+v)
		if r.StatusCode != 401 && r.StatusCode != 429 {
			t.Errorf("%.20q: %d", v, r.StatusCode)
		}
	}
	// Behind the proxy, two clients have two counters.
	for i := range 3 {
		r := h.post("/api/v1/login", `{"email":"a@example.com","password":"x"}`, fmt.Sprintf("X-Forwarded-For: 6.6.6.6, 203.0.113.%d", i))
		h.requireReply(r, 401, "invalid_credentials")
	}
}

func TestAttack_BF_07_IPv6ByPrefix(t *testing.T) {
	t.Parallel()
	h := newFixture(t, withRates(func(r limit.Rates) { r["login.ip"] = three }))
	from := func(ip string) *http.Request {
		r := request("POST", "/api/v1/login", `{"email":"a@example.com","password":"x"}`)
		r.RemoteAddr = "[" + ip + "]:1234"
		return r
	}
	if n := burst(h, func(i int) *http.Request { return from(fmt.Sprintf("2001:db8:1:2:%x::1", i)) }); n != 3 {
		t.Errorf("refused after %d", n)
	}
	h.requireReply(h.do(from("2001:db8:1:3::1")), 401, "invalid_credentials")
}

func TestAttack_BF_09_Spraying(t *testing.T) {
	t.Parallel()
	h := newFixture(t, withRates(func(r limit.Rates) { r["login.ip"] = limit.Rate(config.Default().Limits.Rates.All()["login.ip"]) }))
	n := burst(h, func(i int) *http.Request {
		return request("POST", "/api/v1/login", fmt.Sprintf(`{"email":"user%d@example.com","password":"Summer2026!"}`, i))
	})
	if n < 0 || n >= 100 {
		t.Errorf("refused after %d", n)
	}
}

// A sign-in that succeeds is not counted, so an office behind one address is not locked out by its own
// users.
func TestLimits_CountOnlyFailedSignIns(t *testing.T) {
	t.Parallel()
	h := newFixture(t, withRates(func(r limit.Rates) { r["login.ip"] = three }))
	h.newAccount("alice@example.com")
	for range 10 {
		h.requireReply(h.login("alice@example.com", pass), 200, "")
	}
	if n := burst(h, func(int) *http.Request {
		return request("POST", "/api/v1/login", `{"email":"alice@example.com","password":"x"}`)
	}); n != 3 {
		t.Errorf("refused after %d", n)
	}
}

func TestLimits_CountRefreshesByFamily(t *testing.T) {
	t.Parallel()
	h := newFixture(t, withRates(func(r limit.Rates) { r["refresh.credential"] = three }))
	tk := h.signedIn("alice@example.com")
	other := h.tokens(h.login("alice@example.com", pass))
	for range 3 {
		tk = h.tokens(h.post("/api/v1/refresh", `{"refresh_token":"`+tk.RefreshToken+`"}`))
	}
	r := h.requireReply(h.post("/api/v1/refresh", `{"refresh_token":"`+tk.RefreshToken+`"}`), 429, "rate_limited")
	if r.Header.Get("Retry-After") != "60" {
		t.Errorf("Retry-After %q", r.Header.Get("Retry-After"))
	}
	h.tokens(h.post("/api/v1/refresh", `{"refresh_token":"`+other.RefreshToken+`"}`))
	h.advance(time.Minute)
	h.tokens(h.post("/api/v1/refresh", `{"refresh_token":"`+tk.RefreshToken+`"}`))
}

// Changes and exports of the own account are limited, though they succeed: each change writes an audit
// line, each export reads all of them.
func TestRepair_S7_OwnAccountIsLimited(t *testing.T) {
	t.Parallel()
	few := limit.Rate{Count: 3, Per: time.Hour}
	h := newFixture(t, withRates(func(r limit.Rates) { r["self.change"], r["self.export"] = few, few }))
	alice, bob := h.signedIn("alice@example.com"), h.signedIn("bob@example.com")
	for _, c := range []struct{ method, path string }{{"GET", "/api/v1/me/export"}, {"PATCH", "/api/v1/me"}} {
		body := ""
		if c.method == "PATCH" {
			body = `{"name":"Alice"}`
		}
		for range 3 {
			h.requireReply(h.do(request(c.method, c.path, body, bearer(alice))), 200, "")
		}
		r := h.requireReply(h.do(request(c.method, c.path, body, bearer(alice))), 429, "rate_limited")
		if r.Header.Get("Retry-After") == "" {
			t.Errorf("%s: no Retry-After", c.path)
		}
		h.requireReply(h.do(request(c.method, c.path, body, bearer(bob))), 200, "")
	}
	// Ending sessions and consents has its own bucket.
	for range 3 {
		h.requireReply(h.do(request("DELETE", "/api/v1/me/sessions", "", bearer(alice))), 204, "")
	}
	for _, path := range []string{"/api/v1/me/sessions", "/api/v1/me/sessions/x", "/api/v1/me/consents/x"} {
		h.requireReply(h.do(request("DELETE", path, "", bearer(alice))), 429, "rate_limited")
	}
	h.requireReply(h.get("/api/v1/me", bearer(alice)), 200, "")
}

func TestRepair_S18_PasswordChangesAreLimited(t *testing.T) {
	t.Parallel()
	h := newFixture(t, withRates(func(r limit.Rates) { r["self.password"] = limit.Rate{Count: 2, Per: time.Hour} }))
	tk := h.signedIn("alice@example.com")
	change := func(current, next string) reply {
		return h.post("/api/v1/password/change", `{"current_password":"`+current+`","new_password":"`+next+`"}`, bearer(tk))
	}
	for range 3 { // a failure does not count against this limit
		h.requireReply(change("not the password", "another good password"), 403, "wrong_password")
	}
	h.requireReply(change(pass, "another good password"), 204, "")
	h.requireReply(change("another good password", pass), 204, "")
	h.requireReply(change(pass, "another good password"), 429, "rate_limited")
}
