// Package token issues, rotates, verifies and revokes access tokens, ID tokens and
// families of refresh tokens. Only this package decides whether a token may be issued.
//
// Issuing has two halves, because nothing is signed inside a transaction: Start decides
// and writes within the caller's Write, Finish signs after its commit. Refresh does
// both. Verify is for the server's own API: it checks what guard checks, and the
// database, so that a revocation takes effect at once.
//
// An access token is a JWT (RFC 9068) or opaque, sealed by the server. An ID token goes
// with it if the client requested openid. A refresh token is opaque, and only the
// digest of the newest one of a family is stored (docs/tokens.md).
package token

import (
	"crypto/cipher"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/keys"
	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/store"
)

// Config describes a Service.
type Config struct {
	DB   *store.DB
	Keys *keys.Ring
	// Base is the server's own URL without a trailing slash. Issuers are made from it.
	Base string
	Now  func() time.Time
	// Lifetimes apply where a tenant has none of its own.
	Lifetimes auth.Lifetimes
	// Grace is how long after a rotation a second use of the used token counts as a
	// race. Zero: every second use is reuse, even if Retry is set.
	Grace time.Duration
	// Retry is how long after a rotation the used token yields the same successor,
	// while that has not been used. Zero: no longer than Grace.
	Retry time.Duration
	// Resources are the resources for which every client may request tokens.
	Resources []string
	// ResourceScopes are the scopes of those resources. Any client may be granted them, in
	// tokens for that resource only.
	ResourceScopes map[string][]string
	// Algorithm signs the tokens of tenants without the setting. It is that of Keys when empty.
	Algorithm string
	// Root is a secret of 32 bytes that all nodes share and that is not stored in the
	// clear.
	Root []byte
	// ObserveRefresh, if set, is called with the verdict about each refresh token: "rotated",
	// "race", "retry", "late", "reuse" or "invalid".
	ObserveRefresh func(verdict string)
	Log            *slog.Logger
}

// Service issues and checks tokens. It is safe for concurrent use.
type Service struct {
	db        *store.DB
	keys      *keys.Ring
	base      string
	now       func() time.Time
	lifetimes auth.Lifetimes
	grace     time.Duration
	retry     time.Duration
	resources []string
	algorithm string
	form      refreshForm

	resourceScopes map[string][]string

	pairwiseKey    []byte
	opaque         cipher.AEAD
	observeRefresh func(string)
	guards         guardCache
	log            *slog.Logger
}

// New returns a Service. It panics when Root is not 32 bytes: anyone could forge its refresh
// tokens.
func New(cfg Config) *Service {
	if len(cfg.Root) != 32 {
		panic("token: Config.Root: 32 bytes are required")
	}
	s := &Service{
		db: cfg.DB, keys: cfg.Keys, base: cfg.Base, now: cfg.Now, lifetimes: cfg.Lifetimes,
		grace: cfg.Grace, resources: cfg.Resources, algorithm: cfg.Algorithm, form: newRefreshForm(cfg.Root), pairwiseKey: secret.Derive(cfg.Root, "pairwise subject"),
		opaque: newOpaque(cfg.Root), observeRefresh: cfg.ObserveRefresh, log: cfg.Log,
	}
	s.resourceScopes = cfg.ResourceScopes
	if s.grace > 0 {
		s.retry = cfg.Retry
	}
	if s.algorithm == "" {
		s.algorithm = s.keys.Algorithm()
	}
	if s.observeRefresh == nil {
		s.observeRefresh = func(string) {}
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	return s
}

// CheckIssuance decides whether anything may be issued: the tenant, the client and the account are enabled,
// its owner has not locked it, and the address is verified unless the tenant does not require that. A machine has a zero account.
// Refusals: Forbidden tenant_disabled, Unauthenticated client_disabled, Unauthenticated account_disabled,
// Forbidden account_locked, Forbidden email_not_verified.
func CheckIssuance(t auth.Tenant, a auth.Account, c auth.Client) error {
	switch {
	case t.Disabled():
		return auth.Refuse(auth.KindForbidden, auth.CodeTenantDisabled, "the tenant is disabled")
	case c.Disabled():
		return auth.Refuse(auth.KindUnauthenticated, auth.CodeClientDisabled, "the client is disabled")
	case a.ID == "":
		return nil
	case a.Disabled():
		return auth.Refuse(auth.KindUnauthenticated, auth.CodeAccountDisabled, "the account is disabled")
	case a.Locked():
		return auth.Refuse(auth.KindForbidden, auth.CodeAccountLocked, "the account is locked; choose a new password by the link that was mailed")
	case !a.Verified() && !t.Settings.AllowUnverified:
		return auth.Refuse(auth.KindForbidden, auth.CodeEmailNotVerified, "confirm your email address first; we have sent you a link")
	}
	return nil
}

// checkAuthentication decides whether the sign-in on which a user's grant rests is enough for tokens
// of the client now. Refusal: Unauthenticated mfa_required.
func checkAuthentication(t auth.Tenant, v auth.Session, a auth.Account, roles []string, c auth.Client, now time.Time) error {
	if t.Settings.Factors.Suffices(v, a, roles, c, now) {
		return nil
	}
	return auth.Refuse(auth.KindUnauthenticated, auth.CodeMFARequired, "a second factor is required since this sign-in; sign in again")
}

// wrapInternal adds the operation to an error. It returns a refusal unchanged.
func wrapInternal(operation string, err error) error {
	if _, ok := errors.AsType[*auth.Error](err); ok {
		return err
	}
	return fmt.Errorf("%s: %w", operation, err)
}
