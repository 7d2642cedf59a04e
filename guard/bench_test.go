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
	"slices"
	"testing"
	"time"
)

type noopHandler struct{}

func (noopHandler) ServeHTTP(http.ResponseWriter, *http.Request) {}

type discardWriter struct{ h http.Header }

func (d *discardWriter) Header() http.Header         { return d.h }
func (d *discardWriter) Write(p []byte) (int, error) { return len(p), nil }
func (d *discardWriter) WriteHeader(int)             {}

func benchRequest(token string) *http.Request {
	r := httptest.NewRequest("GET", "/orders", nil)
	r.Header.Set("Authorization", "Bearer "+token)
	return r
}

func BenchmarkVerifyHot(b *testing.B) {
	g := newStandardGuard(b)
	token, ctx := esSigner().validToken(), context.Background()
	requireAccepted(b, g, token)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := g.Verify(ctx, token); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkVerifyCold compares the verification of a token that is not cached with the
// bare signature check of the same bytes. Compare only within one run.
func BenchmarkVerifyCold(b *testing.B) {
	for _, s := range []signer{esSigner(), rsSigner(), edSigner()} {
		g := newGuard(b, newIssuerStub(s.jwk(nil)), newClock(), func(c *Config) { c.CacheSize = -1 })
		token, ctx := s.validToken(), context.Background()
		p, _ := splitJWS(token, []byte(token))
		sig, _ := strictBase64.DecodeString(string(p.signature))
		other := s.token(`{"kid":"`+s.kid+`","alg":"`+s.alg+`","typ":"at+jwt"}`, validPayload(nil))
		b.Run(s.alg+"/raw", func(b *testing.B) {
			der := sig
			if key, ok := s.private.Public().(*ecdsa.PublicKey); ok {
				der = appendInteger(appendInteger(nil, sig[:32]), sig[32:])
				der = append([]byte{0x30, byte(len(der))}, der...)
				_ = key
			}
			for b.Loop() {
				if !verifyRaw(s, p.input, der) {
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

func verifyRaw(s signer, input, sig []byte) bool {
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
	g := newStandardGuard(b)
	token := esSigner().validToken()
	for name, h := range map[string]http.Handler{
		"bare":    noopHandler{},
		"guarded": g.Require(Scope("orders:read"), Role("clerk"))(noopHandler{}),
	} {
		b.Run(name, func(b *testing.B) {
			r, w := benchRequest(token), &discardWriter{h: http.Header{}}
			h.ServeHTTP(w, r)
			b.ReportAllocs()
			for b.Loop() {
				h.ServeHTTP(w, r)
			}
		})
	}
	b.Run("guarded-parallel", func(b *testing.B) {
		h := g.Require(Scope("orders:read"))(noopHandler{})
		b.RunParallel(func(pb *testing.PB) {
			r, w := benchRequest(token), &discardWriter{h: http.Header{}}
			for pb.Next() {
				h.ServeHTTP(w, r)
			}
		})
	})
}

func BenchmarkParseClaims(b *testing.B) {
	payload := validPayload(nil)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := parseClaims(payload); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkColdRatio alternates the bare check and the guard, so that a busy machine
// affects both alike. It reports the ratio of their medians.
func BenchmarkColdRatio(b *testing.B) {
	for _, s := range []signer{esSigner(), rsSigner(), edSigner()} {
		b.Run(s.alg, func(b *testing.B) {
			g := newGuard(b, newIssuerStub(s.jwk(nil)), newClock(), nil)
			first := s.validToken()
			p, _ := splitJWS(first, []byte(first))
			sig, _ := strictBase64.DecodeString(string(p.signature))
			if s.alg == "ES256" {
				der := appendInteger(appendInteger(nil, sig[:32]), sig[32:])
				sig = append([]byte{0x30, byte(len(der))}, der...)
			}
			input, ctx := p.input, context.Background()
			tokens := make([]string, 500)
			for i := range tokens {
				tokens[i] = s.validToken()
				if s.alg != "ES256" { // deterministic signatures: make them differ
					tokens[i] = s.token(s.header(), validPayload(map[string]any{"jti": i}))
					tokens[i] = s.token(s.header(), validPayload(map[string]any{"jti": tokens[i][len(tokens[i])-20:]}))
				}
			}
			var raw, guarded []time.Duration
			for b.Loop() {
				for _, token := range tokens {
					g.cache.forget(token)
					t0 := time.Now()
					verifyRaw(s, input, sig)
					t1 := time.Now()
					if _, err := g.Verify(ctx, token); err != nil {
						b.Fatal(err)
					}
					raw, guarded = append(raw, t1.Sub(t0)), append(guarded, time.Since(t1))
				}
			}
			slices.Sort(raw)
			slices.Sort(guarded)
			r, v := raw[len(raw)/2], guarded[len(guarded)/2]
			b.ReportMetric(float64(r.Nanoseconds()), "raw-ns")
			b.ReportMetric(float64(v.Nanoseconds()), "guard-ns")
			b.ReportMetric(float64(v)/float64(r), "x-raw")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// forget deletes the token from the cache.
func (c *cache) forget(token string) {
	d := sha256.Sum256([]byte(token))
	delete(c.shard[d[0]%shardCount].young, d)
	delete(c.shard[d[0]%shardCount].old, d)
}
