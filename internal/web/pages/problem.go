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

// WriteProblem answers a browser. A refusal in the words of the protocol comes with
// them, for the developer of the client that sent the user here.
func (s *Handlers) WriteProblem(ex *router.Exchange, err error) {
	SetHeaders(ex)
	ex.FindTenant()
	page := newPage(ex).Problem(ui.BadRequest)
	status := http.StatusBadRequest
	if wrong, ok := errors.AsType[*auth.DisplayError](err); ok {
		page.Code, page.Detail, page.Reference = wrong.Code, wrong.Desc, ex.ID
	} else if wrong, ok := errors.AsType[*oauth.Error](err); ok {
		page.Code, page.Detail, page.Reference = string(wrong.Code), wrong.Desc, ex.ID
	} else {
		p := ex.Fail(err)
		status, page = p.Status, s.problemPage(ex, p)
	}
	page.Login = tenantPath(ex, status) + PathLogin
	page.Client, page.Home = s.flowHome(ex, err)
	if err := render(ex, status, page); err != nil {
		ex.WriteProblem(err)
	}
}

// flowHome returns where the user of a flow that is over can begin again: the home page of
// its client. What a stranger says of their own client is no place to send people to.
func (s *Handlers) flowHome(ex *router.Exchange, err error) (name, uri string) {
	r := ex.Request
	if e, ok := errors.AsType[*auth.Error](err); !ok || e.Code != auth.CodeFlowOver {
		return "", ""
	}
	id := flowOf(r)
	if r.PostForm != nil {
		id = auth.FlowID(r.PostForm.Get("flow"))
	}
	c, err := s.flows.Client(r.Context(), ex.Tenant.ID, id, flow.Browser{Secret: ex.BrowserCookie()})
	if err != nil || c.SelfDescribed() || c.Settings.ClientURI == "" {
		return "", "" // the page says the rest all the same
	}
	return c.DisplayName(), c.Settings.ClientURI
}

// problemPage says it in the words for what it is, else in those for its status.
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

// tenantPath is the base of the tenant. Where a request is refused before the tenant is read,
// the address says which it is.
func tenantPath(ex *router.Exchange, status int) string {
	id := ex.Tenant.ID
	if id == "" && status != http.StatusNotFound {
		id, _ = auth.ParseTenantID(ex.Request.PathValue("tenant"))
	}
	return cmp.Or(id, auth.DefaultTenant).Path()
}

// retryURL is where the user can try again: the address of the request, or the page of its
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
		return tenantPath(ex, status) + PathAccount
	case path == PathResend:
		path = PathLogin
	}
	// A body may not have been read, but its page has told its address. No other address is taken from
	// there, and nothing from the page of another site, which could send the user to a link of its own.
	from, _ := url.Parse(r.Referer())
	if from != nil && !strings.HasPrefix(r.Referer(), s.base+"/") {
		from = nil
	}
	for _, name := range []string{"flow", "token"} {
		if v := auth.Clip(r.PostForm.Get(name), 128); v != "" {
			query.Set(name, v)
		} else if from != nil && from.Query().Has(name) {
			query.Set(name, auth.Clip(from.Query().Get(name), 128))
		}
	}
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	return tenantPath(ex, status) + path
}

// problemCodes and problemKeys map errors to the sentences for users.
var problemCodes = map[auth.Code]ui.Key{auth.CodeFlowOver: ui.FlowGone}

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
