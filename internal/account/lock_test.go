package account_test

import (
	"testing"
	"time"

	"github.com/watchword-auth/watchword/internal/account"
	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/store"
	"github.com/watchword-auth/watchword/internal/token"
)

// requireLocked fails the test unless the account is locked as wanted, and tokens are issued to it accordingly.
func (h *fixture) requireLocked(a auth.Account, want bool) {
	h.t.Helper()
	a, err := h.Get(h.t.Context(), tenant, a.ID)
	h.requireOK(err)
	if err := token.CheckIssuance(auth.Tenant{}, a, auth.Client{}); a.Locked() != want || (err != nil) != want {
		h.t.Fatalf("locked %v, %v; want %v", a.Locked(), err, want)
	}
}

func (h *fixture) changePassword(a auth.Account, current, next string) string {
	h.t.Helper()
	_, err := h.ChangePassword(h.t.Context(), tenant, a.ID, current, next, actorOf(a))
	h.requireOK(err)
	return h.requireMail(auth.MailPasswordChanged, h.address(a)).Token
}

func (h *fixture) address(a auth.Account) string {
	h.t.Helper()
	a, err := h.Get(h.t.Context(), tenant, a.ID)
	h.requireOK(err)
	return a.Email.Address
}

func TestLock(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		a := h.newMember("alice@example.test", good)
		v, f, _ := h.signIn(a)
		link := h.requestReset("alice@example.test")

		h.requireOK(h.Lock(t.Context(), tenant, a.ID, actorOf(a)))
		m := h.requireMail(auth.MailAccountLocked, "alice@example.test")
		h.requireOK(h.Lock(t.Context(), tenant, a.ID, actorOf(a)))
		if h.sessionLive(v, f) || len(h.takeMails()) != 0 || len(h.events(auth.EventAccountLocked)) != 1 {
			t.Error("the session lives, or the account was locked twice")
		}
		h.requireLocked(a, true)
		h.requireRefused(h.Reset(t.Context(), tenant, link, another, alice), "invalid_link")

		h.requireOK(h.Reset(t.Context(), tenant, m.Token, another, alice))
		h.requireMail(auth.MailPasswordChanged, "alice@example.test")
		h.requireLocked(a, false)
		if len(h.events(auth.EventAccountUnlocked)) != 1 {
			t.Error("no event of the unlocking")
		}
		h.requireRefused(h.Lock(t.Context(), tenant, "unknown", admin), "not_found")
	})
}

func TestOperatorUnlocks(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		a := h.newMember("alice@example.test", good)
		for name, unlock := range map[string]func() error{
			"enable":   func() error { return h.Enable(t.Context(), tenant, a.ID, admin) },
			"password": func() error { return h.SetPassword(t.Context(), tenant, a.ID, another, admin) },
			"both": func() error {
				h.requireOK(h.Disable(t.Context(), tenant, a.ID, admin))
				return h.Enable(t.Context(), tenant, a.ID, admin)
			},
		} {
			h.requireOK(h.Lock(t.Context(), tenant, a.ID, actorOf(a)))
			h.requireLocked(a, true)
			if err := unlock(); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			h.requireLocked(a, false)
		}
	})
}

// The link of a notice locks once, says what it does, and has the same outcome after a double click.
func TestSecureLink(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		a := h.newMember("alice@example.test", good)
		link := h.changePassword(a, good, another)
		secure := func() (account.SecureOutcome, error) { return h.Secure(t.Context(), tenant, link, alice) }

		out, err := h.SecureRequirements(t.Context(), tenant, link)
		if h.requireOK(err); out != (account.SecureOutcome{}) {
			t.Errorf("required: %+v", out)
		}
		h.requireLocked(a, false)
		for range 2 {
			_, err := secure()
			h.requireOK(err)
		}
		h.requireMail(auth.MailAccountLocked, "alice@example.test")
		h.requireLocked(a, true)
		h.clock.Advance(11 * time.Minute)
		_, err = secure()
		h.requireRefused(err, "invalid_link")
		_, err = h.SecureRequirements(t.Context(), tenant, link)
		h.requireRefused(err, "invalid_link")

		for _, bad := range []string{"", "wwl_x", link + "A"} {
			_, err := h.Secure(t.Context(), tenant, bad, eve)
			h.requireRefused(err, "invalid_link")
		}
	})
}

