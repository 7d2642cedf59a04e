package pages

import (
	"errors"
	"net/http"
	"slices"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/web/router"
	"github.com/watchword-auth/watchword/internal/web/ui"
)

// PasskeysPage lists the passkeys of the account, and creates another.
func (s *Handlers) PasskeysPage(ex *router.Exchange, _ *http.Request) error {
	return s.showPasskeys(ex, http.StatusOK, "")
}

func (s *Handlers) showPasskeys(ex *router.Exchange, status int, bad string) error {
	list, err := s.logins.Passkeys(ex.Request.Context(), ex.Tenant.ID, ex.Actor.Account())
	if auth.CodeOf(err) == auth.CodePasskeysOff {
		return router.NotFound()
	}
	if err != nil {
		return err
	}
	p := ui.Passkeys{Frame: s.accountFrame(ex, PathPasskeys)}
	factors, _, err := s.logins.Factors(ex.Request.Context(), ex.Tenant.ID, ex.Actor.Account())
	if err != nil {
		return err
	}
	p.TurnsOn = !slices.ContainsFunc(factors, auth.Factor.Binds)
	if bad != "" {
		p.Bad, p.Notice = bad, ""
	}
	for _, f := range list.List {
		p.List = append(p.List, ui.PasskeyRow{FactorRow: factorRow(ex, p.Page, f), Synced: f.Data.BackupEligible})
	}
	options, err := s.logins.BeginPasskey(ex.Request.Context(), ex.Tenant.ID, ex.RequestActor())
	if p.Full = auth.CodeOf(err) == auth.CodeTooManyFactors; err != nil && !p.Full {
		return err
	}
	p.Passkey = ui.Passkey{Form: p.Form, Button: ui.CreatePasskey, Use: "create", Options: string(options), Signals: signals(s.logins.PasskeySignals(list))}
	return render(ex, status, p)
}

// PasskeysForm adds a passkey.
func (s *Handlers) PasskeysForm(ex *router.Exchange, r *http.Request) error {
	_, cookie, err := s.logins.AddPasskey(r.Context(), ex.Tenant.ID, []byte(r.PostForm.Get("credential")), "", ex.RequestActor())
	if cookie != "" {
		ex.SetCurrentSession(cookie)
	} else if done, err := s.repeatForm(ex); done || err != nil { // it was sent twice at once
		return err
	}
	e, ok := errors.AsType[*auth.Error](err)
	switch {
	case err == nil:
		return s.leadToCodes(ex, PathPasskeys, "passkey")
	case ok && (e.Kind == auth.KindInvalid || e.Kind == auth.KindConflict):
		return s.showPasskeys(ex, http.StatusBadRequest, newPage(ex).Say(ui.PasskeyRefused))
	}
	return err
}

// PasskeyEndpoints publishes where users create and manage their passkeys (Passkey Endpoints).
func (s *Handlers) PasskeyEndpoints(ex *router.Exchange, _ *http.Request) error {
	if !s.logins.HasPasskeys() {
		return router.NotFound()
	}
	page := ex.Tenant.ID.Issuer(s.base) + PathPasskeys
	h := ex.Header()
	h["Content-Type"] = []string{"application/json"}
	h["Cache-Control"] = []string{"public, max-age=3600"}
	ex.Write(router.EncodeJSON(map[string]string{"enroll": page, "manage": page}))
	return nil
}
