package login_test

import (
	"testing"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/flow"
	"github.com/watchword-auth/watchword/internal/login"
	"github.com/watchword-auth/watchword/internal/session"
	"github.com/watchword-auth/watchword/internal/store"
)

// visitor is a browser with its two cookies.
type visitor struct {
	h            *house
	cookie, keep string
}

func (v *visitor) signed() []session.SignedIn {
	v.h.t.Helper()
	list, err := v.h.sessions.FindAll(v.h.t.Context(), tenant, v.cookie)
	v.h.ok(err)
	return list
}

func (v *visitor) try(email, pw string, remember bool) (login.SignedIn, error) {
	v.h.t.Helper()
	b := flow.Browser{Sessions: v.signed(), Actor: browser}
	e, err := v.h.SignInBrowser(v.h.t.Context(), login.PasswordForm{FormRef: v.h.form(b), Email: email, Password: pw, Remember: remember, RememberMe: v.keep})
	v.take(e)
	return e, err
}

// form is what the form of a sign-in page sends back, in a new flow.
func (h *house) form(b flow.Browser) flow.FormRef {
	h.t.Helper()
	b.EnsureSecret()
	step, err := h.flows.Start(h.t.Context(), tenant, auth.FlowAccount, b)
	h.ok(err)
	return flow.FormRef{Tenant: tenant, Flow: step.Flow.ID, CSRF: step.CSRF, Browser: b}
}

func (v *visitor) enter(email string, remember bool) auth.Session {
	v.h.t.Helper()
	e, err := v.try(email, good, remember)
	v.h.ok(err)
	return e.Session
}

func (v *visitor) take(e login.SignedIn) {
	if e.Cookie != "" {
		v.cookie = e.Cookie
	}
	if e.RememberMe != "" {
		v.keep = e.RememberMe.Reveal()
	}
}

func (v *visitor) resume() (login.SignedIn, error) {
	v.h.t.Helper()
	e, err := v.h.Resume(v.h.t.Context(), tenant, v.keep, v.signed(), browser)
	v.take(e)
	return e, err
}

// closed is the browser after it was closed: only the keep cookie is left.
func (v *visitor) closed() *visitor { return &visitor{h: v.h, keep: v.keep} }

func (v *visitor) who() (names []auth.AccountID) {
	v.h.t.Helper()
	for _, s := range v.signed() {
		names = append(names, s.Account.ID)
	}
	return names
}

// SE-01, SE-02: whatever cookie the browser had before, signing in gives another, and
// the one before is dead or was never this person's.
func TestAttack_SE_01_SE_02_Enter(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		alice, bob := h.person("alice@example.test", good), h.person("bob@example.test", good)
		v := &visitor{h: h}
		first := v.enter("alice@example.test", false)
		old := v.cookie
		h.clock.Advance(time.Minute)
		again := v.enter("alice@example.test", false)
		if again.ID != first.ID || again.AuthAt != h.clock.Now() || v.cookie == old {
			t.Errorf("signed in again: %+v", again)
		}
		if list := (&visitor{h: h, cookie: old}).signed(); len(list) != 0 {
			t.Error("the old cookie lives")
		}
		// Eve plants her own cookie in bob's browser: he gets a secret of his own, and her
		// copy never becomes his.
		eve := &visitor{h: h}
		h.person("eve@example.test", good)
		eve.enter("eve@example.test", false)
		planted := eve.cookie
		v = &visitor{h: h, cookie: planted}
		v.enter("bob@example.test", false)
		if v.cookie == planted || v.who()[0] != bob.ID {
			t.Errorf("bob is %v", v.who())
		}
		if got := eve.who(); len(got) != 1 || got[0] == bob.ID {
			t.Errorf("eve is %v", got)
		}
		for _, junk := range []string{"wwa_x", planted + planted, "\x00", planted[:20]} {
			v := &visitor{h: h, cookie: junk}
			v.enter("alice@example.test", false)
			if got := v.who(); len(got) != 1 || got[0] != alice.ID {
				t.Errorf("after %q: %v", junk, got)
			}
		}
	})
}

