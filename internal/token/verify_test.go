package token_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/watchword-auth/watchword/guard"
	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/keys"
	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/store"
	"github.com/watchword-auth/watchword/internal/store/storetest"
	"github.com/watchword-auth/watchword/internal/token"
)

func TestAccessTokenClaims(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		ts := h.signIn()
		got := payload(t, ts.AccessToken)
		now := float64(h.clock.Now().Unix())
		jti, _ := got["jti"].(string)
		if len(jti) != 22 {
			t.Errorf("jti %q", jti)
		}
		delete(got, "jti")
		want := map[string]any{
			"iss": base, "sub": string(h.alice), "aud": base, "client_id": "first-party", "exp": now + 900, "iat": now,
			"sid": string(ts.Session), "scope": "openid profile email offline_access watchword:account", "roles": []any{}, "permissions": []any{},
			"auth_time": now, "acr": "1", "amr": []any{"pwd"},
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("claims (-want +got):\n%s", d)
		}
		header, _, _ := strings.Cut(ts.AccessToken, ".")
		raw, err := secret.Decode(header)
		if err != nil || !strings.HasPrefix(string(raw), `{"alg":"ES256","typ":"at+jwt","kid":"`) {
			t.Errorf("header %s, %v", raw, err)
		}
		c, err := h.tokens.Verify(t.Context(), auth.DefaultTenant, ts.AccessToken)
		if err != nil {
			t.Fatal(err)
		}
		if c.Subject != string(h.alice) || c.SessionID != string(ts.Session) || !c.HasScope("email") {
			t.Errorf("verified claims: %+v", c)
		}
	})
}

// strange is text that JSON must escape.
const strange = "a\"b\\c\u2028<é>\n"

func TestClaimsAreEscaped(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		ts := h.issue(auth.Grant{Account: h.alice, Client: auth.FirstParty, ACR: strange, AMR: []string{strange}, Audience: []string{strange, base}})
		got := payload(t, ts.AccessToken)
		want := []any{strange, []any{strange}, []any{strange, base}}
		if d := cmp.Diff(want, []any{got["acr"], got["amr"], got["aud"]}); d != "" {
			t.Errorf("-want +got:\n%s", d)
		}
		if ts.RefreshToken != "" {
			t.Error("a refresh token without offline_access")
		}
	})
}

func TestMachineToken(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		var d token.Draft
		err := h.db.Read(t.Context(), auth.DefaultTenant, func(tx *store.Tx) (err error) {
			d, err = h.tokens.Start(tx, auth.Grant{Client: other, Scope: auth.Scope{"orders:read", "offline_access"}})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		ts, err := h.tokens.Finish(t.Context(), d)
		if err != nil {
			t.Fatal(err)
		}
		p := payload(t, ts.AccessToken)
		if p["sub"] != string(other) || p["sid"] != nil || p["roles"] != nil || ts.RefreshToken != "" {
			t.Errorf("%v", p)
		}
		if err := h.verify(ts.AccessToken); err != nil {
			t.Error(err)
		}
	})
}

