package account_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/watchword-auth/watchword/internal/account"
	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/flow"
	"github.com/watchword-auth/watchword/internal/store"
	"github.com/watchword-auth/watchword/internal/store/storetest"
)

func TestAttack_SE_10_RT_07_DisableAndDelete(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		t.Run("SE-10 disable", func(t *testing.T) {
			a := h.newMember("alice@example.test", good)
			v, f, cookie := h.signIn(a)
			link := h.requestReset("alice@example.test")
			h.requireOK(h.Disable(t.Context(), tenant, a.ID, admin))
			h.requireOK(h.Disable(t.Context(), tenant, a.ID, admin))
			if _, _, err := h.sessions.Find(t.Context(), tenant, cookie); auth.KindOf(err) != auth.KindUnauthenticated {
				t.Errorf("the cookie of a disabled account works: %v", err)
			}
			if h.sessionLive(v, f) {
				t.Error("a session survived")
			}
			h.requireOK(h.Enable(t.Context(), tenant, a.ID, admin))
			if h.sessionLive(v, f) {
				t.Error("enabling the account revived a session")
			}
			h.requireRefused(h.Reset(t.Context(), tenant, link, another, alice), "invalid_link")
			if len(h.events(auth.EventAccountDisabled)) != 1 || len(h.events(auth.EventAccountEnabled)) != 1 {
				t.Error("audit lines are missing or doubled")
			}
		})
		t.Run("SE-10 delete", func(t *testing.T) {
			b := h.newMember("bob@example.test", good)
			v, f, cookie := h.signIn(b)
			link := h.requestReset("bob@example.test")
			h.requireOK(h.Delete(t.Context(), tenant, b.ID, good, actorOf(b)))
			h.requireMail(auth.MailAccountDeleted, "bob@example.test")
			if _, _, err := h.sessions.Find(t.Context(), tenant, cookie); auth.KindOf(err) != auth.KindUnauthenticated {
				t.Errorf("the cookie of a deleted account works: %v", err)
			}
			if h.sessionLive(v, f) {
				t.Error("a session survived")
			}
			h.requireRefused(h.Reset(t.Context(), tenant, link, another, alice), "invalid_link")
			if again := h.newMember("bob@example.test", another); again.ID == b.ID {
				t.Error("a new account has the old id")
			}
		})
		t.Run("by an operator", func(t *testing.T) {
			c := h.newMember("carol@example.test", good)
			h.requireOK(h.Remove(t.Context(), tenant, c.ID, admin))
			h.requireRefused(h.Remove(t.Context(), tenant, c.ID, admin), "not_found")
		})
	})
}

func TestEndSessions(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		a, b := h.newMember("alice@example.test", good), h.newMember("bob@example.test", good)
		one, oneFamily, _ := h.signIn(a)
		two, twoFamily, _ := h.signIn(a)
		three, threeFamily, _ := h.signIn(a)
		bobs, bobsFamily, _ := h.signIn(b)
		h.requireRefused(h.EndSession(t.Context(), tenant, a.ID, bobs.ID, actorOf(a)), "not_found")
		if !h.sessionLive(bobs, bobsFamily) {
			t.Fatal("alice ended bob's session")
		}
		h.requireOK(h.EndSession(t.Context(), tenant, a.ID, one.ID, actorOf(a)))
		err := h.EndSession(t.Context(), tenant, a.ID, one.ID, actorOf(a))
		h.requireRefused(err, "not_found")
		if !strings.Contains(err.Error(), "session") {
			t.Errorf("error %v", err)
		}
		if h.sessionLive(one, oneFamily) || !h.sessionLive(two, twoFamily) {
			t.Error("the wrong session ended")
		}
		n, err := h.EndOtherSessions(t.Context(), tenant, a.ID, two.ID, actorOf(a))
		if h.requireOK(err); n != 1 || h.sessionLive(three, threeFamily) || !h.sessionLive(two, twoFamily) || !h.sessionLive(bobs, bobsFamily) {
			t.Errorf("ended %d", n)
		}
		list, err := h.Sessions(t.Context(), tenant, a.ID)
		if h.requireOK(err); len(list) != 1 || list[0].ID != two.ID {
			t.Errorf("sessions %+v", list)
		}
	})
}

