package oidc_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/client"
	"github.com/watchword-auth/watchword/internal/client/clienttest"
	"github.com/watchword-auth/watchword/internal/oauth"
	"github.com/watchword-auth/watchword/internal/oidc"
	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/store"
)

const tokenURL = base + oauth.TokenPath

// newProof signs a valid proof for a POST to the URL; changes replace claims, nil removes one.
func (h *fixture) newProof(k clienttest.KeyPair, url string, changes ...clienttest.Claims) string {
	h.t.Helper()
	c := clienttest.Claims{"jti": rand.Text(), "htm": "POST", "htu": url, "iat": h.clock.Now().Unix()}
	for _, change := range changes {
		for name, v := range change {
			if c[name] = v; v == nil {
				delete(c, name)
			}
		}
	}
	return signProof(h.t, k, c, nil)
}

func signProof(t testing.TB, k clienttest.KeyPair, c clienttest.Claims, headers map[jose.HeaderKey]any) string {
	t.Helper()
	all := map[jose.HeaderKey]any{"typ": "dpop+jwt", "jwk": jose.JSONWebKey{Key: k.Private.Public()}}
	for name, v := range headers {
		all[name] = v
	}
	return clienttest.Sign(t, k.Alg, k.Private, c, all)
}

// withProofs adds proofs to a request to the token endpoint.
func withProofs(r client.Request, proofs ...string) client.Request {
	r.Proof, r.Method, r.URL = proofs, "POST", tokenURL
	return r
}

// decodeThumbprint returns the thumbprint of the key to which an access token is bound.
func decodeThumbprint(t testing.TB, access string) string {
	t.Helper()
	var c struct {
		Cnf struct {
			JKT string `json:"jkt"`
		} `json:"cnf"`
	}
	decodePayload(t, access, &c)
	return c.Cnf.JKT
}

func TestAttack_DP_01_ProofsAtTheTokenEndpoint(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		c, clientSecret := h.newMachineClient()
		k, other := clienttest.NewKeyPair(t, jose.ES256), clienttest.NewKeyPair(t, jose.EdDSA)
		good := func() string { return h.newProof(k, tokenURL) }
		sent := clienttest.Claims{"jti": "x", "htm": "POST", "htu": tokenURL, "iat": h.clock.Now().Unix()}
		parts := strings.Split(good(), ".")
		for name, proofs := range map[string][]string{
			"two":           {good(), good()},
			"empty":         {""},
			"garbage":       {"x.y.z"},
			"typ missing":   {signProof(t, k, sent, map[jose.HeaderKey]any{"typ": ""})},
			"typ wrong":     {signProof(t, k, sent, map[jose.HeaderKey]any{"typ": "JWT"})},
			"alg none":      {encodeBase64(`{"typ":"dpop+jwt","alg":"none","jwk":{}}`) + "." + parts[1] + "."},
			"HS256":         {clienttest.Sign(t, jose.HS256, []byte(strings.Repeat("k", 32)), sent, map[jose.HeaderKey]any{"typ": "dpop+jwt", "jwk": jose.JSONWebKey{Key: k.Private.Public()}})},
			"jwk missing":   {clienttest.Sign(t, k.Alg, k.Private, sent, map[jose.HeaderKey]any{"typ": "dpop+jwt"})},
			"jwk private":   {signProof(t, k, sent, map[jose.HeaderKey]any{"jwk": jose.JSONWebKey{Key: k.Private}})},
			"bad signature": {signProof(t, k, sent, map[jose.HeaderKey]any{"jwk": jose.JSONWebKey{Key: other.Private.Public()}})},
			"jti missing":   {h.newProof(k, tokenURL, clienttest.Claims{"jti": nil})},
			"htm missing":   {h.newProof(k, tokenURL, clienttest.Claims{"htm": nil})},
			"htu missing":   {h.newProof(k, tokenURL, clienttest.Claims{"htu": nil})},
			"iat missing":   {h.newProof(k, tokenURL, clienttest.Claims{"iat": nil})},
			"DP-02 method":  {h.newProof(k, tokenURL, clienttest.Claims{"htm": "GET"})},
			"DP-02 path":    {h.newProof(k, base+oidc.RevokePath)},
			"DP-02 host":    {h.newProof(k, "https://evil.test"+oauth.TokenPath)},
			"DP-02 tenant":  {h.newProof(k, base+"/t/acme"+oauth.TokenPath)},
			"DP-03 old":     {h.newProof(k, tokenURL, clienttest.Claims{"iat": h.clock.Now().Add(-time.Hour).Unix()})},
			"DP-03 future":  {h.newProof(k, tokenURL, clienttest.Claims{"iat": h.clock.Now().Add(time.Hour).Unix()})},
		} {
			out, err := h.Token(t.Context(), withProofs(clienttest.Basic(clienttest.Form(t, "grant_type", "client_credentials"), c.ID, clientSecret), proofs...))
			if out.AccessToken != "" {
				t.Errorf("DP-01 %s: a token", name)
			}
			h.requireRefused(err, oauth.InvalidProof)
		}
		for name, p := range map[string]string{
			"query":     h.newProof(k, tokenURL+"?a=b#c"),
			"ten ahead": h.newProof(k, tokenURL, clienttest.Claims{"iat": h.clock.Now().Add(10 * time.Second).Unix()}),
			"ten ago":   h.newProof(k, tokenURL, clienttest.Claims{"iat": h.clock.Now().Add(-10 * time.Second).Unix()}),
			"EdDSA":     h.newProof(other, tokenURL),
		} {
			out, err := h.Token(t.Context(), withProofs(clienttest.Basic(clienttest.Form(t, "grant_type", "client_credentials"), c.ID, clientSecret), p))
			if h.requireOK(err); decodeThumbprint(t, out.AccessToken) == "" || out.Type != "DPoP" {
				t.Errorf("%s: type %q, bound to %q", name, out.Type, decodeThumbprint(t, out.AccessToken))
			}
		}
	})
}

