package pages

import (
	"net/http"

	"github.com/watchword-auth/watchword/internal/web/router"
	"github.com/watchword-auth/watchword/internal/web/ui"
)

// PathCancelRecovery is the form that cancels the recovery of an account. It is on the page of the
// link until the link begins to work.
const PathCancelRecovery = "/cancel-recovery"

func renderUnlockLater(ex *router.Exchange) error {
	p := newPage(ex).Done(ui.UnlockLater)
	p.Next = tenantPath(ex, PathLogin)
	return render(ex, http.StatusOK, p)
}

func renderRecovery(ex *router.Exchange, token string) error {
	p := ui.Confirm{Page: newPage(ex), Action: tenantPath(ex, PathCancelRecovery), Token: token}
	p.Title, p.Text, p.Submit = p.Say(ui.RecoveryTitle), []string{p.Say(ui.RecoveryLead, p.Tenant), p.Say(ui.RecoveryCancel)}, p.Say(ui.RecoverySubmit)
	return render(ex, http.StatusOK, p)
}

// CancelRecoveryForm cancels the recovery of the account of the link.
func (s *Handlers) CancelRecoveryForm(ex *router.Exchange, r *http.Request) error {
	err := s.accounts.CancelRecovery(r.Context(), ex.Tenant.ID, r.PostForm.Get("token"), ex.RequestActor())
	if isInvalidLink(err) {
		return s.renderResetFailed(ex, ui.LinkUsed)
	}
	if err != nil {
		return err
	}
	return seeOther(ex, PathCancelRecovery+"/done")
}

// CancelRecoveryDone says that the account stays as it is.
func (s *Handlers) CancelRecoveryDone(ex *router.Exchange, _ *http.Request) error {
	p := newPage(ex).Done(ui.RecoveryCancelled)
	p.Next = tenantPath(ex, PathLogin)
	return render(ex, http.StatusOK, p)
}
