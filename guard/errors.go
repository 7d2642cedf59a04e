package guard

import (
	"errors"
	"net/http"
	"strings"
	"time"
)

// The reasons for a refusal. Each error that this package returns for a
// request is an *Error that wraps exactly one of them; test with errors.Is.
// They are meant for logs and metrics: the client is told less.
var (
	ErrNoToken         = errors.New("no bearer token")
	ErrRequest         = errors.New("the request carries credentials in an unclear way")
	ErrMalformed       = errors.New("the token is malformed")
	ErrType            = errors.New("the token is not an access token")
	ErrAlgorithm       = errors.New("the token's algorithm is not allowed")
	ErrSignature       = errors.New("no published key has signed the token")
	ErrIssuer          = errors.New("the token is from another issuer")
	ErrAudience        = errors.New("the token is for another audience")
	ErrExpired         = errors.New("the token has expired")
	ErrNotYetValid     = errors.New("the token is not valid yet")
	ErrBound           = errors.New("the token is bound to a key and cannot be used as a bearer token")
	ErrRevoked         = errors.New("the token has been revoked")
	ErrScope           = errors.New("a required scope is missing")
	ErrRole            = errors.New("a required role is missing")
	ErrPermission      = errors.New("a required permission is missing")
	ErrKeysUnavailable = errors.New("the issuer's keys are unavailable")
)

// Error is a refusal. Status, Code and Challenge may be shown to the client;
// Error and what it wraps may not.
type Error struct {
	// Status is 400, 401, 403 or 503.
	Status int
	// Code is the stable word in the problem body: missing_token,
	// invalid_request, invalid_token, token_expired, insufficient_scope,
	// insufficient_role, insufficient_permission, keys_unavailable.
	Code string
	// Scope lists, space separated, the scopes that the request needs. Only
	// with insufficient_scope.
	Scope string
	// RetryAfter says when another try makes sense. Only with status 503.
	RetryAfter time.Duration

	word   string // RFC 6750 error code, empty for a bare challenge
	detail string // for the client
	reason error  // one of the sentinels
	cause  error  // for the log, may be nil
}

// Error describes the refusal for a log, not for the client.
func (e *Error) Error() string {
	if e.cause == nil {
		return e.reason.Error()
	}
	return e.reason.Error() + ": " + e.cause.Error()
}

// Unwrap returns the sentinel and, if there is one, the cause.
func (e *Error) Unwrap() []error {
	if e.cause == nil {
		return []error{e.reason}
	}
	return []error{e.reason, e.cause}
}

// Detail is one sentence that may be shown to the client.
func (e *Error) Detail() string { return e.detail }

// Challenge is the WWW-Authenticate value of RFC 6750 section 3, empty for a
// refusal that is not about the credentials. realm may be empty.
func (e *Error) Challenge(realm string) string {
	if e.Status == http.StatusServiceUnavailable {
		return ""
	}
	var params []string
	add := func(name, value string) {
		if value != "" {
			params = append(params, name+`="`+value+`"`)
		}
	}
	add("realm", realm)
	if e.word != "" {
		add("error", e.word)
		add("error_description", e.detail)
		add("scope", e.Scope)
	}
	if len(params) == 0 {
		return "Bearer"
	}
	return "Bearer " + strings.Join(params, ", ")
}

// refuse builds the Error for a reason. cause is only for logs.
func refuse(reason, cause error) *Error {
	e := &Error{
		Status: http.StatusUnauthorized, Code: "invalid_token", word: "invalid_token",
		detail: "The access token is not valid here.",
		reason: reason, cause: cause,
	}
	switch reason {
	case ErrNoToken:
		e.Code, e.word, e.detail = "missing_token", "", "This request needs an access token."
	case ErrRequest:
		e.Status, e.Code, e.word = http.StatusBadRequest, "invalid_request", "invalid_request"
		e.detail = "Send exactly one access token, as: Authorization: Bearer <token>."
	case ErrExpired:
		e.Code, e.detail = "token_expired", "The access token has expired."
	case ErrScope:
		e.Status, e.Code, e.word = http.StatusForbidden, "insufficient_scope", "insufficient_scope"
		e.detail = "The access token lacks a required scope."
	case ErrRole:
		e.Status, e.Code, e.word = http.StatusForbidden, "insufficient_role", "insufficient_scope"
		e.detail = "The account lacks a required role."
	case ErrPermission:
		e.Status, e.Code, e.word = http.StatusForbidden, "insufficient_permission", "insufficient_scope"
		e.detail = "The account lacks a required permission."
	case ErrKeysUnavailable:
		e.Status, e.Code, e.word = http.StatusServiceUnavailable, "keys_unavailable", ""
		e.detail = "Access tokens cannot be checked at the moment."
	}
	return e
}
