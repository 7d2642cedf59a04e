package pages

import (
	"encoding/json"
	"net/http"

	"github.com/watchword-auth/watchword/internal/web/router"
	"github.com/watchword-auth/watchword/internal/web/ui"
)

// DataPage offers the export of the account's data, and its deletion.
func (s *Handlers) DataPage(ex *router.Exchange, _ *http.Request) error {
	return render(ex, http.StatusOK, ui.Data{Frame: s.accountFrame(ex, PathData+"/export"), Delete: tenantPath(ex, PathDelete)})
}

// DataExport downloads all data of the account as JSON.
func (s *Handlers) DataExport(ex *router.Exchange, r *http.Request) error {
	e, err := s.accounts.Export(r.Context(), ex.Tenant.ID, ex.Actor.Account(), ex.RequestActor())
	if err != nil {
		return err
	}
	b, err := json.MarshalIndent(e, "", "  ")
	if err != nil {
		return err
	}
	h := ex.Header()
	h["Content-Type"] = router.TypeJSON
	h["Content-Disposition"] = []string{`attachment; filename="account.json"`}
	ex.Write(append(b, '\n'))
	return nil
}

// DeletePage asks whether to delete the account.
func (s *Handlers) DeletePage(ex *router.Exchange, _ *http.Request) error {
	return render(ex, http.StatusOK, ui.Delete{Frame: s.accountFrame(ex, PathDelete), Days: ex.Tenant.Settings.DeletionDays})
}

// DeleteForm deletes the account.
func (s *Handlers) DeleteForm(ex *router.Exchange, r *http.Request) error {
	p := ui.Delete{Frame: s.accountFrame(ex, PathDelete), Days: ex.Tenant.Settings.DeletionDays}
	if r.PostForm.Get("confirm") != "on" {
		p.Bad = p.Say(ui.DeleteUnchecked)
		return render(ex, http.StatusBadRequest, p)
	}
	if refusal := s.accounts.DeleteFresh(r.Context(), ex.Tenant.ID, ex.Actor.Account(), ex.RequestActor()); refusal != nil {
		if done, err := s.repeatForm(ex); done || err != nil {
			return err
		}
		status, bad, err := explainRefusal(ex, p.Page, refusal)
		if err != nil {
			return err
		}
		p.Bad = bad
		return render(ex, status, p)
	}
	return s.leadFromDeleted(ex)
}

// leadFromDeleted redirects to the page that says that the account is deleted, or will be.
func (s *Handlers) leadFromDeleted(ex *router.Exchange) error {
	ex.DropCurrentSession()
	if ex.Tenant.Settings.DeletionDays > 0 {
		return seeOther(ex, PathDeleted+"?later")
	}
	return seeOther(ex, PathDeleted)
}

// AccountDeleted says that the account is deleted, or will be.
func (s *Handlers) AccountDeleted(ex *router.Exchange, r *http.Request) error {
	done := ui.AccountDeleted
	if r.URL.Query().Has("later") {
		done = ui.DeletionScheduled
	}
	p := newPage(ex).Done(done)
	p.Next = tenantPath(ex, PathLogin)
	return render(ex, http.StatusOK, p)
}