func TestSeveralAccounts(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		v := &visitor{h: h}
		var ids []auth.AccountID
		var oldest auth.Session
		for i, name := range []string{"a", "b", "c", "d", "e", "f"} {
			ids = append(ids, h.person(name+"@example.test", good).ID)
			s := v.enter(name+"@example.test", false)
			if i == 0 {
				oldest = s
			}
		}
		if got := v.who(); len(got) != session.MaxAccounts || got[0] != ids[5] || got[4] != ids[1] {
			t.Errorf("%v", got)
		}
		h.ok(h.db.Read(t.Context(), tenant, func(tx *store.Tx) error {
			s, err := tx.Session(oldest.ID)
			if s.EndReason != auth.EndCrowded {
				t.Errorf("the one that fell out: %+v", s)
			}
			return err
		}))
		v.enter("c@example.test", false) // comes to the front
		if got := v.who(); len(got) != session.MaxAccounts || got[0] != ids[2] {
			t.Errorf("%v", got)
		}
		list := v.signed()
		cookie, err := h.SignOutBrowser(t.Context(), tenant, list, list[0].Session.ID, browser)
		h.ok(err)
		left := &visitor{h: h, cookie: cookie}
		if got := left.who(); len(got) != 4 || got[0] != ids[5] || len(v.who()) != 4 {
			t.Errorf("%v", got)
		}
		if cookie, err = h.SignOutBrowser(t.Context(), tenant, left.signed(), "", browser); err != nil || cookie != "" || len(v.who()) != 0 {
			t.Errorf("all left: %q, %v", cookie, err)
		}
		if n := len(h.events(auth.EventLogout)); n != 5 {
			t.Errorf("%d lines of log-outs", n)
		}
	})
}

// Enter goes the way that Password goes, so what a stranger sees and what it costs is
// the same for every wrong try.
func TestAttack_BF_03_EnterIsOnePipeline(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		h.person("alice@example.test", good)
		h.person("shut@example.test", good, func(a *auth.Account) { a.DisabledAt = a.CreatedAt })
		h.person("new@example.test", good, func(a *auth.Account) { a.EmailVerifiedAt = time.Time{} })
		v := &visitor{h: h}
		for _, email := range []string{"alice@example.test", "nobody@example.test", "shut@example.test"} {
			for i := range tries {
				hashes := h.hasher.Stats().Done
				pw := another
				if email == "shut@example.test" {
					pw = good
				}
				e, err := v.try(email, pw, true)
				h.refused(err, "invalid_credentials")
				if e.Cookie != "" || e.RememberMe != "" || h.hasher.Stats().Done != hashes+1 {
					t.Errorf("%s, try %d: %+v", email, i, e)
				}
			}
			_, err := v.try(email, good, true)
			h.refused(err, "rate_limited")
		}
		_, err := v.try("new@example.test", good, true)
		h.refused(err, "email_not_verified")
		if n := len(h.events(auth.EventLogin)); n != 3*tries+1 {
			t.Errorf("%d audit lines", n)
		}
	}, strict)
}

