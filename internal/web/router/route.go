package router

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
)

// Handler serves one request: decode, one service call, write. Its dialect writes the error that
// it returns.
type Handler func(*Exchange, *http.Request) error

// Route is one line of the route table.
type Route struct {
	Method    string
	Path      string // below the tenant's base, with {names}
	Dialect   *Dialect
	Principal Principal
	Limit     Limit
	handle    Handler
	label     string // names the route in logs and metrics
	stats     *routeStats
}

// tenantPrefix begins the base of a tenant; the default tenant's base is the root.
const tenantPrefix = "/t/{tenant}"

// Route adds a line to the table. The route exists at the root and below each tenant, unless the
// dialect is server-wide or the path names the tenant itself. An incomplete line panics.
func (s *Router) Route(pattern string, d Dialect, p Principal, l Limit, h Handler) {
	s.add(pattern, &Route{Dialect: &d, Principal: p, Limit: l, handle: h})
}

func (s *Router) add(pattern string, rt *Route) {
	method, path, ok := strings.Cut(pattern, " ")
	if !ok || rt.Principal.Admit == nil || rt.Limit.Name == "" || rt.handle == nil || rt.Dialect.Fail == nil {
		panic("router: route " + pattern + " needs a method, a path, a dialect that writes errors, a principal, a limit and a handler")
	}
	rt.Method, rt.Path = method, path
	rt.label = strings.TrimSuffix(path, "{$}")
	rt.stats = s.cfg.Metrics.route(rt.label, method)
	s.table = append(s.table, rt)
	s.mount(pattern, rt)
	if rt.Dialect.ServerWide || strings.Contains(path, tenantPrefix) {
		return
	}
	s.mount(method+" "+tenantPrefix+path, rt)
	if path == "/{$}" { // otherwise the mux redirects to it, also for tenants that do not exist
		s.mount(method+" "+tenantPrefix, rt)
	}
}

func (s *Router) mount(pattern string, rt *Route) {
	s.byPattern[pattern] = rt
	s.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) { rt.serve(w.(*Exchange), r) })
}

// serve runs the route, writes its error and refunds what its limit does not count.
func (rt *Route) serve(ex *Exchange, r *http.Request) {
	ex.Route = rt
	ex.router.allowOrigin(ex, r, rt.Dialect.CORS)
	if err := rt.run(ex, r); err != nil && err != ErrWritten {
		rt.Dialect.Fail(ex, err)
	}
	ex.refundUncounted(rt.Limit)
}

// Table lists the routes in their order.
func (s *Router) Table() []*Route { return s.table }

// ErrWritten reports that a check has written the response itself, as a redirect.
var ErrWritten = errors.New("router: response already written")

// run makes the checks, the cheapest first, and calls the handler.
func (rt *Route) run(ex *Exchange, r *http.Request) error {
	if !rt.Dialect.CrossSite {
		if err := ex.checkOrigin(); err != nil {
			return err
		}
	}
	if rt.Limit.Name != Unlimited.Name {
		if err := ex.charge(rt.Limit); err != nil {
			return err
		}
	}
	if !rt.Dialect.ServerWide {
		if err := ex.findTenant(r); err != nil {
			return err
		}
	}
	if rt.Dialect.Headers != nil {
		rt.Dialect.Headers(ex)
	}
	if err := rt.Principal.Admit(ex); err != nil {
		return err
	}
	if rt.Limit.perAccount != nil {
		if err := ex.chargeAccount(*rt.Limit.perAccount); err != nil {
			return err
		}
	}
	if rt.Dialect.Read != nil && r.Method == http.MethodPost {
		if err := rt.Dialect.Read(ex, r); err != nil {
			return err
		}
	}
	return rt.handle(ex, r)
}

// findTenant looks up the tenant that the path names. An unknown and a disabled tenant are not
// found, like any other unknown path.
func (ex *Exchange) findTenant(r *http.Request) error {
	id := auth.DefaultTenant
	if name := r.PathValue("tenant"); name != "" {
		var err error
		if id, err = auth.ParseTenantID(name); err != nil || id == auth.DefaultTenant {
			return NotFound() // the default tenant has one base: the root
		}
	}
	t, err := ex.lookUpTenant(r.Context(), id)
	switch {
	case err == nil && !t.Disabled():
		ex.Tenant, ex.Cookies.tenant = t, id
		return nil
	case err == nil || auth.KindOf(err) == auth.KindNotFound:
		return NotFound()
	case ex.Route.Dialect.Cacheable && auth.KindOf(err) == auth.KindUnavailable:
		ex.Tenant.ID, ex.Cookies.tenant, ex.Unverified = id, id, true // cached documents are served while the database is unavailable
		return nil
	}
	return err
}

