package web

import (
	"net/http"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/oidc"
	"github.com/watchword-auth/watchword/internal/web/ui"
)

// choosePage asks with which account of this browser to go on.
func (s *Server) choosePage(ex *exchange, st oidc.Step) error {
	b, err := ex.browser(ex.request.Context())
	if err != nil {
		return err
	}
	p := ui.Choose{Page: ex.ofStep(st), Form: ex.formOf(st, pathChoose), Client: forWhom(st)}
	for _, v := range b.Sessions {
		p.Accounts = append(p.Accounts, ui.Account{Session: string(v.Session.ID), Email: v.Account.Email.Address, Name: v.Account.Name})
	}
	return ex.render(http.StatusOK, p)
}

// chooseForm takes the account with which a flow goes on; none means another one.
func (s *Server) chooseForm(ex *exchange, r *http.Request) error {
	b, err := ex.browser(r.Context())
	if err != nil {
		return err
	}
	flow, csrf := posted(r)
	st, err := s.cfg.OIDC.Choose(r.Context(), ex.tenant.ID, flow, b, csrf, auth.SessionID(r.PostForm.Get("session")))
	if err != nil {
		return err
	}
	return ex.dispatch(st)
}

// consentPage asks whether the client may use the account.
func (s *Server) consentPage(ex *exchange, st oidc.Step) error {
	v := st.Consent
	return ex.render(http.StatusOK, ui.Consent{
		Page: ex.ofStep(st), Form: ex.formOf(st, pathConsent),
		Client: clientName(v.Client), Host: v.Host, Local: v.Host == "", Account: v.Account.Email.Address, NotYou: ex.at(pathChoose, st.Flow.ID),
		Scopes: v.Scope, Resources: v.Resources, Return: v.Host, Policy: v.Client.Settings.PolicyURI, Terms: v.Client.Settings.TermsURI,
	})
}

// consentForm takes what the person said. Anything but a yes is a no.
func (s *Server) consentForm(ex *exchange, r *http.Request) error {
	b, err := ex.browser(r.Context())
	if err != nil {
		return err
	}
	flow, csrf := posted(r)
	st, err := s.cfg.OIDC.Consent(r.Context(), ex.tenant.ID, flow, b, csrf, approved(r), ex.by())
	if err != nil {
		return err
	}
	return ex.dispatch(st)
}

func approved(r *http.Request) bool { return r.PostForm.Get("decision") == "approve" }