func TestRemember(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		alice := h.person("alice@example.test", good)
		v := &visitor{h: h}
		first := v.enter("alice@example.test", true)
		if v.keep == "" || first.RememberMe == "" {
			t.Fatal("not remembered")
		}
		proved := h.clock.Now()
		for range 3 { // each time the browser opens
			h.clock.Advance(48 * time.Hour)
			spent := v.keep
			v = v.closed()
			e, err := v.resume()
			h.ok(err)
			if e.Session.AuthAt != proved || e.Session.ID == first.ID || e.Session.RememberMe != first.RememberMe || v.keep == spent || v.who()[0] != alice.ID {
				t.Errorf("%+v", e)
			}
		}
		if e := h.events(auth.EventLogin); len(e) != 4 || e[0].Detail["method"] != "remembered" {
			t.Errorf("audit: %+v", e)
		}
		// Somebody is there already: nothing is spent.
		kept := v.keep
		if e, err := v.resume(); err != nil || e.RememberMe != "" || e.Cookie != v.cookie || v.keep != kept {
			t.Errorf("%+v, %v", e, err)
		}
		// It ends with the series, and so do its sessions.
		h.clock.Advance(30*24*time.Hour - 3*48*time.Hour - time.Second)
		v = v.closed()
		e, err := v.resume()
		h.ok(err)
		if e.Session.ExpiresAt != h.clock.Now().Add(time.Second) {
			t.Errorf("until %s", e.Session.ExpiresAt)
		}
		h.clock.Advance(time.Second)
		_, err = v.closed().resume()
		h.refused(err, "session_invalid")
	})
}

// SE-14: of a copied keep cookie one use goes through, and the other ends everything
// that came of it; the owner is told.
func TestAttack_SE_14_CopiedKeepCookie(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		a := h.person("alice@example.test", good)
		elsewhere := &visitor{h: h}
		elsewhere.enter("alice@example.test", true)
		v := &visitor{h: h}
		v.enter("alice@example.test", true)
		thief := v.closed()
		_, err := thief.resume()
		h.ok(err)
		thief = thief.closed() // and uses the successor
		_, err = thief.resume()
		h.ok(err)
		h.clock.Advance(10*time.Second + time.Millisecond)
		_, err = v.closed().resume()
		h.refused(err, "session_invalid")
		if len(v.who()) != 0 || len(thief.who()) != 0 {
			t.Error("a session of the series lives")
		}
		for name, w := range map[string]*visitor{"thief": thief, "owner": v} {
			_, err := w.closed().resume()
			h.refused(err, "session_invalid")
			if len(w.closed().who()) != 0 {
				t.Errorf("%s", name)
			}
		}
		if len(elsewhere.who()) != 1 {
			t.Error("another series has ended")
		}
		if e := h.events(auth.EventRememberMeReused); len(e) != 1 || e[0].Account != a.ID || e[0].Outcome != auth.Failure || e[0].Actor.IP != browser.IP {
			t.Errorf("audit: %+v", e)
		}
		var mails []auth.Mail
		h.ok(h.db.WriteSystem(t.Context(), func(tx *store.SystemTx) error {
			list, err := tx.ClaimMessages("test", tx.Now.Add(time.Minute), "mail.", 10)
			for _, m := range list {
				if m.Kind == auth.MailSessionsEnded {
					mails = append(mails, m.Payload)
				}
			}
			return err
		}))
		if len(mails) != 1 || mails[0].To != "alice@example.test" {
			t.Errorf("mails: %+v", mails)
		}
	})
}

// Two tabs that open at once are no theft, and both get the same next token.
func TestKeepCookieGrace(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		h.person("alice@example.test", good)
		v := &visitor{h: h}
		v.enter("alice@example.test", true)
		one, two := v.closed(), v.closed()
		first, err := one.resume()
		h.ok(err)
		h.clock.Advance(10 * time.Second)
		second, err := two.resume()
		h.ok(err)
		if first.RememberMe == "" || second.RememberMe != first.RememberMe || len(one.who()) != 1 || len(two.who()) != 1 {
			t.Errorf("%+v, %+v", first, second)
		}
		h.clock.Advance(time.Hour)
		_, err = one.closed().resume()
		h.ok(err)
	})
}

// A browser that lost the answer to its remember-me token gets the same successor again
// for a day; nobody is warned before the successor was used.
func TestRepair_B9_KeepCookieWhoseAnswerWasLost(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		h.person("alice@example.test", good)
		v := &visitor{h: h}
		v.enter("alice@example.test", true)
		lost, err := v.closed().resume()
		h.ok(err)
		h.clock.Advance(23 * time.Hour)
		again := v.closed()
		e, err := again.resume()
		h.ok(err)
		if e.RememberMe == "" || e.RememberMe != lost.RememberMe {
			t.Error("another successor, or none")
		}
		_, err = again.closed().resume()
		h.ok(err)
		_, err = v.closed().resume() // the successor was used meanwhile
		h.refused(err, "session_invalid")
		if e := h.events(auth.EventRememberMeReused); len(e) != 1 || e[0].Detail["verdict"] != "reuse" {
			t.Errorf("audit: %+v", e)
		}
	})
}

