package login_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/flow"
	"github.com/watchword-auth/watchword/internal/limit"
	"github.com/watchword-auth/watchword/internal/login"
	"github.com/watchword-auth/watchword/internal/store"
)

func (h *fixture) signInFrom(ip, known, pw string) (login.Result, error) {
	h.t.Helper()
	actor := browserActor
	actor.IP, actor.Known = ip, known
	return h.Password(h.t.Context(), tenant, login.Request{Email: "alice@example.test", Password: pw, Cookie: true, Actor: actor})
}

// guessUntilThrottled tries wrong passwords from the address until it is refused as rate_limited.
func (h *fixture) guessUntilThrottled(ip, known string) (compared int) {
	h.t.Helper()
	for range 100 {
		_, err := h.signInFrom(ip, known, another)
		if auth.KindOf(err) == auth.KindThrottled {
			return compared
		}
		h.requireRefused(err, "invalid_credentials")
		compared++
	}
	h.t.Fatal("a hundred guesses were not throttled")
	return 0
}

// S3: an attacker who polls from one address and uses up each allowed attempt does not lock out
// users of other addresses.
func TestRepair_S3_PollerLocksOutNoOtherAddress(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		h.insertAccount("alice@example.test", good)
		refused := 0
		for second := 0; second < 2*60*60; second += 30 {
			h.clock.Advance(30 * time.Second)
			h.guessUntilThrottled("198.51.100.66", "")
			if second%120 == 0 {
				if _, err := h.signInFrom("192.0.2.1", "", good); err != nil {
					refused++
				}
			}
		}

		if refused != 0 {
			t.Errorf("alice was refused %d times of 60", refused)
		}
	}, withLimits)
}

// S3: a botnet uses up the limit of all strangers together. The owner can still sign in in a known
// browser, and in any other one after the attack.
func TestRepair_S3_BotnetAndTheKnownBrowser(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		h.insertAccount("alice@example.test", good)
		first, err := h.signInFrom("192.0.2.1", "", good)
		h.requireOK(err)
		known, compared := first.Known.Reveal(), 0
		for i := range 10_000 {
			if _, err := h.signInFrom(fmt.Sprintf("203.%d.%d.1", i>>8, i&255), "", another); auth.KindOf(err) != auth.KindThrottled {
				h.requireRefused(err, "invalid_credentials")
				compared++
			}
		}
		if compared != 3*tries {
			t.Errorf("10,000 addresses had %d passwords compared, want %d", compared, 3*tries)
		}

		_, err = h.signInFrom("192.0.2.7", "", good)
		if e := h.requireRefused(err, "rate_limited"); e.RetryAfter > 30*time.Second {
			t.Errorf("without a known browser: wait %v", e.RetryAfter)
		}
		next, err := h.signInFrom("192.0.2.7", known, good)
		h.requireOK(err)
		if n := h.guessUntilThrottled("192.0.2.7", next.Known.Reveal()); n != tries {
			t.Errorf("a known browser may fail %d times, want %d", n, tries)
		}
		h.clock.Advance(30 * time.Second)
		_, err = h.signInFrom("192.0.2.8", "", good)
		h.requireOK(err)
	}, withLimits)
}

// S3: a known-browser cookie cannot be forged, used for another account, or used after a new
// password.
func TestRepair_S3_KnownBrowserIsBoundToAccountAndPassword(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		alice := h.insertAccount("alice@example.test", good)
		h.insertAccount("eve@example.test", good)
		result, err := h.signInFrom("192.0.2.1", "", good)
		h.requireOK(err)
		known := result.Known.Reveal()
		evil, err := h.Password(t.Context(), tenant, login.Request{Email: "eve@example.test", Password: good, Actor: browserActor})
		h.requireOK(err)
		is := func(cookie string) bool {
			name, err := h.sessions.VerifyKnownBrowser(t.Context(), tenant, "alice@example.test", cookie)
			h.requireOK(err)
			return name != ""
		}
		if !is(known) || !is(evil.Known.Reveal()+"."+known) {
			t.Fatal("a known browser is not recognized")
		}
		altered := func(i int) string {
			other := "A"
			if known[i] == 'A' {
				other = "B"
			}
			return known[:i] + other + known[i+1:]
		}
		for _, cookie := range []string{"", ".", evil.Known.Reveal(), known[:42], known + "A", altered(0), altered(20)} {
			if is(cookie) {
				t.Errorf("%q is recognized", cookie)
			}
		}
		// An upgraded hash is no new password.
		h.clock.Advance(time.Second)
		h.requireOK(h.db.Write(t.Context(), tenant, func(tx *store.Tx) error {
			_, err := tx.CompareAndSwapPassword(alice.ID, h.passwordHash(alice), "$upgraded")
			return err
		}))
		if !is(known) {
			t.Error("an upgraded hash makes the browser unknown")
		}
		h.requireOK(h.db.Write(t.Context(), tenant, func(tx *store.Tx) error { return tx.SetPassword(alice.ID, "$new") }))
		if is(known) {
			t.Error("a new password leaves former browsers known")
		}
	})
}

// A browser can be known to several accounts; each sign-in replaces only the entry of its account.
func TestRepair_S3_OneBrowserForSeveralAccounts(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		cookie, count := "", 0
		for round := range 2 {
			for i := range 7 {
				email := fmt.Sprintf("p%d@example.test", i)
				if round == 0 {
					h.insertAccount(email, good)
				}
				actor := browserActor
				actor.Known = cookie
				e, err := h.SignInBrowser(t.Context(), login.PasswordForm{FormRef: h.newSignInForm(flow.Browser{Actor: actor}), Email: email, Password: good})
				h.requireOK(err)
				cookie = e.Known.Reveal()
			}
		}
		for i := range 7 {
			name, err := h.sessions.VerifyKnownBrowser(t.Context(), tenant, fmt.Sprintf("p%d@example.test", i), cookie)
			h.requireOK(err)
			if name != "" {
				count++
			}
		}
		if count != 5 || len(cookie) != 5*43+4 {
			t.Errorf("known to %d accounts by %d characters", count, len(cookie))
		}
	})
}

// H1: successful sign-ins have a limit for each account.
func TestRepair_H1_SignInsOfOneAccountAreLimited(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		h.insertAccount("alice@example.test", good)
		h.insertAccount("bob@example.test", good)
		for range 3 {
			h.requireOK(h.signInPassword("alice@example.test", good))
		}
		h.requireRefused(h.signInPassword("alice@example.test", good), "rate_limited")
		h.requireRefused(h.signInPassword("alice@example.test", another), "invalid_credentials") // a wrong password does not reveal that limit
		h.requireOK(h.signInPassword("bob@example.test", good))
		h.clock.Advance(20 * time.Minute)
		h.requireOK(h.signInPassword("alice@example.test", good))
	}, func(c *login.Config) { c.Rates["login.success"] = limit.Rate{Count: 3, Per: time.Hour} })
}
