package web

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/watchword-auth/watchword/internal/account"
	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/oidc"
	"github.com/watchword-auth/watchword/internal/web/ui"
)

// asPage gives a handler the headers of a page.
func asPage(h handler) handler {
	return func(ex *exchange, r *http.Request) error {
		ex.pageHeaders()
		return h(ex, r)
	}
}

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
	p.Dev = ex.server.cfg.Mailbox != nil
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

// writeProblemPage answers a person. A refusal in the words of the protocol comes with
// them, for the developer of the client that sent the person here.
func (ex *exchange) writeProblemPage(err error) {
	ex.pageHeaders()
	page := ex.page().Problem(ui.BadRequest)
	status := http.StatusBadRequest
	if wrong, ok := errors.AsType[*oidc.PageError](err); ok {
		page.Code, page.Detail, page.Reference = string(wrong.Code), wrong.Desc, ex.id
	} else if wrong, ok := errors.AsType[*oidc.Error](err); ok {
		page.Code, page.Detail, page.Reference = string(wrong.Code), wrong.Desc, ex.id
	} else {
		p := ex.explain(err)
		ex.fault, status = p.fault, p.Status
		p.header(ex.Header())
		page = ex.problemPage(p)
	}
	if page.Login = pathLogin; ex.tenant.ID != "" {
		page.Login = ex.local(pathLogin)
	}
	page.Client, page.Home = ex.flowHome(err)
	if err := ex.render(status, page); err != nil {
		ex.writeProblem(err)
	}
}

// flowHome is where the person of a flow that is over can begin again: the home page of
// its client. What a stranger says of their own client is no place to send people to.
func (ex *exchange) flowHome(err error) (name, uri string) {
	r := ex.request
	if e, ok := errors.AsType[*auth.Error](err); !ok || e.Code != "flow_over" {
		return "", ""
	}
	id := flowOf(r)
	if r.PostForm != nil {
		id, _ = posted(r)
	}
	c, err := ex.server.cfg.OIDC.FlowClient(r.Context(), ex.tenant.ID, id, oidc.Browser{Secret: ex.browserCookie()})
	if err != nil || c.SelfDescribed() || c.Settings.ClientURI == "" {
		return "", "" // the page says the rest all the same
	}
	return clientName(c), c.Settings.ClientURI
}

// problemPage says it in the words for what it is, else in those for its status.
func (ex *exchange) problemPage(p *Problem) ui.Problem {
	page := ui.Problem{Page: ex.page(), Title: p.Title, Text: p.Detail}
	if p.Code == "flow_over" && ex.browserCookie() == "" {
		page = ex.page().Problem(ui.FlowNoCookie)
	} else if k, ok := problemCodes[p.Code]; ok {
		page = ex.page().Problem(k)
	} else if k, ok := problemKeys[p.Status]; ok {
		page = ex.page().Problem(k)
	}
	if p.Status == http.StatusTooManyRequests {
		page = ex.page().Throttled(p.retryAfter, ex.again())
	}
	page.Reference = p.Reference
	return page
}

// again is where the request can be made once more by a link: a form cannot.
func (ex *exchange) again() string {
	if u := ex.request.URL; ex.request.Method == http.MethodGet {
		return u.RequestURI()
	}
	return ""
}

// problemCodes and problemKeys say to a person what happened and what to do.
var problemCodes = map[string]ui.Key{"flow_over": ui.FlowGone}

var problemKeys = map[int]ui.Key{
	http.StatusForbidden:             ui.Forbidden,
	http.StatusNotFound:              ui.NotFound,
	http.StatusMethodNotAllowed:      ui.WrongMethod,
	http.StatusRequestEntityTooLarge: ui.TooLarge,
	http.StatusRequestURITooLong:     ui.AddressTooLong,
	http.StatusTooManyRequests:       ui.TooOften,
	http.StatusServiceUnavailable:    ui.Unavailable,
	http.StatusInternalServerError:   ui.Internal,
}

// verification is what the browser brings along to a link that proves an address.
func (ex *exchange) verification(ctx context.Context, token, password string) (account.Verification, error) {
	b, err := ex.browser(ctx)
	v := account.Verification{Token: token, Password: password, Browser: b.Secret}
	for _, in := range b.Sessions {
		v.SignedIn = append(v.SignedIn, in.Account.ID)
	}
	return v, err
}

// changePassword is where password managers send people who want a new password (W3C, A
// Well-Known URL for Changing Passwords).
func (s *Server) changePassword(ex *exchange, _ *http.Request) error {
	return ex.seeOther(pathForgot)
}

// verifyEmailPage is where the mailed link leads. It spends nothing: mail scanners
// open links too, and only a person presses the button.
func (s *Server) verifyEmailPage(ex *exchange, r *http.Request) error {
	token := linkToken(r)
	if token == "" {
		return s.verifyFailed(ex, ui.LinkIncomplete)
	}
	v, err := ex.verification(r.Context(), token, "")
	if err != nil {
		return err
	}
	return s.verifyAsk(ex, r, v, nil)
}

