package login_test

import (
	"testing"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/store"
)

// A form that a browser sent twice, before it had the cookie, leads to the session of the first one.
func TestFactorFormSentTwice(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		a := h.insertAccount("ann@example.test", good)
		seed := h.addTOTP(a)
		codes := h.addRecoveryCodes(a)
		for method, code := range map[auth.ProofMethod]string{auth.ProofTOTP: h.codeOf(seed), auth.ProofRecoveryCode: codes[1]} {
			p, _ := (&browser{h: h}).beginSignIn("ann@example.test", false) // its form keeps the cookies of now
			first, err := p.prove(method, code)
			h.requireOK(err)
			again, err := p.prove(method, code)
			h.requireOK(err)
			if again.Session.ID != first.Session.ID || again.Session.ACR != "2" || again.Cookie == first.Cookie || len(p.sessions()) != 1 {
				t.Errorf("%s: %+v after %+v", method, again.Session, first.Session)
			}
			_, err = p.prove(method, "000000")
			h.requireRefused(err, "session_invalid")
			// Another flow of the same browser, and the same flow after the logout, are not that sign-in.
			other, _ := (&browser{h: h}).beginSignIn("ann@example.test", false)
			_, err = other.prove(method, code)
			h.requireRefused(err, "invalid_code")
			h.requireOK(h.db.Write(t.Context(), tenant, func(tx *store.Tx) error { return tx.EndSession(a.ID, first.Session.ID, auth.EndLogout) }))
			_, err = p.prove(method, code)
			h.requireRefused(err, "session_invalid")
			h.clock.Advance(30 * time.Second)
		}
	})
}

// TestAttack_MF_06_KeptFactorForm: a form of a second factor that the browser kept makes the session no more recent.
func TestAttack_MF_06_KeptFactorForm(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		a := h.insertAccount("ann@example.test", good)
		h.addTOTP(a)
		codes := h.addRecoveryCodes(a)
		p, _ := (&browser{h: h}).beginSignIn("ann@example.test", false)
		first, err := p.prove(auth.ProofRecoveryCode, codes[1])
		h.requireOK(err)
		h.clock.Advance(2 * time.Minute)
		p.form.Browser.Sessions = p.sessions()
		e, err := p.prove(auth.ProofRecoveryCode, codes[1])
		h.requireRefused(err, "session_invalid")
		if now := p.sessions()[0].Session; e.Cookie != "" || now.AuthAt != first.Session.AuthAt {
			t.Errorf("%+v; signed in at %v, then %v", e.Step.Kind, first.Session.AuthAt, now.AuthAt)
		}
	})
}
