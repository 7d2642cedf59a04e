package token

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/watchword-auth/watchword/guard"
	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/store"
)

// Verify checks an access token of the tenant for our own API: signature and
// claims as guard does, then in the database that its session lives and that
// account, client and tenant are not shut, so that a revocation counts at once.
// Refusals are Unauthenticated (invalid_token, token_expired) and wrap the
// *guard.Error if there is one; Unavailable when it cannot be known.
//
// The idle limit of a session is that of its cookie and its refresh tokens, and is
// not looked at here: an access token has a limit of its own.
func (s *Service) Verify(ctx context.Context, tenant auth.TenantID, raw string) (*guard.Claims, error) {
	return s.VerifyFor(ctx, tenant, raw, tenant.Issuer(s.base))
}

// VerifyFor is Verify for another audience than the issuer's own. Audiences are
// those of registered clients, never a stranger's.
func (s *Service) VerifyFor(ctx context.Context, tenant auth.TenantID, raw, audience string) (*guard.Claims, error) {
	g, err := s.guards.of(ctx, s, sentry{tenant, audience})
	if err != nil {
		return nil, fault("verify access token", err)
	}
	c, err := g.Verify(ctx, raw)
	if err != nil {
		return nil, untrusted(err)
	}
	if err := s.standing(ctx, tenant, c); err != nil {
		if errors.Is(err, auth.ErrNotFound) {
			return nil, ended("its session, account or client is gone")
		}
		return nil, fault("verify access token", err)
	}
	return c, nil
}

// standing looks whether what the token stands on is still there.
func (s *Service) standing(ctx context.Context, tenant auth.TenantID, c *guard.Claims) error {
	return s.db.Look(ctx, tenant, func(tx *store.Tx) error {
		v, err := readStanding(tx, c)
		switch {
		case err != nil:
			return err
		case string(v.Account.ID) != c.Subject && c.SessionID != "":
			return ended("the session is another account's")
		case !v.Session.EndedAt.IsZero() || c.SessionID != "" && !tx.Now.Before(v.Session.ExpiresAt):
			return ended("its session has ended")
		case v.Account.Disabled() || v.Client.Disabled() || v.Tenant.Disabled():
			return ended("its account, client or tenant is disabled")
		case v.Revoked:
			return ended("it was revoked")
		}
		return nil
	})
}

func readStanding(tx *store.Tx, c *guard.Claims) (store.Standing, error) {
	switch {
	case c.SessionID != "":
		return tx.Standing(auth.SessionID(c.SessionID), auth.ClientID(c.ClientID), c.JTI)
	case c.Subject != c.ClientID: // only a client that acts for itself has no session
		return store.Standing{}, ended("it names an account but no session")
	}
	return tx.MachineStanding(auth.ClientID(c.ClientID), c.JTI)
}

// untrusted turns guard's refusal into one of ours.
func untrusted(err error) error {
	g, ok := errors.AsType[*guard.Error](err)
	if !ok {
		return fmt.Errorf("verify access token: %w", err)
	}
	if g.Status == http.StatusServiceUnavailable {
		return auth.Unavailable(g, g.RetryAfter)
	}
	e := auth.Refuse(auth.KindUnauthenticated, g.Code, g.Detail())
	e.Err = g
	return e
}

func ended(why string) error {
	e := auth.Refuse(auth.KindUnauthenticated, "invalid_token", "The access token is not valid here.")
	e.Err = errors.New(why)
	return e
}

// maxGuards bounds how many guards are in memory at once.
const maxGuards = 256

// sentry names a guard: whose tokens it checks, and for which audience.
type sentry struct {
	tenant   auth.TenantID
	audience string
}

// guards holds one guard for each tenant and audience that was busy lately.
type guards struct {
	mu sync.Mutex // guards of
	by map[sentry]*guard.Guard
}

func (gs *guards) of(ctx context.Context, s *Service, what sentry) (*guard.Guard, error) {
	gs.mu.Lock()
	g := gs.by[what]
	gs.mu.Unlock()
	if g != nil {
		return g, nil
	}
	// New fetches the keys, so it happens outside the lock; two made at once are one
	// too many, not a danger.
	g, err := s.newGuard(ctx, what)
	if err != nil {
		return nil, err
	}
	gs.mu.Lock()
	defer gs.mu.Unlock()
	if was := gs.by[what]; was != nil {
		return was, nil
	}
	if gs.by == nil {
		gs.by = map[sentry]*guard.Guard{}
	}
	for t := range gs.by {
		if len(gs.by) < maxGuards {
			break
		}
		delete(gs.by, t) // any: it comes back when it is needed
	}
	gs.by[what] = g
	return g, nil
}

// newGuard is a sentry for our own door. It takes the keys from the ring, which has
// them in memory, so it may look often.
func (s *Service) newGuard(ctx context.Context, what sentry) (*guard.Guard, error) {
	return guard.New(ctx, guard.Config{
		Issuer:   what.tenant.Issuer(s.base),
		Audience: what.audience,
		FetchKeys: func(ctx context.Context) ([]byte, error) {
			return s.keys.JWKS(ctx, what.tenant)
		},
		Now:               s.now,
		CacheSize:         4096,
		RefreshInterval:   10 * time.Second,
		MinRefetch:        time.Second,
		InsecureAllowHTTP: true, // nothing is fetched over HTTP; the issuer is only compared
	})
}
