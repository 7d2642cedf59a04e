package guardtest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"fmt"
)

// Key is the key of a client, to which tokens can be bound (RFC 9449).
type Key struct {
	private *ecdsa.PrivateKey
	x, y    string
}

// NewKey makes a key.
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
	return &Key{private, b64(point[1:33]), b64(point[33:])}
}

// jwk is the public key as RFC 7638 orders it.
func (k *Key) jwk() string {
	return `{"crv":"P-256","kty":"EC","x":"` + k.x + `","y":"` + k.y + `"}`
}

// Thumbprint names the key, as cnf.jkt of a token does.
func (k *Key) Thumbprint() string {
	sum := sha256.Sum256([]byte(k.jwk()))
	return b64(sum[:])
}

// Proof describes a proof of possession.
type Proof struct {
	Method      string
	URL         string
	AccessToken string // the token beside it; empty where there is none
	Nonce       string // that a DPoP-Nonce header has asked for

	// Claims are added last: they can replace the claims above, and a nil value
	// takes a claim out.
	Claims map[string]any
}

// Prove makes a proof at the time of the issuer's clock, a new one each time.
func (i *Issuer) Prove(k *Key, p Proof) string {
	i.tb.Helper()
	i.mu.Lock()
	i.serial++
	claims := map[string]any{
		"jti": fmt.Sprintf("test-proof-%d", i.serial), "iat": i.now.Unix(), "htm": p.Method, "htu": p.URL,
	}
	i.mu.Unlock()
	if p.AccessToken != "" {
		sum := sha256.Sum256([]byte(p.AccessToken))
		claims["ath"] = b64(sum[:])
	}
	if p.Nonce != "" {
		claims["nonce"] = p.Nonce
	}
	change(claims, p.Claims)
	payload, err := json.Marshal(claims)
	if err != nil {
		i.tb.Fatalf("guardtest: claims of the proof: %v", err)
	}
	return i.jws(k.private, `{"typ":"dpop+jwt","alg":"ES256","jwk":`+k.jwk()+`}`, payload)
}

// change puts values over claims; a nil value takes a claim out.
func change(claims, with map[string]any) {
	for name, value := range with {
		if value == nil {
			delete(claims, name)
		} else {
			claims[name] = value
		}
	}
}
