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

// SE-01, SE-02: signing in replaces every cookie that the browser had before, which is then
// invalid or does not belong to this user.
func TestAttack_SE_01_SE_02_SignInBrowser(t *testing.T) {
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
			t.Error("the old cookie is valid")
		}
		// Eve plants her own cookie in bob's browser: he gets another secret, and her copy never
		// signs in to his account.
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
			if s.EndReason != auth.EndTooManySessions {
				t.Errorf("the session beyond the limit: %+v", s)
			}
			return err
		}))
		v.requireSignIn("c@example.test", false) // becomes the current one
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
			t.Errorf("after signing out all: %q, %v", cookie, err)
		}
		if n := len(h.events(auth.EventLogout)); n != 5 {
			t.Errorf("%d audit lines of sign-outs", n)
		}
	})
}

// SignInBrowser does what Password does: the response and the cost of every wrong attempt are the
// same.
func TestAttack_BF_03_SignInBrowserIsUniform(t *testing.T) {
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

// A form of another browser or of a flow that is over starts no session.
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
