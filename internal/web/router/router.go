// Package router has what all routes of the HTTP layer have in common: the exchange of a request
// and its response, and how a route is served.
//
// A route has a dialect (CORS, cross-site check, headers, body, errors), a principal and a
// limit. The package defines these types, runs their checks in a fixed order and writes the access
// log. It maps errors to statuses, and reads bodies and cookies.
//
// It knows no route, no handler, and only one service, that of tenants. New returns a Router;
// Route adds a line to its table.
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
	// with it, whatever headers a request has.
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
	// NoCORS lets no script of another origin read a response.
	NoCORS bool
	// AccessLog writes one line to Log for each request.
	AccessLog bool

	// Metrics are shared with the services, which count their own events in them.
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
	unmatched func(*http.Request) *Dialect // the dialect of the error for a request that no route matches
	noRoute   *Route                       // counts the requests that no route matched
	preflight *Route                       // counts the preflights

	sameOrigin    *http.CrossOriginProtection
	origins       []string      // that may send forms and scripted requests: the issuer's, and Config.Origins
	cors          [3]*cors.Cors // by CORSPolicy
	loggedOrigins loggedOrigins
	retryAt       atomic.Int64 // Unix nanoseconds until which cacheable routes do not query the database

	idPrefix   string // begins the request IDs of this process
	requests   atomic.Uint64
	largeBytes atomic.Int64 // reserved for large bodies
	forwarding forwarding
}

// New returns a router without routes. unmatched returns the dialect of the error for a request that
// no route matches. New fails when the base URL or an origin is malformed.
func New(cfg Config, unmatched func(*http.Request) *Dialect) (*Router, error) {
	s := &Router{cfg: cfg, unmatched: unmatched, now: cfg.Now, log: cfg.Log, mux: http.NewServeMux(), byPattern: map[string]*Route{}, idPrefix: secret.Encode(secret.Bytes(6)) + "-"}
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

// trustOrigins prepares CORS and the cross-site check for the issuer's origin and Config.Origins.
// It refuses wildcards, which would let every site act for its visitors, and "null", which
// sandboxed pages of any site send.
func (s *Router) trustOrigins(issuer string) error {
	s.sameOrigin = http.NewCrossOriginProtection()
	var errs []error
	s.origins = append([]string{issuer}, s.cfg.Origins...)
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
