package protocol

import (
	"net/http"

	"github.com/watchword-auth/watchword/internal/web/router"
)

// Push takes an authorization request from a client that has proved itself (RFC 9126
// §2).
func (s *Handlers) Push(ex *router.Exchange, r *http.Request) error {
	in, err := readOAuth(ex, r)
	if err != nil {
		return err
	}
	p, err := s.oidc.Push(r.Context(), in)
	if err != nil {
		return err
	}
	return writeOAuth(ex, http.StatusCreated, pushAnswer{RequestURI: p.RequestURI, ExpiresIn: p.ExpiresIn})
}

// pushAnswer is the answer to it (RFC 9126 §2.2).
type pushAnswer struct {
	RequestURI string `json:"request_uri"`
	ExpiresIn  int64  `json:"expires_in"`
}
