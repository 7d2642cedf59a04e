package router

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/watchword-auth/watchword/guard"
	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/oauth"
)

// statuses maps kinds of errors to statuses. A test checks that no kind is missing.
var statuses = [...]int{
	auth.KindInternal:        http.StatusInternalServerError,
	auth.KindInvalid:         http.StatusBadRequest,
	auth.KindUnauthenticated: http.StatusUnauthorized,
	auth.KindForbidden:       http.StatusForbidden,
	auth.KindNotFound:        http.StatusNotFound,
	auth.KindConflict:        http.StatusConflict,
	auth.KindThrottled:       http.StatusTooManyRequests,
	auth.KindUnavailable:     http.StatusServiceUnavailable,
}

// Problem is an error as problem+json (RFC 9457). Code is stable and for programs; Detail is for
// developers.
type Problem struct {
	Type      string    `json:"type" doc:"Always about:blank; see code." example:"about:blank"`
	Title     string    `json:"title" doc:"The reason phrase of the status." example:"Bad Request"`
	Status    int       `json:"status" doc:"The HTTP status code." example:"400"`
	Code      auth.Code `json:"code" doc:"What went wrong, for programs. Stable." example:"email_invalid"`
	Detail    string    `json:"detail,omitempty" doc:"What went wrong, for developers." example:"want an email address of ASCII letters, such as alice@example.com"`
	Field     string    `json:"field,omitempty" doc:"The invalid member or parameter." example:"email"`
	Reasons   []Reason  `json:"reasons,omitempty" doc:"Each reason, if there may be several."`
	Reference string    `json:"reference,omitempty" doc:"The request ID in the server's log, if the server failed."`

	MFAToken string   `json:"mfa_token,omitempty" doc:"With mfa_required: continues the sign-in at /api/v1/login/mfa."`
	Factors  []string `json:"factors,omitempty" doc:"With mfa_required: the factors that the account can prove."`

	// RetryAfter is how long the client should wait before it repeats the request; zero if unknown.
	RetryAfter time.Duration `json:"-"`

	challenge string   // WWW-Authenticate
	allow     []string // Allow, with 405
	closeConn bool     // the rest of the request is not read
	fault     error    // the cause, for the log
}

// Reason is one reason why a value is refused.
type Reason struct {
	Code    string `json:"code" example:"too_short"`
	Message string `json:"message" example:"must have at least 15 characters"`
}

// Error makes a Problem an error, so that a handler can return one.
func (p *Problem) Error() string { return string(p.Code) + ": " + p.Detail }

// GetStatus returns the status of the response.
func (p *Problem) GetStatus() int { return p.Status }

// ContentType returns the media type of every problem.
func (p *Problem) ContentType(string) string { return typeProblem[0] }

// NewProblem returns a problem with the reason phrase of the status as its title.
func NewProblem(status int, code auth.Code, detail string) *Problem {
	return &Problem{Type: "about:blank", Title: http.StatusText(status), Status: status, Code: code, Detail: detail}
}

// InternalProblem returns the error of a request that failed in the server. The reference is its ID
// in the log.
func InternalProblem(reference string) *Problem {
	p := NewProblem(http.StatusInternalServerError, auth.CodeInternal, "internal error; reference is its request_id in the server's log")
	p.Reference = reference
	return p
}

// NotFound returns the error of an unknown path.
func NotFound() *Problem {
	return NewProblem(http.StatusNotFound, auth.CodeNotFound, "no such path")
}

// Explain maps any error to a problem. The text of an unclassified error goes only to the log.
func (ex *Exchange) Explain(err error) *Problem {
	if p, ok := errors.AsType[*Problem](err); ok {
		ex.uncounted = true // the router or a handler refused before a service call
		return p
	}
	if e, ok := errors.AsType[*auth.Error](err); ok && e.Kind != auth.KindInternal {
		ex.uncounted = ex.Request.Method == http.MethodPost && (e.Code == auth.CodeCrossSite || e.Code == auth.CodeFlowOver) // before any service was called
		return ex.explainRefusal(e)
	}
	if e, ok := errors.AsType[*guard.Error](err); ok {
		p := NewProblem(e.Status, auth.Code(e.Code), e.Detail())
		p.challenge, p.RetryAfter = e.Challenge(""), e.RetryAfter
		return p
	}
	if e, ok := errors.AsType[*oauth.Error](err); ok && e.Scheme != "" { // of a DPoP-bound token
		p := NewProblem(http.StatusUnauthorized, auth.Code(e.Code), e.Desc)
		p.challenge = Challenge(e)
		return p
	}
	if errors.Is(err, context.DeadlineExceeded) || ex.Request.Context().Err() != nil {
		// Canceled, mostly because the client has disconnected, so nothing is logged.
		p := NewProblem(http.StatusServiceUnavailable, auth.CodeUnavailable, "the request was canceled or took too long; try again shortly")
		p.RetryAfter = time.Second
		return p
	}
	if errors.Is(err, auth.ErrNotFound) {
		return ex.explainRefusal(ex.explainNotFound(err))
	}
	p := InternalProblem(ex.ID)
	p.fault = err
	return p
}

