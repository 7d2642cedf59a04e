package web

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/store"
	"github.com/watchword-auth/watchword/internal/store/storetest"
	"github.com/watchword-auth/watchword/internal/web/api"
)

// An account's life from registration to reuse of a refresh token, on both databases.
func TestAPI_ServesTheWholeJourney(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, sc store.Config) {
		h := newFixtureOn(t, sc)
		r := h.requireReply(h.post("/api/v1/register", `{"email":"alice@example.com","password":"`+pass+`","name":"Alice"}`), 202, "")
		if got := r.json(t)["status"]; got != "verification_sent" {
			t.Errorf("status %v", got)
		}
		link := h.link()
		h.requireReply(h.login("alice@example.com", pass), 403, "email_not_verified")
		h.requireReply(h.login("alice@example.com", "another password"), 401, "invalid_credentials")
		if got := h.requireReply(h.post("/api/v1/verify-email", `{"token":"`+link+`"}`), 200, "").json(t)["status"]; got != "verified" {
			t.Errorf("status %v", got)
		}
		h.requireReply(h.post("/api/v1/verify-email", `{"token":"`+link+`"}`), 400, "invalid_link")

		tk := h.tokens(h.login("alice@example.com", pass))
		if tk.TokenType != "Bearer" || tk.ExpiresIn != 900 || tk.RefreshToken == "" || tk.RefreshExpiresIn == 0 || tk.Scope == "" {
			t.Errorf("tokens %+v", tk)
		}
		me := h.requireReply(h.get("/api/v1/me", bearer(tk)), 200, "").json(t)
		if me["email"] != "alice@example.com" || me["email_verified"] != true || me["name"] != "Alice" || me["id"] == "" {
			t.Errorf("me %v", me)
		}
		if _, err := time.Parse(time.RFC3339, me["created_at"].(string)); err != nil || !strings.HasSuffix(me["created_at"].(string), "Z") {
			t.Errorf("created_at %v is not RFC 3339 in UTC", me["created_at"])
		}
		next := h.tokens(h.post("/api/v1/refresh", `{"refresh_token":"`+tk.RefreshToken+`"}`))
		h.advance(time.Minute)
		h.requireReply(h.post("/api/v1/refresh", `{"refresh_token":"`+tk.RefreshToken+`"}`), 401, "refresh_token_reused")
		h.requireReply(h.post("/api/v1/refresh", `{"refresh_token":"`+next.RefreshToken+`"}`), 401, "")
		h.requireReply(h.get("/api/v1/me", bearer(next)), 401, "invalid_token")
	})
}

func TestLogout(t *testing.T) {
	t.Parallel()
	h := newFixture(t)
	tk := h.signedIn("alice@example.com")
	r := h.requireReply(h.post("/api/v1/logout", "", bearer(tk)), 204, "")
	if len(r.body) != 0 || r.Header.Get("Content-Type") != "" {
		t.Errorf("204 with body %q, type %q", r.body, r.Header.Get("Content-Type"))
	}
	h.requireReply(h.get("/api/v1/me", bearer(tk)), 401, "invalid_token")
	h.requireReply(h.post("/api/v1/refresh", `{"refresh_token":"`+tk.RefreshToken+`"}`), 401, "invalid_refresh_token")
	h.requireReply(h.post("/api/v1/logout", `{"refresh_token":"x"}`, bearer(h.tokens(h.login("alice@example.com", pass)))), 204, "")
}