func TestRepair_B9_KeepCookieThatComesTooLateIsNoTheft(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		h.person("alice@example.test", good)
		v := &visitor{h: h}
		v.enter("alice@example.test", true)
		_, err := v.closed().resume()
		h.ok(err)
		h.clock.Advance(24*time.Hour + time.Millisecond)
		_, err = v.closed().resume()
		h.refused(err, "session_invalid")
		if e := h.events(auth.EventRememberMeReused); len(e) != 1 || e[0].Detail["verdict"] != "late" {
			t.Errorf("audit: %+v", e)
		}
		h.ok(h.db.WriteSystem(t.Context(), func(tx *store.SystemTx) error {
			list, err := tx.ClaimMessages("test", tx.Now.Add(time.Minute), "mail.", 10)
			if len(list) != 0 {
				t.Errorf("mails: %+v", list)
			}
			return err
		}))
	})
}

func TestRepair_B9_KeepCookieThatFollowsItsOwnerIsFound(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		h.person("alice@example.test", good)
		owner := &visitor{h: h}
		owner.enter("alice@example.test", true)
		for range auth.MaxRetries {
			thief := owner.closed()
			owner = owner.closed()
			_, err := owner.resume()
			h.ok(err)
			h.clock.Advance(time.Minute)
			_, err = thief.resume()
			h.ok(err)
		}
		thief := owner.closed()
		_, err := owner.closed().resume()
		h.ok(err)
		h.clock.Advance(time.Minute)
		_, err = thief.resume()
		h.refused(err, "session_invalid")
		if e := h.events(auth.EventRememberMeReused); len(e) != 1 || e[0].Detail["verdict"] != "reuse" {
			t.Errorf("audit: %+v", e)
		}
	})
}

// One that comes within the grace now and then is found all the same.
func TestRepair_B9_RacesDoNotHideACopiedKeepCookie(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		h.person("alice@example.test", good)
		owner := &visitor{h: h}
		owner.enter("alice@example.test", true)
		for step := 1; step <= 2*(auth.MaxRetries+1); step++ {
			thief := owner.closed()
			owner = owner.closed()
			_, err := owner.resume()
			h.ok(err)
			if h.clock.Advance(time.Second); step%3 != 0 {
				h.clock.Advance(time.Minute)
			}
			if _, err = thief.resume(); err != nil {
				h.refused(err, "session_invalid")
				if step <= auth.MaxRetries {
					t.Errorf("taken for a thief at step %d", step)
				}
				return
			}
		}
		t.Error("the copy was never found")
	})
}

