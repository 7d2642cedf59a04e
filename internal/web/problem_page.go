package web

import (
	"errors"
	"net/http"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/flow"
	"github.com/watchword-auth/watchword/internal/oauth"
	"github.com/watchword-auth/watchword/internal/web/ui"
)

// writeProblemPage answers a person. A refusal in the words of the protocol comes with
// them, for the developer of the client that sent the person here.
func (s *pages) writeProblemPage(ex *exchange, err error) {
	pageHeaders(ex)
	page := newPage(ex).Problem(ui.BadRequest)
	status := http.StatusBadRequest
	if wrong, ok := errors.AsType[*auth.DisplayError](err); ok {
		page.Code, page.Detail, page.Reference = wrong.Code, wrong.Desc, ex.id
	} else if wrong, ok := errors.AsType[*oauth.Error](err); ok {
		page.Code, page.Detail, page.Reference = string(wrong.Code), wrong.Desc, ex.id
	} else {
		p := ex.fail(err)
		status, page = p.Status, problemPage(ex, p)
	}
	if page.Login = pathLogin; ex.tenant.ID != "" {
		page.Login = local(ex, pathLogin)
	}
	page.Client, page.Home = s.flowHome(ex, err)
	if err := render(ex, status, page); err != nil {
		ex.writeProblem(err)
	}
}

// flowHome is where the person of a flow that is over can begin again: the home page of
// its client. What a stranger says of their own client is no place to send people to.
func (s *pages) flowHome(ex *exchange, err error) (name, uri string) {
	r := ex.request
	if e, ok := errors.AsType[*auth.Error](err); !ok || e.Code != auth.CodeFlowOver {
		return "", ""
	}
	id := flowOf(r)
	if r.PostForm != nil {
		id = auth.FlowID(r.PostForm.Get("flow"))
	}
	c, err := s.flows.Client(r.Context(), ex.tenant.ID, id, flow.Browser{Secret: ex.browserCookie()})
	if err != nil || c.SelfDescribed() || c.Settings.ClientURI == "" {
		return "", "" // the page says the rest all the same
	}
	return c.DisplayName(), c.Settings.ClientURI
}

// problemPage says it in the words for what it is, else in those for its status.
func problemPage(ex *exchange, p *Problem) ui.Problem {
	page := ui.Problem{Page: newPage(ex), Title: p.Title, Text: p.Detail}
	if p.Code == auth.CodeFlowOver && ex.browserCookie() == "" {
		page = newPage(ex).Problem(ui.FlowNoCookie)
	} else if k, ok := problemCodes[p.Code]; ok {
		page = newPage(ex).Problem(k)
	} else if k, ok := problemKeys[p.Status]; ok {
		page = newPage(ex).Problem(k)
	}
	if p.Status == http.StatusTooManyRequests {
		page = newPage(ex).Throttled(p.retryAfter, retryURL(ex))
	}
	page.Reference = p.Reference
	return page
}

// retryURL is where the request can be made once more by a link: a form cannot.
func retryURL(ex *exchange) string {
	if u := ex.request.URL; ex.request.Method == http.MethodGet {
		return u.RequestURI()
	}
	return ""
}

// problemCodes and problemKeys say to a person what happened and what to do.
var problemCodes = map[auth.Code]ui.Key{auth.CodeFlowOver: ui.FlowGone}

var problemKeys = map[int]ui.Key{
	http.StatusForbidden:             ui.Forbidden,
	http.StatusNotFound:              ui.NotFound,
	http.StatusMethodNotAllowed:      ui.WrongMethod,
	http.StatusRequestEntityTooLarge: ui.TooLarge,
	http.StatusRequestURITooLong:     ui.AddressTooLong,
	http.StatusTooManyRequests:       ui.TooOften,
	http.StatusServiceUnavailable:    ui.Unavailable,
	http.StatusInternalServerError:   ui.Internal,
}
