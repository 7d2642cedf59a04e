package protocol

import (
	"net/http"

	"github.com/watchword-auth/watchword/internal/web/router"
)

// DeviceAuthorization is the device authorization endpoint (RFC 8628 §3.1).
func (s *Handlers) DeviceAuthorization(ex *router.Exchange, r *http.Request) error {
	in, err := readOAuth(ex, r)
	if err != nil {
		return err
	}
	d, err := s.oidc.AuthorizeDevice(r.Context(), in)
	if err != nil {
		return err
	}
	return writeOAuth(ex, http.StatusOK, deviceResponse{
		DeviceCode: d.DeviceCode.Reveal(), UserCode: d.UserCode, VerificationURI: d.VerificationURI, VerificationURIComplete: d.VerificationURIComplete,
		ExpiresIn: d.ExpiresIn, Interval: d.Interval,
	})
}

// deviceResponse is the device authorization response (RFC 8628 §3.2).
type deviceResponse struct {
	DeviceCode              string `json:"device_code"`
	UserCode                string `json:"user_code"`
	VerificationURI         string `json:"verification_uri"`
	VerificationURIComplete string `json:"verification_uri_complete"`
	ExpiresIn               int    `json:"expires_in"`
	Interval                int    `json:"interval"`
}
