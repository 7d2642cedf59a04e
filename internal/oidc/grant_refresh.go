package oidc

import (
	"context"
	"errors"
	"fmt"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/limit"
	"github.com/watchword-auth/watchword/internal/oauth"
	"github.com/watchword-auth/watchword/internal/token"
)

// refreshToken spends a refresh token for its successor (RFC 6749 §6). The token is
// bound to its client; rotation, reuse and scope are decided in the token room.
var refreshToken = grant{name: auth.GrantRefreshToken, issue: (*Service).issueRefreshed}

func (s *Service) issueRefreshed(ctx context.Context, r tokenRequest) (auth.Tokens, error) {
	raw := r.form.Get("refresh_token")
	if raw == "" {
		return auth.Tokens{}, oauth.Refuse(oauth.InvalidRequest, "refresh_token is missing")
	}
	audience, err := readResources(r.form)
	if err != nil {
		return auth.Tokens{}, err
	}
	key := ""
	if family, ok := s.cfg.Tokens.RefreshFamily(r.Tenant.ID, raw); ok {
		// Whoever holds the token of another client must not use up what that one may do.
		key = "refresh.credential|" + string(family) + "|" + string(r.Client.ID)
		if err := limit.TakeAll(ctx, s.cfg.Limiter, s.cfg.Log, limit.Bucket{Key: key, Rate: s.cfg.Rates.Family}); err != nil {
			return auth.Tokens{}, err
		}
	}
	tokens, err := s.cfg.Tokens.Refresh(ctx, token.RefreshRequest{
		Tenant: r.Tenant.ID, Client: r.Client.ID, Token: raw, Scope: r.scope, Audience: audience, JKT: r.jkt, Actor: r.Actor,
	})
	if err == nil {
		return tokens, nil
	}
	if key != "" && errors.Is(err, token.ErrKeyMismatch) { // whoever stole it without the key
		limit.RefundAll(ctx, s.cfg.Limiter, s.cfg.Log, limit.Bucket{Key: key, Rate: s.cfg.Rates.Family})
	}
	if e, ok := errors.AsType[*auth.Error](err); ok {
		switch e.Kind {
		case auth.KindUnauthenticated, auth.KindForbidden:
			return auth.Tokens{}, &oauth.Error{Code: oauth.InvalidGrant, Desc: "the refresh token is not valid for this client", Err: e}
		case auth.KindInvalid:
			return auth.Tokens{}, unavailable(e)
		}
	}
	return auth.Tokens{}, fmt.Errorf("refresh grant: %w", err)
}
