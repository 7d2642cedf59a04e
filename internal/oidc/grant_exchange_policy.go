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

// The policy of token exchange (docs/decisions/027): a client always may narrow what was
// issued to it. Beyond that it may go on, with tokens for an audience that it serves or
// of clients that it is set to, to the audiences that it is set to; with no more scope
// than both the token and itself have; and named as the actor, unless it is set to
// impersonate.

// maxActors is how long the chain of actors of a token may become.
const maxActors = 5

// exchangePolicy is the policy for one client and one token.
type exchangePolicy struct {
	client  auth.Client
	tenant  auth.Tenant
	subject token.Verified
	own     bool // the token was issued to the client itself
}

func policyOf(r tokenRequest, v token.Verified) exchangePolicy {
	return exchangePolicy{client: r.Client, tenant: r.Tenant, subject: v, own: v.ClientID == string(r.Client.ID)}
}

// exchangedAudience picks the audience under which the client may have the token at
// all, and whether it serves it.
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

// exchangeAudience is the audience asked for, by resource or by audience (RFC 8693 §2.1),
// all of it allowed. Without one it is that of the client's own token; where a client
// goes on with another's token, it has to say where to.
func (s *Service) exchangeAudience(p exchangePolicy, f oauth.Form) ([]string, error) {
	asked, err := readResources(f)
	if err != nil {
		return nil, err
	}
	asked = append(asked, f.All("audience")...)
	if len(asked) == 0 {
		if !p.own {
			return nil, oauth.Refuse(oauth.InvalidTarget, "name the resource for which the token shall be")
		}
		return p.subject.Audience, nil
	}
	for i, a := range asked {
		var ok bool
		if asked[i], ok = p.reach(a, p.tenant.ID.Issuer(s.cfg.Base)); !ok {
			return nil, &oauth.Error{Code: oauth.InvalidTarget, Desc: "the client may not exchange this token for that resource",
				Err: fmt.Errorf("audience %.200q is outside the policy", a)}
		}
	}
	slices.Sort(asked)
	return slices.Compact(asked), nil
}

// reach is the audience in its configured spelling, and whether it may be had. The
// issuer's is never reached by a token that does not have it, whatever the policy says:
// two exchanges must not lead where one does not.
func (p exchangePolicy) reach(audience, issuer string) (string, bool) {
	own := guard.SameResource(audience, issuer)
	if own && !slices.Contains(p.subject.Audience, issuer) {
		return "", false
	}
	var lists [][]string
	if p.own {
		lists = append(lists, p.subject.Audience)
	}
	if x := p.client.Settings.Exchange; x != nil {
		lists = append(lists, x.Audiences)
	}
	if !own {
		lists = append(lists, p.client.Settings.Audiences)
	}
	for _, list := range lists {
		if name, ok := token.FindResource(list, audience); ok && own {
			return issuer, true
		} else if ok {
			return name, true
		}
	}
	return "", false
}

// scope is the scope asked for, or all that may be had: what the token has, of
// another's token only what the client may have itself, and never a refresh token.
func (p exchangePolicy) scope(asked auth.Scope) (auth.Scope, error) {
	most := auth.Scope(slices.DeleteFunc(slices.Clone(p.subject.Scopes), func(t string) bool {
		return t == auth.ScopeOffline || !p.own && !slices.Contains(p.client.Scopes, t)
	}))
	switch {
	case asked == nil && len(most) == 0 && len(p.subject.Scopes) > 0:
		return nil, oauth.Refuse(oauth.InvalidScope, "nothing of the token's scope is left for this client")
	case asked == nil:
		return most, nil
	case !asked.Within(most):
		return nil, &oauth.Error{Code: oauth.InvalidScope, Desc: "the scope is wider than that of the token, or than the client may have",
			Err: fmt.Errorf("scope %.200q is outside the policy", asked)}
	}
	return asked, nil
}

// actor returns the "act" claim of the new token (RFC 8693 §4.1), with the earlier actors inside. The
// actor is the subject of the actor token, or the client when it uses another client's token.
func (p exchangePolicy) actor(by *token.Verified) (json.RawMessage, error) {
	before := p.subject.Actor
	sub := string(p.client.ID)
	switch x := p.client.Settings.Exchange; {
	case by != nil:
		sub = by.Subject
	case p.own || x != nil && x.Impersonate:
		return before, nil
	}
	type act struct {
		Sub string          `json:"sub"`
		Act json.RawMessage `json:"act,omitempty"`
	}
	if n, err := actors(before); err != nil || n >= maxActors {
		return nil, notExchangeable("its chain of actors is too long")
	}
	return json.Marshal(act{sub, before})
}

// actors counts how many have acted one for the other.
func actors(chain json.RawMessage) (n int, err error) {
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

// mayReachIssuer keeps the token of another company's client from becoming one for the
// issuer that belongs to a client of the operator.
func (s *Service) mayReachIssuer(tx *store.Tx, x exchange) error {
	if x.subject.ClientID == string(x.Client.ID) || !slices.Contains(x.audience, x.Tenant.ID.Issuer(s.cfg.Base)) {
		return nil
	}
	from, err := tx.Client(auth.ClientID(x.subject.ClientID))
	if err != nil {
		return fmt.Errorf("read client of exchanged token: %w", err)
	}
	if !from.FirstParty {
		return &oauth.Error{Code: oauth.InvalidTarget, Desc: "the client may not exchange this token for that resource",
			Err: fmt.Errorf("a token of client %s does not lead to the issuer", from.ID)}
	}
	return nil
}
