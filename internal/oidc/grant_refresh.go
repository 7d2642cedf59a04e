package oidc

import (
	"context"
	"errors"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/limit"
	"github.com/watchword-auth/watchword/internal/oauth"
	"github.com/watchword-auth/watchword/internal/token"
)

// refreshToken rotates a refresh token (RFC 6749 §6). Package token decides about
// binding, reuse and scope.
var refreshToken = grant{name: auth.GrantRefreshToken, selfService: true, invalid: "the refresh token is not valid for this client", redeem: (*Service).redeemRefreshToken}

func (s *Service) redeemRefreshToken(ctx context.Context, r tokenRequest) (token.Draft, error) {
	raw := r.form.Get("refresh_token")
	if raw == "" {
		return token.Draft{}, oauth.Refuse(oauth.InvalidRequest, "refresh_token: required")
	}
	audience, err := readResources(r.form)
	if err != nil {
		return token.Draft{}, err
	}
	key := ""
	if family, ok := s.cfg.Tokens.RefreshFamily(r.Tenant.ID, raw); ok {
		// The bucket is the client's own: the holder of another client's token cannot use up
		// what that client may do.
		key = "refresh.credential|" + string(family) + "|" + string(r.Client.ID)
		if _, err := limit.TakeAll(ctx, s.cfg.Limiter, limit.Bucket{Key: key, Rate: s.cfg.Rates["refresh.credential"]}); err != nil {
			return token.Draft{}, err
		}
	}
	d, err := s.cfg.Tokens.Rotate(ctx, token.RefreshRequest{
		Tenant: r.Tenant.ID, Client: r.Client.ID, Token: raw, Scope: r.scope, Audience: audience, JKT: r.jkt, Actor: r.Actor,
	})
	if key != "" && errors.Is(err, token.ErrKeyMismatch) { // the token was stolen without its key
		limit.RefundAll(ctx, s.cfg.Limiter, s.cfg.Log, limit.Bucket{Key: key, Rate: s.cfg.Rates["refresh.credential"]})
	}
	return d, err
}