func TestSecureLinkExpires(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		a := h.newMember("alice@example.test", good)
		link := h.changePassword(a, good, another)
		h.clock.Advance(72 * time.Hour)
		_, err := h.Secure(t.Context(), tenant, link, alice)
		h.requireRefused(err, "invalid_link")
		h.requireLocked(a, false)
	})
}

// TestAttack_PW_14_TakenOver takes an account over as far as a known password allows: another address, a new
// password, a second factor, and the attacker's own link. The owner's older link undoes all of it.
func TestAttack_PW_14_TakenOver(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		a := h.newMember("alice@example.test", good)
		h.requireOK(h.verifyChange(h.requestEmailChange(a, good, "eve@example.test"), good, eve))
		owners := h.requireMail(auth.MailEmailChanged, "alice@example.test").Token
		h.clock.Advance(time.Minute)
		h.insertTOTP(a)
		attackers := []string{h.changePassword(a, good, another), h.changePassword(a, another, third)}
		_, err := h.Secure(t.Context(), tenant, attackers[0], eve)
		h.requireOK(err)
		h.requireMail(auth.MailAccountLocked, "eve@example.test")

		out, err := h.SecureRequirements(t.Context(), tenant, owners)
		if h.requireOK(err); out.Restored != "alice@example.test" {
			t.Errorf("required: %+v", out)
		}
		out, err = h.Secure(t.Context(), tenant, owners, alice)
		if h.requireOK(err); out.Restored != "alice@example.test" || out.NotMailed {
			t.Errorf("outcome: %+v", out)
		}
		m := h.requireMail(auth.MailAccountLocked, "alice@example.test")
		for _, link := range attackers[1:] {
			_, err := h.Secure(t.Context(), tenant, link, eve)
			h.requireRefused(err, "invalid_link")
		}
		h.requireOK(h.Reset(t.Context(), tenant, m.Token, good, alice))

		a = h.find("alice@example.test")
		if n := h.countFactors(a); !a.Verified() || a.Locked() || n != 0 {
			t.Errorf("account %+v with %d factors", a, n)
		}
	})
}

// TestAttack_PW_11_NoticeKeepsFactors uses the link of a notice with nothing but the mailbox. A factor that the
// account had before stays.
func TestAttack_PW_11_NoticeKeepsFactors(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		a := h.newMember("alice@example.test", good)
		h.insertTOTP(a)
		h.clock.Advance(time.Second)
		_, err := h.Secure(t.Context(), tenant, h.changePassword(a, good, another), eve)
		h.requireOK(err)
		if n := h.countFactors(a); n != 1 {
			t.Errorf("%d factors", n)
		}
	})
}

// The former address may belong to another account by now.
func TestSecureLinkOfTakenAddress(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		a := h.newMember("alice@example.test", good)
		h.requireOK(h.verifyChange(h.requestEmailChange(a, good, "new@example.test"), good, alice))
		link := h.requireMail(auth.MailEmailChanged, "alice@example.test").Token
		h.newMember("alice@example.test", another)
		out, err := h.Secure(t.Context(), tenant, link, alice)
		if h.requireOK(err); !out.NotMailed || len(h.takeMails()) != 0 {
			t.Errorf("outcome %+v", out)
		}
		h.requireLocked(a, true)
	})
}

func (h *fixture) countFactors(a auth.Account) int {
	h.t.Helper()
	var list []auth.Factor
	h.requireOK(h.db.Read(h.t.Context(), tenant, func(tx *store.Tx) (err error) {
		list, err = tx.Factors(a.ID)
		return err
	}))
	return len(list)
}
