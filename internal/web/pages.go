package web

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/web/ui"
)

func (ex *exchange) pageHeaders() {
	h := ex.Header()
	h["Content-Security-Policy"] = cspPage
	h["X-Frame-Options"] = deny
	h["Cross-Origin-Opener-Policy"] = sameOrigin
	h["Cross-Origin-Resource-Policy"] = sameOrigin
	h["Content-Type"] = typeHTML
}

// page is what every page shows, in the person's language. The locales are those that
// a client asked for (OpenID Connect Core §3.1.2.1).
func (ex *exchange) page(locales ...string) ui.Page {
	p := ui.NewPage(ex.tenant, ui.Language(locales, ex.request.Header.Get("Accept-Language"), ex.tenant.Settings.Locale))
	p.Dev = ex.router.cfg.Dev
	return p
}

// render writes a page whole or not at all. The policy lets a script in only for a page
// that has one.
func (ex *exchange) render(status int, p interface{ Render(io.Writer) error }) error {
	var b bytes.Buffer
	if err := p.Render(&b); err != nil {
		return fmt.Errorf("render %T: %w", p, err)
	}
	if page, ok := p.(interface{ Scripted() bool }); ok && page.Scripted() {
		h := ex.Header()
		h["Content-Security-Policy"] = []string{h.Get("Content-Security-Policy") + "; script-src 'self'"}
	}
	ex.WriteHeader(status)
	ex.Write(b.Bytes())
	return nil
}

// local is a path below the base of the request's tenant.
func (ex *exchange) local(path string) string { return ex.tenant.ID.Path() + path }

// seeOther sends the browser on by GET (RFC 9110 §15.4.4), so that going back or
// reloading sends no form twice.
func (ex *exchange) seeOther(path string) error { return ex.toAddress(ex.local(path)) }

// done is the page after something that worked. It leads to where people sign in, which
// leads those who are signed in to their account.
func (ex *exchange) done(k ui.Key) ui.Done {
	p := ex.page().Done(k)
	p.Next = ex.local(pathLogin)
	return p
}

// linkToken is the secret of a mailed link, cut to what one can be at most.
func linkToken(r *http.Request) string { return auth.Clip(r.URL.Query().Get("token"), 128) }

// isLink reports that a link does not work, for whatever reason.
func isLink(err error) bool {
	e, ok := errors.AsType[*auth.Error](err)
	return ok && e.Code == auth.CodeInvalidLink
}
