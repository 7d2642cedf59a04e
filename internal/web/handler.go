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

// handler answers one request: decode, one service call, write. What it returns is
// written by its dialect.
type handler func(*exchange, *http.Request) error

// route is one line of the table.
type route struct {
	method string
	path   string // below the tenant's base, with {names}
	who    who
	count  counted
	kind   kind
	run    handler
	fail   func(*exchange, error) // writes a refusal in the words of the dialect

	foreign bool // pages of other sites may send forms here
	mailed  bool // the form holds the secret of a mailed link, and its page sends no Referer
	bearer  bool // an Authorization header is understood here
	lasting bool // served from memory while the database is away
	label   string
	stats   *routeStats
}

// kind says how a route finds its tenant.
type kind int

const (
	ofTenant kind = iota // below each tenant's base; a shut tenant is not there
	ofPath               // at the root only, the tenant is in its path
	ofHouse              // at the root only, no tenant at all
)

// page adds a page that is read by a person: GET, HTML.
func (s *Server) page(pattern string, who who, h handler) {
	s.add(pattern, &route{who: who, run: asPage(h), fail: (*exchange).writeProblemPage})
}

// form adds what the form of a mailed link's page is sent to: POST, form body, 303 on
// success. A request from another site is refused before the handler.
func (s *Server) form(pattern string, who who, count counted, h handler) {
	s.add(pattern, &route{who: who, count: count, mailed: true, fail: (*exchange).writeProblemPage, run: asPage(func(ex *exchange, r *http.Request) error {
		if err := ex.readForm(r); err != nil {
			return err
		}
		return h(ex, r)
	})})
}

// proto adds a document of a protocol: read by programs, no cookies.
func (s *Server) proto(pattern string, who who, h handler) {
	s.add(pattern, &route{who: who, lasting: true, run: h, fail: (*exchange).writeProblem})
}

// inserted adds a document whose address holds the tenant at its end (RFC 8414 §3.1).
func (s *Server) inserted(pattern string, who who, h handler) {
	s.add(pattern+tenantPrefix, &route{who: who, lasting: true, kind: ofPath, run: h, fail: (*exchange).writeProblem})
}

// house adds something that belongs to the server as a whole, not to a tenant.
func (s *Server) house(pattern string, h handler) {
	s.add(pattern, &route{who: anyone, kind: ofHouse, run: h, fail: (*exchange).writeProblem})
}

// tenantPrefix is where tenants live; the default tenant lives at the root too.
const tenantPrefix = "/t/{tenant}"

// add puts a route on the mux, at the root and, unless it is the house's own, below
// each tenant.
func (s *Server) add(pattern string, rt *route) {
	method, path, ok := strings.Cut(pattern, " ")
	if !ok || rt.who.admit == nil || rt.run == nil {
		panic("web: route " + pattern + " is not classified") // at start, by a mistake in the table only
	}
	rt.method, rt.path = method, path
	rt.label = strings.TrimSuffix(path, "{$}")
	rt.stats = s.cfg.Metrics.route(rt.label, method)
	s.table = append(s.table, rt)
	s.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) { rt.serve(w.(*exchange), r) })
	if rt.kind == ofTenant {
		s.mux.HandleFunc(method+" "+tenantPrefix+path, func(w http.ResponseWriter, r *http.Request) { rt.serve(w.(*exchange), r) })
		if path == "/{$}" { // else the mux redirects from there, also for tenants that do not exist
			s.mux.HandleFunc(method+" "+tenantPrefix, func(w http.ResponseWriter, r *http.Request) { rt.serve(w.(*exchange), r) })
		}
	}
}

// serve runs what all routes have in common, the cheapest refusals first.
func (rt *route) serve(ex *exchange, r *http.Request) {
	ex.route = rt
	if err := rt.answer(ex, r); err != nil {
		rt.fail(ex, err)
	}
	ex.settle(rt.count)
}

