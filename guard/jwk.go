package guard

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/go-jose/go-jose/v4"
)

// maxKeys bounds how many entries of a key set are read.
const maxKeys = 64

// key is a published key that may verify tokens. It is immutable except for withdrawn.
type key struct {
	id     string
	algs   []jose.SignatureAlgorithm // the algorithms it may verify, never empty
	public crypto.PublicKey
	thumb  string // RFC 7638

	// withdrawn is set when the issuer no longer publishes the key. It invalidates the
	// cached tokens that the key signed.
	withdrawn atomic.Bool
}

// allows reports whether the key may verify alg.
func (k *key) allows(alg jose.SignatureAlgorithm) bool { return slices.Contains(k.algs, alg) }

// equal reports whether keys from two responses of the issuer are the same.
func (k *key) equal(o *key) bool {
	return k.id == o.id && k.thumb == o.thumb && slices.Equal(k.algs, o.algs)
}

// parseKeySet parses a JSON Web Key Set. It skips unusable entries (RFC 7517 section 5)
// and returns a note about each for the log. On an error the caller keeps the keys it
// has.
func parseKeySet(body []byte, allowed []jose.SignatureAlgorithm) (keys []*key, notes []error, err error) {
	var entries []string
	p := parser{s: string(body)}
	err = p.document(func(name string) error {
		if name != "keys" {
			return p.skip()
		}
		return p.array(func() error {
			start := p.next()
			err := p.skip()
			entries = append(entries, p.s[start:p.i])
			return err
		})
	})
	if err != nil {
		return nil, nil, fmt.Errorf("parse key set: %w", err)
	}
	if len(entries) > maxKeys {
		notes = append(notes, fmt.Errorf("the key set has %d entries, only %d are used", len(entries), maxKeys))
		entries = entries[:maxKeys]
	}
	for n, entry := range entries {
		k, err := parseKey(entry, allowed)
		if err != nil {
			notes = append(notes, fmt.Errorf("key %d is not used: %w", n, err))
			continue
		}
		keys = append(keys, k)
	}
	keys, more := dropAmbiguous(keys)
	notes = append(notes, more...)
	if len(keys) == 0 {
		return nil, notes, errors.New("the key set has no usable key")
	}
	return keys, notes, nil
}

// dropAmbiguous removes keys that share both ID and algorithm: the key of a token would
// depend on their order. Exact duplicates count once.
func dropAmbiguous(keys []*key) (kept []*key, notes []error) {
	drop := make(map[*key]bool)
	for i, a := range keys {
		for _, b := range keys[:i] {
			switch {
			case a.equal(b):
				drop[a] = true
			case a.id != "" && a.id == b.id && slices.ContainsFunc(a.algs, b.allows):
				drop[a], drop[b] = true, true
				notes = append(notes, fmt.Errorf("two keys share the ID %q, neither is used", a.id))
			}
		}
	}
	for _, k := range keys {
		if !drop[k] {
			kept = append(kept, k)
		}
	}
	return kept, notes
}

// parseKey parses one entry. The error says why the key must not be used.
func parseKey(entry string, allowed []jose.SignatureAlgorithm) (*key, error) {
	var head struct {
		Kty    string   `json:"kty"`
		Use    string   `json:"use"`
		KeyOps []string `json:"key_ops"`
	}
	if err := json.Unmarshal([]byte(entry), &head); err != nil {
		return nil, err
	}
	switch head.Kty {
	case "EC", "RSA", "OKP":
	default:
		return nil, fmt.Errorf("unsupported kty %q", head.Kty)
	}
	if head.Use != "" && head.Use != "sig" {
		return nil, fmt.Errorf("use is %q, not sig", head.Use)
	}
	if head.KeyOps != nil && !slices.Contains(head.KeyOps, "verify") {
		return nil, errors.New("key_ops does not contain verify")
	}
	var jwk jose.JSONWebKey
	if err := jwk.UnmarshalJSON([]byte(entry)); err != nil {
		return nil, err
	}
	if !jwk.IsPublic() {
		// A published private key is compromised.
		return nil, errors.New("not a public key")
	}
	algs, err := algorithmsOf(jwk.Key)
	if err != nil {
		return nil, err
	}
	k := &key{id: jwk.KeyID, public: jwk.Key}
	for _, alg := range algs {
		if slices.Contains(allowed, alg) && (jwk.Algorithm == "" || jwk.Algorithm == string(alg)) {
			k.algs = append(k.algs, alg)
		}
	}
	if len(k.algs) == 0 {
		return nil, fmt.Errorf("alg %q does not match the key or is not allowed", jwk.Algorithm)
	}
	thumb, err := jwk.Thumbprint(crypto.SHA256)
	if err != nil {
		return nil, err
	}
	k.thumb = base64.RawURLEncoding.EncodeToString(thumb)
	return k, nil
}

// maxRSABits bounds the cost of a verification.
const maxRSABits = 8192

// algorithmsOf returns the algorithms that a key can verify, and rejects weak keys.
func algorithmsOf(public any) ([]jose.SignatureAlgorithm, error) {
	switch pub := public.(type) {
	case ed25519.PublicKey:
		return []jose.SignatureAlgorithm{jose.EdDSA}, nil
	case *ecdsa.PublicKey:
		switch pub.Curve {
		case elliptic.P256():
			return []jose.SignatureAlgorithm{jose.ES256}, nil
		case elliptic.P384():
			return []jose.SignatureAlgorithm{jose.ES384}, nil
		case elliptic.P521():
			return []jose.SignatureAlgorithm{jose.ES512}, nil
		}
	case *rsa.PublicKey:
		switch {
		case pub.N.BitLen() < 2048:
			return nil, fmt.Errorf("RSA key of %d bits, needs at least 2048", pub.N.BitLen())
		case pub.N.BitLen() > maxRSABits: // a proof brings its own key, so its sender chooses the cost
			return nil, fmt.Errorf("RSA key of %d bits, allowed are %d", pub.N.BitLen(), maxRSABits)
		case pub.E < 3 || pub.E&1 == 0 || pub.E > 65537:
			return nil, fmt.Errorf("RSA exponent %d", pub.E)
		case pub.N.Bit(0) == 0:
			return nil, errors.New("even RSA modulus")
		case vulnerableToROCA(pub.N):
			return nil, errors.New("RSA key vulnerable to CVE-2017-15361")
		}
		return []jose.SignatureAlgorithm{jose.RS256, jose.RS384, jose.RS512, jose.PS256, jose.PS384, jose.PS512}, nil
	}
	return nil, fmt.Errorf("unsupported key %T", public)
}
