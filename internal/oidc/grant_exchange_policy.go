package oidc

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/watchword-auth/watchword/guard"
	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/client"
	"github.com/watchword-auth/watchword/internal/oauth"
	"github.com/watchword-auth/watchword/internal/store"
	"github.com/watchword-auth/watchword/internal/token"
)

// The policy of token exchange (docs/decisions/027): a client may always narrow a token that was issued
// to it. It may also exchange tokens for an audience that it serves, and tokens of clients in its policy,
// for an audience in its policy. The new token has at most the scope that both the token and the client
// have. It names the client as the actor, unless the client may impersonate.

// maxActors is the maximum length of a token's chain of actors.
const maxActors = 5

// exchangePolicy is the policy for one client and one token.
type exchangePolicy struct {
	client  auth.Client
	tenant  auth.Tenant
	subject token.Verified
	own     bool // the token was issued to the client itself
}

func newExchangePolicy(r tokenRequest, v token.Verified) exchangePolicy {
	return exchangePolicy{client: r.Client, tenant: r.Tenant, subject: v, own: v.ClientID == string(r.Client.ID)}
}

// exchangedAudience picks the audience under which the client may exchange the token, and reports whether
// the client serves it.
func (s *Service) exchangedAudience(caller client.Caller, raw string) (audience string, serves bool) {
	if audience, serves = s.audienceOf(caller, raw); audience != "" || caller.Client.Settings.Exchange == nil {
		return audience, serves
	}
	for _, a := range s.cfg.Tokens.Audience(caller.Tenant.ID, raw) {
		if _, ok := token.FindResource(caller.Client.Settings.Exchange.Audiences, a); ok {
			return a, false
		}
	}
	return "", false
}

// exchangeAudience returns the requested audience, by resource or by audience (RFC 8693 §2.1), if all of
// it is allowed. The default is the audience of the client's own token. For another client's token an
// audience is required.
func (s *Service) exchangeAudience(p exchangePolicy, f oauth.Form) ([]string, error) {
	requested, err := readResources(f)
	if err != nil {
		return nil, err
	}
	requested = append(requested, f.All("audience")...)
	if len(requested) == 0 {
		if !p.own {
			return nil, oauth.Refuse(oauth.InvalidTarget, "resource: required for a token of another client")
		}
		return p.subject.Audience, nil
	}
	for i, a := range requested {
		var ok bool
		if requested[i], ok = p.allowedAudience(a, p.tenant.ID.Issuer(s.cfg.Base)); !ok {
			return nil, &oauth.Error{Code: oauth.InvalidTarget, Desc: "resource: not allowed for this client and token",
				Err: fmt.Errorf("audience %.200q is outside the policy", a)}
		}
	}
	slices.Sort(requested)
	return slices.Compact(requested), nil
}

// allowedAudience returns the audience in its configured spelling, and reports whether it is allowed. A
// token without the issuer as audience is never exchanged for one with it, whatever the policy. A chain
// of exchanges must not reach an audience that a single one does not.
func (p exchangePolicy) allowedAudience(audience, issuer string) (string, bool) {
	isIssuer := guard.SameResource(audience, issuer)
	if isIssuer && !slices.Contains(p.subject.Audience, issuer) {
		return "", false
	}
	var lists [][]string
	if p.own {
		lists = append(lists, p.subject.Audience)
	}
	if x := p.client.Settings.Exchange; x != nil {
		lists = append(lists, x.Audiences)
	}
	if !isIssuer {
		lists = append(lists, p.client.Settings.Audiences)
	}
	for _, list := range lists {
		if name, ok := token.FindResource(list, audience); ok && isIssuer {
			return issuer, true
		} else if ok {
			return name, true
		}
	}
	return "", false
}

// scope returns the requested scope, or by default all that is allowed: the scope of the token without
// offline_access, and for another client's token only what the client is registered for.
func (p exchangePolicy) scope(requested auth.Scope) (auth.Scope, error) {
	allowed := auth.Scope(slices.DeleteFunc(slices.Clone(p.subject.Scopes), func(t string) bool {
		return t == auth.ScopeOffline || !p.own && !slices.Contains(p.client.Scopes, t)
	}))
	switch {
	case requested == nil && len(allowed) == 0 && len(p.subject.Scopes) > 0:
		return nil, oauth.Refuse(oauth.InvalidScope, "scope: none of the token's scope is allowed for this client")
	case requested == nil:
		return allowed, nil
	case !requested.Within(allowed):
		return nil, &oauth.Error{Code: oauth.InvalidScope, Desc: "scope: at most the scope of the token and of the client",
			Err: fmt.Errorf("scope %.200q is outside the policy", requested)}
	}
	return requested, nil
}

// actor returns the "act" claim of the new token (RFC 8693 §4.1), with the earlier actors inside. The
// actor is the subject of the actor token, or the client when it uses another client's token.
func (p exchangePolicy) actor(verified *token.Verified) (json.RawMessage, error) {
	before := p.subject.Actor
	sub := string(p.client.ID)
	switch x := p.client.Settings.Exchange; {
	case verified != nil:
		sub = verified.Subject
	case p.own || x != nil && x.Impersonate:
		return before, nil
	}
	type act struct {
		Sub string          `json:"sub"`
		Act json.RawMessage `json:"act,omitempty"`
	}
	if n, err := countActors(before); err != nil || n >= maxActors {
		return nil, notExchangeable("the chain of actors is too long")
	}
	return json.Marshal(act{sub, before})
}

// countActors counts the actors of a chain.
func countActors(chain json.RawMessage) (n int, err error) {
	for ; len(chain) > 0 && n <= maxActors; n++ {
		var a struct {
			Act json.RawMessage `json:"act"`
		}
		if err := json.Unmarshal(chain, &a); err != nil {
			return 0, err
		}
		chain = a.Act
	}
	return n, nil
}

// checkIssuerAudience refuses the issuer as audience when the token was issued to a third-party client and
// the requesting client is another one.
func (s *Service) checkIssuerAudience(tx *store.Tx, x exchange) error {
	if x.subject.ClientID == string(x.Client.ID) || !slices.Contains(x.audience, x.Tenant.ID.Issuer(s.cfg.Base)) {
		return nil
	}
	from, err := tx.Client(auth.ClientID(x.subject.ClientID))
	if err != nil {
		return fmt.Errorf("read client of exchanged token: %w", err)
	}
	if !from.FirstParty {
		return &oauth.Error{Code: oauth.InvalidTarget, Desc: "resource: not allowed for this client and token",
			Err: fmt.Errorf("a token of client %s cannot be exchanged for the issuer", from.ID)}
	}
	return nil
}
