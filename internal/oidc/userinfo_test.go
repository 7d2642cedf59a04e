package oidc_test

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/client"
	"github.com/watchword-auth/watchword/internal/client/clienttest"
	"github.com/watchword-auth/watchword/internal/keys"
	"github.com/watchword-auth/watchword/internal/oauth"
	"github.com/watchword-auth/watchword/internal/oidc"
	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/store"
	"github.com/watchword-auth/watchword/internal/store/storetest"
)

func newUserInfoInput(header string) oidc.UserInfoInput {
	return oidc.UserInfoInput{Tenant: tenant, Authorization: []string{header}, Method: "GET"}
}

func TestUserInfo(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		h.write(func(tx *store.Tx) error {
			a, err := tx.Account(h.alice)
			a.Name, a.Locale = "Alice <é>", "de"
			if err != nil {
				return err
			}
			if err := tx.SetPicture(auth.Picture{Name: "p1", Account: a.ID, Type: "image/png", Bytes: []byte("x"), CreatedAt: tx.Now}); err != nil {
				return err
			}
			return tx.UpdateAccount(a)
		})
		c, clientSecret := h.newWebClient(withOfflineAccess)
		for scope, want := range map[string]clienttest.Claims{
			"openid":         {},
			"openid email":   {"email": "alice@example.test", "email_verified": true},
			"openid profile": {"name": "Alice <é>", "picture": auth.DefaultTenant.Issuer(base) + "/pictures/p1", "locale": "de", "updated_at": float64(h.clock.Now().Unix())},
		} {
			want["sub"] = string(h.alice)
			ts, err := h.redeemCode(c, clientSecret, h.newCode(c, "scope", scope))
			h.requireOK(err)
			if d := cmp.Diff(want, h.userInfo(ts.AccessToken)); d != "" {
				t.Errorf("%s (-want +got):\n%s", scope, d)
			}
			out, err := h.UserInfo(t.Context(), oidc.UserInfoInput{Tenant: tenant, FormToken: ts.AccessToken, Method: "POST"})
			if err != nil || out.JWT != "" {
				t.Errorf("from a form: %v", err)
			}
		}
		ts, err := h.redeemCode(c, clientSecret, h.newCode(c, "scope", "openid", "claims", `{"userinfo":{"name":{"essential":true}}}`))
		h.requireOK(err)
		if d := cmp.Diff(clienttest.Claims{"sub": string(h.alice), "name": "Alice <é>"}, h.userInfo(ts.AccessToken)); d != "" {
			t.Errorf("claims by name (-want +got):\n%s", d)
		}
	})
}

func TestSignedUserInfo(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		c, clientSecret := h.newWebClient(withOfflineAccess, func(r *client.Registration) { r.UserInfoAlgorithm = "ES256" })
		ts, err := h.redeemCode(c, clientSecret, h.newCode(c, "scope", "openid email"))
		h.requireOK(err)
		out, err := h.UserInfo(t.Context(), newUserInfoInput("Bearer "+ts.AccessToken))
		h.requireOK(err)
		head, got := h.decodeIDToken(out.JWT)
		want := clienttest.Claims{"iss": base, "aud": string(c.ID), "iat": float64(h.clock.Now().Unix()), "sub": string(h.alice),
			"email": "alice@example.test", "email_verified": true}
		if d := cmp.Diff(want, got); d != "" || head.Algorithm != "ES256" || out.JSON != nil {
			t.Errorf("signed with %s (-want +got):\n%s", head.Algorithm, d)
		}
	})
}

