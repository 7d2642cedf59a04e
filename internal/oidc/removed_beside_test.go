package oidc_test

import (
	"database/sql"
	"encoding/json"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/client"
	"github.com/watchword-auth/watchword/internal/client/clienttest"
	"github.com/watchword-auth/watchword/internal/oauth"
	"github.com/watchword-auth/watchword/internal/store"
	"github.com/watchword-auth/watchword/internal/store/storetest"
)

// runInLockOrder runs two functions; the first waits inside its statement until the second waits for
// it.
func runInLockOrder(t *testing.T, url, hold string, first, second func()) {
	t.Helper()
	db, err := sql.Open("pgx", url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	tx, err := db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	if _, err := tx.Exec(hold); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{}, 2)
	for i, fn := range []func(){first, second} {
		go func() {
			defer func() { done <- struct{}{} }()
			fn()
		}()
		for n := 0; n <= i; {
			err := db.QueryRow("SELECT count(*) FROM pg_stat_activity, pg_sleep(0.01) WHERE datname = current_database() AND wait_event_type = 'Lock'").Scan(&n)
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	<-done
	<-done
}

// TestNoSessionOutlivesItsClient: a session that begins while its client is deleted, or
// replaced by another of the same id, ends with it, and so do its refresh tokens.
func TestNoSessionOutlivesItsClient(t *testing.T) {
	t.Parallel()
	p, out := startPublisher(t)
	const browser = "SELECT FROM sessions WHERE client_id = 'first-party' FOR UPDATE"
	check := func(h *fixture, c auth.Client, began error) {
		h.t.Helper()
		h.requireOK(began)
		h.write(func(tx *store.Tx) error {
			list, err := tx.AllSessions(h.alice)
			for _, v := range list {
				if v.Client == c.ID {
					h.t.Errorf("session %s is alive", v.ID)
				}
			}
			return err
		})
	}
	t.Run("deleted", func(t *testing.T) {
		t.Parallel()
		cfg := store.Config{URL: storetest.Postgres(t), Keyring: storetest.Keyring(t)}
		h := newFixture(t, cfg)
		c, clientSecret := h.newWebClient(func(r *client.Registration) { r.FirstParty = true })
		code := h.newCode(c)
		var began, deleted error
		runInLockOrder(t, cfg.URL, browser, func() { _, began = h.redeemCode(c, clientSecret, code) },
			func() { deleted = h.clients.Delete(t.Context(), tenant, c.ID, operator) })
		h.requireOK(deleted)
		check(h, c, began)
		if _, err := h.clients.Get(t.Context(), tenant, c.ID); auth.KindOf(err) != auth.KindNotFound {
			t.Errorf("the client: %v", err)
		}
	})
	t.Run("replaced", func(t *testing.T) {
		t.Parallel()
		cfg := store.Config{URL: storetest.Postgres(t), Keyring: storetest.Keyring(t)}
		h := newFixture(t, cfg, withDocuments, out)
		id := p.URL + "/replaced/client.json"
		page := clienttest.Metadata{"redirect_uris": []string{callback}}
		p.Put("/replaced/client.json", clienttest.NewDocument(t, id, page))
		c := auth.Client{ID: auth.ClientID(id)}
		h.requireOK(h.authenticatePublic(id))
		h.clock.Advance(14*time.Minute + 30*time.Second)
		v := h.newBrowser()
		v.signIn(h.alice)
		step, err := v.authorize(authorizationPairs(c)...)
		h.requireOK(err)
		code, _, _ := h.requireCode(v.consent(step, true))
		page["token_endpoint_auth_method"], page["jwks"] = "private_key_jwt", json.RawMessage(clienttest.NewKeyPair(t, jose.ES256).JWKS)
		p.Put("/replaced/client.json", clienttest.NewDocument(t, id, page))
		var began error
		runInLockOrder(t, cfg.URL, browser, func() { _, began = h.redeemCode(c, "", code) }, func() {
			h.clock.Advance(40 * time.Second) // the document has grown old, the code has not
			h.requireRefused(h.authenticatePublic(id), oauth.InvalidClient)
		})
		after, err := h.clients.Get(t.Context(), tenant, c.ID)
		h.requireOK(err)
		if after.Type != auth.ClientWeb || after.Settings.DocumentAt.Before(h.clock.Now()) {
			t.Errorf("the client: %+v", after)
		}
		check(h, c, began)
	})
}
