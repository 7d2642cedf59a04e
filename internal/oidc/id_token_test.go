package oidc_test

import (
	"crypto/sha256"
	"crypto/sha512"
	"encoding/json"
	"maps"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/client"
	"github.com/watchword-auth/watchword/internal/client/clienttest"
	"github.com/watchword-auth/watchword/internal/oidc"
	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/store"
)

// decodeIDToken verifies a JWT with the published keys, as a client would, and returns its header and
// claims.
func (h *fixture) decodeIDToken(raw string) (jose.Header, clienttest.Claims) {
	h.t.Helper()
	encoded, err := h.keys.CurrentJWKS(h.t.Context(), tenant)
	h.requireOK(err)
	var set jose.JSONWebKeySet
	h.requireOK(json.Unmarshal(encoded, &set))
	parsed, err := jose.ParseSignedCompact(raw, []jose.SignatureAlgorithm{jose.RS256, jose.ES256, jose.EdDSA})
	h.requireOK(err)
	head := parsed.Signatures[0].Header
	found := set.Key(head.KeyID)
	if len(found) != 1 || found[0].Algorithm != head.Algorithm {
		h.t.Fatalf("%d published keys fit %s %s", len(found), head.Algorithm, head.KeyID)
	}
	b, err := parsed.Verify(found[0].Key)
	h.requireOK(err)
	var c clienttest.Claims
	h.requireOK(json.Unmarshal(b, &c))
	return head, c
}

func TestIDToken(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		for _, alg := range []string{"", "RS256", "ES256", "EdDSA"} {
			c, clientSecret := h.newWebClient(withOfflineAccess, func(r *client.Registration) { r.IDTokenAlgorithm = alg })
			signedIn := h.clock.Now()
			v := h.newBrowser()
			v.signIn(h.alice)
			h.clock.Advance(10 * time.Second)
			ts, err := h.redeemCode(c, clientSecret, h.newCodeIn(v, c, "nonce", "n-0S6_WzA2Mj"))
			h.requireOK(err)
			head, got := h.decodeIDToken(ts.IDToken)
			if want := map[string]string{"": "RS256"}[alg] + alg; head.Algorithm != want || head.ExtraHeaders[jose.HeaderType] != "JWT" {
				t.Errorf("%q: signed with %s, typ %v", alg, head.Algorithm, head.ExtraHeaders[jose.HeaderType])
			}
			half := func() string {
				if head.Algorithm == "EdDSA" {
					sum := sha512.Sum512([]byte(ts.AccessToken))
					return secret.Encode(sum[:32])
				}
				sum := sha256.Sum256([]byte(ts.AccessToken))
				return secret.Encode(sum[:16])
			}
			now := float64(h.clock.Now().Unix())
			want := clienttest.Claims{
				"iss": base, "sub": string(h.alice), "aud": string(c.ID), "iat": now, "exp": now + 900, "auth_time": float64(signedIn.Unix()),
				"nonce": "n-0S6_WzA2Mj", "acr": "1", "amr": []any{"pwd"}, "at_hash": half(),
			}
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("%q: claims (-want +got):\n%s", alg, d)
			}
		}
		plain, clientSecret := h.newWebClient(withOfflineAccess)
		ts, err := h.redeemCode(plain, clientSecret, h.newCode(plain, "scope", "profile"))
		h.requireOK(err)
		if ts.IDToken != "" {
			t.Error("an ID Token without openid")
		}
	})
}

func TestIDTokenHasTheClaimsAskedFor(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		c, clientSecret := h.newWebClient(withOfflineAccess)
		request := `{"id_token":{"email":{"essential":true},"email_verified":null,"name":null,"unknown":null}}`
		ts, err := h.redeemCode(c, clientSecret, h.newCode(c, "scope", "openid offline_access", "claims", request))
		h.requireOK(err)
		next, err := h.refreshTokens(c, clientSecret, ts.RefreshToken)
		h.requireOK(err)
		for i, raw := range []string{ts.IDToken, next.IDToken} {
			_, got := h.decodeIDToken(raw)
			if got["email"] != "alice@example.test" || got["email_verified"] != true {
				t.Errorf("ID Token %d says %v", i+1, got)
			}
			if _, there := got["unknown"]; there || got["name"] != nil { // alice has no name
				t.Errorf("ID Token %d says %v", i+1, got)
			}
		}
	})
}