// FindTenant looks up the tenant of a request that no route matches, for its error page. It sets
// no tenant if there is none.
func (ex *Exchange) FindTenant() {
	rest, below := strings.CutPrefix(ex.Request.URL.Path, "/t/")
	if ex.Route != nil || !below {
		return
	}
	name, _, _ := strings.Cut(rest, "/")
	id, err := auth.ParseTenantID(name)
	if err != nil || id == auth.DefaultTenant {
		return
	}
	t, err := ex.router.cfg.Tenants.Get(ex.Request.Context(), id)
	switch {
	case err == nil && !t.Disabled():
		ex.Tenant, ex.Cookies.tenant = t, id
	case auth.KindOf(err) == auth.KindUnavailable:
		ex.Tenant.ID, ex.Cookies.tenant, ex.Unverified = id, id, true
	}
}

// Cacheable routes wait only briefly for the database to look up the tenant. Once it has not
// answered, they do not query it until the retry time.
const (
	cacheableWait  = 250 * time.Millisecond
	cacheableRetry = time.Second
)

// Unavailable returns the error of a request that needs the unavailable database.
func Unavailable() error { return auth.Unavailable(errUnavailable, cacheableRetry) }

var errUnavailable = errors.New("the database was unavailable a moment ago")

func (ex *Exchange) lookUpTenant(ctx context.Context, id auth.TenantID) (auth.Tenant, error) {
	s := ex.router
	if !ex.Route.Dialect.Cacheable {
		return s.cfg.Tenants.Get(ctx, id)
	}
	if wait := time.Duration(s.retryAt.Load() - s.now().UnixNano()); wait > 0 && wait <= cacheableRetry {
		return auth.Tenant{}, auth.Unavailable(errUnavailable, wait)
	}
	ctx, cancel := context.WithTimeout(ctx, cacheableWait)
	defer cancel()
	t, err := s.cfg.Tenants.Get(ctx, id)
	if auth.KindOf(err) == auth.KindUnavailable {
		s.retryAt.Store(s.now().Add(cacheableRetry).UnixNano())
	}
	return t, err
}

// serveUnmatched serves a request that no route matches: a preflight of an existing path, 405 when
// the path exists for another method, else 404.
func (s *Router) serveUnmatched(w http.ResponseWriter, r *http.Request) {
	ex := w.(*Exchange)
	d := s.unmatched(r)
	cors := d.CORS
	allow, other := s.methodsOf(r)
	if other != nil {
		cors = other.Dialect.CORS
	}
	if s.allowOrigin(ex, r, cors) {
		return
	}
	if len(allow) > 0 {
		p := NewProblem(http.StatusMethodNotAllowed, auth.CodeMethodNotAllowed, "method "+methodLabel(r.Method)+" is not allowed; the Allow header lists those that are")
		p.allow = allow
		d.Fail(ex, p)
		return
	}
	d.Fail(ex, NotFound())
}

// methodsOf returns the methods that the path has, and one of their routes.
func (s *Router) methodsOf(r *http.Request) (allow []string, rt *Route) {
	for _, m := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete} {
		probe := &http.Request{Method: m, URL: r.URL, Host: r.Host}
		if _, pattern := s.mux.Handler(probe); s.byPattern[pattern] != nil {
			rt = s.byPattern[pattern]
			if allow = append(allow, m); m == http.MethodGet {
				allow = append(allow, http.MethodHead)
			}
		}
	}
	return allow, rt
}

// refuse writes an error that arises outside of a handler.
func (ex *Exchange) refuse(err error) {
	if ex.Route != nil {
		ex.Route.Dialect.Fail(ex, err)
		return
	}
	ex.router.unmatched(ex.Request).Fail(ex, err)
}

// LocalPath returns the path below the tenant's base, still encoded: an encoded slash within an ID
// is no separator.
func LocalPath(u *url.URL) string {
	path := u.EscapedPath()
	if rest, ok := strings.CutPrefix(path, "/t/"); ok {
		if i := strings.IndexByte(rest, '/'); i >= 0 {
			return rest[i:]
		}
	}
	return path
}
