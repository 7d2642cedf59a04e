package pages

import (
	"cmp"
	"net/http"
	"net/url"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/web/router"
	"github.com/watchword-auth/watchword/internal/web/ui"
)

// The header of a response must fit the default buffer of common proxies: 4 KiB in nginx, which
// otherwise responds with 502. headerRest is for what net/http adds: status line, Date and the like.
const (
	maxHeader  = 3584
	headerRest = 256
)

// redirect redirects with 303, after which the browser sends GET (RFC 9110 §15.4.4): a form with a
// password is not sent again (RFC 9700 §4.12).
func redirect(ex *router.Exchange, location string) error {
	return redirectToClient(ex, location, auth.Client{})
}

// redirectToClient is redirect for a URL of a client. A page with a link, without script, replaces a
// redirect that is too long for the header of a response, and with a script one that tells the browser about
// passkeys before it leaves.
func redirectToClient(ex *router.Exchange, location string, c auth.Client) error {
	h := ex.Header()
	if ex.Signals != "" || headerRest+sizeOf(h)+len(location) > maxHeader {
		SetFlowHeaders(ex)
		keepOpener(ex, c)
		name := c.DisplayName()
		if u, err := url.Parse(location); name == "" && err == nil {
			name = u.Host
		}
		p := ui.GoOn{Page: newPage(ex), To: location}
		if p.Client = cmp.Or(name, p.Tenant); ex.Signals != "" {
			p.Passkey = &ui.Passkey{Signals: ex.Signals}
		}
		return render(ex, http.StatusOK, p)
	}
	h["Location"] = []string{location}
	delete(h, "Content-Type")
	ex.WriteHeader(http.StatusSeeOther)
	return nil
}

// sizeOf returns the size of the headers in bytes.
func sizeOf(h http.Header) int {
	n := 0
	for name, values := range h {
		for _, v := range values {
			n += len(name) + len(v) + 4
		}
	}
	return n
}
