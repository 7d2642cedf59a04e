package account_test

import (
	"testing"
	"time"

	"github.com/watchword-auth/watchword/internal/account"
	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/limit"
	"github.com/watchword-auth/watchword/internal/password"
	"github.com/watchword-auth/watchword/internal/store"
)

func TestAttack_PW_05_WrongCurrentPassword(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		a := h.newMember("alice@example.test", good)
		v, f, _ := h.signIn(a)
		email := "eve@example.test"
		tries := []func(current string) error{
			func(current string) error {
				_, err := h.ChangePassword(t.Context(), tenant, a.ID, current, another, actorOf(a))
				return err
			},
			func(current string) error {
				_, err := h.Update(t.Context(), tenant, a.ID, account.Patch{Email: &email, CurrentPassword: current}, actorOf(a))
				return err
			},
			func(current string) error { return h.Delete(t.Context(), tenant, a.ID, current, actorOf(a)) },
		}
		for i, try := range tries {
			for _, current := range []string{"", another} {
				if e := h.requireRefused(try(current), "wrong_password"); e.Kind != auth.KindForbidden {
					t.Errorf("try %d: kind %v", i, e.Kind)
				}
			}
		}
		// All operations share the limit, and the right password is throttled, too.
		hashes := h.hasher.Stats().Done
		for i, try := range tries {
			if e := h.requireRefused(try(good), "rate_limited"); e.RetryAfter <= 0 || e.RetryAfter > 15*time.Minute {
				t.Errorf("try %d: retry after %v", i, e.RetryAfter)
			}
		}
		if h.hasher.Stats().Done != hashes {
			t.Error("hashed while throttled")
		}
		for _, kind := range []auth.EventKind{auth.EventPasswordChanged, auth.EventEmailChangeRequested, auth.EventAccountDeleted} {
			list := h.events(kind)
			if len(list) != 2 || list[0].Outcome != auth.Failure || list[0].Account != a.ID || list[0].Actor.Account() != a.ID {
				t.Errorf("%s: %+v", kind, list)
			}
		}
		if !h.sessionLive(v, f) || !h.passwordMatches("alice@example.test", good) || len(h.takeMails()) != 0 {
			t.Error("a refused change changed something")
		}
		h.clock.Advance(15 * time.Minute)
		h.requireOK(tries[0](good))
	}, func(c *account.Config) { c.Rates["change.account"] = limit.Rate{Count: 6, Per: 15 * time.Minute} })
}

func TestAttack_PW_12_RT_08_ChangeEndsTheOthers(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		a := h.newMember("alice@example.test", good)
		own, ownFamily, cookie := h.signIn(a)
		other, otherFamily, _ := h.signIn(a)
		b := h.newMember("bob@example.test", good)
		bobs, bobsFamily, _ := h.signIn(b)
		actor := actorOf(a)
		actor.Session = own.ID
		renewed, err := h.ChangePassword(t.Context(), tenant, a.ID, good, another, actor)
		h.requireOK(err)
		if h.sessionLive(other, otherFamily) {
			t.Error("another session survived")
		}
		if !h.sessionLive(own, ownFamily) || !h.sessionLive(bobs, bobsFamily) {
			t.Error("the own session or one of another account ended")
		}
		if _, _, err := h.sessions.Find(t.Context(), tenant, cookie); auth.KindOf(err) != auth.KindUnauthenticated {
			t.Errorf("SE-01: the old cookie still works: %v", err)
		}
		if v, _, err := h.sessions.Find(t.Context(), tenant, renewed.Reveal()); err != nil || v.ID != own.ID {
			t.Errorf("the new cookie does not work: %v", err)
		}
		h.requireMail(auth.MailPasswordChanged, "alice@example.test")
		if !h.passwordMatches("alice@example.test", another) {
			t.Error("the password is not the new one")
		}
	})
}

func TestChangeRefusesWeakPasswords(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		a := h.newMember("alice@example.test", good)
		_, err := h.ChangePassword(t.Context(), tenant, a.ID, good, "password1", actorOf(a))
		if e := h.requireRefused(err, "password_refused"); e.Field != "new_password" {
			t.Errorf("field %q", e.Field)
		}
	})
}

