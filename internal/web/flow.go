package web

import (
	"context"
	"net/http"
	"net/url"
	"slices"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/flow"
	"github.com/watchword-auth/watchword/internal/oidc"
	"github.com/watchword-auth/watchword/internal/web/ui"
)

// A flow is one way of one person through our pages. Its pages are addressed by path and
// "?flow=ID" and hold no state: each time, the service says at which step the flow
// really is, and a page that belongs to another step sends the browser there. Every
// form sends "flow" and "csrf", is answered by one service call, and leads by 303 to
// where the flow goes on. There is no parameter that says where to return to: where a
// flow ends was settled when it began.

// The pages of flows, below the tenant's base.
const (
	pathContinue   = "/continue"
	pathLogin      = "/login"
	pathRegister   = "/register"
	pathForgot     = "/forgot-password"
	pathChoose     = "/choose-account"
	pathConsent    = "/consent"
	pathUnverified = "/verify-email/wait"
	pathDevice     = oidc.DevicePath
	pathConfirm    = oidc.DevicePath + "/confirm"
	pathAccount    = "/account"
)

// stepPaths say which page belongs to a step.
var stepPaths = map[auth.StepKind]string{
	auth.StepLogin: pathLogin, auth.StepRegister: pathRegister, auth.StepChoose: pathChoose, auth.StepConsent: pathConsent,
	auth.StepVerifyEmail: pathUnverified, auth.StepDeviceCode: pathDevice, auth.StepDeviceConfirm: pathConfirm, auth.StepContinue: pathContinue,
}

// alsoAt are the other steps at which a page may be shown: where a person turns aside,
// to register or to choose somebody else.
var alsoAt = map[string][]auth.StepKind{
	pathLogin:    {auth.StepRegister, auth.StepVerifyEmail},
	pathRegister: {auth.StepLogin},
	pathForgot:   {auth.StepLogin, auth.StepRegister},
	pathChoose:   {auth.StepConsent, auth.StepDeviceConfirm, auth.StepVerifyEmail},
}

// asOther are the steps at which a person may say that they are somebody else, who is
// not signed in yet. The addresses of the pages for that end with "&other".
var asOther = []auth.StepKind{auth.StepChoose, auth.StepConsent, auth.StepDeviceConfirm, auth.StepVerifyEmail}

// belongs reports whether the page at the path may be shown at the step.
func (ex *exchange) belongs(path string, step auth.StepKind) bool {
	aside := path == pathLogin || path == pathRegister || path == pathForgot
	return stepPaths[step] == path || slices.Contains(alsoAt[path], step) || aside && ex.other() && slices.Contains(asOther, step)
}

// other reports whether the person has said so.
func (ex *exchange) other() bool { return ex.request.URL.Query().Has("other") }

// browser finds who is signed in in the browser.
func (ex *exchange) browser(ctx context.Context) (flow.Browser, error) {
	b := flow.Browser{Secret: ex.browserCookie(), Allowed: ex.cookieValue(cookieApps), Actor: ex.requestActor()}
	cookie := ex.sessionCookie()
	if cookie == "" {
		return b, nil
	}
	return b, ex.find(ctx, &b, cookie)
}

// find looks up the sessions of a cookie.
func (ex *exchange) find(ctx context.Context, b *flow.Browser, cookie string) (err error) {
	b.Sessions, err = ex.router.server.cfg.Sessions.FindAll(ctx, ex.tenant.ID, cookie)
	ex.people = b.Sessions
	return err
}

// resumed is browser for the pages of a flow: when nobody is signed in but somebody is
// remembered, they are signed in again. It is never asked at the authorization
// endpoint, where prompt=none must leave no trace.
func (ex *exchange) resumed(ctx context.Context) (flow.Browser, error) {
	b, err := ex.browser(ctx)
	keep := ex.rememberCookie()
	if err != nil || len(b.Sessions) > 0 || keep == "" || ex.request.Method != http.MethodGet {
		return b, err
	}
	s := ex.router.server
	entered, err := s.cfg.Logins.Resume(ctx, ex.tenant.ID, keep, nil, b.Actor)
	switch {
	case auth.KindOf(err) == auth.KindUnauthenticated:
		ex.dropRemember()
		return b, nil
	case err != nil:
		return b, err
	}
	ex.setSessions(entered.Cookie)
	ex.setRemember(entered.RememberMe)
	return b, ex.find(ctx, &b, entered.Cookie)
}

// flowOf is the flow of an address.
func flowOf(r *http.Request) auth.FlowID { return auth.FlowID(r.URL.Query().Get("flow")) }

// flowForm returns what a form of a flow's page sends back.
func (ex *exchange) flowForm(r *http.Request) (flow.FormRef, error) {
	b, err := ex.browser(r.Context())
	return flow.FormRef{Tenant: ex.tenant.ID, Flow: auth.FlowID(r.PostForm.Get("flow")), CSRF: r.PostForm.Get("csrf"), Browser: b}, err
}

