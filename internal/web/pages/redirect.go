package pages

import (
	"net/http"
	"net/url"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/web/router"
	"github.com/watchword-auth/watchword/internal/web/ui"
)

// The head of an answer stays below the default buffer of common proxies (4 KiB in nginx, which
// answers 502 beyond it). headRest is for what net/http adds: status line, Date and the like.
const (
	maxHead  = 3584
	headRest = 256
)

// redirect sends the browser on by GET (RFC 9110 §15.4.4), whatever it sent before:
// no password goes along (RFC 9700 §4.12).
func redirect(ex *router.Exchange, address string) error {
	return redirectToClient(ex, address, auth.Client{})
}

// redirectToClient is redirect for an address that a client has chosen. A page with a link, without
// script, replaces a redirect that is too long for the head of an answer.
func redirectToClient(ex *router.Exchange, address string, c auth.Client) error {
	h := ex.Header()
	if headRest+sizeOf(h)+len(address) > maxHead {
		SetFlowHeaders(ex)
		keepOpener(ex, c)
		name := c.DisplayName()
		if u, err := url.Parse(address); name == "" && err == nil {
			name = u.Host
		}
		return render(ex, http.StatusOK, ui.GoOn{Page: newPage(ex), To: address, Client: name})
	}
	h["Location"] = []string{address}
	delete(h, "Content-Type")
	ex.WriteHeader(http.StatusSeeOther)
	return nil
}

// sizeOf is the size of the headers in bytes.
func sizeOf(h http.Header) int {
	n := 0
	for name, values := range h {
		for _, v := range values {
			n += len(name) + len(v) + 4
		}
	}
	return n
}
