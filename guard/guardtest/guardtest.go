// Package guardtest provides an in-process issuer for tests, as net/http/httptest
// provides a server. It issues tokens that a guard.Guard accepts, needs no socket and
// starts in about a millisecond.
//
//	issuer := guardtest.New(t)
//	api := newAPI(issuer.Guard())
//
//	r := httptest.NewRequest("GET", "/orders", nil)
//	issuer.Authorize(r, guardtest.Token{Scopes: []string{"orders:read"}})
//	w := httptest.NewRecorder()
//	api.ServeHTTP(w, r)
//
// A token with a Key is sender-constrained and is sent with a proof (RFC 9449).
//
// The clock of the issuer is frozen until Advance moves it, so a test of expiry does not
// sleep. It issues access tokens only, signed with ES256.
package guardtest

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"time"

	"github.com/watchword-auth/watchword/guard"
)

// URL is the issuer and the default audience of every token. The host does not exist;
// only Issuer.Client reaches it.
const URL = "https://issuer.test"

// Resource is the resource identifier of the API under test with the configuration of
// Config. Requests of tests may have any host.
const Resource = "https://api.test"

// TB is the part of testing.TB that this package uses.
type TB interface {
	Helper()
	Fatalf(format string, args ...any)
}

// Issuer issues tokens in the process of the test. It is safe for concurrent use.
type Issuer struct {
	tb TB

	mu       sync.Mutex // guards the fields below
	now      time.Time
	last     time.Time // the latest expiry minted
	keys     []signingKey
	keyCount int // keys so far, for their IDs
	counter  int // tokens and proofs so far, for their IDs
	down     bool
	fetches  int
}

type signingKey struct {
	id      string
	private *ecdsa.PrivateKey
}

// New returns an issuer with one key. Its clock is frozen at the time of the call.
func New(tb TB) *Issuer {
	tb.Helper()
	i := &Issuer{tb: tb, now: time.Now().Truncate(time.Second)}
	i.Rotate()
	return i
}

// Config returns a configuration for guard.New that trusts this issuer and uses its
// clock. Tests may change it.
func (i *Issuer) Config() guard.Config {
	return guard.Config{Issuer: URL, Audience: URL, Resource: Resource, HTTPClient: i.Client(), Now: i.Now}
}

// Guard returns a new Guard with the configuration of Config.
func (i *Issuer) Guard() *guard.Guard {
	i.tb.Helper()
	g, err := guard.New(context.Background(), i.Config())
	if err != nil {
		i.tb.Fatalf("guardtest: %v", err)
	}
	return g
}

// Client returns an HTTP client that sends every request to this issuer.
func (i *Issuer) Client() *http.Client { return &http.Client{Transport: transport{i}} }

// Now returns the time of the issuer's clock.
func (i *Issuer) Now() time.Time {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.now
}

// Advance moves the clock by d, which may be negative.
func (i *Issuer) Advance(d time.Duration) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.now = i.now.Add(d)
}

// Expire moves the clock past the expiry of every token minted so far, including the
// largest leeway of a Guard.
func (i *Issuer) Expire() {
	i.mu.Lock()
	defer i.mu.Unlock()
	if after := i.last.Add(5 * time.Minute); after.After(i.now) {
		i.now = after
	}
}

// Rotate makes a new signing key. Earlier keys stay published.
func (i *Issuer) Rotate() {
	i.tb.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		i.tb.Fatalf("guardtest: %v", err)
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.keyCount++
	i.keys = append(i.keys, signingKey{fmt.Sprintf("test-key-%d", i.keyCount), private})
}

// Withdraw stops publishing all keys but the newest. A Guard notices with its next fetch.
func (i *Issuer) Withdraw() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.keys = i.keys[len(i.keys)-1:]
}

// Fail makes the issuer unreachable until Recover. It can still mint tokens.
func (i *Issuer) Fail() { i.setDown(true) }

// Recover makes the issuer reachable again.
func (i *Issuer) Recover() { i.setDown(false) }

func (i *Issuer) setDown(down bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.down = down
}

// Fetches returns how often the key set was fetched.
func (i *Issuer) Fetches() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.fetches
}

// ServeHTTP serves the well-known endpoints of the issuer.
func (i *Issuer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var answer any
	switch r.URL.Path {
	case "/.well-known/openid-configuration", "/.well-known/oauth-authorization-server":
		answer = map[string]any{"issuer": URL, "jwks_uri": URL + "/.well-known/jwks.json"}
	case "/.well-known/jwks.json":
		answer = i.keySet()
	default:
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(answer)
}

func (i *Issuer) keySet() any {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.fetches++
	type jwk struct {
		Kty string `json:"kty"`
		Crv string `json:"crv"`
		Use string `json:"use"`
		Alg string `json:"alg"`
		Kid string `json:"kid"`
		X   string `json:"x"`
		Y   string `json:"y"`
	}
	keys := []jwk{}
	for _, k := range i.keys {
		point, err := k.private.PublicKey.Bytes() // 4, x, y
		if err != nil {
			i.tb.Fatalf("guardtest: %v", err)
		}
		keys = append(keys, jwk{"EC", "P-256", "sig", "ES256", k.id, encodeBase64(point[1:33]), encodeBase64(point[33:])})
	}
	return map[string]any{"keys": keys}
}

// sign returns a compact JWS by the newest key.
func (i *Issuer) sign(payload []byte) string {
	i.mu.Lock()
	k := i.keys[len(i.keys)-1]
	i.mu.Unlock()
	return i.jws(k.private, `{"alg":"ES256","typ":"at+jwt","kid":"`+k.id+`"}`, payload)
}

// jws returns a compact JWS by the given key.
func (i *Issuer) jws(private *ecdsa.PrivateKey, header string, payload []byte) string {
	input := encodeBase64([]byte(header)) + "." + encodeBase64(payload)
	digest := sha256.Sum256([]byte(input))
	r, s, err := ecdsa.Sign(rand.Reader, private, digest[:])
	if err != nil {
		i.tb.Fatalf("guardtest: %v", err)
	}
	var sig [64]byte
	r.FillBytes(sig[:32])
	s.FillBytes(sig[32:])
	return input + "." + encodeBase64(sig[:])
}

func encodeBase64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

var errDown = errors.New("guardtest: the issuer is down")

// transport passes requests to the issuer without a network.
type transport struct{ i *Issuer }

func (t transport) RoundTrip(r *http.Request) (*http.Response, error) {
	t.i.mu.Lock()
	down := t.i.down
	t.i.mu.Unlock()
	if down {
		return nil, errDown
	}
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	w := httptest.NewRecorder()
	t.i.ServeHTTP(w, r)
	res := w.Result()
	res.Request = r
	return res, nil
}