func TestAttack_EP_07_UserInfoRefusals(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		c, clientSecret := h.newWebClient(withOfflineAccess)
		machine, machineShown := h.newMachineClient()
		own, err := h.requestClientCredentials(machine, machineShown)
		h.requireOK(err)
		ts, err := h.redeemCode(c, clientSecret, h.newCode(c, "scope", "openid email offline_access"))
		h.requireOK(err)
		plain, err := h.redeemCode(c, clientSecret, h.newCode(c, "scope", "email"))
		h.requireOK(err)
		bearer := "Bearer " + ts.AccessToken
		type request struct {
			in   oidc.UserInfoInput
			code oauth.Code
			bare bool
		}
		both := newUserInfoInput(bearer)
		both.FormToken = ts.AccessToken
		twice := newUserInfoInput(bearer)
		twice.Authorization = append(twice.Authorization, bearer)
		elsewhere := newUserInfoInput(bearer)
		elsewhere.Tenant = "t2"
		storetest.Tenant(t, h.db, "t2")
		h.requireOK(h.keys.Ensure(t.Context(), "t2", keys.ES256))
		for name, a := range map[string]request{
			"EP-07 a machine's token":    {newUserInfoInput("Bearer " + own.AccessToken), oauth.InsufficientScope, false},
			"EP-07 without openid":       {newUserInfoInput("Bearer " + plain.AccessToken), oauth.InsufficientScope, false},
			"nothing":                    {oidc.UserInfoInput{Tenant: tenant, Method: "GET"}, oauth.InvalidToken, true},
			"another scheme":             {newUserInfoInput("Basic eDp5"), oauth.InvalidToken, true},
			"RT-11 a refresh token":      {newUserInfoInput("Bearer " + ts.RefreshToken), oauth.InvalidToken, false},
			"an ID Token":                {newUserInfoInput("Bearer " + ts.IDToken), oauth.InvalidToken, false},
			"garbage":                    {newUserInfoInput("Bearer x"), oauth.InvalidToken, false},
			"garbage that looks sealed":  {newUserInfoInput("Bearer wwt_" + strings.Repeat("A", 100)), oauth.InvalidToken, false},
			"header and form":            {both, oauth.InvalidRequest, false},
			"two headers":                {twice, oauth.InvalidRequest, false},
			"another tenant":             {elsewhere, oauth.InvalidToken, false},
			"an unbound token with DPoP": {newUserInfoInput("DPoP " + ts.AccessToken), oauth.InvalidToken, false},
		} {
			out, err := h.UserInfo(t.Context(), a.in)
			e, ok := errors.AsType[*oauth.Error](err)
			if !ok || e.Code != a.code || e.Bare != a.bare || e.Scheme == "" || out.JSON != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		h.clock.Advance(15*time.Minute + 31*time.Second)
		_, err = h.UserInfo(t.Context(), newUserInfoInput(bearer))
		h.requireRefused(err, oauth.InvalidToken)
		if ts, err = h.refreshTokens(c, clientSecret, ts.RefreshToken); err != nil {
			t.Fatal(err)
		}
		h.write(func(tx *store.Tx) error { return tx.DeleteAccount(h.alice) })
		_, err = h.UserInfo(t.Context(), newUserInfoInput("Bearer "+ts.AccessToken))
		h.requireRefused(err, oauth.InvalidToken)
	})
}

func TestUserInfoLearnsOfTheEndAtOnce(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		for name, end := range map[string]func(tx *store.Tx, c auth.Client, account auth.AccountID) error{
			"account disabled": func(tx *store.Tx, _ auth.Client, account auth.AccountID) error {
				a, err := tx.Account(account)
				a.DisabledAt = tx.Now
				if err != nil {
					return err
				}
				return tx.UpdateAccount(a)
			},
			"signed out": func(tx *store.Tx, _ auth.Client, account auth.AccountID) error {
				_, err := tx.EndSessions(account, "", auth.EndLogout)
				return err
			},
			"client disabled": func(tx *store.Tx, c auth.Client, _ auth.AccountID) error {
				c.DisabledAt = tx.Now
				return tx.UpdateClient(c)
			},
		} {
			for _, format := range []string{"", "opaque"} {
				c, clientSecret := h.newWebClient(withOfflineAccess, func(r *client.Registration) { r.TokenFormat = format })
				account := h.newAccount(rand.Text())
				v := h.newBrowser()
				v.signIn(account)
				ts, err := h.redeemCode(c, clientSecret, h.newCodeIn(v, c))
				h.requireOK(err)
				h.userInfo(ts.AccessToken)
				h.write(func(tx *store.Tx) error { return end(tx, c, account) })
				_, err = h.UserInfo(t.Context(), newUserInfoInput("Bearer "+ts.AccessToken))
				if e, ok := errors.AsType[*oauth.Error](err); !ok || e.Code != oauth.InvalidToken {
					t.Errorf("%s: %v", name, err)
				}
			}
		}
	})
}

