package oidc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/token"
)

// errForeignHint means that the hint is no ID Token that this issuer signed.
var errForeignHint = errors.New("not an ID Token of this issuer")

// tokenHint holds the claims of an ID Token that is used as a hint.
type tokenHint struct {
	Issuer   string             `json:"iss"`
	Subject  string             `json:"sub"` // as the client knows the account
	Audience token.StringOrList `json:"aud"`
}

// hintAlgorithms are the algorithms of this server's ID Tokens.
var hintAlgorithms = []jose.SignatureAlgorithm{jose.RS256, jose.ES256, jose.EdDSA, jose.PS256}

const maxHint = 16 << 10

// readHint verifies an ID Token with the issuer's own keys, retired ones included. An expired ID Token is
// accepted, since it names the user and proves nothing (OpenID Connect Core §3.1.2.1, RP-Initiated Logout
// §2). Anything else is errForeignHint.
func (s *Service) readHint(ctx context.Context, tenant auth.TenantID, raw string) (tokenHint, error) {
	if len(raw) > maxHint {
		return tokenHint{}, errForeignHint
	}
	parsed, err := jwt.ParseSigned(raw, hintAlgorithms)
	if err != nil || len(parsed.Headers) != 1 {
		return tokenHint{}, errForeignHint
	}
	h := parsed.Headers[0]
	// Access tokens and logout tokens are signed with the same keys and have a typ of their own.
	if typ, _ := h.ExtraHeaders[jose.HeaderType].(string); typ != "" && !strings.EqualFold(typ, "jwt") {
		return tokenHint{}, errForeignHint
	}
	encoded, err := s.cfg.Keys.PublicKey(ctx, tenant, auth.KeyID(h.KeyID))
	switch {
	case errors.Is(err, auth.ErrNotFound):
		return tokenHint{}, errForeignHint
	case err != nil:
		return tokenHint{}, fmt.Errorf("read signing keys: %w", err)
	}
	var k jose.JSONWebKey
	if err := json.Unmarshal(encoded, &k); err != nil {
		return tokenHint{}, fmt.Errorf("read signing key: %w", err)
	}
	var hint tokenHint
	if k.Algorithm != h.Algorithm || parsed.Claims(k.Key, &hint) != nil || hint.Issuer != tenant.Issuer(s.cfg.Base) || hint.Subject == "" {
		return tokenHint{}, errForeignHint
	}
	return hint, nil
}
