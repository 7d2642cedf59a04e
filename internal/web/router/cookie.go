package router

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

// CookiePrefix begins the name of each cookie. Browsers enforce __Host- (RFC 6265bis §4.1.3.2): only
// this host sets the cookie, over HTTPS, and only this host gets it.
const CookiePrefix = "__Host-watchword"

// insecurePrefix replaces CookiePrefix over plain http in development (Config.InsecureCookies).
const insecurePrefix = "watchword-dev"

// Cookies are the cookies of one tenant in one browser: those of the request, and those that the
// response sets.
type Cookies struct {
	request  *http.Request
	header   http.Header // of the response
	tenant   auth.TenantID
	insecure bool // Config.InsecureCookies
}

func (c *Cookies) prefix() string {
	if c.insecure {
		return insecurePrefix
	}
	return CookiePrefix
}

// cookieKind says what a cookie is for.
type cookieKind string

const (
	cookieSession  cookieKind = ""         // the sessions of the browser
	cookieBrowser  cookieKind = "browser"  // the browser in which a flow began
	cookieRemember cookieKind = "remember" // the remember-me token
	cookieKnown    cookieKind = "known"    // the accounts that know the browser
	cookieTrusted  cookieKind = "trusted"  // the accounts that trust the browser
	CookieApps     cookieKind = "apps"     // the untrusted clients that got a code in this browser
)

// rememberPrefix begins a remember-me token.
const rememberPrefix = "wwm_"

// rememberLifetime is how long a browser stores a remember-me token. The server ends it earlier.
const rememberLifetime = 400 * 24 * time.Hour // RFC 6265bis §5.5: longer ones are cut to this

// name returns the name of the tenant's cookie of a kind. __Host- cookies are sent to every path, so
// two tenants on one host need two names. The session cookie of a tenant whose ID begins like a
// kind gets one more dash, since no tenant ID begins with one.
func (c *Cookies) name(kind cookieKind) string {
	name := c.prefix()
	if kind != cookieSession {
		name += "-" + string(kind)
	}
	if c.tenant == auth.DefaultTenant {
		return name
	}
	first, _, _ := strings.Cut(string(c.tenant), "-")
	if kind == cookieSession && slices.Contains([]cookieKind{cookieBrowser, cookieRemember, cookieKnown, cookieTrusted, CookieApps}, cookieKind(first)) {
		name += "-"
	}
	return name + "-" + string(c.tenant)
}

// CookieValue returns the value of the tenant's cookie of a kind, or empty. Two cookies of one name
// count as none, since an attacker may have set one of them.
func (c *Cookies) CookieValue(kind cookieKind) string {
	if len(c.request.Header["Cookie"]) == 0 {
		return ""
	}
	if found := c.request.CookiesNamed(c.name(kind)); len(found) == 1 {
		return found[0].Value
	}
	return ""
}

// SessionCookie returns the tenant's session cookie, or empty if it is missing or malformed.
func (c *Cookies) SessionCookie() string {
	if v := c.CookieValue(cookieSession); session.ParseCookie(v) != nil {
		return v
	}
	return ""
}

// CurrentSession returns the secret of the current session in the session cookie, or empty.
func (c *Cookies) CurrentSession() string {
	current, _, _ := strings.Cut(c.SessionCookie(), ".")
	return current
}

// BrowserCookie returns the secret of the browser, or empty.
func (c *Cookies) BrowserCookie() string {
	if v := c.CookieValue(cookieBrowser); secret.Valid(flow.BrowserPrefix, v) {
		return v
	}
	return ""
}

// RememberCookie returns the remember-me token, or empty.
func (c *Cookies) RememberCookie() string {
	if v := c.CookieValue(cookieRemember); strings.HasPrefix(v, rememberPrefix) && len(v) <= 256 {
		return v
	}
	return ""
}

// hasAnyCookie reports whether the request has a cookie of this server, of any kind and tenant,
// valid or not.
func (c *Cookies) hasAnyCookie() bool {
	for _, line := range c.request.Header["Cookie"] {
		if strings.Contains(line, c.prefix()) {
			return true
		}
	}
	return false
}

// SetCurrentSession replaces the current session; the other sessions of the browser stay.
func (c *Cookies) SetCurrentSession(value secret.Text) {
	list := []string{value.Reveal()}
	if others := session.ParseCookie(c.SessionCookie()); len(others) > 1 {
		list = append(list, others[1:]...)
	}
	c.SetSessions(strings.Join(list, "."))
}

// DropCurrentSession deletes the current session from the cookie; the other sessions stay.
func (c *Cookies) DropCurrentSession() {
	_, others, _ := strings.Cut(c.SessionCookie(), ".")
	c.SetSessions(others)
}

// DropSessions deletes the session cookie.
func (c *Cookies) DropSessions() { c.putCookie(cookieSession, "", 0) }

// SetSessions sets the session cookie; an empty value deletes it. The cookie has no lifetime
// of its own: the server ends sessions, and the browser deletes the cookie when it closes.
func (c *Cookies) SetSessions(value string) { c.putCookie(cookieSession, value, 0) }

// SetBrowser sets the secret that identifies the browser, unless it is empty.
func (c *Cookies) SetBrowser(value secret.Text) {
	if value != "" {
		c.putCookie(cookieBrowser, value.Reveal(), 0)
	}
}

// SetRemember sets the remember-me token, unless it is empty.
func (c *Cookies) SetRemember(value secret.Text) {
	if value != "" {
		c.putCookie(cookieRemember, value.Reveal(), rememberLifetime)
	}
}

// SetKnown sets the cookie that makes the browser known to accounts, unless it is empty.
func (c *Cookies) SetKnown(value secret.Text) {
	if value != "" {
		c.putCookie(cookieKnown, value.Reveal(), rememberLifetime)
	}
}

// TrustedCookie returns the cookie of a trusted browser, or empty.
func (c *Cookies) TrustedCookie() string { return c.CookieValue(cookieTrusted) }

// SetTrusted sets the cookie of a trusted browser, unless it is empty. The server ends it earlier.
func (c *Cookies) SetTrusted(value secret.Text) {
	if value != "" {
		c.putCookie(cookieTrusted, value.Reveal(), rememberLifetime)
	}
}

// appsLifetime is how long a browser is redirected to an untrusted client without asking the user
// again.
const appsLifetime = 30 * 24 * time.Hour

// SetApps sets the list of untrusted clients that got a code, unless it is empty.
func (c *Cookies) SetApps(value string) {
	if value != "" {
		c.putCookie(CookieApps, value, appsLifetime)
	}
}

// DropRemember deletes the remember-me token, if there is one.
func (c *Cookies) DropRemember() {
	if c.CookieValue(cookieRemember) != "" {
		c.putCookie(cookieRemember, "", 0)
	}
}

// putCookie sets a cookie, or deletes it if the value is empty. A cookie without a lifetime ends when
// the browser closes. A response sets a cookie only once: the last value wins.
func (c *Cookies) putCookie(kind cookieKind, value string, lifetime time.Duration) {
	cookie := &http.Cookie{Name: c.name(kind), Value: value, MaxAge: int(lifetime / time.Second),
		Path: "/", Secure: !c.insecure, HttpOnly: true, SameSite: http.SameSiteLaxMode}
	if value == "" {
		cookie.MaxAge = -1
	}
	line := cookie.String()
	if line == "" {
		return
	}
	set := slices.DeleteFunc(c.header["Set-Cookie"], func(line string) bool { return strings.HasPrefix(line, cookie.Name+"=") })
	c.header["Set-Cookie"] = append(set, line)
}
