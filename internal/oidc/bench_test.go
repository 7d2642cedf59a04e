package oidc_test

import (
	"testing"

	"github.com/watchword-auth/watchword/internal/client"
)

// The room alone, without HTTP: a token for a machine, and a look at one.
func BenchmarkClientCredentials(b *testing.B) {
	h := newHouse(b, liteConfig(b))
	c, secret := h.machine()
	r := basic(form(b, "grant_type", "client_credentials"), c.ID, secret)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := h.Token(b.Context(), r); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkIntrospect(b *testing.B) {
	h := newHouse(b, liteConfig(b))
	c, secret := h.machine()
	ts, err := h.credentials(c, secret)
	h.ok(err)
	r := basic(form(b, "token", ts.AccessToken), c.ID, secret)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := h.Introspect(b.Context(), r); err != nil {
			b.Fatal(err)
		}
	}
}

// A code for a person who is signed in, and its redemption with an ES256 ID Token.
func BenchmarkCode(b *testing.B) {
	h := newHouse(b, liteConfig(b))
	c, secret := h.app(ours, func(r *client.Registration) { r.IDTokenAlgorithm = "ES256" })
	v := h.visitor()
	v.signIn(h.person("carol"))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := h.redeem(c, secret, h.codeOf(v, c)); err != nil {
			b.Fatal(err)
		}
	}
}
