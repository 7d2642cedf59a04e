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

// Password signs in with email address and password, and upgrades an outdated hash. Refusals:
// invalid_credentials; email_not_verified, only after the right password; rate_limited before any hashing;
// password_too_long or password_invalid for text that cannot be a password; unavailable when the gate is
// full; after the right password invalid_target for a resource that the first-party client may not request.
func (s *Service) Password(ctx context.Context, tenant auth.TenantID, r Request) (Result, error) {
	d := apiSignIn{s: s, request: r}
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

// apiSignIn is a sign-in by the JSON API: it returns tokens, or a cookie with one account.
type apiSignIn struct {
	s       *Service
	request Request
	result  Result
	draft   token.Draft
}

// begin writes the session and its refresh token family.
func (d *apiSignIn) begin(tx *store.Tx, a auth.Account, b session.Params) (auth.Session, error) {
	d.result, d.draft = Result{}, token.Draft{}
	if err := d.endFormerSession(tx); err != nil {
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

// scope returns the requested scope, or auth.LoginScope. The order of auth.DefaultScope marks refresh families
// that are older than auth.ScopeAccount, so a requested auth.DefaultScope gets another order.
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
func (d *apiSignIn) finish(ctx context.Context) (err error) {
	if d.request.Cookie {
		return nil
	}
	if d.result.Tokens, err = d.s.cfg.Tokens.Finish(ctx, d.draft); err != nil {
		return fmt.Errorf("sign tokens: %w", err)
	}
	return nil
}

// endFormerSession ends the browser's former session. Its cookie is about to be replaced and must not stay valid.
func (d *apiSignIn) endFormerSession(tx *store.Tx) error {
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
