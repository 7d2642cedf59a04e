package web

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/watchword-auth/watchword/internal/web/router"
)

func (h *fixture) logLines() []map[string]any {
	h.Helper()
	var all []map[string]any
	for line := range strings.Lines(h.log.String()) {
		var v map[string]any
		if err := json.Unmarshal([]byte(line), &v); err != nil {
			h.Fatalf("%v in %q", err, line)
		}
		all = append(all, v)
	}
	return all
}

func (h *fixture) lastLogLine() map[string]any {
	h.Helper()
	all := h.logLines()
	return all[len(all)-1]
}

func TestAccessLogLine(t *testing.T) {
	t.Parallel()
	h := newFixture(t, trusted("192.0.2.0/24"))
	tk := h.signedIn("alice@example.com")
	h.requireReply(h.get("/api/v1/me?secret=hidden", bearer(tk), "X-Forwarded-For: 203.0.113.9", "X-Request-Id: abc\r\n\x1b[31mdef",
		"User-Agent: "+strings.Repeat("u", 1000)), 200, "")
	got := h.lastLogLine()
	for name, want := range map[string]any{
		"msg": "request", "method": "GET", "route": "/api/v1/me", "status": float64(200), "ip": "203.0.113.9",
		"tenant": "default", "latency_ms": float64(0), "request_id": "abc???[31mdef",
	} {
		if got[name] != want {
			t.Errorf("%s %v, want %v", name, got[name], want)
		}
	}
	me := h.get("/api/v1/me", bearer(tk)).json(t)
	if got["account"] != me["id"] {
		t.Errorf("account %v, want %v", got["account"], me["id"])
	}
	if got["bytes"].(float64) < 100 || len(got["user_agent"].(string)) != 256 {
		t.Errorf("bytes %v, user agent of %d", got["bytes"], len(got["user_agent"].(string)))
	}
	// Without a trusted proxy, the request ID is the server's, and unique.
	r := request("GET", "/livez", "", "X-Request-Id: mine")
	r.RemoteAddr = "198.51.100.1:1"
	h.do(r)
	first := h.lastLogLine()["request_id"]
	h.do(r)
	if second := h.lastLogLine()["request_id"]; first == "mine" || first == second || first == "" {
		t.Errorf("request ids %v and %v", first, second)
	}
	h.get("/t/nobody/secret/path")
	if got := h.lastLogLine()["route"]; got != "unmatched" {
		t.Errorf("route %v", got)
	}
}

// OP-04, PW-19: the log at debug level has no secret, after every kind of request.
func TestAttack_OP_04_LogHoldsNoSecret(t *testing.T) {
	t.Parallel()
	h := newFixture(t)
	h.requireReply(h.post("/api/v1/register", `{"email":"alice@example.com","password":"`+pass+`"}`), 202, "")
	verify := h.link()
	h.get("/verify-email?token="+verify, "Referer: "+base+"/verify-email?token="+verify)
	h.requireReply(form(h, "/verify-email", "token="+verify+"&password="+url.QueryEscape(pass)), 303, "")
	tk := h.tokens(h.login("alice@example.com", pass))
	h.login("alice@example.com", "wrong-password-typed")
	cookie := h.post("/api/v1/login", `{"email":"alice@example.com","password":"`+pass+`","session":"cookie"}`).Cookies()[0]
	h.get("/api/v1/me", "Cookie: "+cookie.Name+"="+cookie.Value)
	h.get("/api/v1/me", "Cookie: "+cookie.Name+"="+cookie.Value+"x")
	h.get("/api/v1/me?access_token=" + tk.AccessToken)
	h.get("/" + tk.RefreshToken)
	h.get("/api/v1/me", "Authorization: Bearer "+tk.AccessToken[:len(tk.AccessToken)-4]+"AAAA")
	h.get("/api/v1/me", "Authorization: Basic YWxpY2U6aHVudGVyMg==")
	next := h.tokens(h.post("/api/v1/refresh", `{"refresh_token":"`+tk.RefreshToken+`"}`))
	h.advance(time.Hour)
	h.post("/api/v1/refresh", `{"refresh_token":"`+tk.RefreshToken+`"}`)
	h.post("/api/v1/password/forgot", `{"email":"alice@example.com"}`)
	reset := h.link()
	h.get("/reset-password?token=" + reset)
	form(h, "/reset-password", "token="+reset+"&password=new+password+here")
	log := h.log.String()
	for name, secret := range map[string]string{
		"password": pass, "wrong password": "wrong-password-typed", "verify link": verify, "reset link": reset, "cookie": cookie.Value,
		"access token": tk.AccessToken, "signature": tk.AccessToken[strings.LastIndex(tk.AccessToken, ".")+1:], "refresh token": tk.RefreshToken,
		"successor": next.RefreshToken, "basic": "YWxpY2U6aHVudGVyMg", "new password": "new password here", "query": "access_token",
	} {
		if strings.Contains(log, secret) {
			t.Errorf("the log holds the %s", name)
		}
	}
	if len(h.logLines()) < 15 {
		t.Error("the log has fewer than 15 lines")
	}
}

// The cause of a 5xx is only in the log.
func TestFaults_AreOnlyLogged(t *testing.T) {
	t.Parallel()
	h := newFixture(t)
	secretText := "SQLSTATE 42P01 at /srv/db"
	h.router.Route("GET /faulty", h.dialects.internal, anyone, unlimited, func(*router.Exchange, *http.Request) error {
		return fmt.Errorf("get account: %w", errors.New(secretText))
	})
	h.router.Route("GET /panics", h.dialects.internal, anyone, unlimited, func(*router.Exchange, *http.Request) error { panic(secretText) })
	h.router.Route("GET /faulty-page", h.dialects.page, anyone, unlimited, func(*router.Exchange, *http.Request) error { return errors.New(secretText) })
	for _, path := range []string{"/faulty", "/panics", "/faulty-page"} {
		r := h.get(path)
		if r.StatusCode != 500 || strings.Contains(string(r.body), "SQLSTATE") || strings.Contains(string(r.body), "goroutine") {
			t.Errorf("%s: %d %s", path, r.StatusCode, r.body)
		}
		log := h.log.String()
		reference := h.lastLogLine()["request_id"].(string)
		if !strings.Contains(string(r.body), reference) {
			t.Errorf("%s: no reference %q in %s", path, reference, r.body)
		}
		if strings.Count(log, secretText) == 0 || !strings.Contains(log, `"request_id":"`+reference+`"`) {
			t.Errorf("%s: the log lacks the cause or the reference", path)
		}
	}
	if !strings.Contains(h.log.String(), "log_test.go") {
		t.Error("no stack of the panic in the log")
	}
	// An incomplete response does not end like a complete one.
	h.router.Route("GET /half", h.dialects.internal, anyone, unlimited, func(ex *router.Exchange, _ *http.Request) error { ex.Write([]byte("half")); panic("late") })
	func() {
		defer func() {
			if recover() != http.ErrAbortHandler {
				t.Error("the connection was not closed")
			}
		}()
		h.get("/half")
	}()
}
