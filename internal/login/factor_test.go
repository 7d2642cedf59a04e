package login_test

import (
	"encoding/base32"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/store"
	"github.com/watchword-auth/watchword/internal/store/storetest"
)

// owner is the actor of an account's own request.
func owner(a auth.Account) auth.Actor {
	return auth.Actor{Kind: auth.ActorAccount, ID: string(a.ID), IP: "192.0.2.1"}
}

// codeOf returns the code of an authenticator app now.
func (h *fixture) codeOf(seed string) string {
	h.t.Helper()
	code, err := totp.GenerateCode(seed, h.clock.Now())
	h.requireOK(err)
	return code
}

// addTOTP adds an authenticator app and returns its seed. The next step begins.
func (h *fixture) addTOTP(a auth.Account) string {
	h.t.Helper()
	app, err := h.BeginTOTP(h.t.Context(), tenant, "Phone", owner(a))
	h.requireOK(err)
	h.requireOK(h.confirmTOTP(app.ID, h.codeOf(app.Secret.Reveal()), owner(a)))
	h.clock.Advance(30 * time.Second)
	return app.Secret.Reveal()
}

// confirmTOTP makes an authenticator app count, for an actor without a session.
func (h *fixture) confirmTOTP(id auth.FactorID, code string, actor auth.Actor) error {
	h.t.Helper()
	cookie, err := h.ConfirmTOTP(h.t.Context(), tenant, id, code, actor)
	if cookie != "" {
		h.t.Error("an actor without a session got a cookie")
	}
	return err
}

func (h *fixture) mails() (kinds []auth.MessageKind) {
	h.t.Helper()
	h.requireOK(h.db.WriteSystem(h.t.Context(), func(tx *store.SystemTx) error {
		list, err := tx.ClaimMessages("test", tx.Now.Add(time.Minute), "mail.", 1000)
		for _, m := range list {
			kinds = append(kinds, m.Kind)
			if err := tx.FinishMessage(m); err != nil {
				return err
			}
		}
		return err
	}))
	return kinds
}

// TestAttack_MF_07_Enrolment: an authenticator app counts once a code of it was right; each begin has
// a new seed of 160 bits, and a seed that counts is shown to nobody.
func TestAttack_MF_07_Enrolment(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		a := h.insertAccount("ann@example.test", good)
		first, err := h.BeginTOTP(t.Context(), tenant, "Phone", owner(a))
		h.requireOK(err)
		second, err := h.BeginTOTP(t.Context(), tenant, "Phone", owner(a))
		h.requireOK(err)
		seed, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(second.Secret.Reveal())
		if err != nil || len(seed) < 20 || first.Secret == second.Secret || !strings.Contains(second.URI.Reveal(), second.Secret.Reveal()) {
			t.Errorf("seed of %d bytes, %v", len(seed), err)
		}
		if again, err := h.PendingTOTP(t.Context(), tenant, second.ID, owner(a)); err != nil || again != second {
			t.Errorf("the page again: %v", err)
		}
		h.requireRefused(h.confirmTOTP(first.ID, h.codeOf(first.Secret.Reveal()), owner(a)), "factor_unknown")
		h.requireRefused(h.confirmTOTP(second.ID, "000000", owner(a)), "invalid_code")
		if list, _, err := h.Factors(t.Context(), tenant, a.ID); err != nil || len(list) != 0 {
			t.Errorf("counts before a code: %+v, %v", list, err)
		}
		code := h.codeOf(second.Secret.Reveal())
		h.requireOK(h.confirmTOTP(second.ID, code, owner(a)))
		h.requireOK(h.confirmTOTP(second.ID, code, owner(a))) // the form sent twice
		h.requireRefused(h.confirmTOTP(second.ID, "000000", owner(a)), "invalid_code")
		_, err = h.PendingTOTP(t.Context(), tenant, second.ID, owner(a))
		h.requireRefused(err, "factor_unknown")
		if list, _, err := h.Factors(t.Context(), tenant, a.ID); err != nil || len(list) != 1 || list[0].Name != "Phone" {
			t.Errorf("%+v, %v", list, err)
		}
		if got := h.mails(); !slices.Equal(got, []auth.MessageKind{auth.MailFactorAdded}) {
			t.Errorf("mails %v", got)
		}
	})
}

// Nobody reaches the factors of another account.
func TestFactorsBelongToOneAccount(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		ann, eve := h.insertAccount("ann@example.test", good), h.insertAccount("eve@example.test", good)
		h.addTOTP(ann)
		list, _, err := h.Factors(t.Context(), tenant, ann.ID)
		h.requireOK(err)
		pending, err := h.BeginTOTP(t.Context(), tenant, "Tablet", owner(ann))
		h.requireOK(err)
		h.requireRefused(h.RemoveFactor(t.Context(), tenant, list[0].ID, owner(eve)), "factor_unknown")
		h.requireRefused(h.RenameFactor(t.Context(), tenant, list[0].ID, "x", owner(eve)), "factor_unknown")
		h.requireRefused(h.confirmTOTP(pending.ID, h.codeOf(pending.Secret.Reveal()), owner(eve)), "factor_unknown")
		_, err = h.PendingTOTP(t.Context(), tenant, pending.ID, owner(eve))
		h.requireRefused(err, "factor_unknown")
		h.requireOK(h.RenameFactor(t.Context(), tenant, list[0].ID, "Old phone", owner(ann)))
		if n := len(storetest.Events(t, h.db, tenant, auth.EventFactorRenamed)); n != 1 {
			t.Errorf("%d events of the new name", n)
		}
		if list, _, err := h.Factors(t.Context(), tenant, ann.ID); err != nil || len(list) != 1 || list[0].Name != "Old phone" {
			t.Errorf("%+v, %v", list, err)
		}
	})
}

