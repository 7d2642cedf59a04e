package oidc

import (
	"context"
	"errors"
	"fmt"

	"github.com/watchword-auth/watchword/internal/auth"
)

// refreshToken spends a refresh token for its successor (RFC 6749 §6). The token is
// bound to its client; rotation, reuse and scope are decided in the token room.
var refreshToken = grant{name: auth.GrantRefreshToken, issue: (*Service).issueRefreshed}

func (s *Service) issueRefreshed(ctx context.Context, r tokenRequest) (auth.Tokens, error) {
	raw := r.form.Get("refresh_token")
	if raw == "" {
		return auth.Tokens{}, refuse(InvalidRequest, "refresh_token is missing")
	}
	if asked := r.form.All("resource"); len(asked) != 0 && (len(asked) > 1 || asked[0] != r.Tenant.ID.Issuer(s.cfg.Base)) {
		return auth.Tokens{}, refuse(InvalidTarget, "the grant is not for that resource")
	}
	if family, ok := s.cfg.Tokens.Family(r.Tenant.ID, raw); ok {
		if err := s.take(ctx, "refresh.credential|"+string(family), s.cfg.Rates.Family); err != nil {
			return auth.Tokens{}, err
		}
	}
	tokens, err := s.cfg.Tokens.Refresh(ctx, r.Tenant.ID, r.Client.ID, raw, r.scope, r.Actor)
	if err == nil {
		return tokens, nil
	}
	if e, ok := errors.AsType[*auth.Error](err); ok {
		switch e.Kind {
		case auth.KindUnauthenticated, auth.KindForbidden:
			return auth.Tokens{}, &Error{Code: InvalidGrant, Desc: "the refresh token is not valid for this client", Err: e}
		case auth.KindInvalid:
			return auth.Tokens{}, &Error{Code: InvalidScope, Desc: "the scope is wider than what was granted", Err: e}
		}
	}
	return auth.Tokens{}, fmt.Errorf("refresh grant: %w", err)
}
