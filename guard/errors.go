package guard

import (
	"errors"
	"net/http"
	"strconv"
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
	ErrBound           = errors.New("the token is bound to a key that was not proved")
	ErrUnbound         = errors.New("the token is not bound to a key")
	ErrProof           = errors.New("the proof of possession is missing or not good for this request")
	ErrNonce           = errors.New("the proof of possession lacks a nonce of ours")
	ErrRevoked         = errors.New("the token has been revoked")
	ErrScope           = errors.New("a required scope is missing")
	ErrRole            = errors.New("a required role is missing")
	ErrPermission      = errors.New("a required permission is missing")
	ErrACR             = errors.New("the sign-in was not of a required kind")
	ErrMaxAge          = errors.New("the sign-in is too long ago")
	ErrKeysUnavailable = errors.New("the issuer's keys are unavailable")
)

// Error is a refusal. Status, Code and Challenge may be shown to the client;
// Error and what it wraps may not.
type Error struct {
	// Status is 400, 401, 403 or 503.
	Status int
	// Code is the stable word in the problem body: missing_token,
	// invalid_request, invalid_token, token_expired, invalid_dpop_proof,
	// use_dpop_nonce, insufficient_user_authentication, insufficient_scope,
	// insufficient_role, insufficient_permission, keys_unavailable.
	Code string
	// Scope lists, space separated, the scopes that the request needs. Only
	// with insufficient_scope.
	Scope string
	// ACR and MaxAge say which sign-in would do (RFC 9470), space separated and in whole
	// seconds. Only with insufficient_user_authentication.
	ACR    string
	MaxAge time.Duration
	// RetryAfter says when another try makes sense. Only with status 503.
	RetryAfter time.Duration

	word   string // RFC 6750 error code, empty for a bare challenge
	detail string // for the client
	dpop   bool   // the token came with the scheme DPoP
	nonce  string // for the next proof
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

// Challenge is the WWW-Authenticate value of RFC 6750 section 3 or RFC 9449 section
// 7.1, empty for a refusal that is not about the credentials. realm may be empty.
// WriteError says more, such as where the metadata of the API is.
func (e *Error) Challenge(realm string) string {
	if e.Status == http.StatusServiceUnavailable {
		return ""
	}
	c := challenge{scheme: schemeBearer}
	if e.dpop {
		c.scheme = schemeDPoP
	}
	c.add("realm", realm)
	c.explain(e)
	return c.String()
}

// challenge is one value of WWW-Authenticate.
type challenge struct {
	scheme string
	params []string
}

func (c *challenge) add(name, value string) {
	if value != "" {
		c.params = append(c.params, name+`="`+value+`"`)
	}
}

// explain adds what is wrong and what would be right.
func (c *challenge) explain(e *Error) {
	if e.word == "" {
		return
	}
	c.add("error", e.word)
	c.add("error_description", e.detail)
	c.add("scope", e.Scope)
	c.add("acr_values", e.ACR)
	if e.MaxAge > 0 {
		c.add("max_age", strconv.FormatInt(int64(e.MaxAge/time.Second), 10))
	}
}

func (c *challenge) String() string {
	if len(c.params) == 0 {
		return c.scheme
	}
	return c.scheme + " " + strings.Join(c.params, ", ")
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
	case ErrProof:
		e.Code, e.word = InvalidProof, InvalidProof
		e.detail = "The DPoP proof is missing or not valid for this request."
	case ErrNonce:
		e.Code, e.word = UseNonce, UseNonce
		e.detail = "Repeat the request with the nonce of the DPoP-Nonce header in the DPoP proof."
	case ErrACR, ErrMaxAge:
		e.Code, e.word = "insufficient_user_authentication", "insufficient_user_authentication"
		e.detail = "Sign in again, or in a stronger way."
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