// TestAttack_MF_05_GuessesAreCounted: guesses count for the account, wherever they are made.
func TestAttack_MF_05_GuessesAreCounted(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		a := h.insertAccount("ann@example.test", good)
		for i := range 10 {
			app, err := h.BeginTOTP(t.Context(), tenant, "Phone", owner(a)) // each with a new secret
			h.requireOK(err)
			if i%2 == 0 {
				h.requireRefused(h.confirmTOTP(app.ID, "000000", owner(a)), "invalid_code")
			} else {
				h.requireRefused(h.ConfirmRecoveryCodes(t.Context(), tenant, "AAAA-AAAA-AAAA-AAAA", owner(a)), "invalid_code")
			}
		}
		app, err := h.BeginTOTP(t.Context(), tenant, "Phone", owner(a))
		h.requireOK(err)
		h.requireRefused(h.confirmTOTP(app.ID, h.codeOf(app.Secret.Reveal()), owner(a)), "rate_limited")
		h.clock.Advance(15 * time.Minute) // it ends by itself
		h.requireOK(h.confirmTOTP(app.ID, h.codeOf(app.Secret.Reveal()), owner(a)))
	})
}

// TestAttack_MF_08_RecoveryCodes: they count once one was typed, and new ones replace the old.
func TestAttack_MF_08_RecoveryCodes(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		a := h.insertAccount("ann@example.test", good)
		_, err := h.BeginRecoveryCodes(t.Context(), tenant, a.ID)
		h.requireRefused(err, "no_factor")
		h.addTOTP(a)
		left := func() int {
			t.Helper()
			_, n, err := h.Factors(t.Context(), tenant, a.ID)
			h.requireOK(err)
			return n
		}
		first, err := h.BeginRecoveryCodes(t.Context(), tenant, a.ID)
		h.requireOK(err)
		if len(first) != 10 || left() != 0 {
			t.Errorf("%d codes, %d count", len(first), left())
		}
		h.requireRefused(h.ConfirmRecoveryCodes(t.Context(), tenant, "AAAA-AAAA-AAAA-AAAA", owner(a)), "invalid_code")
		typed := strings.ToLower(strings.ReplaceAll(first[3].Reveal(), "-", " "))
		h.requireOK(h.ConfirmRecoveryCodes(t.Context(), tenant, typed, owner(a)))
		h.requireOK(h.ConfirmRecoveryCodes(t.Context(), tenant, typed, owner(a)))
		if left() != 10 {
			t.Errorf("%d count", left())
		}

		second, err := h.BeginRecoveryCodes(t.Context(), tenant, a.ID)
		h.requireOK(err)
		if left() != 10 {
			t.Error("the codes of before ended before the new ones were typed")
		}
		h.requireOK(h.ConfirmRecoveryCodes(t.Context(), tenant, second[0].Reveal(), owner(a)))
		h.requireRefused(h.ConfirmRecoveryCodes(t.Context(), tenant, first[0].Reveal(), owner(a)), "invalid_code")
		if left() != 10 {
			t.Errorf("%d count", left())
		}

		// With the last authenticator they go.
		list, _, err := h.Factors(t.Context(), tenant, a.ID)
		h.requireOK(err)
		h.requireOK(h.RemoveFactor(t.Context(), tenant, list[0].ID, owner(a)))
		if left() != 0 {
			t.Errorf("%d codes are left without an authenticator", left())
		}
		h.requireRefused(h.RemoveFactor(t.Context(), tenant, list[0].ID, owner(a)), "factor_unknown")
	})
}

// TestAttack_MF_13_LastFactorStays: while the policy requires a second factor, the last one is not removed.
func TestAttack_MF_13_LastFactorStays(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		a := h.insertAccount("ann@example.test", good)
		h.addTOTP(a)
		h.setPolicy(func(p *auth.FactorSettings) { p.Policy = auth.FactorsRequired })
		list, _, err := h.Factors(t.Context(), tenant, a.ID)
		h.requireOK(err)
		h.requireRefused(h.RemoveFactor(t.Context(), tenant, list[0].ID, owner(a)), "last_factor")
		h.addTOTP(a)
		h.requireOK(h.RemoveFactor(t.Context(), tenant, list[0].ID, owner(a)))
		h.setPolicy(func(p *auth.FactorSettings) { p.Policy = auth.FactorsOptional })
		list, _, err = h.Factors(t.Context(), tenant, a.ID)
		h.requireOK(err)
		h.requireOK(h.RemoveFactor(t.Context(), tenant, list[0].ID, owner(a)))
	})
}
