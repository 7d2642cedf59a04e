package account_test

import (
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/watchword-auth/watchword/internal/account"
	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/limit"
	"github.com/watchword-auth/watchword/internal/store"
)

func TestRegisterAndVerify(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		h.requireOK(h.Register(t.Context(), tenant, account.Registration{Email: "Alice@Example.test", Password: good, Name: " Alice ", Locale: "de"}, alice))
		m := h.requireMail(auth.MailVerify, "Alice@example.test")
		if m.Name != "" || m.Locale != "de" || m.IP != alice.IP || !m.ExpiresAt.Equal(h.clock.Now().Add(verifyLifetime)) {
			t.Errorf("mail %+v", m)
		}
		a := h.find("alice@example.test")
		if a.Verified() || a.Name != "Alice" || a.Locale != "de" || !h.passwordMatches("alice@example.test", good) {
			t.Errorf("account %+v", a)
		}
		h.requireOK(h.verify(m.Token, alice))
		if !h.find("alice@example.test").Verified() {
			t.Error("not verified")
		}
		h.requireRefused(h.verify(m.Token, alice), "invalid_link")
	})
}

func TestRegistrationClosed(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		try := func(email string) error {
			return h.Register(t.Context(), tenant, account.Registration{Email: email, Password: good}, alice)
		}
		h.requireRefused(try("a@example.test"), "registration_closed")
		h.changeSettings(func(s *auth.Settings) { s.Registration = "open" })
		h.requireOK(try("a@example.test"))
		h.changeSettings(func(s *auth.Settings) { s.Registration = "closed" })
		h.requireRefused(try("b@example.test"), "registration_closed")
	}, func(c *account.Config) { c.RegistrationOpen = false })
}

func TestAttack_PW_02_LongPasswords(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		a := h.newMember("alice@example.test", good)
		long := strings.Repeat("x", 1<<20)
		got := h.measureTraces(func() {
			e := h.requireRefused(h.Register(t.Context(), tenant, account.Registration{Email: "b@example.test", Password: long}, alice), "password_refused")
			if reasonCodes(e) != "too_long" || e.Kind != auth.KindInvalid {
				t.Errorf("refused for %q", reasonCodes(e))
			}
		})
		if got != (traces{}) {
			t.Errorf("a long password cost %+v", got)
		}
		hashes := h.hasher.Stats().Done
		_, err := h.ChangePassword(t.Context(), tenant, a.ID, long, another, actorOf(a))
		h.requireRefused(err, "password_too_long")
		if n := h.hasher.Stats().Done - hashes; n != 0 {
			t.Errorf("%d hashes for a password too long", n)
		}
		for _, n := range []int{64, 128} {
			pw := strings.Repeat("quartz-Wren-81 ", 20)[:n]
			email := "n" + strings.Repeat("n", n/32) + "@example.test"
			h.register(email, pw)
			if !h.passwordMatches(email, pw) || h.passwordMatches(email, pw[:n-1]) {
				t.Errorf("a password of %d characters is not stored exactly", n)
			}
		}
	})
}

func TestAttack_PW_04_Policy(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		reg := func(pw string) error {
			return h.Register(t.Context(), tenant, account.Registration{Email: "penelope.cruise@example.test", Name: "Archibald", Password: pw}, alice)
		}
		h.requireOK(h.db.Write(t.Context(), tenant, func(tx *store.Tx) error {
			self, err := tx.CurrentTenant()
			self.Name = "Zanzibar"
			if err != nil {
				return err
			}
			return tx.UpdateCurrentTenant(self)
		}))
		for pw, want := range map[string]string{
			"k7#vQ":                     "too_short",
			"password1":                 "common",
			"penelope.cruise-8841-wave": "context",
			"archibald-8841-wave-tin":   "context",
			"8841-wave-zanzibar-tin":    "context",
		} {
			if got := reasonCodes(h.requireRefused(reg(pw), "password_refused")); !strings.Contains(got, want) {
				t.Errorf("%q refused for %q, want %s", pw, got, want)
			}
		}
		h.changeSettings(func(s *auth.Settings) {
			s.Password = auth.PasswordRules{MinLength: 14, RequireUpper: true, RequireLower: true, RequireDigit: true, RequireSpecial: true}
		})
		if got := reasonCodes(h.requireRefused(reg("qzvxwkjhgfd"), "password_refused")); got != "too_short needs_upper needs_digit needs_special" {
			t.Errorf("refused for %q", got)
		}
		if len(h.takeMails()) != 0 {
			t.Error("a refused registration sent mail")
		}
		h.requireOK(reg("Quartz-Wren-8841-wave"))
	})
}

