package protocol

import (
	"errors"
	"net/http"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/client"
	"github.com/watchword-auth/watchword/internal/oauth"
	"github.com/watchword-auth/watchword/internal/web/router"
)

// Dynamic client registration (RFC 7591, RFC 7592) has JSON bodies and registration access tokens.

// readRegistration reads the request. The service parses the body, since its members are a rule of
// the protocol.
func readRegistration(ex *router.Exchange, r *http.Request) (in client.RegisterRequest, err error) {
	in = client.RegisterRequest{Tenant: ex.Tenant.ID, Client: auth.ClientID(r.PathValue("client_id")), Authorization: r.Header["Authorization"], Actor: ex.RequestActor()}
	if r.Method == http.MethodPost || r.Method == http.MethodPut {
		in.Body, err = ex.ReadJSON(r)
	}
	return in, err
}

// ClientRegister is the registration endpoint (RFC 7591 §3).
func (s *Handlers) ClientRegister(ex *router.Exchange, r *http.Request) error {
	in, err := readRegistration(ex, r)
	if err != nil {
		return err
	}
	v, err := s.clients.Register(r.Context(), in)
	if err != nil {
		return err
	}
	return writeOAuth(ex, http.StatusCreated, v)
}

// ClientRead returns a registration (RFC 7592 §2.1).
func (s *Handlers) ClientRead(ex *router.Exchange, r *http.Request) error {
	in, err := readRegistration(ex, r)
	if err != nil {
		return err
	}
	v, err := s.clients.ReadRegistered(r.Context(), in)
	if err != nil {
		return err
	}
	return writeOAuth(ex, http.StatusOK, v)
}

// ClientReplace replaces a registration (RFC 7592 §2.2).
func (s *Handlers) ClientReplace(ex *router.Exchange, r *http.Request) error {
	in, err := readRegistration(ex, r)
	if err != nil {
		return err
	}
	v, err := s.clients.ReplaceRegistered(r.Context(), in)
	if err != nil {
		return err
	}
	return writeOAuth(ex, http.StatusOK, v)
}

// ClientUnregister deletes a registration (RFC 7592 §2.3).
func (s *Handlers) ClientUnregister(ex *router.Exchange, r *http.Request) error {
	in, err := readRegistration(ex, r)
	if err != nil {
		return err
	}
	if err := s.clients.DeleteRegistered(r.Context(), in); err != nil {
		return err
	}
	h := ex.Header()
	h["Cache-Control"], h["Pragma"] = router.NoStore, router.NoCache
	ex.WriteHeader(http.StatusNoContent)
	return nil
}

// WriteRegistrationError writes an error as in RFC 7591 §3.2.2 and RFC 6750 §3.
func WriteRegistrationError(ex *router.Exchange, err error) {
	e, ok := errors.AsType[*oauth.Error](err)
	switch {
	case ok && e.Code == oauth.AccessDenied:
		writeOAuth(ex, http.StatusForbidden, oauthError{string(e.Code), oauth.ErrorDescription(e.Desc)})
	case ok && e.Code == oauth.InvalidToken:
		challenge := "Bearer"
		if !e.Bare {
			challenge += ` error="invalid_token"`
		}
		ex.Header()["Www-Authenticate"] = []string{challenge}
		writeOAuth(ex, http.StatusUnauthorized, oauthError{string(e.Code), oauth.ErrorDescription(e.Desc)})
	default:
		WriteError(ex, err)
	}
}
