package login_test

import (
	"crypto/pbkdf2"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"
	"golang.org/x/crypto/scrypt"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/login"
	"github.com/watchword-auth/watchword/internal/password"
	"github.com/watchword-auth/watchword/internal/store"
)

func TestSignIn(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		a := h.insertAccount("alice@example.test", good)
		h.clock.Advance(time.Minute)
		res, err := h.Password(t.Context(), tenant, login.Request{Email: " ALICE@example.test", Password: good, Actor: browserActor})
		h.requireOK(err)
		claims, err := h.tokens.Verify(t.Context(), tenant, res.Tokens.AccessToken)
		h.requireOK(err)
		if claims.Subject != string(a.ID) || res.Tokens.RefreshToken == "" || res.Cookie != "" || res.Session.Account != a.ID {
			t.Errorf("result %+v", res)
		}
		cookie, err := h.Password(t.Context(), tenant, login.Request{Email: "alice@example.test", Password: good, Cookie: true, Actor: browserActor})
		h.requireOK(err)
		if cookie.Tokens.AccessToken != "" {
			t.Error("a cookie session came with tokens")
		}
		v, who, err := h.sessions.Find(t.Context(), tenant, cookie.Cookie.Reveal())
		h.requireOK(err)
		if v.ID != cookie.Session.ID || who.ID != a.ID || !who.LastLoginAt.Equal(h.clock.Now()) || v.IP != browserActor.IP {
			t.Errorf("session %+v of %+v", v, who)
		}
	})
}

func TestAttack_PW_01_PrefixesNeverMatch(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		long := strings.Repeat("quartz-Wren-81 ", 20)
		for i, n := range []int{64, 72, 73, 128} {
			email := fmt.Sprintf("n%d@example.test", i)
			h.insertAccount(email, long[:n])
			h.requireOK(h.signInPassword(email, long[:n]))
			h.requireRefused(h.signInPassword(email, long[:n-1]), "invalid_credentials")
			h.requireRefused(h.signInPassword(email, long[:n-1]+"~"), "invalid_credentials")
			if n < 128 {
				h.requireRefused(h.signInPassword(email, long[:n+1]), "invalid_credentials")
			}
		}
	})
}

func TestAttack_PW_03_SpacesAndUnicode(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		h.insertAccount("alice@example.test", "  Caf\u00e9\u0000 \U0001f511 ")
		h.requireOK(h.signInPassword("alice@example.test", "  Caf\u00e9\u0000 \U0001f511 "))
		h.requireOK(h.signInPassword("alice@example.test", "  Cafe\u0301\u0000 \U0001f511 "))
		for _, pw := range []string{"Caf\u00e9\u0000 \U0001f511", "  Caf\u00e9 \U0001f511 ", "  Cafe\u0000 \U0001f511 ", "  caf\u00e9\u0000 \U0001f511 "} {
			h.requireRefused(h.signInPassword("alice@example.test", pw), "invalid_credentials")
		}
	})
}

func TestAttack_BF_01_OneResponse(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		shut := func(a *auth.Account) { a.DisabledAt = a.CreatedAt }
		h.setTenant(func(v *auth.Settings) { v.Identifiers = auth.IdentifyByBoth })
		h.insertAccount("alice@example.test", good, func(a *auth.Account) { a.Username = "alice" })
		h.insertAccount("shut@example.test", good, shut)
		h.insertAccount("without@example.test", "")
		h.insertAccount("shut-without@example.test", "", shut)
		h.insertAccount("pending@example.test", good, func(a *auth.Account) { a.EmailVerifiedAt = time.Time{} })
		h.insertAccountWithHash("broken@example.test", "$argon2id$v=19$m=64,t=1,p=1$nonsense")
		want := h.observeRefusal("alice@example.test", another)
		if want.Kind != auth.KindUnauthenticated || want.Code != "invalid_credentials" || want.Hashes != 1 || want.Audit != 1 {
			t.Fatalf("wrong password: %+v", want)
		}
		for email, pw := range map[string]string{
			"nobody@example.test":       another,
			"alice":                     another,
			"nobody":                    another,
			"shut@example.test":         another,
			"SHUT@example.test":         good,
			"without@example.test":      another,
			"shut-without@example.test": good,
			"pending@example.test":      another,
			"broken@example.test":       good,
			"no address at all":         another,
			"":                          another,
			"a@b@c":                     good,
		} {
			if got := h.observeRefusal(email, pw); got != want {
				t.Errorf("%q: %+v, want %+v", email, got, want)
			}
		}
	})
}

