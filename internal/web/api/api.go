// Package api has the handlers of the JSON API, for people and administrators.
//
// The types of a call describe it: Call makes an operation of OpenAPI and a route of it, and
// a request that does not fit is refused before the handler. Callers have an access token or,
// as people, the session cookie; principal.go finds out who they are. Refusals are
// problem+json. New returns the handlers with the services that they call.
package api

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"github.com/danielgtaylor/huma/v2/validation"

	"github.com/watchword-auth/watchword/internal/access"
	"github.com/watchword-auth/watchword/internal/account"
	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/client"
	"github.com/watchword-auth/watchword/internal/login"
	"github.com/watchword-auth/watchword/internal/oidc"
	"github.com/watchword-auth/watchword/internal/session"
	"github.com/watchword-auth/watchword/internal/token"
	"github.com/watchword-auth/watchword/internal/web/router"
)

// operation describes one call of the JSON API, in the words of OpenAPI.
type operation struct {
	id      string // the operation's name in clients that are generated
	topic   string // groups operations
	summary string
	doc     string
	status  int   // of success; 200 when zero
	also    []int // other statuses of success
	errors  []int // beyond those that every call can give
}

// Call adds a call of the JSON API to the table. Its types are its description: what a body
// may hold is read from I, what an answer holds from O, and a request that does not fit is
// refused before the handler. A nil O answers with an empty body.
func Call[I, O any](a *Handlers, pattern string, d router.Dialect, p router.Principal, l router.Limit, o operation, h func(context.Context, *I) (*O, error)) {
	method, path, _ := strings.Cut(pattern, " ")
	op := huma.Operation{
		Method: method, Path: path, OperationID: o.id, Summary: o.summary, Description: o.doc, Tags: []string{o.topic},
		DefaultStatus: o.status, Responses: map[string]*huma.Response{}, Errors: append(commonFailures(method, p, l), o.errors...),
		// The body is in memory when huma gets to see it: no limits of its own. A time
		// limit would end the request itself, in the middle of its work.
		MaxBodyBytes: -1, BodyReadTimeout: -1,
		Metadata: map[string]any{"add": func(h router.Handler) { a.router.Route(pattern, d, p, l, h) }},
	}
	if p.Proved {
		op.Security = []map[string][]string{{"bearer": {}}, {"cookie": {}}}
	}
	for _, status := range o.also {
		op.Responses[strconv.Itoa(status)] = &huma.Response{Description: http.StatusText(status)}
	}
	huma.Register(a.huma, op, func(ctx context.Context, in *I) (*O, error) {
		out, err := h(ctx, in)
		if err != nil {
			return nil, exchangeOf(ctx).Fail(err)
		}
		return out, nil
	})
}

// commonFailures are the statuses that a call of its kind can give.
func commonFailures(method string, p router.Principal, l router.Limit) []int {
	list := []int{http.StatusBadRequest, http.StatusForbidden, http.StatusServiceUnavailable}
	if p.Proved {
		list = append(list, http.StatusUnauthorized)
	}
	if l.Name != router.Unlimited.Name {
		list = append(list, http.StatusTooManyRequests)
	}
	if method != http.MethodGet {
		list = append(list, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType)
	}
	return list
}

// adapter puts huma's operations into our own table, so that they pass the same
// checks as every other route.
type adapter struct{ http.Handler }

// Handle adds an operation of huma to the table.
func (adapter) Handle(op *huma.Operation, h func(huma.Context)) {
	add := op.Metadata["add"].(func(router.Handler))
	reads := op.RequestBody != nil
	must := reads && op.RequestBody.Required
	add(func(ex *router.Exchange, r *http.Request) error {
		if reads && (must || r.ContentLength != 0) {
			b, err := ex.ReadJSON(r)
			if err != nil {
				return err
			}
			r.Body = io.NopCloser(bytes.NewReader(b))
			r.Header["Content-Type"] = router.TypeJSON // in the one spelling that huma knows
		}
		delete(r.Header, "Accept") // the answer is JSON whatever is asked for; nothing to negotiate
		r = r.WithContext(context.WithValue(r.Context(), exchangeKey{}, ex))
		h(humago.NewContext(op, r, ex))
		return nil
	})
}

