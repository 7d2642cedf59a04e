package login_test

import (
	"testing"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/session"
	"github.com/watchword-auth/watchword/internal/store"
	"github.com/watchword-auth/watchword/internal/store/storetest"
)

func TestRemember(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		alice := h.insertAccount("alice@example.test", good)
		v := &browser{h: h}
		first := v.requireSignIn("alice@example.test", true)
		if v.rememberMe == "" || first.RememberMe == "" {
			t.Fatal("no remember-me token")
		}
		authenticated := h.clock.Now()
		for range 3 { // each time the browser opens
			h.clock.Advance(48 * time.Hour)
			used := v.rememberMe
			v = v.reopen()
			e, err := v.resume()
			h.requireOK(err)
			if e.Session.AuthAt != authenticated || e.Session.ID == first.ID || e.Session.RememberMe != first.RememberMe || v.rememberMe == used || v.accounts()[0] != alice.ID {
				t.Errorf("%+v", e)
			}
		}
		if e := h.events(auth.EventLogin); len(e) != 4 || e[0].Detail["method"] != "remembered" {
			t.Errorf("audit: %+v", e)
		}
		// The account is signed in already: no token is consumed.
		kept := v.rememberMe
		if e, err := v.resume(); err != nil || e.RememberMe != "" || e.Cookie != v.cookie || v.rememberMe != kept {
			t.Errorf("%+v, %v", e, err)
		}
		// The session ends with its series.
		h.clock.Advance(30*24*time.Hour - 3*48*time.Hour - time.Second)
		v = v.reopen()
		e, err := v.resume()
		h.requireOK(err)
		if e.Session.ExpiresAt != h.clock.Now().Add(time.Second) {
			t.Errorf("until %s", e.Session.ExpiresAt)
		}
		h.clock.Advance(time.Second)
		_, err = v.reopen().resume()
		h.requireRefused(err, "session_invalid")
	})
}

// SE-14: the second use of a copied remember-me cookie ends the series and its sessions, and the
// owner is notified.
func TestAttack_SE_14_CopiedRememberMeCookie(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		a := h.insertAccount("alice@example.test", good)
		elsewhere := &browser{h: h}
		elsewhere.requireSignIn("alice@example.test", true)
		v := &browser{h: h}
		v.requireSignIn("alice@example.test", true)
		thief := v.reopen()
		_, err := thief.resume()
		h.requireOK(err)
		thief = thief.reopen() // and uses the successor
		_, err = thief.resume()
		h.requireOK(err)
		h.clock.Advance(10*time.Second + time.Millisecond)
		_, err = v.reopen().resume()
		h.requireRefused(err, "session_invalid")
		if len(v.accounts()) != 0 || len(thief.accounts()) != 0 {
			t.Error("a session of the series is live")
		}
		for name, w := range map[string]*browser{"thief": thief, "owner": v} {
			_, err := w.reopen().resume()
			h.requireRefused(err, "session_invalid")
			if len(w.reopen().accounts()) != 0 {
				t.Errorf("%s", name)
			}
		}
		if len(elsewhere.accounts()) != 1 {
			t.Error("another series has ended")
		}
		if e := h.events(auth.EventRememberMeReused); len(e) != 1 || e[0].Account != a.ID || e[0].Outcome != auth.Failure || e[0].Actor.IP != browserActor.IP {
			t.Errorf("audit: %+v", e)
		}
		var mails []auth.Mail
		for _, m := range storetest.TakeMessages(t, h.db, "mail.") {
			if m.Kind == auth.MailSessionsEnded {
				mails = append(mails, m.Payload)
			}
		}
		if len(mails) != 1 || mails[0].To != "alice@example.test" {
			t.Errorf("mails: %+v", mails)
		}
	})
}

// Two tabs that open at once are a race, and both get the same successor.
func TestRememberMeCookieGrace(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		h.insertAccount("alice@example.test", good)
		v := &browser{h: h}
		v.requireSignIn("alice@example.test", true)
		one, two := v.reopen(), v.reopen()
		first, err := one.resume()
		h.requireOK(err)
		h.clock.Advance(10 * time.Second)
		second, err := two.resume()
		h.requireOK(err)
		if first.RememberMe == "" || second.RememberMe != first.RememberMe || len(one.accounts()) != 1 || len(two.accounts()) != 1 {
			t.Errorf("%+v, %+v", first, second)
		}
		h.clock.Advance(time.Hour)
		_, err = one.reopen().resume()
		h.requireOK(err)
	})
}

// A browser that lost the response gets the same successor again for a day, until the successor
// was used.
func TestRepair_B9_RememberMeCookieAfterLostResponse(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		h.insertAccount("alice@example.test", good)
		v := &browser{h: h}
		v.requireSignIn("alice@example.test", true)
		lost, err := v.reopen().resume()
		h.requireOK(err)
		h.clock.Advance(23 * time.Hour)
		again := v.reopen()
		e, err := again.resume()
		h.requireOK(err)
		if e.RememberMe == "" || e.RememberMe != lost.RememberMe {
			t.Error("another successor, or none")
		}
		_, err = again.reopen().resume()
		h.requireOK(err)
		_, err = v.reopen().resume() // the successor was used meanwhile
		h.requireRefused(err, "session_invalid")
		if e := h.events(auth.EventRememberMeReused); len(e) != 1 || e[0].Detail["verdict"] != "reuse" {
			t.Errorf("audit: %+v", e)
		}
	})
}

