package client_test

import (
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/client"
	"github.com/watchword-auth/watchword/internal/client/clienttest"
	"github.com/watchword-auth/watchword/internal/oauth"
)

func withKeyID(name string) map[jose.HeaderKey]any { return map[jose.HeaderKey]any{"kid": name} }

// TK-22 … TK-28 apply to keys at a jwks_uri as to registered ones.
func TestAttack_TK_22_28_PublishedKeys(t *testing.T) {
	p, out := startPublisher(t)
	each(t, func(t *testing.T, h *fixture) {
		path := "/" + t.Name()
		first, second, thief := clienttest.NewKeyPair(t, jose.PS256), clienttest.NewKeyPair(t, jose.ES256), clienttest.NewKeyPair(t, jose.PS256)
		p.Put(path, clienttest.KeySet(t, map[string]clienttest.KeyPair{"a": first}))
		pk, _ := h.newMachineClient(func(r *client.Registration) { r.Auth, r.JWKSURI = auth.AuthPrivateKeyJWT, p.URL+path })

		good := clienttest.Sign(t, jose.PS256, first.Private, h.assertionClaims(pk.ID), withKeyID("a"))
		h.requireOK(h.authenticate(good))
		h.requireRefused(h.authenticate(good), oauth.InvalidClient) // TK-24
		h.requireOK(h.authenticate(clienttest.Sign(t, jose.RS256, first.Private, h.assertionClaims(pk.ID), withKeyID("a"))))
		for name, raw := range map[string]string{
			"TK-22 another key":  clienttest.Sign(t, jose.PS256, thief.Private, h.assertionClaims(pk.ID), withKeyID("a")),
			"TK-22 ES256":        clienttest.Sign(t, jose.ES256, second.Private, h.assertionClaims(pk.ID), withKeyID("a")),
			"TK-22 HS256":        clienttest.Sign(t, jose.HS256, []byte(clienttest.KeySet(t, map[string]clienttest.KeyPair{"a": first})), h.assertionClaims(pk.ID), withKeyID("a")),
			"TK-27 jku":          clienttest.Sign(t, jose.PS256, thief.Private, h.assertionClaims(pk.ID), map[jose.HeaderKey]any{"kid": "t", "jku": p.URL + "/thief"}),
			"TK-27 embedded key": clienttest.Sign(t, jose.PS256, thief.Private, h.assertionClaims(pk.ID), map[jose.HeaderKey]any{"kid": "a", "jwk": jose.JSONWebKey{Key: thief.Private.Public()}}),
			"TK-26 another sub":  clienttest.Sign(t, jose.PS256, first.Private, clienttest.Claims{"iss": "x", "sub": pk.ID, "aud": base, "jti": "j", "exp": h.clock.Now().Add(time.Minute).Unix()}, withKeyID("a")),
		} {
			if err := h.authenticate(raw); err == nil {
				t.Errorf("%s passed", name)
			}
		}
		_, err := h.clients.Authenticate(t.Context(), clienttest.Form(t, "client_id", string(pk.ID), "client_secret", "wws_x"))
		h.requireRefused(err, oauth.InvalidClient) // TK-28
		if p.Times("/thief") != 0 {
			t.Error("TK-27: a URL in a header was requested")
		}
		if n := p.Times(path); n != 2 { // at first, and for the kid "t"
			t.Errorf("%d requests within a minute", n)
		}
	}, out)
}

