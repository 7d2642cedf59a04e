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

// tokenExchange exchanges one token for another (RFC 8693): a narrower one, or one for
// another resource on behalf of the same user. grant_exchange_policy.go says which.
var tokenExchange = grant{name: auth.GrantTokenExchange, short: "token_exchange", confidential: true, audited: true, issuedType: typeAccessToken,
	redeem: (*Service).redeemToken}

// typeAccessToken is the only type of token that is taken and given (RFC 8693 §3).
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

// exchange is a request whose tokens are good, and what it may get.
type exchange struct {
	tokenRequest
	subject  token.Verified
	scope    auth.Scope
	audience []string
	actor    json.RawMessage // who acts for the subject; empty for none
}

// readExchange reads the form (RFC 8693 §2.1) and checks the tokens in it.
func (s *Service) readExchange(ctx context.Context, r tokenRequest) (exchange, error) {
	f := r.form
	subject, actor := f.Get("subject_token"), f.Get("actor_token")
	switch asked := f.Get("requested_token_type"); {
	case subject == "":
		return exchange{}, oauth.Refuse(oauth.InvalidRequest, "subject_token is missing")
	case f.Get("subject_token_type") != typeAccessToken:
		return exchange{}, oauth.Refuse(oauth.InvalidRequest, "subject_token_type is not "+typeAccessToken)
	case actor != "" && f.Get("actor_token_type") != typeAccessToken:
		return exchange{}, oauth.Refuse(oauth.InvalidRequest, "actor_token_type is not "+typeAccessToken)
	case actor == "" && f.Get("actor_token_type") != "":
		return exchange{}, oauth.Refuse(oauth.InvalidRequest, "actor_token_type came without actor_token")
	case asked != "" && asked != typeAccessToken:
		return exchange{}, oauth.Refuse(oauth.InvalidRequest, "requested_token_type is not "+typeAccessToken)
	}
	x := exchange{tokenRequest: r}
	var err error
	if x.subject, err = s.exchangeable(ctx, r, subject); err != nil {
		return exchange{}, err
	}
	var by *token.Verified
	if actor != "" {
		v, err := s.exchangeable(ctx, r, actor)
		if err == nil && v.ClientID != string(r.Client.ID) {
			err = notExchangeable("the actor token was issued to another client")
		}
		if err != nil {
			return exchange{}, err
		}
		by = &v
	}
	p := policyOf(r, x.subject)
	if x.audience, err = s.exchangeAudience(p, f); err != nil {
		return exchange{}, err
	}
	if x.scope, err = p.scope(r.scope); err != nil {
		return exchange{}, err
	}
	x.actor, err = p.actor(by)
	return x, err
}

// exchangeable checks a token that is shown for exchange: it is an access token of this server
// that is worth something now, for an audience with which the client has to do, and
// its key is proved if it is bound to one. A token that was issued to another client
// has to be one that the client may exchange.
func (s *Service) exchangeable(ctx context.Context, r tokenRequest, raw string) (token.Verified, error) {
	audience, serves := s.exchangedAudience(r.Caller, raw)
	if audience == "" {
		return token.Verified{}, notExchangeable("it is for an audience with which the client has nothing to do")
	}
	v, err := s.cfg.Tokens.Introspect(ctx, r.Tenant.ID, raw, audience)
	kind := auth.KindOf(err)
	switch {
	case kind == auth.KindUnauthenticated || kind == auth.KindInvalid || kind == auth.KindForbidden:
		return token.Verified{}, notExchangeable(err.Error())
	case err != nil:
		return token.Verified{}, fmt.Errorf("check exchanged token: %w", err)
	case !s.cfg.Now().Before(v.ExpiresAt): // no leeway: what is given would be dead at once
		return token.Verified{}, notExchangeable("it has expired")
	case v.JKT != "" && v.JKT != r.jkt:
		return token.Verified{}, notExchangeable("it is bound to a key that was not proved")
	case v.ClientID == string(r.Client.ID):
		return v, nil
	case v.Account == "":
		return token.Verified{}, notExchangeable("it is of another client that acts for itself")
	case !serves && !mayExchange(r.Client, auth.ClientID(v.ClientID)):
		return token.Verified{}, notExchangeable("the client may not exchange tokens of that client")
	}
	return v, nil
}

// exchangeMachine narrows the token of a client that acts for itself.
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

// exchangeForUser decides again whether a token may be issued for the user.
func (s *Service) exchangeForUser(tx *store.Tx, x exchange) (token.Draft, error) {
	session, err := tx.Session(auth.SessionID(x.subject.SessionID))
	if err != nil && !errors.Is(err, auth.ErrNotFound) {
		return token.Draft{}, fmt.Errorf("read session: %w", err)
	}
	if err != nil || !session.EndedAt.IsZero() { // since it was checked
		return token.Draft{}, notExchangeable("its session has just ended")
	}
	if err := s.mayReachIssuer(tx, x); err != nil {
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

// grant is what is issued: the sign-in of the subject, in its session, and for no
// longer than the token that was shown.
func (x exchange) grant() auth.Grant {
	v := x.subject
	return auth.Grant{
		Account: v.Account, Client: x.Client.ID, Session: auth.SessionID(v.SessionID), Scope: x.scope, Audience: x.audience,
		AuthAt: v.AuthTime, ACR: v.ACR, AMR: v.AMR, JKT: x.jkt, Actor: x.actor, Until: v.ExpiresAt, Within: x.rights(),
	}
}

// rights are the most that the new token may carry: those of the token that was shown.
// One for a scope that was asked for says no more than that scope: permissions in it, and
// no roles, since a role implies permissions that are not named.
func (x exchange) rights() *auth.Rights {
	most := auth.Rights{Roles: x.subject.Roles, Permissions: x.subject.Permissions}
	if x.tokenRequest.scope != nil {
		most.Roles = nil
		most.Permissions = slices.DeleteFunc(slices.Clone(most.Permissions), func(p string) bool { return !x.scope.Has(p) })
	}
	return &most
}

func (x exchange) event() auth.Event {
	detail := map[string]string{
		"grant": string(auth.GrantTokenExchange), "scope": x.scope.String(), "audience": strings.Join(x.audience, " "),
		"subject_client": x.subject.ClientID, "session": x.subject.SessionID, "actor": string(x.actor),
	}
	return auth.Event{Kind: auth.EventTokenIssued, Actor: x.Actor, Account: x.subject.Account, Detail: detail}
}

// notExchangeable is the one refusal of a token that is shown for exchange (RFC 8693
// §2.2.2); why is for the log.
func notExchangeable(why string) error {
	return &oauth.Error{Code: oauth.InvalidRequest, Desc: "a token of the request cannot be exchanged by this client", Err: errors.New(why)}
}

// mayExchange reports whether the client may exchange what was issued to another.
func mayExchange(c auth.Client, issuedTo auth.ClientID) bool {
	p := c.Settings.Exchange
	return p != nil && (slices.Contains(p.Subjects, issuedTo) || slices.Contains(p.Subjects, "*"))
}
