package login_test

import (
	"testing"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/login"
	"github.com/watchword-auth/watchword/internal/store"
	"github.com/watchword-auth/watchword/internal/store/storetest"
)

// begin sends the password of an account that needs a second factor to the JSON API.
func (h *fixture) begin(a auth.Account) login.Pending {
	h.t.Helper()
	res, err := h.Password(h.t.Context(), tenant, login.Request{Email: a.Email.Address, Password: good, Actor: browserActor})
	h.requireOK(err)
	return res.Pending
}

// TestAttack_FL_09_MF_01_NodeBehind: what one node has used is used on a node whose clock is an hour behind, as after
// a restart with a clock that was set back: codes of apps, recovery codes, mailed codes, tokens of pending sign-ins and
// cookies of trusted browsers.
func TestAttack_FL_09_MF_01_NodeBehind(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, cfg store.Config) {
		c, late := storetest.NewClock(), storetest.NewClock()
		cfg.Now = c.Now
		h := newFixture(t, storetest.Open(t, cfg), c)
		cfg.Now, cfg.MaxWait = late.Now, time.Minute
		db, err := store.Open(t.Context(), cfg)
		h.requireOK(err)
		t.Cleanup(func() { db.Close() })
		behind := newFixture(t, db, late, func(v *login.Config) { v.Root = h.cfg.Root })
		ann, bob := h.insertAccount("ann@example.test", good), h.insertAccount("bob@example.test", good)
		seed := h.addTOTP(bob)
		codes := h.addRecoveryCodes(bob)
		h.mailCodes()
		c.Advance(time.Hour)
		late.Advance(time.Minute)

		first, code := h.begin(bob), h.codeOf(seed)
		_, err = h.factor(first, auth.ProofTOTP, code)
		h.requireOK(err)
		_, err = behind.factor(first, auth.ProofRecoveryCode, codes[1])
		behind.requireRefused(err, "invalid_mfa_token")
		for _, code := range []string{code, behind.codeOf(seed)} { // also the one of an hour ago
			_, err = behind.factor(behind.begin(bob), auth.ProofTOTP, code)
			behind.requireRefused(err, "invalid_code")
		}
		_, err = h.factor(h.begin(bob), auth.ProofRecoveryCode, codes[1])
		h.requireOK(err)
		_, err = behind.factor(behind.begin(bob), auth.ProofRecoveryCode, codes[1])
		behind.requireRefused(err, "invalid_code")

		h.takeMails("")
		mailed := h.begin(ann)
		code = h.requireCode()
		_, err = h.factor(mailed, auth.ProofEmailCode, code)
		h.requireOK(err)
		_, err = behind.factor(mailed, auth.ProofEmailCode, code)
		behind.requireRefused(err, "invalid_mfa_token")

		c.Advance(30 * time.Second)
		actor := h.trusting("bob@example.test", seed)
		if e := h.enter("bob@example.test", good, actor, false); e.Step.Kind != auth.StepDone {
			t.Fatalf("trusted at %s", e.Step.Kind)
		}
		if e := behind.enter("bob@example.test", good, actor, false); e.Step.Kind != auth.StepFactor {
			t.Errorf("a used cookie of a trusted browser leads to %s", e.Step.Kind)
		}
	})
}
