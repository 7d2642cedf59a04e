package oidc_test

import (
	"testing"

	"github.com/watchword-auth/watchword/internal/client"
	"github.com/watchword-auth/watchword/internal/client/clienttest"
	"github.com/watchword-auth/watchword/internal/store/storetest"
)

// The package alone, without HTTP: a token for a machine, and its introspection.
func BenchmarkClientCredentials(b *testing.B) {
	h := newFixture(b, storetest.SQLiteConfig(b))
	c, clientSecret := h.newMachineClient()
	r := clienttest.Basic(clienttest.Form(b, "grant_type", "client_credentials"), c.ID, clientSecret)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := h.Token(b.Context(), r); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkIntrospect(b *testing.B) {
	h := newFixture(b, storetest.SQLiteConfig(b))
	c, clientSecret := h.newMachineClient()
	ts, err := h.requestClientCredentials(c, clientSecret)
	h.requireOK(err)
	r := clienttest.Basic(clienttest.Form(b, "token", ts.AccessToken), c.ID, clientSecret)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := h.Introspect(b.Context(), r); err != nil {
			b.Fatal(err)
		}
	}
}

// A code for a user who is signed in, and its redemption with an ES256 ID Token.
func BenchmarkCode(b *testing.B) {
	h := newFixture(b, storetest.SQLiteConfig(b))
	c, clientSecret := h.newWebClient(withFirstParty, func(r *client.Registration) { r.IDTokenAlgorithm = "ES256" })
	v := h.newBrowser()
	v.signIn(h.newAccount("carol"))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := h.redeemCode(c, clientSecret, h.newCodeIn(v, c)); err != nil {
			b.Fatal(err)
		}
	}
}
