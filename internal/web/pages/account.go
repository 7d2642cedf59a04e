package pages

import (
	"cmp"
	"net/http"
	"strings"

	"github.com/watchword-auth/watchword/internal/account"
	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/flow"
	"github.com/watchword-auth/watchword/internal/web/router"
	"github.com/watchword-auth/watchword/internal/web/ui"
)

// AccountForm checks the CSRF token, which is bound to the browser and to the session of the page.
func (s *Handlers) AccountForm(h router.Handler) router.Handler {
	return func(ex *router.Exchange, r *http.Request) error {
		csrf, session, _ := strings.Cut(r.PostForm.Get("csrf"), ".")
		if !s.flows.CSRFValid(ex.Tenant.ID, flow.Browser{Secret: ex.BrowserCookie()}, csrf, "account", session) {
			return router.CrossSite()
		}
		if auth.SessionID(session) != ex.Actor.Session { // that session has ended, perhaps by this form
			return seeOther(ex, PathAccount)
		}
		return h(ex, r)
	}
}

// AccountOwner returns the principal of a user who is signed in in the browser. Other users are
// redirected to the sign-in page.
func (s *Handlers) AccountOwner() router.Principal {
	return router.Principal{Name: "accountOwner", Admit: s.findOwner}
}

// findOwner sets the actor to the current account, or redirects to the sign-in page.
func (s *Handlers) findOwner(ex *router.Exchange) error {
	b, err := s.resumeBrowser(ex)
	if err != nil {
		return err
	}
	if len(b.Sessions) == 0 {
		path := PathLogin
		if ex.Route.Path == PathAccount+"/logout" { // a form that was posted twice
			path = PathLogout + "/done"
		}
		return cmp.Or(seeOther(ex, path), router.ErrWritten)
	}
	ex.Actor = ex.Actor.AsSession(b.Sessions[0].Session)
	return nil
}

// accountCSRF returns the CSRF token of the account page's forms, with the session that it is bound to.
func (s *Handlers) accountCSRF(ex *router.Exchange, b flow.Browser) string {
	session := string(ex.Actor.Session)
	return s.flows.CSRF(ex.Tenant.ID, b, "account", session) + "." + session
}

// accountNotices are the notices of the account page after a change, by the parameter done.
var accountNotices = map[string]ui.Key{"session": ui.SessionEnded, "app": ui.AppRemoved, "password": ui.PasswordMailed}

// AccountPage shows the sessions and connected apps of the user.
func (s *Handlers) AccountPage(ex *router.Exchange, r *http.Request) error {
	ctx, id := r.Context(), ex.Actor.Account()
	devices, err := s.accounts.Sessions(ctx, ex.Tenant.ID, id)
	if err != nil {
		return err
	}
	apps, err := s.oidc.Consents(ctx, ex.Tenant.ID, id)
	if err != nil {
		return err
	}
	me, b := ex.SignedIn[0].Account, flow.Browser{Secret: ex.BrowserCookie()}
	ex.SetBrowser(b.EnsureSecret())
	p := ui.Home{Page: newPage(ex), Form: ui.Form{CSRF: s.accountCSRF(ex, b)}, Account: me.Email.Address, Name: me.Name,
		EndSession: tenantPath(ex, PathAccount+"/end-session"), EndOthers: tenantPath(ex, PathAccount+"/end-others"),
		RemoveApp: tenantPath(ex, PathAccount+"/remove-app"), NewPassword: tenantPath(ex, PathAccount+"/new-password"), Logout: tenantPath(ex, PathAccount+"/logout")}
	if k, ok := accountNotices[r.URL.Query().Get("done")]; ok {
		p.Notice = p.Say(k)
	}
	for _, v := range devices {
		p.Devices = append(p.Devices, ui.Device{Session: string(v.ID), Agent: v.UserAgent, IP: v.IP, SeenAt: v.SeenAt, Current: v.ID == ex.Actor.Session})
	}
	for _, a := range apps {
		p.Apps = append(p.Apps, ui.App{Client: string(a.Client.ID), Name: a.Client.DisplayName(), Host: a.Client.ProvedHost(), Scopes: a.Consent.Scope, Since: a.Consent.CreatedAt})
	}
	return render(ex, http.StatusOK, p)
}

// AccountEndSession ends one session of the account.
func (s *Handlers) AccountEndSession(ex *router.Exchange, r *http.Request) error {
	err := s.accounts.EndSession(r.Context(), ex.Tenant.ID, ex.Actor.Account(), auth.SessionID(r.PostForm.Get("session")), ex.RequestActor())
	return redirectToAccount(ex, err, "session")
}

// AccountEndOthers ends all sessions of the account but this one.
func (s *Handlers) AccountEndOthers(ex *router.Exchange, r *http.Request) error {
	_, err := s.accounts.EndOtherSessions(r.Context(), ex.Tenant.ID, ex.Actor.Account(), ex.Actor.Session, ex.RequestActor())
	return redirectToAccount(ex, err, "session")
}

// AccountNewPassword mails a link for a new password to the account's email address.
func (s *Handlers) AccountNewPassword(ex *router.Exchange, r *http.Request) error {
	err := s.accounts.Forgot(r.Context(), ex.Tenant.ID, account.LinkRequest{Email: ex.SignedIn[0].Account.Email.Address, Browser: ex.BrowserCookie()}, ex.RequestActor())
	return redirectToAccount(ex, err, "password")
}

// AccountRemoveApp revokes the consent for a client.
func (s *Handlers) AccountRemoveApp(ex *router.Exchange, r *http.Request) error {
	err := s.oidc.RevokeConsent(r.Context(), ex.Tenant.ID, ex.Actor.Account(), auth.ClientID(r.PostForm.Get("client")), ex.RequestActor())
	return redirectToAccount(ex, err, "app")
}

// redirectToAccount redirects to the account page after a change. It ignores that the changed object was
// not found, since it is gone as requested.
func redirectToAccount(ex *router.Exchange, err error, done string) error {
	if err != nil && auth.KindOf(err) != auth.KindNotFound {
		return err
	}
	return seeOther(ex, PathAccount+"?done="+done)
}

// AccountLogout signs the current account out of this browser.
func (s *Handlers) AccountLogout(ex *router.Exchange, r *http.Request) error {
	b, err := s.browser(ex)
	if err != nil {
		return err
	}
	cookie, err := s.logins.SignOutBrowser(r.Context(), ex.Tenant.ID, b.Sessions, ex.Actor.Session, ex.RequestActor())
	if err != nil {
		return err
	}
	ex.SetSessions(cookie)
	if cookie != "" {
		return seeOther(ex, PathAccount)
	}
	ex.DropRemember()
	return seeOther(ex, PathLogout+"/done")
}
