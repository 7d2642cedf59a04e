package client_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/client"
	"github.com/watchword-auth/watchword/internal/client/clienttest"
	"github.com/watchword-auth/watchword/internal/oauth"
	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/store"
	"github.com/watchword-auth/watchword/internal/store/storetest"
)

func TestPrivateKeyJWT(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		for _, alg := range client.AssertionAlgorithms {
			k := clienttest.NewKeyPair(t, alg)
			c, clientSecret := h.newMachineClient(func(r *client.Registration) { r.Auth, r.JWKS = auth.AuthPrivateKeyJWT, k.JWKS })
			if clientSecret != "" {
				t.Error("a client that signs has a secret too")
			}
			h.requireOK(h.authenticate(clienttest.Sign(t, alg, k.Private, h.assertionClaims(c.ID), nil)))
			h.requireOK(h.authenticate(clienttest.Sign(t, alg, k.Private, h.assertionClaims(c.ID), map[jose.HeaderKey]any{"typ": "client-authentication+jwt"}), "client_id", string(c.ID)))
			list := h.assertionClaims(c.ID)
			list["aud"] = []string{base}
			h.requireOK(h.authenticate(clienttest.Sign(t, alg, k.Private, list, nil)))
		}
	})
}

// TK-22, TK-23, TK-25, TK-26, TK-27: every wrong assertion is refused.
func TestAttack_TK_22_27_Assertions(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		k, thief, rsaPair := clienttest.NewKeyPair(t, jose.ES256), clienttest.NewKeyPair(t, jose.ES256), clienttest.NewKeyPair(t, jose.RS256)
		c, _ := h.newMachineClient(func(r *client.Registration) { r.Auth, r.JWKS = auth.AuthPrivateKeyJWT, k.JWKS })
		other, _ := h.newMachineClient(func(r *client.Registration) { r.Auth, r.JWKS = auth.AuthPrivateKeyJWT, thief.JWKS })
		now := h.clock.Now().Unix()
		good := func() clienttest.Claims { return h.assertionClaims(c.ID) }
		es := func(c clienttest.Claims) string { return clienttest.Sign(t, jose.ES256, k.Private, c, nil) }
		b64 := base64.RawURLEncoding.EncodeToString
		payload := func() string { b, _ := json.Marshal(good()); return b64(b) }
		public, _ := json.Marshal(jose.JSONWebKey{Key: k.Private.Public()})
		attacker := jose.JSONWebKey{Key: thief.Private.Public(), KeyID: "k1"}
		long := strings.Repeat("x", 300)
		for name, raw := range map[string]string{
			"TK-22 alg none":                  b64([]byte(`{"alg":"none"}`)) + "." + payload() + ".",
			"TK-22 HS256 with the public key": clienttest.Sign(t, jose.HS256, public, good(), nil),
			"TK-22 RS256 where ES256 is":      clienttest.Sign(t, jose.RS256, rsaPair.Private, good(), nil),
			"TK-22 another's key":             clienttest.Sign(t, jose.ES256, thief.Private, good(), nil),
			"TK-22 signature cut":             es(good())[:100],
			"TK-22 signature changed":         clienttest.Flip(es(good())),
			"TK-22 critical header":           clienttest.Sign(t, jose.ES256, k.Private, good(), map[jose.HeaderKey]any{"crit": []string{"x"}, "x": 1}),
			"TK-22 typ of an access token":    clienttest.Sign(t, jose.ES256, k.Private, good(), map[jose.HeaderKey]any{"typ": "at+jwt"}),
			"TK-23 aud of another tenant":     es(clienttest.WithClaim(good(), "aud", base+"/t/acme")),
			"TK-23 aud of another server":     es(clienttest.WithClaim(good(), "aud", "https://evil.test")),
			"TK-23 aud of two":                es(clienttest.WithClaim(good(), "aud", []string{base, "https://evil.test"})),
			"TK-23 aud is the endpoint":       es(clienttest.WithClaim(good(), "aud", base+oauth.TokenPath)),
			"TK-23 aud with a slash":          es(clienttest.WithClaim(good(), "aud", base+"/")),
			"TK-23 no aud":                    es(clienttest.WithClaim(good(), "aud", nil)),
			"TK-23 empty aud":                 es(clienttest.WithClaim(good(), "aud", []string{})),
			"TK-25 no exp":                    es(clienttest.WithClaim(good(), "exp", nil)),
			"TK-25 exp now":                   es(clienttest.WithClaim(good(), "exp", now)),
			"TK-25 exp past":                  es(clienttest.WithClaim(good(), "exp", now-1)),
			"TK-25 exp far":                   es(clienttest.WithClaim(good(), "exp", now+3600)),
			"TK-25 exp text":                  es(clienttest.WithClaim(good(), "exp", "soon")),
			"TK-25 exp beyond all years":      es(clienttest.WithClaim(good(), "exp", 1e300)),
			"TK-25 nbf":                       es(clienttest.WithClaim(good(), "nbf", now+120)),
			"TK-25 iat":                       es(clienttest.WithClaim(good(), "iat", now+120)),
			"TK-25 iat long ago":              es(clienttest.WithClaim(good(), "iat", now-3600)),
			"TK-25 no jti":                    es(clienttest.WithClaim(good(), "jti", nil)),
			"TK-25 long jti":                  es(clienttest.WithClaim(good(), "jti", long)),
			"TK-26 sub is another client":     es(clienttest.WithClaim(good(), "sub", other.ID)),
			"TK-26 iss is another client":     es(clienttest.WithClaim(good(), "iss", other.ID)),
			"TK-26 both are another client":   es(clienttest.WithClaim(clienttest.WithClaim(good(), "iss", other.ID), "sub", other.ID)),
			"TK-26 no sub":                    es(clienttest.WithClaim(good(), "sub", nil)),
			"TK-26 unknown client":            es(clienttest.WithClaim(clienttest.WithClaim(good(), "iss", "nobody"), "sub", "nobody")),
			"TK-27 jwk of the attacker":       clienttest.Sign(t, jose.ES256, thief.Private, good(), map[jose.HeaderKey]any{"jwk": attacker}),
			"TK-27 jku of the attacker":       clienttest.Sign(t, jose.ES256, thief.Private, good(), map[jose.HeaderKey]any{"jku": "http://127.0.0.1:1/keys"}),
			"TK-27 x5u of the attacker":       clienttest.Sign(t, jose.ES256, thief.Private, good(), map[jose.HeaderKey]any{"x5u": "http://127.0.0.1:1/keys"}),
			"no JWT":                          "x.y.z",
			"too long":                        es(clienttest.WithClaim(good(), "more", strings.Repeat("x", 9000))),
			"a member twice":                  signDuplicateSubject(t, k, c.ID, now),
		} {
			t.Run(name, func(t *testing.T) {
				h := *h
				h.t = t
				h.requireRefused(h.authenticate(raw), oauth.InvalidClient)
			})
		}
		h.requireRefused(h.authenticate(es(good()), "client_id", string(other.ID)), oauth.InvalidRequest)
		h.requireRefused(h.authenticate(es(good()), "client_secret", "x"), oauth.InvalidRequest)
		h.requireRefused(h.authenticate(""), oauth.InvalidRequest)
		h.requireOK(h.authenticate(es(good())))
	})
}

