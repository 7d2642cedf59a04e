package web

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/client"
	"github.com/watchword-auth/watchword/internal/limit"
	"github.com/watchword-auth/watchword/internal/oidc"
	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/store"
	"github.com/watchword-auth/watchword/internal/token"
)

// prover is a client with a DPoP key.
type prover struct {
	h   *fixture
	key *ecdsa.PrivateKey
}

func (h *fixture) prover() prover {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	h.requireOK(err)
	return prover{h, key}
}

func (p prover) jkt() string {
	sum, err := (&jose.JSONWebKey{Key: p.key.Public()}).Thumbprint(crypto.SHA256)
	p.h.requireOK(err)
	return secret.Encode(sum)
}

// proof returns a proof for the request, with changes to its claims.
func (p prover) proof(method, path, access string, changes map[string]any) string {
	p.h.mu.Lock()
	claims := map[string]any{"jti": rand.Text(), "htm": method, "htu": base + path, "iat": p.h.now.Unix()}
	p.h.mu.Unlock()
	if access != "" {
		claims["ath"] = secret.Digest(access)
	}
	maps.Copy(claims, changes)
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: p.key}, (&jose.SignerOptions{EmbedJWK: true}).WithType("dpop+jwt"))
	p.h.requireOK(err)
	payload, err := json.Marshal(claims)
	p.h.requireOK(err)
	jws, err := s.Sign(payload)
	p.h.requireOK(err)
	out, err := jws.CompactSerialize()
	p.h.requireOK(err)
	return out
}

// bound returns a first-party access token of alice that is bound to the key.
func (p prover) bound() string {
	h, alice := p.h, p.h.signedIn("alice@example.com")
	var d token.Draft
	h.requireOK(h.db.Write(h.Context(), auth.DefaultTenant, func(tx *store.Tx) (err error) {
		d, err = h.cfg.Tokens.Start(tx, auth.Grant{Account: auth.AccountID(subjectOf(h, alice.AccessToken)), Client: auth.FirstParty, Session: auth.SessionID(claimOf(h, alice.AccessToken, "sid")),
			Scope: auth.Scope{"openid", auth.ScopeAccount}, AuthAt: tx.Now, JKT: p.jkt()})
		return err
	}))
	ts, err := h.cfg.Tokens.Finish(h.Context(), d)
	h.requireOK(err)
	return ts.AccessToken
}

func subjectOf(h *fixture, access string) string { return claimOf(h, access, "sub") }

func claimOf(h *fixture, access, name string) string {
	b, err := secret.Decode(strings.Split(access, ".")[1])
	h.requireOK(err)
	var c map[string]any
	h.requireOK(json.Unmarshal(b, &c))
	s, _ := c[name].(string)
	return s
}

// call sends a request with an Authorization header and proofs.
func (p prover) call(method, path, authorization string, proofs ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, base+path, nil)
	r.Header.Set("Authorization", authorization)
	r.Header["Dpop"] = proofs
	w := httptest.NewRecorder()
	p.h.Public().ServeHTTP(w, r)
	return w
}

// The JSON API is a protected resource like any other.
func TestAttack_DP_06_OwnAPI(t *testing.T) {
	t.Parallel()
	h := newFixture(t)
	p := h.prover()
	access, plain := p.bound(), h.signedIn("bob@example.com").AccessToken
	const me = "/api/v1/me"
	used := p.proof("GET", me, access, nil)
	for _, tt := range []struct {
		name          string
		authorization string
		proofs        []string
		status        int
		code          string
	}{
		{"good", "DPoP " + access, []string{used}, 200, ""},
		{"DP-04 again", "DPoP " + access, []string{used}, 401, "invalid_dpop_proof"},
		{"DP-01 none", "DPoP " + access, nil, 401, "invalid_dpop_proof"},
		{"DP-01 two", "DPoP " + access, []string{p.proof("GET", me, access, nil), p.proof("GET", me, access, nil)}, 401, "invalid_dpop_proof"},
		{"DP-02 method", "DPoP " + access, []string{p.proof("POST", me, access, nil)}, 401, "invalid_dpop_proof"},
		{"DP-02 path", "DPoP " + access, []string{p.proof("GET", me+"/sessions", access, nil)}, 401, "invalid_dpop_proof"},
		{"DP-03 old", "DPoP " + access, []string{p.proof("GET", me, access, map[string]any{"iat": 1})}, 401, "invalid_dpop_proof"},
		{"DP-05 ath", "DPoP " + access, []string{p.proof("GET", me, "", nil)}, 401, "invalid_dpop_proof"},
		{"DP-06 as Bearer", "Bearer " + access, []string{p.proof("GET", me, access, nil)}, 401, "invalid_token"},
		{"DP-06 unbound", "DPoP " + plain, []string{p.proof("GET", me, plain, nil)}, 401, "invalid_token"},
		{"DP-06 other key", "DPoP " + access, []string{h.prover().proof("GET", me, access, nil)}, 401, "invalid_token"},
		{"plain", "Bearer " + plain, nil, 200, ""},
	} {
		w := p.call("GET", me, tt.authorization, tt.proofs...)
		var body struct{ Code string }
		if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil || w.Code != tt.status || body.Code != tt.code {
			t.Errorf("%s: %d %s", tt.name, w.Code, w.Body)
		}
		if c := w.Header().Get("WWW-Authenticate"); w.Code == 401 && strings.HasPrefix(tt.authorization, "DPoP") && (!strings.HasPrefix(c, `DPoP error="`+tt.code) || !strings.Contains(c, " algs=")) {
			t.Errorf("%s: challenge %q", tt.name, c)
		}
	}
}