// Keys change at their jwks_uri: a new kid is found, but requests are limited, and while requests fail
// the last keys are used for a day.
func TestPublishedKeysChange(t *testing.T) {
	p, out := startPublisher(t)
	each(t, func(t *testing.T, h *fixture) {
		path := "/" + t.Name()
		old, fresh := clienttest.NewKeyPair(t, jose.ES256), clienttest.NewKeyPair(t, jose.EdDSA)
		p.Put(path, clienttest.KeySet(t, map[string]clienttest.KeyPair{"old": old}))
		pk, _ := h.newMachineClient(func(r *client.Registration) { r.Auth, r.JWKSURI = auth.AuthPrivateKeyJWT, p.URL+path })
		with := func(k clienttest.KeyPair, name string) error {
			return h.authenticate(clienttest.Sign(t, k.Alg, k.Private, h.assertionClaims(pk.ID), withKeyID(name)))
		}
		h.requireOK(with(old, "old"))

		p.Put(path, clienttest.KeySet(t, map[string]clienttest.KeyPair{"fresh": fresh}))
		h.requireOK(with(fresh, "fresh")) // although the last request was a moment ago
		h.requireRefused(with(old, "old"), oauth.InvalidClient)

		p.Put(path, "")
		h.clock.Advance(23 * time.Hour)
		h.requireOK(with(fresh, "fresh"))
		before := p.Times(path)
		for range 20 {
			_ = with(fresh, "unknown")
		}
		if n := p.Times(path) - before; n > 5 {
			t.Errorf("unknown kids caused %d requests", n)
		}
		h.clock.Advance(2 * time.Hour)
		h.requireRefused(with(fresh, "fresh"), oauth.InvalidClient)

		p.Put(path, "redirect")
		h.clock.Advance(2 * time.Minute)
		h.requireRefused(with(fresh, "fresh"), oauth.InvalidClient)
		if p.Times("/secret") != 0 {
			t.Error("EP-13: a redirect was followed")
		}
		p.Put(path, clienttest.KeySet(t, map[string]clienttest.KeyPair{"fresh": fresh}))
		h.clock.Advance(2 * time.Minute)
		h.requireOK(with(fresh, "fresh"))
	}, out)
}

// A client that was just registered or changed uses the keys that its jwks_uri has now, whatever other
// client names that URI.
func TestRepair_C3_KeysOfANewClient(t *testing.T) {
	p, out := startPublisher(t)
	each(t, func(t *testing.T, h *fixture) {
		path := "/" + t.Name()
		old, fresh := clienttest.NewKeyPair(t, jose.ES256), clienttest.NewKeyPair(t, jose.EdDSA)
		p.Put(path, clienttest.KeySet(t, map[string]clienttest.KeyPair{"old": old}))
		published := func(r *client.Registration) { r.Auth, r.JWKSURI = auth.AuthPrivateKeyJWT, p.URL+path }
		first, _ := h.newMachineClient(published)
		with := func(c auth.Client, k clienttest.KeyPair, name string) error {
			return h.authenticate(clienttest.Sign(t, k.Alg, k.Private, h.assertionClaims(c.ID), withKeyID(name)))
		}
		h.requireOK(with(first, old, "old"))
		for range 20 { // which uses up the requests for unknown kids of the first client
			h.requireRefused(with(first, fresh, "unknown"), oauth.InvalidClient)
		}
		p.Put(path, clienttest.KeySet(t, map[string]clienttest.KeyPair{"fresh": fresh}))
		second, _ := h.newMachineClient(published)
		h.requireOK(with(second, fresh, "fresh"))

		h.requireRefused(with(first, fresh, "fresh"), oauth.InvalidClient) // its tries are used up
		_, _, err := h.clients.Update(t.Context(), tenant, first.ID, "", operator, func(r *client.Registration) error { r.Name = "New"; return nil })
		h.requireOK(err)
		h.requireOK(with(first, fresh, "fresh"))
	}, out)
}