// What ends a series: everything that ends its sessions, but being one too many.
func TestEndsOfASeries(t *testing.T) {
	endings := map[string]func(h *house, v *visitor) error{
		"leave": func(h *house, v *visitor) error {
			_, err := h.SignOutBrowser(h.t.Context(), tenant, v.signed(), "", browser)
			return err
		},
		"end of all": func(h *house, v *visitor) error { return h.endAll(v.signed()[0].Account.ID, "") },
		"disabled": func(h *house, v *visitor) error {
			return h.db.Write(h.t.Context(), tenant, func(tx *store.Tx) error {
				a, err := tx.AccountByLogin("alice@example.test")
				if err != nil {
					return err
				}
				a.DisabledAt = tx.Now
				return tx.UpdateAccount(a)
			})
		},
		"a new one": func(h *house, v *visitor) error {
			w := &visitor{h: h, keep: v.keep}
			w.enter("alice@example.test", true)
			return nil
		},
	}
	for name, end := range endings {
		t.Run(name, func(t *testing.T) {
			each(t, func(t *testing.T, h *house) {
				h.person("alice@example.test", good)
				v := &visitor{h: h}
				v.enter("alice@example.test", true)
				h.ok(end(h, v))
				_, err := v.closed().resume()
				h.refused(err, "session_invalid")
			})
		})
	}
	t.Run("kept by whoever ends all others", func(t *testing.T) {
		each(t, func(t *testing.T, h *house) {
			a := h.person("alice@example.test", good)
			own, other := &visitor{h: h}, &visitor{h: h}
			s := own.enter("alice@example.test", true)
			other.enter("alice@example.test", true)
			h.ok(h.endAll(a.ID, s.ID))
			_, err := other.closed().resume()
			h.refused(err, "session_invalid")
			_, err = own.closed().resume()
			h.ok(err)
		})
	})
	t.Run("nobody else's", func(t *testing.T) {
		each(t, func(t *testing.T, h *house) {
			h.person("alice@example.test", good)
			h.person("bob@example.test", good)
			v := &visitor{h: h}
			v.enter("alice@example.test", true)
			alices := v.keep
			v.enter("bob@example.test", true)
			if v.keep == alices {
				t.Error("bob goes on with alice's")
			}
			_, err := (&visitor{h: h, keep: alices}).resume()
			h.ok(err)
		})
	})
}

func (h *house) endAll(id auth.AccountID, except auth.SessionID) error {
	return h.db.Write(h.t.Context(), tenant, func(tx *store.Tx) error {
		_, err := h.sessions.EndAll(tx, id, except, auth.EndPassword)
		return err
	})
}

func TestAttack_SE_12_KeepCookies(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		h.person("alice@example.test", good)
		v := &visitor{h: h}
		v.enter("alice@example.test", true)
		for _, bad := range []string{"", "wwm_", v.keep[:40], v.keep + "A", "wwa_" + v.keep[4:], v.keep + "=", "wwm_\x00" + v.keep[5:], session.RememberMePrefix + v.cookie} {
			_, err := (&visitor{h: h, keep: bad}).resume()
			h.refused(err, "session_invalid")
		}
		if _, err := h.Resume(t.Context(), "other", v.keep, nil, browser); err == nil {
			t.Error("another tenant takes it")
		}
		_, err := v.closed().resume()
		h.ok(err)
	})
}

// A form that is not this browser's, or whose flow is over, signs nobody in.
func TestAttack_SE_08_FormOfAnotherBrowser(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		mine, theirs := h.form(flow.Browser{Actor: browser}), h.form(flow.Browser{Actor: browser})
		for name, form := range map[string]flow.FormRef{
			"another browser's flow":  {Tenant: tenant, Flow: theirs.Flow, CSRF: mine.CSRF, Browser: mine.Browser},
			"another browser's token": {Tenant: tenant, Flow: mine.Flow, CSRF: theirs.CSRF, Browser: mine.Browser},
			"another browser":         {Tenant: tenant, Flow: mine.Flow, CSRF: mine.CSRF, Browser: theirs.Browser},
			"no token":                {Tenant: tenant, Flow: mine.Flow, Browser: mine.Browser},
			"no browser":              {Tenant: tenant, Flow: mine.Flow, CSRF: mine.CSRF},
		} {
			e, err := h.SignInBrowser(t.Context(), login.PasswordForm{FormRef: form, Email: "alice@example.test", Password: good})

			if auth.KindOf(err) != auth.KindForbidden || e.Cookie != "" || e.Session.ID != "" {
				t.Errorf("%s: %+v, %v", name, e, err)
			}
		}
		h.clock.Advance(time.Hour)
		if _, err := h.SignInBrowser(t.Context(), login.PasswordForm{FormRef: mine, Email: "alice@example.test", Password: good}); auth.KindOf(err) != auth.KindNotFound {
			t.Errorf("a flow that is over: %v", err)
		}
	})
}
