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

// Verified is a verified access token with its account and client.
type Verified struct {
	*guard.Claims // shared: read them, do not change them
	// Account owns the session; empty for a client that acts for itself. It differs from the
	// Subject for pairwise clients.
	Account auth.AccountID
	// FirstParty reports whether it was issued to a first-party client.
	FirstParty bool
	// Actor is the actor of the subject (RFC 8693 §4.1), encoded; empty for none.
	Actor json.RawMessage
}

// Verify verifies an access token of the tenant for the server's own API. It checks signature
// and claims as guard does, then in the database that the session is live and that account,
// client and tenant are enabled, so a revocation takes effect at once. It does not check rights:
// the caller requires scopes with auth.RequireScope and reads permissions from the database. It
// refuses what RestrictToFirstParty refuses. The Subject of the result is the ID of the account.
//
// Refusals are Unauthenticated (invalid_token, token_expired) and wrap the *guard.Error if there
// is one; Unavailable when the database does not answer.
//
// The idle limit of a session applies to its cookie and its refresh tokens and not to access
// tokens, which have a lifetime of their own.
func (s *Service) Verify(ctx context.Context, tenant auth.TenantID, raw string) (*guard.Claims, error) {
	v, err := s.Introspect(ctx, tenant, raw, tenant.Issuer(s.base))
	switch {
	case err != nil:
		return nil, err
	case v.JKT != "":
		return nil, invalidToken("it is bound to a key and has no DPoP proof")
	}
	return RestrictToFirstParty(v)
}

// RestrictToFirstParty is what Verify requires beyond Introspect for the issuer's audience. A
// token for a further audience may have been sent there: it is refused as Unauthenticated
// invalid_token. A token of a client that is not first-party is refused as Forbidden
// client_not_allowed.
func RestrictToFirstParty(v Verified) (*guard.Claims, error) {
	switch {
	case len(v.Audience) != 1:
		return nil, invalidToken("it has further audiences")
	case v.Account == "":
		return v.Claims, nil
	case !v.FirstParty:
		return nil, auth.Refuse(auth.KindForbidden, auth.CodeClientNotAllowed, "this call requires a first-party client")
	case v.Subject == string(v.Account):
		return v.Claims, nil
	}
	own := *v.Claims
	own.Subject = string(v.Account)
	return &own, nil
}

// VerifyAudience is Verify for another audience, for any client and for sender-constrained
// tokens. It is for inspecting a token, not for serving its bearer. The audience must be that of
// a registered client.
func (s *Service) VerifyAudience(ctx context.Context, tenant auth.TenantID, raw, audience string) (*guard.Claims, error) {
	v, err := s.Introspect(ctx, tenant, raw, audience)
	return v.Claims, err
}

// Introspect is VerifyAudience with the account and client of the token. A caller that received the
// token in a request also requires the DPoP proof of its JKT.
func (s *Service) Introspect(ctx context.Context, tenant auth.TenantID, raw, audience string) (Verified, error) {
	v, err := s.verifyClaims(ctx, tenant, raw, audience)
	if err != nil {
		return Verified{}, err
	}
	status, err := s.readTokenStatus(ctx, tenant, v.Claims)
	if err != nil {
		return Verified{}, mapNotFound(err)
	}
	v.Account, v.FirstParty = status.Account.ID, status.Client.FirstParty
	return v, nil
}

// verifyClaims verifies the token by itself, without the database.
func (s *Service) verifyClaims(ctx context.Context, tenant auth.TenantID, raw, audience string) (Verified, error) {
	if strings.HasPrefix(raw, AccessPrefix) {
		return s.verifyOpaque(tenant, raw, audience)
	}
	g, err := s.guards.get(ctx, s, guardKey{tenant, audience})
	if err != nil {
		return Verified{}, wrapInternal("verify access token", err)
	}
	c, err := g.InsecureVerifyWithoutProof(ctx, raw)
	if err != nil {
		return Verified{}, mapGuardError(err)
	}
	v := Verified{Claims: c}
	if _, err := c.Claim("act", &v.Actor); err != nil {
		return Verified{}, invalidToken("its act is not JSON")
	}
	return v, nil
}

// mapNotFound turns a missing row into invalid_token. Every other error is internal.
func mapNotFound(err error) error {
	if errors.Is(err, auth.ErrNotFound) {
		return invalidToken("its session, account or client was deleted")
	}
	return wrapInternal("verify access token", err)
}

