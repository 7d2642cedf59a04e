package auth

import (
	"errors"
	"time"
)

// Kind says what sort of refusal an Error is. The zero Kind is Internal, so an
// error that nobody classified is shown to nobody.
type Kind int

// The kinds of errors. The doors map them to statuses, each in one table.
const (
	KindInternal        Kind = iota
	KindInvalid              // what was asked is malformed
	KindUnauthenticated      // who asks is not proved
	KindForbidden            // who asks may not
	KindNotFound             // it is not there, or not theirs
	KindConflict             // it clashes with what is there
	KindThrottled            // too often; ask again later
	KindUnavailable          // nothing wrong with the request; ask again later
)

// Error is a refusal that may be shown: Code is stable and for programs, Msg is
// for people. The cause in Err is for the log and never shown.
type Error struct {
	Kind       Kind
	Code       Code
	Msg        string
	Field      string        // the member at fault, if one is
	Reasons    []Reason      // more than one thing wrong with Field
	RetryAfter time.Duration // with KindThrottled and KindUnavailable
	Err        error
}

// Reason is one of several things wrong with a value.
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

// The facts that the store reports. Services turn them into meaning; neither
// reaches a reader as such.
var (
	ErrNotFound = errors.New("not found")
	ErrConflict = errors.New("already there")
)

// Invalid makes a refusal of a malformed value.
func Invalid(code Code, field, msg string) *Error {
	return &Error{Kind: KindInvalid, Code: code, Field: field, Msg: msg}
}

// Refuse makes a refusal of the given kind.
func Refuse(kind Kind, code Code, msg string) *Error {
	return &Error{Kind: kind, Code: code, Msg: msg}
}

// Throttled makes a refusal for asking too often.
func Throttled(after time.Duration) *Error {
	return &Error{Kind: KindThrottled, Code: CodeRateLimited, Msg: "too many requests; try again later", RetryAfter: after}
}

// Unavailable makes a refusal for which the caller is not to blame.
func Unavailable(cause error, after time.Duration) *Error {
	return &Error{Kind: KindUnavailable, Code: CodeUnavailable, Msg: "the service cannot do this right now; try again shortly", RetryAfter: after, Err: cause}
}

// KindOf classifies any error: that of the first *Error in its chain, or Internal.
func KindOf(err error) Kind {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Kind
	}
	return KindInternal
}
