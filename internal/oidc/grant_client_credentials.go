package oidc

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/oauth"
)

// clientCredentials gives a client a token for itself (RFC 6749 §4.4): its subject is
// the client_id, which no account can have; there is no refresh token, since the
// client can always ask again.
var clientCredentials = grant{name: auth.GrantClientCredentials, confidential: true, issue: (*Service).issueMachine}

// personal are scopes that speak of a person, who is not there.
var personal = []string{"openid", "profile", "email", "address", "phone", "offline_access"}

func (s *Service) issueMachine(ctx context.Context, r tokenRequest) (auth.Tokens, error) {
	scope, err := machineScope(r)
	if err != nil {
		return auth.Tokens{}, err
	}
	audience, err := s.audienceFor(r, r.Tenant.ID.Issuer(s.cfg.Base))
	if err != nil {
		return auth.Tokens{}, err
	}
	d, err := s.cfg.Tokens.StartMachine(r.Tenant, r.Client, auth.Grant{Scope: scope, Audience: audience, JKT: r.jkt})
	if err != nil {
		return auth.Tokens{}, undecided(err)
	}
	tokens, err := s.cfg.Tokens.Finish(ctx, d)
	if err != nil {
		return auth.Tokens{}, fmt.Errorf("client credentials: %w", err)
	}
	// A token that nobody will see in the audit log is not handed out.
	err = s.cfg.DB.RecordLater(ctx, r.Tenant.ID, auth.Event{Kind: auth.EventTokenIssued, Actor: r.Actor,
		Detail: map[string]string{"grant": string(auth.GrantClientCredentials), "scope": scope.String()}})
	if err != nil {
		return auth.Tokens{}, fmt.Errorf("record issued token: %w", err)
	}
	return tokens, nil
}

// machineScope is what was asked for, all of it registered; else all that is.
func machineScope(r tokenRequest) (auth.Scope, error) {
	allowed := auth.Scope(slices.DeleteFunc(slices.Clone(r.Client.Scopes), func(t string) bool { return slices.Contains(personal, t) }))
	switch {
	case r.scope == nil:
		return allowed, nil
	case !r.scope.Within(allowed):
		return nil, oauth.Refuse(oauth.InvalidScope, "the client may not have all of that scope")
	}
	return r.scope, nil
}

// undecided turns a refusal of the issuing decision into one of the protocol, and what
// was removed between two steps of ours into what never was.
func undecided(err error) error {
	if errors.Is(err, auth.ErrNotFound) {
		return &oauth.Error{Code: oauth.InvalidGrant, Desc: "what the grant stands for is gone", Err: err}
	}
	e, ok := errors.AsType[*auth.Error](err)
	if !ok {
		return err
	}
	switch e.Kind {
	case auth.KindForbidden, auth.KindUnauthenticated:
		return &oauth.Error{Code: oauth.InvalidGrant, Desc: "nothing is issued to this client or account now", Err: e}
	case auth.KindInvalid:
		return unavailable(e)
	}
	return err
}

// unavailable is what the issuing decision says of a request that asks for what cannot be
// had.
func unavailable(e *auth.Error) error {
	if e.Field == "resource" {
		return &oauth.Error{Code: oauth.InvalidTarget, Desc: e.Msg, Err: e}
	}
	return &oauth.Error{Code: oauth.InvalidScope, Desc: e.Msg, Err: e}
}
