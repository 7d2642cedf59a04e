package web

import (
	"errors"
	"net/http"

	"github.com/watchword-auth/watchword/internal/account"
	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/flow"
	"github.com/watchword-auth/watchword/internal/web/ui"
)

// forgotPage asks to which address a link for a new password goes.
func (s *pages) forgotPage(ex *exchange, st flow.Step) error {
	return render(ex, http.StatusOK, s.forgotOf(ex, st))
}

func (s *pages) forgotOf(ex *exchange, st flow.Step) ui.Forgot {
	return ui.Forgot{Page: stepPage(ex, st), Form: stepForm(ex, st, pathForgot), Login: sidePageURL(ex, pathLogin, st.Flow.ID)}
}

// forgotForm mails the link. The answer is the same for every address.
func (s *pages) forgotForm(ex *exchange, r *http.Request) error {
	st, err := s.formStep(ex, r)
	if err != nil {
		return err
	}
	email := auth.Clip(r.PostForm.Get("email"), maxEmail)
	err = s.accounts.Forgot(r.Context(), ex.tenant.ID, account.LinkRequest{
		Email: email, Browser: ex.browserCookie(), Flow: st.Flow.ID, Again: r.PostForm.Has("again"),
	}, ex.requestActor())
	p := s.forgotOf(ex, st)
	switch {
	case auth.KindOf(err) == auth.KindInvalid:
		p.Email, p.Bad = email, p.Say(ui.AddressInvalid)
		return render(ex, http.StatusBadRequest, p)
	case err != nil:
		return err
	}
	return render(ex, http.StatusOK, ui.ForgotSent{Page: p.Page, Form: p.Form, Email: email, Login: p.Login})
}

// changePassword is where password managers send people who want a new password (W3C, A
// Well-Known URL for Changing Passwords).
func (s *pages) changePassword(ex *exchange, _ *http.Request) error {
	return seeOther(ex, pathForgot)
}

// resetPasswordPage is the page of the mailed link; it consumes nothing.
func (s *pages) resetPasswordPage(ex *exchange, r *http.Request) error {
	token := linkToken(r)
	if token == "" {
		return s.resetFailed(ex, ui.LinkIncomplete)
	}
	return s.resetAsk(ex, r, account.PasswordReset{Token: token, Browser: ex.browserCookie(), Page: linkPage(r)}, nil)
}

// resetAsk shows what a link asks for, and why the last try was refused.
func (s *pages) resetAsk(ex *exchange, r *http.Request, reset account.PasswordReset, refused *auth.Error) error {
	n, err := s.accounts.ResetRequirements(r.Context(), ex.tenant.ID, reset)
	if isLink(err) {
		return s.resetFailed(ex, ui.LinkUsed)
	}
	if err != nil {
		return err
	}
	if n.Used != nil {
		return afterLink(ex, *n.Used, noticeReset)
	}
	towardsFlow(ex, n.Flow)
	p := ui.ResetPassword{Page: newPage(ex), Action: local(ex, "/reset-password"), Token: reset.Token, Once: reset.Page, MinLength: minLength(ex), Address: n.Address}
	if refused == nil {
		return render(ex, http.StatusOK, p)
	}
	p.Refused = p.Refusal(refused)
	return render(ex, http.StatusBadRequest, p)
}

func (s *pages) resetFailed(ex *exchange, why ui.Key) error {
	p := ui.ResetPassword{Page: newPage(ex), Forgot: local(ex, pathForgot)}
	p.Bad = p.Say(why)
	return render(ex, http.StatusBadRequest, p)
}

func minLength(ex *exchange) int { return max(ex.tenant.Settings.Password.MinLength, 8) }

func (s *pages) resetPasswordForm(ex *exchange, r *http.Request) error {
	reset := account.PasswordReset{Token: r.PostForm.Get("token"), Password: r.PostForm.Get("password"), Browser: ex.browserCookie(), Page: linkPage(r)}
	out, err := s.accounts.ResetIn(r.Context(), ex.tenant.ID, reset, ex.requestActor())
	switch e, ok := errors.AsType[*auth.Error](err); {
	case err == nil:
		ex.setKnown(out.Known)
		return afterLink(ex, out, noticeReset)
	case isLink(err):
		return s.resetFailed(ex, ui.LinkUsed)
	case ok && e.Kind == auth.KindInvalid:
		return s.resetAsk(ex, r, reset, e)
	}
	return err
}

func (s *pages) resetPasswordDone(ex *exchange, _ *http.Request) error {
	return render(ex, http.StatusOK, donePage(ex, ui.PasswordIsSet))
}
