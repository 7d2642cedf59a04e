package token

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/watchword-auth/watchword/guard"
	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/secret"
)

// AccessPrefix begins every opaque access token.
const AccessPrefix = "wwt_"

// newOpaque returns the cipher of opaque access tokens. Their form is:
//
//	wwt_ base64url( nonce 12 ‖ AES-256-GCM( claims ) ‖ tag 16 )
//
// The claims are those of a JWT, and only the server can read them. The tenant is authenticated
// with them, so a token of one tenant is invalid for another. Nothing is stored.

func newOpaque(root []byte) cipher.AEAD {
	block, err := aes.NewCipher(secret.Derive(root, "opaque access token"))
	if err != nil {
		panic("token: AES: " + err.Error())
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic("token: GCM: " + err.Error())
	}
	return aead
}

// seal returns an opaque access token with the claims.
func (s *Service) seal(tenant auth.TenantID, claims []byte) string {
	return AccessPrefix + secret.Encode(s.opaque.Seal(nil, nil, claims, []byte(tenant)))
}

// unseal returns the claims of a token that was sealed for the tenant.
func (s *Service) unseal(tenant auth.TenantID, raw string) ([]byte, bool) {
	rest, ok := strings.CutPrefix(raw, AccessPrefix)
	if !ok || len(raw) > maxAccess {
		return nil, false
	}
	b, err := secret.Decode(rest)
	if err != nil {
		return nil, false
	}
	claims, err := s.opaque.Open(nil, nil, b, []byte(tenant))
	return claims, err == nil
}

// opaqueClaims are the decoded claims of an opaque token.
type opaqueClaims struct {
	Issuer      string       `json:"iss"`
	Subject     string       `json:"sub"`
	Audience    StringOrList `json:"aud"`
	ClientID    string       `json:"client_id"`
	SessionID   string       `json:"sid"`
	JTI         string       `json:"jti"`
	Scope       string       `json:"scope"`
	Roles       []string     `json:"roles"`
	Permissions []string     `json:"permissions"`
	AuthTime    int64        `json:"auth_time"`
	ACR         string       `json:"acr"`
	AMR         []string     `json:"amr"`
	IssuedAt    int64        `json:"iat"`
	ExpiresAt   int64        `json:"exp"`
	Key         struct {
		JKT string `json:"jkt"`
	} `json:"cnf"`
	Actor json.RawMessage `json:"act"`
}

// verifyOpaque verifies an opaque access token as guard verifies a JWT.
func (s *Service) verifyOpaque(tenant auth.TenantID, raw, audience string) (Verified, error) {
	payload, ok := s.unseal(tenant, raw)
	if !ok {
		return Verified{}, invalidToken("it was not sealed by this server")
	}
	var c opaqueClaims
	if err := json.Unmarshal(payload, &c); err != nil {
		return Verified{}, invalidToken("its claims cannot be decoded")
	}
	switch expires := time.Unix(c.ExpiresAt, 0); {
	case c.Issuer != tenant.Issuer(s.base):
		return Verified{}, invalidToken("it was issued by another issuer")
	case !slices.ContainsFunc(c.Audience, func(a string) bool { return guard.SameResource(a, audience) }):
		return Verified{}, refuseToken(guard.ErrAudience)
	case !s.now().Before(expires.Add(guard.DefaultLeeway)):
		e := auth.Refuse(auth.KindUnauthenticated, auth.CodeTokenExpired, "the access token has expired")
		e.Err = errors.New("at " + expires.UTC().Format(time.RFC3339))
		return Verified{}, e
	}
	return Verified{Claims: c.guardClaims(), Actor: c.Actor}, nil
}

func (c opaqueClaims) guardClaims() *guard.Claims {
	out := &guard.Claims{
		Issuer: c.Issuer, Subject: c.Subject, Audience: c.Audience, ClientID: c.ClientID, SessionID: c.SessionID, JTI: c.JTI,
		Scopes: strings.Fields(c.Scope), Roles: c.Roles, Permissions: c.Permissions, ACR: c.ACR, AMR: c.AMR,
		JKT: c.Key.JKT, IssuedAt: time.Unix(c.IssuedAt, 0).UTC(), ExpiresAt: time.Unix(c.ExpiresAt, 0).UTC(),
	}
	if c.AuthTime != 0 {
		out.AuthTime = time.Unix(c.AuthTime, 0).UTC()
	}
	return out
}

// Audience returns the audience of an access token of either form. A JWT is not verified: the
// result only selects the audience for its verification.
func (s *Service) Audience(tenant auth.TenantID, raw string) []string {
	if len(raw) > maxAccess {
		return nil
	}
	payload, ok := s.unseal(tenant, raw)
	if !ok {
		_, rest, _ := strings.Cut(raw, ".")
		body, _, found := strings.Cut(rest, ".")
		b, err := secret.Decode(body)
		if !found || err != nil {
			return nil
		}
		payload = b
	}
	var c struct {
		Audience StringOrList `json:"aud"`
	}
	if json.Unmarshal(payload, &c) != nil {
		return nil
	}
	return c.Audience
}

// maxAccess is the largest length of an access token that is parsed.
const maxAccess = 16 << 10

// StringOrList is a claim that is a string or a list of strings (RFC 7519 §4.1.3).
type StringOrList []string

// UnmarshalJSON reads either form.
func (o *StringOrList) UnmarshalJSON(b []byte) error {
	var one string
	if json.Unmarshal(b, &one) == nil {
		*o = StringOrList{one}
		return nil
	}
	var many []string
	if json.Unmarshal(b, &many) != nil {
		return errors.New("aud is neither a string nor a list of strings")
	}
	*o = many
	return nil
}
