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

// The URL of a flow's page is its path and "?flow=ID"; the page holds no state. The service returns
// the current step of the flow, and the page of another step redirects to it. Every form sends "flow"
// and "csrf", makes one service call and redirects with 303 to the next step. No parameter names a
// URL to return to: where a flow ends is set at its start.

// The pages of flows, below the tenant's base.
const (
	PathContinue   = "/continue"
	PathLogin      = "/login"
	PathFactor     = "/login/factor"
	PathEnrol      = "/login/add-factor"
	PathPasskey    = "/login/passkey"
	PathAddPasskey = "/login/add-passkey"
	PathRegister   = "/register"
	PathForgot     = "/forgot-password"
	PathChoose     = "/choose-account"
	PathConsent    = "/consent"
	PathUnverified = "/verify-email/wait"
	PathDevice     = oidc.DevicePath
	PathConfirm    = oidc.DevicePath + "/confirm"
)

// stepPaths maps each step to the path of its page.
var stepPaths = map[auth.StepKind]string{
	auth.StepLogin: PathLogin, auth.StepRegister: PathRegister, auth.StepChoose: PathChoose, auth.StepConsent: PathConsent,
	auth.StepFactor: PathFactor, auth.StepEnrol: PathEnrol, auth.StepOffer: PathAddPasskey, auth.StepVerifyEmail: PathUnverified, auth.StepDeviceCode: PathDevice, auth.StepDeviceConfirm: PathConfirm, auth.StepContinue: PathContinue,
}

// otherSteps are the steps of other pages at which a page may be shown, so that a user can register,
// reset the password or choose another account.
var otherSteps = map[string][]auth.StepKind{
	PathLogin:      {auth.StepRegister, auth.StepVerifyEmail, auth.StepFactor, auth.StepEnrol},
	PathAddPasskey: {auth.StepEnrol},
	PathRegister:   {auth.StepLogin},
	PathForgot:     {auth.StepLogin, auth.StepRegister},
	PathMailSignIn: {auth.StepLogin, auth.StepRegister},
	PathChoose:     {auth.StepConsent, auth.StepDeviceConfirm, auth.StepVerifyEmail},
}

// addAccountSteps are the steps at which a user may sign in with a further account. The URLs of the
// pages for that end with "&other".
var addAccountSteps = []auth.StepKind{auth.StepChoose, auth.StepConsent, auth.StepDeviceConfirm, auth.StepVerifyEmail}

// allowedAt reports whether the page at the path may be shown at the step.
func allowedAt(ex *router.Exchange, path string, step auth.StepKind) bool {
	side := path == PathLogin || path == PathRegister || path == PathForgot || path == PathMailSignIn
	return stepPaths[step] == path || slices.Contains(otherSteps[path], step) || side && addingAccount(ex) && slices.Contains(addAccountSteps, step)
}

// addingAccount reports whether the user is signing in with a further account.
func addingAccount(ex *router.Exchange) bool { return ex.Request.URL.Query().Has("other") }

// browser returns the cookies and sessions of the browser.
func (s *Handlers) browser(ex *router.Exchange) (flow.Browser, error) {
	b := flow.Browser{Secret: ex.BrowserCookie(), Allowed: ex.CookieValue(router.CookieApps), Actor: ex.RequestActor()}
	b.Actor.Trusted = ex.TrustedCookie()
	cookie := ex.SessionCookie()
	if cookie == "" {
		return b, nil
	}
	return b, s.findSessions(ex, &b, cookie)
}

// findSessions reads the sessions of a session cookie into b and ex.
func (s *Handlers) findSessions(ex *router.Exchange, b *flow.Browser, cookie string) (err error) {
	b.Sessions, err = s.sessions.FindAll(ex.Request.Context(), ex.Tenant.ID, cookie)
	ex.SignedIn = b.Sessions
	return err
}

// resumeBrowser is browser for the pages of a flow. Without a session, the remember-me cookie signs its
// user in. The authorization endpoint does not use it, since prompt=none must change nothing.
func (s *Handlers) resumeBrowser(ex *router.Exchange) (flow.Browser, error) {
	b, err := s.browser(ex)
	rememberMe := ex.RememberCookie()
	if err != nil || len(b.Sessions) > 0 || rememberMe == "" || ex.Request.Method != http.MethodGet {
		return b, err
	}
	signedIn, err := s.logins.Resume(ex.Request.Context(), ex.Tenant.ID, rememberMe, nil, b.Actor)
	switch {
	case auth.KindOf(err) == auth.KindUnauthenticated:
		ex.DropRemember()
		return b, nil
	case err != nil:
		return b, err
	}
	ex.SetSessions(signedIn.Cookie)
	ex.SetRemember(signedIn.RememberMe)
	ex.SetTrusted(signedIn.Trusted)
	return b, s.findSessions(ex, &b, signedIn.Cookie)
}

// flowOf returns the flow that the URL names.
func flowOf(r *http.Request) auth.FlowID { return auth.FlowID(r.URL.Query().Get("flow")) }

// flowForm returns the fields of a form of a flow's page.
func (s *Handlers) flowForm(ex *router.Exchange, r *http.Request) (flow.FormRef, error) {
	b, err := s.browser(ex)
	return flow.FormRef{Tenant: ex.Tenant.ID, Flow: auth.FlowID(r.PostForm.Get("flow")), CSRF: r.PostForm.Get("csrf"), Browser: b}, err
}

