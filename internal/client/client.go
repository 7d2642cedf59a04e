// Package client holds the registrations of OAuth clients: how a client is created,
// validated, changed, disabled and deleted; how it registers itself (RFC 7591, RFC 7592) or
// describes itself in a document; its secrets and keys; and how it authenticates.
//
// Authenticate is the only place where a client authenticates, at every endpoint, and
// validate is the only check of a registration, whatever its origin. Proofs of
// possession (RFC 9449) are checked and consumed here as well.
//
// The package knows neither grants nor authorization requests, and no HTTP. Callers pass the
// form and the headers as text and receive an *oauth.Error or an *auth.Error.
package client

import (
	"cmp"
	"log/slog"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/limit"
	"github.com/watchword-auth/watchword/internal/outbound"
	"github.com/watchword-auth/watchword/internal/store"
	"github.com/watchword-auth/watchword/internal/token"
)

// Config describes a Service. DB, Tokens, Limiter, Rates, Base and Now are required.
type Config struct {
	DB     *store.DB
	Tokens *token.Service
	Out    *outbound.Client // fetches what clients publish; nil means public addresses only
	// Root is the secret that all nodes share; each use derives a key by secret.Derive.
	Root    []byte
	Limiter limit.Limiter
	Rates   limit.Rates
	// Base is the server's own URL without a trailing slash.
	Base string
	Now  func() time.Time
	// EndpointAudience accepts the URL of the token endpoint as the audience of an assertion,
	// for old clients. To accept only the issuer is safer: an assertion for one server cannot be
	// replayed at another one that shares the URL.
	EndpointAudience bool
	// Registration is the default mode of dynamic registration (RFC 7591) for tenants:
	// "closed" (also when empty), "token" or "open".
	Registration string
	// RedirectSchemes are private-use schemes without a dot that native clients may use.
	RedirectSchemes []string
	// Documents accepts the URL of a client metadata document as a client_id.
	Documents bool
	// Grants are those of the token endpoint; only they can be registered.
	Grants []Grant
	// ResourceScopes are the scopes of the resources that are open to every client.
	ResourceScopes map[string][]string
	// DPoPNonce requires a nonce in every proof (RFC 9449 §8).
	DPoPNonce bool
	Log       *slog.Logger
}

// Grant holds the properties of a grant that matter to a registration.
type Grant struct {
	Name         auth.GrantType
	Short        string // at the command line
	Confidential bool   // for confidential clients only; the client acts for itself
	ForUser      bool   // on behalf of a user; may issue an ID Token
	SelfService  bool   // a client may register itself for it
}

// Service is safe for concurrent use.
type Service struct {
	cfg       Config
	keySets   keySets
	documents documents
}

// New returns a Service.
func New(cfg Config) *Service {
	if cfg.Out == nil {
		cfg.Out = outbound.New(outbound.Config{})
	}
	cfg.Log = cmp.Or(cfg.Log, slog.New(slog.DiscardHandler))
	s := &Service{cfg: cfg, documents: documents{failed: map[string]time.Time{}}}
	s.keySets = keySets{fetch: s.FetchDocument, now: cfg.Now, known: map[keySource]*keySet{}}
	return s
}
