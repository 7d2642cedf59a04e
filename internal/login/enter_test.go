package login_test

import (
	"testing"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/flow"
	"github.com/watchword-auth/watchword/internal/login"
	"github.com/watchword-auth/watchword/internal/session"
	"github.com/watchword-auth/watchword/internal/store"
	"github.com/watchword-auth/watchword/internal/store/storetest"
)

// browser is a browser with its two cookies.
type browser struct {
	h                  *fixture
	cookie, rememberMe string
}

func (v *browser) sessions() []session.SignedIn {
	v.h.t.Helper()
	list, err := v.h.sessions.FindAll(v.h.t.Context(), tenant, v.cookie)
	v.h.requireOK(err)
	return list
}

func (v *browser) signIn(email, pw string, remember bool) (login.SignedIn, error) {
	v.h.t.Helper()
	b := flow.Browser{Sessions: v.sessions(), Actor: browserActor}
	e, err := v.h.SignInBrowser(v.h.t.Context(), login.PasswordForm{FormRef: v.h.newSignInForm(b), Email: email, Password: pw, Remember: remember, RememberMe: v.rememberMe})
	v.keepCookies(e)
	return e, err
}

// newSignInForm starts a flow and returns what its sign-in form sends back.
func (h *fixture) newSignInForm(b flow.Browser) flow.FormRef {
	h.t.Helper()
	b.EnsureSecret()
	step, err := h.flows.Start(h.t.Context(), tenant, auth.FlowAccount, b)
	h.requireOK(err)
	return flow.FormRef{Tenant: tenant, Flow: step.Flow.ID, CSRF: step.CSRF, Browser: b}
}

func (v *browser) requireSignIn(email string, remember bool) auth.Session {
	v.h.t.Helper()
	e, err := v.signIn(email, good, remember)
	v.h.requireOK(err)
	return e.Session
}

func (v *browser) keepCookies(e login.SignedIn) {
	if e.Cookie != "" {
		v.cookie = e.Cookie
	}
	if e.RememberMe != "" {
		v.rememberMe = e.RememberMe.Reveal()
	}
}

func (v *browser) resume() (login.SignedIn, error) {
	v.h.t.Helper()
	e, err := v.h.Resume(v.h.t.Context(), tenant, v.rememberMe, v.sessions(), browserActor)
	v.keepCookies(e)
	return e, err
}

// reopen is the browser after it was closed: only the remember-me cookie is left.
func (v *browser) reopen() *browser { return &browser{h: v.h, rememberMe: v.rememberMe} }

func (v *browser) accounts() (names []auth.AccountID) {
	v.h.t.Helper()
	for _, s := range v.sessions() {
		names = append(names, s.Account.ID)
	}
	return names
}

// SE-01, SE-02: whatever cookie the browser had before, signing in gives another, and
// the one before is dead or was never this user's.
func TestAttack_SE_01_SE_02_Enter(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		alice, bob := h.insertAccount("alice@example.test", good), h.insertAccount("bob@example.test", good)
		v := &browser{h: h}
		first := v.requireSignIn("alice@example.test", false)
		old := v.cookie
		h.clock.Advance(time.Minute)
		again := v.requireSignIn("alice@example.test", false)
		if again.ID != first.ID || again.AuthAt != h.clock.Now() || v.cookie == old {
			t.Errorf("signed in again: %+v", again)
		}
		if list := (&browser{h: h, cookie: old}).sessions(); len(list) != 0 {
			t.Error("the old cookie lives")
		}
		// Eve plants her own cookie in bob's browser: he gets a secret of his own, and her
		// copy never becomes his.
		eve := &browser{h: h}
		h.insertAccount("eve@example.test", good)
		eve.requireSignIn("eve@example.test", false)
		planted := eve.cookie
		v = &browser{h: h, cookie: planted}
		v.requireSignIn("bob@example.test", false)
		if v.cookie == planted || v.accounts()[0] != bob.ID {
			t.Errorf("bob is %v", v.accounts())
		}
		if got := eve.accounts(); len(got) != 1 || got[0] == bob.ID {
			t.Errorf("eve is %v", got)
		}
		for _, junk := range []string{"wwa_x", planted + planted, "\x00", planted[:20]} {
			v := &browser{h: h, cookie: junk}
			v.requireSignIn("alice@example.test", false)
			if got := v.accounts(); len(got) != 1 || got[0] != alice.ID {
				t.Errorf("after %q: %v", junk, got)
			}
		}
	})
}

