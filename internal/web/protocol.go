package web

import (
	"time"

	"github.com/watchword-auth/watchword/internal/client"
	"github.com/watchword-auth/watchword/internal/keys"
	"github.com/watchword-auth/watchword/internal/oidc"
)

// protocol has the handlers that clients of OAuth and OpenID Connect call: the endpoints for
// programs and the published documents.
type protocol struct {
	clients   *client.Service
	oidc      *oidc.Service
	keys      *keys.Ring
	documents documents
	maxAge    []string // Cache-Control of the documents
}

// protocolConfig has the services that the handlers call. All are required.
type protocolConfig struct {
	Clients *client.Service
	OIDC    *oidc.Service
	Keys    *keys.Ring
	// MaxAge is how long clients may cache the published documents.
	MaxAge time.Duration
}

func newProtocol(cfg protocolConfig) *protocol {
	return &protocol{clients: cfg.Clients, oidc: cfg.OIDC, keys: cfg.Keys, maxAge: cacheFor(cfg.MaxAge)}
}