// An outdated hash is not upgraded for a disabled account: the second hashing would show that the
// password was right.
func TestAttack_BF_01_OneResponseForDisabledAccountWithOutdatedHash(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		old, err := newHasher(t, password.Params{Memory: 32, Time: 1, Parallelism: 1}, nil).Hash(t.Context(), good)
		h.requireOK(err)
		h.insertAccountWithHash("shut@example.test", old, func(a *auth.Account) { a.DisabledAt = a.CreatedAt })
		want := h.observeRefusal("shut@example.test", another)
		if got := h.observeRefusal("shut@example.test", good); got != want || want.Hashes != 1 {
			t.Errorf("%+v, want %+v", got, want)
		}
	})
}

func TestAttack_BF_02_OddPasswords(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		h.insertAccount("alice@example.test", good)
		for pw, code := range map[string]string{
			"": "invalid_credentials", "x": "invalid_credentials", strings.Repeat("x", 129): "password_too_long",
			strings.Repeat("x", 1<<20): "password_too_long", "\xff\xfe": "password_invalid",
		} {
			known := h.observeRefusal("alice@example.test", pw)
			for _, email := range []string{"nobody@example.test", "no address"} {
				if got := h.observeRefusal(email, pw); got != known {
					t.Errorf("%d bytes: %q %+v, known %+v", len(pw), email, got, known)
				}
			}
			if known.Code != code || known.Kind == auth.KindInvalid && known.Hashes != 0 {
				t.Errorf("%d bytes: %+v, want %s", len(pw), known, code)
			}
		}
	})
}

func TestUnverifiedOnlyAfterTheRightPassword(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		h.insertAccount("alice@example.test", good, func(a *auth.Account) { a.EmailVerifiedAt = time.Time{} })
		h.requireRefused(h.signInPassword("alice@example.test", another), "invalid_credentials")
		if e := h.requireRefused(h.signInPassword("alice@example.test", good), "email_not_verified"); e.Kind != auth.KindForbidden {
			t.Errorf("kind %v", e.Kind)
		}
		if e := h.events(auth.EventLogin)[0]; e.Outcome != auth.Failure || e.Detail["reason"] != login.ReasonUnverified {
			t.Errorf("audit %+v", e)
		}
		h.requireOK(h.db.Write(t.Context(), tenant, func(tx *store.Tx) error {
			current, err := tx.CurrentTenant()
			if err != nil {
				return err
			}
			current.Settings.AllowUnverified = true
			return tx.UpdateCurrentTenant(current)
		}))
		h.requireOK(h.signInPassword("alice@example.test", good))
	})
}

func TestAttack_OP_05_LoginAudit(t *testing.T) {
	var mu sync.Mutex
	var observed []string
	each(t, func(t *testing.T, h *fixture) {
		a := h.insertAccount("alice@example.test", good)
		last := func() auth.Event {
			t.Helper()
			e := h.events(auth.EventLogin)[0]
			if !e.At.Equal(h.clock.Now()) || e.Actor.IP != browserActor.IP || e.Actor.RequestID != browserActor.RequestID {
				t.Errorf("audit %+v", e)
			}
			for _, v := range e.Detail {
				if strings.Contains(v, good) || strings.Contains(v, another) {
					t.Errorf("a password in the audit log: %+v", e)
				}
			}
			return e
		}
		h.requireOK(h.signInPassword("alice@example.test", good))
		if e := last(); e.Outcome != auth.Success || e.Account != a.ID || e.Detail["session"] == "" {
			t.Errorf("audit %+v", e)
		}
		h.requireRefused(h.signInPassword("alice@example.test", another), "invalid_credentials")
		if e := last(); e.Outcome != auth.Failure || e.Account != a.ID || e.Detail["reason"] != login.ReasonPassword {
			t.Errorf("audit %+v", e)
		}
		h.requireRefused(h.signInPassword(good, "alice@example.test"), "invalid_credentials") // the fields are swapped
		if e := last(); e.Outcome != auth.Failure || e.Account != "" || e.Detail["reason"] != login.ReasonUnknown {
			t.Errorf("audit %+v", e)
		}
		if n := len(h.events(auth.EventLogin)); n != 3 {
			t.Errorf("%d lines of 3 attempts", n)
		}
	}, func(c *login.Config) {
		c.Observe = func(result, reason string) {
			mu.Lock()
			defer mu.Unlock()
			observed = append(observed, result+"/"+reason)
		}
	})
	t.Cleanup(func() {
		for _, want := range []string{"success/", "failure/wrong_password", "failure/unknown_account"} {
			if !slices.Contains(observed, want) {
				t.Errorf("Observe was not called with %s", want)
			}
		}
	})
}

