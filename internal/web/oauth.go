package web

import (
	"cmp"
	"net/http"

	"github.com/watchword-auth/watchword/internal/client"
	"github.com/watchword-auth/watchword/internal/oauth"
)

// The endpoints of the OAuth provider that programs call.

// readOAuth reads the request as the protocol wants it: parameters in the body alone
// (RFC 6749 §3.2), since addresses end up in logs.
func (s *Server) readOAuth(ex *exchange, r *http.Request) (client.Request, error) {
	form, err := ex.readParameters(r)
	if err != nil {
		return client.Request{}, err
	}
	return client.Request{
		Tenant: ex.tenant.ID, Authorization: r.Header["Authorization"], Form: form, Actor: ex.by(),
		Proof: r.Header["Dpop"], Accept: r.Header["Accept"], Method: r.Method, URL: ex.endpointURL(),
	}, nil
}

// endpointURL is the URL of the request as its sender knows it, without the query.
func (ex *exchange) endpointURL() string {
	return ex.tenant.ID.Issuer(ex.router.cfg.Base) + localPath(ex.request.URL)
}

// readParameters reads a form body that comes with an address without a query.
func (ex *exchange) readParameters(r *http.Request) (oauth.Form, error) {
	if r.URL.RawQuery != "" || r.URL.ForceQuery {
		return oauth.Form{}, &oauth.Error{Code: oauth.InvalidRequest, Desc: "send parameters in the body, none in the address"}
	}
	b, err := ex.formBody(r)
	if err != nil {
		return oauth.Form{}, err
	}
	return oauth.ParseForm(b)
}

// formBody is the whole of a form's body, no longer than forms may be.
func (ex *exchange) formBody(r *http.Request) (string, error) {
	most := ex.router.cfg.BodyForm
	if err := checkBody(r, "application/x-www-form-urlencoded", most); err != nil {
		return "", err
	}
	b, err := ex.readAll(http.MaxBytesReader(ex.ResponseWriter, r.Body, most), most)
	if err != nil {
		return "", readProblem(err)
	}
	return string(b), nil
}

// nonce gives a client that proves keys the nonce for its next proof (RFC 9449 §8.2),
// where nonces are asked for.
func (s *Server) offerNonce(ex *exchange) {
	if len(ex.request.Header["Dpop"]) == 0 {
		return
	}
	if n := s.cfg.Clients.Nonce(ex.tenant.ID); n != "" {
		ex.Header()["Dpop-Nonce"] = []string{n}
	}
}

// tokenAnswer is the answer of the token endpoint (RFC 6749 §5.1, OpenID Connect Core
// §3.1.3.3, RFC 8693 §2.2.1).
type tokenAnswer struct {
	AccessToken  string `json:"access_token"`
	TokenType    string `json:"token_type"`
	IssuedType   string `json:"issued_token_type,omitempty"`
	ExpiresIn    int64  `json:"expires_in"`
	RefreshToken string `json:"refresh_token,omitempty"`
	IDToken      string `json:"id_token,omitempty"`
	Scope        string `json:"scope,omitempty"`
}

func (s *Server) token(ex *exchange, r *http.Request) error {
	in, err := s.readOAuth(ex, r)
	if err != nil {
		return err
	}
	t, err := s.cfg.OIDC.Token(r.Context(), in)
	if err != nil {
		return err
	}
	ex.actor = ex.actor.AsClient(t.Client)
	return ex.writeOAuth(http.StatusOK, tokenAnswer{
		AccessToken: t.AccessToken, TokenType: cmp.Or(t.Type, "Bearer"), IssuedType: t.IssuedType, ExpiresIn: seconds(t.ExpiresIn),
		RefreshToken: t.RefreshToken, IDToken: t.IDToken, Scope: t.Scope.String(),
	})
}

func (s *Server) introspect(ex *exchange, r *http.Request) error {
	in, err := s.readOAuth(ex, r)
	if err != nil {
		return err
	}
	v, err := s.cfg.OIDC.Introspect(r.Context(), in)
	if err != nil {
		return err
	}
	if v.JWT != "" { // it was asked for by name (RFC 9701 §4)
		ex.private(typeIntrospection)
		ex.WriteHeader(http.StatusOK)
		ex.Write([]byte(v.JWT))
		return nil
	}
	return ex.writeOAuth(http.StatusOK, v)
}

func (s *Server) revoke(ex *exchange, r *http.Request) error {
	in, err := s.readOAuth(ex, r)
	if err != nil {
		return err
	}
	if err := s.cfg.OIDC.Revoke(r.Context(), in); err != nil {
		return err
	}
	ex.WriteHeader(http.StatusOK)
	return nil
}

// writeOAuth answers with JSON that nobody may keep.
func (ex *exchange) writeOAuth(status int, v any) error {
	ex.private(typeOAuth)
	ex.WriteHeader(status)
	ex.Write(encodeJSON(v))
	return nil
}

// private says that nobody may keep the answer.
func (ex *exchange) private(media []string) {
	h := ex.Header()
	h["Content-Type"] = media
	h["Cache-Control"] = noStore
	h["Pragma"] = noCache
}