func TestRepair_B9_LateRememberMeCookieSendsNoMail(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		h.insertAccount("alice@example.test", good)
		v := &browser{h: h}
		v.requireSignIn("alice@example.test", true)
		_, err := v.reopen().resume()
		h.requireOK(err)
		h.clock.Advance(24*time.Hour + time.Millisecond)
		_, err = v.reopen().resume()
		h.requireRefused(err, "session_invalid")
		if e := h.events(auth.EventRememberMeReused); len(e) != 1 || e[0].Detail["verdict"] != "late" {
			t.Errorf("audit: %+v", e)
		}
		if list := storetest.TakeMessages(t, h.db, "mail."); len(list) != 0 {
			t.Errorf("mails: %+v", list)
		}
	})
}

func TestRepair_B9_CopiedRememberMeCookieIsDetected(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		h.insertAccount("alice@example.test", good)
		owner := &browser{h: h}
		owner.requireSignIn("alice@example.test", true)
		for range auth.MaxRetries {
			thief := owner.reopen()
			owner = owner.reopen()
			_, err := owner.resume()
			h.requireOK(err)
			h.clock.Advance(time.Minute)
			_, err = thief.resume()
			h.requireOK(err)
		}
		thief := owner.reopen()
		_, err := owner.reopen().resume()
		h.requireOK(err)
		h.clock.Advance(time.Minute)
		_, err = thief.resume()
		h.requireRefused(err, "session_invalid")
		if e := h.events(auth.EventRememberMeReused); len(e) != 1 || e[0].Detail["verdict"] != "reuse" {
			t.Errorf("audit: %+v", e)
		}
	})
}

// A copy that is sometimes used within the grace period is still detected.
func TestRepair_B9_RacesDoNotHideACopiedRememberMeCookie(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		h.insertAccount("alice@example.test", good)
		owner := &browser{h: h}
		owner.requireSignIn("alice@example.test", true)
		for step := 1; step <= 2*(auth.MaxRetries+1); step++ {
			thief := owner.reopen()
			owner = owner.reopen()
			_, err := owner.resume()
			h.requireOK(err)
			if h.clock.Advance(time.Second); step%3 != 0 {
				h.clock.Advance(time.Minute)
			}
			if _, err = thief.resume(); err != nil {
				h.requireRefused(err, "session_invalid")
				if step <= auth.MaxRetries {
					t.Errorf("refused as a copy at step %d", step)
				}
				return
			}
		}
		t.Error("the copy was never detected")
	})
}

// Everything that ends the sessions of a series ends the series, except the limit on sessions.
func TestEndsOfASeries(t *testing.T) {
	endings := map[string]func(h *fixture, v *browser) error{
		"sign-out": func(h *fixture, v *browser) error {
			_, err := h.SignOutBrowser(h.t.Context(), tenant, v.sessions(), "", browserActor)
			return err
		},
		"end of all": func(h *fixture, v *browser) error { return h.endAllSessions(v.sessions()[0].Account.ID, "") },
		"disabled": func(h *fixture, v *browser) error {
			return h.db.Write(h.t.Context(), tenant, func(tx *store.Tx) error {
				a, err := tx.AccountByLogin("alice@example.test")
				if err != nil {
					return err
				}
				a.DisabledAt = tx.Now
				return tx.UpdateAccount(a)
			})
		},
		"a new one": func(h *fixture, v *browser) error {
			w := &browser{h: h, rememberMe: v.rememberMe}
			w.requireSignIn("alice@example.test", true)
			return nil
		},
	}
	for name, end := range endings {
		t.Run(name, func(t *testing.T) {
			each(t, func(t *testing.T, h *fixture) {
				h.insertAccount("alice@example.test", good)
				v := &browser{h: h}
				v.requireSignIn("alice@example.test", true)
				h.requireOK(end(h, v))
				_, err := v.reopen().resume()
				h.requireRefused(err, "session_invalid")
			})
		})
	}
	t.Run("kept when the owner ends all other sessions", func(t *testing.T) {
		each(t, func(t *testing.T, h *fixture) {
			a := h.insertAccount("alice@example.test", good)
			own, other := &browser{h: h}, &browser{h: h}
			s := own.requireSignIn("alice@example.test", true)
			other.requireSignIn("alice@example.test", true)
			h.requireOK(h.endAllSessions(a.ID, s.ID))
			_, err := other.reopen().resume()
			h.requireRefused(err, "session_invalid")
			_, err = own.reopen().resume()
			h.requireOK(err)
		})
	})
	t.Run("unaffected by another account", func(t *testing.T) {
		each(t, func(t *testing.T, h *fixture) {
			h.insertAccount("alice@example.test", good)
			h.insertAccount("bob@example.test", good)
			v := &browser{h: h}
			v.requireSignIn("alice@example.test", true)
			alices := v.rememberMe
			v.requireSignIn("bob@example.test", true)
			if v.rememberMe == alices {
				t.Error("bob has the token of alice")
			}
			_, err := (&browser{h: h, rememberMe: alices}).resume()
			h.requireOK(err)
		})
	})
}

func TestAttack_SE_12_RememberMeCookies(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		h.insertAccount("alice@example.test", good)
		v := &browser{h: h}
		v.requireSignIn("alice@example.test", true)
		for _, bad := range []string{"", "wwm_", v.rememberMe[:40], v.rememberMe + "A", "wwa_" + v.rememberMe[4:], v.rememberMe + "=", "wwm_\x00" + v.rememberMe[5:], session.RememberMePrefix + v.cookie} {
			_, err := (&browser{h: h, rememberMe: bad}).resume()
			h.requireRefused(err, "session_invalid")
		}
		if _, err := h.Resume(t.Context(), "other", v.rememberMe, nil, browserActor); err == nil {
			t.Error("another tenant accepts it")
		}
		_, err := v.reopen().resume()
		h.requireOK(err)
	})
}
