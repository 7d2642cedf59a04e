package token_test

import (
	"testing"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/store"
	"github.com/watchword-auth/watchword/internal/store/storetest"
)

func (h *fixture) setFactors(f auth.FactorSettings) {
	h.t.Helper()
	h.write(func(tx *store.Tx) error {
		v, err := tx.CurrentTenant()
		v.Settings.Factors = f
		if err != nil {
			return err
		}
		return tx.UpdateCurrentTenant(v)
	})
}

// TestAttack_MF_13_Refresh: a sign-in that is weaker than the policy gets no further tokens. Its refresh token
// is not spent, so it is good again once the session is stronger.
func TestAttack_MF_13_Refresh(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, cfg store.Config) {
		h := newFixture(t, cfg)
		weak := h.signIn().RefreshToken
		strong := h.issue(auth.Grant{Account: h.alice, Client: auth.FirstParty, Scope: auth.LoginScope, ACR: "2", AMR: []string{"mfa", "otp", "pwd"}}).RefreshToken
		h.setFactors(auth.FactorSettings{Policy: auth.FactorsRequired, GraceDays: 1, Since: h.clock.Now()})
		weak = h.requireRefresh(weak).RefreshToken

		h.clock.Advance(24 * time.Hour)
		h.requireRefused(weak, "invalid_refresh_token")
		strong = h.requireRefresh(strong).RefreshToken

		h.setFactors(auth.FactorSettings{Roles: map[string]auth.FactorPolicy{"staff": auth.FactorsResistant}})
		weak, strong = h.requireRefresh(weak).RefreshToken, h.requireRefresh(strong).RefreshToken
		h.write(func(tx *store.Tx) error {
			role := auth.Role{ID: auth.RoleID(secret.NewID(tx.Now)), Name: "staff", CreatedAt: tx.Now}
			if err := tx.InsertRole(role); err != nil {
				return err
			}
			_, err := tx.AssignRole(h.alice, role.ID)
			return err
		})
		h.requireRefused(weak, "invalid_refresh_token")
		h.requireRefused(strong, "invalid_refresh_token")

		h.setFactors(auth.FactorSettings{})
		h.requireRefresh(h.requireRefresh(weak).RefreshToken)
	})
}
