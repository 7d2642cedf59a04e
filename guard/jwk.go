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

// maxKeys bounds how many entries of a key set are looked at.
const maxKeys = 64

// key is one published key that may verify tokens. It never changes, except
// that it may be withdrawn.
type key struct {
	id     string
	algs   []jose.SignatureAlgorithm // what it may be used with, never empty
	public crypto.PublicKey
	thumb  string // RFC 7638

	// withdrawn is set once the issuer no longer publishes the key. Remembered
	// tokens look at it, so that they die with their key.
	withdrawn atomic.Bool
}

// allows tells whether the key may verify alg.
func (k *key) allows(alg jose.SignatureAlgorithm) bool { return slices.Contains(k.algs, alg) }

// same tells whether two keys, from two answers of the issuer, are one.
func (k *key) same(o *key) bool {
	return k.id == o.id && k.thumb == o.thumb && slices.Equal(k.algs, o.algs)
}

// parseKeySet reads a JSON Web Key Set. Entries that cannot be used are
// skipped (RFC 7517 section 5), with a note for the log; the error means that
// the whole answer is worthless and the keys known so far should stay.
func parseKeySet(body []byte, allowed []jose.SignatureAlgorithm) (keys []*key, notes []error, err error) {
	var entries []string
	p := parser{s: string(body)}
	err = p.object(func(name string) error {
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
	if err == nil && p.next() != len(p.s) {
		err = errSyntax
	}
	if err != nil {
		return nil, nil, fmt.Errorf("read key set: %w", err)
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

// dropAmbiguous removes keys that share both id and algorithm: which one a
// token means could then depend on the order of the answer. An exact repetition
// counts once.
func dropAmbiguous(keys []*key) (kept []*key, notes []error) {
	clash := make(map[*key]bool)
	for i, a := range keys {
		for _, b := range keys[:i] {
			switch {
			case a.same(b):
				clash[a] = true
			case a.id != "" && a.id == b.id && slices.ContainsFunc(a.algs, b.allows):
				clash[a], clash[b] = true, true
				notes = append(notes, fmt.Errorf("two keys share the id %q, neither is used", a.id))
			}
		}
	}
	for _, k := range keys {
		if !clash[k] {
			kept = append(kept, k)
		}
	}
	return kept, notes
}

// parseKey reads one entry, or says why it must not be used.
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
		return nil, fmt.Errorf("key type %q", head.Kty)
	}
	if head.Use != "" && head.Use != "sig" {
		return nil, fmt.Errorf("it is for use %q", head.Use)
	}
	if head.KeyOps != nil && !slices.Contains(head.KeyOps, "verify") {
		return nil, errors.New("its key_ops lack verify")
	}
	var jwk jose.JSONWebKey
	if err := jwk.UnmarshalJSON([]byte(entry)); err != nil {
		return nil, err
	}
	if !jwk.IsPublic() {
		// A private key that is published belongs to everybody.
		return nil, errors.New("it is not a public key")
	}
	natural, err := algorithmsOf(jwk.Key)
	if err != nil {
		return nil, err
	}
	k := &key{id: jwk.KeyID, public: jwk.Key}
	for _, alg := range natural {
		if slices.Contains(allowed, alg) && (jwk.Algorithm == "" || jwk.Algorithm == string(alg)) {
			k.algs = append(k.algs, alg)
		}
	}
	if len(k.algs) == 0 {
		return nil, fmt.Errorf("its algorithm %q does not fit the key or is not allowed", jwk.Algorithm)
	}
	thumb, err := jwk.Thumbprint(crypto.SHA256)
	if err != nil {
		return nil, err
	}
	k.thumb = base64.RawURLEncoding.EncodeToString(thumb)
	return k, nil
}

// algorithmsOf lists what a key could verify, and refuses weak keys.
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
			return nil, fmt.Errorf("an RSA key of %d bits is too short", pub.N.BitLen())
		case pub.E < 3 || pub.E&1 == 0 || pub.E > 1<<31-1:
			return nil, fmt.Errorf("RSA exponent %d", pub.E)
		case pub.N.Bit(0) == 0:
			return nil, errors.New("the RSA modulus is even")
		case roca(pub.N):
			return nil, errors.New("the RSA key is of the kind that CVE-2017-15361 factors")
		}
		return []jose.SignatureAlgorithm{jose.RS256, jose.RS384, jose.RS512, jose.PS256, jose.PS384, jose.PS512}, nil
	}
	return nil, fmt.Errorf("unsupported key %T", public)
}
