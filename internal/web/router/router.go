// Package router has what all routes of the HTTP layer have in common, whoever reads the
// answers: the exchange of a request and its answer, and how a route is served.
//
// A route has a dialect (CORS, cross-site check, headers, body, errors), a principal and a
// limit. The package defines these kinds, makes their checks in one order and writes the access
// log. It turns errors into statuses, and reads bodies and cookies.
//
// It knows no route, no handler, and of the services only that of tenants. New returns a
// Router; Route adds a line to its table.
package router

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

	"github.com/rs/cors"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/limit"
	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/tenant"
)

// Config says what all routes have in common. Tenants and Limiter are required.
type Config struct {
	Tenants *tenant.Service
	// Nonce returns the nonce that DPoP proofs have to carry, empty when none is required.
	Nonce func(auth.TenantID) string
	// Limiter counts requests against Rates.
	Limiter limit.Limiter
	Rates   limit.Rates

	// Base is the issuer's base URL without a trailing slash. Every URL of the server begins
	// with it; no header of a request changes that.
	Base string
	// Trusted are the proxies whose X-Forwarded-For and X-Request-Id are trusted.
	Trusted []netip.Prefix
	// Origins are the origins whose scripts may call the API, exactly as browsers
	// send them.
	Origins []string
	// BodyJSON and BodyForm bound request bodies.
	BodyJSON, BodyForm int64

	// InsecureCookies omits the prefix __Host- and the attribute Secure of cookies: Safari drops
	// such cookies over plain http, on loopback too. Only a base URL with http on a loopback
	// host may have it.
	InsecureCookies bool
	// Dev lets scripts of this machine call the API, whatever their port.
	Dev bool
	// NoCORS lets no script of another origin read an answer.
	NoCORS bool
	// AccessLog writes one line to Log for each request.
	AccessLog bool

	// Metrics are shared with the services that observe.
	Metrics *Metrics
	// Now is the clock. It is required.
	Now func() time.Time
	// Log receives the access log, faults and panics.
	Log *slog.Logger
}

// Router has the table of routes and serves them.
type Router struct {
	cfg   Config
	now   func() time.Time
	log   *slog.Logger
	https bool

	mux       *http.ServeMux
	table     []*Route
	byPattern map[string]*Route
	unmatched func(*http.Request) *Dialect // in which a request is refused that no route matches
	noRoute   *Route                       // counts what no route matched
	preflight *Route                       // counts what CORS answered

	sameOrigin *http.CrossOriginProtection
	origins    []string      // from which forms and scripts may come: the issuer's, and Config.Origins
	cors       [3]*cors.Cors // by corsPolicy
	hints      hints
	retryAt    atomic.Int64 // Unix nanoseconds until which cacheable routes do without the database

	boot       string // begins the request ids of this process
	requests   atomic.Uint64
	large      atomic.Int64 // bytes set aside for large bodies
	forwarding forwarding
}

// New makes a router without routes. unmatched returns the dialect in which a request is refused that
// no route matches. New fails when the base URL or an origin cannot be served.
func New(cfg Config, unmatched func(*http.Request) *Dialect) (*Router, error) {
	s := &Router{cfg: cfg, unmatched: unmatched, now: cfg.Now, log: cfg.Log, mux: http.NewServeMux(), byPattern: map[string]*Route{}, boot: secret.Encode(secret.Bytes(6)) + "-"}
	base, err := url.Parse(cfg.Base)
	if err != nil || base.Host == "" || base.Path != "" || base.RawQuery != "" || base.Fragment != "" {
		return nil, fmt.Errorf("base URL %q is not of the form https://HOST", cfg.Base)
	}
	s.https = base.Scheme == "https"
	if err := s.trustOrigins(base.Scheme + "://" + base.Host); err != nil {
		return nil, err
	}
	s.noRoute = &Route{label: "unmatched", stats: cfg.Metrics.route("unmatched", "")}
	s.preflight = &Route{label: "preflight", stats: cfg.Metrics.route("preflight", http.MethodOptions)}
	s.mux.HandleFunc("/", s.serveUnmatched)
	return s, nil
}

// trustOrigins prepares CORS and the cross-site check. A wildcard would let every site act for
// its visitors, and sandboxed pages of any site send the origin "null".
func (s *Router) trustOrigins(own string) error {
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
