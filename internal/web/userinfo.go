package web

import (
	"net/http"

	"github.com/watchword-auth/watchword/internal/oidc"
)

// holder is a program that shows an access token, to the service: which tokens are
// good for what is a rule of the protocol.
var holder = who{name: "holder", proved: true, admit: func(*exchange) error { return nil }}

// resource adds a resource of the protocol that an access token opens: errors as RFC
// 6750 §3 has them. No cookie is looked at.
func (s *Server) resource(pattern string, h handler) {
	s.add(pattern, &route{who: holder, foreign: true, fail: (*exchange).writeOAuthError, run: func(ex *exchange, r *http.Request) error {
		ex.nonce()
		return h(ex, r)
	}})
}

var typeJWT = []string{"application/jwt"}

// userinfo answers GET and POST alike; a POST may bring the token in its form (RFC
// 6750 §2.2), no request in its address.
func (s *Server) userinfo(ex *exchange, r *http.Request) error {
	in := oidc.UserInfoInput{Tenant: ex.tenant.ID, Authorization: r.Header["Authorization"], Proof: r.Header["Dpop"], Method: r.Method}
	if r.URL.Query().Has("access_token") {
		return &oidc.Error{Code: oidc.InvalidRequest, Desc: "send the token in the Authorization header, never in the address", Scheme: "Bearer"}
	}
	if r.Method == http.MethodPost && mediaTypeOf(r.Header.Get("Content-Type")) == "application/x-www-form-urlencoded" {
		form, err := ex.readParameters(r)
		if err != nil {
			return err
		}
		in.FormToken = form.Get("access_token")
	}
	info, err := s.cfg.OIDC.UserInfo(r.Context(), in)
	if err != nil {
		return err
	}
	if info.JWT != "" {
		ex.private(typeJWT)
		ex.Write([]byte(info.JWT))
		return nil
	}
	ex.private(typeOAuth)
	ex.Write(info.JSON)
	return nil
}
