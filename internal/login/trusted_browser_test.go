package login_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/flow"
	"github.com/watchword-auth/watchword/internal/login"
	"github.com/watchword-auth/watchword/internal/store"
)

// trusting signs in with a second factor in a browser that is trusted from then on, and returns the actor
// with its cookie.
func (h *fixture) trusting(email, seed string) auth.Actor {
	h.t.Helper()
	p, _ := (&browser{h: h}).beginSignIn(email, false)
	e, err := h.SignInFactor(h.t.Context(), login.FactorForm{FormRef: p.form, Method: auth.ProofTOTP, Code: h.codeOf(seed), Trust: true})
	h.requireOK(err)
	if e.Trusted == "" || e.Session.ACR != "2" {
		h.t.Fatalf("%+v", e)
	}
	h.clock.Advance(30 * time.Second)
	actor := browserActor
	actor.Trusted = e.Trusted.Reveal()
	return actor
}

// enter sends the password in a new flow of the actor's browser.
func (h *fixture) enter(email, password string, actor auth.Actor, remember bool) login.SignedIn {
	h.t.Helper()
	form := h.newSignInForm(flow.Browser{Actor: actor})
	e, err := h.SignInBrowser(h.t.Context(), login.PasswordForm{FormRef: form, Email: email, Password: password, Remember: remember})
	h.requireOK(err)
	return e
}

// TestTrustedBrowser: the password is enough in a trusted browser, and the session says what was proved.
func TestTrustedBrowser(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		a := h.insertAccount("ann@example.test", good)
		actor := h.trusting("ann@example.test", h.addTOTP(a))
		e := h.enter("ann@example.test", good, actor, false)
		if e.Step.Kind != auth.StepDone || e.Session.ACR != "1" || !slices.Equal(e.Session.AMR, []string{"pwd", "rba"}) || e.Trusted == "" || e.Trusted.Reveal() == actor.Trusted {
			t.Errorf("%+v", e)
		}
		actor.Trusted = e.Trusted.Reveal()
		h.setPolicy(func(f *auth.FactorSettings) { f.Policy = auth.FactorsRequired })
		if e = h.enter("ann@example.test", good, actor, false); e.Step.Kind != auth.StepDone {
			t.Errorf("where a second factor is required: %s", e.Step.Kind)
		}
		if e := h.enter("ann@example.test", good, browserActor, false); e.Step.Kind != auth.StepFactor {
			t.Errorf("another browser: %s", e.Step.Kind)
		}
		list, err := h.TrustedBrowsers(t.Context(), tenant, a.ID)
		if err != nil || len(list) != 1 || list[0].UserAgent != "a browser" || list[0].IP != "192.0.2.1" {
			t.Errorf("%+v, %v", list, err)
		}
		if got := h.events(auth.EventBrowserTrusted); len(got) != 1 || got[0].Detail["browser"] != string(list[0].ID) {
			t.Errorf("%+v", got)
		}
	})
}

