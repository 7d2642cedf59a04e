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

// UnverifiedPage waits until the address is confirmed.
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

// PathResend is where the form goes that asks for another link.
const PathResend = "/verify-email/resend"

// ResendForm sends the link that confirms an address once more. The answer is the same
// for every address.
func (s *Handlers) ResendForm(ex *router.Exchange, r *http.Request) error {
	st, err := s.formStep(ex, r)
	if err != nil {
		return err
	}
	email := auth.Clip(r.PostForm.Get("email"), maxEmail)
	again := account.LinkRequest{Email: email, Browser: ex.BrowserCookie(), Flow: st.Flow.ID}
	if err := s.accounts.Resend(r.Context(), ex.Tenant.ID, again, ex.RequestActor()); err != nil && auth.KindOf(err) != auth.KindInvalid {
		return err
	}
	return render(ex, http.StatusOK, s.sentOf(ex, st, email))
}

// sentOf asks the user to open the mail, and offers to send it again.
func (s *Handlers) sentOf(ex *router.Exchange, st flow.Step, email string) ui.RegisterSent {
	return ui.RegisterSent{Page: stepPage(ex, st), Form: stepForm(ex, st, PathResend), Email: email, Login: sidePageURL(ex, PathLogin, st.Flow.ID)}
}

// verification is what the browser brings along to a link that proves an address.
func (s *Handlers) verification(ex *router.Exchange, token, password string) (account.Verification, error) {
	b, err := s.browser(ex)
	v := account.Verification{Token: token, Password: password, Browser: b.Secret, Page: linkPage(ex.Request)}
	for _, in := range b.Sessions {
		v.SignedIn = append(v.SignedIn, in.Account.ID)
	}
	return v, err
}

// VerifyEmailPage is the page of the mailed link. It consumes nothing: mail scanners
// open links too, but do not press the button.
func (s *Handlers) VerifyEmailPage(ex *router.Exchange, r *http.Request) error {
	token := linkToken(r)
	if token == "" {
		return s.verifyFailed(ex, ui.LinkIncomplete)
	}
	v, err := s.verification(ex, token, "")
	if err != nil {
		return err
	}
	return s.verifyAsk(ex, r, v, nil)
}

// verifyAsk shows what a link asks for, and why the last try was refused.
func (s *Handlers) verifyAsk(ex *router.Exchange, r *http.Request, v account.Verification, refused *auth.Error) error {
	n, err := s.accounts.VerifyRequirements(r.Context(), ex.Tenant.ID, v)
	if isLink(err) {
		return s.verifyFailed(ex, ui.LinkUsed)
	}
	if err != nil {
		return err
	}
	if n.Used != nil {
		return afterLink(ex, *n.Used, verifiedNotice(*n.Used))
	}
	towardsFlow(ex, n.Flow)
	p := ui.VerifyEmail{Page: newPage(ex), Action: local(ex, "/verify-email"), Token: v.Token, Once: v.Page, MinLength: minLength(ex), Address: n.Address,
		Invited: n.Invited, Choose: n.Missing == account.MissingPassword, Current: n.Missing == account.MissingCurrentPassword}
	if refused == nil {
		return render(ex, http.StatusOK, p)
	}
	switch {
	case refused.Code == auth.CodePasswordNeeded: // the page asks for it by itself
	case refused.Field == "current_password":
		p.Refused = []string{p.Say(ui.PasswordWrong)}
	default:
		p.Refused = p.Refusal(refused)
	}
	return render(ex, http.StatusBadRequest, p)
}

func (s *Handlers) verifyFailed(ex *router.Exchange, why ui.Key) error {
	p := ui.VerifyEmail{Page: newPage(ex), Login: local(ex, PathLogin)}
	p.Bad = p.Say(why)
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
		return afterLink(ex, out, verifiedNotice(out))
	case isLink(err):
		return s.verifyFailed(ex, ui.LinkUsed)
	case ok && (e.Field == "password" || e.Field == "current_password"):
		return s.verifyAsk(ex, r, v, e)
	}
	return err
}

func verifiedNotice(out account.LinkOutcome) linkNotice {
	if out.PasswordSet {
		return noticeChosen
	}
	return noticeVerified
}

// VerifyEmailDone says what the link has done.
func (s *Handlers) VerifyEmailDone(ex *router.Exchange, r *http.Request) error {
	if r.URL.Query().Get("password") == "set" {
		return render(ex, http.StatusOK, donePage(ex, ui.PasswordChosen))
	}
	return render(ex, http.StatusOK, donePage(ex, ui.AddressProved))
}