// exchangeKey is the key of the exchange in the context of an API call, whose handlers get no
// ResponseWriter.
type exchangeKey struct{}

func exchangeOf(ctx context.Context) *router.Exchange {
	return ctx.Value(exchangeKey{}).(*router.Exchange)
}

// huma has these settings in package variables. They are set once, for the only API of
// the process, before any server exists.
func init() {
	huma.ValidateStrictCasing = true  // "Email" is not "email"
	huma.DefaultArrayNullable = false // an empty list is a list
	huma.NewErrorWithContext = func(ctx huma.Context, status int, _ string, errs ...error) huma.StatusError {
		p := invalid(status, errs)
		ex := exchangeOf(ctx.Context())
		ex.Fail(p)
		if p.Status >= http.StatusInternalServerError {
			p.Reference = ex.ID
		}
		return p
	}
	huma.NewError = func(status int, _ string, errs ...error) huma.StatusError { return invalid(status, errs) }
}

// invalid is the refusal of a request that does not fit its description. What was
// sent is never repeated: it may be a password.
func invalid(status int, errs []error) *router.Problem {
	if status >= http.StatusInternalServerError || status == 0 {
		return router.InternalProblem("")
	}
	p := router.NewProblem(http.StatusBadRequest, auth.CodeInvalidRequest, "the request does not fit the description of this call")
	for _, err := range errs {
		d, ok := err.(huma.ErrorDetailer)
		if !ok {
			continue
		}
		detail := d.ErrorDetail()
		where, field, _ := strings.Cut(detail.Location, ".")
		required, isRequired := strings.CutPrefix(detail.Message, "expected required property ")
		switch {
		case isRequired:
			p.Code, p.Field = auth.CodeMemberMissing, strings.TrimSuffix(required, " to be present")
			p.Detail = "this member is required"
		case detail.Message == validation.MsgUnexpectedProperty:
			p.Code, p.Field, p.Detail = auth.CodeMemberUnknown, clipField(field), "unknown field"
		case where == "body":
			p.Code, p.Field, p.Detail = auth.CodeMemberInvalid, clipField(field), detail.Message
		default:
			p.Code, p.Field, p.Detail = auth.CodeParameterInvalid, clipField(field), detail.Message
		}
		break
	}
	return p
}

func clipField(s string) string {
	if len(s) > 64 {
		return s[:64]
	}
	return s
}

// Handlers has the handlers of the JSON API.
type Handlers struct {
	router   *router.Router
	base     string
	accounts *account.Service
	logins   *login.Service
	sessions *session.Service
	tokens   *token.Service
	oidc     *oidc.Service
	clients  *client.Service
	access   *access.Service

	huma        huma.API
	description func() []byte // OpenAPI as JSON, with an example's base URL
}

// Config has what the handlers call. Everything is required.
type Config struct {
	Accounts *account.Service
	Logins   *login.Service
	Sessions *session.Service
	Tokens   *token.Service
	OIDC     *oidc.Service
	Clients  *client.Service
	Access   *access.Service

	// Base is the issuer's base URL without a trailing slash.
	Base string
}

// New makes the handlers of an API whose calls become routes of rt.
func New(cfg Config, rt *router.Router) *Handlers {
	s := &Handlers{router: rt, base: cfg.Base, accounts: cfg.Accounts, logins: cfg.Logins, sessions: cfg.Sessions, tokens: cfg.Tokens, oidc: cfg.OIDC,
		clients: cfg.Clients, access: cfg.Access, huma: newHuma(rt)}
	s.description = s.describe()
	return s
}

