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

// Signed answers (JWT Secured Authorization Response Mode, JARM): the parameters in a
// JWT, which travels as the one parameter "response".

const (
	modeSigned   = "jwt"  // in the query, or in the fragment where that is the default (§2.3.4)
	signedSuffix = ".jwt" // of the other three
	// answerLife is how long a signed answer is good; ten minutes at most (§2.1).
	answerLife = 5 * time.Minute
)

// signAnswer makes the JWT of an answer, an error included (§2.1, §2.2). It has no sub, so
// it passes for no ID Token.
func (s *Service) signAnswer(ctx context.Context, tenant auth.TenantID, c auth.Client, params [][2]string) (string, error) {
	claims := map[string]any{"aud": c.ID, "exp": s.cfg.Now().Add(answerLife).Unix()}
	for _, p := range params {
		claims[p[0]] = p[1]
	}
	body, err := json.Marshal(claims)
	if err != nil {
		return "", fmt.Errorf("encode signed answer: %w", err)
	}
	jwt, err := s.cfg.Keys.Sign(ctx, tenant, authorizationAlgorithm(c), "JWT", body)
	if err != nil {
		return "", fmt.Errorf("sign answer: %w", err)
	}
	return jwt, nil
}

// readyToAnswer is asked before a flow is spent: an answer that has to be signed is
// signed after that.
func (s *Service) readyToAnswer(ctx context.Context, tenant auth.TenantID, c auth.Client, r auth.AuthorizationRequest) error {
	if !strings.HasSuffix(r.ResponseMode, signedSuffix) {
		return nil
	}
	if err := s.cfg.Keys.Ensure(ctx, tenant, authorizationAlgorithm(c)); err != nil {
		return fmt.Errorf("make the key for a signed answer: %w", err)
	}
	if err := s.cfg.Keys.CheckUsable(ctx, tenant); err != nil {
		return fmt.Errorf("open the signing keys: %w", err)
	}
	return nil
}

// authorizationAlgorithm signs a client's answers: RS256 unless it is set to another (§3),
// and never for a client that is held to FAPI 2.0 (§5.4.1).
func authorizationAlgorithm(c auth.Client) string {
	if c.Strict() {
		return cmp.Or(c.Settings.AuthorizationAlgorithm, keys.ES256)
	}
	return cmp.Or(c.Settings.AuthorizationAlgorithm, keys.RS256)
}
