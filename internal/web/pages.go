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

// page is what every page shows.
func (ex *exchange) page() ui.Page {
	name := ex.tenant.Name
	if name == "" {
		name = "Watchword"
	}
	return ui.Page{Tenant: name, Dev: ex.server.cfg.Mailbox != nil}
}

// render writes a page whole or not at all.
func (ex *exchange) render(status int, p interface{ Render(io.Writer) error }) error {
	var b bytes.Buffer
	if err := p.Render(&b); err != nil {
		return fmt.Errorf("render %T: %w", p, err)
	}
	ex.WriteHeader(status)
	ex.Write(b.Bytes())
	return nil
}

// local is a path below the base of the request's tenant.
func (ex *exchange) local(path string) string { return ex.tenant.ID.Path() + path }

// seeOther sends the browser on by GET (RFC 9110 §15.4.4), so that going back or
// reloading sends no form twice.
func (ex *exchange) seeOther(path string) error {
	h := ex.Header()
	h["Location"] = []string{ex.local(path)}
	delete(h, "Content-Type")
	ex.WriteHeader(http.StatusSeeOther)
	return nil
}

// writeProblemPage answers a person.
func (ex *exchange) writeProblemPage(err error) {
	p := ex.explain(err)
	ex.fault = p.fault
	ex.pageHeaders()
	p.header(ex.Header())
	page := ui.Problem{Page: ex.page(), Title: p.Title, Text: p.Detail, Reference: p.Reference}
	if words, ok := problemWords[p.Status]; ok {
		page.Title, page.Text = words[0], words[1]
	}
	if err := ex.render(p.Status, page); err != nil {
		ex.writeProblem(err)
	}
}

// problemWords say to a person what happened and what to do.
var problemWords = map[int][2]string{
	http.StatusForbidden:             {"This did not come from our page", "For your safety nothing was changed. Open the page again and retry from there."},
	http.StatusNotFound:              {"There is nothing here", "The address may be mistyped, or what was here is gone."},
	http.StatusMethodNotAllowed:      {"This address does not work like that", "Go back and use the button on the page."},
	http.StatusRequestEntityTooLarge: {"That was too much", "The form was larger than it can be. Go back and shorten what you entered."},
	http.StatusTooManyRequests:       {"Too many tries", "Wait a little, then try again."},
	http.StatusServiceUnavailable:    {"Not right now", "The service is busy or being repaired. Try again in a moment; nothing was lost."},
	http.StatusInternalServerError:   {"Something went wrong here", "It is not your fault. Try again; if it stays, tell us the reference."},
}

func (s *Server) stylesheet(ex *exchange, _ *http.Request) error {
	h := ex.Header()
	h["Content-Type"] = []string{"text/css; charset=utf-8"}
	h["Cache-Control"] = []string{"public, max-age=31536000, immutable"}
	ex.Write(ui.Stylesheet)
	return nil
}

const incompleteLink = "This link is not complete. Open it again from the mail, or copy the whole of it."

// verifyEmailPage is where the mailed link leads. It spends nothing: mail scanners
// open links too, and only a person presses the button.
func (s *Server) verifyEmailPage(ex *exchange, r *http.Request) error {
	p := ui.VerifyEmail{Page: ex.page(), Action: ex.local("/verify-email"), Token: linkToken(r)}
	if p.Token == "" {
		p.Bad = incompleteLink
		return ex.render(http.StatusBadRequest, p)
	}
	return ex.render(http.StatusOK, p)
}

func (s *Server) verifyEmailForm(ex *exchange, r *http.Request) error {
	err := s.cfg.Accounts.VerifyEmail(r.Context(), ex.tenant.ID, r.PostForm.Get("token"), ex.by())
	if isLink(err) {
		return ex.render(http.StatusBadRequest, ui.VerifyEmail{Page: ex.page(), Bad: "This link has been used already, or it is too old."})
	}
	if err != nil {
		return err
	}
	return ex.seeOther("/verify-email/done")
}

func (s *Server) verifyEmailDone(ex *exchange, _ *http.Request) error {
	return ex.render(http.StatusOK, ui.Done{Page: ex.page(), Title: "Your address is confirmed", Text: "You can close this page and sign in."})
}

// resetPasswordPage is where the mailed link leads; like the other it spends nothing.
func (s *Server) resetPasswordPage(ex *exchange, r *http.Request) error {
	p := s.resetPage(ex, linkToken(r))
	if p.Token == "" {
		p.Bad = incompleteLink
		return ex.render(http.StatusBadRequest, p)
	}
	return ex.render(http.StatusOK, p)
}

func (s *Server) resetPage(ex *exchange, token string) ui.ResetPassword {
	return ui.ResetPassword{Page: ex.page(), Action: ex.local("/reset-password"), Token: token, MinLength: max(ex.tenant.Settings.Password.MinLength, 8)}
}

func (s *Server) resetPasswordForm(ex *exchange, r *http.Request) error {
	token := r.PostForm.Get("token")
	err := s.cfg.Accounts.Reset(r.Context(), ex.tenant.ID, token, r.PostForm.Get("password"), ex.by())
	switch e, ok := errors.AsType[*auth.Error](err); {
	case err == nil:
		return ex.seeOther("/reset-password/done")
	case isLink(err):
		p := s.resetPage(ex, "")
		p.Bad = "This link has been used already, or it is too old."
		return ex.render(http.StatusBadRequest, p)
	case ok && e.Kind == auth.KindInvalid:
		p := s.resetPage(ex, token)
		for _, r := range e.Reasons {
			p.Refused = append(p.Refused, sentence("it "+r.Msg)) // "must have at least …"
		}
		if len(p.Refused) == 0 {
			p.Refused = []string{sentence(e.Msg)}
		}
		return ex.render(http.StatusBadRequest, p)
	}
	return err
}

func (s *Server) resetPasswordDone(ex *exchange, _ *http.Request) error {
	return ex.render(http.StatusOK, ui.Done{Page: ex.page(), Title: "Your new password is set", Text: "You can close this page and sign in with it."})
}

// linkToken is the secret of a mailed link, cut to what one can be at most.
func linkToken(r *http.Request) string { return auth.Clip(r.URL.Query().Get("token"), 128) }

// isLink reports that a link does not work, for whatever reason.
func isLink(err error) bool {
	e, ok := errors.AsType[*auth.Error](err)
	return ok && e.Code == "invalid_link"
}

// sentence makes a message of a service stand alone on a page.
func sentence(s string) string {
	if s == "" {
		return s
	}
	if c := s[0]; c >= 'a' && c <= 'z' {
		s = string(c-'a'+'A') + s[1:]
	}
	if last := s[len(s)-1]; last != '.' && last != '!' && last != '?' {
		s += "."
	}
	return s
}
