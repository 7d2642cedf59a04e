package web

import (
	"errors"
	"net/http"
	"strings"

	"github.com/watchword-auth/watchword/internal/oidc"
)

// oauthStatuses is the one table from codes of the protocol to statuses. What is not
// in it is 400 (RFC 6749 §5.2).
var oauthStatuses = map[oidc.Code]int{
	oidc.InvalidClient: http.StatusUnauthorized,
}

// oauthError is a refusal as clients of the protocol read it.
type oauthError struct {
	Error       string `json:"error"`
	Description string `json:"error_description,omitempty"`
}

// writeOAuthError answers in the words of RFC 6749 §5.2. Where the protocol has no
// word, the status says it, and the nearest word goes with it.
func (ex *exchange) writeOAuthError(err error) {
	if e, ok := errors.AsType[*oidc.Error](err); ok {
		status, known := oauthStatuses[e.Code]
		if !known {
			status = http.StatusBadRequest
		}
		if status == http.StatusUnauthorized && len(ex.request.Header["Authorization"]) > 0 {
			ex.Header()["Www-Authenticate"] = []string{`Basic realm="watchword", charset="UTF-8"`}
		}
		if e.Nonce {
			ex.giveNonce()
		}
		ex.writeOAuth(status, oauthError{string(e.Code), described(e.Desc)})
		return
	}
	p := ex.explain(err)
	ex.fault = p.fault
	p.challenge = ""
	p.header(ex.Header())
	if p.Reference != "" {
		p.Detail += ": " + p.Reference
	}
	ex.writeOAuth(p.Status, oauthError{oauthWord(p.Status), described(p.Detail)})
}

func oauthWord(status int) string {
	switch {
	case status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable:
		return "temporarily_unavailable"
	case status >= 500:
		return "server_error"
	}
	return string(oidc.InvalidRequest)
}

// described keeps to the characters of error_description (RFC 6749 §5.2).
func described(s string) string {
	return strings.Map(func(r rune) rune {
		if r < 0x20 || r > 0x7e || r == '"' || r == '\\' {
			return '\''
		}
		return r
	}, s)
}
