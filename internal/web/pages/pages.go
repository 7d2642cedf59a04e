// Package pages has the handlers that browsers call: the pages of flows, of the account and of
// mailed links, and the endpoints to which clients send browsers.
//
// A handler reads a form, calls one service and renders a page or redirects. Templates and texts
// are in web/ui, paths and principals in the route table of web. New returns the handlers.
package pages

import (
	"bytes"
	"fmt"
	"io"
	"slices"

	"github.com/watchword-auth/watchword/internal/account"
	"github.com/watchword-auth/watchword/internal/flow"
	"github.com/watchword-auth/watchword/internal/login"
	"github.com/watchword-auth/watchword/internal/oidc"
	"github.com/watchword-auth/watchword/internal/place"
	"github.com/watchword-auth/watchword/internal/session"
	"github.com/watchword-auth/watchword/internal/web/router"
	"github.com/watchword-auth/watchword/internal/web/ui"
)

// Handlers has the handlers of the package.
type Handlers struct {
	accounts *account.Service
	logins   *login.Service
	sessions *session.Service
	flows    *flow.Service
	oidc     *oidc.Service
	places   *place.Database // nil unless configured

	base    string           // of the issuer, without a trailing slash
	mailbox func() []Mail    // nil unless in development
	calls   func() []ui.Call // the operations of the JSON API
}

// Config has what the handlers call. The services and Base are required.
type Config struct {
	Accounts *account.Service
	Logins   *login.Service
	Sessions *session.Service
	Flows    *flow.Service
	OIDC     *oidc.Service
	// Places, if set, shows the places of IP addresses.
	Places *place.Database

	// Base is the issuer's base URL without a trailing slash.
	Base string
	// Mailbox lists the caught mails, newest first. It is set in development only.
	Mailbox func() []Mail
	// Calls lists the operations of the JSON API, for its page in development.
	Calls func() []ui.Call
}

// New returns the handlers, which call the services of cfg.
func New(cfg Config) *Handlers {
	return &Handlers{accounts: cfg.Accounts, logins: cfg.Logins, sessions: cfg.Sessions, flows: cfg.Flows, oidc: cfg.OIDC, places: cfg.Places,
		base: cfg.Base, mailbox: cfg.Mailbox, calls: cfg.Calls}
}

// Header values that all pages share. They must not be modified.
var (
	deny       = []string{"DENY"}
	sameOrigin = []string{"same-origin"}
	cspPage    = []string{csp("")}
	noPasskeys = []string{"publickey-credentials-get=(), publickey-credentials-create=()"}
	passkeys   = []string{"publickey-credentials-get=(self), publickey-credentials-create=(self)"}
	typeHTML   = []string{"text/html; charset=utf-8"}
)

// SetHeaders sets the headers of a page.
func SetHeaders(ex *router.Exchange) {
	h := ex.Header()
	h["Content-Security-Policy"] = cspPage
	h["X-Frame-Options"] = deny
	h["Permissions-Policy"] = noPasskeys
	h["Cross-Origin-Opener-Policy"] = sameOrigin
	h["Cross-Origin-Resource-Policy"] = sameOrigin
	h["Content-Type"] = typeHTML
}

// newPage returns the common data of all pages, in the user's language. The locales are the ui_locales
// of the client's request (OpenID Connect Core §3.1.2.1). Without them the account that is signed in
// decides.
func newPage(ex *router.Exchange, locales ...string) ui.Page {
	if len(ex.SignedIn) > 0 {
		locales = append(slices.Clip(locales), ex.SignedIn[0].Account.Locale)
	}
	p := ui.NewPage(ex.Tenant, ui.Language(locales, ex.Request.Header.Get("Accept-Language"), ex.Tenant.Settings.Locale))
	p.Dev = ex.Dev()
	return p
}

// render writes a page. If rendering fails, it writes nothing. The Content-Security-Policy allows
// scripts only for a page that has one, and the Permissions-Policy passkeys.
func render(ex *router.Exchange, status int, p interface{ Render(io.Writer) error }) error {
	var b bytes.Buffer
	if err := p.Render(&b); err != nil {
		return fmt.Errorf("render %T: %w", p, err)
	}
	if page, ok := p.(interface{ Scripted() bool }); ok && page.Scripted() {
		h := ex.Header()
		h["Content-Security-Policy"] = []string{h.Get("Content-Security-Policy") + "; script-src 'self'"}
	}
	if page, ok := p.(interface{ UsesPasskeys() bool }); ok && page.UsesPasskeys() {
		ex.Header()["Permissions-Policy"] = passkeys
	}
	ex.WriteHeader(status)
	ex.Write(b.Bytes())
	return nil
}

// tenantPath returns the path below the base of the request's tenant.
func tenantPath(ex *router.Exchange, path string) string { return ex.Tenant.ID.Path() + path }

// seeOther redirects to a path of the tenant with 303 (RFC 9110 §15.4.4), so that going back or
// reloading sends no form twice.
func seeOther(ex *router.Exchange, path string) error { return redirect(ex, tenantPath(ex, path)) }

// donePage returns the page after an action that succeeded. It links to the sign-in page, which
// redirects signed-in users to their account.
func donePage(ex *router.Exchange, k ui.Key) ui.Done {
	p := newPage(ex).Done(k)
	p.Next, p.Elsewhere = tenantPath(ex, PathLogin), p.Say(ui.LinkElsewhere)
	return p
}
