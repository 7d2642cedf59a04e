package guard

import (
	"bytes"
	"crypto/elliptic"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// The guard does not fetch keys from another origin that the discovery document names,
// only from one that the configuration names.
func TestRepair_H3_KeysAreAtTheIssuer(t *testing.T) {
	t.Parallel()
	evil, es := newECDSASigner(elliptic.P256(), "ES256", "evil"), esSigner()
	const elsewhere = "https://keys.elsewhere.test/jwks.json"
	var redirected, broken atomic.Bool
	st := newIssuerStub()
	st.setAnswer(func(r *http.Request) (*http.Response, error) {
		switch address := r.URL.String(); {
		case strings.HasSuffix(address, "/.well-known/openid-configuration") && redirected.Load():
			return newResponse(200, `{"issuer":"`+issuerURL+`","jwks_uri":"`+elsewhere+`"}`), nil
		case strings.HasSuffix(address, "/.well-known/openid-configuration"):
			return newResponse(200, `{"issuer":"`+issuerURL+`","jwks_uri":"`+issuerURL+`/jwks"}`), nil
		case address == elsewhere:
			return newResponse(200, string(encodeJWKS(evil.jwk(nil)))), nil
		case address == issuerURL+"/jwks" && !broken.Load():
			return newResponse(200, string(encodeJWKS(es.jwk(nil)))), nil
		}
		return newResponse(404, ""), nil
	})
	c := newClock()
	g := newGuard(t, st, c, nil)
	requireAccepted(t, g, es.validToken())

	redirected.Store(true)
	broken.Store(true) // makes the guard fetch the discovery document again
	for range 5 {
		c.Advance(DefaultRefreshInterval)
		requireRefused(t, g, evil.validToken(), ErrSignature)
		requireAccepted(t, g, es.token(es.header(), validPayload(map[string]any{"exp": c.Now().Add(time.Hour).Unix()})))
	}
	if err := newGuard(t, st, newClock(), nil).Ready(t.Context()); err == nil || !strings.Contains(err.Error(), "JWKSURL") {
		t.Errorf("a guard that starts with the wrong document: %v", err)
	}
	requireAccepted(t, newGuard(t, st, newClock(), func(c *Config) { c.JWKSURL = elsewhere }), evil.validToken())
}

// The log and Ready name an issuer that differs from that of the document.
func TestRepair_N8_WrongIssuerIsSaid(t *testing.T) {
	t.Parallel()
	const document = "https://id.test/acme"
	for _, issuer := range []string{document + "/", "https://ID.test/acme"} {
		st := newIssuerStub()
		st.setAnswer(func(*http.Request) (*http.Response, error) {
			return newResponse(200, `{"issuer":"`+document+`","jwks_uri":"`+document+`/jwks"}`), nil
		})
		var log bytes.Buffer
		g := newGuard(t, st, newClock(), func(c *Config) {
			c.Issuer, c.Logger = issuer, slog.New(slog.NewTextHandler(&log, nil))
		})
		for range 2 {
			err := g.Ready(t.Context())
			if err == nil || !strings.Contains(err.Error(), document) || !strings.Contains(err.Error(), issuer) {
				t.Errorf("Ready of %s: %v", issuer, err)
			}
		}
		if !strings.Contains(log.String(), document) {
			t.Errorf("log: %s", &log)
		}
	}
	if (Config{}).withDefaults().Logger != slog.Default() {
		t.Error("without a Logger the guard is silent")
	}
}
