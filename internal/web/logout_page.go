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
func (s *Server) logoutEndpoint(ex *exchange, r *http.Request) error {
	form, err := ex.readRequest(r)
	if err != nil {
		return err
	}
	return s.startLogout(ex, r, form)
}

func (s *Server) logoutPage(ex *exchange, r *http.Request) error {
	return s.startLogout(ex, r, oauth.Form{})
}

func (s *Server) startLogout(ex *exchange, r *http.Request, form oauth.Form) error {
	b, err := ex.resumed(r.Context()) // who is remembered is to be forgotten too
	if err != nil {
		return err
	}
	st, err := s.cfg.OIDC.Logout(r.Context(), oidc.LogoutInput{Tenant: ex.tenant.ID, Form: form, Posted: r.Method == http.MethodPost, Browser: b, Actor: ex.requestActor()})
	if err != nil {
		return err
	}
	return ex.leave(st)
}

// logoutForm takes what the person said on the page that asks.
func (s *Server) logoutForm(ex *exchange, r *http.Request) error {
	if !approved(r) {
		return ex.seeOther(pathAccount)
	}
	b, err := ex.browser(r.Context())
	if err != nil {
		return err
	}
	st, err := s.cfg.OIDC.ConfirmLogout(r.Context(), oidc.LogoutAnswer{
		Tenant: ex.tenant.ID, Pending: r.PostForm.Get("logout"), CSRF: r.PostForm.Get("csrf"), Browser: b, Actor: ex.requestActor(),
	})
	if err != nil {
		return err
	}
	return ex.leave(st)
}

// leave tells the browser what became of its sessions and goes where the log-out leads.
func (ex *exchange) leave(st oidc.LogoutStep) error {
	if st.Ended {
		ex.setSessions(st.Cookie)
		ex.dropRemember()
	}
	switch st.Kind {
	case oidc.LogoutRedirect:
		return ex.toClient(st.Location, st.Client)
	case oidc.LogoutLeave:
		ex.flowHeaders(st.Location)
		return ex.render(http.StatusOK, ui.Leave{Page: ex.page(), Host: hostOf(st.Location), To: st.Location, SignedOut: true})
	case oidc.LogoutDone:
		return ex.seeOther(pathLogout + "/done")
	}
	ex.setBrowser(st.NewBrowser)
	ex.flowHeaders(st.Client.Settings.PostLogoutURIs...)
	p := ui.LogoutConfirm{Page: ex.page(), Form: ui.Form{Action: ex.local(pathLogout), CSRF: st.CSRF}, Hidden: [][2]string{{"logout", st.Pending}}}
	if st.Client.ID != "" {
		p.Client = clientName(st.Client)
	}
	if len(st.Accounts) == 1 {
		p.Account = st.Accounts[0].Account.Email.Address
	}
	return ex.render(http.StatusOK, p)
}

func (s *Server) logoutDone(ex *exchange, _ *http.Request) error {
	return ex.render(http.StatusOK, ui.LogoutDone{Page: ex.page(), Login: ex.local(pathLogin)})
}
