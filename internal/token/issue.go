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

// typ marks access tokens, so that no other JWT of ours passes for one (RFC 9068
// §2.1).
const typ = "at+jwt"

// opaque is the format of access tokens that are sealed.
const opaque = "opaque"

// Draft is a grant that was decided and written down, but not signed.
type Draft struct {
	tenant    auth.TenantID
	grant     auth.Grant
	algorithm string
	access    time.Duration // lifetime of the access token
	refresh   secret.Text   // empty without offline_access
	idle      time.Duration // until the refresh token dies unused
	id        *identity     // nil without an ID Token
}

// Start decides whether the grant may be issued and writes what has to be kept: a
// refresh family when a person's scope has offline_access and the client may refresh,
// bound to the key of a public client (RFC 9449 §5). It fills in the account's roles
// and permissions, the name by which the client knows the account, and the form of
// token that the client is set to get. It belongs inside Write; without
// offline_access inside Read as well. The session, if there is one, must be stored
// already.
func (s *Service) Start(tx *store.Tx, g auth.Grant) (Draft, error) {
	t, err := tx.Self()
	if err != nil {
		return Draft{}, fmt.Errorf("read tenant: %w", err)
	}
	c, err := tx.Client(g.Client)
	if errors.Is(err, auth.ErrNotFound) {
		return Draft{}, auth.Refuse(auth.KindUnauthenticated, "client_unknown", "this client is not known")
	} else if err != nil {
		return Draft{}, fmt.Errorf("read client: %w", err)
	}
	var a auth.Account
	if g.Account != "" {
		if a, err = tx.Account(g.Account); errors.Is(err, auth.ErrNotFound) {
			return Draft{}, auth.Refuse(auth.KindUnauthenticated, "account_unknown", "this account is not known")
		} else if err != nil {
			return Draft{}, fmt.Errorf("read account: %w", err)
		}
	}
	if err := Decide(t, a, c); err != nil {
		return Draft{}, err
	}
	if g.Account == "" {
		return s.draft(t, c, g), nil
	}
	if g.Roles, g.Permissions, err = tx.Rights(g.Account); err != nil {
		return Draft{}, fmt.Errorf("read rights: %w", err)
	}
	return s.startPerson(tx, t, c, a, g)
}

// startPerson is the half of Start that a client acting for itself does not need: the
// ID Token, and the refresh family.
func (s *Service) startPerson(tx *store.Tx, t auth.Tenant, c auth.Client, a auth.Account, g auth.Grant) (Draft, error) {
	refreshes := g.Scope.Has(auth.ScopeOffline) && c.Allows(auth.GrantRefreshToken)
	if !refreshes {
		g.Scope = without(g.Scope, auth.ScopeOffline) // the answer says what was granted
	}
	d := s.draft(t, c, g)
	d.identify(c, a, g.IDToken)
	if refreshes {
		if err := s.begin(tx, &d, t, c); err != nil {
			return Draft{}, err
		}
	}
	return d, nil
}

func without(scope auth.Scope, name string) auth.Scope {
	if !scope.Has(name) {
		return scope
	}
	return slices.DeleteFunc(slices.Clone(scope), func(s string) bool { return s == name })
}

// StartMachine is Start for a client that acts for itself, on what the caller has just
// read of it and its tenant. Nothing has to be kept, so it needs no transaction.
func (s *Service) StartMachine(t auth.Tenant, c auth.Client, g auth.Grant) (Draft, error) {
	g.Account, g.Session, g.Client = "", "", c.ID
	if err := Decide(t, auth.Account{}, c); err != nil {
		return Draft{}, err
	}
	return s.draft(t, c, g), nil
}

// Narrow restricts the access token to some of the audience that was granted, which the
// refresh family keeps (RFC 8707 §2.2); with nothing it restricts nothing.
func (d Draft) Narrow(audience []string) Draft {
	if len(audience) > 0 {
		d.grant.Audience = audience
	}
	return d
}

// draft fills in what the tenant and the client say.
func (s *Service) draft(t auth.Tenant, c auth.Client, g auth.Grant) Draft {
	if g.Subject == "" && c.Settings.SubjectType == pairwise {
		g.Subject = s.Subject(c, g.Account)
	}
	g.Opaque = g.Opaque || c.Settings.TokenFormat == opaque
	d := Draft{tenant: t.ID, grant: g, algorithm: t.Settings.Algorithm, access: t.Settings.Lifetimes.Or(s.lifetimes).Access}
	if d.algorithm == "" {
		d.algorithm = s.algorithm
	}
	return d
}

// begin starts a refresh family. It never outlives its session.
func (s *Service) begin(tx *store.Tx, d *Draft, t auth.Tenant, c auth.Client) error {
	session, err := tx.Session(d.grant.Session)
	if err != nil && !errors.Is(err, auth.ErrNotFound) {
		return fmt.Errorf("read session: %w", err)
	}
	if err != nil || session.Account != d.grant.Account || !session.Live(tx.Now) {
		return auth.Refuse(auth.KindUnauthenticated, "session_invalid", "sign in again")
	}
	id := secret.NewID(tx.Now)
	token, ok := first(id)
	if !ok {
		return fmt.Errorf("family id %q is not a UUID", id)
	}
	life := t.Settings.Lifetimes.Or(s.lifetimes)
	expires := earlier(tx.Now.Add(life.RefreshAbsolute), session.ExpiresAt)
	idle := earlier(tx.Now.Add(life.RefreshIdle), expires)
	d.refresh, d.idle = s.form.write(t.ID, token), idle.Sub(tx.Now)
	f := auth.Family{
		ID: auth.FamilyID(id), Account: d.grant.Account, Client: d.grant.Client, Session: session.ID, Scope: d.grant.Scope,
		Audience: d.grant.Audience, Digest: secret.Digest(d.refresh.Reveal()),
		CreatedAt: tx.Now, RotatedAt: tx.Now, IdleAt: idle, ExpiresAt: expires,
	}
	if c.Public() { // a confidential one proves itself at each refresh anyway (RFC 9449 §5)
		f.JKT = d.grant.JKT
	}
	if err := tx.InsertFamily(f); err != nil {
		return fmt.Errorf("store refresh family: %w", err)
	}
	return nil
}

// Finish signs what Start wrote down, after the commit.
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
	body := claims(d.tenant.Issuer(s.base), d.grant, now, d.access)
	var err error
	if d.grant.Opaque {
		t.AccessToken = s.seal(d.tenant, body)
	} else if t.AccessToken, err = s.keys.Sign(ctx, d.tenant, d.algorithm, typ, body); err != nil {
		return auth.Tokens{}, fmt.Errorf("sign access token: %w", err)
	}
	if d.id != nil {
		if t.IDToken, err = s.signIdentity(ctx, d, t.AccessToken, now); err != nil {
			return auth.Tokens{}, err
		}
	}
	return t, nil
}

// TypeDPoP is the type of tokens that are bound to a key (RFC 9449 §5).
const TypeDPoP = "DPoP"

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}