func TestAttack_TN_03_AnotherTenantsAccount(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		storetest.Tenant(t, h.db, "t2")
		a := h.newMember("alice@example.test", good)
		_, err := h.Get(t.Context(), "t2", a.ID)
		h.requireRefused(err, "not_found")
		h.requireRefused(h.Disable(t.Context(), "t2", a.ID, admin), "not_found")
		h.requireRefused(h.Delete(t.Context(), "t2", a.ID, good, actorOf(a)), "not_found")
		_, err = h.Export(t.Context(), "t2", a.ID, actorOf(a))
		h.requireRefused(err, "not_found")
		if list, err := h.List(t.Context(), "t2", store.AccountFilter{}); err != nil || len(list) != 0 {
			t.Errorf("accounts of t2: %v, %v", list, err)
		}
		// The same address is free in t2.
		h.requireOK(h.Register(t.Context(), "t2", account.Registration{Email: "alice@example.test", Password: another}, alice))
		if !h.passwordMatches("alice@example.test", good) {
			t.Error("a registration in t2 changed the account of the default tenant")
		}
	})
}

func TestAttack_OP_05_AuditLines(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		a := h.newMember("alice@example.test", good)
		name, email := "Alice", "alice@new.test"
		_, err := h.Update(t.Context(), tenant, a.ID, account.Patch{Name: &name, Email: &email, CurrentPassword: good}, actorOf(a))
		h.requireOK(err)
		h.requireOK(h.verifyChange(h.requireMail(auth.MailChangeEmail, email).Token, good, alice))
		_, err = h.ChangePassword(t.Context(), tenant, a.ID, good, another, actorOf(a))
		h.requireOK(err)
		h.takeMails()
		h.requireOK(h.Reset(t.Context(), tenant, h.requestReset(email), third, alice))
		h.requireRefused(h.verify("wwl_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", eve), "invalid_link")
		_, err = h.Export(t.Context(), tenant, a.ID, actorOf(a))
		h.requireOK(err)
		h.requireOK(h.Disable(t.Context(), tenant, a.ID, admin))
		h.requireOK(h.Enable(t.Context(), tenant, a.ID, admin))
		h.requireOK(h.Delete(t.Context(), tenant, a.ID, third, actorOf(a)))

		var kinds []auth.EventKind
		for _, e := range h.events("") {
			kinds = append(kinds, e.Kind)
			if !e.At.Equal(h.clock.Now()) || e.At.Location().String() != "UTC" {
				t.Errorf("%s at %v", e.Kind, e.At)
			}
			if e.Kind != auth.EventVerified || e.Outcome == auth.Success {
				if e.Account != a.ID || e.Outcome != auth.Success {
					t.Errorf("%+v", e)
				}
			} else if e.Actor.IP != eve.IP || e.Detail["reason"] == "" {
				t.Errorf("%+v", e)
			}
			if e.Actor.Kind == "" || e.Actor.Kind != auth.ActorOperator && e.Actor.IP == "" {
				t.Errorf("%s without an actor: %+v", e.Kind, e.Actor)
			}
			for k, v := range e.Detail {
				if slices.Contains([]string{good, another, third}, v) {
					t.Errorf("%s: a password in %s", e.Kind, k)
				}
			}
		}
		want := []auth.EventKind{
			auth.EventRegistered, auth.EventVerified, auth.EventEmailChangeRequested, auth.EventProfileChanged, auth.EventEmailChanged, auth.EventPasswordChanged,
			auth.EventPasswordResetRequested, auth.EventPasswordReset, auth.EventVerified, auth.EventAccountExported, auth.EventAccountDisabled,
			auth.EventAccountEnabled, auth.EventAccountDeleted,
		}
		if !slices.Equal(kinds, want) {
			t.Errorf("audit\n got %v\nwant %v", kinds, want)
		}
	})
}

// The last administrator cannot be disabled or deleted without an override.
func TestRepair_R5_LastAdministrator(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		a, second := h.newMember("alice@example.test", good), h.newMember("bob@example.test", good)
		h.requireOK(h.db.Write(t.Context(), tenant, func(tx *store.Tx) error {
			err := tx.InsertRole(auth.Role{ID: "boss", Name: "boss", CreatedAt: tx.Now})
			if err == nil {
				err = tx.PutPermission(auth.Permission{Name: auth.AdminPermission, CreatedAt: tx.Now})
			}
			if err == nil {
				_, err = tx.AddRolePermission("boss", auth.AdminPermission)
			}
			for _, id := range []auth.AccountID{a.ID, second.ID} {
				if err == nil {
					_, err = tx.AssignRole(id, "boss")
				}
			}
			return err
		}))
		h.requireOK(h.Disable(t.Context(), tenant, second.ID, admin))
		for _, err := range []error{
			h.Disable(t.Context(), tenant, a.ID, admin), h.Remove(t.Context(), tenant, a.ID, admin), h.Delete(t.Context(), tenant, a.ID, good, actorOf(a)),
		} {
			h.requireRefused(err, "last_administrator")
		}
		if !h.passwordMatches("alice@example.test", good) {
			t.Error("refused, but disabled or deleted")
		}
		h.requireOK(h.Disable(t.Context(), tenant, a.ID, admin, auth.AllowNoAdministrator))
		h.requireOK(h.Enable(t.Context(), tenant, a.ID, admin))
		h.requireOK(h.Remove(t.Context(), tenant, a.ID, admin, auth.AllowNoAdministrator))
	})
}

