// Package oauth holds the protocol elements that all endpoints share: the form of a request, the Basic
// header, error codes and refusals.
//
// It has no I/O and knows neither clients nor grants. ParseForm turns a body into a Form, and Refuse makes
// the *Error that an endpoint returns; web gives it a status.
package oauth

import (
	"errors"
	"strings"

	"github.com/watchword-auth/watchword/internal/auth"
)

// Code is an error code of the protocol. It never changes.
type Code string

// The codes in use (RFC 6749 §5.2, RFC 7009 §2.2.1, RFC 8707 §2, RFC 9449
// §5 and §8).
const (
	InvalidRequest       Code = "invalid_request"
	InvalidClient        Code = "invalid_client"
	InvalidGrant         Code = "invalid_grant"
	InvalidScope         Code = "invalid_scope"
	InvalidTarget        Code = "invalid_target"
	UnauthorizedClient   Code = "unauthorized_client"
	UnsupportedGrantType Code = "unsupported_grant_type"
	AuthorizationPending Code = "authorization_pending" // RFC 8628 §3.5, with the three that follow
	SlowDown             Code = "slow_down"
	AccessDenied         Code = auth.AccessDenied
	ExpiredToken         Code = "expired_token"
	InvalidToken         Code = "invalid_token"      // RFC 6750 §3.1
	InsufficientScope    Code = "insufficient_scope" // RFC 6750 §3.1
	InvalidProof         Code = "invalid_dpop_proof" // RFC 9449 §5
	UseNonce             Code = "use_dpop_nonce"     // RFC 9449 §8

	InvalidRedirectURI    Code = "invalid_redirect_uri" // RFC 7591 §3.2.2
	InvalidClientMetadata Code = "invalid_client_metadata"
)

// The codes of the authorization endpoint (RFC 6749 §4.1.2.1, RFC 9101 §7, OpenID
// Connect Core §3.1.2.6). auth.Next returns the codes for a user's decisions.
const (
	UnsupportedResponseType  Code = "unsupported_response_type"
	InvalidRequestObject     Code = "invalid_request_object"
	InvalidRequestURI        Code = "invalid_request_uri"
	RegistrationNotSupported Code = "registration_not_supported"
)

// Error is a refusal with a code of the protocol. Desc is for the client's developer and repeats nothing
// of the request. The cause in Err is only logged.
type Error struct {
	Code Code
	Desc string
	Err  error
	// Scheme is set for a refusal at a protected resource: the scheme of its challenge, Bearer or DPoP (RFC
	// 6750 §3, RFC 9449 §7.1). Bare leaves the error out of the challenge, because the request has no token.
	// Scope is the missing scope.
	Scheme string
	Bare   bool
	Scope  string
	// Nonce means that the response has a nonce for the next proof (RFC 9449 §8).
	Nonce bool
}

func (e *Error) Error() string {
	s := string(e.Code) + ": " + e.Desc
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

func (e *Error) Unwrap() error { return e.Err }

// Refuse returns a refusal with the code.
func Refuse(code Code, desc string) *Error { return &Error{Code: code, Desc: desc} }

// RefuseToken returns the refusal of an access token at a protected resource.
func RefuseToken(code Code, scheme, desc string) *Error {
	return &Error{Code: code, Scheme: scheme, Desc: desc}
}

// RefuseClient returns the refusal of client authentication; the reason is only logged.
func RefuseClient(reason string) error {
	return &Error{Code: InvalidClient, Desc: "client authentication failed", Err: errors.New(reason)}
}

// ErrorDescription replaces the characters that error_description excludes (RFC 6749 §5.2).
func ErrorDescription(s string) string {
	return strings.Map(func(r rune) rune {
		if r < 0x20 || r > 0x7e || r == '"' || r == '\\' {
			return '\''
		}
		return r
	}, s)
}
