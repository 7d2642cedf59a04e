package login_test

import (
	"testing"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/limit"
	"github.com/watchword-auth/watchword/internal/login"
	"github.com/watchword-auth/watchword/internal/store"
)

func TestSignInByUsername(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		a := h.insertAccount("alice@example.test", good)
		set := func(names auth.Identifiers, username string) {
			t.Helper()
			if err := h.db.Write(t.Context(), tenant, func(tx *store.Tx) error {
				self, err := tx.CurrentTenant()
				if err != nil {
					return err
				}
				self.Settings.Identifiers = names
				if err := tx.UpdateCurrentTenant(self); err != nil {
					return err
				}
				v, err := tx.Account(a.ID)
				if err != nil {
					return err
				}
				v.Username = username
				return tx.UpdateAccount(v)
			}); err != nil {
				t.Fatal(err)
			}
		}

		for _, tt := range []struct {
			names              auth.Identifiers
			username           string
			byEmail, byUsename bool
		}{
			{"", "alice", true, false},
			{auth.IdentifyByBoth, "alice", true, true},
			{auth.IdentifyByUsername, "alice", false, true},
			{auth.IdentifyByUsername, "", true, false},
		} {
			set(tt.names, tt.username)
			for name, want := range map[string]bool{"alice@example.test": tt.byEmail, " ALICE": tt.byUsename} {
				_, err := h.Password(t.Context(), tenant, login.Request{Email: name, Password: good, Actor: browserActor})
				if (err == nil) != want || err != nil && auth.KindOf(err) != auth.KindUnauthenticated {
					t.Errorf("%q, user name %q, sign in as %q: %v", tt.names, tt.username, name, err)
				}
			}
		}
	})
}

// TestAttack_BF_04_UserName guesses with the address and with the user name in turn. Both have one counter, and
// a browser that knows the account is counted apart at both.
func TestAttack_BF_04_UserName(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		h.insertAccount("alice@example.test", good, func(a *auth.Account) { a.Username = "alice" })
		h.requireOK(h.db.Write(t.Context(), tenant, func(tx *store.Tx) error {
			self, err := tx.CurrentTenant()
			if err != nil {
				return err
			}
			self.Settings.Identifiers = auth.IdentifyByBoth
			return tx.UpdateCurrentTenant(self)
		}))
		for i := range 6 {
			h.requireRefused(h.signInPassword([]string{"alice@example.test", " Alice"}[i%2], another), "invalid_credentials")
		}
		for _, name := range []string{"alice@example.test", "alice"} {
			h.requireRefused(h.signInPassword(name, good), "rate_limited")
		}

		actor := browserActor
		actor.Known = h.sessions.IssueKnownBrowser(tenant, "alice@example.test", "", h.clock.Now()).Reveal()
		_, err := h.Password(t.Context(), tenant, login.Request{Email: "alice", Password: good, Actor: actor})
		h.requireOK(err)
	}, func(c *login.Config) { c.Rates["login.account"] = limit.Rate{Count: 6, Per: 15 * time.Minute} })
}
