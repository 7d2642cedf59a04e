package oidc

import (
	"context"
	"errors"

	"github.com/watchword-auth/watchword/internal/auth"
)

// DeliverLogout tells a client that a session of its has ended (OpenID Connect
// Back-Channel Logout §2.5). It is a handler of the outbox.
func (s *Service) DeliverLogout(ctx context.Context, m auth.Message) error {
	return errors.ErrUnsupported
}
