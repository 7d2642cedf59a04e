package router

import (
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/limit"
)

// Header values that all responses share. They must not be modified; net/http does not modify
// them.
var (
	noSniff     = []string{"nosniff"}
	noReferrer  = []string{"no-referrer"}
	NoStore     = []string{"no-store"}
	hsts        = []string{"max-age=63072000"}
	cspNothing  = []string{"default-src 'none'; frame-ancestors 'none'"}
	NoCache     = []string{"no-cache"}
	TypeJSON    = []string{"application/json"}
	typeProblem = []string{"application/problem+json"}
)

// Bounds on the header of a request, well below those of the listener.
const (
	maxURL     = 8 << 10
	maxHeaders = 100
)

// ServeHTTP begins the exchange of every request, sets the headers of every response, and refuses
// malformed requests before they reach a route.
func (s *Router) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	ex := &Exchange{ResponseWriter: w, Request: r, router: s, began: s.now()}
	ex.Cookies = Cookies{request: r, header: w.Header(), insecure: s.cfg.InsecureCookies}
	ex.IP = limit.ClientIP(r.RemoteAddr, r.Header["X-Forwarded-For"], s.cfg.Trusted)
	ex.ID = s.requestID(r)
	s.warnForwarding(r)
	defer ex.finish()
	h := w.Header()
	h["X-Content-Type-Options"] = noSniff
	h["Content-Security-Policy"] = cspNothing
	h["Referrer-Policy"] = noReferrer
	h["Cache-Control"] = NoStore
	if s.https {
		h["Strict-Transport-Security"] = hsts
	}
	if p := rejectMalformed(r); p != nil {
		ex.refuse(p)
		return
	}
	s.mux.ServeHTTP(ex, r)
}

// rejectMalformed refuses requests that no legitimate client sends.
func rejectMalformed(r *http.Request) *Problem {
	switch {
	case len(r.RequestURI) > maxURL:
		return NewProblem(http.StatusRequestURITooLong, auth.CodeURLTooLong, "URL: at most "+strconv.Itoa(maxURL)+" bytes")
	case len(r.Header) > maxHeaders:
		return NewProblem(http.StatusRequestHeaderFieldsTooLarge, auth.CodeTooManyHeaders, "headers: at most "+strconv.Itoa(maxHeaders))
	case !cleanPath(r.URL):
		return NotFound() // not a redirect to a guessed path
	}
	return nil
}

// cleanPath reports whether the path is text without empty, "." or ".." segments, plain or
// encoded. An encoded slash is no separator: a client_id may be a URL.
func cleanPath(u *url.URL) bool {
	path := u.EscapedPath()
	if !strings.HasPrefix(path, "/") || strings.Contains(path, "//") || !utf8.ValidString(u.Path) || strings.ContainsFunc(u.Path, unicode.IsControl) {
		return false
	}
	for segment := range strings.SplitSeq(path, "/") {
		if s, err := url.PathUnescape(segment); err != nil || s == "." || s == ".." {
			return false
		}
	}
	return true
}

// requestID returns the X-Request-Id of a trusted proxy, or a new ID: unique, short, not secret.
func (s *Router) requestID(r *http.Request) string {
	if given := r.Header["X-Request-Id"]; len(given) == 1 && given[0] != "" && s.fromProxy(r) {
		return auth.Clip(given[0], maxRequestID)
	}
	var b [32]byte
	return string(strconv.AppendUint(append(b[:0], s.idPrefix...), s.requests.Add(1), 36))
}

// fromProxy reports whether the peer of the connection is a trusted proxy.
func (s *Router) fromProxy(r *http.Request) bool {
	if len(s.cfg.Trusted) == 0 {
		return false
	}
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return false
	}
	addr := peer.Addr().Unmap().WithZone("")
	for _, p := range s.cfg.Trusted {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}
