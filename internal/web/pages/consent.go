package pages

import (
	"net/http"
	"strings"

	"github.com/watchword-auth/watchword/internal/flow"
	"github.com/watchword-auth/watchword/internal/web/router"
	"github.com/watchword-auth/watchword/internal/web/ui"
)

// ConsentPage asks whether the client may use the account.
func (s *Handlers) ConsentPage(ex *router.Exchange, st flow.Step) error {
	v := st.Consent
	p := ui.Consent{
		Page: stepPage(ex, st), Form: stepForm(ex, st, PathConsent),
		Client: v.Client.DisplayName(), Account: v.Account.Email.Address, NotYou: flowURL(ex, PathChoose, st.Flow.ID),
		Scopes: v.Scope, Resources: v.Resources, Policy: v.Client.Settings.PolicyURI, Terms: v.Client.Settings.TermsURI,
	}
	if strings.HasPrefix(st.Flow.Request.RedirectURI, "https://") {
		p.Host, p.Return = v.Host, v.Host
		if !v.Client.Settings.DocumentAt.IsZero() {
			p.Host = v.Client.ProvedHost() // a metadata document may name redirect URIs of any host
		}
	} else {
		// A confidential client that the operator registered is a web application in development.
		p.Local = v.Client.Public() || v.Client.SelfDescribed()
	}
	return render(ex, http.StatusOK, p)
}

// ConsentForm records the user's decision. Anything but approval denies.
func (s *Handlers) ConsentForm(ex *router.Exchange, r *http.Request) error {
	in, err := s.flowForm(ex, r)
	if err != nil {
		return err
	}
	st, err := s.oidc.Consent(r.Context(), in, isApproved(r))
	if err != nil {
		return err
	}
	return dispatch(ex, st)
}

func isApproved(r *http.Request) bool { return r.PostForm.Get("decision") == "approve" }
