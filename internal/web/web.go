// Package web serves all HTTP requests: it reads a request, calls one service and writes the
// response.
//
// routes.go is the table of all routes; each line names the dialect, the principal and the
// limit of its route. dialect.go, principal.go and limits.go hold these as values, and
// web/router applies them, so a handler never does. The handlers are in one package for
// each kind of caller: web/pages for browsers, web/protocol for clients of OAuth and OpenID Connect,
// web/api for callers of the JSON API.
//
// These packages know statuses, headers, cookies, paths and HTML, but no rules of the
// domain: a handler decodes, makes one service call and writes. New returns a Server with
// two handlers, Public and Management; listeners, TLS and timeouts belong to the caller.
package web

import (
	"net/http"
	"time"

	"github.com/watchword-auth/watchword/internal/access"
	"github.com/watchword-auth/watchword/internal/account"
	"github.com/watchword-auth/watchword/internal/client"
	"github.com/watchword-auth/watchword/internal/flow"
	"github.com/watchword-auth/watchword/internal/keys"
	"github.com/watchword-auth/watchword/internal/login"
	"github.com/watchword-auth/watchword/internal/oidc"
	"github.com/watchword-auth/watchword/internal/place"
	"github.com/watchword-auth/watchword/internal/session"
	"github.com/watchword-auth/watchword/internal/store"
	"github.com/watchword-auth/watchword/internal/token"
	"github.com/watchword-auth/watchword/internal/web/api"
	"github.com/watchword-auth/watchword/internal/web/pages"
	"github.com/watchword-auth/watchword/internal/web/protocol"
	"github.com/watchword-auth/watchword/internal/web/router"
	"github.com/watchword-auth/watchword/internal/web/ui"
)

// Config says what a Server serves and how. The services and the limiter are
// required.
type Config struct {
	router.Config

	// DB is what /readyz pings.
	DB       *store.DB
	Keys     *keys.Ring
	Tokens   *token.Service
	Sessions *session.Service
	Accounts *account.Service
	Logins   *login.Service
	Access   *access.Service
	Clients  *client.Service
	Flows    *flow.Service
	OIDC     *oidc.Service
	// Places, if set, shows the places of IP addresses to users.
	Places *place.Database

	// JWKSMaxAge is how long clients may cache the published keys.
	JWKSMaxAge time.Duration
	// PasskeyOrigins are the further origins that use the passkeys of this server.
	PasskeyOrigins []string
	// Mailbox lists the caught mails, newest first. It is set only in
	// development, and adds the pages under /dev/ and the welcome page.
	Mailbox func() []pages.Mail
	// Pprof serves profiles on the management handler.
	Pprof bool
}

// Server serves HTTP requests. It is safe for concurrent use.
type Server struct {
	router     *router.Router
	management *router.Router
	dialects   dialects
	cfg        Config

	pages    *pages.Handlers
	protocol *protocol.Handlers
	api      *api.Handlers
	ready    readiness
}

// New builds the routes. It fails when the configuration names an origin or base
// URL that cannot be served.
func New(cfg Config) (*Server, error) {
	cfg.Dev, cfg.Nonce = cfg.Mailbox != nil, cfg.Clients.Nonce
	s := &Server{cfg: cfg}
	s.protocol = protocol.New(protocol.Config{Clients: cfg.Clients, OIDC: cfg.OIDC, Keys: cfg.Keys, MaxAge: cfg.JWKSMaxAge, PasskeyOrigins: cfg.PasskeyOrigins})
	s.pages = pages.New(pages.Config{Accounts: cfg.Accounts, Logins: cfg.Logins, Sessions: cfg.Sessions, Flows: cfg.Flows, OIDC: cfg.OIDC,
		Places: cfg.Places, Base: cfg.Base, Mailbox: cfg.Mailbox, Calls: s.calls})
	s.dialects = s.newDialects()
	var err error
	if s.router, err = router.New(cfg.Config, s.dialects.unmatched); err != nil {
		return nil, err
	}
	s.api = api.New(api.Config{Accounts: cfg.Accounts, Logins: cfg.Logins, Sessions: cfg.Sessions, Tokens: cfg.Tokens, OIDC: cfg.OIDC,
		Clients: cfg.Clients, Access: cfg.Access, Places: cfg.Places, Base: cfg.Base}, s.router)
	s.routes()
	s.management, err = s.newManagement()
	return s, err
}

// calls lists the operations of the API, for its page in development.
func (s *Server) calls() []ui.Call {
	var list []ui.Call
	for _, op := range s.api.Operations() {
		list = append(list, ui.Call{Method: op.Method, Path: op.Path, Summary: op.Summary})
	}
	return list
}

// Public serves the API, the pages, the protocol endpoints, the published documents,
// /livez and /readyz.
func (s *Server) Public() http.Handler { return s.router }
