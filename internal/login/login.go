// Package login signs users in and out.
//
// An account that does not exist, one that is disabled or has no password, and a wrong password
// give the same response after the same work: one counted attempt, one read, one comparison, one
// audit event. Only after the right password does the response say that an address is not verified.
// Attempts are counted by canonical login before anything is hashed, for unknown logins too, so
// the limit holds for parallel attempts.
//
// The package does not manage accounts (account does), and creates neither sessions nor tokens
// itself (session and token do).
package login

import (
	"log/slog"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/flow"
	"github.com/watchword-auth/watchword/internal/limit"
	"github.com/watchword-auth/watchword/internal/passkey"
	"github.com/watchword-auth/watchword/internal/password"
	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/session"
	"github.com/watchword-auth/watchword/internal/store"
	"github.com/watchword-auth/watchword/internal/token"
)

// Config configures a Service. All fields except Passkeys, OfferPasskeys, Observe and Log are required.
type Config struct {
	DB       *store.DB
	Hasher   *password.Hasher
	Tokens   *token.Service
	Sessions *session.Service
	Flows    *flow.Service
	Limiter  limit.Limiter
	Rates    limit.Rates
	Now      func() time.Time
	Root     []byte // the secret that all nodes share; each use derives a key by secret.Derive
	// Passkeys is nil where the base URL has no domain name: there are no passkeys then.
	Passkeys *passkey.RelyingParty
	// OfferPasskeys offers a passkey after a sign-in to accounts without one.
	OfferPasskeys bool
	// Observe is called with the result of each attempt: "success" with an empty reason, or
	// "failure" or "error" with one of the Reason constants.
	Observe func(result, reason string)
	Log     *slog.Logger
}

// The reasons of failed attempts, for the audit log and metrics. Responses reveal only what the
// package comment says.
const (
	ReasonUnknown     = "unknown_account"
	ReasonPassword    = "wrong_password"
	ReasonPasskey     = "passkey_refused"
	ReasonCode        = "wrong_code"
	ReasonDisabled    = "account_disabled"
	ReasonLocked      = "account_locked"
	ReasonUnverified  = "email_not_verified"
	ReasonRefused     = "refused"
	ReasonLimited     = "rate_limited"
	ReasonInvalid     = "invalid"
	ReasonUnavailable = "unavailable"
)

// Request is an attempt to sign in.
type Request struct {
	Email    string // or a user name, where the tenant has them
	Password string
	// Cookie requests a session in a cookie instead of tokens.
	Cookie bool
	// Scope is the scope of the tokens; nil for auth.LoginScope.
	Scope auth.Scope
	// ACR are the requested values of acr, the preferred first. The first one that the account can reach is required.
	ACR []string
	// Resource is the API that the tokens are for (RFC 8707); empty for this server's own.
	Resource string
	Actor    auth.Actor
}

// Result is the result of a successful attempt: tokens, or a cookie's secret. Known is the new
// value of the known-browser cookie.
type Result struct {
	// Pending is set instead of everything else when the first factor was right and more is needed.
	Pending Pending
	Known   secret.Text
	Tokens  auth.Tokens
	Cookie  secret.Text
	Session auth.Session
}

// Service is safe for concurrent use.
type Service struct{ cfg Config }

// New returns a Service.
func New(cfg Config) *Service {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Observe == nil {
		cfg.Observe = func(string, string) {}
	}
	return &Service{cfg: cfg}
}
