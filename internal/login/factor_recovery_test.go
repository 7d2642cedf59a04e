package login_test

import (
	"testing"

	"github.com/watchword-auth/watchword/internal/auth"
)

// TestAttack_MF_08_UseIsNotified: the owner gets a mail when a recovery code was used, and none for a
// wrong one.
func TestAttack_MF_08_UseIsNotified(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		a := h.insertAccount("ann@example.test", good)
		h.addTOTP(a)
		codes := h.addRecoveryCodes(a)
		p, _ := (&browser{h: h}).beginSignIn("ann@example.test", false)
		_, err := p.prove(auth.ProofRecoveryCode, "AAAA-AAAA-AAAA-AAAA")
		h.requireRefused(err, "invalid_code")
		if list := h.takeMails(auth.MailRecoveryUsed); len(list) != 0 {
			t.Errorf("after a wrong code: %+v", list)
		}
		_, err = p.prove(auth.ProofRecoveryCode, codes[1])
		h.requireOK(err)
		list := h.takeMails(auth.MailRecoveryUsed)
		if len(list) != 1 || list[0].To != "ann@example.test" || list[0].Left != 9 || list[0].IP != "192.0.2.1" {
			t.Errorf("%+v", list)
		}
	})
}
