package pages

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/web/router"
	"github.com/watchword-auth/watchword/internal/web/ui"
)

// FactorsPage lists the authenticator apps of the account.
func (s *Handlers) FactorsPage(ex *router.Exchange, _ *http.Request) error {
	return s.showFactors(ex, http.StatusOK, "")
}

func (s *Handlers) showFactors(ex *router.Exchange, status int, bad string) error {
	list, codes, err := s.logins.Factors(ex.Request.Context(), ex.Tenant.ID, ex.Actor.Account())
	if err != nil {
		return err
	}
	p := ui.Factors{Frame: s.accountFrame(ex, PathFactorAdd+"/begin"), On: slices.ContainsFunc(list, auth.Factor.Binds), Offered: len(list) > 0, NewCodes: tenantPath(ex, PathCodes), Codes: codes}
	p.Bad = bad
	for _, f := range list {
		if f.Kind == auth.ProofTOTP {
			p.Apps = append(p.Apps, factorRow(ex, p.Page, f))
		}
	}
	return render(ex, status, p)
}

func factorRow(ex *router.Exchange, p ui.Page, f auth.Factor) ui.FactorRow {
	_, edit := factorPages(f.Kind)
	row := ui.FactorRow{ID: string(f.ID), Name: f.Name, AddedAt: f.CreatedAt, UsedAt: f.UsedAt, Edit: tenantPath(ex, edit) + "?factor=" + url.QueryEscape(string(f.ID))}
	if f.Kind == auth.ProofPasskey && row.Name == "" {
		row.Name = p.Say(ui.UnnamedPasskey)
	}
	return row
}

// factorPages returns the paths of the pages that list and change authenticators of a kind.
func factorPages(kind auth.FactorKind) (list, edit string) {
	if kind == auth.ProofPasskey {
		return PathPasskeys, PathPasskeyEdit
	}
	return PathFactors, PathFactorEdit
}

// listPage returns the path of the page that lists what the page of the route is about.
func listPage(ex *router.Exchange) string {
	list, _ := factorPages(factorKind(ex))
	return list
}

// factorKind returns the kind of the authenticators that the page of the route is about.
func factorKind(ex *router.Exchange) auth.FactorKind {
	if strings.HasPrefix(ex.Route.Path, PathPasskeys) {
		return auth.ProofPasskey
	}
	return auth.ProofTOTP
}

// FactorEditPage shows the forms that rename and remove an authenticator app.
func (s *Handlers) FactorEditPage(ex *router.Exchange, r *http.Request) error {
	p, ok, err := s.factorEdit(ex, auth.FactorID(r.URL.Query().Get("factor")))
	if err != nil {
		return err
	}
	if !ok { // it was removed
		return seeOther(ex, listPage(ex))
	}
	return render(ex, http.StatusOK, p)
}

// factorEdit returns the page of an authenticator app, if the account has it.
func (s *Handlers) factorEdit(ex *router.Exchange, id auth.FactorID) (ui.FactorEdit, bool, error) {
	list, _, err := s.logins.Factors(ex.Request.Context(), ex.Tenant.ID, ex.Actor.Account())
	i := slices.IndexFunc(list, func(f auth.Factor) bool { return f.ID == id && f.Kind == factorKind(ex) })
	if err != nil || i < 0 {
		return ui.FactorEdit{}, false, err
	}
	_, edit := factorPages(list[i].Kind)
	p := ui.FactorEdit{Frame: s.accountFrame(ex, edit), Value: list[i].Name, Last: len(list) == 1 && list[0].Binds(), Remove: tenantPath(ex, edit+"/remove")}
	p.Factor = factorRow(ex, p.Page, list[i])
	return p, true, nil
}

// FactorRename renames an authenticator app.
func (s *Handlers) FactorRename(ex *router.Exchange, r *http.Request) error {
	id, name := auth.FactorID(r.PostForm.Get("factor")), r.PostForm.Get("name")
	refusal := s.logins.RenameFactor(r.Context(), ex.Tenant.ID, id, name, ex.RequestActor())
	if refusal == nil {
		return seeOther(ex, listPage(ex)+"?done=renamed")
	}
	p, ok, err := s.factorEdit(ex, id)
	if err != nil {
		return err
	}
	if !ok {
		return seeOther(ex, listPage(ex))
	}
	status, bad, err := explainRefusal(ex, p.Page, refusal)
	if err != nil {
		return err
	}
	p.Bad, p.Value = bad, auth.Clip(name, 4*auth.MaxNameLength)
	return render(ex, status, p)
}

// FactorRemove removes an authenticator app.
func (s *Handlers) FactorRemove(ex *router.Exchange, r *http.Request) error {
	err := s.logins.RemoveFactor(r.Context(), ex.Tenant.ID, auth.FactorID(r.PostForm.Get("factor")), ex.RequestActor())
	if e, ok := errors.AsType[*auth.Error](err); ok && e.Kind == auth.KindConflict {
		show := s.showFactors
		if factorKind(ex) == auth.ProofPasskey {
			show = s.showPasskeys
		}
		return show(ex, http.StatusConflict, strings.Join(newPage(ex).Refusal(e), " "))
	}
	return redirectDone(ex, err, listPage(ex), "removed")
}

