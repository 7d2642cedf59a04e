package web

import (
	"net/http"
	"net/url"
	"regexp"
	"testing"
	"time"

	"github.com/watchword-auth/watchword/internal/limit"
	"github.com/watchword-auth/watchword/internal/web/api"
)

// A thief who uses up the limits in a stolen session cannot stop the owner from ending it or from
// revoking consents.
func TestRepair_S3_ThiefsSessionDoesNotBlockItsEnd(t *testing.T) {
	t.Parallel()
	few := limit.Rate{Count: 3, Per: time.Hour}
	h := newFixture(t, withRates(func(r limit.Rates) { r["self.change"], r["self.password"], r["self.export"] = few, few, few }))
	thief := h.signedIn("alice@example.com")
	owner := h.tokens(h.login("alice@example.com", pass))
	send := func(method, path, body string, by api.Tokens) reply {
		return h.do(request(method, path, body, bearer(by)))
	}
	for range 3 {
		h.requireReply(send("PATCH", "/api/v1/me", `{"name":"x"}`, thief), 200, "")
		h.requireReply(send("DELETE", "/api/v1/me/sessions/nope", "", thief), 404, "")
		h.requireReply(h.get("/api/v1/me/export", bearer(thief)), 200, "")
	}
	h.requireReply(send("PATCH", "/api/v1/me", `{"name":"x"}`, thief), 429, "rate_limited")
	h.requireReply(h.get("/api/v1/me/export", bearer(thief)), 429, "rate_limited")

	h.requireReply(send("PATCH", "/api/v1/me", `{"name":"Alice"}`, owner), 200, "")
	h.requireReply(h.get("/api/v1/me/export", bearer(owner)), 200, "")
	for range 5 { // failures do not count
		h.requireReply(send("DELETE", "/api/v1/me/consents/nope", "", owner), 404, "")
		h.requireReply(send("DELETE", "/api/v1/me/sessions/nope", "", owner), 404, "")
		h.requireReply(send("POST", "/api/v1/password/change", `{"current_password":"x","new_password":"y"}`, owner), 403, "wrong_password")
	}
	h.requireReply(send("DELETE", "/api/v1/me/sessions", "", owner), 204, "")
	h.requireReply(h.get("/api/v1/me", bearer(thief)), 401, "")
}

// All sessions of an account together have three times the rate of one.
func TestRepair_S3_SessionsOfOneAccountTogether(t *testing.T) {
	t.Parallel()
	h := newFixture(t, withRates(func(r limit.Rates) { r["self.change"] = limit.Rate{Count: 1, Per: time.Hour} }))
	sessions := []api.Tokens{h.signedIn("alice@example.com")}
	for range 3 {
		sessions = append(sessions, h.tokens(h.login("alice@example.com", pass)))
	}
	for i, v := range sessions {
		r := h.do(request("PATCH", "/api/v1/me", `{"name":"x"}`, bearer(v)))
		if want := map[bool]int{true: 200, false: 429}[i < 3]; r.StatusCode != want {
			t.Errorf("change %d: %d, want %d", i, r.StatusCode, want)
		}
	}
}

// The limit of the account page's forms does not count the changes of other sessions.
func TestRepair_S3_AccountPageEndsOthers(t *testing.T) {
	t.Parallel()
	h := newFixture(t, withRates(func(r limit.Rates) { r["self.change"] = limit.Rate{Count: 1, Per: time.Hour} }))
	cookie := h.signInBrowser("alice@example.com")
	for range 3 { // the limit of all sessions together
		tk := h.tokens(h.login("alice@example.com", pass))
		h.requireReply(h.do(request("PATCH", "/api/v1/me", `{"name":"x"}`, bearer(tk))), 200, "")
	}
	page := h.requireReply(h.get("/account/sessions", cookie), 200, "")
	for _, c := range page.Cookies() { // the browser cookie, which the API does not set
		cookie += "; " + c.Name + "=" + c.Value
	}
	form := url.Values{"csrf": {csrfOf(t, page)}}.Encode()
	r := h.do(request("POST", "/account/sessions/end-others", form, cookie, "Content-Type: application/x-www-form-urlencoded", "Sec-Fetch-Site: same-origin"))
	if r.StatusCode != http.StatusSeeOther {
		t.Errorf("%d: %s", r.StatusCode, r.body)
	}
}

// csrfOf returns the CSRF token in the forms of a page.
func csrfOf(t *testing.T, r reply) string {
	t.Helper()
	m := regexp.MustCompile(`name="csrf" value="([^"]+)"`).FindSubmatch(r.body)
	if m == nil {
		t.Fatalf("no form: %s", r.body)
	}
	return string(m[1])
}