func encodeBase64(s string) string { return secret.Encode([]byte(s)) }

// DP-04: a proof works once, for all nodes and endpoints.
func TestAttack_DP_04_ReplayAcrossNodes(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		c, clientSecret := h.newMachineClient()
		k := clienttest.NewKeyPair(t, jose.ES256)
		second := oidc.New(oidc.Config{DB: h.db, Tokens: h.tokens, Base: base, Now: h.clock.Now,
			Clients: client.New(client.Config{DB: h.db, Tokens: h.tokens, Base: base, Now: h.clock.Now})})
		try := func(s *oidc.Service, proof string) error {
			_, err := s.Token(t.Context(), withProofs(clienttest.Basic(clienttest.Form(t, "grant_type", "client_credentials"), c.ID, clientSecret), proof))
			return err
		}
		p := h.newProof(k, tokenURL, clienttest.Claims{"jti": "fixed", "iat": h.clock.Now().Add(30 * time.Second).Unix()})
		h.requireOK(try(h.Service, p))
		h.requireRefused(try(h.Service, p), oauth.InvalidProof)
		h.requireRefused(try(second, p), oauth.InvalidProof)
		h.requireRefused(try(second, h.newProof(k, tokenURL, clienttest.Claims{"jti": "fixed"})), oauth.InvalidProof)
		h.requireOK(try(second, h.newProof(clienttest.NewKeyPair(t, jose.ES256), tokenURL, clienttest.Claims{"jti": "fixed"})))
		for range 16 { // until the proof itself is too old
			h.clock.Advance(10 * time.Second)
			h.requireRefused(try(second, p), oauth.InvalidProof)
		}
		// Of two concurrent requests one passes.
		same := h.newProof(k, tokenURL)
		results := make(chan error, 8)
		for range cap(results) {
			go func() { results <- try(h.Service, same) }()
		}
		passed := 0
		for range cap(results) {
			if <-results == nil {
				passed++
			}
		}
		if passed != 1 {
			t.Errorf("DP-04: %d of %d at once got a token", passed, cap(results))
		}
	})
}

