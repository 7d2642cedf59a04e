package web

import (
	"cmp"
	"net/http"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/flow"
	"github.com/watchword-auth/watchword/internal/web/ui"
)

// accountForm checks that the form was sent by a page that this session was shown.
func (s *Server) accountForm(h handler) handler {
	return func(ex *exchange, r *http.Request) error {
		if !s.cfg.Flows.CSRFValid(ex.tenant.ID, flow.Browser{Secret: ex.browserCookie()}, r.PostForm.Get("csrf"), ex.accountSubject()...) {
			return errCrossSite()
		}
		return h(ex, r)
	}
}

// findOwner finds who is signed in, or sends the browser to sign in.
func (ex *exchange) findOwner() error {
	b, err := ex.resumed(ex.request.Context())
	if err != nil {
		return err
	}
	if len(b.Sessions) == 0 {
		return cmp.Or(ex.seeOther(pathLogin), errAnswered)
	}
	ex.actor = ex.actor.AsSession(b.Sessions[0].Session)
	return nil
}

// accountSubject is what the forms of these pages are about: the account's session here.
func (ex *exchange) accountSubject() []string { return []string{"account", string(ex.actor.Session)} }

// What the page says after a change.
var accountNotices = map[string]ui.Key{"session": ui.SessionEnded, "app": ui.AppRemoved, "password": ui.PasswordMailed}

// accountPage shows where the person is signed in, and what they have allowed.
func (s *Server) accountPage(ex *exchange, r *http.Request) error {
	ctx, id := r.Context(), ex.actor.Account()
	devices, err := s.cfg.Accounts.Sessions(ctx, ex.tenant.ID, id)
	if err != nil {
		return err
	}
	apps, err := s.cfg.OIDC.Consents(ctx, ex.tenant.ID, id)
	if err != nil {
		return err
	}
	me, b := ex.people[0].Account, flow.Browser{Secret: ex.browserCookie()}
	ex.setBrowser(b.EnsureSecret())
	p := ui.Home{Page: ex.page(), Form: ui.Form{CSRF: s.cfg.Flows.CSRF(ex.tenant.ID, b, ex.accountSubject()...)}, Account: me.Email.Address, Name: me.Name,
		EndSession: ex.local(pathAccount + "/end-session"), EndOthers: ex.local(pathAccount + "/end-others"),
		RemoveApp: ex.local(pathAccount + "/remove-app"), NewPassword: ex.local(pathAccount + "/new-password"), Logout: ex.local(pathAccount + "/logout")}
	if k, ok := accountNotices[r.URL.Query().Get("done")]; ok {
		p.Notice = p.Say(k)
	}
	for _, v := range devices {
		p.Devices = append(p.Devices, ui.Device{Session: string(v.ID), Agent: v.UserAgent, IP: v.IP, SeenAt: v.SeenAt, Current: v.ID == ex.actor.Session})
	}
	for _, a := range apps {
		p.Apps = append(p.Apps, ui.App{Client: string(a.Client.ID), Name: clientName(a.Client), Host: a.Client.ProvedHost(), Scopes: a.Consent.Scope, Since: a.Consent.CreatedAt})
	}
	return ex.render(http.StatusOK, p)
}

func (s *Server) accountEndSession(ex *exchange, r *http.Request) error {
	err := s.cfg.Accounts.EndSession(r.Context(), ex.tenant.ID, ex.actor.Account(), auth.SessionID(r.PostForm.Get("session")), ex.requestActor())
	return ex.changed(err, "session")
}

func (s *Server) accountEndOthers(ex *exchange, r *http.Request) error {
	_, err := s.cfg.Accounts.EndOtherSessions(r.Context(), ex.tenant.ID, ex.actor.Account(), ex.actor.Session, ex.requestActor())
	return ex.changed(err, "session")
}

// accountNewPassword mails a link for a new password to the own address.
func (s *Server) accountNewPassword(ex *exchange, r *http.Request) error {
	err := s.cfg.Accounts.Forgot(r.Context(), ex.tenant.ID, ex.people[0].Account.Email.Address, ex.requestActor())
	return ex.changed(err, "password")
}

func (s *Server) accountRemoveApp(ex *exchange, r *http.Request) error {
	err := s.cfg.OIDC.RevokeConsent(r.Context(), ex.tenant.ID, ex.actor.Account(), auth.ClientID(r.PostForm.Get("client")), ex.requestActor())
	return ex.changed(err, "app")
}

// changed goes back to the page. What was gone already is as gone as was wished.
func (ex *exchange) changed(err error, what string) error {
	if err != nil && auth.KindOf(err) != auth.KindNotFound {
		return err
	}
	return ex.seeOther(pathAccount + "?done=" + what)
}

// accountLogout signs the current account out of this browser.
func (s *Server) accountLogout(ex *exchange, r *http.Request) error {
	b, err := ex.browser(r.Context())
	if err != nil {
		return err
	}
	rest, err := s.cfg.Logins.SignOutBrowser(r.Context(), ex.tenant.ID, b.Sessions, ex.actor.Session, ex.requestActor())
	if err != nil {
		return err
	}
	ex.setSessions(rest)
	if rest != "" {
		return ex.seeOther(pathAccount)
	}
	ex.dropRemember()
	return ex.seeOther(pathLogout + "/done")
}