func TestAttack_PW_06_KnownAddress(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		before := h.inGerman(h.newMember("alice@example.test", good))
		reg := func(email string) {
			h.requireOK(h.Register(t.Context(), tenant, account.Registration{Email: email, Password: another, Name: "Eve"}, eve))
		}
		fresh := h.measureTraces(func() { reg("new@example.test") })
		if known := h.measureTraces(func() { reg("alice@example.test") }); known != fresh {
			t.Errorf("known address cost %+v, new one %+v", known, fresh)
		}
		if pending := h.measureTraces(func() { reg("new@example.test") }); pending != fresh {
			t.Errorf("unverified address cost %+v, new one %+v", pending, fresh)
		}
		reg("ALICE@example.test")
		if m := h.requireMail(auth.MailKnownAddress, "alice@example.test"); m.Token != "" || m.IP != eve.IP || m.Locale != "de" {
			t.Errorf("notice %+v", m)
		}
		if d := cmp.Diff(before, h.find("alice@example.test")); d != "" || !h.passwordMatches("alice@example.test", good) {
			t.Errorf("the account changed: %s", d)
		}
	})
}

func TestAttack_PW_13_Addresses(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		for _, email := range []string{
			`"a@evil"@good.test`, "a@good.test\r\nBcc: x@evil.test", "a@good.test%0d%0aBcc:", "a@good.test,b@evil.test", "<a@evil.test>a@good.test",
			"", "a", "@", "a@b@c.test", "a b@good.test", "a@good..test",
		} {
			h.requireRefused(h.Register(t.Context(), tenant, account.Registration{Email: email, Password: good}, eve), "email_invalid")
			h.requireRefused(h.Forgot(t.Context(), tenant, account.LinkRequest{Email: email}, eve), "email_invalid")
			h.requireRefused(h.resend(email, eve), "email_invalid")
		}
		// A look-alike domain is another mailbox, which gets the mail.
		h.requireOK(h.Register(t.Context(), tenant, account.Registration{Email: "a@gооd.test", Password: good}, eve))
		if all := h.takeMails(); len(all) != 1 || !strings.HasPrefix(all[0].Payload.To, "a@xn--") {
			t.Errorf("mails %+v", all)
		}
	})
}

func TestAttack_PW_15_LinkProvesOnlyItsAddress(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		e := h.newMember("eve@example.test", another)
		link := h.register("alice@example.test", good)
		h.requireOK(h.verify(link, actorOf(e)))
		a := h.find("alice@example.test")
		if !a.Verified() || h.find("eve@example.test").Email.Login != "eve@example.test" {
			t.Error("the link did not verify alice's address for alice")
		}
		for _, id := range []auth.AccountID{a.ID, e.ID} {
			if list, err := h.Sessions(t.Context(), tenant, id); err != nil || len(list) != 0 {
				t.Errorf("sessions %v, %v", list, err)
			}
		}
	})
}

func TestAttack_PW_16_RegisteredByAnother(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		t.Run("PW-16 registered again", func(t *testing.T) {
			h := *h
			h.t = t
			stale := h.register("alice@example.test", another)
			h.requireOK(h.Forgot(t.Context(), tenant, account.LinkRequest{Email: "alice@example.test"}, eve))
			reset := h.requireMail(auth.MailReset, "alice@example.test").Token
			link := h.register("alice@example.test", good)
			h.requireRefused(h.verify(stale, alice), "invalid_link")
			h.requireRefused(h.Reset(t.Context(), tenant, reset, third, eve), "invalid_link")
			if h.find("alice@example.test").Verified() {
				t.Error("the older link verified the address")
			}
			h.requireOK(h.verify(link, alice))
			if h.passwordMatches("alice@example.test", another) || !h.passwordMatches("alice@example.test", good) {
				t.Error("eve's password survived")
			}
		})
		t.Run("PW-16 in use before it was verified", func(t *testing.T) {
			h := *h
			h.t = t
			h.changeSettings(func(s *auth.Settings) { s.AllowUnverified = true })
			stale := h.register("bob@example.test", another)
			v, f, _ := h.signIn(h.find("bob@example.test"))
			h.requireOK(h.Register(t.Context(), tenant, account.Registration{Email: "bob@example.test", Password: good}, alice))
			// The owner of the mailbox is not known yet, so nothing changes yet.
			if !h.sessionLive(v, f) || !h.passwordMatches("bob@example.test", another) {
				t.Error("a stranger took the account over by registering it again")
			}
			link := h.requireMail(auth.MailReset, "bob@example.test").Token
			h.requireRefused(h.verify(stale, alice), "invalid_link")
			h.requireOK(h.Reset(t.Context(), tenant, link, good, alice))
			if h.sessionLive(v, f) || h.passwordMatches("bob@example.test", another) || !h.find("bob@example.test").Verified() {
				t.Error("eve's password or session survived")
			}
			h.changeSettings(func(s *auth.Settings) { s.AllowUnverified = false })
		})
		t.Run("PW-16 created by an administrator", func(t *testing.T) {
			h := *h
			h.t = t
			a, err := h.Create(t.Context(), tenant, account.Creation{Email: "carol@example.test", Password: good}, admin)
			h.requireOK(err)
			h.requireOK(h.db.Write(t.Context(), tenant, func(tx *store.Tx) error {
				if err := tx.InsertRole(auth.Role{ID: "r", Name: "editor", CreatedAt: tx.Now}); err != nil {
					return err
				}
				_, err := tx.AssignRole(a.ID, "r")
				return err
			}))
			h.takeMails()
			h.requireOK(h.Register(t.Context(), tenant, account.Registration{Email: "carol@example.test", Password: another}, eve))
			if !h.passwordMatches("carol@example.test", good) {
				t.Error("a stranger replaced the password of an account with roles")
			}
		})
	})
}

