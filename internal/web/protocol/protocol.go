// Package protocol has the handlers that clients of OAuth and OpenID Connect call: the endpoints
// for programs, and the published documents.
//
// A handler reads parameters as the RFCs require, calls one service, and writes the response or
// error of the protocol. It has no pages and reads no cookie. New returns the handlers.
package protocol

import (
	"time"

	"github.com/watchword-auth/watchword/internal/client"
	"github.com/watchword-auth/watchword/internal/keys"
	"github.com/watchword-auth/watchword/internal/oidc"
)

// Handlers has the handlers of the package.
type Handlers struct {
	clients   *client.Service
	oidc      *oidc.Service
	keys      *keys.Ring
	documents documents
	maxAge    []string // Cache-Control of the documents
	origins   []string // that may use the passkeys of this server, beside its own
}

// Config has the services that the handlers call. All but PasskeyOrigins are required.
type Config struct {
	Clients *client.Service
	OIDC    *oidc.Service
	Keys    *keys.Ring
	// MaxAge is how long clients may cache the published documents.
	MaxAge time.Duration
	// PasskeyOrigins are the further origins that use the passkeys of this server.
	PasskeyOrigins []string
}

// New returns the handlers, which call the services of cfg.
func New(cfg Config) *Handlers {
	return &Handlers{clients: cfg.Clients, oidc: cfg.OIDC, keys: cfg.Keys, maxAge: cacheFor(cfg.MaxAge), origins: cfg.PasskeyOrigins}
}
