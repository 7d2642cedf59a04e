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

// RegisterPage shows the registration form, or the sign-in form if registration is closed.
func (s *Handlers) RegisterPage(ex *router.Exchange, st flow.Step) error {
	p := s.registerOf(ex, st)
	if !s.accounts.RegistrationOpen(ex.Tenant) {
		l := s.loginOf(ex, st)
		l.Notice = p.Say(ui.RegisterClosed)
		return s.renderLogin(ex, http.StatusOK, st, l)
	}
	return render(ex, http.StatusOK, p)
}

func (s *Handlers) registerOf(ex *router.Exchange, st flow.Step) ui.Register {
	return ui.Register{Page: stepPage(ex, st), Form: stepForm(ex, st, PathRegister), Client: clientName(st), Names: ex.Tenant.Settings.Identifiers,
		MinLength: s.accounts.MinPasswordLength(ex.Tenant), Login: sidePageURL(ex, PathLogin, st.Flow.ID)}
}

// RegisterForm registers an account. The flow stays at its step until the user signs in.
func (s *Handlers) RegisterForm(ex *router.Exchange, r *http.Request) error {
	st, err := s.formStep(ex, r)
	if err != nil {
		return err
	}
	email := auth.Clip(r.PostForm.Get("email"), maxEmail)
	p := s.registerOf(ex, st)
	err = s.accounts.Register(r.Context(), ex.Tenant.ID, account.Registration{
		Email: email, Username: r.PostForm.Get("username"), Password: r.PostForm.Get("password"), Browser: ex.BrowserCookie(), Flow: st.Flow.ID, Locale: string(p.Lang),
	}, ex.RequestActor())
	p.Email, p.Username = email, auth.Clip(r.PostForm.Get("username"), maxUsername)
	switch e, ok := errors.AsType[*auth.Error](err); {
	case err == nil:
		return render(ex, http.StatusOK, s.sentOf(ex, st, email))
	case ok && e.Code == auth.CodeRegistrationClosed:
		l := s.loginOf(ex, st)
		l.Bad = p.Say(ui.RegisterClosed)
		return s.renderLogin(ex, http.StatusForbidden, st, l)
	case ok && e.Field == "username":
		p.BadName = p.Say(usernameProblems[e.Code])
		return render(ex, http.StatusBadRequest, p)
	case ok && e.Kind == auth.KindInvalid && e.Field == "password":
		p.Refused = p.Refusal(e)
		return render(ex, http.StatusBadRequest, p)
	case ok && e.Kind == auth.KindInvalid:
		p.Bad = p.Say(ui.AddressInvalid)
		return render(ex, http.StatusBadRequest, p)
	}
	return err
}

const maxUsername = 64 // of the text that a form gets back

// usernameProblems are the texts of refused user names.
var usernameProblems = map[auth.Code]ui.Key{
	auth.CodeUsernameInvalid: ui.UsernameInvalid, auth.CodeUsernameReserved: ui.NameReserved, auth.CodeUsernameTaken: ui.NameTaken,
}
