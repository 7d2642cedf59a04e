package oidc_test

import (
	"testing"

	"github.com/watchword-auth/watchword/internal/client"
)

// The package alone, without HTTP: a token for a machine, and its introspection.
func BenchmarkClientCredentials(b *testing.B) {
	h := newFixture(b, sqliteConfig(b))
	c, secret := h.newMachineClient()
	r := basic(form(b, "grant_type", "client_credentials"), c.ID, secret)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := h.Token(b.Context(), r); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkIntrospect(b *testing.B) {
	h := newFixture(b, sqliteConfig(b))
	c, secret := h.newMachineClient()
	ts, err := h.requestClientCredentials(c, secret)
	h.requireOK(err)
	r := basic(form(b, "token", ts.AccessToken), c.ID, secret)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := h.Introspect(b.Context(), r); err != nil {
			b.Fatal(err)
		}
	}
}

// A code for a user who is signed in, and its redemption with an ES256 ID Token.
func BenchmarkCode(b *testing.B) {
	h := newFixture(b, sqliteConfig(b))
	c, secret := h.newWebClient(withFirstParty, func(r *client.Registration) { r.IDTokenAlgorithm = "ES256" })
	v := h.newBrowser()
	v.signIn(h.newAccount("carol"))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := h.redeemCode(c, secret, h.newCodeIn(v, c)); err != nil {
			b.Fatal(err)
		}
	}
}
