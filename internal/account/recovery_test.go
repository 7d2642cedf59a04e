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
		h.clock.Advance(24 * time.Hour)
		h.requireRefused(h.Reset(t.Context(), tenant, link, good, alice), "invalid_link")
		h.requireRefused(h.CancelRecovery(t.Context(), tenant, link, alice), "invalid_link")

		h.newMember("bob@example.test", good)
		link = h.requestReset("bob@example.test")
		h.requireRefused(h.CancelRecovery(t.Context(), tenant, link, alice), "invalid_link")
		h.requireOK(h.Reset(t.Context(), tenant, link, another, alice))
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