// DP-08 over HTTP: the nonce is in the DPoP-Nonce header, at the token endpoint and at the API.
func TestAttack_DP_08_NonceHeader(t *testing.T) {
	t.Parallel()
	h := newFixture(t, func(c *Config) {
		c.Clients = client.New(client.Config{DB: c.DB, Grants: oidc.Grants(), Tokens: c.Tokens, Limiter: c.Limiter, Base: base, Now: c.Now, Root: secret.Bytes(32), DPoPNonce: true,
			Rates: limit.Rates{"client.credential": generous, "public_client.ip": generous}})
		c.OIDC = oidc.New(oidc.Config{CodeLifetime: time.Minute, PushedLifetime: time.Minute, DeviceLifetime: 10 * time.Minute, DB: c.DB, Clients: c.Clients, Tokens: c.Tokens, Limiter: c.Limiter, Base: base, Now: c.Now, Rates: limit.Rates{"refresh.credential": generous}})
	})
	p := h.prover()
	access := p.bound()
	w := p.call("GET", "/api/v1/me", "DPoP "+access, p.proof("GET", "/api/v1/me", access, nil))
	nonce := w.Header().Get("DPoP-Nonce")
	if w.Code != 401 || nonce == "" || !strings.Contains(w.Header().Get("WWW-Authenticate"), `error="use_dpop_nonce"`) {
		t.Fatalf("DP-08: %d %v", w.Code, w.Header())
	}
	if w = p.call("GET", "/api/v1/me", "DPoP "+access, p.proof("GET", "/api/v1/me", access, map[string]any{"nonce": nonce})); w.Code != 200 {
		t.Errorf("DP-08: %d %s", w.Code, w.Body)
	}
	ask := func(proof string) *httptest.ResponseRecorder {
		c, s, err := h.cfg.Clients.Create(t.Context(), auth.DefaultTenant, client.Registration{Name: "Job", Type: auth.ClientMachine, Scopes: []string{"read"}}, auth.Actor{Kind: auth.ActorOperator, ID: "root"})
		h.requireOK(err)
		r := httptest.NewRequest("POST", base+"/oauth2/token", strings.NewReader("grant_type=client_credentials"))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.SetBasicAuth(string(c.ID), s.Reveal())
		r.Header.Set("DPoP", proof)
		w := httptest.NewRecorder()
		h.Public().ServeHTTP(w, r)
		return w
	}
	h.advance(time.Second)
	w = ask(p.proof("POST", "/oauth2/token", "", nil))
	if nonce = w.Header().Get("DPoP-Nonce"); w.Code != http.StatusBadRequest || nonce == "" || !strings.Contains(w.Body.String(), `"use_dpop_nonce"`) {
		t.Fatalf("DP-08: %d %s", w.Code, w.Body)
	}
	if w = ask(p.proof("POST", "/oauth2/token", "", map[string]any{"nonce": nonce})); w.Code != 200 || !strings.Contains(w.Body.String(), `"token_type":"DPoP"`) || w.Header().Get("DPoP-Nonce") == "" {
		t.Errorf("DP-08: %d %s", w.Code, w.Body)
	}
}
