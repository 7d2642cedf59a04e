package login_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/limit"
	"github.com/watchword-auth/watchword/internal/login"
	"github.com/watchword-auth/watchword/internal/password"
)

const tries = 10

// withLimits is the default limit of accounts.
func withLimits(c *login.Config) {
	c.Rates["login.account"] = limit.Rate{Count: tries, Per: 15 * time.Minute}
}

func TestAttack_BF_03_BF_08_Throttled(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		h.insertAccount("alice@example.test", good)
		h.insertAccount("shut@example.test", good, func(a *auth.Account) { a.DisabledAt = a.CreatedAt })
		var all []response
		for _, email := range []string{"alice@example.test", "nobody@example.test", "shut@example.test"} {
			for range tries {
				if got := h.observeRefusal(email, another); got.Code != "invalid_credentials" {
					t.Fatalf("%s: %+v", email, got)
				}
			}
			if e := h.events(auth.EventLogin)[0]; e.Detail["limit"] != "reached" {
				t.Errorf("%s: the attempt that reached the limit left %+v", email, e.Detail)
			}
			all = append(all, h.observeRefusal(email, good)) // the right password, too
		}
		if want := all[0]; want.Kind != auth.KindThrottled || want.RetryAfter <= 0 || want.RetryAfter > 15*time.Minute || want.Hashes != 0 || want.Audit != 0 {
			t.Errorf("throttled: %+v", want)
		}
		if all[0] != all[1] || all[0] != all[2] {
			t.Errorf("known, unknown and disabled differ: %+v", all)
		}
		// Further attempts do not extend the wait.
		wait := all[0].RetryAfter
		for range 50 {
			h.signInPassword("alice@example.test", another)
		}
		h.clock.Advance(wait - time.Second)
		h.requireRefused(h.signInPassword("alice@example.test", good), "rate_limited")
		h.clock.Advance(time.Second)
		h.requireOK(h.signInPassword("alice@example.test", good))
	}, withLimits)
}

func TestSuccessesDoNotCount(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		h.insertAccount("alice@example.test", good)
		h.insertAccount("pending@example.test", good, func(a *auth.Account) { a.EmailVerifiedAt = time.Time{} })
		for range 2 * tries {
			h.requireOK(h.signInPassword("alice@example.test", good))
			h.requireRefused(h.signInPassword("pending@example.test", good), "email_not_verified")
		}
	}, withLimits)
}

// A success refunds only its own attempt: an attacker who guesses between the owner's sign-ins
// gets no further attempts.
func TestSuccessRefundsOnlyItself(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		h.insertAccount("alice@example.test", good)
		for range tries - 1 {
			h.requireRefused(h.signInPassword("alice@example.test", another), "invalid_credentials")
		}
		h.requireOK(h.signInPassword("alice@example.test", good))
		h.requireRefused(h.signInPassword("alice@example.test", another), "invalid_credentials")
		h.requireRefused(h.signInPassword("alice@example.test", another), "rate_limited")
	}, withLimits)
}

func TestAttack_BF_04_OneCounterForAllSpellings(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		h.insertAccount("alice@example.test", good)
		spellings := []string{
			"alice@example.test", "ALICE@EXAMPLE.TEST", "Alice@example.test ", "\talice@example.test", "ａｌｉｃｅ@example.test",
			"al\u200bice@example.test", "alice@EXAMPLE\u3002test", "alice@example\uff0etest", "alice\u00ad@example.test", "alice@ex\u200dample.test",
		}
		if len(spellings) != tries {
			t.Fatal("one spelling for each try")
		}
		for _, email := range spellings {
			h.requireRefused(h.signInPassword(email, another), "invalid_credentials")
		}
		for _, email := range spellings {
			h.requireRefused(h.signInPassword(email, good), "rate_limited")
		}
		h.insertAccount("bob@example.test", good)
		h.requireOK(h.signInPassword("bob@example.test", good)) // another account has its own counter
	}, withLimits)
}

func TestAttack_BF_10_ParallelBurst(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		h.insertAccount("alice@example.test", good)
		for _, email := range []string{"alice@example.test", "nobody@example.test"} {
			hashes, audit := h.hasher.Stats().Done, len(h.events(auth.EventLogin))
			var mu sync.Mutex
			counts := map[string]int{}
			var wg sync.WaitGroup
			barrier := make(chan struct{})
			for i := range 200 {
				wg.Go(func() {
					<-barrier
					err := h.signInPassword(email, fmt.Sprintf("%s-%d", another, i))
					e, _ := errors.AsType[*auth.Error](err)
					mu.Lock()
					defer mu.Unlock()
					if e == nil {
						t.Errorf("attempt %d: %v", i, err)
						return
					}
					counts[string(e.Code)]++
				})
			}
			close(barrier)
			wg.Wait()
			if counts["invalid_credentials"] != tries || counts["rate_limited"] != 200-tries {
				t.Errorf("%s: %v", email, counts)
			}
			if n := h.hasher.Stats().Done - hashes; n != tries {
				t.Errorf("%s: %d passwords compared", email, n)
			}
			if n := len(h.events(auth.EventLogin)) - audit; n != tries {
				t.Errorf("%s: %d audit lines", email, n)
			}
		}
	}, withLimits)
}

// broken is a limiter that cannot answer.
type broken struct{ limit.Limiter }

func (broken) TakeAll(context.Context, []limit.Bucket) (limit.Decision, error) {
	return limit.Decision{OK: true}, errors.New("connection refused")
}

func TestAttack_BF_12_LimiterUnavailable(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		h.insertAccount("alice@example.test", good)
		if got := h.observeRefusal("alice@example.test", good); got.Kind != auth.KindUnavailable || got.Hashes != 0 {
			t.Errorf("without a limiter: %+v", got)
		}
	}, func(c *login.Config) { c.Limiter = broken{} })
}

// A full gate is refused as unavailable and does not count as a failed attempt.
func TestBusyHasher(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		h.insertAccount("alice@example.test", good)
		inside, release := make(chan struct{}), make(chan struct{})
		var looks atomic.Int32
		hasher, err := password.New(password.Config{Params: cheap, MaxMemory: 64, MaxWait: time.Minute, MaxConcurrent: 1, Now: func() time.Time {
			if looks.Add(1) == 2 { // the first comparison has entered the gate
				close(inside)
				<-release
			}
			return time.Now()
		}})
		h.requireOK(err)
		cfg := h.cfg
		cfg.Hasher = hasher
		small := login.New(cfg)
		try := func() error {
			_, err := small.Password(t.Context(), tenant, login.Request{Email: "alice@example.test", Password: good, Actor: browserActor})
			return err
		}
		first := make(chan error)
		go func() { first <- try() }()
		<-inside
		for range 2 * tries {
			if e := h.requireRefused(try(), "unavailable"); e.RetryAfter < time.Second {
				t.Errorf("retry after %v", e.RetryAfter)
			}
		}
		close(release)
		h.requireOK(<-first)
		h.requireOK(try())
	}, withLimits)
}
