package pages

import (
	"errors"
	"net/http"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/flow"
	"github.com/watchword-auth/watchword/internal/login"
	"github.com/watchword-auth/watchword/internal/web/router"
	"github.com/watchword-auth/watchword/internal/web/ui"
)

// LoginPage shows the sign-in form.
func (s *Handlers) LoginPage(ex *router.Exchange, st flow.Step) error {
	p := s.loginOf(ex, st)
	if k := noticeFromLink(ex); k != "" {
		p.Notice = p.Say(k)
	}
	return s.renderLogin(ex, http.StatusOK, st, p)
}

func (s *Handlers) loginOf(ex *router.Exchange, st flow.Step) ui.Login {
	p := ui.Login{Page: stepPage(ex, st), Form: stepForm(ex, st, PathLogin), Client: clientName(st), Names: ex.Tenant.Settings.Identifiers, Remember: true, Forgot: sidePageURL(ex, PathForgot, st.Flow.ID)}
	if ex.Tenant.Settings.EmailSignIn {
		p.ByMail = sidePageURL(ex, PathMailSignIn, st.Flow.ID)
	}
	if hint := auth.Clip(st.Flow.Request.LoginHint, maxEmail); !auth.IsUsername(hint) || p.Names.Usernames() {
		p.Email = hint
	}
	if st.Kind == auth.StepLogin && len(st.Accounts) == 1 && !addingAccount(ex) { // the signed-in user has to authenticate again
		a := st.Accounts[0].Account
		p.Account, p.Email, p.NotYou = a.Email.Address, a.Email.Address, flowURL(ex, PathLogin, st.Flow.ID)+"&other"
		if p.Names == auth.IdentifyByUsername && a.Username != "" {
			p.Email = a.Username
		}
		p.Notice, p.Remember = p.Say(ui.SignInAgain), false
	} else if s.accounts.RegistrationOpen(ex.Tenant) {
		p.Register = sidePageURL(ex, PathRegister, st.Flow.ID)
	}
	return p
}

const maxEmail = 254

func badCredentials(t auth.Tenant) ui.Key {
	if t.Settings.Identifiers.Usernames() {
		return ui.BadName
	}
	return ui.BadCredentials
}

// clientName returns the name of the flow's client, or empty.
func clientName(st flow.Step) string {
	if st.Client.ID == "" {
		return ""
	}
	return st.Client.DisplayName()
}

// LoginForm signs a user in within a flow.
func (s *Handlers) LoginForm(ex *router.Exchange, r *http.Request) error {
	in, err := s.flowForm(ex, r)
	if err != nil {
		return err
	}
	signedIn, err := s.logins.SignInBrowser(r.Context(), login.PasswordForm{FormRef: in, Email: r.PostForm.Get("email"),
		Password: r.PostForm.Get("password"), Remember: r.PostForm.Get("remember") == "on", RememberMe: ex.RememberCookie(), CanCreate: r.PostForm.Get("passkeys") == "yes"})
	setSignedIn(ex, signedIn)
	if err != nil {
		return s.loginRefused(ex, r, signedIn.Step, err)
	}
	return dispatch(ex, signedIn.Step)
}

// loginRefused shows the form again with the reason. A wrong email address and a wrong password
// have the same text, and a status that the limit counts as a failure.
func (s *Handlers) loginRefused(ex *router.Exchange, r *http.Request, st flow.Step, refusal error) error {
	e, ok := errors.AsType[*auth.Error](refusal)
	if !ok || st.Kind == "" {
		return refusal
	}
	email := auth.Clip(r.PostForm.Get("email"), maxEmail)
	p := s.loginOf(ex, st)
	p.Ticked, p.Notice = r.PostForm.Get("remember") == "on", ""
	if p.Account == "" {
		p.Email = email
	}
	switch {
	case e.Code == auth.CodeEmailNotVerified:
		return render(ex, http.StatusForbidden, s.unverifiedOf(ex, st, email))
	case e.Code == auth.CodeAccountLocked:
		p.Bad = p.Say(ui.AccountLocked)
		return render(ex, http.StatusForbidden, p)
	case e.Kind == auth.KindUnauthenticated || e.Kind == auth.KindInvalid:
		p.Bad = p.Say(badCredentials(ex.Tenant))
		if p.Account != "" {
			p.Bad = p.Say(ui.BadPassword)
		}
		return s.renderLogin(ex, http.StatusBadRequest, st, p)
	case e.Kind == auth.KindThrottled:
		ex.Explain(e).SetHeaders(ex.Header())
		p.Bad = p.Say(ui.LoginWait, p.Wait(e.RetryAfter))
		return s.renderLogin(ex, http.StatusTooManyRequests, st, p)
	}
	return refusal
}

// formStep checks the form of a side page and returns the step, which does not change.
func (s *Handlers) formStep(ex *router.Exchange, r *http.Request) (flow.Step, error) {
	in, err := s.flowForm(ex, r)
	if err != nil {
		return flow.Step{}, err
	}
	return s.flows.FormStep(r.Context(), in)
}
