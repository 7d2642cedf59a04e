package account_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/watchword-auth/watchword/internal/account"
	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/limit"
	"github.com/watchword-auth/watchword/internal/store"
	"github.com/watchword-auth/watchword/internal/store/storetest"
)

func (h *fixture) requestReset(email string) string {
	h.t.Helper()
	h.requireOK(h.Forgot(h.t.Context(), tenant, account.LinkRequest{Email: email}, alice))
	return h.requireMail(auth.MailReset, email).Token
}

func TestAttack_PW_07_ForgotIsUniform(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		h.newMember("alice@example.test", good)
		h.register("pending@example.test", good)
		shut := h.newMember("shut@example.test", good)
		h.requireOK(h.Disable(t.Context(), tenant, shut.ID, admin))
		_, err := h.Create(t.Context(), tenant, account.Creation{Email: "without@example.test", Verified: true}, admin)
		h.requireOK(err)
		ask := func(email string) traces {
			return h.measureTraces(func() { h.requireOK(h.Forgot(t.Context(), tenant, account.LinkRequest{Email: email}, eve)) })
		}
		want := ask("alice@example.test")
		if want.Outbox != 1 || want.Audit != 1 || want.Hashes != 0 {
			t.Fatalf("cost %+v", want)
		}
		for _, email := range []string{"pending@example.test", "shut@example.test", "without@example.test", "nobody@example.test"} {
			if got := ask(email); got != want {
				t.Errorf("%s cost %+v, a known address %+v", email, got, want)
			}
		}
		for email, kind := range map[string]auth.MessageKind{
			"alice@example.test": auth.MailReset, "pending@example.test": auth.MailReset, "without@example.test": auth.MailReset,
			"shut@example.test": auth.MailNone, "nobody@example.test": auth.MailNone,
		} {
			h.requireOK(h.Forgot(t.Context(), tenant, account.LinkRequest{Email: email}, eve))
			m := h.requireMail(kind, email)
			if kind == auth.MailNone {
				h.requireRefused(h.Reset(t.Context(), tenant, m.Token, another, eve), "invalid_link")
			}
		}
	})
}

func TestAttack_PW_08_ResetLinks(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		a := h.newMember("alice@example.test", good)
		reset := func(token, pw string) error { return h.Reset(t.Context(), tenant, token, pw, alice) }
		sub := func(name string, fn func()) {
			h.clock.Advance(time.Hour)
			t.Run("PW-08 "+name, func(t *testing.T) { fn() })
		}
		sub("used twice", func() {
			link := h.requestReset("alice@example.test")
			h.requireOK(reset(link, another))
			h.requireRefused(reset(link, third), "invalid_link")
			h.requireMail(auth.MailPasswordChanged, "alice@example.test")
		})
		sub("older than the newest", func() {
			older, newer := h.requestReset("alice@example.test"), h.requestReset("alice@example.test")
			h.requireRefused(reset(older, third), "invalid_link")
			h.requireOK(reset(newer, good))
			h.takeMails()
		})
		sub("expired by a second", func() {
			link := h.requestReset("alice@example.test")
			h.clock.Advance(resetLifetime + time.Second)
			h.requireRefused(reset(link, third), "invalid_link")
			link = h.requestReset("alice@example.test")
			h.clock.Advance(resetLifetime - time.Second)
			h.requireOK(reset(link, good))
			h.takeMails()
		})
		sub("after the password was changed", func() {
			link := h.requestReset("alice@example.test")
			_, err := h.ChangePassword(t.Context(), tenant, a.ID, good, another, actorOf(a))
			h.requireOK(err)
			h.takeMails()
			h.requireRefused(reset(link, third), "invalid_link")
		})
		sub("after the address was changed", func() {
			link := h.requestReset("alice@example.test")
			email := "alice@new.test"
			_, err := h.Update(t.Context(), tenant, a.ID, account.Patch{Email: &email, CurrentPassword: another}, actorOf(a))
			h.requireOK(err)
			h.requireOK(h.verifyChange(h.requireMail(auth.MailChangeEmail, email).Token, another, alice))
			h.takeMails()
			h.requireRefused(reset(link, third), "invalid_link")
		})
		sub("of a disabled account", func() {
			link := h.requestReset("alice@new.test")
			h.requireOK(h.Disable(t.Context(), tenant, a.ID, admin))
			h.requireRefused(reset(link, third), "invalid_link")
			h.requireOK(h.Enable(t.Context(), tenant, a.ID, admin))
			h.requireRefused(reset(link, third), "invalid_link")
		})
		sub("of another tenant", func() {
			storetest.Tenant(t, h.db, "t2")
			link := h.requestReset("alice@new.test")
			h.requireRefused(h.Reset(t.Context(), "t2", link, third, alice), "invalid_link")
			h.requireOK(reset(link, good))
			h.takeMails()
		})
		sub("garbage, or a link of another kind", func() {
			for _, token := range []string{"", "wwl_", "x", "wwl_" + string(make([]byte, 43)), h.register("new@example.test", good)} {
				h.requireRefused(reset(token, third), "invalid_link")
			}
			h.requireRefused(h.verify(h.requestReset("alice@new.test"), alice), "invalid_link")
		})
		if !h.passwordMatches("alice@new.test", good) {
			t.Error("a refused link changed the password")
		}
	})
}

