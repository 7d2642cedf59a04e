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

// UnverifiedPage asks the user to confirm the email address first.
func (s *Handlers) UnverifiedPage(ex *router.Exchange, st flow.Step) error {
	var email string
	if len(st.Accounts) > 0 {
		email = st.Accounts[0].Account.Email.Address
	}
	return render(ex, http.StatusOK, s.unverifiedOf(ex, st, email))
}

func (s *Handlers) unverifiedOf(ex *router.Exchange, st flow.Step, email string) ui.WaitVerify {
	return ui.WaitVerify{Page: stepPage(ex, st), Form: stepForm(ex, st, PathResend), Email: email, Login: sidePageURL(ex, PathLogin, st.Flow.ID)}
}

// PathResend is the path of the form that requests another link.
const PathResend = "/verify-email/resend"

// ResendForm mails the link that confirms an email address again. The response is the same for every
// address.
func (s *Handlers) ResendForm(ex *router.Exchange, r *http.Request) error {
	st, err := s.formStep(ex, r)
	if err != nil {
		return err
	}
	email := auth.Clip(r.PostForm.Get("email"), maxEmail)
	req := account.LinkRequest{Email: email, Browser: ex.BrowserCookie(), Flow: st.Flow.ID}
	if err := s.accounts.Resend(r.Context(), ex.Tenant.ID, req, ex.RequestActor()); err != nil && auth.KindOf(err) != auth.KindInvalid {
		return err
	}
	return render(ex, http.StatusOK, s.sentOf(ex, st, email))
}

// sentOf returns the page that asks the user to open the mail, and offers to send it again.
func (s *Handlers) sentOf(ex *router.Exchange, st flow.Step, email string) ui.RegisterSent {
	return ui.RegisterSent{Page: stepPage(ex, st), Form: stepForm(ex, st, PathResend), Email: email, Login: sidePageURL(ex, PathLogin, st.Flow.ID)}
}

// verification returns the link's token with the cookies of the browser.
func (s *Handlers) verification(ex *router.Exchange, token, password string) (account.Verification, error) {
	b, err := s.browser(ex)
	v := account.Verification{Token: token, Password: password, Browser: b.Secret, Page: linkPage(ex.Request)}
	for _, signedIn := range b.Sessions {
		v.SignedIn = append(v.SignedIn, signedIn.Account.ID)
	}
	return v, err
}

// VerifyEmailPage is the page of the mailed link. It does not consume the link, since mail scanners
// open links too, but do not press the button.
func (s *Handlers) VerifyEmailPage(ex *router.Exchange, r *http.Request) error {
	token := linkToken(r)
	if token == "" {
		return s.renderVerifyFailed(ex, ui.LinkIncomplete)
	}
	v, err := s.verification(ex, token, "")
	if err != nil {
		return err
	}
	return s.renderVerify(ex, r, v, nil)
}

// renderVerify shows the form that the link requires, and why the last attempt was refused.
func (s *Handlers) renderVerify(ex *router.Exchange, r *http.Request, v account.Verification, refused *auth.Error) error {
	needs, err := s.accounts.VerifyRequirements(r.Context(), ex.Tenant.ID, v)
	if isInvalidLink(err) {
		return s.renderVerifyFailed(ex, ui.LinkUsed)
	}
	if err != nil {
		return err
	}
	if needs.Used != nil {
		return redirectFromLink(ex, *needs.Used, verifiedNotice(*needs.Used))
	}
	allowFlowEnd(ex, needs.Flow)
	p := ui.VerifyEmail{Page: newPage(ex), Action: tenantPath(ex, "/verify-email"), Token: v.Token, Once: v.Page, MinLength: needs.MinLength, Address: needs.Address,
		Invited: needs.Invited, Choose: needs.Missing == account.MissingPassword, Current: needs.Missing == account.MissingCurrentPassword}
	if refused == nil {
		return render(ex, http.StatusOK, p)
	}
	switch {
	case refused.Code == auth.CodePasswordNeeded: // the page asks for the password anyway
	case refused.Field == "current_password":
		p.Refused = []string{p.Say(ui.PasswordWrong)}
	default:
		p.Refused = p.Refusal(refused)
	}
	return render(ex, http.StatusBadRequest, p)
}

func (s *Handlers) renderVerifyFailed(ex *router.Exchange, reason ui.Key) error {
	p := ui.VerifyEmail{Page: newPage(ex), Login: tenantPath(ex, PathLogin)}
	p.Bad = p.Say(reason)
	return render(ex, http.StatusBadRequest, p)
}

// VerifyEmailForm verifies the address.
func (s *Handlers) VerifyEmailForm(ex *router.Exchange, r *http.Request) error {
	v, err := s.verification(ex, r.PostForm.Get("token"), r.PostForm.Get("password"))
	if err != nil {
		return err
	}
	out, err := s.accounts.VerifyEmail(r.Context(), ex.Tenant.ID, v, ex.RequestActor())
	switch e, ok := errors.AsType[*auth.Error](err); {
	case err == nil:
		return redirectFromLink(ex, out, verifiedNotice(out))
	case isInvalidLink(err):
		return s.renderVerifyFailed(ex, ui.LinkUsed)
	case ok && (e.Field == "password" || e.Field == "current_password"):
		return s.renderVerify(ex, r, v, e)
	}
	return err
}

func verifiedNotice(out account.LinkOutcome) linkNotice {
	if out.PasswordSet {
		return noticeChosen
	}
	return noticeVerified
}

// VerifyEmailDone says that the address is confirmed, or that the password is set.
func (s *Handlers) VerifyEmailDone(ex *router.Exchange, r *http.Request) error {
	if r.URL.Query().Get("password") == "set" {
		return render(ex, http.StatusOK, donePage(ex, ui.PasswordChosen))
	}
	return render(ex, http.StatusOK, donePage(ex, ui.AddressProved))
}
