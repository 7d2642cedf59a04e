package guard

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"maps"
	"math/big"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// Tools of the attack tests: keys of every kind, tokens with any header and payload, and
// an issuer whose responses a test sets.

const issuerURL = "https://id.test/t/acme"

// start is the initial time of every test clock.
var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: start} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// signer is a private key with its key ID and algorithm.
type signer struct {
	kid, alg string
	private  crypto.Signer
}

var (
	esSigner = sync.OnceValue(func() signer { return newECDSASigner(elliptic.P256(), "ES256", "es-1") })
	rsSigner = sync.OnceValue(func() signer {
		k, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			panic(err)
		}
		return signer{"rs-1", "RS256", k}
	})
	edSigner = sync.OnceValue(func() signer {
		_, k, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			panic(err)
		}
		return signer{"ed-1", "EdDSA", k}
	})
)

func newECDSASigner(curve elliptic.Curve, alg, kid string) signer {
	k, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		panic(err)
	}
	return signer{kid, alg, k}
}

func encodeBase64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// jwk returns the public key with changed members; nil removes a member.
func (s signer) jwk(more map[string]any) map[string]any {
	m := map[string]any{"kid": s.kid, "alg": s.alg, "use": "sig"}
	switch pub := s.private.Public().(type) {
	case *ecdsa.PublicKey:
		point, err := pub.Bytes()
		if err != nil {
			panic(err)
		}
		half := (len(point) - 1) / 2
		m["kty"], m["crv"] = "EC", pub.Params().Name
		m["x"], m["y"] = encodeBase64(point[1:1+half]), encodeBase64(point[1+half:])
	case *rsa.PublicKey:
		m["kty"], m["n"], m["e"] = "RSA", encodeBase64(pub.N.Bytes()), encodeBase64(big.NewInt(int64(pub.E)).Bytes())
	case ed25519.PublicKey:
		m["kty"], m["crv"], m["x"] = "OKP", "Ed25519", encodeBase64(pub)
	}
	for k, v := range more {
		if v == nil {
			delete(m, k)
		} else {
			m[k] = v
		}
	}
	return m
}

// header returns the header that Watchword writes.
func (s signer) header() string {
	return `{"alg":"` + s.alg + `","typ":"at+jwt","kid":"` + s.kid + `"}`
}

// token signs any header and payload.
func (s signer) token(header, payload string) string {
	input := encodeBase64([]byte(header)) + "." + encodeBase64([]byte(payload))
	return input + "." + encodeBase64(s.sign(input))
}

func (s signer) sign(input string) []byte {
	data := []byte(input)
	var sig []byte
	var err error
	switch key := s.private.(type) {
	case *ecdsa.PrivateKey:
		size := (key.Params().BitSize + 7) / 8
		var digest []byte
		switch size {
		case 32:
			d := sha256.Sum256(data)
			digest = d[:]
		case 48:
			d := sha512.Sum384(data)
			digest = d[:]
		default:
			d := sha512.Sum512(data)
			digest = d[:]
		}
		r, t, e := ecdsa.Sign(rand.Reader, key, digest)
		sig, err = make([]byte, 2*size), e
		r.FillBytes(sig[:size])
		t.FillBytes(sig[size:])
	case *rsa.PrivateKey:
		d := sha256.Sum256(data)
		if s.alg == "PS256" {
			sig, err = rsa.SignPSS(rand.Reader, key, crypto.SHA256, d[:], &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash})
		} else {
			sig, err = rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, d[:])
		}
	case ed25519.PrivateKey:
		sig = ed25519.Sign(key, data)
	}
	if err != nil {
		panic(err)
	}
	return sig
}

// validPayload returns the payload of a valid token with changes; nil removes a claim.
func validPayload(change map[string]any) string {
	m := map[string]any{
		"iss": issuerURL, "sub": "alice", "aud": issuerURL, "client_id": "first-party",
		"exp": start.Add(15 * time.Minute).Unix(), "iat": start.Unix(), "jti": "jti-1", "sid": "sid-1",
		"scope": "orders:read orders:write", "roles": []string{"clerk"}, "permissions": []string{"orders.cancel"},
		"auth_time": start.Unix(), "acr": "1", "amr": []string{"pwd"},
	}
	maps.Copy(m, change)
	for k, v := range m {
		if v == nil {
			delete(m, k)
		}
	}
	b, err := json.Marshal(m)
	if err != nil {
		panic(err)
	}
	return string(b)
}

