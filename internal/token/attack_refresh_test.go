package token_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/store"
	"github.com/watchword-auth/watchword/internal/store/storetest"
	"github.com/watchword-auth/watchword/internal/token"
)

func TestAttack_RT_01_SpentTokenEndsTheFamily(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		one := h.signIn()
		bystander := h.signIn() // another session of the same account
		two := h.requireRefresh(one.RefreshToken)
		three := h.requireRefresh(two.RefreshToken)
		h.requireRefused(one.RefreshToken, "refresh_token_reused") // within the grace, but two generations old
		h.requireRefused(three.RefreshToken, "refresh_token_reused")
		h.requireRefused(two.RefreshToken, "refresh_token_reused")
		for i, ts := range []auth.Tokens{one, two, three} {
			if err := h.verify(ts.AccessToken); auth.KindOf(err) != auth.KindUnauthenticated {
				t.Errorf("access token %d of the family: %v", i+1, err)
			}
		}
		if err := h.verify(bystander.AccessToken); err != nil {
			t.Errorf("the other session: %v", err)
		}
		h.requireRefresh(bystander.RefreshToken)
		ev := h.events(auth.EventRefreshReused)
		if len(ev) != 1 || ev[0].Outcome != auth.Failure || ev[0].Account != h.alice || ev[0].Actor.IP != "192.0.2.1" {
			t.Errorf("audit lines: %+v", ev)
		}
		if n := h.waitingMails(); n != 1 {
			t.Errorf("%d messages to the owner, want 1", n)
		}
		want := map[string]int{"rotated": 3, "reuse": 1, "invalid": 2}
		if d := cmp.Diff(want, h.verdicts); d != "" {
			t.Errorf("verdicts (-want +got):\n%s", d)
		}
	})
}

func TestAttack_RT_01_UseAfterGraceIsReuse(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		h.retry = 0
		h.node = h.join()
		one := h.signIn()
		two := h.requireRefresh(one.RefreshToken)
		h.clock.Advance(grace + time.Millisecond)
		h.requireRefused(one.RefreshToken, "refresh_token_reused")
		h.requireRefused(two.RefreshToken, "refresh_token_reused")
		if n := h.waitingMails(); n != 1 {
			t.Errorf("%d messages to the owner, want 1", n)
		}
	})
}

func TestAttack_RT_03_ForeignClient(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		one := h.signIn()
		two := h.requireRefresh(one.RefreshToken)
		h.clock.Advance(time.Minute)
		for _, raw := range []string{one.RefreshToken, two.RefreshToken} {
			for _, client := range []auth.ClientID{other, "", "nobody"} {
				_, err := h.tokens.Refresh(t.Context(), newRefreshRequest(client, raw, nil))
				wantCode(t, err, "invalid_refresh_token")
			}
		}
		h.requireRefresh(two.RefreshToken) // neither used nor revoked
	})
}

func TestAttack_RT_03_ForeignTenant(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		storetest.Tenant(t, h.db, "t2")
		one := h.signIn()
		_, err := h.tokens.Refresh(t.Context(), token.RefreshRequest{Tenant: "t2", Client: auth.FirstParty, Token: one.RefreshToken})
		wantCode(t, err, "invalid_refresh_token")
		h.requireRefresh(one.RefreshToken)
	})
}

func TestAttack_RT_04_WiderScope(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		one := h.signIn()
		for _, scope := range []auth.Scope{{"openid", "admin"}, append(slices.Clone(auth.DefaultScope), "orders:write"), {"OPENID"}} {
			_, err := h.tokens.Refresh(t.Context(), newRefreshRequest(auth.FirstParty, one.RefreshToken, scope))
			wantCode(t, err, "invalid_scope")
			if auth.KindOf(err) != auth.KindInvalid {
				t.Errorf("kind %v", auth.KindOf(err))
			}
		}
		h.requireRefresh(one.RefreshToken)
	})
}