// readTokenStatus reads what the token depends on and checks it.
func (s *Service) readTokenStatus(ctx context.Context, tenant auth.TenantID, c *guard.Claims) (v store.TokenStatus, err error) {
	err = s.db.ReadOne(ctx, tenant, func(tx *store.Tx) (err error) {
		if v, err = selectTokenStatus(tx, c); err != nil {
			return err
		}
		return checkStatus(tx.Now, c, v)
	})
	if err != nil || c.SessionID == "" || string(v.Account.ID) == c.Subject {
		return v, err
	}
	// A pairwise subject is computed again from the client, which is read only for these tokens.
	return v, s.db.ReadOne(ctx, tenant, func(tx *store.Tx) error {
		client, err := tx.Client(auth.ClientID(c.ClientID))
		if err == nil && s.Subject(client, v.Account.ID) != c.Subject {
			err = invalidToken("the session is another account's")
		}
		return err
	})
}

// checkStatus checks the session, account, client and tenant of a token.
func checkStatus(now time.Time, c *guard.Claims, v store.TokenStatus) error {
	switch {
	case !v.Session.EndedAt.IsZero() || c.SessionID != "" && !now.Before(v.Session.ExpiresAt):
		return invalidToken("its session has ended")
	case v.Account.Disabled() || v.Account.Locked() || v.Client.Disabled() || v.Tenant.Disabled():
		return invalidToken("its account is locked, or its account, client or tenant is disabled")
	case v.Revoked:
		return invalidToken("it was revoked")
	}
	return nil
}

func selectTokenStatus(tx *store.Tx, c *guard.Claims) (store.TokenStatus, error) {
	switch {
	case c.SessionID != "":
		return tx.TokenStatus(auth.SessionID(c.SessionID), auth.ClientID(c.ClientID), c.JTI)
	case c.Subject != c.ClientID: // only a client that acts for itself has no session
		return store.TokenStatus{}, invalidToken("it names an account but no session")
	}
	return tx.MachineTokenStatus(auth.ClientID(c.ClientID), c.JTI)
}

// mapGuardError turns guard's error into a refusal.
func mapGuardError(err error) error {
	g, ok := errors.AsType[*guard.Error](err)
	if !ok {
		return fmt.Errorf("verify access token: %w", err)
	}
	if g.Status == http.StatusServiceUnavailable {
		return auth.Unavailable(g, g.RetryAfter)
	}
	e := auth.Refuse(auth.KindUnauthenticated, auth.Code(g.Code), g.Detail())
	e.Err = g
	return e
}

func invalidToken(reason string) error { return refuseToken(errors.New(reason)) }

func refuseToken(cause error) error {
	e := auth.Refuse(auth.KindUnauthenticated, auth.CodeInvalidToken, "The access token is not valid.")
	e.Err = cause
	return e
}

// maxGuards bounds how many guards are in memory at once.
const maxGuards = 256

// guardKey names a guard by tenant and audience.
type guardKey struct {
	tenant   auth.TenantID
	audience string
}

// guardCache holds one guard for each recent tenant and audience.
type guardCache struct {
	mu     sync.Mutex // protects guards
	guards map[guardKey]*guard.Guard
}

func (gs *guardCache) get(ctx context.Context, s *Service, key guardKey) (*guard.Guard, error) {
	gs.mu.Lock()
	g := gs.guards[key]
	gs.mu.Unlock()
	if g != nil {
		return g, nil
	}
	// newGuard reads the keys, so it runs outside the lock. Making the same guard twice does no harm.
	g, err := s.newGuard(ctx, key)
	if err != nil {
		return nil, err
	}
	gs.mu.Lock()
	defer gs.mu.Unlock()
	if made := gs.guards[key]; made != nil {
		return made, nil
	}
	if gs.guards == nil {
		gs.guards = map[guardKey]*guard.Guard{}
	}
	for t := range gs.guards {
		if len(gs.guards) < maxGuards {
			break
		}
		delete(gs.guards, t) // any guard; it is made again when needed
	}
	gs.guards[key] = g
	return g, nil
}

// newGuard makes a guard for the server's own API. It reads the keys from the ring, which holds
// them in memory, so frequent refreshes are cheap.
func (s *Service) newGuard(ctx context.Context, key guardKey) (*guard.Guard, error) {
	return guard.New(ctx, guard.Config{
		Issuer:   key.tenant.Issuer(s.base),
		Audience: key.audience,
		FetchKeys: func(ctx context.Context) ([]byte, error) {
			return s.keys.CurrentJWKS(ctx, key.tenant)
		},
		Now:               s.now,
		Logger:            slog.New(slog.DiscardHandler), // the ring logs what fails
		CacheSize:         4096,
		RefreshInterval:   10 * time.Second,
		MinRefetch:        time.Second,
		InsecureAllowHTTP: true, // nothing is fetched over HTTP; the issuer is only compared
	})
}
