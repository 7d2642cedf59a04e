package oidc

import (
	"context"
	"fmt"
	"slices"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/oauth"
	"github.com/watchword-auth/watchword/internal/token"
)

// clientCredentials issues a client a token for itself (RFC 6749 §4.4). Its subject is the
// client_id, which no account can have. There is no refresh token: the client can request another
// token.
var clientCredentials = grant{name: auth.GrantClientCredentials, confidential: true, redeem: (*Service).redeemClientCredentials}

// userScopes are scopes about a user, which a machine cannot have.
var userScopes = []string{"openid", "profile", "email", "address", "phone", "offline_access"}

func (s *Service) redeemClientCredentials(ctx context.Context, r tokenRequest) (token.Draft, error) {
	scope, err := machineScope(r)
	if err != nil {
		return token.Draft{}, err
	}
	audience, err := s.audienceFor(r, r.Tenant.ID.Issuer(s.cfg.Base))
	if err != nil {
		return token.Draft{}, err
	}
	d, err := s.cfg.Tokens.StartMachine(r.Tenant, r.Client, auth.Grant{Scope: scope, Audience: audience, JKT: r.jkt})
	if err != nil {
		return token.Draft{}, err
	}
	// A token that the audit log does not show is not issued.
	err = s.cfg.DB.RecordLater(ctx, r.Tenant.ID, auth.Event{Kind: auth.EventTokenIssued, Actor: r.Actor,
		Detail: map[string]string{"grant": string(auth.GrantClientCredentials), "scope": scope.String()}})
	if err != nil {
		return token.Draft{}, fmt.Errorf("record issued token: %w", err)
	}
	return d, nil
}

// machineScope returns the requested scope if all of it is registered, or by default the registered scope.
func machineScope(r tokenRequest) (auth.Scope, error) {
	allowed := auth.Scope(slices.DeleteFunc(slices.Clone(r.Client.Scopes), func(t string) bool { return slices.Contains(userScopes, t) }))
	switch {
	case r.scope == nil:
		return allowed, nil
	case !r.scope.Within(allowed):
		return nil, oauth.Refuse(oauth.InvalidScope, "scope: at most the registered scope of the client")
	}
	return r.scope, nil
}