// signDuplicateSubject signs an assertion that has sub twice.
func signDuplicateSubject(t testing.TB, k clienttest.KeyPair, id auth.ClientID, now int64) string {
	t.Helper()
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: k.Alg, Key: k.Private}, nil)
	if err != nil {
		t.Fatal(err)
	}
	exp, _ := json.Marshal(now + 60)
	jws, err := s.Sign([]byte(`{"sub":"evil","iss":"` + string(id) + `","sub":"` + string(id) + `","aud":"` + base + `","jti":"1","exp":` + string(exp) + `}`))
	if err != nil {
		t.Fatal(err)
	}
	out, _ := jws.CompactSerialize()
	return out
}

// TK-24: an assertion works once, even if it is sent many times at the same moment.
func TestAttack_TK_24_AssertionTwice(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		k := clienttest.NewKeyPair(t, jose.ES256)
		c, _ := h.newMachineClient(func(r *client.Registration) { r.Auth, r.JWKS = auth.AuthPrivateKeyJWT, k.JWKS })
		raw := clienttest.Sign(t, jose.ES256, k.Private, h.assertionClaims(c.ID), nil)
		var mu sync.Mutex
		passed := 0
		var wg sync.WaitGroup
		for range 16 {
			wg.Go(func() {
				if h.authenticate(raw) == nil {
					mu.Lock()
					passed++
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		if passed != 1 {
			t.Errorf("%d of 16 passed", passed)
		}
		h.requireRefused(h.authenticate(raw), oauth.InvalidClient)
		same := h.assertionClaims(c.ID)
		same["jti"] = "x"
		h.requireOK(h.authenticate(clienttest.Sign(t, jose.ES256, k.Private, same, nil)))
		same["exp"] = h.clock.Now().Add(2 * time.Minute).Unix()
		h.requireRefused(h.authenticate(clienttest.Sign(t, jose.ES256, k.Private, same, nil)), oauth.InvalidClient)
	})
}

// TK-28: a client that signs cannot authenticate by a secret, and a client with a secret cannot sign.
func TestAttack_TK_28_OneMethod(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		k := clienttest.NewKeyPair(t, jose.ES256)
		pk, _ := h.newMachineClient(func(r *client.Registration) { r.Auth, r.JWKS = auth.AuthPrivateKeyJWT, k.JWKS })
		h.write(func(tx *store.Tx) error { // even if a secret were there
			pk.Secrets = []auth.ClientSecret{{Digest: secret.Digest("x"), CreatedAt: tx.Now}}
			return tx.UpdateClient(pk)
		})
		authenticate := func(r client.Request) error { _, err := h.clients.Authenticate(t.Context(), r); return err }
		h.requireRefused(authenticate(clienttest.Form(t, "client_id", string(pk.ID), "client_secret", "x")), oauth.InvalidClient)
		h.requireRefused(authenticate(clienttest.Basic(clienttest.Form(t), pk.ID, "x")), oauth.InvalidClient)
		post, postSecret := h.newMachineClient(func(r *client.Registration) { r.Auth = auth.AuthSecretPost })
		h.requireRefused(authenticate(clienttest.Basic(clienttest.Form(t), post.ID, postSecret)), oauth.InvalidClient)
		h.requireOK(authenticate(clienttest.Form(t, "client_id", string(post.ID), "client_secret", postSecret)))
		h.requireRefused(h.authenticate(clienttest.Sign(t, jose.ES256, k.Private, h.assertionClaims(post.ID), nil)), oauth.InvalidClient)
	})
}

