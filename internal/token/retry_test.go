package token_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/store"
	"github.com/watchword-auth/watchword/internal/store/storetest"
)

func TestRepair_B9_LostResponseIsRepeatedForADay(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		one := h.signIn()
		lost := h.requireRefresh(one.RefreshToken)
		for range 3 { // any number of times
			h.clock.Advance(retry / 3)
			again := h.requireRefresh(one.RefreshToken)
			if again.RefreshToken != lost.RefreshToken || again.AccessToken == "" {
				t.Error("another successor, or no access token")
			}
		}
		if f := h.family(one.RefreshToken); f.Generation != 1 || f.Retries != 1 {
			t.Errorf("one lost response became %+v", f)
		}

		three := h.requireRefresh(lost.RefreshToken)

		h.requireRefused(one.RefreshToken, "refresh_token_reused")
		h.requireRefused(three.RefreshToken, "refresh_token_reused")
		if n := h.waitingMails(); n != 1 {
			t.Errorf("%d messages to the owner, want 1", n)
		}
		want := map[string]int{"rotated": 2, "retry": 3, "reuse": 1, "invalid": 1}
		if d := cmp.Diff(want, h.verdicts); d != "" {
			t.Errorf("verdicts (-want +got):\n%s", d)
		}
	})
}

func TestRepair_B9_NoMailWhereTheSuccessorWasNeverUsed(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		one := h.signIn()
		lost := h.requireRefresh(one.RefreshToken)
		h.clock.Advance(retry + time.Millisecond)

		h.requireRefused(one.RefreshToken, "refresh_token_reused")

		h.requireRefused(lost.RefreshToken, "refresh_token_reused")
		if n := h.waitingMails(); n != 0 {
			t.Errorf("%d messages to the owner, want none", n)
		}
		if ev := h.events(auth.EventRefreshReused); len(ev) != 1 || ev[0].Detail["verdict"] != "late" {
			t.Errorf("audit lines: %+v", ev)
		}
		want := map[string]int{"rotated": 1, "late": 1, "invalid": 1}
		if d := cmp.Diff(want, h.verdicts); d != "" {
			t.Errorf("verdicts (-want +got):\n%s", d)
		}
	})
}

func TestRepair_B9_CopyIsDetected(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		raw := h.signIn().RefreshToken
		for range auth.MaxRetries {
			owner := h.requireRefresh(raw)
			h.clock.Advance(time.Minute)
			if thief := h.requireRefresh(raw); thief.RefreshToken != owner.RefreshToken {
				t.Fatal("a second branch")
			}
			raw = owner.RefreshToken
		}
		next := h.requireRefresh(raw)
		h.clock.Advance(time.Minute)
		h.requireRefused(raw, "refresh_token_reused")
		h.requireRefused(next.RefreshToken, "refresh_token_reused")
		if n := h.waitingMails(); n != 1 {
			t.Errorf("%d messages to the owner, want 1", n)
		}
	})
}

func TestRepair_B9_HalfOfTheResponsesMayBeLost(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		raw := h.signIn().RefreshToken
		for range 3 * auth.MaxRetries {
			h.requireRefresh(raw)
			h.clock.Advance(time.Minute)
			raw = h.requireRefresh(h.requireRefresh(raw).RefreshToken).RefreshToken // every other response is lost
		}
	})
}

// A copy that is sometimes used within the grace period is still detected: a race does not reset
// the count of retries.
func TestRepair_B9_RacesDoNotHideACopy(t *testing.T) {
	for _, every := range []int{3, 4, 5, 8} {
		t.Run(fmt.Sprint(every), func(t *testing.T) {
			each(t, func(t *testing.T, h *fixture) {
				raw := h.signIn().RefreshToken
				found := 0
				for step := 1; step <= 2*(auth.MaxRetries+1); step++ {
					owner := h.requireRefresh(raw)
					if step%every == 0 {
						h.clock.Advance(grace / 2)
					} else {
						h.clock.Advance(time.Minute)
					}
					if _, err := h.refresh(t.Context(), raw); err != nil {
						wantCode(t, err, "refresh_token_reused")
						found = step
						break
					}
					raw = owner.RefreshToken
				}
				if found == 0 {
					t.Error("the copy was never detected")
				}
			})
		})
	}
}

// Tabs that refresh together are races. Any number of races changes nothing.
func TestRepair_B9_OnlyRacesAreNoReuse(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		raw := h.signIn().RefreshToken
		for range 20 {
			next := h.requireRefresh(raw)
			h.clock.Advance(grace / 2)
			h.requireRefresh(raw)
			if f := h.family(raw); f.Retries != 0 {
				t.Fatalf("a race was counted: %+v", f)
			}
			h.clock.Advance(time.Minute)
			raw = next.RefreshToken
		}
	})
}

func TestRepair_B9_RetryNeedsTheSameKeyAndALivingFamily(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		bound := h.issue(auth.Grant{Account: h.alice, Client: auth.FirstParty, Scope: auth.DefaultScope, JKT: "the-key"})
		in := newRefreshRequest(auth.FirstParty, bound.RefreshToken, nil)
		in.JKT = "the-key"
		lost, err := h.tokens.Refresh(t.Context(), in)
		wantCode(t, err, "")
		h.clock.Advance(time.Hour)

		other := in
		other.JKT = "another"
		_, err = h.tokens.Refresh(t.Context(), other)
		wantCode(t, err, "invalid_refresh_token")
		again, err := h.tokens.Refresh(t.Context(), in)
		wantCode(t, err, "")
		if again.RefreshToken != lost.RefreshToken {
			t.Error("another successor")
		}
		h.write(func(tx *store.Tx) error { return tx.EndSession(h.alice, lost.Session, auth.EndLogout) })
		_, err = h.tokens.Refresh(t.Context(), in)
		wantCode(t, err, "invalid_refresh_token")
	})
}

// TestRepair_B9_RetryBesideUse lets two nodes retry and use the successor at once: there is no
// second branch, and a refusal is that of all.
func TestRepair_B9_RetryBesideUse(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, cfg store.Config) {
		h := newFixture(t, cfg)
		nodes := []*node{h.node, h.join()}
		for range rounds(10, 100) {
			one := h.signIn()
			two := h.requireRefresh(one.RefreshToken)
			h.clock.Advance(time.Minute)
			var used, retried string
			var failed error
			together(2, func(i int) {
				if i == 0 {
					ts, err := nodes[0].refresh(t.Context(), two.RefreshToken)
					used, failed = ts.RefreshToken, err
				} else if ts, err := nodes[1].refresh(t.Context(), one.RefreshToken); err == nil {
					retried = ts.RefreshToken
				}
			})
			switch {
			case retried != "" && retried != two.RefreshToken:
				t.Fatal("a second branch")
			case retried != "" && failed != nil:
				t.Fatalf("the retry went first, and the use was refused: %v", failed)
			case retried == "" && used != "":
				h.requireRefused(used, "refresh_token_reused")
			}
		}
	})
}
