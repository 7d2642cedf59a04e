package guard

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestNew_RefusesInvalidConfig(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		change func(*Config)
		want   []string
	}{
		{"good", func(*Config) {}, nil},
		{"no issuer", func(c *Config) { c.Issuer = "" }, []string{"Issuer"}},
		{"http", func(c *Config) { c.Issuer = "http://id.test" }, []string{"Issuer"}},
		{"http insecure", func(c *Config) { c.Issuer, c.InsecureAllowHTTP = "http://id.test", true }, nil},
		{"loopback v4", func(c *Config) { c.Issuer = "http://127.0.0.1:8080" }, nil},
		{"loopback v6", func(c *Config) { c.Issuer = "http://[::1]:8080" }, nil},
		{"localhost", func(c *Config) { c.Issuer = "http://localhost:8080/t/acme" }, nil},
		{"almost loopback", func(c *Config) { c.Issuer = "http://127.0.0.1.evil.test" }, []string{"Issuer"}},
		{"almost localhost", func(c *Config) { c.Issuer = "http://localhost.evil.test" }, []string{"Issuer"}},
		{"query", func(c *Config) { c.Issuer = "https://id.test?x" }, []string{"Issuer"}},
		{"fragment", func(c *Config) { c.Issuer = "https://id.test#" }, []string{"Issuer"}},
		{"user", func(c *Config) { c.Issuer = "https://me@id.test" }, []string{"Issuer"}},
		{"relative", func(c *Config) { c.Issuer = "id.test" }, []string{"Issuer"}},
		{"opaque", func(c *Config) { c.Issuer = "https:id.test" }, []string{"Issuer"}},
		{"scheme", func(c *Config) { c.Issuer = "ftp://id.test" }, []string{"Issuer"}},
		{"JWKSURL", func(c *Config) { c.JWKSURL = "http://id.test/jwks" }, []string{"JWKSURL"}},
		{"two sources", func(c *Config) {
			c.JWKSURL = "https://id.test/jwks"
			c.FetchKeys = func(context.Context) ([]byte, error) { return nil, nil }
		}, []string{"FetchKeys"}},
		{"http, keys from elsewhere", func(c *Config) {
			c.Issuer = "http://id.test"
			c.FetchKeys = func(context.Context) ([]byte, error) { return encodeJWKS(esSigner().jwk(nil)), nil }
		}, nil},
		{"none", func(c *Config) { c.Algorithms = []string{"none"} }, []string{"Algorithms"}},
		{"stale before refreshed", func(c *Config) { c.MaxStale = time.Second }, []string{"MaxStale"}},
		{"everything at once", func(c *Config) {
			*c = Config{Leeway: time.Hour, MaxTokenBytes: 1, CacheSize: 1 << 30, FetchTimeout: -1, RefreshInterval: -1,
				MinRefetch: -1, MaxStale: -1, Realm: "a\"b", Algorithms: []string{"HS256", "RS1"}}
		}, []string{"Issuer", "Algorithms", "Algorithms", "Leeway", "MaxTokenBytes", "CacheSize", "FetchTimeout",
			"RefreshInterval", "MinRefetch", "MaxStale", "Realm"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := Config{Issuer: issuerURL, HTTPClient: &http.Client{Transport: newIssuerStub(esSigner().jwk(nil))}}
			tt.change(&c)
			_, err := New(context.Background(), c)
			var fields []string
			var joined interface{ Unwrap() []error }
			if errors.As(err, &joined) {
				for _, e := range joined.Unwrap() {
					var ce *ConfigError
					if !errors.As(e, &ce) || ce.Reason == "" {
						t.Fatalf("%T %v", e, e)
					}
					fields = append(fields, ce.Field)
				}
			}
			if diff := cmp.Diff(tt.want, fields); diff != "" {
				t.Errorf("invalid fields (-want +got):\n%s\n%v", diff, err)
			}
		})
	}
}

func TestVerify_ChecksAudienceAndAlgorithms(t *testing.T) {
	t.Parallel()
	st := newIssuerStub(esSigner().jwk(nil), rsSigner().jwk(nil))
	g := newGuard(t, st, newClock(), func(c *Config) {
		c.Audience = "https://orders.test"
		c.Algorithms = []string{"RS256"}
	})
	change := map[string]any{"aud": "https://orders.test"}
	requireAccepted(t, g, rsSigner().token(rsSigner().header(), validPayload(change)))
	requireRefused(t, g, rsSigner().validToken(), ErrAudience)
	requireRefused(t, g, esSigner().token(esSigner().header(), validPayload(change)), ErrAlgorithm)
}
