package token

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/store"
)

// accessTokenType is the typ header of access tokens, so that no other JWT of this server is accepted as one
// (RFC 9068 §2.1).
const accessTokenType = "at+jwt"

// formatOpaque is the format of access tokens that are sealed.
const formatOpaque = "opaque"

// Draft is a grant that was decided and stored but not signed.
type Draft struct {
	tenant    auth.TenantID
	grant     auth.Grant // as in the access token
	granted   auth.Scope // the scope of the refresh token
	audience  []string
	algorithm string
	access    time.Duration   // lifetime of the access token
	refresh   secret.Text     // empty without offline_access
	idle      time.Duration   // until the unused refresh token expires
	id        *idTokenRequest // nil without an ID Token
}

// Start decides whether the grant may be issued and stores what must be kept: a refresh family
// if a user's scope has offline_access and the client may refresh, bound to the key of a public
// client (RFC 9449 §5). It adds the account's rights, the subject for the client, and the token
// format of the client. It must be called inside Write; without offline_access Read suffices.
// The session, if any, must be stored. A resource that the client may not request, or that was
// not granted, is refused as Invalid invalid_target; a token that would not fit into a header as
// Invalid token_too_long.
func (s *Service) Start(tx *store.Tx, g auth.Grant) (Draft, error) {
	state, err := readIssuanceState(tx, g)
	if err != nil {
		return Draft{}, err
	}
	d, f, err := s.Plan(tx.Now, state, g)
	if err != nil {
		return Draft{}, err
	}
	if f != nil {
		if err := tx.InsertFamily(*f); err != nil {
			return Draft{}, fmt.Errorf("store refresh family: %w", err)
		}
	}
	return d, nil
}

// IssuanceState is what an issuance depends on, as read. For a client that acts for itself only
// Tenant and Client are set.
type IssuanceState struct {
	Tenant      auth.Tenant
	Client      auth.Client
	Account     auth.Account
	Session     auth.Session // needed only for a refresh token
	Entitlement auth.Entitlement
}

func readIssuanceState(tx *store.Tx, g auth.Grant) (state IssuanceState, err error) {
	if state.Tenant, err = tx.CurrentTenant(); err != nil {
		return state, fmt.Errorf("read tenant: %w", err)
	}
	if state.Client, err = tx.Client(g.Client); errors.Is(err, auth.ErrNotFound) {
		return state, auth.Refuse(auth.KindUnauthenticated, auth.CodeClientUnknown, "client not found")
	} else if err != nil {
		return state, fmt.Errorf("read client: %w", err)
	}
	if g.Account == "" {
		return state, nil
	}
	if state.Account, err = tx.Account(g.Account); errors.Is(err, auth.ErrNotFound) {
		return state, auth.Refuse(auth.KindUnauthenticated, auth.CodeAccountUnknown, "account not found")
	} else if err != nil {
		return state, fmt.Errorf("read account: %w", err)
	}
	if state.Entitlement, err = tx.Entitlement(g.Account, g.Scope); err != nil {
		return state, fmt.Errorf("read rights: %w", err)
	}
	if state.allowsRefresh(g) {
		state.Session, err = tx.Session(g.Session)
		if err != nil && !errors.Is(err, auth.ErrNotFound) {
			return state, fmt.Errorf("read session: %w", err)
		}
	}
	return state, nil
}

// allowsRefresh reports whether the grant may include a refresh token.
func (state IssuanceState) allowsRefresh(g auth.Grant) bool {
	return g.Account != "" && g.Scope.Has(auth.ScopeOffline) && state.Client.Allows(auth.GrantRefreshToken)
}

// Plan is Start without the database, for a state that was read in the same transaction or that
// the writing statement checks. It returns the refresh family to store, or nil.
func (s *Service) Plan(now time.Time, state IssuanceState, g auth.Grant) (Draft, *auth.Family, error) {
	if err := CheckIssuance(state.Tenant, state.Account, state.Client); err != nil {
		return Draft{}, nil, err
	}
	if g.Account != "" {
		v := auth.Session{Account: g.Account, AuthAt: g.AuthAt, ACR: g.ACR, AMR: g.AMR}
		if err := checkAuthentication(state.Tenant, v, state.Account, state.Entitlement.Roles, state.Client, now); err != nil {
			return Draft{}, nil, err
		}
	}
	if g.Within == nil { // else the exchange policy has decided about the audience
		if err := s.resolveAudience(state.Tenant.ID, state.Client, &g); err != nil {
			return Draft{}, nil, err
		}
	}
	if g.Account != "" && !state.allowsRefresh(g) {
		g.Scope = removeScope(g.Scope, auth.ScopeOffline) // the response says what was granted
	}
	d, err := s.draft(state.Tenant, state.Client, g, state.Entitlement)
	if err != nil || g.Account == "" {
		return d, nil, err
	}
	d.requestIDToken(state.Client, state.Account, g.IDToken)
	if !d.granted.Has(auth.ScopeOffline) {
		return d, nil, nil
	}
	f, err := s.newFamily(now, &d, state)
	return d, f, err
}

// Scope is the granted scope, for the response and the audit line.
func (d Draft) Scope() auth.Scope { return d.grant.Scope }

