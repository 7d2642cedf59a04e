package login_test

import (
	"testing"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/flow"
)

// TestAttack_MF_14_FactorInsteadOfPassword: where the password is asked for again, a code does not take its
// place, and is not used up.
func TestAttack_MF_14_FactorInsteadOfPassword(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		a := h.insertAccount("ann@example.test", good)
		v := &browser{h: h}
		v.requireSignIn("ann@example.test", false)
		seed := h.addTOTP(a)
		h.clock.Advance(time.Hour)
		b := flow.Browser{Sessions: v.sessions(), Actor: browserActor}
		p := &pendingSignIn{v, h.newSignInForm(b)}
		_, err := h.flows.Choose(t.Context(), p.form, "") // sign in with another account: the password is next
		h.requireOK(err)
		e, err := p.prove(auth.ProofTOTP, h.codeOf(seed))
		h.requireRefused(err, "session_invalid")
		if e.Step.Kind != auth.StepLogin || v.sessions()[0].Session.ACR != "1" {
			t.Errorf("at %s: %+v", e.Step.Kind, v.sessions())
		}
		p, _ = (&browser{h: h}).beginSignIn("ann@example.test", false)
		_, err = p.prove(auth.ProofTOTP, h.codeOf(seed))
		h.requireOK(err)
	})
}
