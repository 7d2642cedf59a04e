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
func (s *Server) registerPage(ex *exchange, st flow.Step) error {
	p := s.registerOf(ex, st)
	if !s.cfg.Accounts.RegistrationOpen(ex.tenant) {
		l := s.loginOf(ex, st)
		l.Notice = p.Say(ui.RegisterClosed)
		return ex.render(http.StatusOK, l)
	}
	return ex.render(http.StatusOK, p)
}

func (s *Server) registerOf(ex *exchange, st flow.Step) ui.Register {
	return ui.Register{Page: ex.ofStep(st), Form: ex.formOf(st, pathRegister), Client: forWhom(st),
		MinLength: ex.minLength(), Login: ex.sidePageURL(pathLogin, st.Flow.ID)}
}

// registerForm registers. The flow stays where it is: it goes on when the person signs
// in.
func (s *Server) registerForm(ex *exchange, r *http.Request) error {
	st, err := s.formStep(ex, r)
	if err != nil {
		return err
	}
	email := auth.Clip(r.PostForm.Get("email"), maxEmail)
	err = s.cfg.Accounts.Register(r.Context(), ex.tenant.ID, account.Registration{
		Email: email, Password: r.PostForm.Get("password"), Browser: ex.browserCookie(),
	}, ex.requestActor())
	p := s.registerOf(ex, st)
	p.Email = email
	switch e, ok := errors.AsType[*auth.Error](err); {
	case err == nil:
		return ex.render(http.StatusOK, s.sentOf(ex, st, email))
	case ok && e.Code == auth.CodeRegistrationClosed:
		l := s.loginOf(ex, st)
		l.Bad = p.Say(ui.RegisterClosed)
		return ex.render(http.StatusForbidden, l)
	case ok && e.Kind == auth.KindInvalid && e.Field == "password":
		p.Refused = p.Refusal(e)
		return ex.render(http.StatusBadRequest, p)
	case ok && e.Kind == auth.KindInvalid:
		p.Bad = p.Say(ui.AddressInvalid)
		return ex.render(http.StatusBadRequest, p)
	}
	return err
}
