package pages

import (
	"net/http"

	"github.com/watchword-auth/watchword/internal/account"
	"github.com/watchword-auth/watchword/internal/web/router"
	"github.com/watchword-auth/watchword/internal/web/ui"
)

// PathSecure is the page of the links in notices, which lock the account.
const PathSecure = "/secure-account"

// SecurePage asks whether to lock the account. It does not use the link.
func (s *Handlers) SecurePage(ex *router.Exchange, r *http.Request) error {
	token := linkToken(r)
	out, err := s.accounts.SecureRequirements(r.Context(), ex.Tenant.ID, token)
	if isInvalidLink(err) {
		return renderSecureFailed(ex)
	}
	if err != nil {
		return err
	}
	p := ui.Confirm{Page: newPage(ex), Action: tenantPath(ex, PathSecure), Token: token}
	p.Title, p.Submit, p.Not = p.Say(ui.SecureTitle), p.Say(ui.SecureSubmit), p.Say(ui.SecureNot)
	p.Text = []string{p.Say(ui.SecureLead, p.Tenant)}
	if out.Restored != "" {
		p.Text = append(p.Text, p.Say(ui.SecureRestore, out.Restored))
	}
	if out.RestoredName != "" {
		p.Text = append(p.Text, p.Say(ui.SecureName, out.RestoredName))
	}
	if out.Removed {
		p.Text = append(p.Text, p.Say(ui.SecureFactors))
	}
	if out.NotMailed {
		p.Text = append(p.Text, p.Say(ui.SecureNoMail))
	}
	return render(ex, http.StatusOK, p)
}

func renderSecureFailed(ex *router.Exchange) error {
	p := ui.Confirm{Page: newPage(ex), Login: tenantPath(ex, PathLogin)}
	p.Title, p.Bad = p.Say(ui.SecureTitle), p.Say(ui.SecureBad)
	return render(ex, http.StatusBadRequest, p)
}

// SecureForm locks the account of the link.
func (s *Handlers) SecureForm(ex *router.Exchange, r *http.Request) error {
	out, err := s.accounts.Secure(r.Context(), ex.Tenant.ID, r.PostForm.Get("token"), ex.RequestActor())
	if isInvalidLink(err) {
		return renderSecureFailed(ex)
	}
	if err != nil {
		return err
	}
	return redirectToLocked(ex, out)
}

// AccountSecure locks the current account.
func (s *Handlers) AccountSecure(ex *router.Exchange, r *http.Request) error {
	out, err := s.accounts.Lock(r.Context(), ex.Tenant.ID, ex.Actor.Account(), ex.RequestActor())
	if err != nil {
		return err
	}
	return redirectToLocked(ex, out)
}

func redirectToLocked(ex *router.Exchange, out account.SecureOutcome) error {
	switch {
	case out.NotMailed:
		return seeOther(ex, PathSecure+"/done?mail=none")
	case out.Removed:
		return seeOther(ex, PathSecure+"/done?removed")
	}
	return seeOther(ex, PathSecure+"/done")
}

// SecureDone says that the account is locked.
func (s *Handlers) SecureDone(ex *router.Exchange, r *http.Request) error {
	key := ui.Locked
	switch q := r.URL.Query(); {
	case q.Get("mail") == "none":
		key = ui.LockedOnly
	case q.Has("removed"):
		key = ui.LockedRemoved
	}
	p := newPage(ex).Done(key)
	p.Next = tenantPath(ex, PathLogin)
	return render(ex, http.StatusOK, p)
}
