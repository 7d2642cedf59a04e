package login

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/session"
	"github.com/watchword-auth/watchword/internal/store"
	"github.com/watchword-auth/watchword/internal/token"
)

// Password signs in with email address and password, and raises an old hash on
// the way. Refusals: invalid_credentials; email_not_verified, only after the right
// password; rate_limited before any hashing; password_too_long or password_invalid
// for text that cannot be a password; unavailable when the gate is full; after the
// right password invalid_target for a resource that the first-party client may not ask for.
func (s *Service) Password(ctx context.Context, tenant auth.TenantID, r Request) (Result, error) {
	d := direct{s: s, request: r}
	a := &attempt{
		s: s, tenant: tenant, email: r.Email, password: r.Password, actor: r.Actor,
		begin: d.begin, finish: d.finish,
	}
	if err := s.signIn(ctx, a); err != nil {
		return Result{}, err
	}
	d.result.Known = a.issueKnownBrowser()
	return d.result, nil
}

// direct is a sign-in by the JSON API: it returns tokens, or a cookie with one account.
type direct struct {
	s       *Service
	request Request
	result  Result
	draft   token.Draft
}

// begin writes the session and its refresh token family.
func (d *direct) begin(tx *store.Tx, a auth.Account, b session.Params) (auth.Session, error) {
	d.result, d.draft = Result{}, token.Draft{}
	if err := d.endFormer(tx); err != nil {
		return auth.Session{}, err
	}
	b.Cookie = d.request.Cookie
	v, cookie, err := d.s.cfg.Sessions.Start(tx, b)
	if err != nil {
		return auth.Session{}, err
	}
	d.result.Cookie, d.result.Session = cookie, v
	if !d.request.Cookie {
		d.draft, err = d.s.cfg.Tokens.Start(tx, auth.Grant{
			Account: a.ID, Client: auth.FirstParty, Session: v.ID, Scope: d.request.scope(), Audience: d.request.audience(),
			AuthAt: v.AuthAt, ACR: v.ACR, AMR: v.AMR,
		})
	}
	return v, err
}

// scope is what is asked for, or auth.LoginScope. The order of auth.DefaultScope marks
// refresh families that are older than auth.ScopeAccount, so another order is kept of it.
func (r Request) scope() auth.Scope {
	switch {
	case r.Scope == nil:
		return auth.LoginScope
	case slices.Equal(r.Scope, auth.DefaultScope):
		return slices.Sorted(slices.Values(r.Scope))
	}
	return r.Scope
}

func (r Request) audience() []string {
	if r.Resource == "" {
		return nil
	}
	return []string{r.Resource}
}

// finish signs the tokens, after the commit.
func (d *direct) finish(ctx context.Context) (err error) {
	if d.request.Cookie {
		return nil
	}
	if d.result.Tokens, err = d.s.cfg.Tokens.Finish(ctx, d.draft); err != nil {
		return fmt.Errorf("sign tokens: %w", err)
	}
	return nil
}

// endFormer ends the session that this browser had before: its cookie is about to
// be replaced, and the old one must not stay valid.
func (d *direct) endFormer(tx *store.Tx) error {
	sid := d.request.Actor.Session
	if !d.request.Cookie || sid == "" {
		return nil
	}
	former, err := tx.Session(sid)
	if errors.Is(err, auth.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := d.s.cfg.Sessions.End(tx, former.Account, sid, auth.EndRenewed); err != nil && !errors.Is(err, auth.ErrNotFound) {
		return err
	}
	return nil
}