// TestAttack_MF_13_TrustedBrowser: trust ends with what it rests on, and is for one account.
func TestAttack_MF_13_TrustedBrowser(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		for name, change := range map[string]func(a auth.Account, actor *auth.Actor){
			"ended by the owner": func(a auth.Account, _ *auth.Actor) {
				list, err := h.TrustedBrowsers(t.Context(), tenant, a.ID)
				h.requireOK(err)
				h.requireOK(h.EndTrust(t.Context(), tenant, list[0].ID, owner(a)))
				h.requireRefused(h.EndTrust(t.Context(), tenant, list[0].ID, owner(a)), "not_found")
			},
			"a new password": func(a auth.Account, _ *auth.Actor) {
				h.clock.Advance(time.Second)
				hash := h.passwordHash(a)
				h.requireOK(h.db.Write(t.Context(), tenant, func(tx *store.Tx) error { return tx.SetPassword(a.ID, hash) }))
			},
			"a new factor": func(a auth.Account, _ *auth.Actor) { h.addTOTP(a) },
			"a removed factor": func(a auth.Account, _ *auth.Actor) {
				list, _, err := h.Factors(t.Context(), tenant, a.ID)
				h.requireOK(err)
				h.addTOTP(a) // which stays
				h.requireOK(h.RemoveFactor(t.Context(), tenant, list[0].ID, owner(a)))
			},
			"a passkey is required": func(auth.Account, *auth.Actor) {
				h.setPolicy(func(f *auth.FactorSettings) { f.Policy = auth.FactorsResistant })
			},
			"a new policy":      func(auth.Account, *auth.Actor) { h.setPolicy(func(f *auth.FactorSettings) { f.Since = h.clock.Now() }) },
			"no trust any more": func(auth.Account, *auth.Actor) { h.setPolicy(func(f *auth.FactorSettings) { f.TrustDays = new(int) }) },
			"30 days":           func(auth.Account, *auth.Actor) { h.clock.Advance(30 * 24 * time.Hour) },
			"another account": func(_ auth.Account, actor *auth.Actor) {
				eve := h.insertAccount("eve@example.test", good)
				actor.Trusted = h.trusting(eve.Email.Address, h.addTOTP(eve)).Trusted
			},
		} {
			h.setPolicy(func(f *auth.FactorSettings) { *f = auth.FactorSettings{} })
			address := strings.ReplaceAll(name, " ", ".") + "@example.test"
			a := h.insertAccount(address, good)
			actor := h.trusting(address, h.addTOTP(a))
			if e := h.enter(address, good, actor, false); e.Step.Kind != auth.StepDone {
				t.Fatalf("%s: before: %s", name, e.Step.Kind)
			} else {
				actor.Trusted = e.Trusted.Reveal()
			}
			change(a, &actor)
			if e := h.enter(address, good, actor, false); e.Step.Kind != auth.StepFactor || e.Session.ID != "" {
				t.Errorf("%s: the password is enough: %s", name, e.Step.Kind)
			}
			h.takeMails("")
		}
	})
}

// TestAttack_MF_13_RememberedTrust: a remembered password in a trusted browser is not enough once the
// trust is over.
func TestAttack_MF_13_RememberedTrust(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		a := h.insertAccount("ann@example.test", good)
		actor := h.trusting("ann@example.test", h.addTOTP(a))
		e := h.enter("ann@example.test", good, actor, true)
		rememberMe := e.RememberMe.Reveal()
		actor.Trusted = e.Trusted.Reveal()
		e, err := h.Resume(t.Context(), tenant, rememberMe, nil, actor)
		h.requireOK(err)
		if e.Session.ACR != "1" || !slices.Equal(e.Session.AMR, []string{"pwd", "rba"}) || e.Trusted == "" {
			t.Errorf("%+v", e)
		}
		_, err = h.Resume(t.Context(), tenant, e.RememberMe.Reveal(), nil, browserActor)
		h.requireRefused(err, "session_invalid")
	})
}

// TestRecoveryCodesTrustNothing: a browser is not trusted by a recovery code.
func TestRecoveryCodesTrustNothing(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		a := h.insertAccount("ann@example.test", good)
		h.addTOTP(a)
		codes := h.addRecoveryCodes(a)
		p, _ := (&browser{h: h}).beginSignIn("ann@example.test", false)
		e, err := h.SignInFactor(t.Context(), login.FactorForm{FormRef: p.form, Method: auth.ProofRecoveryCode, Code: codes[1], Trust: true})
		h.requireOK(err)
		if e.Session.ID == "" || e.Trusted != "" {
			t.Errorf("%+v", e)
		}
	})
}

// TestReported_TrustByMail: a trusted browser needs no second factor after a mailed code either (FusionAuth
// issue 495).
func TestReported_TrustByMail(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		a := h.insertAccount("ann@example.test", good)
		h.signInByMail()
		actor := h.trusting("ann@example.test", h.addTOTP(a))
		h.takeMails("")
		form := h.newSignInForm(flow.Browser{Actor: actor})
		_, err := h.MailSignIn(t.Context(), form, "ann@example.test")
		h.requireOK(err)
		e, err := h.enterCode(form, h.requireSignInMail(form))
		h.requireOK(err)
		if e.Session.ACR != "1" || !slices.Equal(e.Session.AMR, []string{"email", "rba"}) || e.Trusted == "" {
			t.Errorf("%+v", e)
		}
	})
}