func (rt *route) answer(ex *exchange, r *http.Request) error {
	if !rt.foreign {
		if err := ex.crossSite(); err != nil {
			return err
		}
	}
	if rt.count.rate != nil {
		if err := ex.charge(rt.count); err != nil {
			return err
		}
	}
	if rt.kind != ofHouse {
		if err := ex.findTenant(r); err != nil {
			return err
		}
	}
	if err := rt.who.admit(ex); err != nil {
		return err
	}
	return rt.run(ex, r)
}

// findTenant looks up whose base the path is below. A tenant that does not exist
// and one that is shut look like any other path where nothing is.
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
		ex.tenant = t
		return nil
	case err == nil || auth.KindOf(err) == auth.KindNotFound:
		return notFound()
	case ex.route.lasting && auth.KindOf(err) == auth.KindUnavailable:
		ex.tenant.ID, ex.unseen = id, true // what is published stays so while the database is away
		return nil
	}
	return err
}

// Readers of what is published hardly wait for the database to say whose it is, and
// once it has not answered they do not wait at all for a while.
const (
	lastingWait  = 250 * time.Millisecond
	lastingAgain = time.Second
)

var errAway = errors.New("the database did not answer a moment ago")

func (ex *exchange) lookUpTenant(ctx context.Context, id auth.TenantID) (auth.Tenant, error) {
	s := ex.server
	if !ex.route.lasting {
		return s.cfg.Tenants.Get(ctx, id)
	}
	if wait := time.Duration(s.away.Load() - s.now().UnixNano()); wait > 0 && wait <= lastingAgain {
		return auth.Tenant{}, auth.Unavailable(errAway, wait)
	}
	ctx, cancel := context.WithTimeout(ctx, lastingWait)
	defer cancel()
	t, err := s.cfg.Tenants.Get(ctx, id)
	if auth.KindOf(err) == auth.KindUnavailable {
		s.away.Store(s.now().Add(lastingAgain).UnixNano())
	}
	return t, err
}

// unfound answers what no route matched: 405 when another method would have, else
// 404.
func (s *Server) unfound(w http.ResponseWriter, r *http.Request) {
	ex := w.(*exchange)
	if allow := s.allowed(r); len(allow) > 0 {
		p := problem(http.StatusMethodNotAllowed, "method_not_allowed", "this address does not take "+methodLabel(r.Method))
		p.allow = allow
		ex.refuse(p)
		return
	}
	ex.refuse(notFound())
}

// allowed asks the mux which methods the path has.
func (s *Server) allowed(r *http.Request) []string {
	var allow []string
	for _, m := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete} {
		probe := &http.Request{Method: m, URL: r.URL, Host: r.Host}
		if _, pattern := s.mux.Handler(probe); pattern != "/" && pattern != "" {
			if allow = append(allow, m); m == http.MethodGet {
				allow = append(allow, http.MethodHead)
			}
		}
	}
	return allow
}

// refuse writes a refusal that comes from outside of any dialect: the route's own
// if one is known, else a page for people and a problem for programs.
func (ex *exchange) refuse(err error) {
	switch {
	case ex.route != nil:
		ex.route.fail(ex, err)
	case strings.HasPrefix(localPath(ex.request.URL), "/oauth2/"):
		ex.writeOAuthError(err)
	case ex.wantsPage():
		ex.writeProblemPage(err)
	default:
		ex.writeProblem(err)
	}
}

// wantsPage reports whether a person looks at the answer.
func (ex *exchange) wantsPage() bool {
	return strings.Contains(ex.request.Header.Get("Accept"), "text/html") &&
		!strings.HasPrefix(localPath(ex.request.URL), "/api/")
}

// localPath is the path below the tenant's base, as the request writes it: an encoded
// slash within an id must not look like a step.
func localPath(u *url.URL) string {
	path := u.EscapedPath()
	if rest, ok := strings.CutPrefix(path, "/t/"); ok {
		if i := strings.IndexByte(rest, '/'); i >= 0 {
			return rest[i:]
		}
	}
	return path
}
