package web

import (
	"cmp"
	"net/http"
	"strings"

	"github.com/watchword-auth/watchword/internal/account"
	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/flow"
	"github.com/watchword-auth/watchword/internal/web/ui"
)

// accountForm checks that the form was sent by a page that this session was shown.
func (s *pages) accountForm(h handler) handler {
	return func(ex *exchange, r *http.Request) error {
		csrf, session, _ := strings.Cut(r.PostForm.Get("csrf"), ".")
		if !s.flows.CSRFValid(ex.tenant.ID, flow.Browser{Secret: ex.browserCookie()}, csrf, "account", session) {
			return errCrossSite()
		}
		if auth.SessionID(session) != ex.actor.Session { // the page's account has signed out meanwhile, perhaps by this form
			return seeOther(ex, pathAccount)
		}
		return h(ex, r)
	}
}

// accountOwner is who is signed in in the browser. Who is not is sent to sign in.
func (s *pages) accountOwner() principal {
	return principal{name: "accountOwner", admit: s.findOwner}
}

// findOwner finds who is signed in, or sends the browser to sign in.
func (s *pages) findOwner(ex *exchange) error {
	b, err := s.resumed(ex)
	if err != nil {
		return err
	}
	if len(b.Sessions) == 0 {
		to := pathLogin
		if ex.route.path == pathAccount+"/logout" { // a form that was posted twice
			to = pathLogout + "/done"
		}
		return cmp.Or(seeOther(ex, to), errAnswered)
	}
	ex.actor = ex.actor.AsSession(b.Sessions[0].Session)
	return nil
}

// accountCSRF is the token of these pages' forms, with the session that they are about.
func (s *pages) accountCSRF(ex *exchange, b flow.Browser) string {
	session := string(ex.actor.Session)
	return s.flows.CSRF(ex.tenant.ID, b, "account", session) + "." + session
}

// What the page says after a change.
var accountNotices = map[string]ui.Key{"session": ui.SessionEnded, "app": ui.AppRemoved, "password": ui.PasswordMailed}

// accountPage shows the sessions and connected apps of the user.
func (s *pages) accountPage(ex *exchange, r *http.Request) error {
	ctx, id := r.Context(), ex.actor.Account()
	devices, err := s.accounts.Sessions(ctx, ex.tenant.ID, id)
	if err != nil {
		return err
	}
	apps, err := s.oidc.Consents(ctx, ex.tenant.ID, id)
	if err != nil {
		return err
	}
	me, b := ex.people[0].Account, flow.Browser{Secret: ex.browserCookie()}
	ex.setBrowser(b.EnsureSecret())
	p := ui.Home{Page: newPage(ex), Form: ui.Form{CSRF: s.accountCSRF(ex, b)}, Account: me.Email.Address, Name: me.Name,
		EndSession: local(ex, pathAccount+"/end-session"), EndOthers: local(ex, pathAccount+"/end-others"),
		RemoveApp: local(ex, pathAccount+"/remove-app"), NewPassword: local(ex, pathAccount+"/new-password"), Logout: local(ex, pathAccount+"/logout")}
	if k, ok := accountNotices[r.URL.Query().Get("done")]; ok {
		p.Notice = p.Say(k)
	}
	for _, v := range devices {
		p.Devices = append(p.Devices, ui.Device{Session: string(v.ID), Agent: v.UserAgent, IP: v.IP, SeenAt: v.SeenAt, Current: v.ID == ex.actor.Session})
	}
	for _, a := range apps {
		p.Apps = append(p.Apps, ui.App{Client: string(a.Client.ID), Name: a.Client.DisplayName(), Host: a.Client.ProvedHost(), Scopes: a.Consent.Scope, Since: a.Consent.CreatedAt})
	}
	return render(ex, http.StatusOK, p)
}

func (s *pages) accountEndSession(ex *exchange, r *http.Request) error {
	err := s.accounts.EndSession(r.Context(), ex.tenant.ID, ex.actor.Account(), auth.SessionID(r.PostForm.Get("session")), ex.requestActor())
	return changed(ex, err, "session")
}

func (s *pages) accountEndOthers(ex *exchange, r *http.Request) error {
	_, err := s.accounts.EndOtherSessions(r.Context(), ex.tenant.ID, ex.actor.Account(), ex.actor.Session, ex.requestActor())
	return changed(ex, err, "session")
}

// accountNewPassword mails a link for a new password to the own address.
func (s *pages) accountNewPassword(ex *exchange, r *http.Request) error {
	err := s.accounts.Forgot(r.Context(), ex.tenant.ID, account.LinkRequest{Email: ex.people[0].Account.Email.Address, Browser: ex.browserCookie()}, ex.requestActor())
	return changed(ex, err, "password")
}

func (s *pages) accountRemoveApp(ex *exchange, r *http.Request) error {
	err := s.oidc.RevokeConsent(r.Context(), ex.tenant.ID, ex.actor.Account(), auth.ClientID(r.PostForm.Get("client")), ex.requestActor())
	return changed(ex, err, "app")
}

// changed goes back to the page. What was gone already is as gone as was wished.
func changed(ex *exchange, err error, what string) error {
	if err != nil && auth.KindOf(err) != auth.KindNotFound {
		return err
	}
	return seeOther(ex, pathAccount+"?done="+what)
}

// accountLogout signs the current account out of this browser.
func (s *pages) accountLogout(ex *exchange, r *http.Request) error {
	b, err := s.browser(ex)
	if err != nil {
		return err
	}
	rest, err := s.logins.SignOutBrowser(r.Context(), ex.tenant.ID, b.Sessions, ex.actor.Session, ex.requestActor())
	if err != nil {
		return err
	}
	ex.setSessions(rest)
	if rest != "" {
		return seeOther(ex, pathAccount)
	}
	ex.dropRemember()
	return seeOther(ex, pathLogout+"/done")
}