func TestPasswordByMail(t *testing.T) {
	t.Parallel()
	h := newFixture(t)
	tk := h.signedIn("alice@example.com")
	h.takeMails()
	known := h.requireReply(h.post("/api/v1/password/forgot", `{"email":"alice@example.com"}`), 202, "")
	link := h.link()
	unknown := h.requireReply(h.post("/api/v1/password/forgot", `{"email":"nobody@example.com"}`), 202, "")
	if string(known.body) != string(unknown.body) {
		t.Errorf("%q and %q", known.body, unknown.body)
	}
	bad := h.requireReply(h.post("/api/v1/password/reset", `{"token":"`+link+`","password":"password"}`), 400, "password_refused").json(t)
	if bad["field"] != "password" || len(bad["reasons"].([]any)) == 0 {
		t.Errorf("the problem lacks field or reasons: %v", bad)
	}
	h.requireReply(h.post("/api/v1/password/reset", `{"token":"`+link+`","password":"quite another password"}`), 204, "")
	h.requireReply(h.get("/api/v1/me", bearer(tk)), 401, "")
	h.requireReply(h.login("alice@example.com", pass), 401, "invalid_credentials")
	tk = h.tokens(h.login("alice@example.com", "quite another password"))
	h.requireReply(h.post("/api/v1/password/change", `{"current_password":"wrong","new_password":"the third password"}`, bearer(tk)), 403, "wrong_password")
	h.requireReply(h.post("/api/v1/password/change", `{"current_password":"quite another password","new_password":"the third password"}`, bearer(tk)), 204, "")
	h.requireReply(h.login("alice@example.com", "the third password"), 200, "")
}

func TestMe(t *testing.T) {
	t.Parallel()
	h := newFixture(t)
	tk := h.signedIn("alice@example.com")
	me := h.requireReply(h.do(request("PATCH", "/api/v1/me", `{"name":"Alice B."}`, bearer(tk))), 200, "").json(t)
	if me["name"] != "Alice B." {
		t.Errorf("name %v", me["name"])
	}
	for _, body := range []string{`{"email":"x@example.com"}`, `{"email_verified":true}`, `{"id":"x"}`, `{"roles":["admin"]}`, `{"tenant_id":"x"}`, `{"Name":"x"}`} {
		h.requireReply(h.do(request("PATCH", "/api/v1/me", body, bearer(tk))), 400, "member_unknown")
	}
	h.requireReply(h.post("/api/v1/me/username", `{"username":"alice","current_password":"wrong"}`, bearer(tk)), 403, "wrong_password")
	h.requireReply(h.post("/api/v1/me/keep", "", bearer(tk)), 204, "")
	export := h.requireReply(h.get("/api/v1/me/export", bearer(tk)), 200, "").json(t)
	if export["account"].(map[string]any)["email"] != "alice@example.com" {
		t.Errorf("export %v", export)
	}
	h.requireReply(h.do(request("DELETE", "/api/v1/me", `{"current_password":"wrong"}`, bearer(tk))), 403, "wrong_password")
	h.requireReply(h.do(request("DELETE", "/api/v1/me", `{"current_password":"`+pass+`"}`, bearer(tk))), 204, "")
	h.requireReply(h.get("/api/v1/me", bearer(tk)), 401, "")
	h.requireReply(h.login("alice@example.com", pass), 401, "invalid_credentials")
}

func TestSessions(t *testing.T) {
	t.Parallel()
	h := newFixture(t)
	one := h.signedIn("alice@example.com")
	two := h.tokens(h.login("alice@example.com", pass))
	three := h.tokens(h.login("alice@example.com", pass))
	var got struct{ Sessions []api.Session }
	h.requireOK(json.Unmarshal(h.requireReply(h.get("/api/v1/me/sessions", bearer(one)), 200, "").body, &got))
	if len(got.Sessions) != 3 {
		t.Fatalf("%d sessions", len(got.Sessions))
	}
	current, other := 0, ""
	for _, s := range got.Sessions {
		if s.Current {
			current++
		} else if other == "" {
			other = s.ID // the newest: three
		}
	}
	if current != 1 {
		t.Errorf("%d current sessions", current)
	}
	h.requireReply(h.do(request("DELETE", "/api/v1/me/sessions/"+other, "", bearer(one))), 204, "")
	h.requireReply(h.get("/api/v1/me", bearer(three)), 401, "")
	h.requireReply(h.do(request("DELETE", "/api/v1/me/sessions/"+other, "", bearer(one))), 404, "")
	h.requireReply(h.do(request("DELETE", "/api/v1/me/sessions", "", bearer(one))), 204, "")
	h.requireReply(h.get("/api/v1/me", bearer(two)), 401, "")
	h.requireReply(h.get("/api/v1/me", bearer(one)), 200, "")
}

