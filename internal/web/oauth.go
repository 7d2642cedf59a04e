package web

import (
	"io"
	"net/http"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/oidc"
)

// The endpoints of the OAuth provider that programs call.

// client is a program that proves itself in the request, to the service: which
// methods there are, and what a public client may do, are rules of the protocol.
var client = who{name: "client", proved: true, admit: func(*exchange) error { return nil }}

// oauth adds an endpoint of the protocol: POST, form body, errors as RFC 6749 §5.2
// has them. No cookie is looked at.
func (s *Server) oauth(pattern string, count counted, h func(*exchange, *http.Request, oidc.Request) error) {
	s.add(pattern, &route{who: client, count: count, bearer: true, fail: (*exchange).writeOAuthError, run: func(ex *exchange, r *http.Request) error {
		in, err := ex.readOAuth(r)
		if err != nil {
			return err
		}
		return h(ex, r, in)
	}})
}

// readOAuth reads the request as the protocol wants it: parameters in the body alone
// (RFC 6749 §3.2), since addresses end up in logs.
func (ex *exchange) readOAuth(r *http.Request) (oidc.Request, error) {
	if r.URL.RawQuery != "" || r.URL.ForceQuery {
		return oidc.Request{}, &oidc.Error{Code: oidc.InvalidRequest, Desc: "send parameters in the body, none in the address"}
	}
	most := ex.server.cfg.BodyForm
	if err := checkBody(r, "application/x-www-form-urlencoded", most); err != nil {
		return oidc.Request{}, err
	}
	b, err := io.ReadAll(http.MaxBytesReader(ex.ResponseWriter, r.Body, most))
	if err != nil {
		return oidc.Request{}, readProblem(err)
	}
	form, err := oidc.ParseForm(string(b))
	if err != nil {
		return oidc.Request{}, err
	}
	if len(r.Header["Dpop"]) > 0 {
		ex.giveNonce()
	}
	return oidc.Request{Tenant: ex.tenant.ID, Authorization: r.Header["Authorization"], Form: form,
		Proof: r.Header["Dpop"], Method: r.Method, URL: ex.tenant.ID.Issuer(ex.server.cfg.Base) + ex.route.path, Actor: ex.by()}, nil
}

// giveNonce hands out the nonce for the next proof of possession, where one is asked
// for (RFC 9449 §8).
func (ex *exchange) giveNonce() {
	if nonce := ex.server.cfg.OIDC.Nonce(ex.tenant.ID); nonce != "" {
		ex.Header()["Dpop-Nonce"] = []string{nonce}
	}
}

// tokenAnswer is the answer of the token endpoint (RFC 6749 §5.1).
type tokenAnswer struct {
	AccessToken  string `json:"access_token"`
	TokenType    string `json:"token_type"`
	ExpiresIn    int64  `json:"expires_in"`
	RefreshToken string `json:"refresh_token,omitempty"`
	Scope        string `json:"scope,omitempty"`
}

func (s *Server) token(ex *exchange, r *http.Request, in oidc.Request) error {
	t, err := s.cfg.OIDC.Token(r.Context(), in)
	if err != nil {
		return err
	}
	ex.actor = auth.Actor{Kind: auth.ActorClient, ID: string(t.Client), Client: t.Client}
	return ex.writeOAuth(http.StatusOK, tokenAnswer{
		AccessToken: t.AccessToken, TokenType: "Bearer", ExpiresIn: seconds(t.ExpiresIn), RefreshToken: t.RefreshToken, Scope: t.Scope.String(),
	})
}

func (s *Server) introspect(ex *exchange, r *http.Request, in oidc.Request) error {
	v, err := s.cfg.OIDC.Introspect(r.Context(), in)
	if err != nil {
		return err
	}
	return ex.writeOAuth(http.StatusOK, v)
}

func (s *Server) revoke(ex *exchange, r *http.Request, in oidc.Request) error {
	if err := s.cfg.OIDC.Revoke(r.Context(), in); err != nil {
		return err
	}
	ex.WriteHeader(http.StatusOK)
	return nil
}

// writeOAuth answers with JSON that nobody may keep.
func (ex *exchange) writeOAuth(status int, v any) error {
	h := ex.Header()
	h["Content-Type"] = typeOAuth
	h["Cache-Control"] = noStore
	h["Pragma"] = noCache
	ex.WriteHeader(status)
	ex.Write(encodeJSON(v))
	return nil
}
