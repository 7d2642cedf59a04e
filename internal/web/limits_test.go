package web

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/watchword-auth/watchword/internal/limit"
)

// S4: a request that is refused before any service call does not count against the limit.
func TestRepair_S4_RefusedBeforeServiceDoesNotCount(t *testing.T) {
	t.Parallel()
	h := newFixture(t, withRates(func(r limit.Rates) {
		clear(r)
		maps.Copy(r, limit.Rates{"register.ip": three, "login.ip": three, "verify.ip": three, "resend.ip": three, "forgot.ip": three, "reset.ip": three, "change.ip": three, "refresh.ip": three, "client_register.ip": three, "authorize.ip": three})
	}))
	for range 5 {
		h.requireReply(h.post("/api/v1/password/forgot", ""), http.StatusUnsupportedMediaType, "unsupported_media_type")
		h.requireReply(h.post("/api/v1/password/forgot", `{"email":`), http.StatusBadRequest, "malformed_json")
		h.requireReply(h.post("/api/v1/password/forgot", `{"mail":"a@example.com"}`), http.StatusBadRequest, "member_missing")
		for _, path := range []string{"/forgot-password", "/register", "/login", "/verify-email/resend"} {
			r := h.do(request("POST", path, "flow=x&csrf=y", "Content-Type: application/x-www-form-urlencoded"))
			if r.StatusCode != http.StatusForbidden {
				t.Fatalf("%s without a flow: %d", path, r.StatusCode)
			}
		}
	}

	for range 3 {
		h.requireReply(h.post("/api/v1/password/forgot", `{"email":"a@example.com"}`), http.StatusAccepted, "")
	}
	h.requireReply(h.post("/api/v1/password/forgot", `{"email":"a@example.com"}`), http.StatusTooManyRequests, "rate_limited")
}

// N16: the page of a rate limit says how long to wait, and has links.
func TestRepair_N16_PageSaysWhen(t *testing.T) {
	t.Parallel()
	h := newFixture(t, withRates(func(r limit.Rates) { r["authorize.ip"] = three }))
	get := func(language string) reply {
		return h.get("/login", "Accept: text/html", "Accept-Language: "+language)
	}
	for range 3 {
		get("en")
	}
	for language, want := range map[string]string{"en": "Try again in 1 minute.", "de": "Versuchen Sie es in 1 Minute erneut."} {
		r := get(language)
		if r.StatusCode != http.StatusTooManyRequests || r.Header.Get("Retry-After") != "60" {
			t.Errorf("%d, Retry-After %q", r.StatusCode, r.Header.Get("Retry-After"))
		}
		for _, part := range []string{want, `href="/login" id="again"`, `id="login"`} {
			if !strings.Contains(string(r.body), part) {
				t.Errorf("%s: the page does not hold %q", language, part)
			}
		}
	}
}

// S15: the limit of authorization requests counts their length, not only their number.
func TestRepair_S15_LongAuthorizationRequestsCostMore(t *testing.T) {
	t.Parallel()
	h := newFixture(t, withRates(func(r limit.Rates) { r["authorize.ip"] = limit.Rate{Count: 10, Per: time.Hour} }))
	ask := func(size int) int {
		return h.get("/oauth2/authorize?client_id=x&claims=" + strings.Repeat("x", size)).StatusCode
	}
	post := func(size int) int {
		return h.do(request("POST", "/oauth2/authorize", "client_id=x&claims="+strings.Repeat("x", size), "Content-Type: application/x-www-form-urlencoded")).StatusCode
	}
	if got := []int{ask(100), ask(7000), post(7000), post(100), ask(100)}; !slices.Equal(got, []int{400, 400, 400, 400, 429}) {
		t.Errorf("want 1, 4, 4 and 1 of ten tokens, then 429: %v", got)
	}
}
