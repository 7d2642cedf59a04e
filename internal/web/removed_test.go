package web

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"testing"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/store"
	"github.com/watchword-auth/watchword/internal/store/storetest"
)

// TestRepair_H5_PersonBesideRemoval: a request during the removal of its account or session succeeds or
// is refused, and never has a 5xx.
func TestRepair_H5_PersonBesideRemoval(t *testing.T) {
	t.Parallel()
	rounds := 6
	if testing.Short() {
		rounds = 2
	}
	uses := map[string]func(bearing, refresh, email string) *http.Request{
		"me":       func(b, _, _ string) *http.Request { return request("GET", "/api/v1/me", "", b) },
		"rename":   func(b, _, _ string) *http.Request { return request("PATCH", "/api/v1/me", `{"name":"N"}`, b) },
		"export":   func(b, _, _ string) *http.Request { return request("GET", "/api/v1/me/export", "", b) },
		"sessions": func(b, _, _ string) *http.Request { return request("GET", "/api/v1/me/sessions", "", b) },
		"end sessions": func(b, _, _ string) *http.Request {
			return request("DELETE", "/api/v1/me/sessions", "", b)
		},
		"logout": func(b, _, _ string) *http.Request { return request("POST", "/api/v1/logout", "{}", b) },
		"password": func(b, _, _ string) *http.Request {
			return request("POST", "/api/v1/me/password", `{"current_password":"`+pass+`","new_password":"another horse battery staple"}`, b)
		},
		"refresh": func(_, r, _ string) *http.Request {
			return request("POST", "/api/v1/refresh", `{"refresh_token":"`+r+`"}`)
		},
		"login": func(_, _, e string) *http.Request {
			return request("POST", "/api/v1/login", `{"email":"`+e+`","password":"`+pass+`"}`)
		},
		"forgot": func(_, _, e string) *http.Request { return request("POST", "/api/v1/forgot", `{"email":"`+e+`"}`) },
	}
	removals := map[string]func(tx *store.Tx, a auth.Account) error{
		"account deleted": func(tx *store.Tx, a auth.Account) error { return tx.DeleteAccount(a.ID) },
		"account disabled": func(tx *store.Tx, a auth.Account) error {
			a.DisabledAt = tx.Now
			return tx.UpdateAccount(a)
		},
		"sessions ended": func(tx *store.Tx, a auth.Account) error {
			_, err := tx.EndSessions(a.ID, "", auth.EndByAdmin)
			return err
		},
	}
	storetest.Each(t, func(t *testing.T, cfg store.Config) {
		h := newFixtureOn(t, cfg)
		n := 0
		for use, prepare := range uses {
			for removal, remove := range removals {
				for range rounds {
					n++
					email := fmt.Sprintf("p%d@example.com", n)
					h.signedIn(email)
					v := h.requireReply(h.login(email, pass), 200, "").json(t)
					r := prepare("Authorization: Bearer "+v["access_token"].(string), v["refresh_token"].(string), email)
					removed := make(chan error)
					go func() {
						time.Sleep(rand.N(4 * time.Millisecond)) // at a random step of the request
						removed <- h.db.Write(t.Context(), auth.DefaultTenant, func(tx *store.Tx) error {
							a, err := tx.AccountByLogin(email)
							if err != nil {
								return err
							}
							return remove(tx, a)
						})
					}()
					if got := h.do(r); got.StatusCode >= 500 {
						t.Errorf("%s during %s: %d %s", use, removal, got.StatusCode, got.body)
					}
					if err := <-removed; err != nil {
						t.Errorf("%s during %s: the removal: %v", use, removal, err)
					}
				}
			}
		}
	})
}