func TestVerifyRefusals(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		storetest.Tenant(t, h.db, "t2")
		ts := h.signIn()
		sign := func(tenant auth.TenantID, typ, claims string) string {
			jws, err := h.keys.Sign(t.Context(), tenant, keys.ES256, typ, []byte(claims))
			if err != nil {
				t.Fatal(err)
			}
			return jws
		}
		body, err := secret.Decode(strings.Split(ts.AccessToken, ".")[1])
		if err != nil {
			t.Fatal(err)
		}
		swap := func(old, new string) string {
			out := strings.Replace(string(body), old, new, 1)
			if out == string(body) {
				t.Fatalf("%q is not in %s", old, body)
			}
			return out
		}
		for name, tt := range map[string]struct{ raw, code string }{
			"JV-04 changed signature":  {ts.AccessToken[:len(ts.AccessToken)-4] + "AAAA", "invalid_token"},
			"JV-07 other issuer":       {sign(auth.DefaultTenant, "at+jwt", swap(`"iss":"`+base, `"iss":"`+base+"/t/t2")), "invalid_token"},
			"JV-07 other tenant's key": {sign("t2", "at+jwt", string(body)), "invalid_token"},
			"JV-08 other audience":     {sign(auth.DefaultTenant, "at+jwt", swap(`"aud":"`+base, `"aud":"https://api.test`)), "invalid_token"},
			"JV-10 ID token":           {sign(auth.DefaultTenant, "JWT", string(body)), "invalid_token"},
			"session unknown":          {sign(auth.DefaultTenant, "at+jwt", swap(`"sid":"`, `"sid":"x`)), "invalid_token"},
			"another's session":        {sign(auth.DefaultTenant, "at+jwt", swap(`"sub":"`, `"sub":"x`)), "invalid_token"},
			"account without session":  {sign(auth.DefaultTenant, "at+jwt", swap(`"sid":"`+string(ts.Session)+`",`, "")), "invalid_token"},
			"garbage":                  {"x.y.z", "invalid_token"},
			"empty":                    {"", "invalid_token"},
		} {
			err := h.verify(tt.raw)
			if codeOf(err) != tt.code || auth.KindOf(err) != auth.KindUnauthenticated {
				t.Errorf("%s: %v", name, err)
			}
		}
		if _, err := h.tokens.Verify(t.Context(), "t2", ts.AccessToken); codeOf(err) != "invalid_token" {
			t.Errorf("JV-07 at the other tenant: %v", err)
		}
		h.clock.Advance(15*time.Minute + 31*time.Second)
		err = h.verify(ts.AccessToken)
		wantCode(t, err, "token_expired")
		if _, ok := errors.AsType[*guard.Error](err); !ok {
			t.Error("guard's reason is lost")
		}
	})
}

func TestVerifyLearnsOfTheEndAtOnce(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		second := h.join()
		for name, do := range map[string]func(tx *store.Tx, ts auth.Tokens) error{
			"session ended": func(tx *store.Tx, ts auth.Tokens) error { return tx.EndSession(h.alice, ts.Session, auth.EndLogout) },
			"all ended": func(tx *store.Tx, ts auth.Tokens) error {
				_, err := tx.EndSessions(h.alice, "", auth.EndPassword)
				return err
			},
		} {
			ts := h.signIn()
			for range 2 { // the second time from guard's cache
				if _, err := second.tokens.Verify(t.Context(), auth.DefaultTenant, ts.AccessToken); err != nil {
					t.Fatal(err)
				}
			}
			h.write(func(tx *store.Tx) error { return do(tx, ts) })
			if _, err := second.tokens.Verify(t.Context(), auth.DefaultTenant, ts.AccessToken); codeOf(err) != "invalid_token" {
				t.Errorf("%s: %v", name, err)
			}
			h.requireRefused(ts.RefreshToken, "invalid_refresh_token")
		}
	})
}

