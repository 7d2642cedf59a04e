package guard

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"net/http"
	"net/http/httptest"
	"testing"
)

type nothing struct{}

func (nothing) ServeHTTP(http.ResponseWriter, *http.Request) {}

type discard struct{ h http.Header }

func (d *discard) Header() http.Header         { return d.h }
func (d *discard) Write(p []byte) (int, error) { return len(p), nil }
func (d *discard) WriteHeader(int)             {}

func benchRequest(token string) *http.Request {
	r := httptest.NewRequest("GET", "/orders", nil)
	r.Header.Set("Authorization", "Bearer "+token)
	return r
}

func BenchmarkVerifyHot(b *testing.B) {
	g := standard(b)
	token, ctx := esSigner().good(), context.Background()
	accepts(b, g, token)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := g.Verify(ctx, token); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkVerifyCold verifies a token that is not remembered, beside the bare
// signature check of the same bytes. Compare within one run.
func BenchmarkVerifyCold(b *testing.B) {
	for _, s := range []signer{esSigner(), rsSigner(), edSigner()} {
		g := newGuard(b, newStation(s.jwk(nil)), newClock(), func(c *Config) { c.CacheSize = -1 })
		token, ctx := s.good(), context.Background()
		p, _ := split(token)
		sig, _ := strict.DecodeString(p.signature)
		other := s.token(`{"kid":"`+s.kid+`","alg":"`+s.alg+`","typ":"at+jwt"}`, good(nil))
		b.Run(s.alg+"/raw", func(b *testing.B) {
			der := sig
			if key, ok := s.private.Public().(*ecdsa.PublicKey); ok {
				der = appendInteger(appendInteger(nil, sig[:32]), sig[32:])
				der = append([]byte{0x30, byte(len(der))}, der...)
				_ = key
			}
			for b.Loop() {
				if !rawVerify(s, []byte(p.input), der) {
					b.Fatal("refused")
				}
			}
		})
		b.Run(s.alg+"/guard", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := g.Verify(ctx, token); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(s.alg+"/guard-general-path", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := g.Verify(ctx, other); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func rawVerify(s signer, input, sig []byte) bool {
	switch pub := s.private.Public().(type) {
	case *ecdsa.PublicKey:
		d := sha256.Sum256(input)
		return ecdsa.VerifyASN1(pub, d[:], sig)
	case *rsa.PublicKey:
		d := sha256.Sum256(input)
		return rsa.VerifyPKCS1v15(pub, crypto.SHA256, d[:], sig) == nil
	case ed25519.PublicKey:
		return ed25519.Verify(pub, input, sig)
	}
	return false
}

func BenchmarkMiddleware(b *testing.B) {
	g := standard(b)
	token := esSigner().good()
	for name, h := range map[string]http.Handler{
		"bare":    nothing{},
		"guarded": g.Require(Scope("orders:read"), Role("clerk"))(nothing{}),
	} {
		b.Run(name, func(b *testing.B) {
			r, w := benchRequest(token), &discard{h: http.Header{}}
			h.ServeHTTP(w, r)
			b.ReportAllocs()
			for b.Loop() {
				h.ServeHTTP(w, r)
			}
		})
	}
	b.Run("guarded-parallel", func(b *testing.B) {
		h := g.Require(Scope("orders:read"))(nothing{})
		b.RunParallel(func(pb *testing.PB) {
			r, w := benchRequest(token), &discard{h: http.Header{}}
			for pb.Next() {
				h.ServeHTTP(w, r)
			}
		})
	})
}

func BenchmarkParseClaims(b *testing.B) {
	payload := good(nil)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := parseClaims(payload); err != nil {
			b.Fatal(err)
		}
	}
}
