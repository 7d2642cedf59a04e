package oidc

import (
	"context"
	"errors"
	"fmt"

	"github.com/watchword-auth/watchword/guard"
	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/client"
	"github.com/watchword-auth/watchword/internal/oauth"
	"github.com/watchword-auth/watchword/internal/token"
)

// UserInfoPath is the path of the UserInfo endpoint below the issuer.
const UserInfoPath = token.UserInfoPath

// UserInfoInput is a request to the UserInfo endpoint. The access token is in the header or
// in the form (RFC 6750 §2.1, §2.2), never in the URL.
type UserInfoInput struct {
	Tenant        auth.TenantID
	Authorization []string // the values of the header of that name
	Proof         []string // the values of the header DPoP
	FormToken     string   // access_token of a POST form; empty for none
	Method        string   // of the request
}

// UserInfo is the response: a JSON object, or a signed JWT if the client is set to receive
// one (OpenID Connect Core §5.3.2).
type UserInfo struct {
	JSON []byte // empty when there is a JWT
	JWT  string
}

// UserInfo returns the claims of an access token's user (OpenID Connect Core §5.3): always the sub
// for the client, and the claims that the scope and the claims request name.
// Each request reads the token's status from the database, so a revocation takes effect at
// once.
//
// Refusals are *oauth.Error with a Scheme: invalid_token; insufficient_scope for a token
// without openid or of a client that acts for itself; invalid_request for a request with two
// tokens; and those of a proof, for a token that is bound to a key.
func (s *Service) UserInfo(ctx context.Context, in UserInfoInput) (UserInfo, error) {
	scheme, raw, err := findAccessToken(in)
	if err != nil {
		return UserInfo{}, err
	}
	p, err := s.cfg.Tokens.UserInfo(ctx, in.Tenant, raw)
	switch auth.KindOf(err) {
	case auth.KindUnauthenticated:
		return UserInfo{}, &oauth.Error{Code: oauth.InvalidToken, Scheme: scheme, Desc: "an access token for userinfo is required", Err: err}
	case auth.KindForbidden:
		return UserInfo{}, &oauth.Error{Code: oauth.InsufficientScope, Scheme: scheme, Desc: "the token belongs to no user", Scope: auth.ScopeOpenID, Err: err}
	}
	if err != nil {
		return UserInfo{}, fmt.Errorf("userinfo: %w", err)
	}
	if err := s.requireTokenKey(ctx, in, scheme, raw, p.JKT); err != nil {
		return UserInfo{}, err
	}
	if !p.HasScope(auth.ScopeOpenID) {
		return UserInfo{}, &oauth.Error{Code: oauth.InsufficientScope, Scheme: scheme, Desc: "the token lacks the scope openid", Scope: auth.ScopeOpenID}
	}
	if p.Client.Settings.UserInfoAlgorithm == "" {
		return UserInfo{JSON: p.JSON()}, nil
	}
	jwt, err := s.cfg.Tokens.SignUserInfo(ctx, in.Tenant, p)
	if err != nil {
		return UserInfo{}, fmt.Errorf("userinfo: %w", err)
	}
	return UserInfo{JWT: jwt}, nil
}

// findAccessToken finds the one access token of a request and its scheme.
func findAccessToken(in UserInfoInput) (scheme, raw string, err error) {
	if in.FormToken != "" {
		if len(in.Authorization) > 0 {
			return "", "", oauth.RefuseToken(oauth.InvalidRequest, schemeBearer, "send the access token in the Authorization header or in the form, not in both")
		}
		return schemeBearer, in.FormToken, nil
	}
	scheme, raw, err = guard.ParseAuthorization(in.Authorization)
	switch {
	case errors.Is(err, guard.ErrNoToken):
		return "", "", &oauth.Error{Code: oauth.InvalidToken, Scheme: schemeBearer, Bare: true, Desc: "send an access token", Err: err}
	case err != nil:
		return "", "", &oauth.Error{Code: oauth.InvalidRequest, Scheme: schemeBearer, Desc: "the Authorization header is malformed", Err: err}
	}
	return scheme, raw, nil
}

const schemeBearer = "Bearer"

// requireTokenKey requires a proof for a token that is bound to a key, and the Bearer scheme for
// one that is not (RFC 9449 §7.1, §7.2).
func (s *Service) requireTokenKey(ctx context.Context, in UserInfoInput, scheme, raw, jkt string) error {
	switch {
	case jkt == "" && scheme == schemeBearer:
		return nil
	case jkt == "":
		return oauth.RefuseToken(oauth.InvalidToken, token.TypeDPoP, "the access token is not bound to a key")
	case scheme == schemeBearer:
		return oauth.RefuseToken(oauth.InvalidToken, token.TypeDPoP, "the access token is bound to a key")
	}
	return s.cfg.Clients.RequireKey(ctx, jkt, client.ProofInput{
		Tenant: in.Tenant, Proofs: in.Proof, Method: in.Method, URL: in.Tenant.Issuer(s.cfg.Base) + UserInfoPath, AccessToken: raw,
	})
}
