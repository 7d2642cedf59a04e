package web

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/store"
	"github.com/watchword-auth/watchword/internal/store/storetest"
)

// freshRoutes are the routes that change how an account signs in, or show what that needs. A new one
// belongs here.
var freshRoutes = []string{
	"GET /account/email", "POST /account/email", "GET /account/password", "POST /account/password",
	"GET /account/passkeys", "POST /account/passkeys", "GET /account/passkeys/edit", "POST /account/passkeys/edit", "POST /account/passkeys/edit/remove",
	"POST /api/v1/me/passkeys/begin", "POST /api/v1/me/passkeys",
	"GET /account/two-factor", "GET /account/two-factor/edit", "POST /account/two-factor/edit", "POST /account/two-factor/edit/remove",
	"POST /account/two-factor/add/begin", "GET /account/two-factor/add", "POST /account/two-factor/add", "GET /account/two-factor/codes", "POST /account/two-factor/codes", "POST /account/two-factor/codes/confirm",
	"GET /account/data", "POST /account/data/export", "GET /account/data/delete", "POST /account/data/delete",
	"POST /api/v1/password/change", "POST /api/v1/me/email", "POST /api/v1/me/username", "DELETE /api/v1/me", "GET /api/v1/me/export",
}

// TestAttack_MF_06_Routes: each of these routes refuses a session whose sign-in is older than five minutes,
// and one by password only of an account with a second factor. Pages lead to the sign-in and back, and the
// API says what is missing (RFC 9470).
func TestAttack_MF_06_Routes(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, sc store.Config) {
		h := newFixtureOn(t, sc)
		cookie := h.signInBrowser("alice@example.com")
		token := bearer(h.tokens(h.login("alice@example.com", pass)))
		var found []string
		refuse := func(step, acr string) {
			t.Helper()
			found = nil
			for _, rt := range h.router.Table() {
				name := rt.Method + " " + rt.Path
				switch {
				case rt.Principal.Name == "fresh":
					for _, by := range []string{cookie, token} {
						r := h.requireReply(h.do(request(rt.Method, path(rt), "{}", by, "Sec-Fetch-Site: same-origin")), 401, "insufficient_user_authentication")
						if got := r.Header.Get("WWW-Authenticate"); !strings.HasPrefix(got, `Bearer error="insufficient_user_authentication", `) || !strings.HasSuffix(got, `, acr_values="`+acr+`", max_age="300"`) {
							t.Errorf("%s: challenge %s", name, got)
						}
					}
				case rt.Principal.Name == "freshOwner" && rt.Method == "GET":
					if r := h.requireReply(h.get(path(rt), cookie), 303, ""); !strings.HasPrefix(r.Header.Get("Location"), step+"?flow=") {
						t.Errorf("%s leads to %s", name, r.Header.Get("Location"))
					}
				case rt.Principal.Name == "freshOwner":
					r := h.requireReply(form(h, path(rt), "csrf=x", cookie), 303, "")
					if to := r.Header.Get("Location"); !slices.Contains(freshRoutes, "GET "+to) || !strings.HasPrefix(rt.Path, to) {
						t.Errorf("%s leads to %s", name, to)
					}
				default:
					continue
				}
				found = append(found, name)
			}
		}

		h.advance(5 * time.Minute)
		h.requireReply(h.get("/account/two-factor", cookie), 200, "")
		h.advance(time.Second)
		refuse("/login", "1")
		for _, name := range freshRoutes {
			if !slices.Contains(found, name) {
				t.Errorf("%s takes an old session", name)
			}
		}
		h.requireReply(h.do(request("PATCH", "/api/v1/me", `{"name":"Alice"}`, token)), 200, "")

		r := h.requireReply(h.post("/api/v1/login", `{"email":"alice@example.com","password":"`+pass+`","session":"cookie"}`), 204, "")
		cookie = "Cookie: " + r.Cookies()[0].Name + "=" + r.Cookies()[0].Value
		token = bearer(h.tokens(h.login("alice@example.com", pass)))
		h.requireReply(h.get("/account/two-factor", cookie), 200, "")
		h.addTOTP("alice@example.com")
		refuse("/login/factor", "2")
	})
}

// addTOTP adds an authenticator app to an account, in no session.
func (h *fixture) addTOTP(email string) (seed string) {
	h.Helper()
	a, err := h.cfg.Accounts.Find(h.Context(), auth.DefaultTenant, email)
	h.requireOK(err)
	by := auth.Actor{Kind: auth.ActorAccount, ID: string(a.ID)}
	app, err := h.cfg.Logins.BeginTOTP(h.Context(), auth.DefaultTenant, "Phone", by)
	h.requireOK(err)
	code, err := totp.GenerateCode(app.Secret.Reveal(), h.now)
	h.requireOK(err)
	_, err = h.cfg.Logins.ConfirmTOTP(h.Context(), auth.DefaultTenant, app.ID, code, by)
	h.requireOK(err)
	return app.Secret.Reveal()
}