// The URL of the token endpoint is accepted as audience where it is configured, and the issuer as
// well.
func TestEndpointAudience(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		k := clienttest.NewKeyPair(t, jose.ES256)
		c, _ := h.newMachineClient(func(r *client.Registration) { r.Auth, r.JWKS = auth.AuthPrivateKeyJWT, k.JWKS })
		h.requireOK(h.authenticate(clienttest.Sign(t, jose.ES256, k.Private, clienttest.WithClaim(h.assertionClaims(c.ID), "aud", base+oauth.TokenPath), nil)))
		h.requireOK(h.authenticate(clienttest.Sign(t, jose.ES256, k.Private, h.assertionClaims(c.ID), nil)))
	}, func(c *client.Config) { c.EndpointAudience = true })
}

// FuzzAssertion: only a currently valid signed assertion passes, and every refusal is an *oauth.Error.
func FuzzAssertion(f *testing.F) {
	h := newFixture(f, storetest.SQLiteConfig(f))
	k := clienttest.NewKeyPair(f, jose.ES256)
	c, _ := h.newMachineClient(func(r *client.Registration) { r.Auth, r.JWKS = auth.AuthPrivateKeyJWT, k.JWKS })
	seed := clienttest.Sign(f, jose.ES256, k.Private, h.assertionClaims(c.ID), nil)
	f.Add("x" + seed)
	f.Add(strings.Replace(seed, ".", "..", 1))
	f.Add(seed[:len(seed)-1])
	f.Add("eyJhbGciOiJub25lIn0.e30.")
	f.Fuzz(func(t *testing.T, raw string) {
		if raw == seed {
			return
		}
		body, err := oauth.ParseForm("grant_type=client_credentials&client_assertion_type=" + clienttest.AssertionType + "&client_assertion=" + raw)
		if err != nil {
			return
		}
		_, err = h.clients.Authenticate(t.Context(), client.Request{Tenant: tenant, Form: body})
		if _, ok := errors.AsType[*oauth.Error](err); !ok {
			t.Fatalf("%q: %v", raw, err)
		}
	})
}
