package oidc

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"errors"
	"slices"

	"github.com/go-jose/go-jose/v4"
)

// keyAlgorithms are the algorithms that a public key is good for here (RFC 8725
// §3.1): what kind of key it is decides, not what a header says.
func keyAlgorithms(k jose.JSONWebKey) ([]string, error) {
	switch p := k.Key.(type) {
	case *ecdsa.PublicKey:
		if p.Curve == elliptic.P256() && k.Valid() {
			return []string{string(jose.ES256)}, nil
		}
	case *rsa.PublicKey:
		if bits := p.N.BitLen(); bits >= 2048 && bits <= 8192 && k.Valid() {
			return []string{string(jose.RS256), string(jose.PS256)}, nil
		}
	case ed25519.PublicKey:
		if k.Valid() {
			return []string{string(jose.EdDSA)}, nil
		}
	case *ecdsa.PrivateKey, *rsa.PrivateKey, ed25519.PrivateKey, []byte:
		return nil, errors.New("a key set for us holds public keys alone; this one is secret and is burnt now")
	}
	return nil, errors.New("a key is none of P-256, Ed25519 and RSA from 2048 to 8192 bits")
}

// fits reports whether a key of ParseClientKeys may have made a signature with the
// given alg and kid. Where the key or the signature names none, the other's will do.
func fits(k jose.JSONWebKey, alg, kid string) bool {
	if kid != "" && k.KeyID != "" && k.KeyID != kid || k.Algorithm != "" && k.Algorithm != alg {
		return false
	}
	algs, err := keyAlgorithms(k)
	return err == nil && slices.Contains(algs, alg)
}
