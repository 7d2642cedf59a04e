// Package clienttest has what tests need of OAuth clients: key pairs and the JWTs that they sign,
// forms and registrations as clients send them, and a web server that publishes what clients
// publish.
//
// It knows no service and no database. The tests of client and of oidc build on it.
package clienttest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/client"
	"github.com/watchword-auth/watchword/internal/oauth"
	"github.com/watchword-auth/watchword/internal/secret"
)

// AssertionType is the client_assertion_type of RFC 7523.
const AssertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// KeyPair is a client's key and its public JWK Set.
type KeyPair struct {
	Alg     jose.SignatureAlgorithm
	Private crypto.Signer
	JWKS    []byte
}

// NewKeyPair returns a key pair that is different from the others of the same test.
func NewKeyPair(t testing.TB, alg jose.SignatureAlgorithm) KeyPair {
	t.Helper()
	k := KeyPair{Alg: alg}
	var err error
	switch alg {
	case jose.ES256:
		k.Private, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case jose.EdDSA:
		_, k.Private, err = ed25519.GenerateKey(rand.Reader)
	default:
		k.Private, err = rsaKeys.next(t)
	}
	requireOK(t, err)
	k.JWKS = encode(t, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: k.Private.Public(), KeyID: "k1"}}})
	return k
}

// rsaPool lends RSA keys to tests, since it takes long to generate one. Tests share its keys; no
// test gets one twice.
type rsaPool struct {
	mu   sync.Mutex
	keys []*rsa.PrivateKey
	lent map[string]int // by test
}

var rsaKeys = rsaPool{lent: map[string]int{}}

func (p *rsaPool) next(t testing.TB) (*rsa.PrivateKey, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	test, _, _ := strings.Cut(t.Name(), "/")
	n := p.lent[test]
	p.lent[test]++
	if n == len(p.keys) {
		k, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			return nil, err
		}
		p.keys = append(p.keys, k)
	}
	return p.keys[n], nil
}

// Thumbprint returns the JWK thumbprint of the key (RFC 7638).
func (k KeyPair) Thumbprint(t testing.TB) string {
	t.Helper()
	sum, err := (&jose.JSONWebKey{Key: k.Private.Public()}).Thumbprint(crypto.SHA256)
	requireOK(t, err)
	return secret.Encode(sum)
}

// KeySet returns a JWK Set of the public keys, by kid.
func KeySet(t testing.TB, pairs map[string]KeyPair) string {
	t.Helper()
	var s jose.JSONWebKeySet
	for kid, k := range pairs {
		s.Keys = append(s.Keys, jose.JSONWebKey{Key: k.Private.Public(), KeyID: kid, Use: "sig"})
	}
	return string(encode(t, s))
}

// Claims are the claims of a JWT.
type Claims map[string]any

// WithClaim returns the claims with another value for one, or without it when the value is nil.
func WithClaim(c Claims, name string, value any) Claims {
	c = maps.Clone(c)
	if value == nil {
		delete(c, name)
	} else {
		c[name] = value
	}
	return c
}

// Sign makes a JWT of the claims; headers replace the usual ones.
func Sign(t testing.TB, alg jose.SignatureAlgorithm, key any, c Claims, headers map[jose.HeaderKey]any) string {
	t.Helper()
	opts := &jose.SignerOptions{ExtraHeaders: map[jose.HeaderKey]any{"kid": "k1"}}
	maps.Copy(opts.ExtraHeaders, headers)
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, opts)
	requireOK(t, err)
	jws, err := s.Sign(encode(t, c))
	requireOK(t, err)
	out, err := jws.CompactSerialize()
	requireOK(t, err)
	return out
}

// AssertionClaims are the claims of a client assertion that is valid for a minute.
func AssertionClaims(id auth.ClientID, audience string, now time.Time) Claims {
	return Claims{"iss": id, "sub": id, "aud": audience, "jti": rand.Text(), "iat": now.Unix(), "exp": now.Add(time.Minute).Unix()}
}

// Flip changes one bit of the signature of a JWT.
func Flip(jwt string) string {
	b := []byte(jwt)
	if i := len(b) - 10; b[i] == 'A' {
		b[i] = 'B'
	} else {
		b[i] = 'A'
	}
	return string(b)
}

// Form is a request to the default tenant with the given parameters, in pairs.
func Form(t testing.TB, pairs ...string) client.Request {
	t.Helper()
	v := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		v.Add(pairs[i], pairs[i+1])
	}
	f, err := oauth.ParseForm(v.Encode())
	requireOK(t, err)
	return client.Request{Tenant: auth.DefaultTenant, Form: f, Actor: auth.Actor{IP: "192.0.2.1"}}
}

// Basic adds the client's credentials in the Authorization header.
func Basic(r client.Request, id auth.ClientID, secret string) client.Request {
	r.Authorization = []string{"Basic " + base64.StdEncoding.EncodeToString([]byte(url.QueryEscape(string(id))+":"+url.QueryEscape(secret)))}
	return r
}

// Metadata is client metadata (RFC 7591 §2).
type Metadata map[string]any

// RelyingParty is the metadata of a well-behaved client, with more.
func RelyingParty(more Metadata) Metadata {
	m := Metadata{"client_name": "RP", "redirect_uris": []string{"https://rp.example.test/cb"}}
	maps.Copy(m, more)
	return m
}

// NewDocument is the client ID metadata document of RelyingParty.
func NewDocument(t testing.TB, id string, more Metadata) string {
	t.Helper()
	m := RelyingParty(Metadata{"client_id": id})
	maps.Copy(m, more)
	return string(encode(t, m))
}

// RegisterRequest is a request to register the metadata, with an initial access token or the
// token that manages a client, if it is not empty.
func RegisterRequest(t testing.TB, m Metadata, token string) client.RegisterRequest {
	t.Helper()
	r := client.RegisterRequest{Tenant: auth.DefaultTenant, Body: encode(t, m), Actor: auth.Actor{Kind: auth.ActorAnonymous, IP: "192.0.2.1"}}
	if token != "" {
		r.Authorization = []string{"Bearer " + token}
	}
	return r
}

func encode(t testing.TB, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	requireOK(t, err)
	return b
}

func requireOK(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
