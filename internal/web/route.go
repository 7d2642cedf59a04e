package web

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
)

// handler answers one request: decode, one service call, write. Its dialect writes the
// error that it returns.
type handler func(*exchange, *http.Request) error

// route is one line of the table.
type route struct {
	method    string
	path      string // below the tenant's base, with {names}
	dialect   *dialect
	principal principal
	limit     rateLimit
	handle    handler
	label     string // names the route in logs and metrics
	stats     *routeStats
}

// tenantPrefix begins the base of a tenant; the default tenant's base is the root.
const tenantPrefix = "/t/{tenant}"

// route adds a line to the table: at the root and, unless the dialect is the server's own or
// the path names the tenant itself, below each tenant.
func (s *router) route(pattern string, d dialect, p principal, l rateLimit, h handler) {
	s.add(pattern, &route{dialect: &d, principal: p, limit: l, handle: h})
}

func (s *router) add(pattern string, rt *route) {
	method, path, ok := strings.Cut(pattern, " ")
	if !ok || rt.principal.admit == nil || rt.limit.name == "" || rt.handle == nil || rt.dialect.fail == nil {
		panic("web: route " + pattern + " is not classified") // at start, by a mistake in the table only
	}
	rt.method, rt.path = method, path
	rt.label = strings.TrimSuffix(path, "{$}")
	rt.stats = s.cfg.Metrics.route(rt.label, method)
	s.table = append(s.table, rt)
	s.mount(pattern, rt)
	if rt.dialect.serverWide || strings.Contains(path, tenantPrefix) {
		return
	}
	s.mount(method+" "+tenantPrefix+path, rt)
	if path == "/{$}" { // else the mux redirects from there, also for tenants that do not exist
		s.mount(method+" "+tenantPrefix, rt)
	}
}

func (s *router) mount(pattern string, rt *route) {
	s.byPattern[pattern] = rt
	s.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) { rt.serve(w.(*exchange), r) })
}

// serve runs what all routes have in common.
func (rt *route) serve(ex *exchange, r *http.Request) {
	ex.route = rt
	ex.router.allowOrigin(ex, r, rt.dialect.cors)
	if err := rt.answer(ex, r); err != nil && err != errAnswered {
		rt.dialect.fail(ex, err)
	}
	ex.refundUncounted(rt.limit)
}

// Table lists the routes in their order.
func (s *router) Table() []*route { return s.table }

// errAnswered reports that a check has written the answer itself, as a redirect.
var errAnswered = errors.New("web: the answer is written")

// answer makes the checks, the cheapest first, and runs the handler.
func (rt *route) answer(ex *exchange, r *http.Request) error {
	if !rt.dialect.crossSite {
		if err := ex.checkOrigin(); err != nil {
			return err
		}
	}
	if rt.limit.name != unlimited.name {
		if err := ex.charge(rt.limit); err != nil {
			return err
		}
	}
	if !rt.dialect.serverWide {
		if err := ex.findTenant(r); err != nil {
			return err
		}
	}
	if rt.dialect.headers != nil {
		rt.dialect.headers(ex)
	}
	if err := rt.principal.admit(ex); err != nil {
		return err
	}
	if rt.limit.perAccount != nil {
		if err := ex.chargeAccount(*rt.limit.perAccount); err != nil {
			return err
		}
	}
	if rt.dialect.read != nil && r.Method == http.MethodPost {
		if err := rt.dialect.read(ex, r); err != nil {
			return err
		}
	}
	return rt.handle(ex, r)
}

// findTenant looks up the tenant whose base the path is below. A tenant that does not exist
// and one that is disabled look like any other path where nothing is.
func (ex *exchange) findTenant(r *http.Request) error {
	id := auth.DefaultTenant
	if name := r.PathValue("tenant"); name != "" {
		var err error
		if id, err = auth.ParseTenantID(name); err != nil || id == auth.DefaultTenant {
			return notFound() // the default tenant has one address: the root
		}
	}
	t, err := ex.lookUpTenant(r.Context(), id)
	switch {
	case err == nil && !t.Disabled():
		ex.tenant, ex.cookies.tenant = t, id
		return nil
	case err == nil || auth.KindOf(err) == auth.KindNotFound:
		return notFound()
	case ex.route.dialect.cacheable && auth.KindOf(err) == auth.KindUnavailable:
		ex.tenant.ID, ex.cookies.tenant, ex.unverified = id, id, true // what is published stays so while the database is away
		return nil
	}
	return err
}

// Readers of what is published hardly wait for the database to say whose it is, and
// once it has not answered they do not wait at all for a while.
const (
	cacheableWait  = 250 * time.Millisecond
	cacheableRetry = time.Second
)

// unavailable refuses a request that the database would have to answer.
func unavailable() error { return auth.Unavailable(errUnavailable, cacheableRetry) }

var errUnavailable = errors.New("the database did not answer a moment ago")

func (ex *exchange) lookUpTenant(ctx context.Context, id auth.TenantID) (auth.Tenant, error) {
	s := ex.router
	if !ex.route.dialect.cacheable {
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

// serveUnmatched answers a request that no route matches: a preflight of a path that is
// there, 405 when the path is there for another method, else 404.
func (s *router) serveUnmatched(w http.ResponseWriter, r *http.Request) {
	ex := w.(*exchange)
	d := s.unmatched(r)
	cors := d.cors
	allow, other := s.methodsOf(r)
	if other != nil {
		cors = other.dialect.cors
	}
	if s.allowOrigin(ex, r, cors) {
		return
	}
	if len(allow) > 0 {
		p := problem(http.StatusMethodNotAllowed, auth.CodeMethodNotAllowed, "this address does not take "+methodLabel(r.Method))
		p.allow = allow
		d.fail(ex, p)
		return
	}
	d.fail(ex, notFound())
}

// methodsOf asks the mux which methods the path has, and one of their routes.
func (s *router) methodsOf(r *http.Request) (allow []string, rt *route) {
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

// refuse writes a refusal that comes from outside of a handler.
func (ex *exchange) refuse(err error) {
	if ex.route != nil {
		ex.route.dialect.fail(ex, err)
		return
	}
	ex.router.unmatched(ex.request).fail(ex, err)
}

// localPath is the path below the tenant's base, as the request writes it: an encoded
// slash within an id is no separator.
func localPath(u *url.URL) string {
	path := u.EscapedPath()
	if rest, ok := strings.CutPrefix(path, "/t/"); ok {
		if i := strings.IndexByte(rest, '/'); i >= 0 {
			return rest[i:]
		}
	}
	return path
}
