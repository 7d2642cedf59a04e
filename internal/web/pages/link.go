package pages

import (
	"errors"
	"net/http"

	"github.com/watchword-auth/watchword/internal/account"
	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/web/router"
	"github.com/watchword-auth/watchword/internal/web/ui"
)

// A mailed link leads back into the flow from whose page it was requested, in the browser in
// which that flow began. In another browser it leads to sign-in. The address has no flow: the
// account service knows it and compares the browser.

// linkToken is the secret of a mailed link, cut to what one can be at most.
func linkToken(r *http.Request) string { return auth.Clip(r.URL.Query().Get("token"), 128) }

// isLink reports that a link does not work, for whatever reason.
func isLink(err error) bool {
	e, ok := errors.AsType[*auth.Error](err)
	return ok && e.Code == auth.CodeInvalidLink
}

// linkPage returns the secret of the page of a link. A browser that sends its form twice is
// recognised by it, since the page sets no cookie.
func linkPage(r *http.Request) string {
	const prefix = "wwp_"
	if sent := r.PostForm.Get("page"); secret.Valid(prefix, sent) {
		return sent
	}
	return secret.New(prefix).Reveal()
}

// towardsFlow lets the form of a link's page end where the flow ends.
func towardsFlow(ex *router.Exchange, f auth.Flow) {
	if to := f.Request.RedirectURI; to != "" {
		ex.Header()["Content-Security-Policy"] = []string{csp(towards(to))}
	}
}

// linkNotice names what a link has done, in an address.
type linkNotice string

const (
	noticeVerified linkNotice = "verified"
	noticeChosen   linkNotice = "chosen"
	noticeReset    linkNotice = "reset"
)

// linkNotices are what the page says to which a link leads: the sign-in page of the flow, or
// a page of its own.
var linkNotices = map[linkNotice]struct {
	signIn ui.Key
	path   string
}{
	noticeVerified: {ui.AddressProvedSignIn, "/verify-email/done"},
	noticeChosen:   {ui.PasswordChosenSignIn, "/verify-email/done?password=set"},
	noticeReset:    {ui.PasswordIsSetSignIn, "/reset-password/done"},
}

// afterLink redirects to where a used link leads.
func afterLink(ex *router.Exchange, out account.LinkOutcome, n linkNotice) error {
	if out.Flow.ID == "" {
		return seeOther(ex, linkNotices[n].path)
	}
	return redirect(ex, flowURL(ex, PathLogin, out.Flow.ID)+"&done="+string(n))
}

// afterLinkNotice returns what the sign-in page says to a browser that comes from a link.
func afterLinkNotice(ex *router.Exchange) ui.Key {
	return linkNotices[linkNotice(ex.Request.URL.Query().Get("done"))].signIn
}
