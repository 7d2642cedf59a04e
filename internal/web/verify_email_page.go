package web

import (
	"context"
	"errors"
	"net/http"

	"github.com/watchword-auth/watchword/internal/account"
	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/flow"
	"github.com/watchword-auth/watchword/internal/web/ui"
)

// unverifiedPage waits until the address is confirmed.
func (s *Server) unverifiedPage(ex *exchange, st flow.Step) error {
	var email string
	if len(st.Accounts) > 0 {
		email = st.Accounts[0].Account.Email.Address
	}
	return ex.render(http.StatusOK, s.unverifiedOf(ex, st, email))
}

func (s *Server) unverifiedOf(ex *exchange, st flow.Step, email string) ui.WaitVerify {
	return ui.WaitVerify{Page: ex.ofStep(st), Form: ex.formOf(st, pathResend), Email: email, Login: ex.sidePageURL(pathLogin, st.Flow.ID)}
}

const pathResend = "/verify-email/resend"

// resendForm sends the link that confirms an address once more. The answer is the same
// for every address.
func (s *Server) resendForm(ex *exchange, r *http.Request) error {
	st, err := s.formStep(ex, r)
	if err != nil {
		return err
	}
	email := auth.Clip(r.PostForm.Get("email"), maxEmail)
	again := account.ResendRequest{Email: email, Browser: ex.browserCookie()}
	if err := s.cfg.Accounts.Resend(r.Context(), ex.tenant.ID, again, ex.requestActor()); err != nil && auth.KindOf(err) != auth.KindInvalid {
		return err
	}
	return ex.render(http.StatusOK, s.sentOf(ex, st, email))
}

// sentOf tells a person to look into their mail, and offers to send it again.
func (s *Server) sentOf(ex *exchange, st flow.Step, email string) ui.RegisterSent {
	return ui.RegisterSent{Page: ex.ofStep(st), Form: ex.formOf(st, pathResend), Email: email, Login: ex.sidePageURL(pathLogin, st.Flow.ID)}
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
	n, err := s.cfg.Accounts.VerifyRequirements(r.Context(), ex.tenant.ID, v)
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
	case refused.Code == auth.CodePasswordNeeded: // the page asks for it by itself
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
	err = s.cfg.Accounts.VerifyEmail(r.Context(), ex.tenant.ID, v, ex.requestActor())
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