// verifyAsk shows what a link asks for, and why the last try was refused.
func (s *Server) verifyAsk(ex *exchange, r *http.Request, v account.Verification, refused *auth.Error) error {
	n, err := s.cfg.Accounts.VerifyNeeds(r.Context(), ex.tenant.ID, v)
	if isLink(err) {
		return s.verifyFailed(ex, ui.LinkUsed)
	}
	if err != nil {
		return err
	}
	p := ui.VerifyEmail{Page: ex.page(), Action: ex.local("/verify-email"), Token: v.Token, MinLength: ex.minLength(), Address: n.Address,
		Invited: n.Invited, Choose: n.Missing == account.MissingPassword, Current: n.Missing == account.MissingCurrentPassword}
	if refused == nil {
		return ex.render(http.StatusOK, p)
	}
	switch {
	case refused.Code == "password_needed": // the page asks for it by itself
	case refused.Field == "current_password":
		p.Refused = []string{p.Say(ui.PasswordWrong)}
	default:
		p.Refused = p.Refusal(refused)
	}
	return ex.render(http.StatusBadRequest, p)
}

func (s *Server) verifyFailed(ex *exchange, why ui.Key) error {
	p := ui.VerifyEmail{Page: ex.page(), Login: ex.local(pathLogin)}
	p.Bad = p.Say(why)
	return ex.render(http.StatusBadRequest, p)
}

func (s *Server) verifyEmailForm(ex *exchange, r *http.Request) error {
	v, err := ex.verification(r.Context(), r.PostForm.Get("token"), r.PostForm.Get("password"))
	if err != nil {
		return err
	}
	err = s.cfg.Accounts.VerifyEmail(r.Context(), ex.tenant.ID, v, ex.by())
	switch e, ok := errors.AsType[*auth.Error](err); {
	case err == nil && r.PostForm.Get("chosen") != "":
		return ex.seeOther("/verify-email/done?password=set")
	case err == nil:
		return ex.seeOther("/verify-email/done")
	case isLink(err):
		return s.verifyFailed(ex, ui.LinkUsed)
	case ok && (e.Field == "password" || e.Field == "current_password"):
		return s.verifyAsk(ex, r, v, e)
	}
	return err
}

func (s *Server) verifyEmailDone(ex *exchange, r *http.Request) error {
	if r.URL.Query().Get("password") == "set" {
		return ex.render(http.StatusOK, ex.done(ui.PasswordChosen))
	}
	return ex.render(http.StatusOK, ex.done(ui.AddressProved))
}

// done is the page after something that worked. It leads to where people sign in, which
// leads those who are signed in to their account.
func (ex *exchange) done(k ui.Key) ui.Done {
	p := ex.page().Done(k)
	p.Next = ex.local(pathLogin)
	return p
}

// resetPasswordPage is where the mailed link leads; like the other it spends nothing.
func (s *Server) resetPasswordPage(ex *exchange, r *http.Request) error {
	token := linkToken(r)
	if token == "" {
		return s.resetFailed(ex, ui.LinkIncomplete)
	}
	return s.resetAsk(ex, r, token, nil)
}

// resetAsk shows what a link asks for, and why the last try was refused.
func (s *Server) resetAsk(ex *exchange, r *http.Request, token string, refused *auth.Error) error {
	address, err := s.cfg.Accounts.ResetAddress(r.Context(), ex.tenant.ID, token)
	if isLink(err) {
		return s.resetFailed(ex, ui.LinkUsed)
	}
	if err != nil {
		return err
	}
	p := ui.ResetPassword{Page: ex.page(), Action: ex.local("/reset-password"), Token: token, MinLength: ex.minLength(), Address: address}
	if refused == nil {
		return ex.render(http.StatusOK, p)
	}
	p.Refused = p.Refusal(refused)
	return ex.render(http.StatusBadRequest, p)
}

func (s *Server) resetFailed(ex *exchange, why ui.Key) error {
	p := ui.ResetPassword{Page: ex.page(), Forgot: ex.local(pathForgot)}
	p.Bad = p.Say(why)
	return ex.render(http.StatusBadRequest, p)
}

func (ex *exchange) minLength() int { return max(ex.tenant.Settings.Password.MinLength, 8) }

func (s *Server) resetPasswordForm(ex *exchange, r *http.Request) error {
	token := r.PostForm.Get("token")
	known, err := s.cfg.Accounts.ResetIn(r.Context(), ex.tenant.ID, token, r.PostForm.Get("password"), ex.by())
	switch e, ok := errors.AsType[*auth.Error](err); {
	case err == nil:
		ex.setKnown(known)
		return ex.seeOther("/reset-password/done")
	case isLink(err):
		return s.resetFailed(ex, ui.LinkUsed)
	case ok && e.Kind == auth.KindInvalid:
		return s.resetAsk(ex, r, token, e)
	}
	return err
}

func (s *Server) resetPasswordDone(ex *exchange, _ *http.Request) error {
	return ex.render(http.StatusOK, ex.done(ui.PasswordIsSet))
}

// linkToken is the secret of a mailed link, cut to what one can be at most.
func linkToken(r *http.Request) string { return auth.Clip(r.URL.Query().Get("token"), 128) }

// isLink reports that a link does not work, for whatever reason.
func isLink(err error) bool {
	e, ok := errors.AsType[*auth.Error](err)
	return ok && e.Code == "invalid_link"
}