// newBoundCode inserts an authorization code for alice and the client, bound to a key.
func (h *fixture) newBoundCode(c auth.Client, jkt string) (code, verifier string) {
	h.t.Helper()
	raw, verifier := secret.New("wwc_").Reveal(), secret.New("").Reveal()
	h.write(func(tx *store.Tx) error {
		browser, granted := auth.SessionID(secret.NewID(tx.Now)), auth.SessionID(secret.NewID(tx.Now))
		err := tx.InsertSession(auth.Session{ID: browser, Account: h.alice, Client: auth.FirstParty, Digest: string(browser), AuthAt: tx.Now,
			CreatedAt: tx.Now, SeenAt: tx.Now, IdleAt: tx.Now.Add(time.Hour), ExpiresAt: tx.Now.Add(time.Hour)})
		if err != nil {
			return err
		}
		data, err := json.Marshal(auth.CodeGrant{RedirectURI: "https://app.test/cb", Challenge: secret.Digest(verifier), JKT: jkt, Scope: auth.Scope{"openid", "offline_access"},
			Browser: browser, Session: granted, AuthAt: tx.Now})
		if err != nil {
			return err
		}
		return tx.InsertSingleUse(auth.SingleUse{Kind: auth.UseCode, Digest: secret.Digest(raw), Account: h.alice, Client: c.ID, Data: string(data), Browser: browser, Session: granted,
			CreatedAt: tx.Now, ExpiresAt: tx.Now.Add(time.Minute)})
	})
	return raw, verifier
}

func TestAttack_DP_07_OtherKeyAtToken(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		spa, _ := h.newClient(client.Registration{Name: "Page", Type: auth.ClientSPA, RedirectURIs: []string{"https://app.test/cb"}, Scopes: []string{"openid", "offline_access"}})
		k, other := clienttest.NewKeyPair(t, jose.ES256), clienttest.NewKeyPair(t, jose.ES256)
		code, verifier := h.newBoundCode(spa, k.Thumbprint(t))
		redeem := func(proofs ...string) (oidc.Issued, error) {
			return h.Token(t.Context(), withProofs(clienttest.Form(t, "grant_type", "authorization_code", "client_id", string(spa.ID), "code", code,
				"code_verifier", verifier, "redirect_uri", "https://app.test/cb"), proofs...))
		}
		_, err := redeem()
		h.requireRefused(err, oauth.InvalidGrant)
		_, err = redeem(h.newProof(other, tokenURL))
		h.requireRefused(err, oauth.InvalidGrant)
		ts, err := redeem(h.newProof(k, tokenURL))
		if h.requireOK(err); ts.Type != "DPoP" || decodeThumbprint(t, ts.AccessToken) != k.Thumbprint(t) || ts.RefreshToken == "" {
			t.Errorf("DP-09: type %q, bound to %q", ts.Type, decodeThumbprint(t, ts.AccessToken))
		}
		// The refresh token of a public client is bound as well (RFC 9449 §5).
		refresh := func(proofs ...string) (oidc.Issued, error) {
			return h.Token(t.Context(), withProofs(clienttest.Form(t, "grant_type", "refresh_token", "client_id", string(spa.ID), "refresh_token", ts.RefreshToken), proofs...))
		}
		if _, err = refresh(); err == nil {
			t.Error("refreshed without the key")
		}
		if _, err = refresh(h.newProof(other, tokenURL)); err == nil {
			t.Error("refreshed with another key")
		}
		again, err := refresh(h.newProof(k, tokenURL))
		if h.requireOK(err); decodeThumbprint(t, again.AccessToken) != k.Thumbprint(t) {
			t.Error("the refreshed token is not bound")
		}
	})
}