// newHuma describes the API as a whole.
func newHuma(rt http.Handler) huma.API {
	registry := huma.NewMapRegistry("#/components/schemas/", huma.DefaultSchemaNamer)
	return huma.NewAPI(huma.Config{
		OpenAPI: &huma.OpenAPI{
			OpenAPI: "3.1.0",
			Info:    &huma.Info{Title: "Watchword", Version: "1", Description: apiDoc, License: &huma.License{Name: "Apache-2.0", Identifier: "Apache-2.0"}},
			Servers: []*huma.Server{{URL: placeholder}},
			Tags: []*huma.Tag{
				{Name: "register", Description: "Registration."},
				{Name: "sign in", Description: "Tokens: sign in, refresh, sign out."},
				{Name: "password", Description: "Password reset and change."},
				{Name: "account", Description: "The account of the signed-in user."},
				{Name: "sessions", Description: "Sessions of the signed-in user."},
				{Name: "clients", Description: "OAuth clients. Requires an access token with the scope watchword:admin, of an administrator or of a machine client."},
			},
			Components: &huma.Components{Schemas: registry, SecuritySchemes: map[string]*huma.SecurityScheme{
				"bearer": {Type: "http", Scheme: "bearer", BearerFormat: "JWT", Description: "An access token."},
				"cookie": {Type: "apiKey", In: "cookie", Name: router.CookiePrefix, Description: "The session cookie of a browser application. A request that changes something must come from the same site."},
			}},
		},
		// huma looks up application/problem+json under the second name.
		Formats:       map[string]huma.Format{"application/json": huma.DefaultJSONFormat, "json": huma.DefaultJSONFormat},
		DefaultFormat: "application/json",
	}, adapter{rt})
}

const apiDoc = `Authentication for APIs: accounts, sign-in, tokens.

Bodies are JSON in UTF-8; unknown members are refused. Times are RFC 3339 in UTC.
Every error is application/problem+json (RFC 9457) with a stable member "code".
The paths exist below the base URL of each tenant.`

// placeholder is replaced by the tenant's base URL.
const placeholder = "https://auth.example.com"

// describe delays the description until the first request for it, so that no server pays
// for it at its start.
func (s *Handlers) describe() func() []byte {
	return sync.OnceValue(func() []byte {
		openAnswers(s.huma.OpenAPI())
		b, err := json.MarshalIndent(s.huma.OpenAPI(), "", "  ")
		if err != nil {
			panic(err) // our own types only
		}
		return append(b, '\n')
	})
}

// openAnswers allows further members in responses, unlike in requests: clients have to
// ignore members that they do not know.
func openAnswers(doc *huma.OpenAPI) {
	asked := map[string]bool{}
	for _, item := range doc.Paths {
		for _, op := range []*huma.Operation{item.Post, item.Put, item.Patch, item.Delete} {
			if op != nil && op.RequestBody != nil {
				asked[op.RequestBody.Content["application/json"].Schema.Ref] = true
			}
		}
	}
	for name, schema := range doc.Components.Schemas.Map() {
		if !asked["#/components/schemas/"+name] {
			schema.AdditionalProperties = nil
		}
	}
}

// Operations lists the calls, ordered by path and method.
func (s *Handlers) Operations() []*huma.Operation {
	var list []*huma.Operation
	paths := s.huma.OpenAPI().Paths
	for _, path := range slices.Sorted(maps.Keys(paths)) {
		item := paths[path]
		for _, op := range []*huma.Operation{item.Get, item.Post, item.Put, item.Patch, item.Delete} {
			if op != nil {
				list = append(list, op)
			}
		}
	}
	return list
}

// OpenAPI publishes the description of the API.
func (s *Handlers) OpenAPI(ex *router.Exchange, _ *http.Request) error {
	h := ex.Header()
	h["Content-Type"] = []string{"application/openapi+json"}
	h["Cache-Control"] = []string{"public, max-age=300"}
	base, _ := json.Marshal(ex.Tenant.ID.Issuer(s.base))
	ex.Write(bytes.Replace(s.description(), []byte(`"`+placeholder+`"`), base, 1))
	return nil
}
