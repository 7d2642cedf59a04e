package oidc

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"errors"

	"github.com/go-jose/go-jose/v4"
)

// keyAlgorithm is the one algorithm that a public key is good for here (RFC 8725
// §3.1): what kind of key it is decides, not what a header says.
func keyAlgorithm(k jose.JSONWebKey) (string, error) {
	switch p := k.Key.(type) {
	case *ecdsa.PublicKey:
		if p.Curve == elliptic.P256() && k.Valid() {
			return string(jose.ES256), nil
		}
	case *rsa.PublicKey:
		if bits := p.N.BitLen(); bits >= 2048 && bits <= 8192 && k.Valid() {
			return string(jose.RS256), nil
		}
	case ed25519.PublicKey:
		if k.Valid() {
			return string(jose.EdDSA), nil
		}
	case *ecdsa.PrivateKey, *rsa.PrivateKey, ed25519.PrivateKey, []byte:
		return "", errors.New("a key set for us holds public keys alone; this one is secret and is burnt now")
	}
	return "", errors.New("a key is none of P-256, Ed25519 and RSA from 2048 to 8192 bits")
}
