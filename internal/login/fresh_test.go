package login_test

import (
	"errors"
	"testing"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/store"
)

// TestAttack_MF_06_SessionThatEndsMeanwhile: a request that waited for its body while the owner ended its session
// changes no factor.
func TestAttack_MF_06_SessionThatEndsMeanwhile(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		a := h.insertAccount("ann@example.test", good)
		thief := owner(a)
		thief.Session = h.signIn(a.Email.Address, true, "").Session.ID
		h.addTOTP(a)
		list, _, err := h.Factors(t.Context(), tenant, a.ID)
		h.requireOK(err)
		app, err := h.BeginTOTP(t.Context(), tenant, "", thief)
		h.requireOK(err)
		codes, err := h.BeginRecoveryCodes(t.Context(), tenant, a.ID)
		h.requireOK(err)
		options, err := h.BeginPasskey(t.Context(), tenant, thief)
		h.requireOK(err)
		response := newAuthenticator().Create(t, options)
		h.mails()

		h.requireOK(h.db.Write(t.Context(), tenant, func(tx *store.Tx) error {
			return h.sessions.End(tx, a.ID, thief.Session, auth.EndByOwner)
		}))
		for what, change := range map[string]func() error{
			"app":            func() error { return h.confirmTOTP(app.ID, h.codeOf(app.Secret.Reveal()), thief) },
			"recovery codes": func() error { return h.ConfirmRecoveryCodes(t.Context(), tenant, codes[0].Reveal(), thief) },
			"passkey": func() error {
				_, _, err := h.AddPasskey(t.Context(), tenant, response, "", thief)
				return err
			},
			"removal": func() error { return h.RemoveFactor(t.Context(), tenant, list[0].ID, thief) },
		} {
			if e, ok := errors.AsType[*auth.Error](change()); !ok || e.Code != "session_invalid" {
				t.Errorf("%s: %v", what, e)
			}
		}
		if after, codes, err := h.Factors(t.Context(), tenant, a.ID); err != nil || len(after) != 1 || codes != 0 || len(h.mails()) != 0 {
			t.Errorf("%+v, %d codes, %v", after, codes, err)
		}
	})
}