// DP-07: the proof of a pushed request and dpop_jkt must name the same key, and bind the request.
func TestAttack_DP_07_Pushed(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		spa, _ := h.newClient(client.Registration{Name: "Page", Type: auth.ClientSPA, RedirectURIs: []string{"https://app.test/cb"}, Scopes: []string{"openid"}})
		k, other := clienttest.NewKeyPair(t, jose.ES256), clienttest.NewKeyPair(t, jose.ES256)
		push := func(proof string, more ...string) (oidc.Pushed, error) {
			r := clienttest.Form(t, append([]string{"client_id", string(spa.ID), "response_type", "code", "redirect_uri", "https://app.test/cb", "scope", "openid", "state", "s",
				"code_challenge", secret.Digest("x"), "code_challenge_method", "S256"}, more...)...)
			r.Proof, r.Method, r.URL = []string{proof}, "POST", base+"/oauth2/par"
			return h.Push(t.Context(), r)
		}
		p, err := push(h.newProof(k, base+"/oauth2/par"), "dpop_jkt", k.Thumbprint(t))
		h.requireOK(err)
		h.requireOK(h.db.Read(t.Context(), tenant, func(tx *store.Tx) error {
			kept, err := tx.SingleUse(auth.UsePushed, secret.Digest(p.RequestURI))
			if err == nil && !strings.Contains(kept.Data, `"jkt":"`+k.Thumbprint(t)+`"`) {
				t.Errorf("the request is not bound: %s", kept.Data)
			}
			return err
		}))
		_, err = push(h.newProof(k, base+"/oauth2/par"), "dpop_jkt", other.Thumbprint(t))
		h.requireRefused(err, oauth.InvalidRequest)
		_, err = push(h.newProof(k, tokenURL))
		h.requireRefused(err, oauth.InvalidProof)
	})
}

// A device that sends a proof gets its tokens bound to that key.
func TestAttack_DP_07_Device(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		tv := h.newDeviceClient()
		k := clienttest.NewKeyPair(t, jose.ES256)
		deviceURL := base + oidc.DeviceAuthorizationPath
		r := clienttest.Form(t, "client_id", string(tv.ID))
		r.Proof, r.Method, r.URL = []string{h.newProof(k, deviceURL)}, "POST", deviceURL
		a, err := h.AuthorizeDevice(t.Context(), r)
		h.requireOK(err)
		h.answerDevice(a, auth.DeviceApproved)
		poll := func(proofs ...string) (oidc.Issued, error) {
			return h.Token(t.Context(), withProofs(clienttest.Form(t, "grant_type", string(auth.GrantDeviceCode), "client_id", string(tv.ID), "device_code", a.DeviceCode.Reveal()), proofs...))
		}
		_, err = poll()
		h.requireRefused(err, oauth.InvalidGrant)
		_, err = poll(h.newProof(clienttest.NewKeyPair(t, jose.ES256), tokenURL))
		h.requireRefused(err, oauth.InvalidGrant)
		ts, err := poll(h.newProof(k, tokenURL))
		if h.requireOK(err); decodeThumbprint(t, ts.AccessToken) != k.Thumbprint(t) {
			t.Error("the device's token is not bound")
		}
	})
}

func TestAttack_DP_08_Nonces(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		c, sec := h.newMachineClient()
		k := clienttest.NewKeyPair(t, jose.ES256)
		try := func(s *oidc.Service, nonce any) error {
			_, err := s.Token(t.Context(), withProofs(clienttest.Basic(clienttest.Form(t, "grant_type", "client_credentials"), c.ID, sec), h.newProof(k, tokenURL, clienttest.Claims{"nonce": nonce})))
			return err
		}
		err := try(h.Service, nil)
		var e *oauth.Error
		if h.requireRefused(err, oauth.UseNonce); !errors.As(err, &e) || !e.Nonce {
			t.Errorf("DP-08: the refusal brings no nonce: %v", err)
		}
		nonce := h.clients.Nonce(tenant)
		other := client.New(client.Config{DB: h.db, Tokens: h.tokens, Base: base, Now: h.clock.Now, Root: secret.Bytes(32), DPoPNonce: true})
		for _, bad := range []any{"", "x", h.clients.Nonce("acme"), other.Nonce(tenant)} {
			h.requireRefused(try(h.Service, bad), oauth.UseNonce)
		}
		h.requireOK(try(h.Service, nonce))
		h.clock.Advance(5 * time.Minute)
		h.requireOK(try(h.Service, nonce))
		h.clock.Advance(5 * time.Minute)
		h.requireRefused(try(h.Service, nonce), oauth.UseNonce)
		h.requireOK(try(h.Service, h.clients.Nonce(tenant)))
		// A request without a proof needs no nonce.
		_, err = h.requestClientCredentials(c, sec)
		h.requireOK(err)
	}, func(c *settings) { c.client.DPoPNonce = true })
}