func TestRepair_B8_ClaimsOfGrantedScopesInTheIDToken(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		c, clientSecret := h.newWebClient(withOfflineAccess, func(r *client.Registration) { r.IDTokenClaims = "scope" })
		for scope, want := range map[string]map[string]any{
			"openid offline_access":               {"email": nil, "email_verified": nil, "updated_at": nil},
			"openid email offline_access":         {"email": "alice@example.test", "email_verified": true, "updated_at": nil},
			"openid email profile offline_access": {"locale": nil, "email": "alice@example.test", "email_verified": true, "updated_at": float64(h.clock.Now().Unix())},
		} {
			ts, err := h.redeemCode(c, clientSecret, h.newCode(c, "scope", scope))
			h.requireOK(err)
			next, err := h.refreshTokens(c, clientSecret, ts.RefreshToken)
			h.requireOK(err)
			for i, raw := range []string{ts.IDToken, next.IDToken} {
				_, got := h.decodeIDToken(raw)
				for name, value := range want {
					if got[name] != value {
						t.Errorf("%s: ID Token %d says %s = %v, want %v", scope, i+1, name, got[name], value)
					}
				}
			}
		}
		if _, _, err := h.clients.Create(t.Context(), auth.DefaultTenant, client.Registration{Name: "App", Type: auth.ClientSPA, RedirectURIs: []string{"https://app.example/cb"},
			ClientSettings: auth.ClientSettings{IDTokenClaims: "all"}}, auth.System); auth.KindOf(err) != auth.KindInvalid {
			t.Errorf("id_token_claims=all: %v", err)
		}
	})
}

func TestRepair_C5_SessionOnlyForClientsThatHearOfItsEnd(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		for _, backchannel := range []string{"", "https://app.example/backchannel"} {
			c, clientSecret := h.newWebClient(withOfflineAccess, func(r *client.Registration) { r.BackchannelURI = backchannel })
			ts, err := h.redeemCode(c, clientSecret, h.newCode(c, "scope", "openid offline_access"))
			h.requireOK(err)
			next, err := h.refreshTokens(c, clientSecret, ts.RefreshToken)
			h.requireOK(err)
			for i, raw := range []string{ts.IDToken, next.IDToken} {
				_, got := h.decodeIDToken(raw)
				if backchannel == "" && got["sid"] != nil || backchannel != "" && got["sid"] != string(ts.Session) {
					t.Errorf("back-channel logout %q: ID Token %d says sid %v", backchannel, i+1, got["sid"])
				}
			}
			if got := decodeClaims(t, ts.AccessToken); got["sid"] != string(ts.Session) {
				t.Errorf("the access token says sid %v", got["sid"])
			}
		}
	})
}

// RT-18: a refreshed ID Token describes the same sign-in.
func TestAttack_RT_18_RefreshedIDToken(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		c, clientSecret := h.newWebClient(withOfflineAccess, func(r *client.Registration) { r.IDTokenAlgorithm = "ES256" })
		ts, err := h.redeemCode(c, clientSecret, h.newCode(c, "scope", "openid offline_access", "nonce", "n-1"))
		h.requireOK(err)
		_, first := h.decodeIDToken(ts.IDToken)
		h.clock.Advance(time.Hour)
		next, err := h.refreshTokens(c, clientSecret, ts.RefreshToken)
		h.requireOK(err)
		_, second := h.decodeIDToken(next.IDToken)
		if _, there := second["nonce"]; there || first["nonce"] != "n-1" {
			t.Errorf("nonce %v, then %v", first["nonce"], second["nonce"])
		}
		if second["iat"] != first["iat"].(float64)+3600 || second["at_hash"] == first["at_hash"] {
			t.Errorf("iat %v after %v, the same at_hash: %v", second["iat"], first["iat"], second["at_hash"] == first["at_hash"])
		}
		for _, m := range []clienttest.Claims{first, second} {
			maps.DeleteFunc(m, func(name string, _ any) bool {
				return name == "iat" || name == "exp" || name == "nonce" || name == "at_hash"
			})
		}
		if d := cmp.Diff(first, second); d != "" {
			t.Errorf("-first +refreshed:\n%s", d)
		}
		narrow, err := h.refreshTokens(c, clientSecret, next.RefreshToken, "scope", "offline_access")
		h.requireOK(err)
		if narrow.IDToken != "" {
			t.Error("an ID Token for a scope without openid")
		}
	})
}

// A client with pairwise subjects knows a user under one sub everywhere, which no other sector has and
// which is not the account's id.
func TestPairwise(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		c, clientSecret := h.newWebClient(withOfflineAccess, func(r *client.Registration) { r.SubjectType, r.IDTokenAlgorithm = "pairwise", "ES256" })
		ts, err := h.redeemCode(c, clientSecret, h.newCode(c, "scope", "openid email offline_access"))
		h.requireOK(err)
		_, id := h.decodeIDToken(ts.IDToken)
		sub, _ := id["sub"].(string)
		if len(sub) != 43 || sub == string(h.alice) {
			t.Fatalf("sub %q", sub)
		}
		next, err := h.refreshTokens(c, clientSecret, ts.RefreshToken)
		h.requireOK(err)
		_, again := h.decodeIDToken(next.IDToken)
		seen, err := h.Introspect(t.Context(), clienttest.Basic(clienttest.Form(t, "token", next.AccessToken), c.ID, clientSecret))
		h.requireOK(err)
		kept, err := h.Introspect(t.Context(), clienttest.Basic(clienttest.Form(t, "token", next.RefreshToken), c.ID, clientSecret))
		h.requireOK(err)
		for what, got := range map[string]any{
			"access token": decodeAccessToken(t, next.AccessToken).Subject, "refreshed ID Token": again["sub"], "userinfo": h.userInfo(next.AccessToken)["sub"],
			"introspection": seen.Subject, "introspection of the refresh token": kept.Subject, "Subject": h.tokens.Subject(c, h.alice),
		} {
			if got != sub {
				t.Errorf("%s: sub %v, want %s", what, got, sub)
			}
		}
		other := c
		other.Settings.Sector = "other.test"
		bob := h.newAccount("bob")
		if h.tokens.Subject(other, h.alice) == sub || h.tokens.Subject(c, bob) == sub {
			t.Error("another sector or another user has the same sub")
		}
		h.requireOK(h.Revoke(t.Context(), clienttest.Basic(clienttest.Form(t, "token", next.AccessToken), c.ID, clientSecret)))
		if h.tokensActive(c, clientSecret, auth.Tokens{AccessToken: next.AccessToken}) {
			t.Error("a revoked token is valid")
		}
		if ev := h.events(auth.EventTokenRevoked); len(ev) != 1 || ev[0].Account != h.alice {
			t.Errorf("audit events %+v", ev)
		}
		// A token cannot be turned into another user's by the pairwise subject.
		h.changeClient(c, func(c *auth.Client) { c.Settings.Sector = "moved.test" })
		if h.tokensActive(c, clientSecret, auth.Tokens{AccessToken: ts.AccessToken}) {
			t.Error("a token under a name that is not the client's any more is alive")
		}
	})
}

