package keys_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"testing"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/keys"
	"github.com/watchword-auth/watchword/internal/store/storetest"
)

var claims = []byte(`{"iss":"https://id.example.test","sub":"019ca945-0a00-7000-b5ef-cbebf2116c51","aud":"https://id.example.test","client_id":"first-party",` +
	`"exp":1772366400,"iat":1772365500,"jti":"AAAAAAAAAAAAAAAAAAAAAA","sid":"019ca945-0a00-7001-8f99-d0f39e06fe83","scope":"openid profile email offline_access",` +
	`"roles":["editor"],"permissions":["orders:read","orders:write"],"auth_time":1772365500,"acr":"1","amr":["pwd"]}`)

// BenchmarkSign compares the ring with the signature only.
func BenchmarkSign(b *testing.B) {
	b.Run("raw ES256", func(b *testing.B) {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			b.Fatal(err)
		}
		for b.Loop() {
			sum := sha256.Sum256(claims)
			if _, err := ecdsa.SignASN1(rand.Reader, key, sum[:]); err != nil {
				b.Fatal(err)
			}
		}
	})
	h := newFixture(b, storetest.SQLiteConfig(b))
	r, _ := h.join()
	for _, alg := range []string{keys.ES256, keys.EdDSA, keys.RS256} {
		sign(b, r, alg)
		b.Run(alg, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := r.Sign(b.Context(), auth.DefaultTenant, alg, "at+jwt", claims); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkJWKS(b *testing.B) {
	h := newFixture(b, storetest.SQLiteConfig(b))
	r, _ := h.join()
	sign(b, r, "")
	if _, err := r.JWKS(b.Context(), auth.DefaultTenant); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.JWKS(b.Context(), auth.DefaultTenant); err != nil {
			b.Fatal(err)
		}
	}
}
