package pages

import (
	"cmp"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/flow"
	"github.com/watchword-auth/watchword/internal/oauth"
	"github.com/watchword-auth/watchword/internal/web/router"
	"github.com/watchword-auth/watchword/internal/web/ui"
)

// WriteProblem writes an error as a page. A protocol error also shows its code and description, for
// the developer of the client that sent the user.
func (s *Handlers) WriteProblem(ex *router.Exchange, err error) {
	SetHeaders(ex)
	ex.FindTenant()
	page := newPage(ex).Problem(ui.BadRequest)
	status := http.StatusBadRequest
	if e, ok := errors.AsType[*auth.DisplayError](err); ok {
		page.Code, page.Detail, page.Reference = e.Code, e.Desc, ex.ID
	} else if e, ok := errors.AsType[*oauth.Error](err); ok {
		page.Code, page.Detail, page.Reference = string(e.Code), e.Desc, ex.ID
	} else {
		p := ex.Fail(err)
		status, page = p.Status, s.problemPage(ex, p)
	}
	page.Login = tenantBase(ex, status) + PathLogin
	page.Client, page.Home = s.flowHome(ex, err)
	if err := render(ex, status, page); err != nil {
		ex.WriteProblem(err)
	}
}

// flowHome returns the name and home page of the client of an ended flow, where the user can begin
// again. The home page of a self-described client is not trusted, so there is none.
func (s *Handlers) flowHome(ex *router.Exchange, err error) (name, uri string) {
	r := ex.Request
	if auth.CodeOf(err) != auth.CodeFlowOver {
		return "", ""
	}
	id := flowOf(r)
	if r.PostForm != nil {
		id = auth.FlowID(r.PostForm.Get("flow"))
	}
	c, err := s.flows.Client(r.Context(), ex.Tenant.ID, id, flow.Browser{Secret: ex.BrowserCookie()})
	if err != nil || c.Disabled() || c.SelfDescribed() || c.Settings.ClientURI == "" {
		return "", "" // the page works without
	}
	return c.DisplayName(), c.Settings.ClientURI
}

// problemPage returns the page for the code of the problem, else for its status.
func (s *Handlers) problemPage(ex *router.Exchange, p *router.Problem) ui.Problem {
	page := newPage(ex).Problem(ui.Failed)
	if p.Code == auth.CodeFlowOver && ex.BrowserCookie() == "" {
		page = newPage(ex).Problem(ui.FlowNoCookie)
	} else if k, ok := problemCodes[p.Code]; ok {
		page = newPage(ex).Problem(k)
	} else if k, ok := problemKeys[p.Status]; ok {
		page = newPage(ex).Problem(k)
	}
	switch p.Status {
	case http.StatusTooManyRequests:
		page = newPage(ex).Throttled(p.RetryAfter, s.retryURL(ex, p.Status))
	case http.StatusForbidden, http.StatusBadRequest, http.StatusServiceUnavailable, http.StatusInternalServerError:
		page.Again = s.retryURL(ex, p.Status)
	}
	page.Reference = p.Reference
	return page
}

// tenantBase returns the base path of the tenant. For a request that was refused before the tenant
// lookup, it takes the tenant from the path.
func tenantBase(ex *router.Exchange, status int) string {
	id := ex.Tenant.ID
	if id == "" && status != http.StatusNotFound {
		id, _ = auth.ParseTenantID(ex.Request.PathValue("tenant"))
	}
	return cmp.Or(id, auth.DefaultTenant).Path()
}

// retryURL returns the URL at which the user can try again: that of the request, or of the page of its
// form. It is empty if there is neither.
func (s *Handlers) retryURL(ex *router.Exchange, status int) string {
	r, rt := ex.Request, ex.Route
	if r.Method == http.MethodGet {
		return r.URL.RequestURI()
	}
	if rt == nil || rt.Dialect.Read == nil {
		return ""
	}
	path, query := rt.Path, url.Values{}
	switch {
	case strings.HasPrefix(path, PathAccount+"/"):
		return tenantBase(ex, status) + PathAccount
	case path == PathResend:
		path = PathLogin
	}
	// If the body was not read, the Referer still has the parameters of the form's page. Only these are
	// taken, and none of another site, which could lead the user to a link of the attacker.
	referer, _ := url.Parse(r.Referer())
	if referer != nil && !strings.HasPrefix(r.Referer(), s.base+"/") {
		referer = nil
	}
	for _, name := range []string{"flow", "token"} {
		if v := auth.Clip(r.PostForm.Get(name), 128); v != "" {
			query.Set(name, v)
		} else if referer != nil && referer.Query().Has(name) {
			query.Set(name, auth.Clip(referer.Query().Get(name), 128))
		}
	}
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	return tenantBase(ex, status) + path
}

// problemCodes and problemKeys map codes and statuses to the texts for users.
var problemCodes = map[auth.Code]ui.Key{auth.CodeFlowOver: ui.FlowGone, auth.CodePasskeysOff: ui.NoPasskeys}

var problemKeys = map[int]ui.Key{
	http.StatusForbidden:             ui.Forbidden,
	http.StatusNotFound:              ui.NotFound,
	http.StatusMethodNotAllowed:      ui.WrongMethod,
	http.StatusRequestEntityTooLarge: ui.TooLarge,
	http.StatusRequestURITooLong:     ui.URLTooLong,
	http.StatusTooManyRequests:       ui.TooOften,
	http.StatusServiceUnavailable:    ui.Unavailable,
	http.StatusInternalServerError:   ui.Internal,
}
