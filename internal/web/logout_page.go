package web

import (
	"net/http"

	"github.com/watchword-auth/watchword/internal/oauth"
	"github.com/watchword-auth/watchword/internal/oidc"
	"github.com/watchword-auth/watchword/internal/web/ui"
)

const pathLogout = "/logout"

// logoutEndpoint is where clients send people to log out (OpenID Connect RP-Initiated
// Logout §2); our own pages send them to /logout, which is the same without a client.
func (s *pages) logoutEndpoint(ex *exchange, r *http.Request) error {
	form, err := readRequest(ex, r)
	if err != nil {
		return err
	}
	return s.startLogout(ex, r, form)
}

func (s *pages) logoutPage(ex *exchange, r *http.Request) error {
	return s.startLogout(ex, r, oauth.Form{})
}

func (s *pages) startLogout(ex *exchange, r *http.Request, form oauth.Form) error {
	b, err := s.resumed(ex) // who is remembered is to be forgotten too
	if err != nil {
		return err
	}
	st, err := s.oidc.Logout(r.Context(), oidc.LogoutInput{Tenant: ex.tenant.ID, Form: form, Posted: r.Method == http.MethodPost, Browser: b, Actor: ex.requestActor()})
	if err != nil {
		return err
	}
	return leave(ex, st)
}

// logoutForm takes the user's decision on the confirmation page.
func (s *pages) logoutForm(ex *exchange, r *http.Request) error {
	if !approved(r) {
		return seeOther(ex, pathAccount)
	}
	b, err := s.browser(ex)
	if err != nil {
		return err
	}
	st, err := s.oidc.ConfirmLogout(r.Context(), oidc.LogoutAnswer{
		Tenant: ex.tenant.ID, Pending: r.PostForm.Get("logout"), CSRF: r.PostForm.Get("csrf"), Browser: b, Actor: ex.requestActor(),
	})
	if err != nil {
		return err
	}
	return leave(ex, st)
}

// leave updates the cookies of the browser and continues to the target of the logout.
func leave(ex *exchange, st oidc.LogoutStep) error {
	if st.Ended {
		ex.setSessions(st.Cookie)
		ex.dropRemember()
	}
	switch st.Kind {
	case oidc.LogoutRedirect:
		return redirectToClient(ex, st.Location, st.Client)
	case oidc.LogoutLeave:
		flowHeaders(ex, st.Location)
		return render(ex, http.StatusOK, ui.Leave{Page: newPage(ex), Host: hostOf(st.Location), To: st.Location, SignedOut: true})
	case oidc.LogoutDone:
		return seeOther(ex, pathLogout+"/done")
	}
	ex.setBrowser(st.NewBrowser)
	flowHeaders(ex, st.Client.Settings.PostLogoutURIs...)
	p := ui.LogoutConfirm{Page: newPage(ex), Form: ui.Form{Action: local(ex, pathLogout), CSRF: st.CSRF}, Hidden: [][2]string{{"logout", st.Pending}}}
	if st.Client.ID != "" {
		p.Client = st.Client.DisplayName()
	}
	if len(st.Accounts) == 1 {
		p.Account = st.Accounts[0].Account.Email.Address
	}
	return render(ex, http.StatusOK, p)
}

func (s *pages) logoutDone(ex *exchange, _ *http.Request) error {
	return render(ex, http.StatusOK, ui.LogoutDone{Page: newPage(ex), Login: local(ex, pathLogin)})
}
