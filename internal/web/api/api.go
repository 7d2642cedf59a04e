// Package api has the handlers of the JSON API, for users and administrators.
//
// The types of an operation describe it: Call makes an OpenAPI operation and a route of them, and a
// request that does not match is refused before the handler. Callers have an access token or, as
// users, the session cookie; principal.go identifies them. Errors are problem+json. New returns
// the handlers.
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
	"github.com/watchword-auth/watchword/internal/place"
	"github.com/watchword-auth/watchword/internal/session"
	"github.com/watchword-auth/watchword/internal/token"
	"github.com/watchword-auth/watchword/internal/web/router"
)

// operation describes one operation of the JSON API.
type operation struct {
	id      string // operationId: its name in generated clients
	topic   string // the tag that groups operations
	summary string
	doc     string
	status  int      // of success; 200 when zero
	also    []int    // other statuses of success
	errors  []int    // statuses in addition to commonFailures
	media   []string // of a body that is a file; JSON when empty
}

// Call adds an operation of the JSON API to the route table. I describes the request and O the
// response; a request that does not match I is refused before the handler. A nil O is a response
// with an empty body.
func Call[I, O any](a *Handlers, pattern string, d router.Dialect, p router.Principal, l router.Limit, o operation, h func(context.Context, *I) (*O, error)) {
	method, path, _ := strings.Cut(pattern, " ")
	op := huma.Operation{
		Method: method, Path: path, OperationID: o.id, Summary: o.summary, Description: o.doc, Tags: []string{o.topic},
		DefaultStatus: o.status, Responses: map[string]*huma.Response{}, Errors: append(commonFailures(method, p, l), o.errors...),
		// The router has read and bounded the body, so huma needs no limits. Its timeout would also
		// end the request while the handler runs.
		MaxBodyBytes: -1, BodyReadTimeout: -1,
		Metadata: map[string]any{"add": func(h router.Handler) { a.router.Route(pattern, d, p, l, h) }, "media": o.media},
	}
	if len(o.media) > 0 {
		op.RequestBody = &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{}}
		for _, media := range o.media {
			op.RequestBody.Content[media] = &huma.MediaType{Schema: &huma.Schema{Type: "string", Format: "binary"}}
		}
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

// commonFailures returns the error statuses that every operation with these properties has.
func commonFailures(method string, p router.Principal, l router.Limit) []int {
	list := []int{http.StatusBadRequest, http.StatusForbidden, http.StatusServiceUnavailable}
	if p.Proved {
		list = append(list, http.StatusUnauthorized)
	}
	if l.Counts() {
		list = append(list, http.StatusTooManyRequests)
	}
	if method != http.MethodGet {
		list = append(list, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType)
	}
	return list
}

// adapter adds huma's operations to the route table, so that they pass the same checks as every
// other route.
type adapter struct{ http.Handler }

// Handle adds an operation of huma to the route table.
func (adapter) Handle(op *huma.Operation, h func(huma.Context)) {
	add := op.Metadata["add"].(func(router.Handler))
	hasBody := op.RequestBody != nil
	requiresBody := hasBody && op.RequestBody.Required
	add(func(ex *router.Exchange, r *http.Request) error {
		if hasBody && (requiresBody || r.ContentLength != 0) {
			b, err := readBody(ex, r, op.Metadata["media"].([]string))
			if err != nil {
				return err
			}
			r.Body = io.NopCloser(bytes.NewReader(b))
			r.Header["Content-Type"] = router.TypeJSON // the only spelling that huma accepts; it does not parse files
		}
		delete(r.Header, "Accept") // every response is JSON
		r = r.WithContext(context.WithValue(r.Context(), exchangeKey{}, ex))
		h(humago.NewContext(op, r, ex))
		return nil
	})
}

// readBody reads a file of one of the media types, or JSON.
func readBody(ex *router.Exchange, r *http.Request, media []string) ([]byte, error) {
	if len(media) > 0 {
		return ex.ReadFile(r, media...)
	}
	return ex.ReadJSON(r)
}

// exchangeKey is the context key of the exchange, since handlers of the API get only a context.
type exchangeKey struct{}

func exchangeOf(ctx context.Context) *router.Exchange {
	return ctx.Value(exchangeKey{}).(*router.Exchange)
}

// init sets huma's package variables once, for the only API of the process.
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

// invalid returns the error of a request that does not match its description. It never repeats a
// value of the request, which may be a password.
func invalid(status int, errs []error) *router.Problem {
	if status >= http.StatusInternalServerError || status == 0 {
		return router.InternalProblem("")
	}
	p := router.NewProblem(http.StatusBadRequest, auth.CodeInvalidRequest, "the request does not match the OpenAPI description of the operation")
	for _, err := range errs {
		d, ok := err.(huma.ErrorDetailer)
		if !ok {
			continue
		}
		detail := d.ErrorDetail()
		place, field, _ := strings.Cut(detail.Location, ".")
		missing, isMissing := strings.CutPrefix(detail.Message, "expected required property ")
		switch {
		case isMissing:
			p.Code, p.Field = auth.CodeMemberMissing, strings.TrimSuffix(missing, " to be present")
			p.Detail = "this member is required"
		case detail.Message == validation.MsgUnexpectedProperty:
			p.Code, p.Field, p.Detail = auth.CodeMemberUnknown, clipField(field), "unknown member"
		case place == "body":
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
	places   *place.Database // nil unless configured

	huma        huma.API
	description func() []byte // OpenAPI as JSON, with the placeholder as base URL
}

// Config has the services that the handlers call. All fields but Places are required.
type Config struct {
	Accounts *account.Service
	Logins   *login.Service
	Sessions *session.Service
	Tokens   *token.Service
	OIDC     *oidc.Service
	Clients  *client.Service
	Access   *access.Service
	// Places, if set, shows the places of IP addresses.
	Places *place.Database

	// Base is the issuer's base URL without a trailing slash.
	Base string
}

// New returns the handlers of an API whose operations become routes of rt.
func New(cfg Config, rt *router.Router) *Handlers {
	s := &Handlers{router: rt, base: cfg.Base, accounts: cfg.Accounts, logins: cfg.Logins, sessions: cfg.Sessions, tokens: cfg.Tokens, oidc: cfg.OIDC,
		clients: cfg.Clients, access: cfg.Access, places: cfg.Places, huma: newHuma(rt)}
	s.description = s.describe()
	return s
}

// newHuma describes the API in general, without operations.
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
				{Name: "second factors", Description: "Second factors of the signed-in user."},
				{Name: "clients", Description: "OAuth clients. Requires an access token with the scope watchword:admin, of an administrator or of a machine client."},
			},
			Components: &huma.Components{Schemas: registry, SecuritySchemes: map[string]*huma.SecurityScheme{
				"bearer": {Type: "http", Scheme: "bearer", BearerFormat: "JWT", Description: "An access token."},
				"cookie": {Type: "apiKey", In: "cookie", Name: router.CookiePrefix, Description: "The session cookie of a browser application. A request that changes something must come from the same site."},
			}},
		},
		// huma looks up application/problem+json as json.
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

// describe returns a function that encodes the description on its first call, since encoding is slow
// and most servers never need it.
func (s *Handlers) describe() func() []byte {
	return sync.OnceValue(func() []byte {
		allowUnknownMembers(s.huma.OpenAPI())
		b, err := json.MarshalIndent(s.huma.OpenAPI(), "", "  ")
		if err != nil {
			panic(err)
		}
		return append(b, '\n')
	})
}

// allowUnknownMembers allows unknown members in the schemas of responses: clients have to ignore
// them. Schemas of requests still refuse them.
func allowUnknownMembers(doc *huma.OpenAPI) {
	ofRequests := map[string]bool{}
	for _, item := range doc.Paths {
		for _, op := range []*huma.Operation{item.Post, item.Put, item.Patch, item.Delete} {
			if op != nil && op.RequestBody != nil {
				if m := op.RequestBody.Content["application/json"]; m != nil {
					ofRequests[m.Schema.Ref] = true
				}
			}
		}
	}
	for name, schema := range doc.Components.Schemas.Map() {
		if !ofRequests["#/components/schemas/"+name] {
			schema.AdditionalProperties = nil
		}
	}
}

// Operations lists the operations, ordered by path and method.
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
