package login_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/flow"
	"github.com/watchword-auth/watchword/internal/login"
	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/store"
	"github.com/watchword-auth/watchword/internal/store/storetest"
)

// setOutboxFull fills the outbox, or empties it. Its limit is 1.
func (h *fixture) setOutboxFull(full bool) {
	h.t.Helper()
	storetest.TakeMessages(h.t, h.db, "")
	for i := 0; full && i < 2; i++ {
		h.requireOK(h.db.Write(h.t.Context(), tenant, func(tx *store.Tx) error {
			return tx.Enqueue(auth.MailVerify, auth.Mail{To: fmt.Sprintf("%d@example.test", i)})
		}))
	}
	h.requireOK(h.db.ReadSystem(h.t.Context(), func(tx *store.SystemTx) error {
		_, _, err := tx.OutboxBacklog()
		return err
	}))
}

// newRecovery requests a recovery of an account, which its next sign-in without the password cancels with a mail.
func (h *fixture) newRecovery(a auth.Account) {
	h.t.Helper()
	h.requireOK(h.db.Write(h.t.Context(), tenant, func(tx *store.Tx) error {
		return tx.InsertSingleUse(auth.SingleUse{Kind: auth.UseResetPassword, Digest: secret.Digest(string(a.ID)), Account: a.ID, Data: `{"recover":true}`, CreatedAt: tx.Now, ExpiresAt: tx.Now.Add(48 * time.Hour)})
	}))
}

// state is what a sign-in writes to an account.
type state struct {
	usable, sessions, events int
	recovery                 bool
}

func (h *fixture) state(a auth.Account) (v state) {
	h.t.Helper()
	h.requireOK(h.db.Read(h.t.Context(), tenant, func(tx *store.Tx) error {
		list, err := tx.Factors(a.ID)
		if err != nil {
			return err
		}
		v.usable = len(slices.DeleteFunc(list, func(f auth.Factor) bool { return !f.Usable() }))
		links, err := tx.LiveSingleUses(a.ID, auth.UseResetPassword)
		v.recovery = len(links) > 0
		return err
	}))
	v.sessions, v.events = h.countSessions(a), len(h.events(""))
	return v
}

