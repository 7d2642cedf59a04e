package pages

import (
	"errors"
	"net/http"
	"net/url"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/flow"
	"github.com/watchword-auth/watchword/internal/login"
	"github.com/watchword-auth/watchword/internal/web/router"
	"github.com/watchword-auth/watchword/internal/web/ui"
)

// The pages on which users sign in with a mail instead of a password.
const (
	PathMailSignIn = "/login/email"
	PathMailCode   = "/login/email/code"
)

// MailSignInPage asks for an address, or for the code that was mailed to it. The link of the mail leads here
// with the code.
func (s *Handlers) MailSignInPage(ex *router.Exchange, st flow.Step) error {
	if !ex.Tenant.Settings.EmailSignIn {
		return dispatch(ex, st)
	}
	q := ex.Request.URL.Query()
	p, ok, err := s.mailCodeOf(ex, st)
	if err != nil {
		return err
	}
	if !ok || q.Has("again") {
		return render(ex, http.StatusOK, s.mailSignInOf(ex, st))
	}
	p.Code, _, _ = login.ParseSignInLink(q.Get("code") + ".x")
	return render(ex, http.StatusOK, p)
}

func (s *Handlers) mailSignInOf(ex *router.Exchange, st flow.Step) ui.EmailSignIn {
	return ui.EmailSignIn{Page: stepPage(ex, st), Form: stepForm(ex, st, PathMailSignIn), Client: clientName(st), Login: sidePageURL(ex, PathLogin, st.Flow.ID)}
}

// mailCodeOf returns the page that asks for a code. It reports false when none was mailed that works.
func (s *Handlers) mailCodeOf(ex *router.Exchange, st flow.Step) (p ui.EmailCode, ok bool, err error) {
	address, ok, err := s.logins.SignInMailed(ex.Request.Context(), ex.Tenant.ID, st.Flow.ID)
	again := sidePageURL(ex, PathMailSignIn, st.Flow.ID) + "&again"
	return ui.EmailCode{Page: stepPage(ex, st), Form: stepForm(ex, st, PathMailCode), Email: address, Again: again, Login: sidePageURL(ex, PathLogin, st.Flow.ID)}, ok, err
}

// MailSignInForm mails a code and a link. The response is the same for every address.
func (s *Handlers) MailSignInForm(ex *router.Exchange, r *http.Request) error {
	in, err := s.flowForm(ex, r)
	if err != nil {
		return err
	}
	email := auth.Clip(r.PostForm.Get("email"), maxEmail)
	st, err := s.logins.MailSignIn(r.Context(), in, email)
	if auth.KindOf(err) == auth.KindInvalid && st.Kind != "" {
		p := s.mailSignInOf(ex, st)
		p.Email, p.Bad = email, p.Say(ui.AddressInvalid)
		return render(ex, http.StatusBadRequest, p)
	}
	if err != nil {
		return err
	}
	return redirect(ex, sidePageURL(ex, PathMailSignIn, st.Flow.ID))
}

// MailCodeForm signs a user in with a mailed code.
func (s *Handlers) MailCodeForm(ex *router.Exchange, r *http.Request) error {
	in, err := s.flowForm(ex, r)
	if err != nil {
		return err
	}
	form := login.EmailForm{FormRef: in, Code: r.PostForm.Get("code"), Remember: r.PostForm.Get("remember") == "on", RememberMe: ex.RememberCookie()}
	signedIn, err := s.logins.SignInEmail(r.Context(), form)
	setSignedIn(ex, signedIn)
	if err == nil {
		return dispatch(ex, signedIn.Step)
	}
	e, ok := errors.AsType[*auth.Error](err)
	st := signedIn.Step
	switch {
	case !ok || st.Kind == "":
		return err
	case !allowedAt(ex, PathMailSignIn, st.Kind):
		return dispatch(ex, st)
	}
	p, live, failed := s.mailCodeOf(ex, st)
	if failed != nil {
		return failed
	}
	p.Ticked = form.Remember
	switch {
	case e.Kind == auth.KindThrottled:
		ex.Explain(e).SetHeaders(ex.Header())
		p.Bad = p.Say(ui.FactorWait, p.Wait(e.RetryAfter))
		return render(ex, http.StatusTooManyRequests, p)
	case e.Code != auth.CodeInvalidCode:
		return err
	case !live: // it has expired, or five codes were wrong
		again := s.mailSignInOf(ex, st)
		again.Bad = again.Say(ui.BadMailedCode)
		return render(ex, http.StatusBadRequest, again)
	}
	p.Bad = p.Say(ui.BadMailedCode)
	return render(ex, http.StatusBadRequest, p)
}

// MailLinkPage is the page of a mailed link. In the browser that asked for the mail it leads to the page
// with the code filled in, in every other browser it shows the code. It signs nobody in, since mail
// scanners open links, too.
func (s *Handlers) MailLinkPage(ex *router.Exchange, r *http.Request) error {
	p := ui.EmailElsewhere{Page: newPage(ex)}
	code, id, ok := login.ParseSignInLink(linkToken(r))
	if !ok {
		p.Bad, p.Login = p.Say(ui.LinkIncomplete), tenantPath(ex, PathLogin)
		return render(ex, http.StatusBadRequest, p)
	}
	own, err := s.flows.Owned(r.Context(), ex.Tenant.ID, id, flow.Browser{Secret: ex.BrowserCookie()})
	if err != nil {
		return err
	}
	if own {
		return redirect(ex, flowURL(ex, PathMailSignIn, id)+"&code="+url.QueryEscape(code))
	}
	p.Code = code
	return render(ex, http.StatusOK, p)
}