// newResourceProof signs a proof for one request to a resource.
func (h *fixture) newResourceProof(k clienttest.KeyPair, method, url, access string) string {
	h.t.Helper()
	c := clienttest.Claims{"jti": rand.Text(), "htm": method, "htu": url, "iat": h.clock.Now().Unix()}
	if access != "" {
		c["ath"] = secret.Digest(access)
	}
	return clienttest.Sign(h.t, k.Alg, k.Private, c, map[jose.HeaderKey]any{"typ": "dpop+jwt", "jwk": jose.JSONWebKey{Key: k.Private.Public()}})
}

// withProof adds a proof of the key to a request for tokens.
func (h *fixture) withProof(r client.Request, k clienttest.KeyPair) client.Request {
	h.t.Helper()
	r.Method, r.URL = "POST", base+oauth.TokenPath
	r.Proof = []string{h.newResourceProof(k, r.Method, r.URL, "")}
	return r
}

// RT-13, and the tokens of a code that is bound to a key.
func TestAttack_RT_13_BoundTokens(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		k, other := clienttest.NewKeyPair(t, jose.ES256), clienttest.NewKeyPair(t, jose.ES256)
		native := func(r *client.Registration) {
			withOfflineAccess(r)
			r.Type = auth.ClientNative
			r.IDTokenAlgorithm = "ES256"
		}
		c, _ := h.newWebClient(native)
		v := h.newBrowser()
		v.signIn(h.alice)
		step, err := v.authorize(authorizationPairs(c, "scope", "openid offline_access", "dpop_jkt", k.Thumbprint(t))...)
		h.requireOK(err)
		if step.Kind == auth.StepConsent {
			step = v.consent(step, true)
		}
		code, _, _ := h.requireCode(step)
		_, err = h.redeemCode(c, "", code)
		h.requireRefused(err, oauth.InvalidGrant)
		_, err = h.Token(t.Context(), h.withProof(h.redeemRequest(c, "", code), other))
		h.requireRefused(err, oauth.InvalidGrant)
		ts, err := h.Token(t.Context(), h.withProof(h.redeemRequest(c, "", code), k))
		h.requireOK(err)
		if ts.Type != "DPoP" {
			t.Errorf("token type %q", ts.Type)
		}

		request := func() client.Request {
			return clienttest.Form(t, "grant_type", "refresh_token", "refresh_token", ts.RefreshToken, "client_id", string(c.ID))
		}
		_, err = h.Token(t.Context(), request())
		h.requireRefused(err, oauth.InvalidGrant)
		_, err = h.Token(t.Context(), h.withProof(request(), other))
		h.requireRefused(err, oauth.InvalidGrant)
		next, err := h.Token(t.Context(), h.withProof(request(), k))
		h.requireOK(err)
		h.clock.Advance(time.Minute)
		_, err = h.Token(t.Context(), h.withProof(request(), other)) // used, but without the key it ends nothing
		h.requireRefused(err, oauth.InvalidGrant)
		ts = next
		ts, err = h.Token(t.Context(), h.withProof(request(), k))
		h.requireOK(err)

		url := base + oidc.UserInfoPath
		_, err = h.UserInfo(t.Context(), newUserInfoInput("Bearer "+ts.AccessToken))
		h.requireRefused(err, oauth.InvalidToken)
		in := newUserInfoInput("DPoP " + ts.AccessToken)
		_, err = h.UserInfo(t.Context(), in)
		h.requireRefused(err, oauth.InvalidProof)
		in.Proof = []string{h.newResourceProof(other, "GET", url, ts.AccessToken)}
		_, err = h.UserInfo(t.Context(), in)
		h.requireRefused(err, oauth.InvalidToken)
		in.Proof = []string{h.newResourceProof(k, "GET", url, "another")}
		_, err = h.UserInfo(t.Context(), in)
		h.requireRefused(err, oauth.InvalidProof)
		in.Proof = []string{h.newResourceProof(k, "GET", url, ts.AccessToken)}
		_, err = h.UserInfo(t.Context(), in)
		h.requireOK(err)
		_, err = h.UserInfo(t.Context(), in) // the same proof again
		h.requireRefused(err, oauth.InvalidProof)

		api, apiShown := h.newMachineClient()
		seen, err := h.Introspect(t.Context(), clienttest.Basic(clienttest.Form(t, "token", ts.AccessToken), api.ID, apiShown))
		h.requireOK(err)
		if !seen.Active || seen.TokenType != "DPoP" || seen.Confirmation == nil || seen.Confirmation.JKT != k.Thumbprint(t) {
			t.Errorf("introspection %+v", seen)
		}
	})
}

