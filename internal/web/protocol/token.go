package protocol

import (
	"cmp"
	"net/http"
	"time"

	"github.com/watchword-auth/watchword/internal/client"
	"github.com/watchword-auth/watchword/internal/oauth"
	"github.com/watchword-auth/watchword/internal/oidc"
	"github.com/watchword-auth/watchword/internal/web/router"
)

var (
	typeOAuth         = []string{"application/json;charset=UTF-8"}
	typeIntrospection = []string{oidc.TypeIntrospectionJWT}
)

// readOAuth reads the request of an endpoint: parameters only in the body (RFC 6749 §3.2), since URLs
// end up in logs.
func readOAuth(ex *router.Exchange, r *http.Request) (client.Request, error) {
	form, err := readParameters(ex, r)
	if err != nil {
		return client.Request{}, err
	}
	return client.Request{
		Tenant: ex.Tenant.ID, Authorization: r.Header["Authorization"], Form: form, Actor: ex.RequestActor(),
		Proof: r.Header["Dpop"], Accept: r.Header["Accept"], Method: r.Method, URL: ex.EndpointURL(),
	}, nil
}

// readParameters reads a form body. It refuses a URL with a query.
func readParameters(ex *router.Exchange, r *http.Request) (oauth.Form, error) {
	if r.URL.RawQuery != "" || r.URL.ForceQuery {
		return oauth.Form{}, &oauth.Error{Code: oauth.InvalidRequest, Desc: "send parameters in the body, none in the URL"}
	}
	b, err := ex.FormBody(r)
	if err != nil {
		return oauth.Form{}, err
	}
	return oauth.ParseForm(b)
}

// tokenResponse is the response of the token endpoint (RFC 6749 §5.1, OpenID Connect Core
// §3.1.3.3, RFC 8693 §2.2.1).
type tokenResponse struct {
	AccessToken  string `json:"access_token"`
	TokenType    string `json:"token_type"`
	IssuedType   string `json:"issued_token_type,omitempty"`
	ExpiresIn    int64  `json:"expires_in"`
	RefreshToken string `json:"refresh_token,omitempty"`
	IDToken      string `json:"id_token,omitempty"`
	Scope        string `json:"scope,omitempty"`
}

// Token is the token endpoint (RFC 6749 §3.2).
func (s *Handlers) Token(ex *router.Exchange, r *http.Request) error {
	in, err := readOAuth(ex, r)
	if err != nil {
		return err
	}
	t, err := s.oidc.Token(r.Context(), in)
	if err != nil {
		return err
	}
	ex.Actor = ex.Actor.AsClient(t.Client)
	return writeOAuth(ex, http.StatusOK, tokenResponse{
		AccessToken: t.AccessToken, TokenType: cmp.Or(t.Type, "Bearer"), IssuedType: t.IssuedType, ExpiresIn: int64(t.ExpiresIn / time.Second),
		RefreshToken: t.RefreshToken, IDToken: t.IDToken, Scope: t.Scope.String(),
	})
}

// Introspect is the introspection endpoint (RFC 7662).
func (s *Handlers) Introspect(ex *router.Exchange, r *http.Request) error {
	in, err := readOAuth(ex, r)
	if err != nil {
		return err
	}
	v, err := s.oidc.Introspect(r.Context(), in)
	if err != nil {
		return err
	}
	if v.JWT != "" { // the Accept header requested it (RFC 9701 §4)
		setNoStore(ex, typeIntrospection)
		ex.WriteHeader(http.StatusOK)
		ex.Write([]byte(v.JWT))
		return nil
	}
	return writeOAuth(ex, http.StatusOK, v)
}

// Revoke is the revocation endpoint (RFC 7009).
func (s *Handlers) Revoke(ex *router.Exchange, r *http.Request) error {
	in, err := readOAuth(ex, r)
	if err != nil {
		return err
	}
	if err := s.oidc.Revoke(r.Context(), in); err != nil {
		return err
	}
	ex.WriteHeader(http.StatusOK)
	return nil
}

// writeOAuth writes a JSON response that no cache stores.
func writeOAuth(ex *router.Exchange, status int, v any) error {
	setNoStore(ex, typeOAuth)
	ex.WriteHeader(status)
	ex.Write(router.EncodeJSON(v))
	return nil
}

// setNoStore sets the media type, and forbids caches to store the response.
func setNoStore(ex *router.Exchange, mediaType []string) {
	h := ex.Header()
	h["Content-Type"] = mediaType
	h["Cache-Control"] = router.NoStore
	h["Pragma"] = router.NoCache
}
