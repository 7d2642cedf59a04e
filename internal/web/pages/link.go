package pages

import (
	"net/http"

	"github.com/watchword-auth/watchword/internal/account"
	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/web/router"
	"github.com/watchword-auth/watchword/internal/web/ui"
)

// A mailed link returns to the flow in which it was requested, if it is opened in the browser of that
// flow. In another browser it leads to the sign-in page. The URL does not name the flow: the account
// service finds it and compares the browser.

// linkToken returns the token of a mailed link, cut to the maximum length.
func linkToken(r *http.Request) string { return auth.Clip(r.URL.Query().Get("token"), 128) }

// isInvalidLink reports whether err says that a link does not work.
func isInvalidLink(err error) bool { return auth.CodeOf(err) == auth.CodeInvalidLink }

// linkPage returns the secret of a link's page, new on GET. It identifies a form that is sent twice,
// since the page sets no cookie.
func linkPage(r *http.Request) string {
	const prefix = "wwp_"
	if sent := r.PostForm.Get("page"); secret.Valid(prefix, sent) {
		return sent
	}
	return secret.New(prefix).Reveal()
}

// allowFlowEnd lets the form of a link's page redirect to where the flow ends.
func allowFlowEnd(ex *router.Exchange, f auth.Flow) {
	if uri := f.Request.RedirectURI; uri != "" {
		ex.Header()["Content-Security-Policy"] = []string{csp(formActions(uri))}
	}
}

// linkNotice names the effect of a link, as the parameter done of a URL.
type linkNotice string

const (
	noticeVerified linkNotice = "verified"
	noticeChosen   linkNotice = "chosen"
	noticeReset    linkNotice = "reset"
)

// linkNotices are the notice on the sign-in page of the flow, and the path of the page without a
// flow.
var linkNotices = map[linkNotice]struct {
	signIn ui.Key
	path   string
}{
	noticeVerified: {ui.AddressProvedSignIn, "/verify-email/done"},
	noticeChosen:   {ui.PasswordChosenSignIn, "/verify-email/done?password=set"},
	noticeReset:    {ui.PasswordIsSetSignIn, "/reset-password/done"},
}

// redirectFromLink redirects to the sign-in page of the link's flow, or to a page with the outcome.
func redirectFromLink(ex *router.Exchange, out account.LinkOutcome, n linkNotice) error {
	if out.Flow.ID == "" {
		return seeOther(ex, linkNotices[n].path)
	}
	return redirect(ex, flowURL(ex, PathLogin, out.Flow.ID)+"&done="+string(n))
}

// noticeFromLink returns the notice of the sign-in page after a link, or empty.
func noticeFromLink(ex *router.Exchange) ui.Key {
	return linkNotices[linkNotice(ex.Request.URL.Query().Get("done"))].signIn
}
