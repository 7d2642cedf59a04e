package account_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/watchword-auth/watchword/internal/account"
	"github.com/watchword-auth/watchword/internal/auth"
)

func byBoth(s *auth.Settings) { s.Identifiers = auth.IdentifyByBoth }

// TestAttack_PW_06_WantedUserNames registers one user name with two addresses. If the first registration
// reserved it, the second would tell whether the first address has an account.
func TestAttack_PW_06_WantedUserNames(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		h.changeSettings(byBoth)
		h.newMember("victim@example.test", good)
		register := func(email, name string) error {
			return h.Register(t.Context(), tenant, account.Registration{Email: email, Password: good, Username: name}, eve)
		}

		h.requireOK(register("victim@example.test", "probe"))
		h.requireOK(register("other@example.test", "probe"))
		h.requireOK(register("nobody@example.test", "wanted"))
		h.requireOK(register("another@example.test", "wanted"))

		mails := map[string]string{}
		for _, m := range h.takeMails() {
			mails[m.Payload.To] = m.Payload.Token
		}
		h.requireOK(h.verify(mails["another@example.test"], eve))
		h.requireOK(h.verify(mails["nobody@example.test"], eve))
		if first, second := h.find("another@example.test").Username, h.find("nobody@example.test").Username; first != "wanted" || second != "" {
			t.Errorf("verified first: %q, second: %q", first, second)
		}
		for _, email := range []string{"victim@example.test", "fresh@example.test"} {
			if e := h.requireRefused(register(email, "W\u200bANTED"), "username_taken"); e.Field != "username" {
				t.Errorf("field %q", e.Field)
			}
		}
		if len(h.takeMails()) != 0 {
			t.Error("a refused registration sent mail")
		}
	})
}

func TestUsername(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		register := func(name string) error {
			return h.Register(t.Context(), tenant, account.Registration{Email: "alice@example.test", Password: good, Username: name}, alice)
		}
		change := func(a auth.Account, name, current string) error {
			_, err := h.Update(t.Context(), tenant, a.ID, account.Patch{Username: &name, CurrentPassword: current}, actorOf(a))
			return err
		}
		h.requireRefused(register("alice"), "username_invalid") // the tenant has none
		h.changeSettings(func(s *auth.Settings) { s.Identifiers = auth.IdentifyByUsername })
		h.requireRefused(register(""), "username_invalid")
		h.requireRefused(register("admin"), "username_reserved")
		h.requireRefused(register("аlice"), "username_invalid")
		h.requireOK(register("Alice"))
		h.requireOK(h.verify(h.requireMail(auth.MailVerify, "alice@example.test").Token, alice))
		a := h.find("ALICE")
		if a.Email.Login != "alice@example.test" || a.Username != "alice" {
			t.Fatalf("found %+v", a)
		}

		h.changeSettings(byBoth)
		bob, err := h.Create(t.Context(), tenant, account.Creation{Email: "bob@example.test", Password: good, Username: "bob", Verified: true}, admin)
		h.requireOK(err)
		_, err = h.Create(t.Context(), tenant, account.Creation{Email: "eve@example.test", Username: "Bob", Verified: true}, admin)
		h.requireRefused(err, "username_taken")
		_, err = h.Create(t.Context(), tenant, account.Creation{Email: "eve@example.test", Username: "bоb"}, admin) // a Cyrillic o
		h.requireRefused(err, "username_invalid")

		h.requireRefused(change(a, "alicia", another), "wrong_password")
		h.requireRefused(change(a, "bob", good), "username_taken")
		h.requireOK(change(a, "Alicia", good))
		h.requireRefused(change(bob, "alice", good), "username_taken") // reserved for its owner
		h.clock.Advance(72 * time.Hour)
		h.requireOK(change(bob, "alice", good))
		h.requireOK(change(bob, "", good))
		if h.find("alicia").ID != a.ID || h.find("bob@example.test").Username != "" {
			t.Error("the user names did not change")
		}
	})
}

// TestAttack_PW_14_UserNameTakenOver changes the user name with which the owner signs in, and registers it. The
// owner hears of it, and the link gives it back.
func TestAttack_PW_14_UserNameTakenOver(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		h.changeSettings(byBoth)
		create := func(email, name string) (auth.Account, error) {
			return h.Create(t.Context(), tenant, account.Creation{Email: email, Password: good, Username: name, Verified: true}, admin)
		}
		a, err := create("alice@example.test", "alice")
		h.requireOK(err)
		change := func(name string) string {
			_, err := h.Update(t.Context(), tenant, a.ID, account.Patch{Username: &name, Fresh: true}, actorOf(a))
			h.requireOK(err)
			return h.requireMail(auth.MailUsernameChanged, "alice@example.test").Token
		}
		owners := change("x-9")
		for i := range 10 {
			change(fmt.Sprintf("x%d0", i))
		}
		change("")
		h.requireRefused(h.Register(t.Context(), tenant, account.Registration{Email: "eve@example.test", Password: good, Username: "Alice"}, eve), "username_taken")
		_, err = create("eve@example.test", "alice")
		h.requireRefused(err, "username_taken")
		_, err = create("bob@example.test", "x90") // an account reserves only a few
		h.requireOK(err)

		need, err := h.SecureRequirements(t.Context(), tenant, owners)
		h.requireOK(err)
		out, err := h.Secure(t.Context(), tenant, owners, alice)
		if h.requireOK(err); out.RestoredName != "alice" || out != need || h.find("alice").ID != a.ID {
			t.Errorf("outcome %+v, announced %+v", out, need)
		}
	})
}

// TestAttack_PW_04_UserNameAsPassword chooses the user name, which is public, as the password.
func TestAttack_PW_04_UserNameAsPassword(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		h.changeSettings(byBoth)
		const name = "margarethe-von-lothringen"
		refused := func(err error) {
			t.Helper()
			h.requireRefused(err, "password_refused")
		}
		refused(h.Register(t.Context(), tenant, account.Registration{Email: "m@example.test", Password: name, Username: name}, alice))
		_, err := h.Create(t.Context(), tenant, account.Creation{Email: "m@example.test", Password: name, Username: name, Verified: true}, admin)
		refused(err)
		a, err := h.Create(t.Context(), tenant, account.Creation{Email: "m@example.test", Password: good, Username: name, Verified: true}, admin)
		h.requireOK(err)
		_, err = h.ChangePassword(t.Context(), tenant, a.ID, good, name, actorOf(a))
		refused(err)
		refused(h.SetPassword(t.Context(), tenant, a.ID, name, admin))
		refused(h.Reset(t.Context(), tenant, h.requestReset("m@example.test"), name, alice))
	})
}

// A second registrar makes the user name uncertain, as it does the password.
func TestAttack_PW_16_ContestedUserName(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		h.changeSettings(byBoth)
		h.requireOK(h.Register(t.Context(), tenant, account.Registration{Email: "alice@example.test", Password: good, Username: "eves-choice"}, eve))
		h.requireOK(h.Register(t.Context(), tenant, account.Registration{Email: "alice@example.test", Password: good}, alice))
		if got := h.find("alice@example.test").Username; got != "" {
			t.Errorf("user name %q", got)
		}
	})
}
