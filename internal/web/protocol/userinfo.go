package protocol

import (
	"net/http"

	"github.com/watchword-auth/watchword/internal/oauth"
	"github.com/watchword-auth/watchword/internal/oidc"
	"github.com/watchword-auth/watchword/internal/web/router"
)

var typeJWT = []string{"application/jwt"}

// UserInfo is the UserInfo endpoint (OpenID Connect Core §5.3). A POST may have the access token in
// its form (RFC 6750 §2.2); no request may have it in the URL.
func (s *Handlers) UserInfo(ex *router.Exchange, r *http.Request) error {
	in := oidc.UserInfoInput{Tenant: ex.Tenant.ID, Authorization: r.Header["Authorization"], Proof: r.Header["Dpop"], Method: r.Method}
	if r.URL.Query().Has("access_token") {
		return &oauth.Error{Code: oauth.InvalidRequest, Desc: "send the access token in the Authorization header, not in the URL", Scheme: "Bearer"}
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
