package login

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/session"
	"github.com/watchword-auth/watchword/internal/store"
	"github.com/watchword-auth/watchword/internal/token"
)

// Password signs in with a name and a password, and upgrades an outdated hash. Refusals:
// invalid_credentials; email_not_verified, only after the right password; rate_limited before any hashing;
// password_too_long or password_invalid for text that cannot be a password; unavailable when the gate is
// full; after the right password invalid_target for a resource that the first-party client may not request.
func (s *Service) Password(ctx context.Context, tenant auth.TenantID, r Request) (Result, error) {
	api := apiSignIn{s: s, request: r}
	a := &attempt{
		s: s, tenant: tenant, email: r.Email, password: r.Password, actor: r.Actor, acr: r.ACR,
		begin: api.begin, keep: api.keep,
	}
	if err := s.signIn(ctx, a); err != nil {
		return Result{}, err
	}
	if a.need != auth.NeedNothing {
		api.result.Pending.Need = a.need
		if slices.Equal(api.result.Pending.Methods, []auth.ProofMethod{auth.ProofEmailCode}) {
			r.Actor.Browser = cmp.Or(api.result.Pending.Browser.Reveal(), r.Actor.Browser)
			if err := s.ignoreUnsent(s.MailPendingCode(ctx, tenant, api.result.Pending.Token.Reveal(), r.Actor)); err != nil {
				return Result{}, err
			}
		}
	}
	return api.conclude(ctx, tenant, a.account, r.Actor)
}

// apiSignIn is a sign-in through the JSON API: it results in tokens, or in a cookie with one account.
type apiSignIn struct {
	s       *Service
	request Request
	result  Result
	draft   token.Draft
}

// begin writes the session and its refresh token family.
func (api *apiSignIn) begin(tx *store.Tx, a auth.Account, params session.Params) (auth.Session, error) {
	api.result, api.draft = Result{}, token.Draft{}
	if err := api.endFormerSession(tx); err != nil {
		return auth.Session{}, err
	}
	params.Cookie = api.request.Cookie
	v, cookie, err := api.s.cfg.Sessions.Start(tx, params)
	if err != nil {
		return auth.Session{}, err
	}
	api.result.Cookie, api.result.Session = cookie, v
	if !api.request.Cookie {
		api.draft, err = api.s.cfg.Tokens.Start(tx, auth.Grant{
			Account: a.ID, Client: auth.FirstParty, Session: v.ID, Scope: api.request.scope(), Audience: api.request.audience(),
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
func (api *apiSignIn) finish(ctx context.Context) (err error) {
	if api.request.Cookie {
		return nil
	}
	if api.result.Tokens, err = api.s.cfg.Tokens.Finish(ctx, api.draft); err != nil {
		return fmt.Errorf("sign tokens: %w", err)
	}
	return nil
}

// endFormerSession ends the browser's former session. Its cookie is replaced and must not stay valid.
func (api *apiSignIn) endFormerSession(tx *store.Tx) error {
	sid := api.request.Actor.Session
	if !api.request.Cookie || sid == "" {
		return nil
	}
	former, err := tx.Session(sid)
	if errors.Is(err, auth.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := api.s.cfg.Sessions.End(tx, former.Account, sid, auth.EndRenewed); err != nil && !errors.Is(err, auth.ErrNotFound) {
		return err
	}
	return nil
}
