package web

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"github.com/watchword-auth/watchword/internal/store"
	"github.com/watchword-auth/watchword/internal/store/storetest"
	"github.com/watchword-auth/watchword/internal/web/api"
)

// code returns the code that an authenticator app with the secret shows.
func (h *fixture) code(secret string) string {
	h.Helper()
	code, err := totp.GenerateCode(secret, h.now)
	h.requireOK(err)
	return code
}

// beginTOTP begins to add an authenticator app.
func (h *fixture) beginTOTP(who string) (app api.TOTPEnrolment) {
	h.Helper()
	h.requireOK(json.Unmarshal(h.requireReply(h.post("/api/v1/me/factors/totp", `{"name":"Phone"}`, who), 201, "").body, &app))
	return app
}

// factors lists the second factors of an account.
func (h *fixture) factors(who string) (list []api.Factor, recoveryCodes int) {
	h.Helper()
	var got struct {
		Factors       []api.Factor `json:"factors"`
		RecoveryCodes int          `json:"recovery_codes"`
	}
	h.requireOK(json.Unmarshal(h.requireReply(h.get("/api/v1/me/factors", who), 200, "").body, &got))
	return got.Factors, got.RecoveryCodes
}

// signInFactor signs in with a password and an authenticator app.
func (h *fixture) signInFactor(email, secret string) string {
	h.Helper()
	token := h.requireReply(h.login(email, pass), 401, "mfa_required").json(h)["mfa_token"].(string)
	return bearer(h.tokens(h.post("/api/v1/login/mfa", `{"mfa_token":"`+token+`","factor":"totp","code":"`+h.code(secret)+`"}`)))
}

// The life of an authenticator app and of recovery codes, by a token.
func TestFactors(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, sc store.Config) {
		h := newFixtureOn(t, sc)
		who := bearer(h.signedIn("alice@example.com"))
		if list, left := h.factors(who); list == nil || len(list) != 0 || left != 0 {
			t.Errorf("%v, %d codes", list, left)
		}
		h.requireReply(h.post("/api/v1/me/recovery-codes", "", who), 409, "no_factor")
		app := h.beginTOTP(who)
		if len(app.Secret) != 32 || !strings.Contains(app.URI, app.Secret) {
			t.Errorf("%+v", app)
		}
		confirm := "/api/v1/me/factors/" + app.ID + "/confirm"
		h.requireReply(h.post(confirm, `{"code":"000000"}`, who), 400, "invalid_code")
		h.requireReply(h.post("/api/v1/me/factors/x/confirm", `{"code":"`+h.code(app.Secret)+`"}`, who), 404, "factor_unknown")
		h.requireReply(h.post(confirm, `{"code":"`+h.code(app.Secret)+`"}`, who), 204, "")

		h.advance(30 * time.Second)
		who = h.signInFactor("alice@example.com", app.Secret)
		path := "/api/v1/me/factors/" + app.ID
		h.requireReply(h.do(request("PATCH", path, `{"name":"Old phone"}`, who)), 204, "")
		list, _ := h.factors(who)
		if len(list) != 1 || list[0].ID != app.ID || list[0].Kind != "totp" || list[0].Name != "Old phone" || list[0].LastUsedAt == nil {
			t.Errorf("%+v", list)
		}
		codes := h.requireReply(h.post("/api/v1/me/recovery-codes", "", who), 201, "").json(t)["codes"].([]any)
		if _, left := h.factors(who); len(codes) != 10 || left != 0 {
			t.Errorf("%d codes, %d count before one is confirmed", len(codes), left)
		}
		h.requireReply(h.post("/api/v1/me/recovery-codes/confirm", `{"code":"`+codes[4].(string)+`"}`, who), 204, "")
		if _, left := h.factors(who); left != 10 {
			t.Errorf("%d codes count", left)
		}
		h.requireReply(h.do(request("DELETE", path, "", who)), 204, "")
		h.requireReply(h.do(request("DELETE", path, "", who)), 404, "factor_unknown")
		if list, left := h.factors(who); len(list) != 0 || left != 0 {
			t.Errorf("%v, %d codes are left", list, left)
		}
		h.tokens(h.login("alice@example.com", pass))
	})
}

// factorCalls are the calls that change second factors or show secrets.
func factorCalls(id string) map[string][3]string {
	return map[string][3]string{
		"begin":          {"POST", "/api/v1/me/factors/totp", `{}`},
		"confirm":        {"POST", "/api/v1/me/factors/" + id + "/confirm", `{"code":"000000"}`},
		"rename":         {"PATCH", "/api/v1/me/factors/" + id, `{"name":"x"}`},
		"remove":         {"DELETE", "/api/v1/me/factors/" + id, ""},
		"recovery codes": {"POST", "/api/v1/me/recovery-codes", ""},
		"confirm codes":  {"POST", "/api/v1/me/recovery-codes/confirm", `{"code":"AAAA-AAAA-AAAA-AAAA"}`},
	}
}

// TestAttack_MF_06_StaleOrWeakSessions: neither an old session nor one without the second factor of its account
// changes a factor or sees a secret.
func TestAttack_MF_06_StaleOrWeakSessions(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, sc store.Config) {
		h := newFixtureOn(t, sc)
		who, weak := bearer(h.signedIn("alice@example.com")), bearer(h.tokens(h.login("alice@example.com", pass)))
		app := h.beginTOTP(who)
		h.requireReply(h.post("/api/v1/me/factors/"+app.ID+"/confirm", `{"code":"`+h.code(app.Secret)+`"}`, who), 204, "")
		h.advance(30 * time.Second)
		strong := h.signInFactor("alice@example.com", app.Secret)
		refuse := func(name, who, acr string) {
			t.Helper()
			for call, c := range factorCalls(app.ID) {
				r := h.requireReply(h.do(request(c[0], c[1], c[2], who)), 401, "insufficient_user_authentication")
				challenge := r.Header.Get("WWW-Authenticate")
				if !strings.HasPrefix(challenge, `Bearer error="insufficient_user_authentication"`) || !strings.Contains(challenge, `max_age="300"`) || !strings.Contains(challenge, acr) {
					t.Errorf("%s, %s: challenge %s", name, call, challenge)
				}
			}
		}
		refuse("only the password", weak, `acr_values="2"`)
		h.advance(5*time.Minute + time.Second)
		refuse("an old session", strong, `acr_values="2"`)
		if list, _ := h.factors(strong); len(list) != 1 {
			t.Errorf("%v", list)
		}
	})
}