func TestAttack_RT_05_NarrowedScopeDoesNotStick(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		one := h.signIn()
		two, err := h.tokens.Refresh(t.Context(), newRefreshRequest(auth.FirstParty, one.RefreshToken, auth.Scope{"email"}))
		if err != nil {
			t.Fatal(err)
		}
		if got := payload(t, two.AccessToken)["scope"]; got != "email" || two.Scope.String() != "email" {
			t.Errorf("narrowed scope: %v in the token, %v in the response", got, two.Scope)
		}
		three, err := h.tokens.Refresh(t.Context(), newRefreshRequest(auth.FirstParty, two.RefreshToken, auth.DefaultScope))
		if err != nil {
			t.Fatal(err)
		}
		if got := payload(t, three.AccessToken)["scope"]; got != auth.DefaultScope.String() {
			t.Errorf("scope after requesting all of it: %v", got)
		}
	})
}

func TestAttack_RT_06_Lifetimes(t *testing.T) {
	day := 24 * time.Hour
	t.Run("absolute", func(t *testing.T) {
		each(t, func(t *testing.T, h *fixture) {
			ts := h.signIn()
			for range 29 {
				h.clock.Advance(day)
				ts = h.requireRefresh(ts.RefreshToken)
			}
			if ts.RefreshExpiresIn != day {
				t.Errorf("the idle limit exceeds the absolute one: %v", ts.RefreshExpiresIn)
			}
			h.clock.Advance(day)
			h.requireRefused(ts.RefreshToken, "invalid_refresh_token")
		})
	})
	t.Run("idle", func(t *testing.T) {
		each(t, func(t *testing.T, h *fixture) {
			ts := h.signIn()
			h.clock.Advance(14*day - time.Millisecond)
			ts = h.requireRefresh(ts.RefreshToken)
			h.clock.Advance(14 * day)
			h.requireRefused(ts.RefreshToken, "invalid_refresh_token")
			if reason := h.family(ts.RefreshToken).EndReason; reason != auth.EndExpired {
				t.Errorf("end reason %q", reason)
			}
		})
	})
	t.Run("tenant settings", func(t *testing.T) {
		each(t, func(t *testing.T, h *fixture) {
			h.write(func(tx *store.Tx) error {
				self, err := tx.CurrentTenant()
				self.Settings.Lifetimes = auth.Lifetimes{RefreshIdle: time.Hour, RefreshAbsolute: 90 * time.Minute, Access: time.Minute}
				if err != nil {
					return err
				}
				return tx.UpdateCurrentTenant(self)
			})
			ts := h.signIn()
			if ts.ExpiresIn != time.Minute || ts.RefreshExpiresIn != time.Hour {
				t.Errorf("lifetimes %v, %v", ts.ExpiresIn, ts.RefreshExpiresIn)
			}
			h.clock.Advance(59 * time.Minute)
			ts = h.requireRefresh(ts.RefreshToken)
			h.clock.Advance(31 * time.Minute)
			h.requireRefused(ts.RefreshToken, "invalid_refresh_token")
		})
	})
	t.Run("session", func(t *testing.T) {
		each(t, func(t *testing.T, h *fixture) {
			ts := h.signIn()
			h.write(func(tx *store.Tx) error { return tx.EndSession(h.alice, ts.Session, auth.EndLogout) })
			h.requireRefused(ts.RefreshToken, "invalid_refresh_token")
		})
	})
}

func TestAttack_RT_07_AccountOrClientShut(t *testing.T) {
	for name, shut := range map[string]func(tx *store.Tx, h *fixture) error{
		"disabled": func(tx *store.Tx, h *fixture) error {
			a, err := tx.Account(h.alice)
			if err != nil {
				return err
			}
			a.DisabledAt = tx.Now
			return tx.UpdateAccount(a) // the families are not changed
		},
		"deleted": func(tx *store.Tx, h *fixture) error { return tx.DeleteAccount(h.alice) },
		"address no longer proved": func(tx *store.Tx, h *fixture) error {
			a, err := tx.Account(h.alice)
			if err != nil {
				return err
			}
			a.EmailVerifiedAt = time.Time{}
			return tx.UpdateAccount(a)
		},
		"tenant shut": func(tx *store.Tx, h *fixture) error {
			self, err := tx.CurrentTenant()
			if err != nil {
				return err
			}
			self.DisabledAt = tx.Now
			return tx.UpdateCurrentTenant(self)
		},
	} {
		t.Run(name, func(t *testing.T) {
			each(t, func(t *testing.T, h *fixture) {
				one := h.signIn()
				second := h.join() // it has only its keys in memory
				if err := h.verify(one.AccessToken); err != nil {
					t.Fatal(err)
				}
				h.write(func(tx *store.Tx) error { return shut(tx, h) })
				h.requireRefused(one.RefreshToken, "invalid_refresh_token")
				_, err := second.refresh(t.Context(), one.RefreshToken)
				wantCode(t, err, "invalid_refresh_token")
				if err := h.verify(one.AccessToken); err == nil && name != "address no longer proved" {
					t.Error("the access token is still valid for the server's own API")
				}
			})
		})
	}
}

