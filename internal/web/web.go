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
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/rs/cors"

	"github.com/watchword-auth/watchword/internal/access"
	"github.com/watchword-auth/watchword/internal/account"
	"github.com/watchword-auth/watchword/internal/keys"
	"github.com/watchword-auth/watchword/internal/limit"
	"github.com/watchword-auth/watchword/internal/login"
	"github.com/watchword-auth/watchword/internal/oidc"
	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/session"
	"github.com/watchword-auth/watchword/internal/store"
	"github.com/watchword-auth/watchword/internal/tenant"
	"github.com/watchword-auth/watchword/internal/token"
)

// Config says what a Server serves and how. The services and the limiter are
// required.
type Config struct {
	// DB is asked by /readyz whether it answers.
	DB       *store.DB
	Keys     *keys.Ring
	Tokens   *token.Service
	Sessions *session.Service
	Accounts *account.Service
	Logins   *login.Service
	Tenants  *tenant.Service
	Access   *access.Service
	OIDC     *oidc.Service
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
	// InsecureCookies leaves the prefix __Host- and the attribute Secure out of cookies.
	// Safari drops cookies that have them over plain http, also on the own machine; no
	// base URL but one with http on a loopback host may have it.
	InsecureCookies bool
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
	cfg   Config
	now   func() time.Time
	log   *slog.Logger
	https bool

	mux         *http.ServeMux
	huma        huma.API
	table       []*route
	byPattern   map[string]*route
	unmatched   *route // counts what no route matched
	preflight   *route // counts what CORS answered
	description func() []byte

	sameOrigin *http.CrossOriginProtection
	origins    []string      // from which forms and scripts may come: the issuer's, and Config.Origins
	cors       [3]*cors.Cors // by corsPolicy
	hints      hints
	documents  documents
	maxAge     []string // Cache-Control of the documents
	ready      readiness
	retryAt    atomic.Int64 // Unix nanoseconds until which cacheable routes do without the database

	boot       string // begins the request ids of this process
	requests   atomic.Uint64
	large      atomic.Int64 // bytes set aside for large bodies
	forwarding forwarding
}

// New builds the routes. It fails when the configuration names an origin or base
// URL that cannot be served.
func New(cfg Config) (*Server, error) {
	cfg = cfg.withDefaults()
	s := &Server{cfg: cfg, now: cfg.Now, log: cfg.Log, mux: http.NewServeMux(), byPattern: map[string]*route{}, boot: secret.Encode(secret.Bytes(6)) + "-"}
	base, err := url.Parse(cfg.Base)
	if err != nil || base.Host == "" || base.Path != "" || base.RawQuery != "" || base.Fragment != "" {
		return nil, fmt.Errorf("base URL %q is not of the form https://HOST", cfg.Base)
	}
	s.https = base.Scheme == "https"
	if err := s.trustOrigins(base.Scheme + "://" + base.Host); err != nil {
		return nil, err
	}
	s.unmatched = &route{label: "unmatched", stats: cfg.Metrics.route("unmatched", "")}
	s.preflight = &route{label: "preflight", stats: cfg.Metrics.route("preflight", http.MethodOptions)}
	s.maxAge = cacheFor(cfg.JWKSMaxAge)
	s.huma = newAPI(s)
	s.description = s.describe()
	s.routes()
	s.mux.HandleFunc("/", s.serveUnmatched)
	return s, nil
}

func (c Config) withDefaults() Config {
	if c.JWKSMaxAge == 0 {
		c.JWKSMaxAge = 5 * time.Minute
	}
	if c.BodyJSON == 0 {
		c.BodyJSON = 1 << 20
	}
	if c.BodyForm == 0 {
		c.BodyForm = 64 << 10
	}
	if c.Metrics == nil {
		c.Metrics = NewMetrics()
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

// trustOrigins prepares CORS and the cross-site check. A wildcard would let every
// site act as its visitors, and "null" is what sandboxed pages of any site send.
func (s *Server) trustOrigins(own string) error {
	s.sameOrigin = http.NewCrossOriginProtection()
	var errs []error
	s.origins = append([]string{own}, s.cfg.Origins...)
	for _, o := range s.origins {
		u, err := url.Parse(o)
		if err != nil || strings.Contains(o, "*") || (u.Scheme != "https" && u.Scheme != "http") || u.Host == "" || u.Scheme+"://"+u.Host != o {
			errs = append(errs, fmt.Errorf("origin %q is not of the form https://HOST or https://HOST:PORT", o))
			continue
		}
		errs = append(errs, s.sameOrigin.AddTrustedOrigin(o))
	}
	s.cors = s.newCORS()
	return errors.Join(errs...)
}

// Public serves the API, the pages, the endpoints of the protocol, the published documents,
// /livez and /readyz.
func (s *Server) Public() http.Handler { return entryHandler{s, s.mux} }
