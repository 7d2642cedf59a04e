package router

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
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

// Problem is an error of the API (RFC 9457). Code is for programs and never changes; Detail
// is for developers.
type Problem struct {
	Type      string    `json:"type" doc:"Always about:blank: code says what it is." example:"about:blank"`
	Title     string    `json:"title" doc:"The words of the status." example:"Bad Request"`
	Status    int       `json:"status" doc:"The status of the answer." example:"400"`
	Code      auth.Code `json:"code" doc:"What went wrong, for programs. Stable." example:"email_invalid"`
	Detail    string    `json:"detail,omitempty" doc:"What went wrong, for people." example:"want an email address of ASCII letters, such as alice@example.com"`
	Field     string    `json:"field,omitempty" doc:"The member at fault." example:"email"`
	Reasons   []Reason  `json:"reasons,omitempty" doc:"Everything wrong with the member, when it is more than one thing."`
	Reference string    `json:"reference,omitempty" doc:"Names the request in the server's log, when it was the server's fault."`

	// RetryAfter is when the request may be made again, if it is known.
	RetryAfter time.Duration `json:"-"`

	challenge string   // WWW-Authenticate
	allow     []string // with 405
	hangUp    bool     // the connection closes: the rest of the request is not read
	fault     error    // for the log
}

// Reason is one thing wrong with a member.
type Reason struct {
	Code    string `json:"code" example:"too_short"`
	Message string `json:"message" example:"use at least 8 characters"`
}

// Error makes a Problem an error, so that a handler can return one.
func (p *Problem) Error() string { return string(p.Code) + ": " + p.Detail }

// GetStatus is the status of the answer.
func (p *Problem) GetStatus() int { return p.Status }

// ContentType is the media type of every problem.
func (p *Problem) ContentType(string) string { return typeProblem[0] }

// NewProblem makes a refusal of the router.
func NewProblem(status int, code auth.Code, detail string) *Problem {
	return &Problem{Type: "about:blank", Title: http.StatusText(status), Status: status, Code: code, Detail: detail}
}

// InternalProblem is the refusal of a request that failed by a fault; the reference names it in the log.
func InternalProblem(reference string) *Problem {
	p := NewProblem(http.StatusInternalServerError, auth.CodeInternal, "internal error; the reference identifies it in the server's log")
	p.Reference = reference
	return p
}

// NotFound is the refusal of an address where nothing is.
func NotFound() *Problem {
	return NewProblem(http.StatusNotFound, auth.CodeNotFound, "there is nothing here")
}

// Explain turns any error into what may be shown. An error without a classification is a
// fault: its text goes only to the log.
func (ex *Exchange) Explain(err error) *Problem {
	if p, ok := errors.AsType[*Problem](err); ok {
		ex.untried = true // a refusal of the router
		return p
	}
	if e, ok := errors.AsType[*auth.Error](err); ok && e.Kind != auth.KindInternal {
		ex.untried = ex.Request.Method == http.MethodPost && (e.Code == auth.CodeCrossSite || e.Code == auth.CodeFlowOver) // before any service was called
		return ex.explainRefusal(e)
	}
	if e, ok := errors.AsType[*guard.Error](err); ok {
		p := NewProblem(e.Status, auth.Code(e.Code), e.Detail())
		p.challenge, p.RetryAfter = e.Challenge(""), e.RetryAfter
		return p
	}
	if e, ok := errors.AsType[*oauth.Error](err); ok && e.Scheme != "" { // of a token that is bound to a key
		p := NewProblem(http.StatusUnauthorized, auth.Code(e.Code), e.Desc)
		p.challenge = Challenge(e)
		return p
	}
	if errors.Is(err, context.DeadlineExceeded) || ex.Request.Context().Err() != nil {
		// Cancelled, mostly because the client has disconnected: no fault of the server.
		p := NewProblem(http.StatusServiceUnavailable, auth.CodeUnavailable, "the request was given up; try again shortly")
		p.RetryAfter = time.Second
		return p
	}
	if errors.Is(err, auth.ErrNotFound) {
		return ex.explainRefusal(ex.removed(err))
	}
	p := InternalProblem(ex.ID)
	p.fault = err
	return p
}

// Fail explains why the request failed, records the cause for the log and sets the headers
// of the refusal.
func (ex *Exchange) Fail(err error) *Problem {
	p := ex.Explain(err)
	ex.fault = p.fault
	p.SetHeaders(ex.Header())
	return p
}

// removed answers what was there a moment ago, and is not classified by anybody, like
// what never was: of a person who is signed in it is their session or account.
func (ex *Exchange) removed(err error) *auth.Error {
	e := auth.Refuse(auth.KindNotFound, auth.CodeNotFound, "there is nothing here")
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

// bearerChallenge is the WWW-Authenticate value (RFC 6750 §3): bare when no token
// was shown, with the reason of guard when there is one.
func bearerChallenge(e *auth.Error) string {
	if g, ok := errors.AsType[*guard.Error](e.Err); ok && g.Challenge("") != "" {
		return g.Challenge("")
	}
	if e.Code == auth.CodeMissingToken {
		return "Bearer"
	}
	return `Bearer error="invalid_token", error_description="` + e.Msg + `"`
}

// Challenge is the WWW-Authenticate value of a protected resource (RFC 6750 §3, RFC
// 9449 §7.1).
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

// SetHeaders sets the headers of the refusal in h.
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
	if p.hangUp {
		h["Connection"] = []string{"close"}
	}
	h["Cache-Control"] = NoStore
	delete(h, "Etag")
}

// WriteProblem answers with problem+json.
func (ex *Exchange) WriteProblem(err error) {
	p := ex.Fail(err)
	ex.Header()["Content-Type"] = typeProblem
	ex.WriteHeader(p.Status)
	ex.Write(EncodeJSON(p))
}

// EncodeJSON encodes one of our own types, without escapes for HTML: browsers do not sniff
// the answers.
func EncodeJSON(v any) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		panic(err) // our own types only
	}
	return b.Bytes()
}
