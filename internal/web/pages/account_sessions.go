package pages

import (
	"net/http"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/session"
	"github.com/watchword-auth/watchword/internal/web/router"
	"github.com/watchword-auth/watchword/internal/web/ui"
)

// SessionsPage lists where the user is signed in, and the browsers in which no second factor is needed.
func (s *Handlers) SessionsPage(ex *router.Exchange, r *http.Request) error {
	list, err := s.accounts.Sessions(r.Context(), ex.Tenant.ID, ex.Actor.Account())
	if err != nil {
		return err
	}
	p := ui.Sessions{Frame: s.accountFrame(ex, ""), End: tenantPath(ex, PathSessions+"/end"), EndOthers: tenantPath(ex, pathEndOthers), Secure: tenantPath(ex, pathSecureThis)}
	lang := string(p.Lang)
	for _, v := range list {
		p.Devices = append(p.Devices, ui.Device{Session: string(v.ID), Agent: v.UserAgent, IP: v.IP, Place: s.places.Place(v.IP, lang), SeenAt: v.SeenAt, Current: v.ID == ex.Actor.Session})
	}
	trusted, err := s.logins.TrustedBrowsers(r.Context(), ex.Tenant.ID, ex.Actor.Account())
	if err != nil {
		return err
	}
	p.EndTrust = tenantPath(ex, PathSessions+"/end-trust")
	for _, v := range trusted {
		p.Trusted = append(p.Trusted, ui.TrustedDevice{ID: string(v.ID), Agent: v.UserAgent, IP: v.IP, Place: s.places.Place(v.IP, lang), Until: v.ExpiresAt, Current: session.HoldsTrust(ex.TrustedCookie(), v.ID)})
	}
	return render(ex, http.StatusOK, p)
}

// TrustEnd makes a browser need a second factor again.
func (s *Handlers) TrustEnd(ex *router.Exchange, r *http.Request) error {
	err := s.logins.EndTrust(r.Context(), ex.Tenant.ID, auth.TrustedBrowserID(r.PostForm.Get("browser")), ex.RequestActor())
	return redirectDone(ex, err, PathSessions, "trust")
}

// SessionEnd ends one session of the account.
func (s *Handlers) SessionEnd(ex *router.Exchange, r *http.Request) error {
	err := s.accounts.EndSession(r.Context(), ex.Tenant.ID, ex.Actor.Account(), auth.SessionID(r.PostForm.Get("session")), ex.RequestActor())
	return redirectDone(ex, err, PathSessions, "session")
}

// SessionEndOthers ends all sessions of the account but this one, and the trust in all other browsers.
func (s *Handlers) SessionEndOthers(ex *router.Exchange, r *http.Request) error {
	actor := ex.RequestActor()
	actor.Trusted = ex.TrustedCookie()
	_, err := s.accounts.EndOtherSessions(r.Context(), ex.Tenant.ID, actor.Account(), actor.Session, actor)
	return redirectDone(ex, err, PathSessions, "others")
}

// AppsPage lists the clients that the user has allowed.
func (s *Handlers) AppsPage(ex *router.Exchange, r *http.Request) error {
	list, err := s.oidc.Consents(r.Context(), ex.Tenant.ID, ex.Actor.Account())
	if err != nil {
		return err
	}
	p := ui.Apps{Frame: s.accountFrame(ex, ""), Remove: tenantPath(ex, PathApps+"/remove")}
	for _, a := range list {
		p.Apps = append(p.Apps, ui.App{Client: string(a.Client.ID), Name: a.Client.DisplayName(), Host: a.Client.ProvedHost(), Scopes: a.Consent.Scope, Since: a.Consent.CreatedAt})
	}
	return render(ex, http.StatusOK, p)
}

// AppRemove revokes the consent for a client.
func (s *Handlers) AppRemove(ex *router.Exchange, r *http.Request) error {
	err := s.oidc.RevokeConsent(r.Context(), ex.Tenant.ID, ex.Actor.Account(), auth.ClientID(r.PostForm.Get("client")), ex.RequestActor())
	return redirectDone(ex, err, PathApps, "app")
}
