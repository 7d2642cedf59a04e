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
	g, err := s.guards.of(ctx, s, tenant)
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
	if c.SessionID == "" {
		return s.db.Read(ctx, tenant, func(tx *store.Tx) error { return machine(tx, c) })
	}
	return s.db.Look(ctx, tenant, func(tx *store.Tx) error {
		v, err := tx.Standing(auth.SessionID(c.SessionID), auth.ClientID(c.ClientID))
		switch {
		case err != nil:
			return err
		case string(v.Account.ID) != c.Subject:
			return ended("the session is another account's")
		case !v.Session.EndedAt.IsZero() || !tx.Now.Before(v.Session.ExpiresAt):
			return ended("its session has ended")
		case v.Account.Disabled() || v.Client.Disabled() || v.Tenant.Disabled():
			return ended("its account, client or tenant is disabled")
		}
		return nil
	})
}

// machine looks at a client that acts for itself.
func machine(tx *store.Tx, c *guard.Claims) error {
	if c.Subject != c.ClientID {
		return ended("it names an account but no session")
	}
	client, err := tx.Client(auth.ClientID(c.ClientID))
	if err != nil {
		return err
	}
	t, err := tx.Self()
	if err != nil {
		return err
	}
	if client.Disabled() || t.Disabled() {
		return ended("its client or tenant is disabled")
	}
	return nil
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

// maxGuards bounds how many tenants have a guard in memory at once.
const maxGuards = 256

// guards holds one guard for each tenant that was busy lately.
type guards struct {
	mu sync.Mutex // guards of
	by map[auth.TenantID]*guard.Guard
}

func (gs *guards) of(ctx context.Context, s *Service, tenant auth.TenantID) (*guard.Guard, error) {
	gs.mu.Lock()
	g := gs.by[tenant]
	gs.mu.Unlock()
	if g != nil {
		return g, nil
	}
	// New fetches the keys, so it happens outside the lock; two made at once are one
	// too many, not a danger.
	g, err := s.newGuard(ctx, tenant)
	if err != nil {
		return nil, err
	}
	gs.mu.Lock()
	defer gs.mu.Unlock()
	if was := gs.by[tenant]; was != nil {
		return was, nil
	}
	if gs.by == nil {
		gs.by = map[auth.TenantID]*guard.Guard{}
	}
	for t := range gs.by {
		if len(gs.by) < maxGuards {
			break
		}
		delete(gs.by, t) // any: it comes back when it is needed
	}
	gs.by[tenant] = g
	return g, nil
}

// newGuard is a sentry for our own door. It takes the keys from the ring, which has
// them in memory, so it may look often.
func (s *Service) newGuard(ctx context.Context, tenant auth.TenantID) (*guard.Guard, error) {
	return guard.New(ctx, guard.Config{
		Issuer: tenant.Issuer(s.base),
		FetchKeys: func(ctx context.Context) ([]byte, error) {
			return s.keys.JWKS(ctx, tenant)
		},
		Now:               s.now,
		CacheSize:         4096,
		RefreshInterval:   10 * time.Second,
		MinRefetch:        time.Second,
		InsecureAllowHTTP: true, // nothing is fetched over HTTP; the issuer is only compared
	})
}
