package pages

import (
	"net/http"

	"github.com/watchword-auth/watchword/internal/web/router"
	"github.com/watchword-auth/watchword/internal/web/ui"
)

// PathKeep is the page of the link that cancels the deletion of an account.
const PathKeep = "/keep-account"

// KeepPage asks whether to keep the account. It does not use the link.
func (s *Handlers) KeepPage(ex *router.Exchange, r *http.Request) error {
	token := linkToken(r)
	err := s.accounts.KeepRequirements(r.Context(), ex.Tenant.ID, token)
	if isInvalidLink(err) {
		return renderKeepFailed(ex)
	}
	if err != nil {
		return err
	}
	p := ui.Confirm{Page: newPage(ex), Action: tenantPath(ex, PathKeep), Token: token}
	p.Title, p.Text, p.Submit = p.Say(ui.KeepTitle), []string{p.Say(ui.KeepLead, p.Tenant)}, p.Say(ui.KeepSubmit)
	return render(ex, http.StatusOK, p)
}

func renderKeepFailed(ex *router.Exchange) error {
	p := ui.Confirm{Page: newPage(ex), Login: tenantPath(ex, PathLogin)}
	p.Title, p.Bad = p.Say(ui.KeepTitle), p.Say(ui.KeepBad)
	return render(ex, http.StatusBadRequest, p)
}

// KeepForm cancels the deletion of the account of the link.
func (s *Handlers) KeepForm(ex *router.Exchange, r *http.Request) error {
	err := s.accounts.KeepByLink(r.Context(), ex.Tenant.ID, r.PostForm.Get("token"), ex.RequestActor())
	if isInvalidLink(err) {
		return renderKeepFailed(ex)
	}
	if err != nil {
		return err
	}
	return seeOther(ex, PathKeep+"/done")
}

// KeepDone says that the account stays.
func (s *Handlers) KeepDone(ex *router.Exchange, _ *http.Request) error {
	p := newPage(ex).Done(ui.Kept)
	p.Next = tenantPath(ex, PathLogin)
	return render(ex, http.StatusOK, p)
}

// AccountKeep cancels the deletion of the current account.
func (s *Handlers) AccountKeep(ex *router.Exchange, r *http.Request) error {
	err := s.accounts.Keep(r.Context(), ex.Tenant.ID, ex.Actor.Account(), ex.RequestActor())
	return redirectDone(ex, err, PathAccount, "kept")
}