// Unknown kids cause five requests at once and then one a minute.
func TestRepair_C3_UnknownKidsAreRationed(t *testing.T) {
	p, out := startPublisher(t)
	each(t, func(t *testing.T, h *fixture) {
		path := "/" + t.Name()
		k := clienttest.NewKeyPair(t, jose.ES256)
		p.Put(path, clienttest.KeySet(t, map[string]clienttest.KeyPair{"k": k}))
		c, _ := h.newMachineClient(func(r *client.Registration) { r.Auth, r.JWKSURI = auth.AuthPrivateKeyJWT, p.URL+path })
		h.requireOK(h.authenticate(clienttest.Sign(t, k.Alg, k.Private, h.assertionClaims(c.ID), withKeyID("k"))))
		for i, want := range []int{5, 1, 1} {
			before := p.Times(path)
			for range 20 {
				h.requireRefused(h.authenticate(clienttest.Sign(t, k.Alg, k.Private, h.assertionClaims(c.ID), withKeyID("unknown"))), oauth.InvalidClient)
			}
			if n := p.Times(path) - before; n != want {
				t.Errorf("minute %d: %d requests, want %d", i, n, want)
			}
			h.clock.Advance(time.Minute)
		}
	}, out)
}

// While a jwks_uri does not respond, the known keys stay valid.
func TestRepair_HangingKeysStallNobody(t *testing.T) {
	p, out := startPublisher(t)
	each(t, func(t *testing.T, h *fixture) {
		path := "/" + t.Name()
		k := clienttest.NewKeyPair(t, jose.ES256)
		p.Put(path, clienttest.KeySet(t, map[string]clienttest.KeyPair{"k": k}))
		c, _ := h.newMachineClient(func(r *client.Registration) { r.Auth, r.JWKSURI = auth.AuthPrivateKeyJWT, p.URL+path })
		good := func() string { return clienttest.Sign(t, k.Alg, k.Private, h.assertionClaims(c.ID), withKeyID("k")) }
		h.requireOK(h.authenticate(good()))

		hangs, release := p.Hang(path)
		defer release()
		forged, over := clienttest.Sign(t, k.Alg, k.Private, h.assertionClaims(c.ID), withKeyID("unknown")), make(chan struct{})
		go func() {
			defer close(over)
			_ = h.authenticate(forged)
		}()
		<-hangs
		h.requireOK(h.authenticate(good()))
		select {
		case <-over:
			t.Error("the login waited for the address")
		default:
		}
		release()
		<-over
	}, out)
}

// Keys for other purposes are ignored; a private or symmetric key makes the set invalid.
func TestParseClientKeys(t *testing.T) {
	t.Parallel()
	k := clienttest.NewKeyPair(t, jose.ES256)
	one := string(k.JWKS[len(`{"keys":[`) : len(k.JWKS)-len(`]}`)])
	enc := strings.Replace(one, `"kid":"k1"`, `"kid":"k2","use":"enc"`, 1)
	keys, err := client.ParseKeys([]byte(`{"keys":[` + enc + `,` + one + `,{"kty":"XYZ","kid":"k3"}]}`))
	if err != nil || len(keys) != 1 || keys[0].KeyID != "k1" || keys[0].Algorithm != "ES256" {
		t.Errorf("%v, %v", keys, err)
	}
	for _, bad := range []string{`{"keys":[` + one + `,{"kty":"oct","k":"AAAA","kid":"s"}]}`, `{"keys":[` + enc + `]}`, `{"keys":[` + one + `,` + one + `]}`, `[]`, `{"keys":null}`} {
		if _, err := client.ParseKeys([]byte(bad)); err == nil {
			t.Errorf("%s passed", bad)
		}
	}
}

func FuzzJWKS(f *testing.F) {
	f.Add(clienttest.NewKeyPair(f, jose.ES256).JWKS)
	f.Add(clienttest.NewKeyPair(f, jose.EdDSA).JWKS)
	f.Add(clienttest.NewKeyPair(f, jose.RS256).JWKS)
	f.Add([]byte(`{"keys":[{"kty":"oct","k":"AAAA"}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		keys, err := client.ParseKeys(text)
		if err == nil && len(keys) == 0 {
			t.Error("no keys, and no refusal")
		}
		for _, k := range keys {
			if !k.IsPublic() || !k.Valid() {
				t.Errorf("%s lets a key in that is not public", text)
			}
		}
	})
}
