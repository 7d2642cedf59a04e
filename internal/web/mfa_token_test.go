package web

import (
	"testing"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/store"
	"github.com/watchword-auth/watchword/internal/store/storetest"
)

// mfaFixture has alice with an authenticator app.
type mfaFixture struct {
	*fixture
	seed string
}

func newMFAFixture(t *testing.T, sc store.Config) mfaFixture {
	h := newFixtureOn(t, sc)
	h.signedIn("alice@example.com")
	m := mfaFixture{h, h.addTOTP("alice@example.com")}
	m.advance(30 * time.Second)
	return m
}

// begin sends the password, and returns the mfa_token and the cookie that came with it.
func (h mfaFixture) begin(more string, headers ...string) (token, cookie string) {
	h.Helper()
	r := h.requireReply(h.post("/api/v1/login", `{"email":"alice@example.com","password":"`+pass+`"`+more+`}`, headers...), 401, "mfa_required")
	if c := r.Cookies(); len(c) > 0 {
		cookie = "Cookie: " + c[0].Name + "=" + c[0].Value
	}
	return r.json(h)["mfa_token"].(string), cookie
}

// finish sends the code of the app with the token.
func (h mfaFixture) finish(token string, headers ...string) reply {
	h.Helper()
	return h.post("/api/v1/login/mfa", `{"mfa_token":"`+token+`","factor":"totp","code":"`+h.code(h.seed)+`"}`, headers...)
}

// TestAttack_MF_04_StolenMFAToken: a stolen mfa_token is of no use elsewhere. It continues the sign-in with the cookie
// or the DPoP key of its first request, once, in its tenant, and is no other token.
func TestAttack_MF_04_StolenMFAToken(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, sc store.Config) {
		h := newMFAFixture(t, sc)
		refused := func(name string, r reply) {
			t.Helper()
			if r.StatusCode != 401 || r.json(h)["code"] != "invalid_mfa_token" {
				t.Errorf("%s: %d %s", name, r.StatusCode, r.body)
			}
		}
		everyCall := func(name, token string, headers ...string) {
			t.Helper()
			refused(name, h.finish(token, headers...))
			refused(name, h.post("/api/v1/login/mfa/email-code", `{"mfa_token":"`+token+`"}`, headers...))
		}

		token, cookie := h.begin(`,"session":"cookie"`, "Sec-Fetch-Site: same-origin")
		_, other := h.begin(`,"session":"cookie"`, "Sec-Fetch-Site: same-origin")
		if cookie == "" || cookie == other {
			t.Fatalf("cookies %q and %q", cookie, other)
		}
		everyCall("no cookie", token)
		everyCall("another browser", token, other, "Sec-Fetch-Site: same-origin")
		if r := h.finish(token, cookie, "Sec-Fetch-Site: same-origin"); r.StatusCode != 204 {
			t.Errorf("its browser: %d %s", r.StatusCode, r.body)
		}
		h.advance(30 * time.Second)
		everyCall("after success", token, cookie, "Sec-Fetch-Site: same-origin")

		token, _ = h.begin("", cookie, "Sec-Fetch-Site: same-origin") // a program in a browser that has the cookie already
		everyCall("no cookie, for tokens", token)
		h.tokens(h.finish(token, cookie, "Sec-Fetch-Site: same-origin"))

		h.advance(30 * time.Second)
		own, stranger := h.prover(), h.prover()
		dpop := func(p prover, path string) string { return "DPoP: " + p.proof("POST", path, "", nil) }
		token, _ = h.begin("", dpop(own, "/api/v1/login"))
		everyCall("no proof", token)
		refused("another key", h.finish(token, dpop(stranger, "/api/v1/login/mfa")))
		if r := h.finish(token, dpop(own, "/api/v1/login")); r.StatusCode != 401 || r.json(h)["code"] != "invalid_dpop_proof" {
			t.Errorf("a proof of another call: %d %s", r.StatusCode, r.body)
		}
		h.tokens(h.finish(token, dpop(own, "/api/v1/login/mfa")))

		h.advance(30 * time.Second)
		token, _ = h.begin("")
		h.requireReply(h.get("/api/v1/me", "Authorization: Bearer "+token), 401, "invalid_token")
		h.requireReply(h.post("/api/v1/refresh", `{"refresh_token":"`+token+`"}`), 401, "invalid_refresh_token")
		h.requireReply(h.get("/oauth2/userinfo", "Authorization: Bearer "+token), 401, "")
		h.requireReply(h.post("/api/v1/login/email/code", `{"login_token":"`+token+`","code":"AAAA-AAAA"}`), 401, "invalid_login_token")
		h.requireReply(h.post("/api/v1/password/reset", `{"token":"`+token+`","password":"`+pass+`"}`), 400, "invalid_link")
		h.requireReply(h.post("/api/v1/verify-email", `{"token":"`+token+`"}`), 400, "invalid_link")
		h.tokens(h.finish(token)) // a program without cookie and key

		h.advance(30 * time.Second)
		token, _ = h.begin("")
		h.advance(10 * time.Minute)
		everyCall("after ten minutes", token)
	})
}

// TestAttack_MF_04_MFATokenAfterChanges: an mfa_token ends with the password that was sent for it, and with the account.
func TestAttack_MF_04_MFATokenAfterChanges(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, sc store.Config) {
		h := newMFAFixture(t, sc)
		a, err := h.cfg.Accounts.Find(h.Context(), auth.DefaultTenant, "alice@example.com")
		h.requireOK(err)

		token, _ := h.begin("")
		signedIn := bearer(h.tokens(h.finish(token)))
		h.requireReply(h.post("/api/v1/logout", "", signedIn), 204, "")
		h.advance(30 * time.Second)
		h.requireReply(h.finish(token), 401, "invalid_mfa_token")

		token, _ = h.begin("")
		h.advance(time.Second)
		h.requireOK(h.cfg.Accounts.SetPassword(h.Context(), auth.DefaultTenant, a.ID, pass+"!", auth.System))
		h.requireReply(h.finish(token), 401, "invalid_mfa_token")
	})
}
