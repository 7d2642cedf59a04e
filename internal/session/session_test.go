package session_test

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/session"
	"github.com/watchword-auth/watchword/internal/store"
	"github.com/watchword-auth/watchword/internal/store/storetest"
)

const (
	idle     = time.Hour
	absolute = 24 * time.Hour
)

type fixture struct {
	t        testing.TB
	clock    *storetest.Clock
	cfg      store.Config
	db       *store.DB
	sessions *session.Service
	alice    auth.AccountID
}

func each(t *testing.T, fn func(t *testing.T, h *fixture)) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, cfg store.Config) {
		h := &fixture{t: t, clock: storetest.NewClock(), alice: "alice"}
		cfg.Now = h.clock.Now
		h.cfg, h.db = cfg, storetest.Open(t, cfg)
		h.sessions = session.New(session.Config{DB: h.db, Lifetimes: auth.Lifetimes{SessionIdle: idle, SessionAbsolute: absolute}.Or(storetest.Lifetimes())})
		h.insertAccount("alice")
		fn(t, h)
	})
}

func (h *fixture) write(fn func(tx *store.Tx) error) {
	h.t.Helper()
	if err := h.db.Write(h.t.Context(), auth.DefaultTenant, fn); err != nil {
		h.t.Fatal(err)
	}
}

func (h *fixture) start() (v auth.Session, cookie string) {
	h.t.Helper()
	h.write(func(tx *store.Tx) error {
		var c secret.Text
		var err error
		v, c, err = h.sessions.Start(tx, session.Params{Account: h.alice, Client: auth.FirstParty, ACR: "1", AMR: []string{"pwd"}, Cookie: true,
			Actor: auth.Actor{IP: "192.0.2.1", UserAgent: strings.Repeat("u", 1000)}})
		cookie = c.Reveal()
		return err
	})
	return v, cookie
}

func (h *fixture) find(cookie string) (auth.Session, auth.Account, error) {
	return h.sessions.Find(h.t.Context(), auth.DefaultTenant, cookie)
}

func (h *fixture) requireLive(cookie string) auth.Session {
	h.t.Helper()
	v, a, err := h.find(cookie)
	if err != nil {
		h.t.Fatalf("the session should be live: %v", err)
	}
	if a.ID != h.alice {
		h.t.Errorf("account %q", a.ID)
	}
	return v
}

func (h *fixture) requireDead(cookie string) {
	h.t.Helper()
	v, a, err := h.find(cookie)
	if auth.KindOf(err) != auth.KindUnauthenticated || v.ID != "" || a.ID != "" {
		h.t.Errorf("should have ended: session %q, account %q, %v", v.ID, a.ID, err)
	}
}

func TestStartAndFind(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		v, cookie := h.start()
		now := h.clock.Now()
		want := auth.Session{ID: v.ID, Account: h.alice, Client: auth.FirstParty, Digest: secret.Digest(cookie), AuthAt: now, ACR: "1", AMR: []string{"pwd"},
			IP: "192.0.2.1", UserAgent: strings.Repeat("u", 256), CreatedAt: now, SeenAt: now, IdleAt: now.Add(idle), ExpiresAt: now.Add(absolute)}
		if d := cmp.Diff(want, v); d != "" {
			t.Errorf("started (-want +got):\n%s", d)
		}
		if d := cmp.Diff(want, h.requireLive(cookie)); d != "" {
			t.Errorf("found (-want +got):\n%s", d)
		}
		if !secret.Valid("wwa_", cookie) || strings.Contains(cookie, string(v.ID)) {
			t.Errorf("cookie %s", cookie)
		}
	})
}

func TestStartWithoutACookie(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		h.write(func(tx *store.Tx) error {
			v, cookie, err := h.sessions.Start(tx, session.Params{Account: h.alice, Client: auth.FirstParty})
			if cookie != "" || v.Digest != "" || v.IdleAt != tx.Now.Add(14*24*time.Hour) || v.ExpiresAt != tx.Now.Add(30*24*time.Hour) {
				t.Errorf("%+v", v)
			}
			if err != nil {
				return err
			}
			if c, err := h.sessions.Renew(tx, v.ID); c != "" || err != nil {
				t.Errorf("renewed without a cookie: %v, %v", c, err)
			}
			return nil
		})
	})
}