func removeScope(scope auth.Scope, name string) auth.Scope {
	if !scope.Has(name) {
		return scope
	}
	return slices.DeleteFunc(slices.Clone(scope), func(s string) bool { return s == name })
}

// StartMachine is Start for a client that acts for itself, for a state that the caller has just
// read. It stores nothing, so it needs no transaction.
func (s *Service) StartMachine(t auth.Tenant, c auth.Client, g auth.Grant) (Draft, error) {
	g.Account, g.Session, g.Client = "", "", c.ID
	if err := CheckIssuance(t, auth.Account{}, c); err != nil {
		return Draft{}, err
	}
	return s.draft(t, c, g, auth.Entitlement{})
}

// draft decides what the token contains, from the tenant, the client and the account's rights.
// Every token is issued from a draft of this function.
func (s *Service) draft(t auth.Tenant, c auth.Client, g auth.Grant, e auth.Entitlement) (Draft, error) {
	if g.Subject == "" && c.Settings.SubjectType == pairwise {
		g.Subject = s.Subject(c, g.Account)
	}
	g.Opaque = g.Opaque || c.Settings.TokenFormat == formatOpaque
	d := Draft{tenant: t.ID, audience: s.audience(t.ID, c, g), algorithm: t.Settings.Algorithm, access: t.Settings.Lifetimes.Or(s.lifetimes).Access}
	if d.algorithm == "" {
		d.algorithm = s.algorithm
	}
	r := auth.Recipient{Client: c, IssuerOnly: len(d.audience) == 1 && d.audience[0] == t.ID.Issuer(s.base)}
	if g.Account == "" {
		d.grant = g.WithClientScope(r)
		return d, d.checkSize()
	}
	r.Allowed = s.UserScope(c, g.Audience)
	d.granted = e.Grantable(r, g.Scope)
	if len(g.Narrow) > 0 {
		r.Allowed = s.UserScope(c, g.Narrow)
	}
	d.grant = g.WithRights(r, e)
	return d, d.checkSize()
}

// maxNames bounds the length of scope and audience together. With auth.MaxRights and the other
// claims, the longest token is shorter than what guard and the server's own API accept.
const maxNames = 4800

func (d Draft) checkSize() error {
	n := len(d.grant.Scope)
	for _, names := range [][]string{d.grant.Scope, d.audience} {
		for _, name := range names {
			n += len(name)
		}
	}
	if n > maxNames {
		return auth.Invalid(auth.CodeTokenTooLong, "scope", "scope and resource: at most 4800 characters together")
	}
	return nil
}

// newFamily makes a refresh family, which never outlives its session.
func (s *Service) newFamily(now time.Time, d *Draft, state IssuanceState) (*auth.Family, error) {
	session := state.Session
	if session.ID == "" || session.Account != d.grant.Account || !session.Live(now) {
		return nil, auth.SessionInvalid()
	}
	id := secret.NewID(now)
	token, ok := newRefreshToken(id)
	if !ok {
		return nil, fmt.Errorf("family id %q is not a UUID", id)
	}
	life := state.Tenant.Settings.Lifetimes.Or(s.lifetimes)
	expires := auth.Earlier(now.Add(life.RefreshAbsolute), session.ExpiresAt)
	idle := auth.Earlier(now.Add(life.RefreshIdle), expires)
	d.refresh, d.idle = s.form.encode(state.Tenant.ID, token), idle.Sub(now)
	f := &auth.Family{
		ID: auth.FamilyID(id), Account: d.grant.Account, Client: d.grant.Client, Session: session.ID, Scope: d.granted,
		Audience: d.grant.Audience, Digest: secret.Digest(d.refresh.Reveal()),
		CreatedAt: now, RotatedAt: now, IdleAt: idle, ExpiresAt: expires,
	}
	if state.Client.Public() { // a confidential one authenticates at each refresh (RFC 9449 §5)
		f.JKT = d.grant.JKT
	}
	return f, nil
}

// Finish signs what Start decided, after the commit.
func (s *Service) Finish(ctx context.Context, d Draft) (auth.Tokens, error) {
	now := s.now()
	if until := d.grant.Until; !until.IsZero() {
		d.access = min(d.access, until.Sub(now).Truncate(time.Second))
	}
	t := auth.Tokens{
		ExpiresIn: d.access, RefreshToken: d.refresh.Reveal(), RefreshExpiresIn: d.idle,
		Scope: d.grant.Scope, Session: d.grant.Session, Account: d.grant.Account,
	}
	if d.grant.JKT != "" {
		t.Type = TypeDPoP
	}
	body := encodeClaims(d.tenant.Issuer(s.base), d, now)
	var err error
	if d.grant.Opaque {
		t.AccessToken = s.seal(d.tenant, body)
	} else if t.AccessToken, err = s.keys.Sign(ctx, d.tenant, d.algorithm, accessTokenType, body); err != nil {
		return auth.Tokens{}, fmt.Errorf("sign access token: %w", err)
	}
	if d.id != nil {
		if t.IDToken, err = s.signIDToken(ctx, d, t.AccessToken, now); err != nil {
			return auth.Tokens{}, err
		}
	}
	return t, nil
}

// TypeDPoP is the token type of tokens that are bound to a key (RFC 9449 §5).
const TypeDPoP = "DPoP"
