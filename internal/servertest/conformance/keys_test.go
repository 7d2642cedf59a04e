package conformance_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"maps"
	"strings"
	"sync"
	"testing"

	"github.com/go-jose/go-jose/v4"
)

// object is a JSON object.
type object = map[string]any

// key is a private key with the algorithm that it signs with.
type key struct {
	id      string
	alg     jose.SignatureAlgorithm
	private crypto.Signer
}

func newES256(id string) key {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	return key{id, jose.ES256, private}
}

// rsaKeys generates two keys once, because it takes long.
var rsaKeys = [2]func() *rsa.PrivateKey{sync.OnceValue(newRSA), sync.OnceValue(newRSA)}

func newRSA() *rsa.PrivateKey {
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return private
}

func rsaKey(n int, id string, alg jose.SignatureAlgorithm) key { return key{id, alg, rsaKeys[n]()} }

// withAlgorithm returns the key with another algorithm.
func (k key) withAlgorithm(alg jose.SignatureAlgorithm) key { k.alg = alg; return k }

// public returns the public JWK.
func (k key) public() jose.JSONWebKey {
	return jose.JSONWebKey{Key: k.private.Public(), KeyID: k.id, Algorithm: string(k.alg), Use: "sig"}
}

// jwks returns a JWK Set with the public key.
func (k key) jwks() json.RawMessage {
	b, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{k.public()}})
	if err != nil {
		panic(err)
	}
	return b
}

// thumbprint returns the thumbprint of RFC 7638.
func (k key) thumbprint() string {
	public := k.public()
	sum, err := public.Thumbprint(crypto.SHA256)
	if err != nil {
		panic(err)
	}
	return base64.RawURLEncoding.EncodeToString(sum)
}

// sign returns a JWT. header members replace the usual ones; nil removes one.
func (k key) sign(t testing.TB, claims object, header object) string {
	t.Helper()
	opts := &jose.SignerOptions{ExtraHeaders: map[jose.HeaderKey]any{}}
	if k.id != "" {
		opts.ExtraHeaders["kid"] = k.id
	}
	for name, v := range header {
		if opts.ExtraHeaders[jose.HeaderKey(name)] = v; v == nil {
			delete(opts.ExtraHeaders, jose.HeaderKey(name))
		}
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: k.alg, Key: k.private}, opts)
	if err != nil {
		t.Fatal(err)
	}
	body, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := signer.Sign(body)
	if err != nil {
		t.Fatal(err)
	}
	out, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// withChanges returns a copy of o with replaced members; nil removes one.
func withChanges(o object, changes ...object) object {
	o = maps.Clone(o)
	for _, c := range changes {
		for name, v := range c {
			if o[name] = v; v == nil {
				delete(o, name)
			}
		}
	}
	return o
}

// unsignedJWT returns a JWT with the algorithm none.
func unsignedJWT(claims object) string {
	body, err := json.Marshal(claims)
	if err != nil {
		panic(err)
	}
	return encodeBase64(`{"alg":"none"}`) + "." + encodeBase64(string(body)) + "."
}

// breakSignature returns the JWT with a wrong signature.
func breakSignature(jwt string) string {
	i := strings.LastIndexByte(jwt, '.') + 10
	swap := byte('A')
	if jwt[i] == swap {
		swap = 'B'
	}
	return jwt[:i] + string(swap) + jwt[i+1:]
}

func encodeBase64(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

// sha256Base64 returns the SHA-256 in base64url.
func sha256Base64(s string) string {
	sum := sha256.Sum256([]byte(s))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}