func TestDecide(t *testing.T) {
	t.Parallel()
	now := time.Now()
	good := auth.Account{ID: "a", EmailVerifiedAt: now}
	for _, tt := range []struct {
		name string
		t    auth.Tenant
		a    auth.Account
		c    auth.Client
		code string
		kind auth.Kind
	}{
		{"all well", auth.Tenant{}, good, auth.Client{}, "", 0},
		{"machine", auth.Tenant{}, auth.Account{}, auth.Client{}, "", 0},
		{"tenant shut", auth.Tenant{DisabledAt: now}, good, auth.Client{}, "tenant_disabled", auth.KindForbidden},
		{"client shut", auth.Tenant{}, good, auth.Client{DisabledAt: now}, "client_disabled", auth.KindUnauthenticated},
		{"machine shut", auth.Tenant{}, auth.Account{}, auth.Client{DisabledAt: now}, "client_disabled", auth.KindUnauthenticated},
		{"account shut", auth.Tenant{}, auth.Account{ID: "a", EmailVerifiedAt: now, DisabledAt: now}, auth.Client{}, "account_disabled", auth.KindUnauthenticated},
		{"not verified", auth.Tenant{}, auth.Account{ID: "a"}, auth.Client{}, "email_not_verified", auth.KindForbidden},
		{"may be unverified", auth.Tenant{Settings: auth.Settings{AllowUnverified: true}}, auth.Account{ID: "a"}, auth.Client{}, "", 0},
	} {
		err := token.CheckIssuance(tt.t, tt.a, tt.c)
		if codeOf(err) != tt.code || err != nil && auth.KindOf(err) != tt.kind {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

func TestStartRefuses(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		ts := h.signIn()
		for name, g := range map[string]auth.Grant{
			"unknown client":    {Account: h.alice, Client: "nobody", Session: ts.Session, Scope: auth.DefaultScope},
			"unknown account":   {Account: "nobody", Client: auth.FirstParty, Session: ts.Session, Scope: auth.DefaultScope},
			"unknown session":   {Account: h.alice, Client: auth.FirstParty, Session: "nothing", Scope: auth.DefaultScope},
			"another's session": {Account: h.insertAccount("bob@example.test"), Client: auth.FirstParty, Session: ts.Session, Scope: auth.DefaultScope},
		} {
			err := h.db.Write(t.Context(), auth.DefaultTenant, func(tx *store.Tx) error {
				_, err := h.tokens.Start(tx, g)
				return err
			})
			if auth.KindOf(err) != auth.KindUnauthenticated {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

func TestRevoke(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		one := h.signIn()
		two := h.requireRefresh(one.RefreshToken)
		revoke := func(client auth.ClientID, raw string) {
			t.Helper()
			if err := h.tokens.Revoke(t.Context(), auth.DefaultTenant, client, raw, auth.Actor{}); err != nil {
				t.Error(err)
			}
		}
		if err := h.tokens.Revoke(t.Context(), auth.DefaultTenant, other, two.RefreshToken, auth.Actor{}); !errors.Is(err, token.ErrOtherClient) {
			t.Errorf("by another client: %v", err)
		}
		revoke(auth.FirstParty, "garbage")
		two = h.requireRefresh(two.RefreshToken)
		revoke(auth.FirstParty, one.RefreshToken) // used, but valid
		h.requireRefused(two.RefreshToken, "invalid_refresh_token")
		wantCode(t, h.verify(two.AccessToken), "invalid_token")
		revoke(auth.FirstParty, two.RefreshToken)
		revoke(other, two.RefreshToken) // already revoked
		if n := len(h.events(auth.EventSessionEnded)); n != 1 {
			t.Errorf("%d audit lines", n)
		}
	})
}

func TestEnd(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		bob := h.insertAccount("bob@example.test")
		ts := h.signIn()
		end := func(account auth.AccountID, raw string) (ok bool) {
			t.Helper()
			h.write(func(tx *store.Tx) (err error) {
				ok, err = h.tokens.End(tx, account, raw, auth.EndLogout)
				return err
			})
			return ok
		}
		if end(bob, ts.RefreshToken) || end(h.alice, "garbage") || end(h.alice, ts.AccessToken) {
			t.Error("ended a session of another account")
		}
		if err := h.verify(ts.AccessToken); err != nil {
			t.Error(err)
		}
		if !end(h.alice, ts.RefreshToken) || end(h.alice, ts.RefreshToken) {
			t.Error("not ended, or ended twice")
		}
		wantCode(t, h.verify(ts.AccessToken), "invalid_token")
		h.requireRefused(ts.RefreshToken, "invalid_refresh_token")
	})
}

// TestSessionIsSeen checks that a refresh extends a session without a cookie, and does not extend
// the idle limit of one with a cookie.
func TestSessionIsSeen(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		ts := h.signIn()
		h.write(func(tx *store.Tx) error { return tx.TouchSession(ts.Session, tx.Now.Add(time.Hour)) })
		session := func() (v auth.Session) {
			h.write(func(tx *store.Tx) (err error) {
				v, err = tx.Session(ts.Session)
				return err
			})
			return v
		}
		h.clock.Advance(59 * time.Second)
		ts = h.requireRefresh(ts.RefreshToken)
		if v := session(); v.SeenAt != v.CreatedAt {
			t.Error("touched within the minute")
		}
		h.clock.Advance(time.Second)
		ts = h.requireRefresh(ts.RefreshToken)
		if v := session(); v.SeenAt != h.clock.Now() || v.IdleAt != h.clock.Now().Add(14*24*time.Hour) {
			t.Errorf("without a cookie: %+v", v)
		}
		v := session()
		v.Digest = "digest"
		h.write(func(tx *store.Tx) error { return tx.RenewSession(v) })
		before := session()
		h.clock.Advance(time.Hour)
		h.requireRefresh(ts.RefreshToken)
		if v := session(); v.SeenAt != h.clock.Now() || v.IdleAt != before.IdleAt {
			t.Errorf("with a cookie: %+v", v)
		}
	})
}
