package web

import (
	"net/http"
	"strings"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/session"
)

// cookiePrefix begins the name of every session cookie. The browser holds the
// promise of __Host- (RFC 6265bis §4.1.3.2): set by this host over HTTPS, sent to
// no other, not to be replaced by a neighbour's subdomain.
const cookiePrefix = "__Host-watchword"

// cookieName is the tenant's own: __Host- cookies are sent to every path, so two
// tenants on one host need two names, or signing in to one would sign out of the
// other.
func cookieName(tenant auth.TenantID) string {
	if tenant == auth.DefaultTenant {
		return cookiePrefix
	}
	return cookiePrefix + "-" + string(tenant)
}

// sessionCookie is the secret of the tenant's session cookie, or empty when there
// is none that could be one of ours. Two of them count as none: which one is
// the person's cannot be told.
func (ex *exchange) sessionCookie() string {
	if len(ex.request.Header["Cookie"]) == 0 {
		return ""
	}
	found := ex.request.CookiesNamed(cookieName(ex.tenant.ID))
	if len(found) != 1 || !secret.Valid(session.Prefix, found[0].Value) {
		return ""
	}
	return found[0].Value
}

// hasSessionCookie reports whether a session cookie of any tenant is there, good or
// not.
func (ex *exchange) hasSessionCookie() bool {
	for _, line := range ex.request.Header["Cookie"] {
		if strings.Contains(line, cookiePrefix) {
			return true
		}
	}
	return false
}

// setCookie gives the browser a session. It has no lifetime of its own: the
// server knows when the session ends, and the browser forgets it when it closes.
func (ex *exchange) setCookie(value secret.Text) {
	http.SetCookie(ex, sessionCookie(ex.tenant.ID, value.Reveal()))
}

// dropCookie makes the browser forget it.
func (ex *exchange) dropCookie() {
	c := sessionCookie(ex.tenant.ID, "")
	c.MaxAge = -1
	http.SetCookie(ex, c)
}

func sessionCookie(tenant auth.TenantID, value string) *http.Cookie {
	return &http.Cookie{Name: cookieName(tenant), Value: value, Path: "/", Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode}
}