// Fail maps the error to a problem, records its cause for the log and sets the headers of the
// response.
func (ex *Exchange) Fail(err error) *Problem {
	p := ex.Explain(err)
	ex.fault = p.fault
	p.SetHeaders(ex.Header())
	return p
}

// explainNotFound classifies a plain ErrNotFound, which means that something was removed during the
// request. For a signed-in caller it was the session or the account.
func (ex *Exchange) explainNotFound(err error) *auth.Error {
	e := auth.Refuse(auth.KindNotFound, auth.CodeNotFound, "not found")
	if ex.Route != nil && ex.Route.Principal.Session {
		e = auth.SessionInvalid()
	}
	e.Err = err
	return e
}

func (ex *Exchange) explainRefusal(e *auth.Error) *Problem {
	p := NewProblem(statuses[e.Kind], e.Code, e.Msg)
	p.Field, p.RetryAfter = e.Field, e.RetryAfter
	for _, r := range e.Reasons {
		p.Reasons = append(p.Reasons, Reason{Code: r.Code, Message: r.Msg})
	}
	switch e.Kind {
	case auth.KindUnauthenticated:
		if ex.Route != nil && ex.Route.Principal.Proved {
			p.challenge = bearerChallenge(e)
		}
	case auth.KindForbidden:
		if scope, ok := errors.AsType[auth.MissingScope](e); ok { // RFC 6750 §3.1
			p.challenge = `Bearer error="insufficient_scope", error_description="` + string(scope) + ` is missing", scope="` + string(scope) + `"`
		}
	case auth.KindUnavailable:
		p.fault = e
		p.RetryAfter = max(p.RetryAfter, time.Second)
	case auth.KindThrottled:
		p.RetryAfter = max(p.RetryAfter, time.Second)
	}
	return p
}

// bearerChallenge returns the WWW-Authenticate value (RFC 6750 §3). It has no error if the request had
// no token.
func bearerChallenge(e *auth.Error) string {
	if g, ok := errors.AsType[*guard.Error](e.Err); ok && g.Challenge("") != "" {
		return g.Challenge("")
	}
	if e.Code == auth.CodeMissingToken {
		return "Bearer"
	}
	if up, ok := errors.AsType[auth.StepUp](e); ok { // RFC 9470 §3
		return fmt.Sprintf(`Bearer error="%s", error_description="%s", acr_values="%s", max_age="%d"`,
			e.Code, e.Msg, up.Assurance.ACR(), int64(up.MaxAge.Seconds()))
	}
	return `Bearer error="invalid_token", error_description="` + e.Msg + `"`
}

// Challenge returns the WWW-Authenticate value of a protected resource (RFC 6750 §3, RFC 9449 §7.1).
func Challenge(e *oauth.Error) string {
	var params []string
	if !e.Bare {
		params = append(params, `error="`+string(e.Code)+`"`, `error_description="`+oauth.ErrorDescription(e.Desc)+`"`)
	}
	if e.Scope != "" {
		params = append(params, `scope="`+oauth.ErrorDescription(e.Scope)+`"`)
	}
	if e.Scheme == "DPoP" {
		params = append(params, `algs="`+strings.Join(guard.ProofAlgorithms(), " ")+`"`)
	}
	if len(params) == 0 {
		return e.Scheme
	}
	return e.Scheme + " " + strings.Join(params, ", ")
}

// SetHeaders sets in h the headers of the problem's response.
func (p *Problem) SetHeaders(h http.Header) {
	if p.RetryAfter > 0 {
		h["Retry-After"] = []string{strconv.Itoa(int(math.Ceil(p.RetryAfter.Seconds())))}
	}
	if p.challenge != "" {
		h["Www-Authenticate"] = []string{p.challenge}
	}
	for _, m := range p.allow {
		h.Add("Allow", m)
	}
	if p.closeConn {
		h["Connection"] = []string{"close"}
	}
	h["Cache-Control"] = NoStore
	delete(h, "Etag")
}

// WriteProblem writes the error as problem+json.
func (ex *Exchange) WriteProblem(err error) {
	p := ex.Fail(err)
	ex.Header()["Content-Type"] = typeProblem
	ex.WriteHeader(p.Status)
	ex.Write(EncodeJSON(p))
}

// EncodeJSON encodes a value that always encodes. It does not escape HTML, since nosniff keeps
// browsers from rendering the response.
func EncodeJSON(v any) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		panic(err)
	}
	return b.Bytes()
}
