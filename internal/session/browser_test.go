package session_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/session"
	"github.com/watchword-auth/watchword/internal/store"
	"github.com/watchword-auth/watchword/internal/store/storetest"
)

func (h *fixture) insertAccount(name string) auth.AccountID {
	h.t.Helper()
	return storetest.InsertAccount(h.t, h.db, auth.DefaultTenant, name+"@example.test", func(a *auth.Account) { a.ID = auth.AccountID(name) }).ID
}

func (h *fixture) startFor(id auth.AccountID) (v auth.Session, cookie string) {
	h.t.Helper()
	h.write(func(tx *store.Tx) (err error) {
		var c secret.Text
		v, c, err = h.sessions.Start(tx, session.Params{Account: id, Client: auth.FirstParty, Cookie: true})
		cookie = c.Reveal()
		return err
	})
	return v, cookie
}

func (h *fixture) all(cookie string) []session.SignedIn {
	h.t.Helper()
	list, err := h.sessions.FindAll(h.t.Context(), auth.DefaultTenant, cookie)
	if err != nil {
		h.t.Fatal(err)
	}
	return list
}

func TestSeveralAccountsInOneCookie(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		_, one := h.start()
		bobs, two := h.startFor(h.insertAccount("bob"))
		list := h.all(two + "." + one)
		if len(list) != 2 || list[0].Account.ID != "bob" || list[0].Session.ID != bobs.ID || list[1].Account.ID != h.alice || list[1].Secret != one {
			t.Fatalf("%+v", list)
		}
		if session.FormatCookie(list) != two+"."+one {
			t.Error("FormatCookie does not write what FindAll reads")
		}
		// The first is the current one, also for Find.
		if v, a, err := h.find(two + "." + one); err != nil || v.ID != bobs.ID || a.ID != "bob" {
			t.Errorf("%+v, %v", v, err)
		}
		h.write(func(tx *store.Tx) error { return h.sessions.End(tx, "bob", bobs.ID, auth.EndByAdmin) })
		if list := h.all(two + "." + one); len(list) != 1 || list[0].Account.ID != h.alice {
			t.Errorf("the ended one is not skipped: %+v", list)
		}
		h.clock.Advance(idle)
		if list := h.all(two + "." + one); len(list) != 0 {
			t.Errorf("beyond the idle limit: %+v", list)
		}
	})
}

// SE-12: a cookie with an invalid part is rejected whole.
func TestAttack_SE_12_CookiesOfSeveral(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		_, one := h.start()
		_, two := h.startFor(h.insertAccount("bob"))
		strange := secret.New(session.Prefix).Reveal()
		for _, bad := range []string{
			one + "." + one, one + ".", "." + one, one + ".." + two, one + ". " + two, one + "." + two[:20], one + "." + two + "A", one + "." + "wwr_" + two[4:],
			one + "," + two, strings.Repeat(one+".", 200) + two, one + "." + strings.Repeat("A", 8192), one + ".\xff", one + "\x00." + two,
			strings.Join([]string{one, two, strange, secret.New(session.Prefix).Reveal(), secret.New(session.Prefix).Reveal(), secret.New(session.Prefix).Reveal()}, "."),
		} {
			if list := h.all(bad); len(list) != 0 {
				t.Errorf("%.60q has %d secrets", bad, len(list))
			}
			h.requireDead(bad)
		}
		if list := h.all(strange + "." + one); len(list) != 1 {
			t.Errorf("a valid secret after an unknown one: %d", len(list))
		}
	})
}

func TestAttack_SE_01_FullSignInBeginsAnew(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		v, cookie := h.start()
		h.clock.Advance(30 * time.Minute)
		var again string
		h.write(func(tx *store.Tx) error {
			got, c, err := h.sessions.Reauthenticate(tx, v.ID, session.AuthContext{ACR: "2", AMR: []string{"otp"}, AuthAt: tx.Now})
			again = c.Reveal()
			if got.ID != v.ID || got.AuthAt != tx.Now || got.ACR != "2" || got.ExpiresAt != tx.Now.Add(absolute) || got.IdleAt != tx.Now.Add(idle) {
				t.Errorf("%+v", got)
			}
			return err
		})
		h.requireDead(cookie)
		if got := h.requireLive(again); got.ID != v.ID || got.ACR != "2" || !slices.Equal(got.AMR, []string{"otp"}) {
			t.Errorf("%+v", got)
		}
	})
}

// SE-04 for several accounts in one browser.
func TestAttack_SE_04_Leave(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		_, one := h.start()
		_, two := h.startFor(h.insertAccount("bob"))
		list := h.all(one + "." + two)
		h.write(func(tx *store.Tx) error {
			ended, left, err := h.sessions.SignOut(tx, list, list[0].Session.ID)
			if len(ended) != 1 || ended[0].Account.ID != h.alice || session.FormatCookie(left) != two {
				t.Errorf("ended %+v, left %+v", ended, left)
			}
			return err
		})
		h.requireDead(one)
		h.write(func(tx *store.Tx) error {
			ended, left, err := h.sessions.SignOut(tx, list, "")
			if len(ended) != 1 || len(left) != 0 {
				t.Errorf("ended %+v, left %+v", ended, left)
			}
			return err
		})
		h.requireDead(two)
	})
}

// FuzzSessionCookie checks that ParseCookie accepts only what FormatCookie writes.
func FuzzSessionCookie(f *testing.F) {
	one, two := secret.New(session.Prefix).Reveal(), secret.New(session.Prefix).Reveal()
	for _, s := range []string{one, one + "." + two, one + "." + one, one + ".", "", ".", "wwa_", strings.Repeat(one+".", 6), one + "\x00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, cookie string) {
		list := session.ParseCookie(cookie)
		if len(list) == 0 {
			return
		}
		if len(list) > session.MaxAccounts || strings.Join(list, ".") != cookie {
			t.Fatalf("%q gives %q", cookie, list)
		}
		for i, v := range list {
			if !secret.Valid(session.Prefix, v) || slices.Contains(list[:i], v) {
				t.Fatalf("%q gives %q", cookie, v)
			}
		}
	})
}

// FuzzRememberMeCookie checks that only the exact form of a remember-me cookie has a series.
func FuzzRememberMeCookie(f *testing.F) {
	good := session.RememberMePrefix + secret.Encode(make([]byte, 48))
	for _, s := range []string{good, good + "=", good[:60], "wwm_", "", strings.ToUpper(good), good[:10] + "+" + good[11:], good + "A"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, cookie string) {
		id, ok := session.ParseRememberMe(cookie)
		if !ok {
			return
		}
		raw, err := secret.Decode(strings.TrimPrefix(cookie, session.RememberMePrefix))
		if err != nil || len(raw) != 48 || string(id) != secret.Encode(raw[:16]) || session.RememberMePrefix+secret.Encode(raw) != cookie {
			t.Fatalf("%q names %q", cookie, id)
		}
	})
}
