package login_test

import "testing"

// TestAttack_MF_07_SecretOfAnotherFlow: whoever knows the password and sees a secret first does not know the
// one that the owner adds.
func TestAttack_MF_07_SecretOfAnotherFlow(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		a := h.insertAccount("ann@example.test", good)
		eves, err := h.ContinueTOTP(t.Context(), tenant, a.ID, "eve")
		h.requireOK(err)
		page, err := h.BeginTOTP(t.Context(), tenant, "", owner(a))
		h.requireOK(err)
		anns, err := h.ContinueTOTP(t.Context(), tenant, a.ID, "ann")
		h.requireOK(err)
		if eves.Secret == anns.Secret || page.Secret == anns.Secret {
			t.Error("two flows show one secret")
		}
		if again, err := h.ContinueTOTP(t.Context(), tenant, a.ID, "ann"); err != nil || again != anns {
			t.Errorf("the page again: %v", err)
		}
	})
}

// TestAttack_MF_07_SecretOfAnotherSession: a link to an app that was begun in another session shows no secret,
// and a code of it adds nothing.
func TestAttack_MF_07_SecretOfAnotherSession(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		a := h.insertAccount("ann@example.test", good)
		eve, ann := owner(a), owner(a)
		eve.Session, ann.Session = h.signIn(a.Email.Address, true, "").Session.ID, h.signIn(a.Email.Address, true, "").Session.ID
		app, err := h.BeginTOTP(t.Context(), tenant, "", eve)
		h.requireOK(err)

		_, err = h.PendingTOTP(t.Context(), tenant, app.ID, ann)
		h.requireRefused(err, "factor_unknown")
		h.requireRefused(h.confirmTOTP(app.ID, h.codeOf(app.Secret.Reveal()), ann), "factor_unknown")
		if again, err := h.PendingTOTP(t.Context(), tenant, app.ID, eve); err != nil || again != app {
			t.Errorf("the page of its session: %v", err)
		}
	})
}
