package client

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/watchword-auth/watchword/internal/auth"
)

// AssertionAlgorithms are the algorithms of JWTs that clients sign: assertions and
// request objects. "none" is not among them.
var AssertionAlgorithms = []jose.SignatureAlgorithm{jose.ES256, jose.RS256, jose.PS256, jose.EdDSA}

// clientJWT is a kind of JWT that clients sign.
type clientJWT struct {
	name     string // in errors
	maxBytes int
	// typ is the typ header that is accepted in addition to "JWT" and none. Other JWTs that the client
	// signs have their own typ and are refused (RFC 8725 §3.11, RFC 9101 §10.8).
	typ string
	// registered is the algorithm for which the client is registered, or empty.
	registered func(auth.ClientSettings) string
}

var (
	assertions = clientJWT{"assertion", 8 << 10, "client-authentication+jwt",
		func(s auth.ClientSettings) string { return s.AuthAlgorithm }}
	requestObjects = clientJWT{"request object", MaxRequestObject, "oauth-authz-req+jwt",
		func(s auth.ClientSettings) string { return s.RequestAlgorithm }}
)

func (k clientJWT) parse(raw string) (*jwt.JSONWebToken, error) {
	if len(raw) > k.maxBytes {
		return nil, fmt.Errorf("the %s is too long", k.name)
	}
	parsed, err := jwt.ParseSigned(raw, AssertionAlgorithms)
	if err != nil || len(parsed.Headers) != 1 {
		return nil, fmt.Errorf("the %s cannot be read or its algorithm is not supported", k.name)
	}
	return parsed, nil
}

// MaxRequestObject is the maximum size of a request object in bytes.
const MaxRequestObject = 16 << 10

// VerifyRequestObject checks a request object (RFC 9101) with the keys of its client and
// reads its claims.
func (s *Service) VerifyRequestObject(ctx context.Context, c auth.Client, raw string, claims any) error {
	return s.verify(ctx, requestObjects, c, raw, claims)
}

// verify checks a JWT with the client's keys that match its header, and reads its claims. Keys and
// addresses in the header (jwk, jku, x5u) are ignored (RFC 8725 §3.10).
func (s *Service) verify(ctx context.Context, kind clientJWT, c auth.Client, raw string, claims any) error {
	parsed, err := kind.parse(raw)
	if err != nil {
		return err
	}
	h := parsed.Headers[0]
	typ, _ := h.ExtraHeaders[jose.HeaderType].(string)
	want := kind.registered(c.Settings.ClientSettings)
	switch {
	case typ != "" && !strings.EqualFold(typ, "jwt") && !strings.EqualFold(typ, kind.typ):
		return fmt.Errorf("the %s has the typ of another kind of JWT", kind.name)
	case want != "" && want != h.Algorithm:
		return errors.New("the client is registered for another algorithm")
	case c.Strict() && h.Algorithm == string(jose.RS256):
		return errors.New("FAPI 2.0 excludes RS256 (§5.4.1)")
	}
	keys, err := s.clientKeys(ctx, c, h.KeyID)
	if err != nil {
		return fmt.Errorf("the client has no usable keys: %w", err)
	}
	for _, k := range keys {
		if keyMatches(k, h.Algorithm, h.KeyID) && parsed.Claims(k.Key, claims) == nil {
			return nil
		}
	}
	return fmt.Errorf("no registered key has signed the %s", kind.name)
}