func TestAttack_PW_17_Spellings(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		h.newMember("alice@example.test", good)
		for _, email := range []string{
			"Alice@example.test", "alice@example.test ", "ALICE@EXAMPLE.TEST", "ａｌｉｃｅ@example.test", "al\u200bice@example.test", "alice@EXAMPLE\u3002test",
		} {
			h.requireOK(h.Register(t.Context(), tenant, account.Registration{Email: email, Password: another}, eve))
			h.requireMail(auth.MailKnownAddress, "alice@example.test")
		}
		if list, err := h.List(t.Context(), tenant, store.AccountFilter{}); err != nil || len(list) != 1 {
			t.Errorf("%d accounts, %v", len(list), err)
		}
	})
}

func TestAttack_BF_11_RegisterAndResend(t *testing.T) {
	few := limit.Rate{Count: 3, Per: 3600e9}
	each(t, func(t *testing.T, h *fixture) {
		first := h.register("alice@example.test", good)
		for range 20 {
			h.requireOK(h.Register(t.Context(), tenant, account.Registration{Email: "alice@example.test", Password: another}, eve))
		}
		sent := h.takeMails()
		if len(sent) != 2 {
			t.Errorf("%d mails of 21 registrations, want 3 in all", len(sent)+1)
		}
		for range 20 {
			h.requireOK(h.Register(t.Context(), tenant, account.Registration{Email: "Alice@example.test", Password: third}, eve))
		}
		// Two registrars have registered the address, so both passwords are deleted.
		if h.passwordMatches("alice@example.test", good) || h.passwordMatches("alice@example.test", another) || h.passwordMatches("alice@example.test", third) {
			t.Error("the password of an unverified registrar is valid")
		}
		for range 20 {
			h.requireOK(h.resend("alice@example.test", eve))
		}
		sent = h.takeMails()
		if len(sent) != 2 { // half of the limit of all strangers
			t.Fatalf("%d mails of 20 requests", len(sent))
		}
		for _, token := range []string{first, sent[1].Payload.Token} {
			h.requireRefused(h.verify(token, alice), "password_needed")
		}
		_, err := h.VerifyEmail(t.Context(), tenant, account.Verification{Token: first, Password: good, Program: true}, alice)
		h.requireOK(err)
		h.requireRefused(h.verify(sent[1].Payload.Token, alice), "invalid_link")
	}, func(c *account.Config) { c.Rates["register.account"], c.Rates["resend.account"] = few, few })
}

func TestResendIsUniform(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		h.newMember("proved@example.test", good)
		h.register("pending@example.test", good)
		ask := func(email string) traces {
			return h.measureTraces(func() { h.requireOK(h.resend(email, alice)) })
		}
		want := ask("pending@example.test")
		for _, email := range []string{"proved@example.test", "nobody@example.test"} {
			if got := ask(email); got != want {
				t.Errorf("%s cost %+v, a pending address %+v", email, got, want)
			}
			h.requireOK(h.resend(email, alice))
			h.requireMail(auth.MailNone, email)
		}
	})
}

func TestRegisterInParallel(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				if err := h.Register(t.Context(), tenant, account.Registration{Email: "alice@example.test", Password: good}, alice); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if list, err := h.List(t.Context(), tenant, store.AccountFilter{}); err != nil || len(list) != 1 {
			t.Errorf("%d accounts, %v", len(list), err)
		}
		// Of eight links one works: the newest.
		worked := 0
		for _, m := range h.takeMails() {
			if h.verify(m.Payload.Token, alice) == nil {
				worked++
			}
		}
		if worked != 1 {
			t.Errorf("%d links work", worked)
		}
	})
}

// Strangers must not reach mailboxes behind the operator's relay.
func TestRepair_S23_DomainsOfTheOperator(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		a := h.newMember("alice@example.test", good)
		for _, email := range []string{"root@localhost", "postmaster@127.0.0.1", "x@intranet", "x@10.0.0.1", "x@host.123"} {
			h.requireRefused(h.Register(t.Context(), tenant, account.Registration{Email: email, Password: good}, eve), "email_invalid")
			_, err := h.Update(t.Context(), tenant, a.ID, account.Patch{Email: &email, CurrentPassword: good}, actorOf(a))
			h.requireRefused(err, "email_invalid")
		}
		if all := h.takeMails(); len(all) != 0 {
			t.Errorf("mails %+v", all)
		}
		// An operator may use such an address, and its owner can sign in.
		_, err := h.Create(t.Context(), tenant, account.Creation{Email: "root@intranet", Password: good, Verified: true}, admin)
		h.requireOK(err)
		h.find("root@intranet")
		h.register("x@1.example.test", good)
	})
}