// FactorBegin makes the secret of a new authenticator app, and leads to the page that shows it.
func (s *Handlers) FactorBegin(ex *router.Exchange, r *http.Request) error {
	app, refusal := s.logins.BeginTOTP(r.Context(), ex.Tenant.ID, "", ex.RequestActor())
	if refusal == nil {
		return seeOther(ex, PathFactorAdd+"?factor="+url.QueryEscape(string(app.ID)))
	}
	status, bad, err := explainRefusal(ex, newPage(ex), refusal)
	if err != nil {
		return err
	}
	return s.showFactors(ex, status, bad)
}

// FactorAddPage shows the secret of an authenticator app that was begun.
func (s *Handlers) FactorAddPage(ex *router.Exchange, r *http.Request) error {
	return s.showFactorAdd(ex, auth.FactorID(r.URL.Query().Get("factor")), http.StatusOK, "")
}

// showFactorAdd shows the secret of an authenticator app while it does not count.
func (s *Handlers) showFactorAdd(ex *router.Exchange, id auth.FactorID, status int, bad string) error {
	app, err := s.logins.PendingTOTP(ex.Request.Context(), ex.Tenant.ID, id, ex.RequestActor())
	if auth.KindOf(err) == auth.KindNotFound { // it counts, or another one was begun
		return seeOther(ex, PathFactors)
	}
	if err != nil {
		return err
	}
	frame := s.accountFrame(ex, PathFactorAdd)
	p, err := factorAdd(ex, frame.Page, app)
	if err != nil {
		return err
	}
	p.Form, p.Account, p.Bad, p.Cancel = frame.Form, frame.Account, bad, tenantPath(ex, PathFactors)
	return render(ex, status, p)
}

// FactorAddForm adds an authenticator app with a first code of it. Without recovery codes it leads to
// them.
func (s *Handlers) FactorAddForm(ex *router.Exchange, r *http.Request) error {
	ctx, actor, id := r.Context(), ex.RequestActor(), auth.FactorID(r.PostForm.Get("factor"))
	cookie, refusal := s.logins.ConfirmTOTP(ctx, ex.Tenant.ID, id, r.PostForm.Get("code"), actor)
	if cookie == "" { // it was sent twice at once
		if done, err := s.repeatForm(ex); done || err != nil {
			return err
		}
	}
	if refusal != nil {
		page := newPage(ex)
		switch auth.CodeOf(refusal) {
		case auth.CodeInvalidCode:
			return s.showFactorAdd(ex, id, http.StatusBadRequest, page.Say(ui.BadFirstCode))
		case auth.CodeFactorUnknown:
			return seeOther(ex, PathFactors)
		}
		status, bad, err := explainRefusal(ex, page, refusal)
		if err != nil {
			return err
		}
		return s.showFactorAdd(ex, id, status, bad)
	}
	if cookie != "" {
		ex.SetCurrentSession(cookie)
	}
	return s.leadToCodes(ex, PathFactors, "added")
}

// leadToCodes redirects to a page of the account after an authenticator was added: without recovery codes to
// theirs.
func (s *Handlers) leadToCodes(ex *router.Exchange, page, done string) error {
	if _, codes, err := s.logins.Factors(ex.Request.Context(), ex.Tenant.ID, ex.Actor.Account()); err == nil && codes == 0 {
		page = PathCodes
	}
	return seeOther(ex, page+"?done="+done)
}

// CodesPage offers new recovery codes.
func (s *Handlers) CodesPage(ex *router.Exchange, _ *http.Request) error {
	p, err := s.codesOf(ex)
	if err != nil {
		return err
	}
	return render(ex, http.StatusOK, p)
}

func (s *Handlers) codesOf(ex *router.Exchange) (ui.RecoveryCodes, error) {
	list, left, err := s.logins.Factors(ex.Request.Context(), ex.Tenant.ID, ex.Actor.Account())
	p := ui.RecoveryCodes{Frame: s.accountFrame(ex, PathCodes), Left: left, Confirm: tenantPath(ex, PathCodes+"/confirm")}
	p.TurnsOn = len(list) > 0 && !slices.ContainsFunc(list, auth.Factor.Binds)
	return p, err
}

// CodesForm creates recovery codes and shows them, once. They count when one of them was entered.
func (s *Handlers) CodesForm(ex *router.Exchange, r *http.Request) error {
	codes, err := s.logins.BeginRecoveryCodes(r.Context(), ex.Tenant.ID, ex.Actor.Account())
	if auth.CodeOf(err) == auth.CodeNoFactor {
		return seeOther(ex, PathFactors)
	}
	if err != nil {
		return err
	}
	p := ui.RecoveryCodes{Frame: s.accountFrame(ex, PathCodes), Ask: true, Confirm: tenantPath(ex, PathCodes+"/confirm")}
	for _, code := range codes {
		p.Codes = append(p.Codes, code.Reveal())
	}
	return render(ex, http.StatusOK, p)
}

// CodesConfirm makes the new recovery codes count.
func (s *Handlers) CodesConfirm(ex *router.Exchange, r *http.Request) error {
	refusal := s.logins.ConfirmRecoveryCodes(r.Context(), ex.Tenant.ID, r.PostForm.Get("code"), ex.RequestActor())
	if refusal == nil {
		return seeOther(ex, PathFactors+"?done=codes")
	}
	p, err := s.codesOf(ex)
	if err != nil {
		return err
	}
	status, bad, err := explainRefusal(ex, p.Page, refusal)
	if err != nil {
		return err
	}
	p.Bad, p.Ask = bad, true
	if auth.CodeOf(refusal) == auth.CodeInvalidCode {
		p.Bad = p.Say(ui.BadNewCode)
	}
	return render(ex, status, p)
}
