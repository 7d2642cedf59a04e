package token

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/watchword-auth/watchword/guard"
	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/store"
)

// Verified is an access token that is good, and what it stands for.
type Verified struct {
	*guard.Claims // shared: read them, do not change them
	// Account is whose session it is; empty for a client that acts for itself. It is not
	// always the Subject, which may be a name that the client alone knows.
	Account auth.AccountID
	// FirstParty says that it was given to a client of our own.
	FirstParty bool
	// Actor is who acts for the subject (RFC 8693 §4.1), encoded; empty for nobody.
	Actor json.RawMessage
}

// Verify checks an access token of the tenant for our own API: signature and
// claims as guard does, then in the database that its session lives and that
// account, client and tenant are not shut, so that a revocation counts at once. It says
// nothing of rights: the caller asks auth.RequireScope for the scope of the call, and the
// database for permissions. What Own refuses is refused here. The Subject of what it
// returns is the account's id.
//
// Refusals are Unauthenticated (invalid_token, token_expired) and wrap the
// *guard.Error if there is one; Unavailable when it cannot be known.
//
// The idle limit of a session is that of its cookie and its refresh tokens, and is
// not looked at here: an access token has a limit of its own.
func (s *Service) Verify(ctx context.Context, tenant auth.TenantID, raw string) (*guard.Claims, error) {
	v, err := s.Introspect(ctx, tenant, raw, tenant.Issuer(s.base))
	switch {
	case err != nil:
		return nil, err
	case v.JKT != "":
		return nil, ended("it is bound to a key and came without a proof")
	}
	return Own(v)
}

// Own is what Verify decides, beyond Introspect for the issuer's audience, about a token
// whose key has been proved if it has one. A token that is for another audience as well
// may have been sent to that one: it is refused as Unauthenticated invalid_token. One of
// a client that is not the operator's own is refused as Forbidden client_not_allowed.
func Own(v Verified) (*guard.Claims, error) {
	switch {
	case len(v.Audience) != 1:
		return nil, ended("it is for other audiences as well")
	case v.Account == "":
		return v.Claims, nil
	case !v.FirstParty:
		return nil, auth.Refuse(auth.KindForbidden, "client_not_allowed", "this call is for the service's own clients")
	case v.Subject == string(v.Account):
		return v.Claims, nil
	}
	own := *v.Claims
	own.Subject = string(v.Account)
	return &own, nil
}

// VerifyAudience is Verify for another audience than the issuer's own, for any client and
// for tokens that are bound to a key: for looking at a token, not for serving whoever
// shows it. Audiences are those of registered clients, never a stranger's.
func (s *Service) VerifyAudience(ctx context.Context, tenant auth.TenantID, raw, audience string) (*guard.Claims, error) {
	v, err := s.Introspect(ctx, tenant, raw, audience)
	return v.Claims, err
}

// Introspect is VerifyAudience with what the token stands for. Whoever takes a token from a
// request asks for the key of its JKT as well, if it has one.
func (s *Service) Introspect(ctx context.Context, tenant auth.TenantID, raw, audience string) (Verified, error) {
	v, err := s.read(ctx, tenant, raw, audience)
	if err != nil {
		return Verified{}, err
	}
	seen, err := s.standing(ctx, tenant, v.Claims)
	if err != nil {
		return Verified{}, gone(err)
	}
	v.Account, v.FirstParty = seen.Account.ID, seen.Client.FirstParty
	return v, nil
}

// read checks what the token says of itself, and nothing in the database.
func (s *Service) read(ctx context.Context, tenant auth.TenantID, raw, audience string) (Verified, error) {
	if strings.HasPrefix(raw, AccessPrefix) {
		return s.readOpaque(tenant, raw, audience)
	}
	g, err := s.guards.of(ctx, s, sentry{tenant, audience})
	if err != nil {
		return Verified{}, fault("verify access token", err)
	}
	c, err := g.InsecureVerifyWithoutProof(ctx, raw)
	if err != nil {
		return Verified{}, untrusted(err)
	}
	v := Verified{Claims: c}
	if _, err := c.Claim("act", &v.Actor); err != nil {
		return Verified{}, ended("its act is not JSON")
	}
	return v, nil
}

// gone tells what is not there any more from what could not be looked at.
func gone(err error) error {
	if errors.Is(err, auth.ErrNotFound) {
		return ended("its session, account or client is gone")
	}
	return fault("verify access token", err)
}

// standing looks whether what the token stands on is still there, and returns it.
func (s *Service) standing(ctx context.Context, tenant auth.TenantID, c *guard.Claims) (v store.TokenStatus, err error) {
	err = s.db.ReadOne(ctx, tenant, func(tx *store.Tx) (err error) {
		if v, err = readStanding(tx, c); err != nil {
			return err
		}
		return stands(tx.Now, c, v)
	})
	if err != nil || c.SessionID == "" || string(v.Account.ID) == c.Subject {
		return v, err
	}
	// A name that one client or one sector alone knows: worked out again from the client,
	// which is read for these tokens only.
	return v, s.db.ReadOne(ctx, tenant, func(tx *store.Tx) error {
		client, err := tx.Client(auth.ClientID(c.ClientID))
		if err == nil && s.Subject(client, v.Account.ID) != c.Subject {
			err = ended("the session is another account's")
		}
		return err
	})
}

// stands is the one judgement of what a token stands on.
func stands(now time.Time, c *guard.Claims, v store.TokenStatus) error {
	switch {
	case !v.Session.EndedAt.IsZero() || c.SessionID != "" && !now.Before(v.Session.ExpiresAt):
		return ended("its session has ended")
	case v.Account.Disabled() || v.Client.Disabled() || v.Tenant.Disabled():
		return ended("its account, client or tenant is disabled")
	case v.Revoked:
		return ended("it was revoked")
	}
	return nil
}

func readStanding(tx *store.Tx, c *guard.Claims) (store.TokenStatus, error) {
	switch {
	case c.SessionID != "":
		return tx.TokenStatus(auth.SessionID(c.SessionID), auth.ClientID(c.ClientID), c.JTI)
	case c.Subject != c.ClientID: // only a client that acts for itself has no session
		return store.TokenStatus{}, ended("it names an account but no session")
	}
	return tx.MachineTokenStatus(auth.ClientID(c.ClientID), c.JTI)
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

func ended(why string) error { return refusedToken(errors.New(why)) }

func refusedToken(why error) error {
	e := auth.Refuse(auth.KindUnauthenticated, "invalid_token", "The access token is not valid here.")
	e.Err = why
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
			return s.keys.Public(ctx, what.tenant)
		},
		Now:               s.now,
		Logger:            slog.New(slog.DiscardHandler), // the ring logs what fails
		CacheSize:         4096,
		RefreshInterval:   10 * time.Second,
		MinRefetch:        time.Second,
		InsecureAllowHTTP: true, // nothing is fetched over HTTP; the issuer is only compared
	})
}