func TestAttack_OP_06_HashesAreUpgraded(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		one, two := h.insertAccount("one@example.test", good), h.insertAccount("two@example.test", good)
		if h.passwordHash(one) == h.passwordHash(two) {
			t.Error("the same password has the same hash twice")
		}
		h.requireOK(h.signInPassword("one@example.test", good))
		if len(h.events(auth.EventPasswordRehashed)) != 0 {
			t.Error("upgraded without need")
		}
		cfg := h.cfg
		cfg.Hasher = newHasher(t, password.Params{Memory: 128, Time: 2, Parallelism: 1}, nil)
		upgrading := login.New(cfg)
		before := h.passwordHash(two)
		if _, err := upgrading.Password(t.Context(), tenant, login.Request{Email: "two@example.test", Password: another}); auth.KindOf(err) != auth.KindUnauthenticated || h.passwordHash(two) != before {
			t.Errorf("a wrong password changed the hash, or %v", err)
		}
		for range 2 {
			_, err := upgrading.Password(t.Context(), tenant, login.Request{Email: "two@example.test", Password: good})
			h.requireOK(err)
		}
		if got := h.passwordHash(two); !strings.Contains(got, "m=128,t=2,p=1") || len(h.events(auth.EventPasswordRehashed)) != 1 {
			t.Errorf("hash %s", got)
		}
	})
}

func TestAttack_OP_06_ImportedHashes(t *testing.T) {
	bc, err := bcrypt.GenerateFromPassword([]byte(good), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	pb, err := pbkdf2.Key(sha256.New, good, []byte("saltsalt"), 1000, 32)
	if err != nil {
		t.Fatal(err)
	}
	sc, err := scrypt.Key([]byte(good), []byte("saltsalt"), 1024, 8, 1, 64)
	if err != nil {
		t.Fatal(err)
	}
	each(t, func(t *testing.T, h *fixture) {
		for name, hash := range map[string]string{
			"bcrypt":          string(bc),
			"werkzeug-pbkdf2": "pbkdf2:sha256:1000$saltsalt$" + hex.EncodeToString(pb),
			"werkzeug-scrypt": "scrypt:1024:8:1$saltsalt$" + hex.EncodeToString(sc),
		} {
			a := h.insertAccountWithHash(name+"@example.test", hash)
			h.requireRefused(h.signInPassword(name+"@example.test", another), "invalid_credentials")
			if h.passwordHash(a) != hash {
				t.Errorf("%s: changed by a wrong password", name)
			}
			h.requireOK(h.signInPassword(name+"@example.test", good))
			if !strings.HasPrefix(h.passwordHash(a), "$argon2id$") {
				t.Errorf("%s: not upgraded: %s", name, h.passwordHash(a))
			}
			h.requireOK(h.signInPassword(name+"@example.test", good))
		}
	})
}

// Concurrent sign-ins that upgrade the same hash all succeed.
func TestUpgradeInParallel(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		h.insertAccount("alice@example.test", good)
		cfg := h.cfg
		cfg.Hasher = newHasher(t, password.Params{Memory: 128, Time: 1, Parallelism: 1}, nil)
		upgrading := login.New(cfg)
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				if _, err := upgrading.Password(t.Context(), tenant, login.Request{Email: "alice@example.test", Password: good}); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if n := len(h.events(auth.EventPasswordRehashed)); n != 1 {
			t.Errorf("upgraded %d times", n)
		}
	})
}

// A password that is reset between comparison and transaction starts no session.
func TestResetDuringSignIn(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		a := h.insertAccount("alice@example.test", good)
		next, err := h.hasher.Hash(t.Context(), another)
		h.requireOK(err)
		var once sync.Once
		cfg := h.cfg
		cfg.Hasher = newHasher(t, cheap, func(time.Duration) {
			once.Do(func() {
				h.requireOK(h.db.Write(t.Context(), tenant, func(tx *store.Tx) error { return tx.SetPassword(a.ID, next) }))
			})
		})
		_, err = login.New(cfg).Password(t.Context(), tenant, login.Request{Email: "alice@example.test", Password: good})
		h.requireRefused(err, "invalid_credentials")
		h.requireOK(h.db.Read(t.Context(), tenant, func(tx *store.Tx) error {
			list, err := tx.Sessions(a.ID)
			if len(list) != 0 {
				t.Errorf("sessions %+v", list)
			}
			return err
		}))
	})
}

// An account that is disabled between comparison and transaction gets no session.
func TestDisabledDuringSignIn(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		a := h.insertAccount("alice@example.test", good)
		cfg := h.cfg
		cfg.Hasher = newHasher(t, cheap, func(time.Duration) {
			h.requireOK(h.db.Write(t.Context(), tenant, func(tx *store.Tx) error {
				a.DisabledAt = tx.Now
				return tx.UpdateAccount(a)
			}))
		})
		_, err := login.New(cfg).Password(t.Context(), tenant, login.Request{Email: "alice@example.test", Password: good})
		h.requireRefused(err, "invalid_credentials")
		if e := h.events(auth.EventLogin)[0]; e.Outcome != auth.Failure || e.Detail["reason"] != login.ReasonDisabled {
			t.Errorf("audit %+v", e)
		}
	})
}