func TestAPI_ChallengesBearerTokens(t *testing.T) {
	t.Parallel()
	h := newFixture(t)
	tk := h.signedIn("alice@example.com")
	r := h.requireReply(h.get("/api/v1/me"), 401, "missing_token")
	if got := r.Header.Get("WWW-Authenticate"); got != "Bearer" {
		t.Errorf("challenge %q", got)
	}
	r = h.requireReply(h.get("/api/v1/me", "Authorization: Bearer nonsense"), 401, "invalid_token")
	if got := r.Header.Get("WWW-Authenticate"); !strings.HasPrefix(got, `Bearer error="invalid_token"`) {
		t.Errorf("challenge %q", got)
	}
	h.requireReply(h.get("/api/v1/me", bearer(tk), bearer(tk)), 400, "invalid_request")
	h.requireReply(h.get("/api/v1/me?access_token="+tk.AccessToken), 401, "missing_token")
	h.requireReply(h.get("/api/v1/me", "Authorization: Bearer "+tk.RefreshToken), 401, "invalid_token")
	h.advance(20 * time.Minute)
	h.requireReply(h.get("/api/v1/me", bearer(tk)), 401, "token_expired")
}

// A body that does not match the description is refused before any service call, with a code and the
// invalid member, and without the value that was sent.
func TestAPI_RefusesInvalidBodies(t *testing.T) {
	t.Parallel()
	h := newFixture(t)
	for _, c := range []struct{ body, code, field string }{
		{``, "malformed_json", ""},
		{`{"email":"a@example.com"}`, "member_missing", "password"},
		{`{"email":"a@example.com","password":7}`, "member_invalid", "password"},
		{`{"email":"a@example.com","password":"hunter2hunter2","admin":true}`, "member_unknown", "admin"},
		{`{"email":"a@example.com","Password":"hunter2hunter2","password":"x"}`, "member_unknown", "Password"},
		{`{"email":"a@example.com","password":"hunter2hunter2","session":"jwt"}`, "member_invalid", "session"},
		{`["hunter2hunter2"]`, "member_invalid", ""},
		{`null`, "member_invalid", ""},
		{`{"email":"a","email":"b","password":"x"}`, "malformed_json", ""},
		{`{"email":"a@example.com","password":"x"} {}`, "malformed_json", ""},
		{`{"email":"a@example.com","password":NaN}`, "malformed_json", ""},
		{"{\"email\":\"a@example.com\",\"password\":\"\xff\"}", "malformed_json", ""},
		{`{"email":"a@example.com","password":"\ud800"}`, "malformed_json", ""},
	} {
		r := h.requireReply(h.post("/api/v1/login", c.body, "Content-Type: application/json"), 400, c.code)
		p := r.json(t)
		if got, _ := p["field"].(string); got != c.field {
			t.Errorf("%s: field %q, want %q", c.body, got, c.field)
		}
		if strings.Contains(string(r.body), "hunter2") {
			t.Errorf("%s: the response repeats the password: %s", c.body, r.body)
		}
	}
	if n := h.hasher.Stats().Done; n != 0 {
		t.Errorf("%d passwords hashed", n)
	}
}

