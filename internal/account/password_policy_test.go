package account_test

import (
	"testing"
	"time"

	"github.com/watchword-auth/watchword/internal/account"
	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/store"
)

// Passwords without a weakness but their length.
const (
	eight    = "xK9?qLwz"
	fourteen = "xK9?qLwzVb3!mN"
	fifteen  = "xK9?qLwzVb3!mNe"
)

// TestAttack_PW_04_LengthDependsOnTheSecondFactor sets passwords at the two minimum lengths of NIST
// SP 800-63B-4 §3.1.1.2.
func TestAttack_PW_04_LengthDependsOnTheSecondFactor(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		a := h.newMember("alice@example.test", good)
		set := func(pw string) error { return h.SetPassword(t.Context(), tenant, a.ID, pw, admin) }
		register := func(pw string) error {
			return h.Register(t.Context(), tenant, account.Registration{Email: "new@example.test", Password: pw}, alice)
		}

		for name, try := range map[string]func(string) error{"set": set, "register": register} {
			if got := reasonCodes(h.requireRefused(try(fourteen), "password_refused")); got != "too_short" {
				t.Errorf("%s 14 characters as the only factor: %s", name, got)
			}
			h.requireOK(try(fifteen))
		}

		h.insertTOTP(a)
		h.requireOK(set(eight))
		h.requireRefused(register(fourteen), "password_refused")

		h.changeSettings(func(s *auth.Settings) { s.Factors.Policy = auth.FactorsOff })
		h.requireRefused(set(fourteen), "password_refused")

		h.changeSettings(func(s *auth.Settings) { s.Factors = auth.FactorSettings{Policy: auth.FactorsRequired} })
		h.requireOK(register(eight))
		h.changeSettings(func(s *auth.Settings) {
			s.Factors = auth.FactorSettings{Policy: auth.FactorsRequired, GraceDays: 7, Since: h.clock.Now().Add(-30 * 24 * time.Hour)}
		})
		h.requireRefused(register(fourteen), "password_refused") // a new account has days of grace

		h.changeSettings(func(s *auth.Settings) { s.Password.MinLength = 10 })
		h.requireOK(register(fourteen))
		h.requireRefused(set(eight), "password_refused")
	})
}

// insertTOTP adds an authenticator app that counts.
func (h *fixture) insertTOTP(a auth.Account) {
	h.t.Helper()
	h.requireOK(h.db.Write(h.t.Context(), tenant, func(tx *store.Tx) error {
		return tx.InsertFactor(auth.Factor{ID: auth.FactorID(secret.NewID(tx.Now)), Account: a.ID, Kind: auth.ProofTOTP, CreatedAt: tx.Now, ProvedAt: tx.Now})
	}))
}
