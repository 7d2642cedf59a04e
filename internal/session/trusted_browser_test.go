package session_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/session"
	"github.com/watchword-auth/watchword/internal/store"
)

// trust makes a browser trusted by an account and returns its cookie.
func (h *fixture) trust(account auth.AccountID, cookie string) (next string) {
	h.t.Helper()
	h.write(func(tx *store.Tx) error {
		_, c, err := h.sessions.Trust(tx, account, cookie, auth.FactorSettings{}, auth.Actor{IP: "192.0.2.1", UserAgent: "a browser"})
		next = c.Reveal()
		return err
	})
	return next
}

// useTrust returns the next cookie, empty when the account does not trust the browser.
func (h *fixture) useTrust(account auth.AccountID, cookie string) (next string, err error) {
	h.t.Helper()
	h.write(func(tx *store.Tx) error {
		var c secret.Text
		c, err = h.sessions.UseTrust(tx, account, cookie, auth.TrustState{}, func() (bool, error) { return true, nil })
		next = c.Reveal()
		return nil // the end of the trust is committed
	})
	return next, err
}

func (h *fixture) requireTrust(account auth.AccountID, cookie string) string {
	h.t.Helper()
	next, err := h.useTrust(account, cookie)
	if err != nil || next == "" || next == cookie {
		h.t.Fatalf("%q after %q, %v", next, cookie, err)
	}
	return next
}

func TestTrustedBrowser(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		h.insertAccount("bob")
		cookie := h.trust("alice", "")
		second := h.requireTrust("alice", cookie)
		if race := h.requireTrust("alice", cookie); race != second {
			t.Error("a race got another token")
		}
		h.clock.Advance(time.Hour)
		third := h.requireTrust("alice", second)
		if next, err := h.useTrust("bob", third); err != nil || next != "" {
			t.Errorf("another account: %q, %v", next, err)
		}
		both := h.trust("bob", third)
		if !strings.HasSuffix(both, third) {
			t.Errorf("%q does not keep %q", both, third)
		}
		both = h.requireTrust("alice", h.requireTrust("bob", both))
		again := h.trust("alice", both) // replaces the former one
		if n := strings.Count(again, session.TrustedPrefix); n != 2 {
			t.Errorf("%d tokens of two accounts", n)
		}
		if next, err := h.useTrust("alice", both); err != nil || next != "" {
			t.Errorf("the former one: %q, %v", next, err)
		}
		h.requireTrust("alice", again)
		for _, bad := range []string{"", "x", "x" + again, strings.Repeat(again+".", 20), "wwm_" + again[4:]} {
			if next, err := h.useTrust("alice", bad); err != nil || next != "" {
				t.Errorf("%.40q: %q, %v", bad, next, err)
			}
		}
	})
}

// TestAttack_SE_14_TrustedBrowser: a copied cookie of a trusted browser ends the trust, whoever of the two
// comes first.
func TestAttack_SE_14_TrustedBrowser(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		stolen := h.trust("alice", "")
		owners := h.requireTrust("alice", stolen)
		h.clock.Advance(time.Minute)
		if next, err := h.useTrust("alice", stolen); !errors.Is(err, session.ErrTrustReused) || next != "" {
			t.Errorf("the copy: %q, %v", next, err)
		}
		if next, err := h.useTrust("alice", owners); err != nil || next != "" {
			t.Errorf("the owner: %q, %v", next, err)
		}
	})
}

// TestTrustIsUsedOnlyIfEnough: a token that is not enough is not replaced.
func TestTrustIsUsedOnlyIfEnough(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		cookie := h.trust("alice", "")
		h.write(func(tx *store.Tx) error {
			c, err := h.sessions.UseTrust(tx, "alice", cookie, auth.TrustState{}, func() (bool, error) { return false, nil })
			if c != "" {
				t.Errorf("replaced by %q", c.Reveal())
			}
			return err
		})
		h.clock.Advance(time.Hour)
		h.requireTrust("alice", cookie)
	})
}

// TestTrustIsBounded: an account trusts 20 browsers at most, and each for 30 days.
func TestTrustIsBounded(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		first := h.trust("alice", "")
		var last string
		for range 20 {
			h.clock.Advance(time.Second)
			last = h.trust("alice", "")
		}
		if next, err := h.useTrust("alice", first); err != nil || next != "" {
			t.Errorf("the oldest: %q, %v", next, err)
		}
		h.clock.Advance(29 * 24 * time.Hour)
		last = h.requireTrust("alice", last)
		h.clock.Advance(24 * time.Hour)
		if next, err := h.useTrust("alice", last); err != nil || next != "" {
			t.Errorf("after 30 days: %q, %v", next, err)
		}
	})
}

func FuzzTrustedCookie(f *testing.F) {
	for _, s := range []string{"", ".", "wwt_", "wwt_" + strings.Repeat("A", 64), strings.Repeat("wwt_"+strings.Repeat("A", 64)+".", 7)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, cookie string) {
		if session.HoldsTrust(cookie, "") {
			t.Errorf("%q holds the trust of no browser", cookie)
		}
	})
}
