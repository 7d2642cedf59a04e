package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// proofKey signs DPoP proofs (RFC 9449 §4.2).
type proofKey struct {
	key    *ecdsa.PrivateKey
	signer jose.Signer
	nonce  string // for the next proof, from the server
}

func newProofKey() (*proofKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("generate a DPoP key: %w", err)
	}
	opts := (&jose.SignerOptions{EmbedJWK: true}).WithType("dpop+jwt")
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: key}, opts)
	if err != nil {
		return nil, fmt.Errorf("create a DPoP signer: %w", err)
	}
	return &proofKey{key: key, signer: signer}, nil
}

// proof returns a DPoP proof for a request.
func (k *proofKey) proof(method, target string) (string, error) {
	claims := map[string]any{"jti": rand.Text(), "htm": method, "htu": target, "iat": time.Now().Unix()}
	if k.nonce != "" {
		claims["nonce"] = k.nonce
	}
	b, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	signed, err := k.signer.Sign(b)
	if err != nil {
		return "", fmt.Errorf("sign the DPoP proof: %w", err)
	}
	return signed.CompactSerialize()
}

// thumbprint returns dpop_jkt of an authorization request (RFC 9449 §10).
func (k *proofKey) thumbprint() (string, error) {
	b, err := (&jose.JSONWebKey{Key: k.key.Public()}).Thumbprint(crypto.SHA256)
	return base64.RawURLEncoding.EncodeToString(b), err
}