// An actor with a session of another account changes nothing.
func TestChangeWithASessionOfAnotherAccount(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		a, b := h.newMember("alice@example.test", good), h.newMember("bob@example.test", good)
		bobs, family, cookie := h.signIn(b)
		mine, myFamily, _ := h.signIn(a)
		actor := actorOf(a)
		actor.Session = bobs.ID
		_, err := h.ChangePassword(t.Context(), tenant, a.ID, good, another, actor)
		h.requireRefused(err, "session_invalid")
		if !h.sessionLive(mine, myFamily) || !h.sessionLive(bobs, family) || !h.passwordMatches("alice@example.test", good) {
			t.Error("something has changed")
		}
		if _, _, err := h.sessions.Find(t.Context(), tenant, cookie); err != nil {
			t.Error(err)
		}
	})
}

// TestAttack_MF_06_SessionThatEndsMeanwhile: a request that waited for its body while the owner ended its session
// changes nothing.
func TestAttack_MF_06_SessionThatEndsMeanwhile(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		a := h.newMember("alice@example.test", good)
		v, _, _ := h.signIn(a)
		thief := actorOf(a)
		thief.Session = v.ID
		h.requireOK(h.EndSession(t.Context(), tenant, a.ID, v.ID, actorOf(a)))
		h.takeMails()
		email, name, username := "eve@example.test", "Eve", "eve"
		h.changeSettings(byBoth)
		update := func(p account.Patch) error {
			p.Fresh = true // as the route decided before
			_, err := h.Update(t.Context(), tenant, a.ID, p, thief)
			return err
		}
		for what, change := range map[string]func() error{
			"address":   func() error { return update(account.Patch{Email: &email}) },
			"user name": func() error { return update(account.Patch{Username: &username}) },
			"name":      func() error { return update(account.Patch{Name: &name}) },
			"picture":   func() error { return h.SetPicture(t.Context(), tenant, a.ID, dot(t), thief) },
			"password": func() error {
				_, err := h.ChangePassword(t.Context(), tenant, a.ID, good, another, thief)
				return err
			},
			"deletion":                   func() error { return h.DeleteFresh(t.Context(), tenant, a.ID, thief) },
			"deletion with the password": func() error { return h.Delete(t.Context(), tenant, a.ID, good, thief) },
		} {
			t.Log(what)
			h.requireRefused(change(), "session_invalid")
		}
		if mails := h.takeMails(); len(mails) != 0 || !h.passwordMatches("alice@example.test", good) {
			t.Errorf("mails %v, or another password", mails)
		}
	})
}

func TestOperatorSetsPassword(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		a := h.newMember("alice@example.test", good)
		v, f, _ := h.signIn(a)
		h.requireRefused(h.SetPassword(t.Context(), tenant, a.ID, "password1", admin), "password_refused")
		h.requireOK(h.SetPassword(t.Context(), tenant, a.ID, another, admin))
		if h.sessionLive(v, f) || !h.passwordMatches("alice@example.test", another) {
			t.Error("not replaced, or a session survived")
		}
		h.requireMail(auth.MailPasswordChanged, "alice@example.test")
		h.requireRefused(h.SetPassword(t.Context(), tenant, "nobody", another, admin), "not_found")
	})
}

// A password that was replaced during its comparison is refused.
func TestReplacedWhileCompared(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		a := h.newMember("alice@example.test", good)
		next, err := h.hasher.Hash(t.Context(), third)
		h.requireOK(err)
		slow, err := password.New(password.Config{Params: password.Params{Memory: 64, Time: 1, Parallelism: 1}, MaxMemory: 64, MaxWait: time.Minute, Now: time.Now, Observe: func(time.Duration) {
			h.requireOK(h.db.Write(t.Context(), tenant, func(tx *store.Tx) error { return tx.SetPassword(a.ID, next) }))
		}})
		h.requireOK(err)
		late := newFixture(t, h.db, h.clock, func(c *account.Config) { c.Hasher = slow })
		h.requireRefused(late.Delete(t.Context(), tenant, a.ID, good, actorOf(a)), "changed_meanwhile")
		if !h.passwordMatches("alice@example.test", third) {
			t.Error("the account was deleted")
		}
	})
}

func TestRightPasswordsDoNotCount(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		a := h.newMember("alice@example.test", good)
		for i := range 8 {
			from, to := good, another
			if i%2 == 1 {
				from, to = another, good
			}
			_, err := h.ChangePassword(t.Context(), tenant, a.ID, from, to, actorOf(a))
			h.requireOK(err)
			_, err = h.ChangePassword(t.Context(), tenant, a.ID, to, "password1", actorOf(a))
			h.requireRefused(err, "password_refused")
		}
	}, func(c *account.Config) { c.Rates["change.account"] = limit.Rate{Count: 3, Per: 15 * time.Minute} })
}
