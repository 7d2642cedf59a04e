// Package oidc is the OAuth 2.1 and OpenID Connect provider: the clients that are
// registered and how they prove who they are (client*.go), authorization requests with
// their flows, consent and codes (authorize*.go), devices (device*.go), the token
// endpoint with its grants (token.go, grant_*.go), userinfo, introspection, revocation,
// and log-out with its messages to clients (logout*.go).
//
// Every endpoint begins with Authenticate, the one place where a client proves
// itself. The token endpoint is one pipeline (token.go); a grant is a small file
// (grant_*.go) and a line in the table of grants, and cannot forget client
// authentication, scope or the issuing decision. What Metadata lists is made from
// that same table, so nothing is advertised that is not there.
//
// The package knows the words of the protocol and no HTTP: web hands it the form and
// the Authorization header as text, and gives its *Error a status.
package oidc

import (
	"cmp"
	"context"
	"log/slog"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/keys"
	"github.com/watchword-auth/watchword/internal/limit"
	"github.com/watchword-auth/watchword/internal/outbound"
	"github.com/watchword-auth/watchword/internal/session"
	"github.com/watchword-auth/watchword/internal/store"
	"github.com/watchword-auth/watchword/internal/token"
)

// Rates are the limits that count by credential, wherever requests come from.
type Rates struct {
	// Client counts failed attempts to prove oneself as one client.
	Client limit.Rate
	// Family counts refreshes within one family of refresh tokens.
	Family limit.Rate
	// Public counts, by address, what is left here in the name of clients that prove
	// nothing: pushed requests and codes of devices. 120/1m burst 240 when zero.
	Public limit.Rate
	// UserCode counts wrong codes of devices that were entered from one address,
	// UserCodeAccount those by one person.
	UserCode        limit.Rate
	UserCodeAccount limit.Rate
}

// Config describes a Service. DB, Tokens, Limiter, Rates, Base and Now are required;
// Keys, Sessions and Root where what needs them is used.
type Config struct {
	DB       *store.DB
	Tokens   *token.Service
	Keys     *keys.Ring       // signs ID Tokens and the like
	Sessions *session.Service // ends what a client or a person has
	Out      *outbound.Client // asks addresses that clients name; nil: on the public network alone
	// Root is the secret of all nodes; each use has a key of its own, by secret.Derive.
	Root    []byte
	Limiter limit.Limiter
	Rates   Rates
	// Base is the server's own URL without a slash at its end.
	Base string
	Now  func() time.Time
	// EndpointAudience takes the URL of the endpoint as the audience of a client's
	// assertion too, for old clients. The issuer alone is safer: an assertion made for
	// one server cannot be shown to another that shares the URL.
	EndpointAudience bool
	// PKCEOptional lets confidential clients do without a code_challenge.
	PKCEOptional bool
	// Registration says who may register clients by RFC 7591, where the tenant does not:
	// "closed" (also when empty), "token" or "open".
	Registration string
	// RedirectSchemes are private-use schemes without a dot that native clients may have.
	RedirectSchemes []string
	// Documents takes the URL of a client's metadata document as a client_id.
	Documents bool
	// Resources are those for which every client may ask for tokens.
	Resources []string
	// ResourceScopes are the scopes that go with those resources: every client may be
	// granted them in tokens for that resource alone.
	ResourceScopes map[string][]string
	// Lifetimes of authorization codes (60 s when zero), pushed requests (60 s) and
	// codes of devices (10 min).
	CodeLifetime, PushedLifetime, DeviceLifetime time.Duration
	// DPoPNonce asks for a nonce in every proof (RFC 9449 §8).
	DPoPNonce bool
	// Observe is told what became of each request for tokens: the grant ("unknown" for
	// one that we do not have) and "issued" or the error's code. May be nil.
	Observe func(grant, result string)
	Log     *slog.Logger
}

// Service is safe for concurrent use.
type Service struct {
	cfg       Config
	keySets   keySets
	documents documents
	patience  patience
}

// New returns a Service.
func New(cfg Config) *Service {
	if cfg.Observe == nil {
		cfg.Observe = func(string, string) {}
	}
	cfg.CodeLifetime = cmp.Or(cfg.CodeLifetime, time.Minute)
	cfg.PushedLifetime = cmp.Or(cfg.PushedLifetime, time.Minute)
	cfg.DeviceLifetime = cmp.Or(cfg.DeviceLifetime, 10*time.Minute)
	if cfg.Rates.Public == (limit.Rate{}) {
		cfg.Rates.Public = limit.Rate{Count: 120, Per: time.Minute, Burst: 240}
	}
	if cfg.Out == nil {
		cfg.Out = outbound.New(outbound.Config{Timeout: 5 * time.Second})
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	s := &Service{cfg: cfg}
	s.keySets = keySets{fetch: s.published, now: cfg.Now, known: map[keySource]*keySet{}}
	s.documents = documents{failed: map[string]time.Time{}}
	return s
}

// Request is what a client sent to an endpoint.
type Request struct {
	Tenant        auth.TenantID
	Authorization []string // the values of the header of that name
	Proof         []string // the values of the header DPoP (RFC 9449 §4)
	Accept        []string // the values of the header of that name
	Method        string   // of the request
	URL           string   // of the endpoint, made from the issuer
	Form          Form
	Actor         auth.Actor // from where; who it is has to be proved
}

// take counts one event against a rate, or refuses with rate_limited.
func (s *Service) take(ctx context.Context, key string, r limit.Rate) error {
	return s.takeAll(ctx, []limit.Bucket{{Key: key, Rate: r}})
}

// takeAll counts one event in every bucket, or in none and refuses with rate_limited.
func (s *Service) takeAll(ctx context.Context, buckets []limit.Bucket) error {
	d, err := s.cfg.Limiter.TakeAll(ctx, buckets)
	if err != nil {
		s.cfg.Log.Error("a rate limit could not be asked", "error", err) // the decision that comes with it refuses
	}
	if d.OK {
		return nil
	}
	return auth.Throttled(d.RetryAfter)
}

// refund gives one event back.
func (s *Service) refund(ctx context.Context, key string, r limit.Rate) {
	s.refundAll(ctx, []limit.Bucket{{Key: key, Rate: r}})
}

// refundAll gives one event of every bucket back, also to a caller who has gone away.
func (s *Service) refundAll(ctx context.Context, buckets []limit.Bucket) {
	if err := s.cfg.Limiter.RefundAll(context.WithoutCancel(ctx), buckets); err != nil {
		s.cfg.Log.Warn("a rate limit was not given back", "error", err)
	}
}
