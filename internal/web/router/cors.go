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

// Bounds on preflights: how long browsers cache the answers (as long as any of them does,
// where nothing can change), and how many bytes of header names are repeated.
const (
	openMaxAge       = 24 * 60 * 60
	configuredMaxAge = 10 * 60
	maxPreflight     = 1 << 10
)

// CORSPolicy says which scripts of other origins may call a route and read its answer.
type CORSPolicy int

const (
	CORSNone       CORSPolicy = iota
	CORSOpen                  // those of every origin, without cookies
	CORSConfigured            // those of Config.Origins, with cookies
)

// allowOrigin adds what lets scripts of other origins read the answer. It reports whether
// the request was a preflight and is answered.
func (s *Router) allowOrigin(ex *Exchange, r *http.Request, policy CORSPolicy) bool {
	if policy == CORSConfigured {
		s.hintOrigin(r)
	}
	c := s.cors[policy]
	if c == nil {
		return false
	}
	if long(r.Header["Access-Control-Request-Headers"]) {
		delete(r.Header, "Access-Control-Request-Headers") // the answer repeats them
	}
	c.HandlerFunc(ex, r)
	if ex.status != 0 {
		ex.Route = s.preflight
		return true
	}
	return false
}

func long(values []string) bool {
	n := 0
	for _, v := range values {
		n += len(v)
	}
	return n > maxPreflight
}

// newCORS makes the policies. Only the configured origins may send credentials, for
// applications on another origin of the same site that use the session cookie. Scripts may
// send any header: without a cookie it gives them nothing, and a configured origin is trusted.
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
	configured.AllowedMethods = []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPatch, http.MethodDelete}
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

// devOrigin reports whether the origin is on this machine and this is a development
// server. The port of an application that is being written changes by itself.
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

// maxHints is how many origins the log names, so that requests cannot fill it.
const maxHints = 8

// hints remembers which origins the log has named.
type hints struct {
	mu   sync.Mutex // owns seen
	seen []string
}

func (h *hints) first(origin string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.seen) >= maxHints || slices.Contains(h.seen, origin) {
		return false
	}
	h.seen = append(h.seen, origin)
	return true
}

// hintOrigin logs, once for each origin, which setting would let its
// scripts call the API.
func (s *Router) hintOrigin(r *http.Request) {
	origin := auth.Clip(r.Header.Get("Origin"), 200)
	if origin == "" || origin == "null" || origin == s.cfg.Base || s.allowsOrigin(origin) || !s.hints.first(origin) {
		return
	}
	s.log.Warn("scripts of another origin may not call the API; cors.origins would let them, if the application is yours", "origin", origin)
}
