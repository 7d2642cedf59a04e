// Package web is the only HTTP in: it reads a request, asks one service, and
// writes the answer.
//
// routes.go is the one table of routes; each line names the dialect, the principal and the
// limit of its route. dialect.go holds the dialects as values: CORS, cross-site check,
// headers, body, errors. route.go applies them, so a handler never does. errors.go turns
// refusals into statuses, once. Pages live in web/ui.
//
// The package knows statuses, headers, cookies, paths and HTML, and no rule of the
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
	"github.com/watchword-auth/watchword/internal/session"
	"github.com/watchword-auth/watchword/internal/store"
	"github.com/watchword-auth/watchword/internal/token"
	"github.com/watchword-auth/watchword/internal/web/ui"
)

// Config says what a Server serves and how. The services and the limiter are
// required.
type Config struct {
	RouterConfig

	// DB is asked by /readyz whether it answers.
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

	// JWKSMaxAge is how long clients may cache the published keys.
	JWKSMaxAge time.Duration
	// Mailbox lists the caught mails, newest first. It is set in development only
	// and brings the pages under /dev/ and the welcome page with it.
	Mailbox func() []Mail
	// Pprof puts profiles on the management handler.
	Pprof bool
}

// Server answers HTTP requests. It is safe for concurrent use.
type Server struct {
	router     *router
	management *router
	dialects   dialects
	cfg        Config

	pages    *pages
	protocol *protocol
	api      *api
	ready    readiness
}

// New builds the routes. It fails when the configuration names an origin or base
// URL that cannot be served.
func New(cfg Config) (*Server, error) {
	cfg.Dev, cfg.Nonce = cfg.Mailbox != nil, cfg.Clients.Nonce
	s := &Server{cfg: cfg}
	s.protocol = newProtocol(protocolConfig{Clients: cfg.Clients, OIDC: cfg.OIDC, Keys: cfg.Keys, MaxAge: cfg.JWKSMaxAge})
	s.pages = newPages(pagesConfig{Accounts: cfg.Accounts, Logins: cfg.Logins, Sessions: cfg.Sessions, Flows: cfg.Flows, OIDC: cfg.OIDC,
		Base: cfg.Base, Mailbox: cfg.Mailbox, Calls: s.calls})
	s.dialects = s.newDialects()
	var err error
	if s.router, err = newRouter(cfg.RouterConfig, s.dialects.unmatched); err != nil {
		return nil, err
	}
	s.api = newAPI(apiConfig{Accounts: cfg.Accounts, Logins: cfg.Logins, Sessions: cfg.Sessions, Tokens: cfg.Tokens, OIDC: cfg.OIDC,
		Clients: cfg.Clients, Access: cfg.Access, Base: cfg.Base}, s.router)
	s.routes()
	s.management, err = s.newManagement()
	return s, err
}

// calls lists the calls of the API, for its page in development.
func (s *Server) calls() []ui.Call {
	var list []ui.Call
	for _, op := range s.api.operations() {
		list = append(list, ui.Call{Method: op.Method, Path: op.Path, Summary: op.Summary})
	}
	return list
}

// Public serves the API, the pages, the endpoints of the protocol, the published documents,
// /livez and /readyz.
func (s *Server) Public() http.Handler { return s.router }