func (s signer) validToken() string { return s.token(s.header(), validPayload(nil)) }

func encodeJWKS(entries ...any) []byte {
	b, err := json.Marshal(map[string]any{"keys": entries})
	if err != nil {
		panic(err)
	}
	return b
}

// issuerStub is the HTTP transport of an issuer, whose responses setAnswer replaces.
type issuerStub struct {
	mu     sync.Mutex
	answer func(r *http.Request) (*http.Response, error)
	hits   map[string]int
	hosts  map[string]int
}

func newIssuerStub(entries ...any) *issuerStub {
	s := &issuerStub{hits: map[string]int{}, hosts: map[string]int{}}
	s.publishKeys(entries...)
	return s
}

func (s *issuerStub) setAnswer(answer func(r *http.Request) (*http.Response, error)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer = answer
}

// publishKeys serves the discovery document and a key set with these entries.
func (s *issuerStub) publishKeys(entries ...any) {
	body := encodeJWKS(entries...)
	s.setAnswer(func(r *http.Request) (*http.Response, error) {
		if strings.HasSuffix(r.URL.Path, "/openid-configuration") {
			return newResponse(200, `{"issuer":"`+issuerURL+`","jwks_uri":"`+issuerURL+`/.well-known/jwks.json"}`), nil
		}
		return newResponse(200, string(body)), nil
	})
}

func (s *issuerStub) RoundTrip(r *http.Request) (*http.Response, error) {
	s.mu.Lock()
	s.hits[r.URL.Path]++
	s.hosts[r.URL.Host]++
	answer := s.answer
	s.mu.Unlock()
	res, err := answer(r)
	if err == nil {
		res.Request = r
	}
	return res, err
}

// countKeyFetches counts requests for the key set.
func (s *issuerStub) countKeyFetches() int { return s.countRequests("/t/acme/.well-known/jwks.json") }

// countRequests counts requests for a path, or to a host.
func (s *issuerStub) countRequests(what string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.hits[what] + s.hosts[what]
}

func newResponse(status int, body string) *http.Response {
	return &http.Response{StatusCode: status, Header: http.Header{}, ContentLength: -1, Body: io.NopCloser(strings.NewReader(body))}
}

// newGuard returns a guard that trusts the issuer and uses the clock.
func newGuard(t testing.TB, s *issuerStub, c *clock, change func(*Config)) *Guard {
	t.Helper()
	config := Config{Issuer: issuerURL, HTTPClient: &http.Client{Transport: s}, Now: c.Now}
	config.Logger = slog.New(slog.DiscardHandler)
	if change != nil {
		change(&config)
	}
	g, err := New(context.Background(), config)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// newStandardGuard returns a guard that trusts one key of each kind.
func newStandardGuard(t testing.TB) *Guard {
	t.Helper()
	return newGuard(t, newIssuerStub(esSigner().jwk(nil), rsSigner().jwk(nil), edSigner().jwk(nil)), newClock(), nil)
}

// requireAccepted fails the test unless the token is accepted.
func requireAccepted(t testing.TB, g *Guard, token string) *Claims {
	t.Helper()
	c, err := g.Verify(context.Background(), token)
	if err != nil {
		t.Errorf("refused: %v\n%.300s", err, token)
		return &Claims{}
	}
	return c
}

// requireRefused fails the test unless the token is refused for the reason with the
// status.
func requireRefused(t testing.TB, g *Guard, token string, reason error) *Error {
	t.Helper()
	_, err := g.Verify(context.Background(), token)
	var e *Error
	if !errors.As(err, &e) {
		t.Errorf("got %v, want a refusal: %v\n%.300s", err, reason, token)
		return &Error{}
	}
	if reason != nil && !errors.Is(err, reason) {
		t.Errorf("refused because %q, want %q\n%.300s", err, reason, token)
	}
	want := http.StatusUnauthorized
	if reason == ErrKeysUnavailable {
		want = http.StatusServiceUnavailable
	}
	if e.Status != want {
		t.Errorf("status %d, want %d", e.Status, want)
	}
	return e
}
