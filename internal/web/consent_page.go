package web

import (
	"net/http"
	"strings"

	"github.com/watchword-auth/watchword/internal/flow"
	"github.com/watchword-auth/watchword/internal/web/ui"
)

// consentPage asks whether the client may use the account.
func (s *Server) consentPage(ex *exchange, st flow.Step) error {
	v := st.Consent
	p := ui.Consent{
		Page: ex.ofStep(st), Form: ex.formOf(st, pathConsent),
		Client: clientName(v.Client), Account: v.Account.Email.Address, NotYou: ex.flowURL(pathChoose, st.Flow.ID),
		Scopes: v.Scope, Resources: v.Resources, Policy: v.Client.Settings.PolicyURI, Terms: v.Client.Settings.TermsURI,
	}
	if strings.HasPrefix(st.Flow.Request.RedirectURI, "https://") {
		p.Host, p.Return = v.Host, v.Host
		if !v.Client.Settings.DocumentAt.IsZero() {
			p.Host = v.Client.ProvedHost() // a document may name redirect URIs of any host
		}
	} else {
		// One with a secret that the operator registered is a web application, under development.
		p.Local = v.Client.Public() || v.Client.SelfDescribed()
	}
	return ex.render(http.StatusOK, p)
}

// consentForm takes what the person said. Anything but a yes is a no.
func (s *Server) consentForm(ex *exchange, r *http.Request) error {
	in, err := ex.flowForm(r)
	if err != nil {
		return err
	}
	st, err := s.cfg.OIDC.Consent(r.Context(), in, approved(r))
	if err != nil {
		return err
	}
	return ex.dispatch(st)
}

func approved(r *http.Request) bool { return r.PostForm.Get("decision") == "approve" }
