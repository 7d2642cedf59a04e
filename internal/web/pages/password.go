package pages

import (
	"errors"
	"net/http"

	"github.com/watchword-auth/watchword/internal/account"
	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/flow"
	"github.com/watchword-auth/watchword/internal/web/router"
	"github.com/watchword-auth/watchword/internal/web/ui"
)

// ForgotPage asks for the email address to which a link for a new password is sent.
func (s *Handlers) ForgotPage(ex *router.Exchange, st flow.Step) error {
	return render(ex, http.StatusOK, s.forgotOf(ex, st))
}

func (s *Handlers) forgotOf(ex *router.Exchange, st flow.Step) ui.Forgot {
	return ui.Forgot{Page: stepPage(ex, st), Form: stepForm(ex, st, PathForgot), Login: sidePageURL(ex, PathLogin, st.Flow.ID)}
}

// ForgotForm mails the link. The response is the same for every email address.
func (s *Handlers) ForgotForm(ex *router.Exchange, r *http.Request) error {
	st, err := s.formStep(ex, r)
	if err != nil {
		return err
	}
	email := auth.Clip(r.PostForm.Get("email"), maxEmail)
	err = s.accounts.Forgot(r.Context(), ex.Tenant.ID, account.LinkRequest{
		Email: email, Browser: ex.BrowserCookie(), Flow: st.Flow.ID, Again: r.PostForm.Has("again"),
	}, ex.RequestActor())
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

// ResetPasswordPage is the page of the mailed link. It does not consume the link.
func (s *Handlers) ResetPasswordPage(ex *router.Exchange, r *http.Request) error {
	token := linkToken(r)
	if token == "" {
		return s.renderResetFailed(ex, ui.LinkIncomplete)
	}
	return s.renderReset(ex, r, account.PasswordReset{Token: token, Browser: ex.BrowserCookie(), Page: linkPage(r)}, nil)
}

// renderReset shows the form for a new password, and why the last attempt was refused.
func (s *Handlers) renderReset(ex *router.Exchange, r *http.Request, reset account.PasswordReset, refused *auth.Error) error {
	needs, err := s.accounts.ResetRequirements(r.Context(), ex.Tenant.ID, reset)
	if isInvalidLink(err) {
		return s.renderResetFailed(ex, ui.LinkUsed)
	}
	if auth.CodeOf(err) == auth.CodeLinkNotYetValid {
		if !needs.Recovers {
			return renderUnlockLater(ex)
		}
		return renderRecovery(ex, reset.Token)
	}
	if err != nil {
		return err
	}
	if needs.Used != nil {
		return redirectFromLink(ex, *needs.Used, noticeReset)
	}
	allowFlowEnd(ex, needs.Flow)
	p := ui.ResetPassword{Page: newPage(ex), Action: tenantPath(ex, "/reset-password"), Token: reset.Token, Once: reset.Page, MinLength: needs.MinLength, Address: needs.Address}
	if refused == nil {
		return render(ex, http.StatusOK, p)
	}
	p.Refused = p.Refusal(refused)
	return render(ex, http.StatusBadRequest, p)
}

func (s *Handlers) renderResetFailed(ex *router.Exchange, reason ui.Key) error {
	p := ui.ResetPassword{Page: newPage(ex), Forgot: tenantPath(ex, PathForgot)}
	p.Bad = p.Say(reason)
	return render(ex, http.StatusBadRequest, p)
}

// ResetPasswordForm sets the new password.
func (s *Handlers) ResetPasswordForm(ex *router.Exchange, r *http.Request) error {
	reset := account.PasswordReset{Token: r.PostForm.Get("token"), Password: r.PostForm.Get("password"), Browser: ex.BrowserCookie(), Page: linkPage(r)}
	out, err := s.accounts.ResetIn(r.Context(), ex.Tenant.ID, reset, ex.RequestActor())
	switch e, ok := errors.AsType[*auth.Error](err); {
	case err == nil:
		ex.SetKnown(out.Known)
		return redirectFromLink(ex, out, noticeReset)
	case isInvalidLink(err):
		return s.renderResetFailed(ex, ui.LinkUsed)
	case ok && e.Kind == auth.KindInvalid:
		return s.renderReset(ex, r, reset, e)
	}
	return err
}

// ResetPasswordDone says that the new password is set.
func (s *Handlers) ResetPasswordDone(ex *router.Exchange, _ *http.Request) error {
	return render(ex, http.StatusOK, donePage(ex, ui.PasswordIsSet))
}
