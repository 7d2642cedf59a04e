package account_test

import (
	"testing"

	"github.com/watchword-auth/watchword/internal/account"
	"github.com/watchword-auth/watchword/internal/auth"
)

func TestCreate(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		a, err := h.Create(t.Context(), tenant, account.Creation{Email: "alice@example.test", Password: good, Name: "Alice", Verified: true}, admin)
		h.requireOK(err)
		if !a.Verified() || !h.passwordMatches("alice@example.test", good) || len(h.takeMails()) != 0 {
			t.Errorf("account %+v", a)
		}
		_, err = h.Create(t.Context(), tenant, account.Creation{Email: "ALICE@example.test", Password: good}, admin)
		h.requireRefused(err, "email_taken")
		_, err = h.Create(t.Context(), tenant, account.Creation{Email: "bob@example.test", Password: "password1"}, admin)
		h.requireRefused(err, "password_refused")
		_, err = h.Create(t.Context(), tenant, account.Creation{Email: "bob@example.test", Password: good}, admin)
		h.requireOK(err)
		h.requireOK(h.verify(h.requireMail(auth.MailVerify, "bob@example.test").Token, alice))
	}, func(c *account.Config) { c.RegistrationOpen = false })
}
