package pages

import (
	"net/http"
	"net/url"
	"slices"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/flow"
	"github.com/watchword-auth/watchword/internal/oidc"
	"github.com/watchword-auth/watchword/internal/web/router"
	"github.com/watchword-auth/watchword/internal/web/ui"
)

// A flow is one visit of one user to the pages. Its pages are addressed by path and "?flow=ID" and
// hold no state. The service returns the step of the flow each time, and a page of another step
// redirects to it. Every form sends "flow" and "csrf", makes one service call and redirects by 303 to
// the next step. No parameter names a place to return to: the end of a flow is set at its start.

// The pages of flows, below the tenant's base.
const (
	PathContinue   = "/continue"
	PathLogin      = "/login"
	PathRegister   = "/register"
	PathForgot     = "/forgot-password"
	PathChoose     = "/choose-account"
	PathConsent    = "/consent"
	PathUnverified = "/verify-email/wait"
	PathDevice     = oidc.DevicePath
	PathConfirm    = oidc.DevicePath + "/confirm"
	PathAccount    = "/account"
)

// stepPaths is the page of each step.
var stepPaths = map[auth.StepKind]string{
	auth.StepLogin: PathLogin, auth.StepRegister: PathRegister, auth.StepChoose: PathChoose, auth.StepConsent: PathConsent,
	auth.StepVerifyEmail: PathUnverified, auth.StepDeviceCode: PathDevice, auth.StepDeviceConfirm: PathConfirm, auth.StepContinue: PathContinue,
}

// alsoAt are the other steps at which a page may be shown, where a user goes to register or to choose
// another account.
var alsoAt = map[string][]auth.StepKind{
	PathLogin:    {auth.StepRegister, auth.StepVerifyEmail},
	PathRegister: {auth.StepLogin},
	PathForgot:   {auth.StepLogin, auth.StepRegister},
	PathChoose:   {auth.StepConsent, auth.StepDeviceConfirm, auth.StepVerifyEmail},
}

// addingSteps are the steps at which a user may sign in with an account that the browser lacks.
// The addresses of the pages for that end with "&other".
var addingSteps = []auth.StepKind{auth.StepChoose, auth.StepConsent, auth.StepDeviceConfirm, auth.StepVerifyEmail}

// allowedAt reports whether the page at the path may be shown at the step.
func allowedAt(ex *router.Exchange, path string, step auth.StepKind) bool {
	side := path == PathLogin || path == PathRegister || path == PathForgot
	return stepPaths[step] == path || slices.Contains(alsoAt[path], step) || side && addingAccount(ex) && slices.Contains(addingSteps, step)
}

// addingAccount reports whether the user is signing in with an account that the browser lacks.
func addingAccount(ex *router.Exchange) bool { return ex.Request.URL.Query().Has("other") }

// browser returns the cookies and sessions of the browser.
func (s *Handlers) browser(ex *router.Exchange) (flow.Browser, error) {
	b := flow.Browser{Secret: ex.BrowserCookie(), Allowed: ex.CookieValue(router.CookieApps), Actor: ex.RequestActor()}
	cookie := ex.SessionCookie()
	if cookie == "" {
		return b, nil
	}
	return b, s.findSessions(ex, &b, cookie)
}

// findSessions reads the sessions of a cookie.
func (s *Handlers) findSessions(ex *router.Exchange, b *flow.Browser, cookie string) (err error) {
	b.Sessions, err = s.sessions.FindAll(ex.Request.Context(), ex.Tenant.ID, cookie)
	ex.SignedIn = b.Sessions
	return err
}

// resumed is browser for the pages of a flow. Without a session, a remember-me cookie signs its user
// in again. The authorization endpoint does not use it, since prompt=none must leave no trace.
func (s *Handlers) resumed(ex *router.Exchange) (flow.Browser, error) {
	b, err := s.browser(ex)
	rememberMe := ex.RememberCookie()
	if err != nil || len(b.Sessions) > 0 || rememberMe == "" || ex.Request.Method != http.MethodGet {
		return b, err
	}
	entered, err := s.logins.Resume(ex.Request.Context(), ex.Tenant.ID, rememberMe, nil, b.Actor)
	switch {
	case auth.KindOf(err) == auth.KindUnauthenticated:
		ex.DropRemember()
		return b, nil
	case err != nil:
		return b, err
	}
	ex.SetSessions(entered.Cookie)
	ex.SetRemember(entered.RememberMe)
	return b, s.findSessions(ex, &b, entered.Cookie)
}

// flowOf returns the flow of an address.
func flowOf(r *http.Request) auth.FlowID { return auth.FlowID(r.URL.Query().Get("flow")) }

// flowForm returns the fields of a form of a flow's page.
func (s *Handlers) flowForm(ex *router.Exchange, r *http.Request) (flow.FormRef, error) {
	b, err := s.browser(ex)
	return flow.FormRef{Tenant: ex.Tenant.ID, Flow: auth.FlowID(r.PostForm.Get("flow")), CSRF: r.PostForm.Get("csrf"), Browser: b}, err
}

// flowURL returns the address of a page in the flow.
func flowURL(ex *router.Exchange, path string, id auth.FlowID) string {
	return local(ex, path) + "?flow=" + url.QueryEscape(string(id))
}

