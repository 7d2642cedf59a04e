package protocol

import (
	"cmp"
	"errors"
	"net/http"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/oauth"
	"github.com/watchword-auth/watchword/internal/web/router"
)

// oauthStatuses is the one table from codes of the protocol to statuses. What is not
// in it is 400 (RFC 6749 §5.2).
var oauthStatuses = map[oauth.Code]int{
	oauth.InvalidClient:     http.StatusUnauthorized,
	oauth.InvalidToken:      http.StatusUnauthorized, // RFC 6750 §3.1, with the one that follows
	oauth.InsufficientScope: http.StatusForbidden,
}

// oauthError is a refusal as clients of the protocol read it.
type oauthError struct {
	Error       string `json:"error"`
	Description string `json:"error_description,omitempty"`
}

// WriteError answers in the words of RFC 6749 §5.2. Where the protocol has no
// word, the status says it, and the nearest word goes with it.
func WriteError(ex *router.Exchange, err error) {
	if e, ok := errors.AsType[*oauth.Error](err); ok {
		writeProtocolError(ex, e)
		return
	}
	if _, ok := errors.AsType[*auth.Error](err); !ok && errors.Is(err, auth.ErrNotFound) { // removed a moment ago
		writeProtocolError(ex, &oauth.Error{Code: oauth.InvalidClient, Desc: "the client, or what it asks for, is not known", Err: err})
		return
	}
	p := ex.Fail(err)
	delete(ex.Header(), "Www-Authenticate")
	if p.Reference != "" {
		p.Detail += ": " + p.Reference
	}
	writeOAuth(ex, p.Status, oauthError{oauthWord(p.Status), oauth.ErrorDescription(p.Detail)})
}

func writeProtocolError(ex *router.Exchange, e *oauth.Error) {
	status := cmp.Or(oauthStatuses[e.Code], http.StatusBadRequest)
	h := ex.Header()
	switch {
	case e.Scheme != "":
		if e.Code == oauth.InvalidProof || e.Code == oauth.UseNonce {
			status = http.StatusUnauthorized // at a resource (RFC 9449 §7.1)
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

func oauthWord(status int) string {
	switch {
	case status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable:
		return "temporarily_unavailable"
	case status >= 500:
		return "server_error"
	}
	return string(oauth.InvalidRequest)
}
