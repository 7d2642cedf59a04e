package oidc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/oauth"
	"github.com/watchword-auth/watchword/internal/store"
	"github.com/watchword-auth/watchword/internal/token"
)

// tokenExchange exchanges a token for a narrower one, or for a token for another resource on behalf of
// the same user (RFC 8693). grant_exchange_policy.go holds the policy.
var tokenExchange = grant{name: auth.GrantTokenExchange, short: "token_exchange", confidential: true, audited: true, issuedType: typeAccessToken,
	redeem: (*Service).redeemToken}

// typeAccessToken is the only supported token type (RFC 8693 §3).
const typeAccessToken = "urn:ietf:params:oauth:token-type:access_token"

func (s *Service) redeemToken(ctx context.Context, r tokenRequest) (d token.Draft, err error) {
	x, err := s.readExchange(ctx, r)
	switch {
	case err != nil:
		return d, err
	case x.subject.Account == "":
		return s.exchangeMachine(ctx, x)
	}
	err = s.cfg.DB.Write(ctx, r.Tenant.ID, func(tx *store.Tx) error {
		d, err = s.exchangeForUser(tx, x)
		return err
	})
	return d, err
}

// exchange is a request with verified tokens, and the granted result.
type exchange struct {
	tokenRequest
	subject  token.Verified
	scope    auth.Scope
	audience []string
	actor    json.RawMessage // the actor of the subject; empty for none
}

// readExchange reads the form (RFC 8693 §2.1) and checks the tokens in it.
func (s *Service) readExchange(ctx context.Context, r tokenRequest) (exchange, error) {
	f := r.form
	subject, actor := f.Get("subject_token"), f.Get("actor_token")
	switch requestedType := f.Get("requested_token_type"); {
	case subject == "":
		return exchange{}, oauth.Refuse(oauth.InvalidRequest, "subject_token: required")
	case f.Get("subject_token_type") != typeAccessToken:
		return exchange{}, oauth.Refuse(oauth.InvalidRequest, "subject_token_type: "+typeAccessToken)
	case actor != "" && f.Get("actor_token_type") != typeAccessToken:
		return exchange{}, oauth.Refuse(oauth.InvalidRequest, "actor_token_type: "+typeAccessToken)
	case actor == "" && f.Get("actor_token_type") != "":
		return exchange{}, oauth.Refuse(oauth.InvalidRequest, "actor_token_type: only with actor_token")
	case requestedType != "" && requestedType != typeAccessToken:
		return exchange{}, oauth.Refuse(oauth.InvalidRequest, "requested_token_type: "+typeAccessToken)
	}
	x := exchange{tokenRequest: r}
	var err error
	if x.subject, err = s.checkSubjectToken(ctx, r, subject); err != nil {
		return exchange{}, err
	}
	var verifiedActor *token.Verified
	if actor != "" {
		v, err := s.checkSubjectToken(ctx, r, actor)
		if err == nil && v.ClientID != string(r.Client.ID) {
			err = notExchangeable("the actor token was issued to another client")
		}
		if err != nil {
			return exchange{}, err
		}
		verifiedActor = &v
	}
	p := newExchangePolicy(r, x.subject)
	if x.audience, err = s.exchangeAudience(p, f); err != nil {
		return exchange{}, err
	}
	if x.scope, err = p.scope(r.scope); err != nil {
		return exchange{}, err
	}
	x.actor, err = p.actor(verifiedActor)
	return x, err
}

// checkSubjectToken checks a token that is presented for exchange. It must be a valid access token of this
// server for an audience that the client may use. If it is bound to a key, that key must be proved. The
// client needs permission for a token that was issued to another client.
func (s *Service) checkSubjectToken(ctx context.Context, r tokenRequest, raw string) (token.Verified, error) {
	audience, serves := s.exchangedAudience(r.Caller, raw)
	if audience == "" {
		return token.Verified{}, notExchangeable("the client has no access to its audience")
	}
	verified, err := s.cfg.Tokens.Introspect(ctx, r.Tenant.ID, raw, audience)
	kind := auth.KindOf(err)
	switch {
	case kind == auth.KindUnauthenticated || kind == auth.KindInvalid || kind == auth.KindForbidden:
		return token.Verified{}, notExchangeable(err.Error())
	case err != nil:
		return token.Verified{}, fmt.Errorf("check exchanged token: %w", err)
	case !s.cfg.Now().Before(verified.ExpiresAt): // no leeway: the new token would be expired at once
		return token.Verified{}, notExchangeable("it has expired")
	case verified.JKT != "" && verified.JKT != r.jkt:
		return token.Verified{}, notExchangeable("it is bound to a key that was not proved")
	case verified.ClientID == string(r.Client.ID):
		return verified, nil
	case verified.Account == "":
		return token.Verified{}, notExchangeable("it is the token of another machine")
	case !serves && !mayExchange(r.Client, auth.ClientID(verified.ClientID)):
		return token.Verified{}, notExchangeable("the client may not exchange tokens of that client")
	}
	return verified, nil
}