// flowURL returns the URL of a page in the flow.
func flowURL(ex *router.Exchange, path string, id auth.FlowID) string {
	return tenantPath(ex, path) + "?flow=" + url.QueryEscape(string(id))
}

// sidePageURL returns the URL of a page to which the page of the step links.
func sidePageURL(ex *router.Exchange, path string, id auth.FlowID) string {
	if addingAccount(ex) {
		return flowURL(ex, path, id) + "&other"
	}
	return flowURL(ex, path, id)
}

// FlowPage serves GET of a page of a flow. Without a flow it starts one that ends at the account page.
func (s *Handlers) FlowPage(draw func(*router.Exchange, flow.Step) error) router.Handler {
	return s.show(auth.FlowAccount, draw)
}

// DeviceFlowPage is FlowPage for the pages of the device grant; it starts a flow for a device.
func (s *Handlers) DeviceFlowPage(draw func(*router.Exchange, flow.Step) error) router.Handler {
	return s.show(auth.FlowDevice, draw)
}

// show serves GET of a page. Without a flow it starts one of the given kind. With one it shows the
// page if it is allowed at the flow's step, and otherwise redirects to the page of that step.
func (s *Handlers) show(kind auth.FlowKind, draw func(*router.Exchange, flow.Step) error) router.Handler {
	return func(ex *router.Exchange, r *http.Request) error {
		path := ex.Route.Path
		b, err := s.resumeBrowser(ex)
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
		case st.Flow.ID != id: // a successor continues the flow of the URL
			return redirect(ex, sidePageURL(ex, path, st.Flow.ID)+userCode(r))
		}
		return draw(ex, st)
	}
}

// Proceed redirects to the current step of a flow.
func (s *Handlers) Proceed(ex *router.Exchange, r *http.Request) error {
	b, err := s.resumeBrowser(ex)
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

// dispatch redirects to the page of the flow's step, or to the client.
func dispatch(ex *router.Exchange, st flow.Step) error {
	keepOpener(ex, st.Client)
	switch {
	case st.Kind == auth.StepAnswer && st.Response == nil: // of a form that was refused
		return redirect(ex, flowURL(ex, PathContinue, st.Flow.ID))
	case st.Kind == auth.StepAnswer:
		return respond(ex, st)
	case st.Kind == auth.StepDone:
		return seeOther(ex, accountPage(st.Flow.Request.Page))
	}
	return redirect(ex, flowURL(ex, stepPaths[st.Kind], st.Flow.ID))
}

// respond sends the authorization response to the client through the browser.
func respond(ex *router.Exchange, st flow.Step) error {
	resp := *st.Response
	ex.SetApps(st.Allowed)
	if resp.Confirm {
		return askToLeave(ex, st, resp)
	}
	if !resp.FormPost() {
		return redirectToClient(ex, resp.Location(), st.Client)
	}
	ex.Header()["Content-Security-Policy"] = []string{csp(formActions(resp.RedirectURI))}
	return render(ex, http.StatusOK, ui.FormPost{Page: newPage(ex, st.Flow.Request.Locales...), Action: resp.RedirectURI, Client: st.Client.DisplayName(), Params: resp.Params})
}

// keepOpener keeps the window connected to the page that opened it, for a client that signs users in
// with popups. Any Cross-Origin-Opener-Policy would separate them, also on a redirect (HTML §7.1.3.2).
// Framing, scripts and forms of other sites are blocked as on every page.
func keepOpener(ex *router.Exchange, c auth.Client) {
	if c.Settings.Popup {
		delete(ex.Header(), "Cross-Origin-Opener-Policy")
	}
}

// askToLeave shows the host to which the response goes, and lets the user decide.
func askToLeave(ex *router.Exchange, st flow.Step, resp auth.AuthorizationResponse) error {
	SetFlowHeaders(ex, resp.RedirectURI)
	p := ui.Leave{Page: newPage(ex, st.Flow.Request.Locales...), Host: hostOf(resp.RedirectURI), To: resp.RedirectURI, Code: resp.Get("error"), Detail: resp.Get("error_description")}
	if resp.FormPost() {
		p.Params = resp.Params
	} else {
		p.To = resp.Location()
	}
	return render(ex, http.StatusOK, p)
}

// hostOf returns the host of a URL, or empty.
func hostOf(uri string) string {
	u, err := url.Parse(uri)
	if err != nil {
		return ""
	}
	return u.Host
}

// stepPage returns the common data of a step's page. It sets the Content-Security-Policy that the
// redirect to the client needs.
func stepPage(ex *router.Exchange, st flow.Step) ui.Page {
	if to := st.Flow.Request.RedirectURI; to != "" {
		SetFlowHeaders(ex, to)
	}
	keepOpener(ex, st.Client)
	return newPage(ex, st.Flow.Request.Locales...)
}

// stepForm returns the fields that the forms of a step's page share.
func stepForm(ex *router.Exchange, st flow.Step, path string) ui.Form {
	// The address names the flow, so that a reload or a bookmark of a refused form goes on in it.
	f := ui.Form{Action: flowURL(ex, path, st.Flow.ID), Flow: string(st.Flow.ID), CSRF: st.CSRF}
	if addingAccount(ex) {
		f.Action += "&other"
	}
	return f
}