func TestNoNonceUnlessAskedFor(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		if n := h.clients.Nonce(tenant); n != "" {
			t.Errorf("nonce %q", n)
		}
	})
}

func TestAttack_DP_09_ClientThatRequiresDPoP(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		c, clientSecret := h.newMachineClient(func(r *client.Registration) { r.DPoP = true })
		k := clienttest.NewKeyPair(t, jose.ES256)
		_, err := h.requestClientCredentials(c, clientSecret)
		h.requireRefused(err, oauth.InvalidProof)
		ts, err := h.Token(t.Context(), withProofs(clienttest.Basic(clienttest.Form(t, "grant_type", "client_credentials"), c.ID, clientSecret), h.newProof(k, tokenURL)))
		h.requireOK(err)
		if ts.Type != "DPoP" || decodeThumbprint(t, ts.AccessToken) != k.Thumbprint(t) {
			t.Errorf("DP-09: type %q, bound to %q instead of %q", ts.Type, decodeThumbprint(t, ts.AccessToken), k.Thumbprint(t))
		}
		if _, err := h.tokens.Verify(t.Context(), tenant, ts.AccessToken); auth.KindOf(err) != auth.KindUnauthenticated {
			t.Errorf("DP-06: our own API takes it as a bearer token: %v", err)
		}
	})
}

// A node that cannot write accepts no proof.
func TestProofIsSpentOrRefused(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		c, clientSecret := h.newMachineClient()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := h.Token(ctx, withProofs(clienttest.Basic(clienttest.Form(t, "grant_type", "client_credentials"), c.ID, clientSecret), h.newProof(clienttest.NewKeyPair(t, jose.ES256), tokenURL)))
		if err == nil {
			t.Error("a token without a spent proof")
		}
	})
}

func TestRepair_C2_NonceIsAskedForBeforeTheAssertionIsSpent(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		k, bindTo := clienttest.NewKeyPair(t, jose.ES256), clienttest.NewKeyPair(t, jose.ES256)
		keyed := func(r *client.Registration) { r.Auth, r.JWKS = auth.AuthPrivateKeyJWT, k.JWKS }
		machine, _ := h.newMachineClient(keyed)
		web, _ := h.newWebClient(keyed)
		parURL := base + oidc.PushedPath
		for name, send := range map[string]func(assertion, nonce string) error{
			"token": func(assertion, nonce string) error {
				r := clienttest.Form(t, "grant_type", "client_credentials", "client_assertion_type", clienttest.AssertionType, "client_assertion", assertion)
				_, err := h.Token(t.Context(), withProofs(r, h.newProof(bindTo, tokenURL, clienttest.Claims{"nonce": nonce})))
				return err
			},
			"par": func(assertion, nonce string) error {
				r := clienttest.Form(t, append(authorizationPairs(web), "client_assertion_type", clienttest.AssertionType, "client_assertion", assertion)...)
				r.Proof, r.Method, r.URL = []string{h.newProof(bindTo, parURL, clienttest.Claims{"nonce": nonce})}, "POST", parURL
				_, err := h.Push(t.Context(), r)
				return err
			},
		} {
			c := machine
			if name == "par" {
				c = web
			}
			assertion := clienttest.Sign(t, jose.ES256, k.Private, h.assertionClaims(c.ID), nil)
			h.requireRefused(send(assertion, "old"), oauth.UseNonce)
			h.requireOK(send(assertion, h.clients.Nonce(tenant)))
			h.requireRefused(send(assertion, h.clients.Nonce(tenant)), oauth.InvalidClient)
		}
	}, func(c *settings) { c.client.DPoPNonce = true })
}
