// Package oidc is the OAuth 2.1 and OpenID Connect provider: authorization requests with
// their flows, consent and codes (authorize*.go), devices (device*.go), the token endpoint
// with its grants (token.go, grant_*.go), userinfo, introspection, revocation, and logout
// with its messages to clients (logout*.go).
//
// Every endpoint of a client begins with client.Service.Authenticate. The token endpoint is
// one pipeline (token.go); a grant is a small file (grant_*.go) and a line in the table of
// grants, and cannot forget client authentication, scope or the issuing decision. Metadata
// lists what that table holds.
//
// The package knows no HTTP: web hands it the form and the Authorization header as text, and
// gives its *oauth.Error a status.
package oidc

import (
	"log/slog"
	"time"

	"github.com/watchword-auth/watchword/internal/client"
	"github.com/watchword-auth/watchword/internal/flow"
	"github.com/watchword-auth/watchword/internal/keys"
	"github.com/watchword-auth/watchword/internal/limit"
	"github.com/watchword-auth/watchword/internal/outbound"
	"github.com/watchword-auth/watchword/internal/session"
	"github.com/watchword-auth/watchword/internal/store"
	"github.com/watchword-auth/watchword/internal/token"
)

// Config describes a Service. DB, Clients, Tokens, Limiter, Rates, Base and Now are required.
// Keys, Sessions, Flows and Root are required by the endpoints that use them.
type Config struct {
	DB       *store.DB
	Clients  *client.Service
	Tokens   *token.Service
	Keys     *keys.Ring       // signs ID Tokens and the like
	Sessions *session.Service // starts and ends sessions
	Flows    *flow.Service    // leads users through sign-in and consent
	Out      *outbound.Client // sends requests to clients' URLs; nil means public addresses only
	// Root is the secret that all nodes share; each use derives a key by secret.Derive.
	Root    []byte
	Limiter limit.Limiter
	Rates   limit.Rates
	// Base is the server's own URL without a trailing slash.
	Base string
	Now  func() time.Time
	// PKCEOptional lets confidential clients omit the code_challenge.
	PKCEOptional bool
	// Resources are those for which every client may request tokens.
	Resources []string
	// Lifetimes of authorization codes (60 s when zero), pushed requests (60 s) and
	// codes of devices (10 min).
	CodeLifetime, PushedLifetime, DeviceLifetime time.Duration
	// Observe is called with the result of each request for tokens: the grant ("unknown" for
	// an unsupported one) and "issued" or the error's code. May be nil.
	Observe func(grant, result string)
	Log     *slog.Logger
}

// Service is safe for concurrent use.
type Service struct {
	cfg        Config
	deliveries deliveryLimiter
}

// New returns a Service.
func New(cfg Config) *Service {
	if cfg.Observe == nil {
		cfg.Observe = func(string, string) {}
	}
	if cfg.Out == nil {
		cfg.Out = outbound.New(outbound.Config{})
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	s := &Service{cfg: cfg}
	if cfg.Flows != nil {
		cfg.Flows.AnswerWith(s.answerFlow)
	}
	return s
}
