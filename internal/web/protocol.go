package web

import (
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

func newProtocol(cfg Config) *protocol {
	return &protocol{clients: cfg.Clients, oidc: cfg.OIDC, keys: cfg.Keys, maxAge: cacheFor(cfg.JWKSMaxAge)}
}
