package protocol

import (
	"net/http"

	"github.com/watchword-auth/watchword/internal/web/router"
)

// Push is the pushed authorization request endpoint (RFC 9126 §2).
func (s *Handlers) Push(ex *router.Exchange, r *http.Request) error {
	in, err := readOAuth(ex, r)
	if err != nil {
		return err
	}
	p, err := s.oidc.Push(r.Context(), in)
	if err != nil {
		return err
	}
	return writeOAuth(ex, http.StatusCreated, pushResponse{RequestURI: p.RequestURI, ExpiresIn: p.ExpiresIn})
}

// pushResponse is the response of that endpoint (RFC 9126 §2.2).
type pushResponse struct {
	RequestURI string `json:"request_uri"`
	ExpiresIn  int64  `json:"expires_in"`
}