func TestAttack_SE_01_RenewKillsTheOldCookie(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		v, before := h.start()
		_, second := h.start()
		if before == second {
			t.Fatal("two sign-ins have the same cookie")
		}
		h.clock.Advance(time.Minute)
		var after string
		h.write(func(tx *store.Tx) error {
			c, err := h.sessions.Renew(tx, v.ID)
			after = c.Reveal()
			return err
		})
		h.requireDead(before)
		if got := h.requireLive(after); got.ID != v.ID || got.AuthAt != h.clock.Now() {
			t.Errorf("renewed: %+v", got)
		}
		h.requireLive(second)
		h.write(func(tx *store.Tx) error { return h.sessions.End(tx, h.alice, v.ID, auth.EndLogout) })
		err := h.db.Write(t.Context(), auth.DefaultTenant, func(tx *store.Tx) error {
			_, err := h.sessions.Renew(tx, v.ID)
			return err
		})
		if !errors.Is(err, auth.ErrNotFound) {
			t.Errorf("renewed an ended session: %v", err)
		}
	})
}

func TestAttack_SE_04_EndedCookieIsDead(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		one, c1 := h.start()
		_, c2 := h.start()
		_, c3 := h.start()
		err := h.db.Write(t.Context(), auth.DefaultTenant, func(tx *store.Tx) error { return h.sessions.End(tx, "bob", one.ID, auth.EndLogout) })
		if !errors.Is(err, auth.ErrNotFound) {
			t.Errorf("ended another's session: %v", err)
		}
		h.requireLive(c1)
		h.write(func(tx *store.Tx) error { return h.sessions.End(tx, h.alice, one.ID, auth.EndLogout) })
		h.requireDead(c1)
		keep := h.requireLive(c2)
		h.write(func(tx *store.Tx) error {
			n, err := h.sessions.EndAll(tx, h.alice, keep.ID, auth.EndPassword)
			if n != 1 {
				t.Errorf("ended %d", n)
			}
			return err
		})
		h.requireLive(c2)
		h.requireDead(c3)
	})
}

func TestAttack_SE_05_Limits(t *testing.T) {
	t.Run("idle", func(t *testing.T) {
		each(t, func(t *testing.T, h *fixture) {
			_, cookie := h.start()
			h.clock.Advance(idle - time.Second)
			h.requireLive(cookie)
			h.clock.Advance(idle - time.Second)
			h.requireLive(cookie)
			h.clock.Advance(idle)
			h.requireDead(cookie)
		})
	})
	t.Run("absolute", func(t *testing.T) {
		each(t, func(t *testing.T, h *fixture) {
			_, cookie := h.start()
			for range 47 {
				h.clock.Advance(30 * time.Minute)
				h.requireLive(cookie)
			}
			h.clock.Advance(30*time.Minute - time.Second)
			if v := h.requireLive(cookie); v.IdleAt.After(v.ExpiresAt) {
				t.Error("activity extends the absolute limit")
			}
			h.clock.Advance(time.Second)
			h.requireDead(cookie)
		})
	})
	t.Run("touched at most once a minute", func(t *testing.T) {
		each(t, func(t *testing.T, h *fixture) {
			v, cookie := h.start()
			h.clock.Advance(59 * time.Second)
			if got := h.requireLive(cookie); got.SeenAt != v.SeenAt {
				t.Error("touched too early")
			}
			h.clock.Advance(time.Second)
			if got := h.requireLive(cookie); got.SeenAt != h.clock.Now() || got.IdleAt != h.clock.Now().Add(idle) {
				t.Errorf("not touched: %+v", got)
			}
			if got := h.requireLive(cookie); got.SeenAt != h.clock.Now() {
				t.Error("the touch was not stored")
			}
		})
	})
	t.Run("tenant settings", func(t *testing.T) {
		each(t, func(t *testing.T, h *fixture) {
			h.write(func(tx *store.Tx) error {
				self, err := tx.CurrentTenant()
				self.Settings.Lifetimes = auth.Lifetimes{SessionIdle: 5 * time.Minute, SessionAbsolute: 12 * time.Minute}
				if err != nil {
					return err
				}
				return tx.UpdateCurrentTenant(self)
			})
			_, cookie := h.start()
			for range 2 {
				h.clock.Advance(5*time.Minute - time.Second)
				h.requireLive(cookie)
			}
			h.clock.Advance(2*time.Minute + 2*time.Second)
			h.requireDead(cookie)
		})
	})
}

