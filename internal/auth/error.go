package auth

import (
	"errors"
	"time"
)

// Kind is the kind of an Error. The zero Kind is Internal, so an unclassified error is never
// shown.
type Kind int

// The kinds of errors. Package web maps them to HTTP statuses in one table.
const (
	KindInternal        Kind = iota
	KindInvalid              // the request is malformed
	KindUnauthenticated      // the caller is not authenticated
	KindForbidden            // the caller lacks a permission
	KindNotFound             // the object does not exist, or is not the caller's
	KindConflict             // the request conflicts with the current state
	KindThrottled            // too many requests; retry later
	KindUnavailable          // temporary failure of the server; retry later
)

// Error is a refusal that may be shown: Code is stable and for programs, Msg is for developers.
// The cause in Err is for the log and is never shown.
type Error struct {
	Kind       Kind
	Code       Code
	Msg        string
	Field      string        // the invalid member, if there is one
	Reasons    []Reason      // all faults of Field, if there are several
	RetryAfter time.Duration // with KindThrottled and KindUnavailable
	Err        error
}

// Reason is one of several faults of a value.
type Reason struct {
	Code string `json:"code"`
	Msg  string `json:"message"`
}

func (e *Error) Error() string {
	s := e.Msg
	if e.Code != "" {
		s = string(e.Code) + ": " + s
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

func (e *Error) Unwrap() error { return e.Err }

// The errors that the store returns. Services map them to refusals; no caller of the API sees
// them.
var (
	ErrNotFound = errors.New("not found")
	ErrConflict = errors.New("conflict")
)

// Invalid returns a refusal of a malformed value.
func Invalid(code Code, field, msg string) *Error {
	return &Error{Kind: KindInvalid, Code: code, Field: field, Msg: msg}
}

// Refuse returns a refusal of the given kind.
func Refuse(kind Kind, code Code, msg string) *Error {
	return &Error{Kind: kind, Code: code, Msg: msg}
}

// Throttled returns a refusal of a request above a rate limit.
func Throttled(after time.Duration) *Error {
	return &Error{Kind: KindThrottled, Code: CodeRateLimited, Msg: "too many requests; try again later", RetryAfter: after}
}

// Unavailable returns a refusal because of a temporary failure of the server.
func Unavailable(cause error, after time.Duration) *Error {
	return &Error{Kind: KindUnavailable, Code: CodeUnavailable, Msg: "the service is temporarily unavailable; try again shortly", RetryAfter: after, Err: cause}
}

// CodeOf returns the code of the first *Error in err's chain; empty without one.
func CodeOf(err error) Code {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Code
	}
	return ""
}

// KindOf returns the kind of the first *Error in err's chain, or KindInternal.
func KindOf(err error) Kind {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Kind
	}
	return KindInternal
}
