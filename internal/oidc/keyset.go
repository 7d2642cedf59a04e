package oidc

import (
	"context"

	"github.com/go-jose/go-jose/v4"

	"github.com/watchword-auth/watchword/internal/auth"
)

// clientKeys are the public keys with which a client signs its assertions and
// request objects. The kid is the one that the signature names, or empty; what fits
// decides which of the keys are tried.
func (s *Service) clientKeys(_ context.Context, c auth.Client, _ string) ([]jose.JSONWebKey, error) {
	return ParseClientKeys(c.Settings.JWKS)
}
