// Package token is what is handed out, whoever asked: the one decision whether
// anything may be issued, access tokens, and families of refresh tokens — minted,
// rotated, verified, revoked.
//
// Issuing has two halves, because nothing is signed inside a transaction: Start
// decides and writes within the caller's Write, Finish signs after its commit.
// Refresh does both. Verify is for our own API: what guard checks by itself, plus
// a look at the database, so that a revocation counts at once.
//
// An access token is a JWT of RFC 9068; a refresh token is opaque, and only the
// digest of the newest one of a family is stored (docs/tokens.md).
package token

import (
	"context"
	"log/slog"
	"time"

	"github.com/watchword-auth/watchword/guard"
	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/keys"
	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/store"
)

// Config describes a Service.
type Config struct {
	DB   *store.DB
	Keys *keys.Ring
	// Base is the server's own URL without a trailing slash; a tenant's issuer is
	// made from it.
	Base string
	Now  func() time.Time // time.Now when nil
	// Lifetimes hold where a tenant's settings say nothing. Zero fields: access 15
	// minutes, refresh 30 days idle and 180 days absolute.
	Lifetimes auth.Lifetimes
	// Grace is how long after a rotation the spent token still yields the same
	// successor. Zero: no grace, every second use is theft.
	Grace time.Duration
	// Algorithm signs where a tenant's settings say nothing; the ring's when empty.
	Algorithm string
	// Root is a secret of 32 bytes that all nodes share and that is not in the
	// database in the clear.
	Root []byte
	// Refreshed is told what became of each refresh token: "rotated", "race",
	// "reuse" or "invalid". May be nil.
	Refreshed func(verdict string)
	Log       *slog.Logger
}

// Draft is a grant that was decided and written down, but not signed.
type Draft struct {
	tenant    auth.TenantID
	grant     auth.Grant
	algorithm string
	lifetime  time.Duration // of the access token
	refresh   secret.Text   // empty without offline_access
	idle      time.Duration // until the refresh token dies unused
}

// Service issues and checks tokens. It is safe for concurrent use.
type Service struct{ cfg Config }

// New returns a Service. It panics when Root is not 32 bytes.
func New(cfg Config) *Service { return &Service{cfg: cfg} }

// Decide is the one answer to "may anything be issued now?": the tenant is open,
// the client not shut, the account not disabled, its address proved unless the
// tenant does without. A client that acts for itself has a zero account. Refusals:
// Forbidden tenant_disabled, Unauthenticated client_disabled, Unauthenticated
// account_disabled, Forbidden email_not_verified.
func Decide(t auth.Tenant, a auth.Account, c auth.Client) error {
	switch {
	case t.Disabled():
		return auth.Refuse(auth.KindForbidden, "tenant_disabled", "this service is closed")
	case c.Disabled():
		return auth.Refuse(auth.KindUnauthenticated, "client_disabled", "this client is disabled")
	case a.ID == "":
		return nil
	case a.Disabled():
		return auth.Refuse(auth.KindUnauthenticated, "account_disabled", "this account is disabled")
	case !a.Verified() && !t.Settings.AllowUnverified:
		return auth.Refuse(auth.KindForbidden, "email_not_verified", "confirm your e-mail address first; we have sent you a link")
	}
	return nil
}

// Start decides whether the grant may be issued and writes what has to be kept: a
// refresh family when the scope has offline_access. It fills in the account's
// roles and permissions. It belongs inside Write; without offline_access inside
// Read as well. The session, if there is one, must be stored already.
func (s *Service) Start(tx *store.Tx, g auth.Grant) (Draft, error) { panic("skeleton") }

// Finish signs what Start wrote down, after the commit.
func (s *Service) Finish(ctx context.Context, d Draft) (auth.Tokens, error) { panic("skeleton") }

// Refresh spends a refresh token and returns its successor with a fresh access
// token. A nil scope means the one granted; a narrower one narrows this access
// token alone; a wider one is refused as Invalid invalid_scope and spends nothing.
//
// Refusals of the token are Unauthenticated: invalid_refresh_token for what is
// unknown, expired, revoked, another client's, or whose account may get nothing
// any more; refresh_token_reused when a spent token came back after its grace, upon
// which its session and the whole family have ended.
func (s *Service) Refresh(ctx context.Context, tenant auth.TenantID, client auth.ClientID, raw string, scope auth.Scope, actor auth.Actor) (auth.Tokens, error) {
	panic("skeleton")
}

// Verify checks an access token of the tenant for our own API: signature and
// claims as guard does, then in the database that its session lives and that
// account, client and tenant are not shut. Refusals are Unauthenticated
// (invalid_token, token_expired) and wrap the *guard.Error if there is one;
// Unavailable when it cannot be known.
func (s *Service) Verify(ctx context.Context, tenant auth.TenantID, raw string) (*guard.Claims, error) {
	panic("skeleton")
}

// End ends the session and the family of a refresh token that belongs to the
// account, inside the caller's Write. It reports whether it did; a token that is
// garbage, unknown or another account's changes nothing.
func (s *Service) End(tx *store.Tx, account auth.AccountID, raw, reason string) (bool, error) {
	panic("skeleton")
}

// Revoke ends the session and the family of a refresh token (RFC 7009 §2.1) and
// leaves an audit line. A token that is garbage, unknown, dead or another client's
// changes nothing and is no error (§2.2).
func (s *Service) Revoke(ctx context.Context, tenant auth.TenantID, client auth.ClientID, raw string, actor auth.Actor) error {
	panic("skeleton")
}