func TestAttack_RT_11_TokensOfTheWrongKind(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		ts := h.signIn()
		h.requireRefused(ts.AccessToken, "invalid_refresh_token")
		wantCode(t, h.verify(ts.RefreshToken), "invalid_token")
	})
}

func TestAttack_RT_15_RolesChangeWithTheNextRefresh(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		h.write(func(tx *store.Tx) error {
			for _, p := range []string{"orders:write", "orders:read", "bills:read"} {
				if err := tx.PutPermission(auth.Permission{Name: p, CreatedAt: tx.Now}); err != nil {
					return err
				}
			}
			for _, r := range []string{"editor", "clerk"} {
				if err := tx.InsertRole(auth.Role{ID: auth.RoleID(r), Name: r, CreatedAt: tx.Now}); err != nil {
					return err
				}
				if _, err := tx.AssignRole(h.alice, auth.RoleID(r)); err != nil {
					return err
				}
				if _, err := tx.AddRolePermission(auth.RoleID(r), "orders:read"); err != nil {
					return err
				}
			}
			_, err := tx.AddRolePermission("editor", "orders:write")
			return err
		})
		one := h.signIn()
		wantRights(t, one.AccessToken, []any{"clerk", "editor"}, []any{"orders:read", "orders:write"})
		two := h.requireRefresh(one.RefreshToken)
		wantRights(t, two.AccessToken, []any{"clerk", "editor"}, []any{"orders:read", "orders:write"})
		h.write(func(tx *store.Tx) error {
			_, err := tx.UnassignRole(h.alice, "editor")
			return err
		})
		three := h.requireRefresh(two.RefreshToken)
		wantRights(t, three.AccessToken, []any{"clerk"}, []any{"orders:read"})
		h.write(func(tx *store.Tx) error { return tx.DeleteRole("clerk") })
		four := h.requireRefresh(three.RefreshToken)
		wantRights(t, four.AccessToken, []any{}, []any{})
	})
}

func TestAttack_RT_16_ReplayAfterARestart(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		one := h.signIn()
		two := h.requireRefresh(one.RefreshToken)
		three := h.requireRefresh(two.RefreshToken)
		h.clock.Advance(time.Minute)
		h.db.Close()
		h.node = h.join()
		h.requireRefused(one.RefreshToken, "refresh_token_reused")
		h.requireRefused(three.RefreshToken, "refresh_token_reused")
	})
}

func TestAttack_RT_17_LostResponse(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		one := h.signIn()
		lost := h.requireRefresh(one.RefreshToken)
		h.clock.Advance(grace)
		again := h.requireRefresh(one.RefreshToken)
		if again.RefreshToken != lost.RefreshToken {
			t.Error("a second branch: the retry got another successor")
		}
		if again.AccessToken == lost.AccessToken {
			t.Error("the retry got the old access token")
		}
		if f := h.family(one.RefreshToken); f.Generation != 1 {
			t.Errorf("generation %d after one rotation and one retry", f.Generation)
		}
		second := h.join()
		if ts, err := second.refresh(t.Context(), one.RefreshToken); err != nil || ts.RefreshToken != lost.RefreshToken {
			t.Errorf("the retry at another node: %v", err)
		}
		want := map[string]int{"rotated": 1, "race": 1}
		if d := cmp.Diff(want, h.verdicts); d != "" {
			t.Errorf("verdicts (-want +got):\n%s", d)
		}
		h.clock.Advance(time.Millisecond) // from now on a retry, while the successor is not used
		if ts := h.requireRefresh(one.RefreshToken); ts.RefreshToken != lost.RefreshToken {
			t.Error("a second branch: the late retry got another successor")
		}
		h.requireRefresh(lost.RefreshToken)
		h.requireRefused(one.RefreshToken, "refresh_token_reused")
	})
}

