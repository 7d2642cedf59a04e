package oidc

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/keys"
)

// Signed responses (JWT Secured Authorization Response Mode, JARM): the parameters in a
// JWT, which is sent as the only parameter, "response".

const (
	modeSigned   = "jwt"  // in the query, or in the fragment where that is the default (§2.3.4)
	signedSuffix = ".jwt" // of the other three
	// responseLifetime is the lifetime of a signed response; §2.1 allows at most ten minutes.
	responseLifetime = 5 * time.Minute
)

// signResponse makes the JWT of a response, an error response included (§2.1, §2.2). It has no sub,
// so it cannot pass for an ID Token.
func (s *Service) signResponse(ctx context.Context, tenant auth.TenantID, c auth.Client, params [][2]string) (string, error) {
	claims := map[string]any{"aud": c.ID, "exp": s.cfg.Now().Add(responseLifetime).Unix()}
	for _, p := range params {
		claims[p[0]] = p[1]
	}
	body, err := json.Marshal(claims)
	if err != nil {
		return "", fmt.Errorf("encode signed response: %w", err)
	}
	jwt, err := s.cfg.Keys.Sign(ctx, tenant, authorizationAlgorithm(c), "JWT", body)
	if err != nil {
		return "", fmt.Errorf("sign response: %w", err)
	}
	return jwt, nil
}

// prepareResponse makes the signing keys ready before a flow is finished, since a signed response
// is signed after that.
func (s *Service) prepareResponse(ctx context.Context, tenant auth.TenantID, c auth.Client, r auth.AuthorizationRequest) error {
	if !strings.HasSuffix(r.ResponseMode, signedSuffix) {
		return nil
	}
	if err := s.cfg.Keys.Ensure(ctx, tenant, authorizationAlgorithm(c)); err != nil {
		return fmt.Errorf("make the key for a signed response: %w", err)
	}
	if err := s.cfg.Keys.CheckUsable(ctx, tenant); err != nil {
		return fmt.Errorf("open the signing keys: %w", err)
	}
	return nil
}

// authorizationAlgorithm signs a client's responses. The default is RS256 (§3), and ES256 for a
// client that is held to FAPI 2.0 (§5.4.1).
func authorizationAlgorithm(c auth.Client) string {
	if c.Strict() {
		return cmp.Or(c.Settings.AuthorizationAlgorithm, keys.ES256)
	}
	return cmp.Or(c.Settings.AuthorizationAlgorithm, keys.RS256)
}
