package router

import (
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"sync"

	"github.com/rs/cors"

	"github.com/watchword-auth/watchword/internal/auth"
)

// Bounds on preflights: for how many seconds browsers cache the responses, and how many bytes of
// header names a response repeats.
const (
	openMaxAge       = 24 * 60 * 60
	configuredMaxAge = 10 * 60
	maxPreflight     = 1 << 10
)

// CORSPolicy says which scripts of other origins may call a route and read its response.
type CORSPolicy int

const (
	CORSNone       CORSPolicy = iota
	CORSOpen                  // scripts of every origin, without cookies
	CORSConfigured            // scripts of Config.Origins, with cookies
)

// allowOrigin sets the CORS headers. It reports whether the request was a preflight, whose response is
// then written.
func (s *Router) allowOrigin(ex *Exchange, r *http.Request, policy CORSPolicy) bool {
	if policy == CORSConfigured {
		s.warnOrigin(r)
	}
	c := s.cors[policy]
	if c == nil {
		return false
	}
	if tooLong(r.Header["Access-Control-Request-Headers"]) {
		delete(r.Header, "Access-Control-Request-Headers") // the response would repeat them
	}
	c.HandlerFunc(ex, r)
	if ex.status != 0 {
		ex.Route = s.preflight
		return true
	}
	return false
}

func tooLong(values []string) bool {
	n := 0
	for _, v := range values {
		n += len(v)
	}
	return n > maxPreflight
}

// newCORS returns the policies. Only configured origins may send credentials, for applications on
// another origin of the same site that use the session cookie. Scripts may send any header: without
// a cookie it gains them nothing, and a configured origin is trusted.
func (s *Router) newCORS() (policies [3]*cors.Cors) {
	if s.cfg.NoCORS {
		return policies
	}
	base := cors.Options{
		AllowedHeaders: []string{"*"},
		ExposedHeaders: []string{"Retry-After", "WWW-Authenticate", "DPoP-Nonce"},
	}
	open := base
	open.AllowedOrigins = []string{"*"}
	open.AllowedMethods = []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodDelete}
	open.MaxAge = openMaxAge
	policies[CORSOpen] = cors.New(open)
	if len(s.cfg.Origins) == 0 && !s.dev() {
		return policies
	}
	configured := base
	configured.AllowOriginFunc = s.allowsOrigin
	configured.AllowedMethods = []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete}
	configured.AllowCredentials = true
	configured.MaxAge = configuredMaxAge
	policies[CORSConfigured] = cors.New(configured)
	return policies
}

// dev reports whether this is a development server.
func (s *Router) dev() bool { return s.cfg.Dev }

// allowsOrigin reports whether scripts of the origin may call the API: it is configured,
// or, in development, on this machine.
func (s *Router) allowsOrigin(origin string) bool {
	return slices.Contains(s.cfg.Origins, origin) || s.devOrigin(origin)
}

// devOrigin reports whether this is a development server and the origin is on this machine, on any
// port.
func (s *Router) devOrigin(origin string) bool {
	if !s.dev() {
		return false
	}
	u, err := url.Parse(origin)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Scheme+"://"+u.Host != origin || origin == s.cfg.Base {
		return false
	}
	addr, err := netip.ParseAddr(u.Hostname())
	return u.Hostname() == "localhost" || err == nil && addr.IsLoopback()
}

// maxLoggedOrigins is how many origins are logged, so that requests cannot fill the log.
const maxLoggedOrigins = 8

// loggedOrigins is the list of origins that are logged.
type loggedOrigins struct {
	mu   sync.Mutex // guards list
	list []string
}

func (h *loggedOrigins) add(origin string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.list) >= maxLoggedOrigins || slices.Contains(h.list, origin) {
		return false
	}
	h.list = append(h.list, origin)
	return true
}

// warnOrigin logs, once for each origin, which setting would let its scripts call the API.
func (s *Router) warnOrigin(r *http.Request) {
	origin := auth.Clip(r.Header.Get("Origin"), 200)
	if origin == "" || origin == "null" || origin == s.cfg.Base || s.allowsOrigin(origin) || !s.loggedOrigins.add(origin) {
		return
	}
	s.log.Warn("scripts of another origin may not call the API; if the application is yours, add its origin to cors.origins", "origin", origin)
}
