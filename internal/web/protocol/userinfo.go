package protocol

import (
	"net/http"

	"github.com/watchword-auth/watchword/internal/oauth"
	"github.com/watchword-auth/watchword/internal/oidc"
	"github.com/watchword-auth/watchword/internal/web/router"
)

var typeJWT = []string{"application/jwt"}

// UserInfo answers GET and POST alike; a POST may bring the token in its form (RFC
// 6750 §2.2), no request in its address.
func (s *Handlers) UserInfo(ex *router.Exchange, r *http.Request) error {
	in := oidc.UserInfoInput{Tenant: ex.Tenant.ID, Authorization: r.Header["Authorization"], Proof: r.Header["Dpop"], Method: r.Method}
	if r.URL.Query().Has("access_token") {
		return &oauth.Error{Code: oauth.InvalidRequest, Desc: "send the token in the Authorization header, never in the address", Scheme: "Bearer"}
	}
	if r.Method == http.MethodPost && router.MediaType(r.Header.Get("Content-Type")) == "application/x-www-form-urlencoded" {
		form, err := readParameters(ex, r)
		if err != nil {
			return err
		}
		in.FormToken = form.Get("access_token")
	}
	info, err := s.oidc.UserInfo(r.Context(), in)
	if err != nil {
		return err
	}
	if info.JWT != "" {
		setNoStore(ex, typeJWT)
		ex.Write([]byte(info.JWT))
		return nil
	}
	setNoStore(ex, typeOAuth)
	ex.Write(info.JSON)
	return nil
}