// Tokens of a third-party client are not valid for the issuer's own API.
func TestOurAPITakesOurClientsAlone(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		own, ownSecret := h.newWebClient(withOfflineAccess)
		stranger, strangerShown := h.newWebClient()
		v := h.newBrowser()
		v.signIn(h.alice)
		mine, err := h.redeemCode(own, ownSecret, h.newCodeIn(v, own))
		h.requireOK(err)
		step, err := v.authorize(authorizationPairs(stranger)...)
		h.requireOK(err)
		code, _, _ := h.requireCode(v.consent(step, true))
		theirs, err := h.redeemCode(stranger, strangerShown, code)
		h.requireOK(err)
		if _, err := h.tokens.Verify(t.Context(), tenant, mine.AccessToken); err != nil {
			t.Errorf("our own client: %v", err)
		}
		if _, err := h.tokens.Verify(t.Context(), tenant, theirs.AccessToken); auth.KindOf(err) != auth.KindUnauthenticated {
			t.Errorf("a third-party client: %v", err)
		}
		h.changeClient(own, func(c *auth.Client) { c.Settings.SubjectType = "pairwise" })
		named, err := h.redeemCode(own, ownSecret, h.newCodeIn(v, own))
		h.requireOK(err)
		if got, err := h.tokens.Verify(t.Context(), tenant, named.AccessToken); err != nil || got.Subject != string(h.alice) {
			t.Errorf("a first-party client with pairwise subjects: %v, %v", got, err)
		}
	})
}

// userInfo returns the response of the UserInfo endpoint.
func (h *fixture) userInfo(access string) clienttest.Claims {
	h.t.Helper()
	out, err := h.UserInfo(h.t.Context(), oidc.UserInfoInput{Tenant: tenant, Authorization: []string{"Bearer " + access}, Method: "GET"})
	h.requireOK(err)
	var c clienttest.Claims
	h.requireOK(json.Unmarshal(out.JSON, &c))
	return c
}

// EP-08: claims about an email address are current, at every endpoint.
func TestAttack_EP_08_EmailVerified(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		c, clientSecret := h.newWebClient(withOfflineAccess, func(r *client.Registration) { r.IDTokenAlgorithm = "ES256" })
		h.write(func(tx *store.Tx) error {
			self, err := tx.CurrentTenant()
			if err != nil {
				return err
			}
			self.Settings.AllowUnverified = true
			return tx.UpdateCurrentTenant(self)
		})
		ts, err := h.redeemCode(c, clientSecret, h.newCode(c, "scope", "openid email offline_access", "claims", `{"id_token":{"email":null,"email_verified":null}}`))
		h.requireOK(err)
		change := func(email string, at time.Time) {
			h.write(func(tx *store.Tx) error {
				a, err := tx.Account(h.alice)
				if err != nil {
					return err
				}
				if a.Email, err = auth.ParseEmail(email); err != nil {
					return err
				}
				a.EmailVerifiedAt = at
				return tx.UpdateAccount(a)
			})
		}
		check := func(email string, verified bool) {
			t.Helper()
			if ts, err = h.refreshTokens(c, clientSecret, ts.RefreshToken); err != nil {
				t.Fatal(err)
			}
			_, id := h.decodeIDToken(ts.IDToken)
			for where, got := range map[string]clienttest.Claims{"ID Token": id, "userinfo": h.userInfo(ts.AccessToken)} {
				if got["email"] != email || got["email_verified"] != verified {
					t.Errorf("%s says %v, %v, want %s, %v", where, got["email"], got["email_verified"], email, verified)
				}
			}
		}
		check("alice@example.test", true)
		change("new@example.test", time.Time{})
		check("new@example.test", false)
		change("new@example.test", h.clock.Now())
		check("new@example.test", true)
	})
}
