package client

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/go-jose/go-jose/v4"
)

// clientKey is a public key of a client.
type clientKey = jose.JSONWebKey

var errSecretKey = errors.New("jwks must hold public keys only; treat this private key as compromised")

// ParseKeys reads a client's JWKS (RFC 7517 §5) and returns the public keys that can sign with one of
// AssertionAlgorithms. A key whose type has only one algorithm gets that alg. Keys for other purposes
// are ignored (§5); at least one key must remain. A set with a private or symmetric key is refused.
func ParseKeys(jwks []byte) ([]clientKey, error) {
	if len(jwks) > 32<<10 {
		return nil, errors.New("jwks: at most 32 KiB")
	}
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(jwks, &set); err != nil {
		return nil, errors.New("jwks: a JWK Set is expected")
	}
	if len(set.Keys) == 0 || len(set.Keys) > 16 {
		return nil, errors.New("jwks: 1 to 16 keys")
	}
	var out []clientKey
	var reason error
	for _, raw := range set.Keys {
		k, err := parseClientKey(raw)
		switch {
		case errors.Is(err, errSecretKey):
			return nil, err
		case err != nil:
			reason = err
			continue
		}
		out = append(out, k)
	}
	if len(out) == 0 {
		return nil, reason
	}
	return out, checkKeyIDs(out)
}

// publicMembers are the members of a JWK that are read. All other members, certificates included, are
// dropped before anything expensive parses them.
type publicMembers struct {
	Type      string `json:"kty"`
	Curve     string `json:"crv,omitempty"`
	Modulus   string `json:"n,omitempty"`
	Exponent  string `json:"e,omitempty"`
	X         string `json:"x,omitempty"`
	Y         string `json:"y,omitempty"`
	ID        string `json:"kid,omitempty"`
	Use       string `json:"use,omitempty"`
	Algorithm string `json:"alg,omitempty"`
}

// privateMembers are those of RFC 7518 §6.2.2, §6.3.2 and §6.4. Checking a private key
// costs far more than its length, so such a key is refused by their presence.
type privateMembers struct {
	D, P, Q, DP, DQ, QI, K, Oth json.RawMessage
}

func parseClientKey(raw []byte) (k clientKey, err error) {
	var members publicMembers
	var secret privateMembers
	if json.Unmarshal(raw, &members) != nil || json.Unmarshal(raw, &secret) != nil {
		return k, errors.New("jwks: a key is malformed")
	}
	for _, m := range []json.RawMessage{secret.D, secret.P, secret.Q, secret.DP, secret.DQ, secret.QI, secret.K, secret.Oth} {
		if m != nil {
			return k, errSecretKey
		}
	}
	if raw, err = json.Marshal(members); err != nil {
		return k, fmt.Errorf("encode public members: %w", err)
	}
	if err := json.Unmarshal(raw, &k); err != nil {
		return k, errors.New("jwks: a key is malformed")
	}
	algs, err := keyAlgorithms(k)
	switch {
	case err != nil:
		return k, err
	case k.Algorithm != "" && !slices.Contains(algs, k.Algorithm):
		return k, fmt.Errorf("jwks: the alg of a key must be %s", strings.Join(algs, " or "))
	case k.Use != "" && k.Use != "sig":
		return k, errors.New("jwks: a key is not for signatures")
	case strings.ContainsFunc(k.KeyID, unicode.IsControl):
		return k, errors.New("jwks: the kid of a key has a control character")
	}
	if len(algs) == 1 {
		k.Algorithm = algs[0]
	}
	return k, nil
}

// encodeClientKeys encodes keys of ParseKeys as a JWK Set with only the members that were read.
func encodeClientKeys(keys []clientKey) (json.RawMessage, error) {
	b, err := json.Marshal(jose.JSONWebKeySet{Keys: keys})
	if err != nil {
		return nil, fmt.Errorf("encode client keys: %w", err)
	}
	return b, nil
}

// checkKeyIDs checks that a kid identifies each of several keys.
func checkKeyIDs(keys []clientKey) error {
	seen := map[string]bool{}
	for _, k := range keys {
		if len(keys) > 1 && (k.KeyID == "" || seen[k.KeyID]) {
			return errors.New("jwks: each of several keys needs a distinct kid")
		}
		seen[k.KeyID] = true
	}
	return nil
}

// keyAlgorithms returns the algorithms of a public key (RFC 8725 §3.1). The type of the key decides,
// not a header.
func keyAlgorithms(k clientKey) ([]string, error) {
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
	}
	return nil, errors.New("jwks: keys are P-256, Ed25519 or RSA of 2048 to 8192 bits")
}

// keyMatches reports whether a key of ParseKeys may have made a signature with the given alg and kid.
// A value that either of them leaves out matches any.
func keyMatches(k clientKey, alg, kid string) bool {
	if kid != "" && k.KeyID != "" && k.KeyID != kid || k.Algorithm != "" && k.Algorithm != alg {
		return false
	}
	algs, err := keyAlgorithms(k)
	return err == nil && slices.Contains(algs, alg)
}