func TestAttack_RT_18_RefreshKeepsTheSignIn(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		one := h.signIn()
		before := payload(t, one.AccessToken)
		h.clock.Advance(time.Hour)
		after := payload(t, h.requireRefresh(one.RefreshToken).AccessToken)
		for _, name := range []string{"iss", "sub", "aud", "client_id", "sid", "scope", "auth_time", "acr", "amr"} {
			if d := cmp.Diff(before[name], after[name]); d != "" {
				t.Errorf("%s changed:\n%s", name, d)
			}
		}
		if before["jti"] == after["jti"] || before["iat"] == after["iat"] {
			t.Error("jti or iat did not change")
		}
	})
}

func TestRefresh_NodeThatCannotSignSpendsNothing(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		one := h.signIn()
		crippled := *h
		crippled.cfg.Keyring = storetest.Keyring(t)
		_, err := crippled.join().refresh(t.Context(), one.RefreshToken)
		if !errors.Is(err, secret.ErrSealed) {
			t.Errorf("refreshed without the master key: %v", err)
		}
		h.clock.Advance(time.Hour)
		h.requireRefresh(one.RefreshToken)
	})
}

func TestFault_FL_08_ClockForward(t *testing.T) {
	for _, jump := range []time.Duration{time.Hour, 24 * time.Hour, 10 * 365 * 24 * time.Hour} {
		t.Run(jump.String(), func(t *testing.T) {
			each(t, func(t *testing.T, h *fixture) {
				one := h.signIn()
				h.clock.Advance(jump)
				wantCode(t, h.verify(one.AccessToken), "token_expired")
				if jump > 14*24*time.Hour {
					h.requireRefused(one.RefreshToken, "invalid_refresh_token")
				} else {
					two := h.requireRefresh(one.RefreshToken)
					if err := h.verify(two.AccessToken); err != nil {
						t.Error(err)
					}
				}
				if err := h.verify(h.signIn().AccessToken); err != nil { // no lockout
					t.Errorf("a new sign-in: %v", err)
				}
			})
		})
	}
}

func TestFault_FL_09_ClockBack(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		week := 7 * 24 * time.Hour
		old := h.signIn()
		h.clock.Advance(week)
		one := h.signIn()
		two := h.requireRefresh(one.RefreshToken)
		h.clock.Advance(week)
		h.requireRefused(old.RefreshToken, "invalid_refresh_token")
		h.clock.Advance(-2*week - time.Hour)
		// A node that starts now has never seen the later time.
		for _, n := range []*node{h.node, h.join()} {
			_, err := n.refresh(t.Context(), old.RefreshToken) // expired once, expired forever
			wantCode(t, err, "invalid_refresh_token")
			_, err = n.refresh(t.Context(), one.RefreshToken) // a used token stays used
			wantCode(t, err, "refresh_token_reused")
			_, err = n.refresh(t.Context(), two.RefreshToken) // and its family has ended
			wantCode(t, err, "refresh_token_reused")
		}
		if err := h.verify(h.signIn().AccessToken); err != nil { // before the first key is valid
			t.Errorf("a new sign-in: %v", err)
		}
	})
}

func TestFault_FL_09_NewestTokenSurvivesAClockThatGoesBack(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		one := h.signIn()
		two := h.requireRefresh(one.RefreshToken)
		h.clock.Advance(-time.Hour)
		three := h.requireRefresh(two.RefreshToken)
		if err := h.verify(three.AccessToken); err != nil {
			t.Error(err)
		}
	})
}

// payload decodes the claims of a JWT.
func payload(t testing.TB, jwt string) map[string]any {
	t.Helper()
	parts := strings.Split(jwt, ".")
	if len(parts) != 3 {
		t.Fatalf("%d parts", len(parts))
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	var out map[string]any
	if err := json.Unmarshal(raw, &out); err != nil {
		t.Fatalf("%v in %s", err, raw)
	}
	return out
}

func wantRights(t *testing.T, jwt string, roles, permissions []any) {
	t.Helper()
	p := payload(t, jwt)
	if d := cmp.Diff([]any{roles, permissions}, []any{p["roles"], p["permissions"]}); d != "" {
		t.Errorf("roles and permissions (-want +got):\n%s", d)
	}
}