func TestAPI_DescribesProblems(t *testing.T) {
	t.Parallel()
	h := newFixture(t)
	disableTenant(h, "disabled")
	for _, c := range []struct {
		method, path string
		status       int
		code, allow  string
	}{
		{"GET", "/nowhere", 404, "not_found", ""},
		{"GET", "/api/v1/nowhere", 404, "not_found", ""},
		{"GET", "/t/unknown/api/v1/me", 404, "not_found", ""},
		{"GET", "/t/disabled/api/v1/me", 404, "not_found", ""},
		{"GET", "/t/default/api/v1/me", 404, "not_found", ""},
		{"GET", "/t/UPPER/api/v1/me", 404, "not_found", ""},
		{"GET", "//api/v1/me", 404, "not_found", ""},
		{"GET", "/api/../api/v1/me", 404, "not_found", ""},
		{"GET", "/dev/mailbox", 404, "not_found", ""},
		{"GET", "/nowhere", 404, "not_found", ""},
		{"GET", "/metrics", 404, "not_found", ""},
		{"GET", "/debug/pprof/", 404, "not_found", ""},
		{"GET", "/api/v1/login", 405, "method_not_allowed", "POST"},
		{"PUT", "/api/v1/me", 405, "method_not_allowed", "GET, HEAD, PATCH, DELETE"},
		{"POST", "/.well-known/jwks.json", 405, "method_not_allowed", "GET, HEAD"},
		{"TRACE", "/api/v1/me", 405, "method_not_allowed", "GET, HEAD, PATCH, DELETE"},
		{"PROPFIND", "/api/v1/me", 405, "method_not_allowed", "GET, HEAD, PATCH, DELETE"},
		{"get", "/api/v1/me", 405, "method_not_allowed", "GET, HEAD, PATCH, DELETE"},
		{"CONNECT", "/api/v1/me", 405, "method_not_allowed", "GET, HEAD, PATCH, DELETE"},
		{"OPTIONS", "/api/v1/me", 405, "method_not_allowed", "GET, HEAD, PATCH, DELETE"},
	} {
		r := h.do(request(c.method, c.path, ""))
		name := c.method + " " + c.path
		if r.StatusCode != c.status || r.code() != c.code {
			t.Errorf("%s: %d %q, want %d %q", name, r.StatusCode, r.code(), c.status, c.code)
			continue
		}
		if got := strings.Join(r.Header.Values("Allow"), ", "); got != c.allow {
			t.Errorf("%s: Allow %q, want %q", name, got, c.allow)
		}
		p := r.json(t)
		if p["status"] != float64(c.status) || p["title"] != http.StatusText(c.status) || p["type"] != "about:blank" {
			t.Errorf("%s: %s", name, r.body)
		}
	}
	unknown, disabled := h.get("/t/unknown/api/v1/me"), h.get("/t/disabled/api/v1/me")
	if string(unknown.body) != string(disabled.body) {
		t.Errorf("a disabled tenant differs from an unknown one: %s and %s", disabled.body, unknown.body)
	}
}

func disableTenant(h *fixture, id string) {
	h.Helper()
	storetest.Tenant(h.TB, h.db, auth.TenantID(id))
	h.requireOK(h.db.Write(h.Context(), auth.TenantID(id), func(tx *store.Tx) error {
		t, err := tx.CurrentTenant()
		if err != nil {
			return err
		}
		t.DisabledAt = tx.Now
		return tx.UpdateCurrentTenant(t)
	}))
}

// Tenants have the same paths, and nothing in common.
func TestAPI_SeparatesTenants(t *testing.T) {
	t.Parallel()
	h := newFixture(t)
	_, err := h.cfg.Tenants.Create(t.Context(), "acme", "Acme", noSettings, system)
	h.requireOK(err)
	tk := h.signedIn("alice@example.com")
	h.requireReply(h.get("/t/acme/api/v1/me", bearer(tk)), 401, "invalid_token")
	h.requireReply(h.post("/t/acme/api/v1/login", fmt.Sprintf(`{"email":"alice@example.com","password":%q}`, pass)), 401, "invalid_credentials")
	h.requireReply(h.post("/t/acme/api/v1/refresh", `{"refresh_token":"`+tk.RefreshToken+`"}`), 401, "invalid_refresh_token")
	doc := h.requireReply(h.get("/t/acme/.well-known/openid-configuration"), 200, "").json(t)
	if doc["issuer"] != base+"/t/acme" || doc["jwks_uri"] != base+"/t/acme/.well-known/jwks.json" {
		t.Errorf("metadata %v", doc)
	}
	also := h.requireReply(h.get("/.well-known/oauth-authorization-server/t/acme"), 200, "")
	if also.json(t)["issuer"] != base+"/t/acme" {
		t.Errorf("metadata %s", also.body)
	}
	if a, b := h.get("/.well-known/jwks.json"), h.get("/t/acme/.well-known/jwks.json"); string(a.body) == string(b.body) {
		t.Error("two tenants have the same keys")
	}
}
