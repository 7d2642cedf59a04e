package guard

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// The reasons for a refusal. Each error for a request is an *Error that wraps exactly
// one of them; test with errors.Is. They are for logs and metrics: clients see only
// Status, Code and Challenge.
var (
	ErrNoToken              = errors.New("no access token")
	ErrInvalidRequest       = errors.New("malformed or ambiguous credentials")
	ErrMalformed            = errors.New("malformed token")
	ErrType                 = errors.New("not an access token")
	ErrAlgorithm            = errors.New("signature algorithm not allowed")
	ErrSignature            = errors.New("signature not by a published key")
	ErrIssuer               = errors.New("wrong issuer")
	ErrAudience             = errors.New("wrong audience")
	ErrExpired              = errors.New("token expired")
	ErrNotYetValid          = errors.New("token not valid yet")
	ErrProofRequired        = errors.New("token is sender-constrained and its key was not proved")
	ErrNotSenderConstrained = errors.New("token is not sender-constrained")
	ErrProof                = errors.New("DPoP proof missing or invalid")
	ErrNonce                = errors.New("DPoP proof without a current nonce")
	ErrRevoked              = errors.New("token revoked")
	ErrScope                = errors.New("required scope missing")
	ErrRole                 = errors.New("required role missing")
	ErrPermission           = errors.New("required permission missing")
	ErrACR                  = errors.New("required acr not met")
	ErrMaxAge               = errors.New("sign-in older than the required max_age")
	ErrKeysUnavailable      = errors.New("keys of the issuer unavailable")
)

// Error is a refusal. Status, Code and Challenge may be shown to the client; the text
// of Error and the wrapped errors may not.
type Error struct {
	// Status is 400, 401, 403 or 503.
	Status int
	// Code is the stable error code in the problem body: missing_token,
	// invalid_request, invalid_token, token_expired, invalid_dpop_proof,
	// use_dpop_nonce, insufficient_user_authentication, insufficient_scope,
	// insufficient_role, insufficient_permission, keys_unavailable.
	Code string
	// Scope lists the required scopes, space-separated. Only with insufficient_scope.
	Scope string
	// ACR (space-separated) and MaxAge (whole seconds) are the required authentication
	// (RFC 9470). Only with insufficient_user_authentication.
	ACR    string
	MaxAge time.Duration
	// RetryAfter is when to try again. Only with status 503.
	RetryAfter time.Duration

	challengeError string // "error" of the challenge (RFC 6750 section 3.1), empty for none
	detail         string // for the client
	dpop           bool   // the scheme was DPoP
	nonce          string // for the next proof
	reason         error  // one of the sentinels
	cause          error  // for the log, may be nil
}

// Error describes the refusal for a log, not for the client.
func (e *Error) Error() string {
	if e.cause == nil {
		return e.reason.Error()
	}
	return e.reason.Error() + ": " + e.cause.Error()
}

// Unwrap returns the sentinel and the cause, if there is one.
func (e *Error) Unwrap() []error {
	if e.cause == nil {
		return []error{e.reason}
	}
	return []error{e.reason, e.cause}
}

// Detail is one sentence that may be shown to the client.
func (e *Error) Detail() string { return e.detail }

// Challenge returns the WWW-Authenticate value of RFC 6750 section 3 or RFC 9449
// section 7.1. It is empty with status 503. realm may be empty. WriteError adds more,
// such as resource_metadata.
func (e *Error) Challenge(realm string) string {
	if e.Status == http.StatusServiceUnavailable {
		return ""
	}
	c := challenge{scheme: schemeBearer}
	if e.dpop {
		c.scheme = schemeDPoP
	}
	c.add("realm", realm)
	c.addError(e)
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

// addError adds the parameters that describe the error.
func (c *challenge) addError(e *Error) {
	if e.challengeError == "" {
		return
	}
	c.add("error", e.challengeError)
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

// refuse returns the Error for a reason. cause is for logs only.
func refuse(reason, cause error) *Error {
	e := &Error{
		Status: http.StatusUnauthorized, Code: "invalid_token", challengeError: "invalid_token",
		detail: "The access token is not valid for this API.",
		reason: reason, cause: cause,
	}
	switch reason {
	case ErrNoToken:
		e.Code, e.challengeError, e.detail = "missing_token", "", "This request needs an access token."
	case ErrInvalidRequest:
		e.Status, e.Code, e.challengeError = http.StatusBadRequest, "invalid_request", "invalid_request"
		e.detail = "Send exactly one access token, as: Authorization: Bearer <token>."
	case ErrExpired:
		e.Code, e.detail = "token_expired", "The access token has expired."
	case ErrProof:
		e.Code, e.challengeError = InvalidProof, InvalidProof
		e.detail = "The DPoP proof is missing or not valid for this request."
	case ErrNonce:
		e.Code, e.challengeError = UseNonce, UseNonce
		e.detail = "The DPoP proof must contain the nonce of the DPoP-Nonce header."
	case ErrACR, ErrMaxAge:
		e.Code, e.challengeError = "insufficient_user_authentication", "insufficient_user_authentication"
		e.detail = "A newer or stronger sign-in is required."
	case ErrScope:
		e.Status, e.Code, e.challengeError = http.StatusForbidden, "insufficient_scope", "insufficient_scope"
		e.detail = "The access token lacks a required scope."
	case ErrRole:
		e.Status, e.Code, e.challengeError = http.StatusForbidden, "insufficient_role", "insufficient_scope"
		e.detail = "The account lacks a required role."
	case ErrPermission:
		e.Status, e.Code, e.challengeError = http.StatusForbidden, "insufficient_permission", "insufficient_scope"
		e.detail = "The account lacks a required permission."
	case ErrKeysUnavailable:
		e.Status, e.Code, e.challengeError = http.StatusServiceUnavailable, "keys_unavailable", ""
		e.detail = "Access tokens cannot be verified at the moment."
	}
	return e
}
