package pages

import (
	"net/http"

	"github.com/watchword-auth/watchword/internal/oauth"
	"github.com/watchword-auth/watchword/internal/oidc"
	"github.com/watchword-auth/watchword/internal/web/router"
)

// readRequest reads the parameters from the URL of a GET or from the form of a POST (OpenID Connect
// Core §3.1.2.1), never from both.
func readRequest(ex *router.Exchange, r *http.Request) (oauth.Form, error) {
	if r.Method != http.MethodPost {
		if err := ex.ChargeSize(len(r.URL.RawQuery)); err != nil {
			return oauth.Form{}, err
		}
		return oauth.ParseAuthorizeForm(r.URL.RawQuery)
	}
	if r.URL.RawQuery != "" {
		return oauth.Form{}, &oauth.Error{Code: oauth.InvalidRequest, Desc: "send the parameters of a POST in the form, none in the URL"}
	}
	b, err := ex.FormBody(r)
	if err != nil {
		return oauth.Form{}, err
	}
	if err := ex.ChargeSize(len(b)); err != nil {
		return oauth.Form{}, err
	}
	return oauth.ParseAuthorizeForm(b)
}

// Authorize is the authorization endpoint (RFC 6749 §3.1).
func (s *Handlers) Authorize(ex *router.Exchange, r *http.Request) error {
	form, err := readRequest(ex, r)
	if err != nil {
		return err
	}
	b, err := s.browser(ex)
	if err != nil {
		return err
	}
	st, err := s.oidc.Authorize(r.Context(), oidc.AuthorizeInput{Tenant: ex.Tenant, Form: form, Posted: r.Method == http.MethodPost, Browser: b})
	if err != nil {
		return err
	}
	ex.SetBrowser(st.NewBrowser)
	return dispatch(ex, st)
}