// TestAttack_SE_09_PendingChange asks for another address in a stolen session. The change ends with the session,
// and with all that its owner does against the thief.
func TestAttack_SE_09_PendingChange(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		h.changeSettings(func(s *auth.Settings) { s.Lifetimes.SessionIdle = time.Hour })
		for name, end := range map[string]func(a auth.Account, stolen auth.Session) error{
			"the session": func(a auth.Account, stolen auth.Session) error {
				return h.EndSession(t.Context(), tenant, a.ID, stolen.ID, actorOf(a))
			},
			"sign out everywhere": func(a auth.Account, stolen auth.Session) error {
				_, err := h.EndOtherSessions(t.Context(), tenant, a.ID, stolen.ID, actorOf(a))
				return err
			},
			"lock": func(a auth.Account, _ auth.Session) error {
				_, err := h.Lock(t.Context(), tenant, a.ID, actorOf(a))
				return err
			},
			"new password": func(a auth.Account, stolen auth.Session) error {
				own := actorOf(a)
				own.Session = stolen.ID
				_, err := h.ChangePassword(t.Context(), tenant, a.ID, good, another, own)
				return err
			},
			"reset": func(a auth.Account, _ auth.Session) error {
				return h.SetPassword(t.Context(), tenant, a.ID, another, admin)
			},
			"disable": func(a auth.Account, _ auth.Session) error { return h.Disable(t.Context(), tenant, a.ID, admin) },
			"nothing": nil,
		} {
			email := strings.ReplaceAll(name, " ", "-")
			a := h.newMember(email+"@example.test", good)
			v, _, _ := h.signIn(a)
			thief, to := actorOf(a), email+"@evil.test"
			thief.Session = v.ID
			_, err := h.Update(t.Context(), tenant, a.ID, account.Patch{Email: &to, Fresh: true, Browser: "thief"}, thief)
			h.requireOK(err)
			link := account.Verification{Token: h.requireMail(auth.MailChangeEmail, to).Token, Browser: "thief"}
			if end != nil {
				h.requireOK(end(a, v))
				_, err := h.VerifyRequirements(t.Context(), tenant, link)
				h.requireRefused(err, "invalid_link")
				_, err = h.VerifyEmail(t.Context(), tenant, link, eve)
				h.requireRefused(err, "invalid_link")
			} else { // it expires
				h.clock.Advance(verifyLifetime - time.Second)
				_, err := h.VerifyEmail(t.Context(), tenant, link, eve)
				h.requireRefused(err, "password_needed")
			}
			h.takeMails()
		}
	})
}

// TestAttack_SE_10_PendingProofs keeps a sign-in open whose first factor was proved, by the mailbox or otherwise. It
// ends with all that takes the account from whoever began it.
func TestAttack_SE_10_PendingProofs(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		for name, end := range map[string]func(a auth.Account) error{
			"lock": func(a auth.Account) error {
				_, err := h.Lock(t.Context(), tenant, a.ID, actorOf(a))
				return err
			},
			"reset":   func(a auth.Account) error { return h.SetPassword(t.Context(), tenant, a.ID, another, admin) },
			"disable": func(a auth.Account) error { return h.Disable(t.Context(), tenant, a.ID, admin) },
			"address": func(a auth.Account) error {
				return h.verifyChange(h.requestEmailChange(a, good, "new-"+a.Email.Address), good, alice)
			},
			"nothing": func(auth.Account) error { return nil },
		} {
			a := h.newMember(name+"@example.test", good)
			before := h.clock.Now()
			h.clock.Advance(time.Second)
			h.requireOK(end(a))
			h.takeMails()
			for _, method := range []auth.ProofMethod{auth.ProofEmailLink, auth.ProofPasskey, auth.ProofTOTP, auth.ProofRecoveryCode, auth.ProofEmailCode} {
				f := auth.Flow{Proofs: []auth.Proof{{Method: method, Account: a.ID, At: before}}}
				h.requireOK(h.db.Read(t.Context(), tenant, func(tx *store.Tx) error {
					live, err := flow.LiveProofs(tx, f)
					if (len(live) > 0) != (name == "nothing") {
						t.Errorf("%s: %d proofs by %s", name, len(live), method)
					}
					return err
				}))
			}
		}
	})
}
