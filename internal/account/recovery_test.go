package account_test

import (
	"testing"
	"time"

	"github.com/watchword-auth/watchword/internal/account"
	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/store"
)

// newPasskeyOwner returns an account with a passkey and without a password.
func (h *fixture) newPasskeyOwner(email string) auth.Account {
	h.t.Helper()
	a, err := h.Create(h.t.Context(), tenant, account.Creation{Email: email, Verified: true}, admin)
	h.requireOK(err)
	h.requireOK(h.db.Write(h.t.Context(), tenant, func(tx *store.Tx) error {
		return tx.InsertFactor(auth.Factor{ID: auth.FactorID(secret.NewID(tx.Now)), Account: a.ID, Kind: auth.ProofPasskey, Lookup: email, CreatedAt: tx.Now, ProvedAt: tx.Now})
	}))
	return a
}

// requestRecovery requests a recovery, and returns the token of its link.
func (h *fixture) requestRecovery(email string) string {
	h.t.Helper()
	h.requireOK(h.Forgot(h.t.Context(), tenant, account.LinkRequest{Email: email}, alice))
	return h.requireMail(auth.MailRecovery, email).Token
}

func TestRecovery(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		a := h.newPasskeyOwner("alice@example.test")
		old, set := h.requestRecovery("alice@example.test"), h.requestRecovery("alice@example.test")

		h.clock.Advance(24*time.Hour - time.Second)
		h.requireRefused(h.Reset(t.Context(), tenant, set, good, alice), "link_not_yet_valid")
		if h.countFactors(a) != 1 {
			t.Error("the passkey is gone too early")
		}
		h.clock.Advance(time.Second)
		h.requireRefused(h.Reset(t.Context(), tenant, old, good, alice), "invalid_link")
		h.requireOK(h.Reset(t.Context(), tenant, set, good, alice))
		if h.countFactors(a) != 0 || !h.passwordMatches("alice@example.test", good) {
			t.Error("the account was not recovered")
		}
	})
}

func TestRecoveryIsCancelled(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		h.newPasskeyOwner("alice@example.test")
		link := h.requestRecovery("alice@example.test")
		for range 2 {
			h.requireOK(h.CancelRecovery(t.Context(), tenant, link, alice))
		}
		if all := h.events(auth.EventRecoveryCancelled); len(all) != 1 || all[0].Detail["by"] != "link" {
			t.Errorf("events %+v, want one by the link", all)
		}
		h.clock.Advance(24 * time.Hour)
		h.requireRefused(h.Reset(t.Context(), tenant, link, good, alice), "invalid_link")
		h.requireRefused(h.CancelRecovery(t.Context(), tenant, link, alice), "invalid_link")

		h.newMember("bob@example.test", good)
		link = h.requestReset("bob@example.test")
		h.requireRefused(h.CancelRecovery(t.Context(), tenant, link, alice), "invalid_link")
		h.requireOK(h.Reset(t.Context(), tenant, link, another, alice))
	})
}

// TestAttack_PW_08_RecoveryPutOff asks for the recovery of someone else's account again and again. The first one
// still works a day after it was asked for, and the next password has the length of the only factor.
func TestAttack_PW_08_RecoveryPutOff(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		h.newPasskeyOwner("bob@example.test")
		h.changeSettings(func(s *auth.Settings) { s.Factors.Policy = auth.FactorsOptional })
		first := h.requestRecovery("bob@example.test")
		var m auth.Mail
		for range 7 {
			h.clock.Advance(3 * time.Hour)
			h.requireOK(h.Forgot(t.Context(), tenant, account.LinkRequest{Email: "bob@example.test"}, eve))
			m = h.requireMail(auth.MailRecovery, "bob@example.test")
		}
		if left := m.NotBefore.Sub(h.clock.Now()); left != 3*time.Hour || m.ExpiresAt.Sub(m.NotBefore) != 24*time.Hour {
			t.Errorf("the newest link works in %v, until %v", left, m.ExpiresAt)
		}
		h.requireRefused(h.Reset(t.Context(), tenant, first, good, alice), "invalid_link")
		h.clock.Advance(3 * time.Hour)
		need, err := h.ResetRequirements(t.Context(), tenant, account.PasswordReset{Token: m.Token})
		if h.requireOK(err); need.MinLength != 15 {
			t.Errorf("minimum length %d", need.MinLength)
		}
		h.requireRefused(h.Reset(t.Context(), tenant, m.Token, "short-8!", alice), "password_refused")
		h.requireOK(h.Reset(t.Context(), tenant, m.Token, good, alice))
	})
}

// TestAttack_PW_11_UnlockedByMail locks an account that has passkeys and no password, with nothing but its
// mailbox. Where the passkey will not be asked for, the link works a day later, and strangers do not replace it.
func TestAttack_PW_11_UnlockedByMail(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		for policy, delay := range map[auth.FactorPolicy]time.Duration{auth.FactorsOff: 24 * time.Hour, auth.FactorsOptional: 0} {
			h.changeSettings(func(s *auth.Settings) { s.Factors.Policy = policy })
			a := h.newPasskeyOwner(string(policy) + "@example.test")
			h.clock.Advance(100 * time.Hour)
			h.lock(a, actorOf(a))
			m := h.requireMail(auth.MailAccountLocked, a.Email.Address)
			h.requestRecovery(a.Email.Address)
			if delay > 0 {
				h.requireRefused(h.Reset(t.Context(), tenant, m.Token, good, alice), "link_not_yet_valid")
				need, _ := h.ResetRequirements(t.Context(), tenant, account.PasswordReset{Token: m.Token})
				if need.Recovers {
					t.Error("the page would cancel the lock")
				}
			}
			h.clock.Advance(delay)
			h.requireOK(h.Reset(t.Context(), tenant, m.Token, good, alice))
			h.takeMails()
			if h.requireLocked(a, false); h.kinds(a) != "passkey" {
				t.Errorf("left %q", h.kinds(a))
			}
		}
	})
}

// An owner who is signed in adds a password at once, and keeps the passkey.
func TestFirstPassword(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		a := h.newPasskeyOwner("alice@example.test")
		h.requireOK(h.Forgot(t.Context(), tenant, account.LinkRequest{Email: "alice@example.test"}, actorOf(a)))
		h.requireOK(h.Reset(t.Context(), tenant, h.requireMail(auth.MailReset, "alice@example.test").Token, good, alice))
		if n := h.countFactors(a); n != 1 || !h.passwordMatches("alice@example.test", good) {
			t.Errorf("%d factors", n)
		}
	})
}

func TestRecoveryExpires(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		h.newPasskeyOwner("alice@example.test")
		set := h.requestRecovery("alice@example.test")
		h.clock.Advance(48 * time.Hour)
		h.requireRefused(h.Reset(t.Context(), tenant, set, good, alice), "invalid_link")
	})
}

// TestAttack_PW_11_ResetKeepsFactors resets a password with a second factor: the link works at once, and the
// factor stays.
func TestAttack_PW_11_ResetKeepsFactors(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		a := h.newMember("alice@example.test", good)
		h.insertTOTP(a)
		h.requireOK(h.Reset(t.Context(), tenant, h.requestReset("alice@example.test"), another, alice))
		if n := h.countFactors(a); n != 1 {
			t.Errorf("%d factors", n)
		}
	})
}
