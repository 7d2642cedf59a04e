package guardtest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"fmt"
)

// Key is the key of a client for sender-constrained tokens (RFC 9449).
type Key struct {
	private *ecdsa.PrivateKey
	x, y    string
}

// NewKey returns a new key.
func (i *Issuer) NewKey() *Key {
	i.tb.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		i.tb.Fatalf("guardtest: %v", err)
	}
	point, err := private.PublicKey.Bytes() // 4, x, y
	if err != nil {
		i.tb.Fatalf("guardtest: %v", err)
	}
	return &Key{private, encodeBase64(point[1:33]), encodeBase64(point[33:])}
}

// jwk returns the public key in the canonical form of RFC 7638.
func (k *Key) jwk() string {
	return `{"crv":"P-256","kty":"EC","x":"` + k.x + `","y":"` + k.y + `"}`
}

// Thumbprint returns the RFC 7638 thumbprint of the key, as in cnf.jkt.
func (k *Key) Thumbprint() string {
	sum := sha256.Sum256([]byte(k.jwk()))
	return encodeBase64(sum[:])
}

// Proof describes a DPoP proof.
type Proof struct {
	Method      string
	URL         string
	AccessToken string // the access token of the request, may be empty
	Nonce       string // of a DPoP-Nonce header, may be empty

	// Claims overrides the claims above; a nil value removes a claim.
	Claims map[string]any
}

// Prove returns a new proof, made at the time of the issuer's clock.
func (i *Issuer) Prove(k *Key, p Proof) string {
	i.tb.Helper()
	i.mu.Lock()
	i.counter++
	claims := map[string]any{
		"jti": fmt.Sprintf("test-proof-%d", i.counter), "iat": i.now.Unix(), "htm": p.Method, "htu": p.URL,
	}
	i.mu.Unlock()
	if p.AccessToken != "" {
		sum := sha256.Sum256([]byte(p.AccessToken))
		claims["ath"] = encodeBase64(sum[:])
	}
	if p.Nonce != "" {
		claims["nonce"] = p.Nonce
	}
	overrideClaims(claims, p.Claims)
	payload, err := json.Marshal(claims)
	if err != nil {
		i.tb.Fatalf("guardtest: claims of the proof: %v", err)
	}
	return i.jws(k.private, `{"typ":"dpop+jwt","alg":"ES256","jwk":`+k.jwk()+`}`, payload)
}

// overrideClaims sets claims; a nil value removes one.
func overrideClaims(claims, with map[string]any) {
	for name, value := range with {
		if value == nil {
			delete(claims, name)
		} else {
			claims[name] = value
		}
	}
}