// TestFault_FL_12_FullOutboxSignsNobodyIn: a sign-in that cannot mail its notice writes nothing. With space in the
// outbox, the same response or code completes it.
func TestFault_FL_12_FullOutboxSignsNobodyIn(t *testing.T) {
	t.Parallel()
	ways := []struct {
		name   string
		policy auth.FactorPolicy
		begin  func(h *fixture, a auth.Account) (finish func() error)
	}{
		{"passkey added", auth.FactorsResistant, func(h *fixture, a auth.Account) func() error {
			p, _ := (&browser{h: h}).beginSignIn(a.Email.Address, false)
			form := h.passkeyForm(p.form, login.PasskeyCreate, a.ID, newAuthenticator())
			return func() error { _, err := h.SignInPasskey(h.t.Context(), form); return err }
		}},
		{"app added", auth.FactorsRequired, func(h *fixture, a auth.Account) func() error {
			p, _ := (&browser{h: h}).beginSignIn(a.Email.Address, false)
			return func() error { _, err := p.enrol(a); return err }
		}},
		{"recovery code", auth.FactorsOptional, func(h *fixture, a auth.Account) func() error {
			h.addTOTP(a)
			codes := h.addRecoveryCodes(a)
			p, _ := (&browser{h: h}).beginSignIn(a.Email.Address, false)
			return func() error { _, err := p.prove(auth.ProofRecoveryCode, codes[0]); return err }
		}},
		{"recovery code by API", auth.FactorsOptional, func(h *fixture, a auth.Account) func() error {
			h.addTOTP(a)
			codes := h.addRecoveryCodes(a)
			pending := h.beginPassword(login.Request{})
			return func() error { _, err := h.factor(pending, auth.ProofRecoveryCode, codes[0]); return err }
		}},
		{"app, in a recovery", auth.FactorsOptional, func(h *fixture, a auth.Account) func() error {
			seed := h.addTOTP(a)
			h.newRecovery(a)
			p, _ := (&browser{h: h}).beginSignIn(a.Email.Address, false)
			return func() error { _, err := p.prove(auth.ProofTOTP, h.codeOf(seed)); return err }
		}},
		{"app by API, in a recovery", auth.FactorsOptional, func(h *fixture, a auth.Account) func() error {
			seed := h.addTOTP(a)
			h.newRecovery(a)
			pending := h.beginPassword(login.Request{})
			return func() error { _, err := h.factor(pending, auth.ProofTOTP, h.codeOf(seed)); return err }
		}},
		{"passkey, in a recovery", auth.FactorsOptional, func(h *fixture, a auth.Account) func() error {
			k := newAuthenticator()
			h.addPasskey(a, k)
			h.newRecovery(a)
			form := h.passkeyForm(h.newSignInForm(flow.Browser{Actor: browserActor}), login.PasskeySignIn, "", k)
			return func() error { _, err := h.SignInPasskey(h.t.Context(), form); return err }
		}},
		{"passkey by API, in a recovery", auth.FactorsOptional, func(h *fixture, a auth.Account) func() error {
			k := newAuthenticator()
			h.addPasskey(a, k)
			h.newRecovery(a)
			options, err := h.BeginPasskeySignIn(h.t.Context(), tenant, "", browserActor)
			h.requireOK(err)
			r := login.PasskeyRequest{Request: login.Request{Actor: browserActor}, Response: k.Get(h.t, options)}
			return func() error { _, err := h.Passkey(h.t.Context(), tenant, r); return err }
		}},
		{"mailed code, in a recovery", auth.FactorsOptional, func(h *fixture, a auth.Account) func() error {
			h.newRecovery(a)
			h.signInByMail()
			form := h.askForMail(a.Email.Address)
			code := h.requireSignInMail(form)
			return func() error { _, err := h.enterCode(form, code); return err }
		}},
		{"mailed code by API, in a recovery", auth.FactorsOptional, func(h *fixture, a auth.Account) func() error {
			h.newRecovery(a)
			h.signInByMail()
			token, m := h.askInAPI(login.Request{Email: a.Email.Address}, "")
			return func() error { _, err := h.email(token, m.Code); return err }
		}},
	}
	storetest.Each(t, func(t *testing.T, cfg store.Config) {
		c := storetest.NewClock()
		cfg.Now, cfg.OutboxLimit = c.Now, 1
		h := newFixture(t, storetest.Open(t, cfg), c)
		for _, way := range ways {
			a := h.insertAccount("ann@example.test", good)
			h.setPolicy(func(f *auth.FactorSettings) { f.Policy = way.policy })
			finish := way.begin(h, a)
			h.setOutboxFull(true)
			before := h.state(a)
			if err := finish(); auth.KindOf(err) != auth.KindUnavailable {
				t.Errorf("%s: %v", way.name, err)
			}
			if got := h.state(a); got != before {
				t.Errorf("%s: before %+v, then %+v", way.name, before, got)
			}
			h.setOutboxFull(false)
			if err := finish(); err != nil {
				t.Errorf("%s, again: %v", way.name, err)
			}
			if got := h.state(a); got.sessions != before.sessions+1 || got.recovery {
				t.Errorf("%s, again: before %+v, then %+v", way.name, before, got)
			}
			h.requireOK(h.db.Write(t.Context(), tenant, func(tx *store.Tx) error { return tx.DeleteAccount(a.ID) }))
		}
	})
}

// TestAttack_MF_07_RefusedSignInAddsNoFactor: an account that is locked while someone adds a factor in a sign-in
// keeps none of it.
func TestAttack_MF_07_RefusedSignInAddsNoFactor(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		h.setPolicy(func(f *auth.FactorSettings) { f.Policy = auth.FactorsResistant })
		lock := func(a auth.Account, at time.Time) {
			h.requireOK(h.db.Write(t.Context(), tenant, func(tx *store.Tx) error {
				a.LockedAt = at
				return tx.UpdateAccount(a)
			}))
		}
		a, k := h.insertAccount("ann@example.test", good), newAuthenticator()
		p, _ := (&browser{h: h}).beginSignIn("ann@example.test", false)
		form := h.passkeyForm(p.form, login.PasskeyCreate, a.ID, k)
		lock(a, h.clock.Now())
		_, err := h.SignInPasskey(t.Context(), form)
		h.requireRefused(err, "account_locked")
		lock(a, time.Time{})
		if got := h.state(a); got.usable != 0 || got.sessions != 0 {
			t.Errorf("passkey: %+v", got)
		}
		if _, err := (&browser{h: h}).signInPasskey(k); auth.KindOf(err) != auth.KindUnauthenticated {
			t.Errorf("the passkey signs in: %v", err)
		}

		h.setPolicy(func(f *auth.FactorSettings) { f.Policy = auth.FactorsRequired })
		p, _ = (&browser{h: h}).beginSignIn("ann@example.test", false)
		lock(a, h.clock.Now())
		_, err = p.enrol(a)
		h.requireRefused(err, "account_locked")
		if got := h.state(a); got.usable != 0 || got.sessions != 0 {
			t.Errorf("app: %+v", got)
		}
	})
}