// A confidential client authenticates, so its refresh tokens are not bound (RFC 9449 §5): each access
// token is bound to the key of its request.
func TestConfidentialClientChangesItsKey(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		k, other := clienttest.NewKeyPair(t, jose.ES256), clienttest.NewKeyPair(t, jose.EdDSA)
		c, clientSecret := h.newWebClient(withOfflineAccess, func(r *client.Registration) { r.IDTokenAlgorithm, r.TokenFormat = "ES256", "opaque" })
		ts, err := h.Token(t.Context(), h.withProof(h.redeemRequest(c, clientSecret, h.newCode(c, "scope", "openid offline_access")), k))
		h.requireOK(err)
		next, err := h.Token(t.Context(), h.withProof(clienttest.Basic(clienttest.Form(t, "grant_type", "refresh_token", "refresh_token", ts.RefreshToken), c.ID, clientSecret), other))
		h.requireOK(err)
		for key, access := range map[string]string{k.Thumbprint(t): ts.AccessToken, other.Thumbprint(t): next.AccessToken} {
			seen, err := h.Introspect(t.Context(), clienttest.Basic(clienttest.Form(t, "token", access), c.ID, clientSecret))
			h.requireOK(err)
			if seen.Confirmation == nil || seen.Confirmation.JKT != key {
				t.Errorf("bound to %+v, want %s", seen.Confirmation, key)
			}
		}
	})
}

func TestOpaqueAccessTokens(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		c, clientSecret := h.newWebClient(withOfflineAccess, func(r *client.Registration) { r.TokenFormat = "opaque" })
		api, apiShown := h.newMachineClient()
		ts, err := h.redeemCode(c, clientSecret, h.newCode(c, "scope", "openid email offline_access"))
		h.requireOK(err)
		if !strings.HasPrefix(ts.AccessToken, "wwt_") || strings.Contains(ts.AccessToken, ".") {
			t.Fatalf("%.10s…", ts.AccessToken)
		}
		now := h.clock.Now().Unix()
		got, err := h.Introspect(t.Context(), clienttest.Basic(clienttest.Form(t, "token", ts.AccessToken), api.ID, apiShown))
		h.requireOK(err)
		want := oidc.Introspection{
			Active: true, TokenType: "Bearer", Issuer: base, Subject: string(h.alice), Audience: []string{base}, ClientID: string(c.ID),
			Scope: "openid email offline_access", ExpiresAt: now + 900, IssuedAt: now, SessionID: string(ts.Session), ID: got.ID,
			Roles: []string{}, Permissions: []string{}, AuthTime: now, ACR: "1", AMR: []string{"pwd"},
		}
		if d := cmp.Diff(want, got); d != "" || len(got.ID) != 22 {
			t.Errorf("-want +got:\n%s", d)
		}
		next, err := h.refreshTokens(c, clientSecret, ts.RefreshToken)
		h.requireOK(err)
		if !strings.HasPrefix(next.AccessToken, "wwt_") {
			t.Error("the refreshed one is a JWT")
		}
		if _, err := h.tokens.Verify(t.Context(), tenant, next.AccessToken); err != nil {
			t.Errorf("our own API: %v", err)
		}
		h.requireOK(h.Revoke(t.Context(), clienttest.Basic(clienttest.Form(t, "token", ts.AccessToken), c.ID, clientSecret)))
		if _, err := h.UserInfo(t.Context(), newUserInfoInput("Bearer "+ts.AccessToken)); err == nil {
			t.Error("a revoked token is accepted")
		}
		h.userInfo(next.AccessToken)
		h.clock.Advance(16 * time.Minute)
		if _, err := h.UserInfo(t.Context(), newUserInfoInput("Bearer "+next.AccessToken)); err == nil {
			t.Error("an expired token is accepted")
		}
	})
}

