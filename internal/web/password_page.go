package web

import (
	"errors"
	"net/http"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/flow"
	"github.com/watchword-auth/watchword/internal/web/ui"
)

// forgotPage asks to which address a link for a new password goes.
func (s *Server) forgotPage(ex *exchange, st flow.Step) error {
	return ex.render(http.StatusOK, s.forgotOf(ex, st))
}

func (s *Server) forgotOf(ex *exchange, st flow.Step) ui.Forgot {
	return ui.Forgot{Page: ex.ofStep(st), Form: ex.formOf(st, pathForgot), Login: ex.sidePageURL(pathLogin, st.Flow.ID)}
}

// forgotForm mails the link. The answer is the same for every address.
func (s *Server) forgotForm(ex *exchange, r *http.Request) error {
	st, err := s.formStep(ex, r)
	if err != nil {
		return err
	}
	email := auth.Clip(r.PostForm.Get("email"), maxEmail)
	err = s.cfg.Accounts.Forgot(r.Context(), ex.tenant.ID, email, ex.requestActor())
	p := s.forgotOf(ex, st)
	switch {
	case auth.KindOf(err) == auth.KindInvalid:
		p.Email, p.Bad = email, p.Say(ui.AddressInvalid)
		return ex.render(http.StatusBadRequest, p)
	case err != nil:
		return err
	}
	return ex.render(http.StatusOK, ui.ForgotSent{Page: p.Page, Form: p.Form, Email: email, Login: p.Login})
}

// changePassword is where password managers send people who want a new password (W3C, A
// Well-Known URL for Changing Passwords).
func (s *Server) changePassword(ex *exchange, _ *http.Request) error {
	return ex.seeOther(pathForgot)
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
	known, err := s.cfg.Accounts.ResetIn(r.Context(), ex.tenant.ID, token, r.PostForm.Get("password"), ex.requestActor())
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