func TestSeveralAccounts(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		v := &browser{h: h}
		var ids []auth.AccountID
		var oldest auth.Session
		for i, name := range []string{"a", "b", "c", "d", "e", "f"} {
			ids = append(ids, h.insertAccount(name+"@example.test", good).ID)
			s := v.requireSignIn(name+"@example.test", false)
			if i == 0 {
				oldest = s
			}
		}
		if got := v.accounts(); len(got) != session.MaxAccounts || got[0] != ids[5] || got[4] != ids[1] {
			t.Errorf("%v", got)
		}
		h.requireOK(h.db.Read(t.Context(), tenant, func(tx *store.Tx) error {
			s, err := tx.Session(oldest.ID)
			if s.EndReason != auth.EndCrowded {
				t.Errorf("the one that fell out: %+v", s)
			}
			return err
		}))
		v.requireSignIn("c@example.test", false) // comes to the front
		if got := v.accounts(); len(got) != session.MaxAccounts || got[0] != ids[2] {
			t.Errorf("%v", got)
		}
		list := v.sessions()
		cookie, err := h.SignOutBrowser(t.Context(), tenant, list, list[0].Session.ID, browserActor)
		h.requireOK(err)
		left := &browser{h: h, cookie: cookie}
		if got := left.accounts(); len(got) != 4 || got[0] != ids[5] || len(v.accounts()) != 4 {
			t.Errorf("%v", got)
		}
		if cookie, err = h.SignOutBrowser(t.Context(), tenant, left.sessions(), "", browserActor); err != nil || cookie != "" || len(v.accounts()) != 0 {
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
	each(t, func(t *testing.T, h *fixture) {
		h.insertAccount("alice@example.test", good)
		h.insertAccount("shut@example.test", good, func(a *auth.Account) { a.DisabledAt = a.CreatedAt })
		h.insertAccount("new@example.test", good, func(a *auth.Account) { a.EmailVerifiedAt = time.Time{} })
		v := &browser{h: h}
		for _, email := range []string{"alice@example.test", "nobody@example.test", "shut@example.test"} {
			for i := range tries {
				hashes := h.hasher.Stats().Done
				pw := another
				if email == "shut@example.test" {
					pw = good
				}
				e, err := v.signIn(email, pw, true)
				h.requireRefused(err, "invalid_credentials")
				if e.Cookie != "" || e.RememberMe != "" || h.hasher.Stats().Done != hashes+1 {
					t.Errorf("%s, try %d: %+v", email, i, e)
				}
			}
			_, err := v.signIn(email, good, true)
			h.requireRefused(err, "rate_limited")
		}
		_, err := v.signIn("new@example.test", good, true)
		h.requireRefused(err, "email_not_verified")
		if n := len(h.events(auth.EventLogin)); n != 3*tries+1 {
			t.Errorf("%d audit lines", n)
		}
	}, withLimits)
}

func TestRemember(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		alice := h.insertAccount("alice@example.test", good)
		v := &browser{h: h}
		first := v.requireSignIn("alice@example.test", true)
		if v.rememberMe == "" || first.RememberMe == "" {
			t.Fatal("not remembered")
		}
		proved := h.clock.Now()
		for range 3 { // each time the browser opens
			h.clock.Advance(48 * time.Hour)
			spent := v.rememberMe
			v = v.reopen()
			e, err := v.resume()
			h.requireOK(err)
			if e.Session.AuthAt != proved || e.Session.ID == first.ID || e.Session.RememberMe != first.RememberMe || v.rememberMe == spent || v.accounts()[0] != alice.ID {
				t.Errorf("%+v", e)
			}
		}
		if e := h.events(auth.EventLogin); len(e) != 4 || e[0].Detail["method"] != "remembered" {
			t.Errorf("audit: %+v", e)
		}
		// Somebody is there already: nothing is spent.
		kept := v.rememberMe
		if e, err := v.resume(); err != nil || e.RememberMe != "" || e.Cookie != v.cookie || v.rememberMe != kept {
			t.Errorf("%+v, %v", e, err)
		}
		// It ends with the series, and so do its sessions.
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

// SE-14: of a copied remember-me cookie one use goes through, and the other ends everything
// that came of it; the owner is told.
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
			t.Error("a session of the series lives")
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

// Two tabs that open at once are no theft, and both get the same next token.
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

// A browser that lost the answer to its remember-me token gets the same successor again
// for a day; nobody is warned before the successor was used.
func TestRepair_B9_RememberMeCookieWhoseAnswerWasLost(t *testing.T) {
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

func TestRepair_B9_RememberMeCookieThatComesTooLateIsNoTheft(t *testing.T) {
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

func TestRepair_B9_RememberMeCookieThatFollowsItsOwnerIsFound(t *testing.T) {
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

// One that comes within the grace now and then is found all the same.
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
	endings := map[string]func(h *fixture, v *browser) error{
		"leave": func(h *fixture, v *browser) error {
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
	t.Run("kept by whoever ends all others", func(t *testing.T) {
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
	t.Run("nobody else's", func(t *testing.T) {
		each(t, func(t *testing.T, h *fixture) {
			h.insertAccount("alice@example.test", good)
			h.insertAccount("bob@example.test", good)
			v := &browser{h: h}
			v.requireSignIn("alice@example.test", true)
			alices := v.rememberMe
			v.requireSignIn("bob@example.test", true)
			if v.rememberMe == alices {
				t.Error("bob goes on with alice's")
			}
			_, err := (&browser{h: h, rememberMe: alices}).resume()
			h.requireOK(err)
		})
	})
}

func (h *fixture) endAllSessions(id auth.AccountID, except auth.SessionID) error {
	return h.db.Write(h.t.Context(), tenant, func(tx *store.Tx) error {
		_, err := h.sessions.EndAll(tx, id, except, auth.EndPassword)
		return err
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
			t.Error("another tenant takes it")
		}
		_, err := v.reopen().resume()
		h.requireOK(err)
	})
}

// A form that is not this browser's, or whose flow is over, signs nobody in.
func TestAttack_SE_08_FormOfAnotherBrowser(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		mine, theirs := h.newSignInForm(flow.Browser{Actor: browserActor}), h.newSignInForm(flow.Browser{Actor: browserActor})
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
		h.clock.Advance(flow.Retention)
		if _, err := h.SignInBrowser(t.Context(), login.PasswordForm{FormRef: mine, Email: "alice@example.test", Password: good}); auth.KindOf(err) != auth.KindNotFound {
			t.Errorf("a flow that is over: %v", err)
		}
	})
}
