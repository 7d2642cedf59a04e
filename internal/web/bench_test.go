package web

import (
	"io"
	"log/slog"
	"net/http"
	"testing"

	"github.com/watchword-auth/watchword/internal/web/router"
)

// discardWriter discards the response.
type discardWriter struct{ h http.Header }

func (n *discardWriter) Header() http.Header         { return n.h }
func (n *discardWriter) Write(b []byte) (int, error) { return len(b), nil }
func (n *discardWriter) WriteHeader(int)             {}

// BenchmarkPublicHandler measures a request without a network. A bare net/http server takes 14 µs.
func BenchmarkPublicHandler(b *testing.B) {
	quiet := func(c *Config) { c.AccessLog = false }
	logged := func(c *Config) { c.Log = slog.New(slog.NewJSONHandler(io.Discard, nil)) }
	for _, c := range []struct {
		name, path string
		proved     bool
		option     option
	}{
		{"livez", "/livez", false, quiet},
		{"jwks", "/.well-known/jwks.json", false, quiet},
		{"jwks logged", "/.well-known/jwks.json", false, logged},
		{"discovery", "/.well-known/openid-configuration", false, quiet},
		{"not found", "/nowhere", false, quiet},
		{"me", "/api/v1/me", true, quiet},
	} {
		b.Run(c.name, func(b *testing.B) {
			h := newFixture(b, c.option)
			r := request("GET", c.path, "")
			if c.proved {
				r.Header.Set("Authorization", "Bearer "+h.signedIn("alice@example.com").AccessToken)
			}
			handler := h.Public()
			b.ReportAllocs()
			for b.Loop() {
				handler.ServeHTTP(&discardWriter{h: http.Header{}}, r)
			}
		})
	}
}

func BenchmarkNew(b *testing.B) {
	h := newFixture(b)
	cfg := h.cfg
	b.ReportAllocs()
	for b.Loop() {
		cfg.Metrics = router.NewMetrics() // each has its own registry
		if _, err := New(cfg); err != nil {
			b.Fatal(err)
		}
	}
}