// exchangeMachine narrows the token of a machine.
func (s *Service) exchangeMachine(ctx context.Context, x exchange) (token.Draft, error) {
	d, err := s.cfg.Tokens.StartMachine(x.Tenant, x.Client, x.grant())
	if err != nil {
		return token.Draft{}, err
	}
	x.scope = d.Scope()
	if err := s.cfg.DB.RecordLater(ctx, x.Tenant.ID, x.event()); err != nil {
		return token.Draft{}, fmt.Errorf("record exchanged token: %w", err)
	}
	return d, nil
}

// exchangeForUser exchanges the token of a user. It reads the session again, which may have ended since
// the token was checked.
func (s *Service) exchangeForUser(tx *store.Tx, x exchange) (token.Draft, error) {
	session, err := tx.Session(auth.SessionID(x.subject.SessionID))
	if err != nil && !errors.Is(err, auth.ErrNotFound) {
		return token.Draft{}, fmt.Errorf("read session: %w", err)
	}
	if err != nil || !session.EndedAt.IsZero() {
		return token.Draft{}, notExchangeable("its session has just ended")
	}
	if err := s.checkIssuerAudience(tx, x); err != nil {
		return token.Draft{}, err
	}
	d, err := s.cfg.Tokens.Start(tx, x.grant())
	if err != nil {
		return token.Draft{}, err
	}
	x.scope = d.Scope()
	if err := tx.Record(x.event()); err != nil {
		return token.Draft{}, fmt.Errorf("record exchanged token: %w", err)
	}
	return d, nil
}

// grant returns the new grant. It has the sign-in and the session of the subject token, and expires no
// later than that token.
func (x exchange) grant() auth.Grant {
	v := x.subject
	return auth.Grant{
		Account: v.Account, Client: x.Client.ID, Session: auth.SessionID(v.SessionID), Scope: x.scope, Audience: x.audience,
		AuthAt: v.AuthTime, ACR: v.ACR, AMR: v.AMR, JKT: x.jkt, Actor: x.actor, Until: v.ExpiresAt, Within: x.rights(),
	}
}

// rights returns the upper bound of the new token's rights: the rights of the subject token. With a
// requested scope the new token has only the permissions in that scope and no roles, since a role implies
// permissions that the scope does not name.
func (x exchange) rights() *auth.Rights {
	limit := auth.Rights{Roles: x.subject.Roles, Permissions: x.subject.Permissions}
	if x.tokenRequest.scope != nil {
		limit.Roles = nil
		limit.Permissions = slices.DeleteFunc(slices.Clone(limit.Permissions), func(p string) bool { return !x.scope.Has(p) })
	}
	return &limit
}

func (x exchange) event() auth.Event {
	detail := map[string]string{
		"grant": string(auth.GrantTokenExchange), "scope": x.scope.String(), "audience": strings.Join(x.audience, " "),
		"subject_client": x.subject.ClientID, "session": x.subject.SessionID, "actor": string(x.actor),
	}
	return auth.Event{Kind: auth.EventTokenIssued, Actor: x.Actor, Account: x.subject.Account, Detail: detail}
}

// notExchangeable is the refusal of a presented token (RFC 8693 §2.2.2); the reason is only logged.
func notExchangeable(reason string) error {
	return &oauth.Error{Code: oauth.InvalidRequest, Desc: "a token of the request cannot be exchanged by this client", Err: errors.New(reason)}
}

// mayExchange reports whether the client may exchange tokens of another client.
func mayExchange(c auth.Client, issuedTo auth.ClientID) bool {
	p := c.Settings.Exchange
	return p != nil && (slices.Contains(p.Subjects, issuedTo) || slices.Contains(p.Subjects, "*"))
}