// at is where the flow's page is.
func (ex *exchange) at(path string, id auth.FlowID) string {
	return ex.local(path) + "?flow=" + url.QueryEscape(string(id))
}

// beside is where a page is to which a person turns aside from the one that is shown.
func (ex *exchange) beside(path string, id auth.FlowID) string {
	if ex.other() {
		return ex.at(path, id) + "&other"
	}
	return ex.at(path, id)
}

// show answers GET of a page: without a flow it begins one of the given kind; with one
// it shows the page if the flow is there, and else leads to where it is.
func (s *Server) show(path string, kind auth.FlowKind, draw func(*exchange, flow.Step) error) handler {
	return func(ex *exchange, r *http.Request) error {
		b, err := ex.resumed(r.Context())
		if err != nil {
			return err
		}
		id := flowOf(r)
		if id == "" {
			if path == pathLogin && len(b.Sessions) > 0 {
				return ex.seeOther(pathAccount)
			}
			st, err := s.cfg.Flows.Start(r.Context(), ex.tenant.ID, kind, b)
			if err != nil {
				return err
			}
			ex.remember(st)
			return ex.toAddress(ex.at(path, st.Flow.ID) + userCode(r))
		}
		st, err := s.cfg.Flows.Continue(r.Context(), ex.tenant.ID, id, b)
		if err != nil {
			return err
		}
		ex.remember(st)
		if !ex.belongs(path, st.Kind) {
			return ex.dispatch(st)
		}
		return draw(ex, st)
	}
}

// proceed asks where a flow is and goes there.
func (s *Server) proceed(ex *exchange, r *http.Request) error {
	b, err := ex.resumed(r.Context())
	if err != nil {
		return err
	}
	st, err := s.cfg.Flows.Continue(r.Context(), ex.tenant.ID, flowOf(r), b)
	if err != nil {
		return err
	}
	ex.remember(st)
	return ex.dispatch(st)
}

// dispatch goes where the flow goes on: to the page of its step, or back to the client.
func (ex *exchange) dispatch(st flow.Step) error {
	ex.letOpen(st.Client)
	switch st.Kind {
	case auth.StepAnswer:
		return ex.answer(st)
	case auth.StepDone:
		return ex.seeOther(pathAccount)
	}
	return ex.toAddress(ex.at(stepPaths[st.Kind], st.Flow.ID))
}

// remember gives the browser the secret by which it is recognised, if it has a new one.
func (ex *exchange) remember(st flow.Step) {
	ex.setBrowser(st.NewBrowser)
}

// answer sends the browser back to the client with what the flow has come to.
func (ex *exchange) answer(st flow.Step) error {
	a := *st.Response
	ex.setApps(st.Allowed)
	if a.Confirm {
		return ex.askToLeave(st, a)
	}
	if !a.FormPost() {
		return ex.toClient(a.Location(), st.Client)
	}
	ex.Header()["Content-Security-Policy"] = []string{csp(towards(a.RedirectURI))}
	return ex.render(http.StatusOK, ui.FormPost{Page: ex.page(st.Flow.Request.Locales...), Action: a.RedirectURI, Client: clientName(st.Client), Params: a.Params})
}

// letOpen leaves the window to the page that opened it, for a client that signs people in
// in popups. Any policy would take it away, on a redirect too (HTML §7.1.3.2). Framing,
// scripts and forms of others are held off as everywhere.
func (ex *exchange) letOpen(c auth.Client) {
	if c.Settings.Popup {
		delete(ex.Header(), "Cross-Origin-Opener-Policy")
	}
}

// askToLeave shows where the answer would go, and lets the person decide.
func (ex *exchange) askToLeave(st flow.Step, a auth.AuthorizationResponse) error {
	ex.flowHeaders(a.RedirectURI)
	p := ui.Leave{Page: ex.page(st.Flow.Request.Locales...), Host: hostOf(a.RedirectURI), To: a.RedirectURI, Code: a.Get("error"), Detail: a.Get("error_description")}
	if a.FormPost() {
		p.Params = a.Params
	} else {
		p.To = a.Location()
	}
	return ex.render(http.StatusOK, p)
}

func hostOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return u.Host
}

// ofStep is the page of a step, with the policy that its way needs.
func (ex *exchange) ofStep(st flow.Step) ui.Page {
	if to := st.Flow.Request.RedirectURI; to != "" {
		ex.flowHeaders(to)
	}
	ex.letOpen(st.Client)
	return ex.page(st.Flow.Request.Locales...)
}

// formOf is what the forms of a step's page carry.
func (ex *exchange) formOf(st flow.Step, path string) ui.Form {
	f := ui.Form{Action: ex.local(path), Flow: string(st.Flow.ID), CSRF: st.CSRF}
	if ex.other() {
		f.Action += "?other"
	}
	return f
}

func clientName(c auth.Client) string {
	if c.Name != "" {
		return c.Name
	}
	return string(c.ID)
}