func TestIntrospectionJWT(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		c, clientSecret := h.newWebClient(withOfflineAccess)
		ts, err := h.redeemCode(c, clientSecret, h.newCode(c, "scope", "openid"))
		h.requireOK(err)
		api, apiShown := h.newMachineClient()
		api = h.changeClient(api, func(c *auth.Client) { c.Settings.IntrospectionAlgorithm = "EdDSA" })
		for name, raw := range map[string]string{"active": ts.AccessToken, "not active": "garbage"} {
			r := clienttest.Basic(clienttest.Form(t, "token", raw), api.ID, apiShown)
			r.Accept = []string{"application/json;q=0.5, application/token-introspection+jwt"}
			out, err := h.Introspect(t.Context(), r)
			h.requireOK(err)
			head, got := h.decodeIDToken(out.JWT)
			if head.Algorithm != "EdDSA" || head.ExtraHeaders[jose.HeaderType] != "token-introspection+jwt" {
				t.Errorf("%s: %s, typ %v", name, head.Algorithm, head.ExtraHeaders[jose.HeaderType])
			}
			r.Accept = []string{"application/json"}
			plain, err := h.Introspect(t.Context(), r)
			h.requireOK(err)
			if plain.JWT != "" {
				t.Errorf("%s: signed without a request", name)
			}
			b, err := json.Marshal(plain)
			h.requireOK(err)
			var inner clienttest.Claims
			h.requireOK(json.Unmarshal(b, &inner))
			want := clienttest.Claims{"iss": base, "aud": string(api.ID), "iat": float64(h.clock.Now().Unix()), "token_introspection": map[string]any(inner)}
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("%s (-want +got):\n%s", name, d)
			}
		}
	})
}

func BenchmarkUserInfo(b *testing.B) {
	h := newFixture(b, storetest.SQLiteConfig(b))
	c, clientSecret := h.newWebClient(withOfflineAccess)
	ts, err := h.redeemCode(c, clientSecret, h.newCode(c, "scope", "openid email"))
	h.requireOK(err)
	in := newUserInfoInput("Bearer " + ts.AccessToken)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := h.UserInfo(b.Context(), in); err != nil {
			b.Fatal(err)
		}
	}
}

func FuzzUserInfoForm(f *testing.F) {
	h := newFixture(f, storetest.SQLiteConfig(f))
	c, clientSecret := h.newWebClient(withOfflineAccess)
	ts, err := h.redeemCode(c, clientSecret, h.newCode(c, "scope", "openid"))
	h.requireOK(err)
	f.Add("access_token=" + ts.AccessToken)
	f.Add("access_token=a&access_token=b")
	f.Add("access_token=wwt_AAAA")
	f.Fuzz(func(t *testing.T, body string) {
		form, err := oauth.ParseForm(body)
		if err != nil {
			return
		}
		raw := form.Get("access_token")
		_, err = h.UserInfo(t.Context(), oidc.UserInfoInput{Tenant: tenant, FormToken: raw, Method: "POST"})
		if err == nil && raw != ts.AccessToken {
			t.Errorf("%q is accepted", raw)
		}
		if _, ok := errors.AsType[*oauth.Error](err); err != nil && !ok {
			t.Errorf("%q: %v", raw, err)
		}
	})
}
