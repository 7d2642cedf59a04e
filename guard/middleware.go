package guard

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// Require returns middleware that passes requests with a valid token that meets all
// requirements. Without requirements any valid token passes. The handler gets the claims
// with FromContext.
//
// Require panics on an invalid requirement, such as one without names.
func (g *Guard) Require(reqs ...Requirement) func(http.Handler) http.Handler {
	p := compilePolicy(reqs)
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			g.serve(w, r, &p, next)
		})
	}
}

// Optional returns middleware for handlers that also serve anonymous requests. Without
// an Authorization header the handler runs without claims; a token that is present must
// be valid.
func (g *Guard) Optional() func(http.Handler) http.Handler {
	var none policy
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if len(r.Header["Authorization"]) == 0 {
				next.ServeHTTP(w, r)
				return
			}
			g.serve(w, r, &none, next)
		})
	}
}

func (g *Guard) serve(w http.ResponseWriter, r *http.Request, p *policy, next http.Handler) {
	en, dpop, e := g.authenticate(w, r)
	if e == nil {
		e = p.check(&en.grants)
	}
	if e != nil {
		e.dpop = dpop
		g.WriteError(w, r, e)
		return
	}
	ctx := &claimsContext{Context: r.Context()}
	ctx.copyFrom(en.claims)
	next.ServeHTTP(w, r.WithContext(ctx))
}

// authenticate verifies the token of the request and, if it is sender-constrained, the
// proof of its key. dpop reports whether the scheme was DPoP.
func (g *Guard) authenticate(w http.ResponseWriter, r *http.Request) (en *entry, dpop bool, e *Error) {
	scheme, token, e := credentials(r.Header["Authorization"])
	if dpop = scheme == schemeDPoP; dpop && g.resource == nil {
		return nil, false, refuse(ErrNoToken, errScheme)
	}
	if e != nil {
		return nil, dpop, e
	}
	if en, e = g.verify(r.Context(), token); e != nil {
		return nil, dpop, e
	}
	switch {
	case dpop:
		e = g.resource.verifyProof(w, r, en, token)
	case g.config.DPoPRequired && !en.claims.bound:
		e = refuse(ErrNotSenderConstrained, nil)
	default:
		e = en.requireBearer()
	}
	if e == nil && tokenInForm(r) {
		e = refuse(ErrInvalidRequest, errors.New("a token in the header and another in the body"))
	}
	return en, dpop, e
}

// maxForm bounds how much of a form is searched for a second token.
const maxForm = 64 << 10

// tokenInForm reports whether the body is a form with an access_token: RFC 6750 section
// 2 forbids a second method. It is called only after the token of the header has been
// verified, so that only authenticated requests cause reads. The handler can still read
// the whole body.
func tokenInForm(r *http.Request) bool {
	ct := r.Header["Content-Type"]
	if len(ct) == 0 || r.Body == nil || r.Body == http.NoBody {
		return false
	}
	if media, _, _ := strings.Cut(ct[0], ";"); !strings.EqualFold(strings.Trim(media, " \t"), "application/x-www-form-urlencoded") {
		return false
	}
	if r.PostForm != nil {
		return r.PostForm.Has("access_token")
	}
	seen, err := io.ReadAll(io.LimitReader(r.Body, maxForm))
	rest := io.Reader(r.Body)
	if err != nil {
		rest = errReader{err}
	}
	r.Body = body{io.MultiReader(bytes.NewReader(seen), rest), r.Body}
	form, _ := url.ParseQuery(string(seen))
	return form.Has("access_token")
}

// body is a request body with the part that has been read put back.
type body struct {
	io.Reader
	io.Closer
}

// errReader returns an earlier read error to the next reader.
type errReader struct{ err error }

func (f errReader) Read([]byte) (int, error) { return 0, f.err }

// claimsContext is a context with claims. It takes one allocation; context.WithValue and
// a copy of the claims would take two.
type claimsContext struct {
	context.Context
	claimsCopy
}

type claimsKey struct{}

func (c *claimsContext) Value(k any) any {
	if k == (claimsKey{}) {
		return &c.claims
	}
	return c.Context.Value(k)
}

// NewContext returns a context from which FromContext returns a copy of the claims, or
// ctx itself if c is nil. It is for code that cannot use Require, such as a gRPC
// interceptor that calls Verify and Check, and for tests of handlers.
func NewContext(ctx context.Context, c *Claims) context.Context {
	if c == nil {
		return ctx
	}
	withClaims := &claimsContext{Context: ctx}
	withClaims.copyFrom(c)
	return withClaims
}

// FromContext returns the claims that Require, Optional or NewContext put into the
// context, false if there are none.
func FromContext(ctx context.Context) (*Claims, bool) {
	c, ok := ctx.Value(claimsKey{}).(*Claims)
	return c, ok
}

// WriteError writes an error response: challenge, Retry-After, no-store, and the body
// of Config.ErrorHandler or problem+json. Require calls it; call it after a failed
// Verify or Check. An error that is not an *Error becomes a plain 500.
func (g *Guard) WriteError(w http.ResponseWriter, r *http.Request, err error) {
	var e *Error
	if !errors.As(err, &e) {
		http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	if challenges := g.challenges(e); challenges != nil {
		h["Www-Authenticate"] = challenges
	}
	if e.nonce != "" {
		h.Set("DPoP-Nonce", e.nonce)
	}
	if e.RetryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(int(math.Ceil(e.RetryAfter.Seconds()))))
	}
	if g.config.ErrorHandler != nil {
		g.config.ErrorHandler(w, r, e)
		return
	}
	writeProblem(w, e)
}

// challenges returns the values of WWW-Authenticate: the scheme of the request with the
// error, and the other scheme if the client could use it.
func (g *Guard) challenges(e *Error) []string {
	if e.Challenge("") == "" {
		return nil
	}
	if g.resource == nil {
		return []string{e.Challenge(g.config.Realm)}
	}
	challengeOf := func(scheme string, withError bool) string {
		c := challenge{scheme: scheme}
		c.add("realm", g.config.Realm)
		if withError {
			c.addError(e)
		}
		if scheme == schemeDPoP {
			c.add("algs", proofAlgorithms)
		}
		c.add("resource_metadata", g.resource.metadataURL)
		return c.String()
	}
	switch {
	case e.dpop || g.config.DPoPRequired:
		return []string{challengeOf(schemeDPoP, true)}
	case e.Status == http.StatusUnauthorized:
		return []string{challengeOf(schemeBearer, true), challengeOf(schemeDPoP, false)}
	}
	return []string{challengeOf(schemeBearer, true)}
}

// problem is the body of RFC 9457 with a stable code.
type problem struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
	Code   string `json:"code"`
}

func writeProblem(w http.ResponseWriter, e *Error) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(e.Status)
	_ = json.NewEncoder(w).Encode(problem{
		Type: "about:blank", Title: http.StatusText(e.Status), Status: e.Status, Detail: e.detail, Code: e.Code,
	})
}