// sidePageURL returns the address of a page that is linked from the page of the step.
func sidePageURL(ex *router.Exchange, path string, id auth.FlowID) string {
	if addingAccount(ex) {
		return flowURL(ex, path, id) + "&other"
	}
	return flowURL(ex, path, id)
}

// FlowPage answers GET of a page that can begin a flow.
func (s *Handlers) FlowPage(draw func(*router.Exchange, flow.Step) error) router.Handler {
	return s.show(auth.FlowAccount, draw)
}

// DeviceFlowPage is flowPage for the pages of the device grant.
func (s *Handlers) DeviceFlowPage(draw func(*router.Exchange, flow.Step) error) router.Handler {
	return s.show(auth.FlowDevice, draw)
}

// show answers GET of a page. Without a flow it starts one of the given kind. With one it shows the
// page if it is allowed at the flow's step, and otherwise redirects to the page of that step.
func (s *Handlers) show(kind auth.FlowKind, draw func(*router.Exchange, flow.Step) error) router.Handler {
	return func(ex *router.Exchange, r *http.Request) error {
		path := ex.Route.Path
		b, err := s.resumed(ex)
		if err != nil {
			return err
		}
		id := flowOf(r)
		if id == "" {
			if path == PathLogin && len(b.Sessions) > 0 {
				return seeOther(ex, PathAccount)
			}
			st, err := s.flows.Start(r.Context(), ex.Tenant.ID, kind, b)
			if err != nil {
				return err
			}
			ex.SetBrowser(st.NewBrowser)
			return redirect(ex, flowURL(ex, path, st.Flow.ID)+userCode(r))
		}
		st, err := s.flows.Continue(r.Context(), ex.Tenant.ID, id, b)
		if err != nil {
			return err
		}
		ex.SetBrowser(st.NewBrowser)
		switch {
		case !allowedAt(ex, path, st.Kind):
			return dispatch(ex, st)
		case st.Flow.ID != id: // the flow of the address is over
			return redirect(ex, sidePageURL(ex, path, st.Flow.ID)+userCode(r))
		}
		return draw(ex, st)
	}
}

// Proceed redirects to the current step of a flow.
func (s *Handlers) Proceed(ex *router.Exchange, r *http.Request) error {
	b, err := s.resumed(ex)
	if err != nil {
		return err
	}
	st, err := s.flows.Continue(r.Context(), ex.Tenant.ID, flowOf(r), b)
	if err != nil {
		return err
	}
	ex.SetBrowser(st.NewBrowser)
	return dispatch(ex, st)
}

// dispatch redirects to the page of the flow's step, or back to the client.
func dispatch(ex *router.Exchange, st flow.Step) error {
	keepOpener(ex, st.Client)
	switch st.Kind {
	case auth.StepAnswer:
		return respond(ex, st)
	case auth.StepDone:
		return seeOther(ex, PathAccount)
	}
	return redirect(ex, flowURL(ex, stepPaths[st.Kind], st.Flow.ID))
}

// respond sends the browser back to the client with the response of the flow.
func respond(ex *router.Exchange, st flow.Step) error {
	a := *st.Response
	ex.SetApps(st.Allowed)
	if a.Confirm {
		return askToLeave(ex, st, a)
	}
	if !a.FormPost() {
		return redirectToClient(ex, a.Location(), st.Client)
	}
	ex.Header()["Content-Security-Policy"] = []string{csp(towards(a.RedirectURI))}
	return render(ex, http.StatusOK, ui.FormPost{Page: newPage(ex, st.Flow.Request.Locales...), Action: a.RedirectURI, Client: st.Client.DisplayName(), Params: a.Params})
}

// keepOpener keeps the window connected to the page that opened it, for a client that signs users in in
// popups. Any opener policy would cut it off, on a redirect too (HTML §7.1.3.2). Framing, scripts and
// forms of other sites are blocked as on every page.
func keepOpener(ex *router.Exchange, c auth.Client) {
	if c.Settings.Popup {
		delete(ex.Header(), "Cross-Origin-Opener-Policy")
	}
}

// askToLeave shows where the response would go, and lets the user decide.
func askToLeave(ex *router.Exchange, st flow.Step, a auth.AuthorizationResponse) error {
	SetFlowHeaders(ex, a.RedirectURI)
	p := ui.Leave{Page: newPage(ex, st.Flow.Request.Locales...), Host: hostOf(a.RedirectURI), To: a.RedirectURI, Code: a.Get("error"), Detail: a.Get("error_description")}
	if a.FormPost() {
		p.Params = a.Params
	} else {
		p.To = a.Location()
	}
	return render(ex, http.StatusOK, p)
}

// hostOf returns the host of an address.
func hostOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return u.Host
}

// stepPage returns the page of a step, with the policy that the redirect after it needs.
func stepPage(ex *router.Exchange, st flow.Step) ui.Page {
	if to := st.Flow.Request.RedirectURI; to != "" {
		SetFlowHeaders(ex, to)
	}
	keepOpener(ex, st.Client)
	return newPage(ex, st.Flow.Request.Locales...)
}

// stepForm returns the fields that the forms of a step's page share.
func stepForm(ex *router.Exchange, st flow.Step, path string) ui.Form {
	f := ui.Form{Action: local(ex, path), Flow: string(st.Flow.ID), CSRF: st.CSRF}
	if addingAccount(ex) {
		f.Action += "?other"
	}
	return f
}
