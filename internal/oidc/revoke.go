package oidc

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/client"
	"github.com/watchword-auth/watchword/internal/oauth"
	"github.com/watchword-auth/watchword/internal/token"
)

// Revoke revokes a token of the caller (RFC 7009). Revoking a refresh token ends its session
// and invalidates its access tokens at this server at once. An unknown or invalid token changes
// nothing and is no error (§2.2). A valid token of another client is refused and stays valid
// (§2.1).
func (s *Service) Revoke(ctx context.Context, r client.Request) error {
	caller, err := s.cfg.Clients.Authenticate(ctx, r)
	if err != nil {
		return err
	}
	raw := r.Form.Get("token")
	if raw == "" {
		return oauth.Refuse(oauth.InvalidRequest, "token: required")
	}
	// The prefix shows the token type, so token_type_hint is ignored.
	if strings.HasPrefix(raw, token.RefreshPrefix) {
		err := s.cfg.Tokens.Revoke(ctx, caller.Tenant.ID, caller.Client.ID, raw, caller.Actor)
		if errors.Is(err, token.ErrOtherClient) {
			return foreignToken()
		} else if err != nil {
			return fmt.Errorf("revoke: %w", err)
		}
		return nil
	}
	audience, _ := s.audienceOf(caller, raw)
	if audience == "" {
		return nil
	}
	c, err := s.cfg.Tokens.Introspect(ctx, caller.Tenant.ID, raw, audience)
	switch kind := auth.KindOf(err); {
	case kind == auth.KindUnauthenticated || kind == auth.KindInvalid:
		return nil
	case err != nil:
		return fmt.Errorf("revoke: %w", err)
	case c.ClientID != string(caller.Client.ID):
		return foreignToken()
	}
	if err := s.cfg.Tokens.RevokeAccess(ctx, caller.Tenant.ID, c, caller.Actor); err != nil {
		return fmt.Errorf("revoke: %w", err)
	}
	return nil
}

func foreignToken() error {
	return oauth.Refuse(oauth.InvalidRequest, "the token was issued to another client")
}
