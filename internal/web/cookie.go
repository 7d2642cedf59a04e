package web

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/flow"
	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/session"
)

// cookiePrefix begins the name of each of our cookies. The browser holds the
// promise of __Host- (RFC 6265bis §4.1.3.2): set by this host over HTTPS, sent to
// no other, not to be replaced by a neighbour's subdomain.
const cookiePrefix = "__Host-watchword"

// insecurePrefix is cookiePrefix over plain http in development (Config.InsecureCookies).
const insecurePrefix = "watchword-dev"

func (s *router) cookiePrefix() string {
	if s.cfg.InsecureCookies {
		return insecurePrefix
	}
	return cookiePrefix
}

// jar is a kind of cookie.
type jar string

const (
	jarSession jar = ""        // who is signed in
	jarBrowser jar = "browser" // in which browser a flow began
	jarKeep    jar = "keep"    // who is remembered
	jarKnown   jar = "known"   // which accounts know the browser
	jarApps    jar = "apps"    // which clients of strangers got a code in it
)

// keepPrefix is what the secret of the last begins with.
const keepPrefix = "wwm_"

// keepLifetime is how long a browser keeps what remembers a person. The server
// knows when it ends, which is never later.
const keepLifetime = 400 * 24 * time.Hour // RFC 6265bis §5.5: longer ones are cut to this

// cookieName is the tenant's own: __Host- cookies are sent to every path, so two
// tenants on one host need two names, or signing in to one would sign out of the
// other. A tenant that is called like a kind of cookie gets one more dash, with which
// no tenant's name begins.
func (s *router) cookieName(kind jar, tenant auth.TenantID) string {
	name := s.cookiePrefix()
	if kind != jarSession {
		name += "-" + string(kind)
	}
	if tenant == auth.DefaultTenant {
		return name
	}
	if first, _, _ := strings.Cut(string(tenant), "-"); kind == jarSession && slices.Contains([]jar{jarBrowser, jarKeep, jarKnown, jarApps}, jar(first)) {
		name += "-"
	}
	return name + "-" + string(tenant)
}

// cookieValue is the value of the tenant's cookie of a kind, or empty. Two of them
// count as none: which one is the person's cannot be told.
func (ex *exchange) cookieValue(kind jar) string {
	if len(ex.request.Header["Cookie"]) == 0 {
		return ""
	}
	if found := ex.request.CookiesNamed(ex.router.cookieName(kind, ex.tenant.ID)); len(found) == 1 {
		return found[0].Value
	}
	return ""
}

// sessionCookie is the tenant's session cookie, or empty when there is none that could
// be one of ours.
func (ex *exchange) sessionCookie() string {
	if v := ex.cookieValue(jarSession); session.ParseCookie(v) != nil {
		return v
	}
	return ""
}

// currentSession is the secret of the current one of its sessions.
func (ex *exchange) currentSession() string {
	current, _, _ := strings.Cut(ex.sessionCookie(), ".")
	return current
}

// browserCookie is the secret of the browser, or empty.
func (ex *exchange) browserCookie() string {
	if v := ex.cookieValue(jarBrowser); secret.Valid(flow.BrowserPrefix, v) {
		return v
	}
	return ""
}

// keepCookie is what remembers the person, or empty. What it holds only the service
// knows.
func (ex *exchange) keepCookie() string {
	if v := ex.cookieValue(jarKeep); strings.HasPrefix(v, keepPrefix) && len(v) <= 256 {
		return v
	}
	return ""
}

// hasCookie reports whether a cookie of ours is there, of any kind and tenant,
// good or not.
func (ex *exchange) hasCookie() bool {
	for _, line := range ex.request.Header["Cookie"] {
		if strings.Contains(line, ex.router.cookiePrefix()) {
			return true
		}
	}
	return false
}

// setCookie gives the browser a session in the place of the current one; accounts
// that are signed in beside it stay.
func (ex *exchange) setCookie(value secret.Text) {
	list := []string{value.Reveal()}
	if others := session.ParseCookie(ex.sessionCookie()); len(others) > 1 {
		list = append(list, others[1:]...)
	}
	ex.setSessions(strings.Join(list, "."))
}

// dropCurrent makes the browser forget its current session; accounts that are signed in
// beside it stay.
func (ex *exchange) dropCurrent() {
	_, others, _ := strings.Cut(ex.sessionCookie(), ".")
	ex.setSessions(others)
}

// dropCookie makes the browser forget them all.
func (ex *exchange) dropCookie() { ex.putCookie(jarSession, "", 0) }

// setSessions gives the browser its sessions, which may be none. The cookie has no
// lifetime of its own: the server knows when a session ends, and the browser forgets
// it when it closes.
func (ex *exchange) setSessions(value string) { ex.putCookie(jarSession, value, 0) }

// setBrowser gives the browser the secret by which it is recognised, when it is not empty.
func (ex *exchange) setBrowser(value secret.Text) {
	if value != "" {
		ex.putCookie(jarBrowser, value.Reveal(), 0)
	}
}

// setKeep gives the browser what remembers the person, when it is not empty.
func (ex *exchange) setKeep(value secret.Text) {
	if value != "" {
		ex.putCookie(jarKeep, value.Reveal(), keepLifetime)
	}
}

// setKnown gives the browser what makes it known to accounts, when it is not empty.
func (ex *exchange) setKnown(value secret.Text) {
	if value != "" {
		ex.putCookie(jarKnown, value.Reveal(), keepLifetime)
	}
}

// appsLifetime is how long after that a browser is sent to such a client without being asked.
const appsLifetime = 30 * 24 * time.Hour

// setApps gives the browser the names of those clients, when they are not empty.
func (ex *exchange) setApps(value string) {
	if value != "" {
		ex.putCookie(jarApps, value, appsLifetime)
	}
}

// dropKeep makes the browser forget the person, if it remembers one.
func (ex *exchange) dropKeep() {
	if ex.cookieValue(jarKeep) != "" {
		ex.putCookie(jarKeep, "", 0)
	}
}

// putCookie sets a cookie, or removes it when it is empty. Without a lifetime the
// browser forgets it when it closes.
func (ex *exchange) putCookie(kind jar, value string, lifetime time.Duration) {
	c := &http.Cookie{Name: ex.router.cookieName(kind, ex.tenant.ID), Value: value, MaxAge: int(lifetime / time.Second),
		Path: "/", Secure: !ex.router.cfg.InsecureCookies, HttpOnly: true, SameSite: http.SameSiteLaxMode}
	if value == "" {
		c.MaxAge = -1
	}
	// The last word of an answer about a cookie is its only one.
	h := ex.Header()
	h["Set-Cookie"] = slices.DeleteFunc(h["Set-Cookie"], func(line string) bool { return strings.HasPrefix(line, c.Name+"=") })
	http.SetCookie(ex, c)
}
