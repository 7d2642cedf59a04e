// Package protocol has the handlers that clients of OAuth and OpenID Connect call: the
// endpoints for programs, and the published documents.
//
// It reads parameters as the RFCs say, calls one service, and answers and refuses in the words
// of the protocol. It knows no page, and looks at no cookie. New returns the handlers with the
// services that they call.
package protocol

import (
	"time"

	"github.com/watchword-auth/watchword/internal/client"
	"github.com/watchword-auth/watchword/internal/keys"
	"github.com/watchword-auth/watchword/internal/oidc"
)

// Handlers has the handlers that clients of OAuth and OpenID Connect call: the endpoints for
// programs and the published documents.
type Handlers struct {
	clients   *client.Service
	oidc      *oidc.Service
	keys      *keys.Ring
	documents documents
	maxAge    []string // Cache-Control of the documents
}

// Config has the services that the handlers call. All are required.
type Config struct {
	Clients *client.Service
	OIDC    *oidc.Service
	Keys    *keys.Ring
	// MaxAge is how long clients may cache the published documents.
	MaxAge time.Duration
}

// New makes the handlers.
func New(cfg Config) *Handlers {
	return &Handlers{clients: cfg.Clients, oidc: cfg.OIDC, keys: cfg.Keys, maxAge: cacheFor(cfg.MaxAge)}
}
