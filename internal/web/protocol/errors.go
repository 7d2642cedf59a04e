package protocol

import (
	"cmp"
	"errors"
	"net/http"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/oauth"
	"github.com/watchword-auth/watchword/internal/web/router"
)

// oauthStatuses maps error codes to statuses. Other codes have 400 (RFC 6749 §5.2).
var oauthStatuses = map[oauth.Code]int{
	oauth.InvalidClient:     http.StatusUnauthorized,
	oauth.InvalidToken:      http.StatusUnauthorized, // RFC 6750 §3.1, like insufficient_scope
	oauth.InsufficientScope: http.StatusForbidden,
}

// oauthError is an error response (RFC 6749 §5.2).
type oauthError struct {
	Error       string `json:"error"`
	Description string `json:"error_description,omitempty"`
}

// WriteError writes an error as in RFC 6749 §5.2. An error without a code of its own there has the
// nearest code, and its own status.
func WriteError(ex *router.Exchange, err error) {
	if e, ok := errors.AsType[*oauth.Error](err); ok {
		writeProtocolError(ex, e)
		return
	}
	if _, ok := errors.AsType[*auth.Error](err); !ok && errors.Is(err, auth.ErrNotFound) { // removed during the request
		writeProtocolError(ex, &oauth.Error{Code: oauth.InvalidClient, Desc: "the client, or an object that the request names, was not found", Err: err})
		return
	}
	p := ex.Fail(err)
	delete(ex.Header(), "Www-Authenticate")
	if p.Reference != "" {
		p.Detail += ": " + p.Reference
	}
	writeOAuth(ex, p.Status, oauthError{oauthCode(p.Status), oauth.ErrorDescription(p.Detail)})
}

func writeProtocolError(ex *router.Exchange, e *oauth.Error) {
	status := cmp.Or(oauthStatuses[e.Code], http.StatusBadRequest)
	h := ex.Header()
	switch {
	case e.Scheme != "":
		if e.Code == oauth.InvalidProof || e.Code == oauth.UseNonce {
			status = http.StatusUnauthorized // of a protected resource (RFC 9449 §7.1)
		}
		h["Www-Authenticate"] = []string{router.Challenge(e)}
	case status == http.StatusUnauthorized && len(ex.Request.Header["Authorization"]) > 0:
		h["Www-Authenticate"] = []string{`Basic realm="watchword", charset="UTF-8"`}
	}
	if e.Nonce {
		ex.SetNonce()
	}
	writeOAuth(ex, status, oauthError{string(e.Code), oauth.ErrorDescription(e.Desc)})
}

// oauthCode returns the error code nearest to a status.
func oauthCode(status int) string {
	switch {
	case status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable:
		return "temporarily_unavailable"
	case status >= 500:
		return "server_error"
	}
	return string(oauth.InvalidRequest)
}
