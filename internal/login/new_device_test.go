package login_test

import (
	"testing"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/login"
	"github.com/watchword-auth/watchword/internal/store"
	"github.com/watchword-auth/watchword/internal/store/storetest"
)

func TestNewDeviceIsNotified(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		h.insertAccount("alice@example.test", good)
		at := func(ip, agent, known string) auth.Actor {
			return auth.Actor{Kind: auth.ActorAnonymous, IP: ip, UserAgent: agent, Known: known}
		}
		signIn := func(actor auth.Actor) login.Result {
			t.Helper()
			res, err := h.Password(t.Context(), tenant, login.Request{Email: "alice@example.test", Password: good, Actor: actor})
			h.requireOK(err)
			return res
		}
		notices := func() (n int) {
			t.Helper()
			for _, m := range storetest.TakeMessages(t, h.db, "") {
				if m.Kind != auth.MailNewDevice || m.Payload.To != "alice@example.test" || m.Payload.Token == "" {
					t.Errorf("mail %+v", m)
				}
				n++
			}
			return n
		}

		known := signIn(at("192.0.2.1", "Firefox", "")).Known.Reveal()
		for _, step := range []struct {
			name  string
			actor auth.Actor
			want  int
		}{
			{"the same device", at("192.0.2.1", "Firefox", ""), 0},
			{"a known browser elsewhere", at("203.0.113.5", "Firefox 2", known), 0},
			{"another network", at("198.51.100.7", "Firefox", ""), 1},
			{"that network again", at("198.51.100.7", "Firefox", ""), 0},
			{"another program", at("192.0.2.1", "curl", ""), 1},
		} {
			signIn(step.actor)
			if n := notices(); n != step.want {
				t.Errorf("%s: %d notices, want %d", step.name, n, step.want)
			}
		}

		if err := h.signInPassword("alice@example.test", another); err == nil || notices() != 0 {
			t.Error("a wrong password was accepted or mailed a notice")
		}
	})
}

// Only the right password tells that an account is locked.
func TestLockedAccount(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		a := h.insertAccount("alice@example.test", good)
		h.requireOK(h.db.Write(t.Context(), tenant, func(tx *store.Tx) error {
			a.LockedAt = tx.Now
			return tx.UpdateAccount(a)
		}))
		h.requireRefused(h.signInPassword("alice@example.test", good), "account_locked")
		h.requireRefused(h.signInPassword("alice@example.test", another), "invalid_credentials")
	})
}
