package login_test

import "testing"

// TestAttack_MF_07_SecretOfAnotherFlow: whoever knows the password and sees a secret first does not know the
// one that the owner adds.
func TestAttack_MF_07_SecretOfAnotherFlow(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		a := h.insertAccount("ann@example.test", good)
		eves, err := h.ContinueTOTP(t.Context(), tenant, a.ID, "eve")
		h.requireOK(err)
		page, err := h.BeginTOTP(t.Context(), tenant, a.ID, "")
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
