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

// rsaKeys are made once: they take long, and which they are does not matter.
var rsaKeys = [2]func() *rsa.PrivateKey{sync.OnceValue(newRSA), sync.OnceValue(newRSA)}

func newRSA() *rsa.PrivateKey {
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return private
}

func rsaKey(n int, id string, alg jose.SignatureAlgorithm) key { return key{id, alg, rsaKeys[n]()} }

// as is the key under another algorithm.
func (k key) as(alg jose.SignatureAlgorithm) key { k.alg = alg; return k }

// public is the key as others see it.
func (k key) public() jose.JSONWebKey {
	return jose.JSONWebKey{Key: k.private.Public(), KeyID: k.id, Algorithm: string(k.alg), Use: "sig"}
}

// jwks is the set in which a client publishes it.
func (k key) jwks() json.RawMessage {
	b, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{k.public()}})
	if err != nil {
		panic(err)
	}
	return b
}

// thumbprint is that of RFC 7638.
func (k key) thumbprint() string {
	public := k.public()
	sum, err := public.Thumbprint(crypto.SHA256)
	if err != nil {
		panic(err)
	}
	return base64.RawURLEncoding.EncodeToString(sum)
}

// sign makes a JWT; header members replace the usual ones, and nil removes one.
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

// changed is a copy with some members replaced, and those that are nil removed.
func changed(o object, changes ...object) object {
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

// unsigned is a JWT with the algorithm none.
func unsigned(claims object) string {
	body, err := json.Marshal(claims)
	if err != nil {
		panic(err)
	}
	return encode(`{"alg":"none"}`) + "." + encode(string(body)) + "."
}

// spoiled is a JWT whose signature is not right any more.
func spoiled(jwt string) string {
	i := strings.LastIndexByte(jwt, '.') + 10
	swap := byte('A')
	if jwt[i] == swap {
		swap = 'B'
	}
	return jwt[:i] + string(swap) + jwt[i+1:]
}

func encode(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

// digest is the base64url of the SHA-256.
func digest(s string) string {
	sum := sha256.Sum256([]byte(s))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}
