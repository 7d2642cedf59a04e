package web

import (
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"

	"github.com/rs/cors"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/oidc"
)

// Bounds on preflights: how long browsers keep the answers (as long as any of them
// does, where nothing can change), and how many bytes of header names are repeated.
const (
	openMaxAge   = 24 * 60 * 60
	apiMaxAge    = 10 * 60
	maxPreflight = 1 << 10
)

// openEndpoints are those of the protocol that clients in a browser call by script.
var openEndpoints = []string{oidc.TokenPath, oidc.RevokePath, oidc.UserInfoPath, oidc.PushedPath, oidc.DeviceAuthorizationPath, oidc.RegisterPath}

// crossOrigin lets scripts of other origins in: those of the configured ones may call
// the API, with the session cookie; any may read what is published and use the
// endpoints of the protocol that look at no cookie. The endpoints that a browser
// visits are for nobody's scripts (RFC 9700 §2.6). It reports whether the request was
// a preflight and is answered.
func (s *Server) crossOrigin(ex *exchange, r *http.Request) bool {
	var c *cors.Cors
	switch path := localPath(r.URL); {
	case strings.HasPrefix(path, apiPrefix):
		c = s.corsAPI
		s.hintOrigin(r)
	case strings.HasPrefix(path, "/.well-known/") || strings.HasPrefix(path, oidc.RegisterPath+"/") || slices.Contains(openEndpoints, path):
		c = s.corsOpen
	}
	if c == nil {
		return false
	}
	if long(r.Header["Access-Control-Request-Headers"]) {
		delete(r.Header, "Access-Control-Request-Headers") // the answer repeats them
	}
	c.HandlerFunc(ex, r)
	if ex.status != 0 {
		ex.route = s.preflight
	}
	return ex.status != 0
}

// apiPrefix is what the paths of the JSON API begin with.
const apiPrefix = "/api/v1/"

func long(values []string) bool {
	n := 0
	for _, v := range values {
		n += len(v)
	}
	return n > maxPreflight
}

// newCORS allows the origins that may to use the API, and every origin to use what is
// open. Only the API allows credentials, for applications on another origin of the same
// site that use the session cookie. Scripts may send any header: where no cookie is
// looked at it lends them nothing, and an origin that may call the API is trusted.
func (s *Server) newCORS() (api, open *cors.Cors) {
	base := cors.Options{
		AllowedHeaders: []string{"*"},
		ExposedHeaders: []string{"Retry-After", "WWW-Authenticate", "DPoP-Nonce"},
	}
	forOpen := base
	forOpen.AllowedOrigins = []string{"*"}
	forOpen.AllowedMethods = []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodDelete}
	forOpen.MaxAge = openMaxAge
	open = cors.New(forOpen)
	if len(s.cfg.Origins) == 0 && !s.dev() {
		return nil, open
	}
	forAPI := base
	forAPI.AllowOriginFunc = s.allowsOrigin
	forAPI.AllowedMethods = []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPatch, http.MethodDelete}
	forAPI.AllowCredentials = true
	forAPI.MaxAge = apiMaxAge
	return cors.New(forAPI), open
}

// dev reports whether this is a development server.
func (s *Server) dev() bool { return s.cfg.Mailbox != nil }

// allowsOrigin reports whether scripts of the origin may call the API: it is configured,
// or, in development, on this machine.
func (s *Server) allowsOrigin(origin string) bool {
	return slices.Contains(s.cfg.Origins, origin) || s.devOrigin(origin)
}

// devOrigin reports whether the origin is on this machine and this is a development
// server. The port of an application that is being written changes by itself.
func (s *Server) devOrigin(origin string) bool {
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

// maxHints is how many origins the log names, so that nobody fills it.
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

// hintOrigin tells the operator, once for each origin, which setting would let its
// scripts call the API.
func (s *Server) hintOrigin(r *http.Request) {
	origin := auth.Clip(r.Header.Get("Origin"), 200)
	if origin == "" || origin == "null" || origin == s.cfg.Base || s.allowsOrigin(origin) || !s.hints.first(origin) {
		return
	}
	s.log.Warn("scripts of another origin may not call the API; cors.origins would let them, if the application is yours", "origin", origin)
}
