package oidc

import (
	"context"
	"fmt"
	"strings"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/token"
)

// Revoke ends a token of the caller (RFC 7009). A refresh token takes its session and
// with it all its access tokens along, at once wherever this server is asked. A
// token that is garbage, dead already or another client's changes nothing and is no
// error: the caller has no further use for it either way (§2.2).
func (s *Service) Revoke(ctx context.Context, r Request) error {
	caller, err := s.Authenticate(ctx, r)
	if err != nil {
		return err
	}
	raw := r.Form.Get("token")
	if raw == "" {
		return refuse(InvalidRequest, "token is missing")
	}
	// The kind can be told by looking, so token_type_hint changes nothing.
	if strings.HasPrefix(raw, token.RefreshPrefix) {
		if err := s.cfg.Tokens.Revoke(ctx, caller.Tenant.ID, caller.Client.ID, raw, caller.Actor); err != nil {
			return fmt.Errorf("revoke: %w", err)
		}
		return nil
	}
	audience, _ := s.audienceOf(caller, raw)
	if audience == "" {
		return nil
	}
	c, err := s.cfg.Tokens.Check(ctx, caller.Tenant.ID, raw, audience)
	switch kind := auth.KindOf(err); {
	case kind == auth.KindUnauthenticated || kind == auth.KindInvalid || err == nil && c.ClientID != string(caller.Client.ID):
		return nil
	case err != nil:
		return fmt.Errorf("revoke: %w", err)
	}
	if err := s.cfg.Tokens.RevokeAccess(ctx, caller.Tenant.ID, c, caller.Actor); err != nil {
		return fmt.Errorf("revoke: %w", err)
	}
	return nil
}