func TestResetKeepsTheLinkForABetterPassword(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		h.newMember("alice@example.test", good)
		link := h.requestReset("alice@example.test")
		got := h.measureTraces(func() {
			h.requireRefused(h.Reset(t.Context(), tenant, link, "alice@example.test", alice), "password_refused")
		})
		if got != (traces{}) {
			t.Errorf("a refused password cost %+v", got)
		}
		h.requireOK(h.Reset(t.Context(), tenant, link, another, alice))
	})
}

func TestAttack_PW_12_ResetEndsSessions(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		a := h.newMember("alice@example.test", good)
		v, f, _ := h.signIn(a)
		email := "eve@example.test" // an attacker with the session may have requested another address
		_, err := h.Update(t.Context(), tenant, a.ID, account.Patch{Email: &email, CurrentPassword: good}, actorOf(a))
		h.requireOK(err)
		pending := h.requireMail(auth.MailChangeEmail, email).Token
		h.requireOK(h.Reset(t.Context(), tenant, h.requestReset("alice@example.test"), another, alice))
		if h.sessionLive(v, f) {
			t.Error("a session survived the reset")
		}
		h.requireMail(auth.MailPasswordChanged, "alice@example.test")
		h.requireRefused(h.verify(pending, eve), "invalid_link")
		if !h.passwordMatches("alice@example.test", another) || h.passwordMatches("alice@example.test", good) {
			t.Error("the password is not the new one")
		}
	})
}

func TestResetProvesTheAddress(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		verify := h.register("alice@example.test", good)
		h.requireOK(h.Reset(t.Context(), tenant, h.requestReset("alice@example.test"), another, alice))
		if !h.find("alice@example.test").Verified() {
			t.Error("not verified")
		}
		h.requireRefused(h.verify(verify, alice), "invalid_link")
	})
}

// Consents of an account from before its address was verified may be another user's and are
// deleted; later ones stay.
func TestAttack_PW_12_ResetDeletesEarlierConsents(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		h.register("alice@example.test", good)
		id := h.find("alice@example.test").ID
		h.requireOK(h.db.Write(t.Context(), tenant, func(tx *store.Tx) error {
			return tx.InsertClient(auth.Client{ID: "app", Name: "App", Type: auth.ClientWeb, CreatedAt: tx.Now, UpdatedAt: tx.Now})
		}))
		for _, want := range []int{0, 1} {
			var kept []auth.Consent
			h.requireOK(h.db.Write(t.Context(), tenant, func(tx *store.Tx) error {
				return tx.PutConsent(auth.Consent{Account: id, Client: "app", Scope: auth.Scope{"openid"}})
			}))
			h.requireOK(h.Reset(t.Context(), tenant, h.requestReset("alice@example.test"), another, alice))
			h.requireMail(auth.MailPasswordChanged, "alice@example.test")
			h.requireOK(h.db.Read(t.Context(), tenant, func(tx *store.Tx) (err error) {
				kept, err = tx.Consents(id)
				return err
			}))
			if len(kept) != want {
				t.Errorf("%d kept, want %d", len(kept), want)
			}
		}
	})
}

func TestAttack_PW_20_ManyResetRequests(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		h.newMember("alice@example.test", good)
		for _, email := range []string{"alice@example.test", "nobody@example.test"} {
			for i := range 100 {
				h.requireOK(h.Forgot(t.Context(), tenant, account.LinkRequest{Email: email}, auth.Actor{Kind: auth.ActorAnonymous, IP: fmt.Sprintf("198.51.100.%d", i)}))
				h.clock.Advance(600 * time.Millisecond)
			}
			if n := len(h.takeMails()); n != 5 {
				t.Errorf("%d messages to %s in a minute, want 5", n, email)
			}
		}
	}, func(c *account.Config) { c.Rates["forgot.account"] = limit.Rate{Count: 5, Per: time.Hour} })
}

func TestAttack_FL_11_ResetLinkOnTwoNodes(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, cfg store.Config) {
		c := storetest.NewClock()
		cfg.Now = c.Now
		one := newFixture(t, storetest.Open(t, cfg), c)
		other := one
		if one.db.Dialect() == "postgres" { // a SQLite file has one process
			db, err := store.Open(t.Context(), cfg)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { db.Close() })
			other = newFixture(t, db, c)
		}
		one.newMember("alice@example.test", good)
		for round := range 10 {
			link := one.requestReset("alice@example.test")
			passwords := [...]string{good, another, third, "walnut-signal-19-ribbon"}
			var won []string
			var mu sync.Mutex
			var wg sync.WaitGroup
			barrier := make(chan struct{})
			for i, pw := range passwords {
				wg.Go(func() {
					h := one
					if i%2 == 1 {
						h = other
					}
					<-barrier
					err := h.Reset(t.Context(), tenant, link, pw, alice)
					mu.Lock()
					defer mu.Unlock()
					if err == nil {
						won = append(won, pw)
					} else if k := auth.KindOf(err); k != auth.KindInvalid {
						t.Errorf("round %d: %v", round, err)
					}
				})
			}
			close(barrier)
			wg.Wait()
			if len(won) != 1 || !one.passwordMatches("alice@example.test", won[0]) {
				t.Fatalf("round %d: %d resets by one link", round, len(won))
			}
			if n := len(one.takeMails()); n != 1 {
				t.Errorf("round %d: %d notices", round, n)
			}
		}
	})
}
