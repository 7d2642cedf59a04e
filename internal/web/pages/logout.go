package pages

import (
	"net/http"

	"github.com/watchword-auth/watchword/internal/oauth"
	"github.com/watchword-auth/watchword/internal/oidc"
	"github.com/watchword-auth/watchword/internal/web/router"
	"github.com/watchword-auth/watchword/internal/web/ui"
)

// PathLogout is the page that asks whether to sign out.
const PathLogout = "/logout"

// LogoutEndpoint is the logout endpoint (OpenID Connect RP-Initiated Logout §2). LogoutPage does the
// same without a client.
func (s *Handlers) LogoutEndpoint(ex *router.Exchange, r *http.Request) error {
	form, err := readRequest(ex, r)
	if err != nil {
		return err
	}
	return s.startLogout(ex, r, form)
}

// LogoutPage asks whether to sign out, without a client.
func (s *Handlers) LogoutPage(ex *router.Exchange, r *http.Request) error {
	return s.startLogout(ex, r, oauth.Form{})
}

func (s *Handlers) startLogout(ex *router.Exchange, r *http.Request, form oauth.Form) error {
	b, err := s.resumeBrowser(ex) // logout also ends a remembered sign-in
	if err != nil {
		return err
	}
	st, err := s.oidc.Logout(r.Context(), oidc.LogoutInput{Tenant: ex.Tenant.ID, Form: form, Posted: r.Method == http.MethodPost, Browser: b, Actor: ex.RequestActor()})
	if err != nil {
		return err
	}
	return followLogout(ex, st)
}

// LogoutForm signs the user out if the user confirms it.
func (s *Handlers) LogoutForm(ex *router.Exchange, r *http.Request) error {
	if !isApproved(r) {
		return seeOther(ex, PathAccount)
	}
	b, err := s.browser(ex)
	if err != nil {
		return err
	}
	st, err := s.oidc.ConfirmLogout(r.Context(), oidc.LogoutAnswer{
		Tenant: ex.Tenant.ID, Pending: r.PostForm.Get("logout"), CSRF: r.PostForm.Get("csrf"), Browser: b, Actor: ex.RequestActor(),
	})
	if err != nil {
		return err
	}
	return followLogout(ex, st)
}

// followLogout updates the cookies of the browser, and shows or redirects to the next page.
func followLogout(ex *router.Exchange, st oidc.LogoutStep) error {
	if st.Ended {
		ex.SetSessions(st.Cookie)
		ex.DropRemember()
	}
	switch st.Kind {
	case oidc.LogoutRedirect:
		return redirectToClient(ex, st.Location, st.Client)
	case oidc.LogoutLeave:
		SetFlowHeaders(ex, st.Location)
		return render(ex, http.StatusOK, ui.Leave{Page: newPage(ex), Host: hostOf(st.Location), To: st.Location, SignedOut: true})
	case oidc.LogoutDone:
		return seeOther(ex, PathLogout+"/done")
	}
	ex.SetBrowser(st.NewBrowser)
	SetFlowHeaders(ex, st.Client.Settings.PostLogoutURIs...)
	p := ui.LogoutConfirm{Page: newPage(ex), Form: ui.Form{Action: tenantPath(ex, PathLogout), CSRF: st.CSRF}, Hidden: [][2]string{{"logout", st.Pending}}}
	if st.Client.ID != "" {
		p.Client = st.Client.DisplayName()
	}
	if len(st.Accounts) == 1 {
		p.Account = st.Accounts[0].Account.Email.Address
	}
	return render(ex, http.StatusOK, p)
}

// LogoutDone says that the user is signed out.
func (s *Handlers) LogoutDone(ex *router.Exchange, _ *http.Request) error {
	return render(ex, http.StatusOK, ui.LogoutDone{Page: newPage(ex), Login: tenantPath(ex, PathLogin)})
}
