package web

import (
	"net/http"

	"github.com/watchword-auth/watchword/internal/oidc"
)

// entrance adds an endpoint of the protocol to which clients send browsers, by GET or by
// a form of their own site. It changes nothing but the flow that it begins; refusals
// are pages.
func (s *Server) entrance(pattern string, h func(*exchange, *http.Request, oidc.Form) error) {
	s.add(pattern, &route{who: anyone, count: countAuthorize, foreign: true, fail: (*exchange).writeProblemPage, run: asFlow(func(ex *exchange, r *http.Request) error {
		form, err := ex.readRequest(r)
		if err != nil {
			return err
		}
		return h(ex, r, form)
	})})
}

// readRequest reads the parameters from the address of a GET or from the form of a
// POST (OpenID Connect Core §3.1.2.1), and never from both.
func (ex *exchange) readRequest(r *http.Request) (oidc.Form, error) {
	if r.Method != http.MethodPost {
		if err := ex.chargeSize(countAuthorize, len(r.URL.RawQuery)); err != nil {
			return oidc.Form{}, err
		}
		return oidc.ParseAuthorizeForm(r.URL.RawQuery)
	}
	if r.URL.RawQuery != "" {
		return oidc.Form{}, &oidc.Error{Code: oidc.InvalidRequest, Desc: "a POST has its parameters in the form, none in the address"}
	}
	b, err := ex.formBody(r)
	if err != nil {
		return oidc.Form{}, err
	}
	if err := ex.chargeSize(countAuthorize, len(b)); err != nil {
		return oidc.Form{}, err
	}
	return oidc.ParseAuthorizeForm(b)
}

// authorize is the authorization endpoint (RFC 6749 §3.1).
func (s *Server) authorize(ex *exchange, r *http.Request, form oidc.Form) error {
	b, err := ex.browser(r.Context())
	if err != nil {
		return err
	}
	st, err := s.cfg.OIDC.Authorize(r.Context(), oidc.AuthorizeInput{Tenant: ex.tenant, Form: form, Posted: r.Method == http.MethodPost, Browser: b})
	if err != nil {
		return err
	}
	ex.remember(st)
	return ex.dispatch(st)
}