func TestFault_FL_09_OldCookieStaysDeadWhenTheClockGoesBack(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		_, cookie := h.start()
		h.clock.Advance(idle)
		h.requireDead(cookie)
		h.clock.Advance(-2 * idle)
		h.requireDead(cookie)
		// A process that starts now has never seen the later time.
		db, err := store.Open(t.Context(), h.cfg)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		restarted := session.New(session.Config{DB: db, Lifetimes: auth.Lifetimes{SessionIdle: idle, SessionAbsolute: absolute}.Or(storetest.Lifetimes())})
		if _, _, err := restarted.Find(t.Context(), auth.DefaultTenant, cookie); auth.KindOf(err) != auth.KindUnauthenticated {
			t.Errorf("live again: %v", err)
		}
	})
}

func TestAttack_SE_10_DisabledAccount(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		_, cookie := h.start()
		h.write(func(tx *store.Tx) error {
			a, err := tx.Account(h.alice)
			if err != nil {
				return err
			}
			a.DisabledAt = tx.Now
			return tx.UpdateAccount(a)
		})
		h.requireDead(cookie)
		h.write(func(tx *store.Tx) error { return tx.DeleteAccount(h.alice) })
		h.requireDead(cookie)
	})
}

func TestAttack_SE_11_CookieOfAnotherTenant(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		storetest.Tenant(t, h.db, "t2")
		_, cookie := h.start()
		if _, _, err := h.sessions.Find(t.Context(), "t2", cookie); auth.KindOf(err) != auth.KindUnauthenticated {
			t.Errorf("signed in at the other tenant: %v", err)
		}
	})
}

func TestAttack_SE_12_MalformedCookies(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		v, cookie := h.start()
		for _, bad := range []string{"", "wwa_", cookie[:len(cookie)-1], cookie + "A", " " + cookie, strings.ToUpper(cookie), string(v.ID), v.Digest, "wwa_" + v.Digest,
			"wwr_" + cookie[4:], "wwa_\xff\xfe" + cookie[6:], strings.Repeat("A", 8192), cookie[:10] + "\x00" + cookie[11:], cookie[:20] + "\n" + cookie[21:]} {
			h.requireDead(bad)
		}
		h.requireLive(cookie)
	})
}

// TestFind_WithoutWriting checks that a read-only database does not sign users out.
func TestFault_FL_04_FindGoesOnWhenNothingCanBeWritten(t *testing.T) {
	t.Parallel()
	h := &fixture{t: t, clock: storetest.NewClock(), alice: "alice"}
	h.cfg = store.Config{URL: storetest.SQLite(t), Keyring: storetest.Keyring(t), Now: h.clock.Now, MaxWait: 3 * time.Second}
	h.db = storetest.Open(t, h.cfg)
	h.sessions = session.New(session.Config{DB: h.db, Lifetimes: storetest.Lifetimes()})
	h.insertAccount("alice")
	_, cookie := h.start()
	h.clock.Advance(time.Hour)
	held, release := make(chan struct{}), make(chan struct{})
	other, err := store.Open(t.Context(), h.cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	var wg sync.WaitGroup
	defer wg.Wait()
	defer close(release)
	wg.Go(func() {
		other.Write(t.Context(), auth.DefaultTenant, func(tx *store.Tx) error {
			if err := tx.TouchLogin(h.alice); err != nil {
				return err
			}
			close(held)
			<-release
			return nil
		})
	})
	<-held
	if v := h.requireLive(cookie); v.SeenAt == h.clock.Now() {
		t.Error("the session was written")
	}
}

// TestAttack_MF_06_PasswordRenewsNoSecondFactor: a new password does not make the second factor of a session
// recent.
func TestAttack_MF_06_PasswordRenewsNoSecondFactor(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		for acr, moves := range map[string]bool{"1": true, "2": false, "phr": false} {
			h.write(func(tx *store.Tx) error {
				begun := tx.Now.Add(-time.Hour)
				v, _, err := h.sessions.Start(tx, session.Params{Account: h.alice, Client: auth.FirstParty, ACR: acr, Cookie: true, AuthAt: begun})
				if err != nil {
					return err
				}
				if _, err := h.sessions.Renew(tx, v.ID); err != nil {
					return err
				}
				v, err = tx.Session(v.ID)
				if want := map[bool]time.Time{true: tx.Now, false: begun}[moves]; v.AuthAt != want || v.ACR != acr {
					t.Errorf("acr %s: authenticated at %v, want %v", acr, v.AuthAt, want)
				}
				return err
			})
		}
	})
}
