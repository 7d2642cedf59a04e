package web

import (
	"errors"
	"net/http"

	"github.com/watchword-auth/watchword/internal/account"
	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/flow"
	"github.com/watchword-auth/watchword/internal/web/ui"
)

// registerPage asks for what makes an account.
func (s *pages) registerPage(ex *exchange, st flow.Step) error {
	p := s.registerOf(ex, st)
	if !s.accounts.RegistrationOpen(ex.tenant) {
		l := s.loginOf(ex, st)
		l.Notice = p.Say(ui.RegisterClosed)
		return render(ex, http.StatusOK, l)
	}
	return render(ex, http.StatusOK, p)
}

func (s *pages) registerOf(ex *exchange, st flow.Step) ui.Register {
	return ui.Register{Page: stepPage(ex, st), Form: stepForm(ex, st, pathRegister), Client: forWhom(st),
		MinLength: minLength(ex), Login: sidePageURL(ex, pathLogin, st.Flow.ID)}
}

// registerForm registers. The flow does not change: it continues when the user signs
// in.
func (s *pages) registerForm(ex *exchange, r *http.Request) error {
	st, err := s.formStep(ex, r)
	if err != nil {
		return err
	}
	email := auth.Clip(r.PostForm.Get("email"), maxEmail)
	err = s.accounts.Register(r.Context(), ex.tenant.ID, account.Registration{
		Email: email, Password: r.PostForm.Get("password"), Browser: ex.browserCookie(), Flow: st.Flow.ID,
	}, ex.requestActor())
	p := s.registerOf(ex, st)
	p.Email = email
	switch e, ok := errors.AsType[*auth.Error](err); {
	case err == nil:
		return render(ex, http.StatusOK, s.sentOf(ex, st, email))
	case ok && e.Code == auth.CodeRegistrationClosed:
		l := s.loginOf(ex, st)
		l.Bad = p.Say(ui.RegisterClosed)
		return render(ex, http.StatusForbidden, l)
	case ok && e.Kind == auth.KindInvalid && e.Field == "password":
		p.Refused = p.Refusal(e)
		return render(ex, http.StatusBadRequest, p)
	case ok && e.Kind == auth.KindInvalid:
		p.Bad = p.Say(ui.AddressInvalid)
		return render(ex, http.StatusBadRequest, p)
	}
	return err
}
