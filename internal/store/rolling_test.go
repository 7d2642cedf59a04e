package store_test

import (
	"database/sql"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pressly/goose/v3"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/store"
	"github.com/watchword-auth/watchword/internal/store/storetest"
)

// former returns a database with the schema of the previous version and the rows of fill.
func former(t *testing.T, url string, dialect goose.Dialect, fill string) string {
	t.Helper()
	folder := "migrations/sqlite"
	if dialect == goose.DialectPostgres {
		folder = "migrations/postgres"
	}
	db := raw(t, url)
	p, err := goose.NewProvider(dialect, db, os.DirFS(folder), goose.WithDisableGlobalRegistry(true))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.UpTo(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec(fill); err != nil {
		t.Fatal(err)
	}
	return url
}

// formers runs the test on each kind of database.
func formers(t *testing.T, fill string, fn func(t *testing.T, url string)) {
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		fn(t, former(t, "sqlite:"+filepath.Join(t.TempDir(), "watchword.db"), goose.DialectSQLite3, fill))
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		fn(t, former(t, storetest.Blank(t), goose.DialectPostgres, fill))
	})
}

// TestUpgradeTakesAnyClient: no client that was registered with the previous version stops the
// migration, even if neither database can parse its JSON.
func TestUpgradeTakesAnyClient(t *testing.T) {
	t.Parallel()
	deep := strings.Repeat("[", 5000) + strings.Repeat("]", 5000)
	settings := map[string]string{
		"nul":       `{"grant_types":["authorization_code"],"jwks":{"keys":[{"kid":"a\u0000b"}]},"dpop_bound_access_tokens":true,"registration":"x"}`,
		"surrogate": `{"grant_types":["authorization_code"],"jwks":{"keys":[{"kid":"\ud800"}]},"dpop_bound_access_tokens":true,"registration":"x"}`,
		"deep":      `{"grant_types":["authorization_code"],"jwks":{"keys":[{"x":` + deep + `}]},"dpop_bound_access_tokens":true,"registration":"x"}`,
		"operators": `{"contacts":["\"registration\":\"x\""],"dpop_bound_access_tokens":true}`,
		"bounded":   `{"dpop_bound_access_tokens":true,"document_at":"2026-03-01T00:00:00Z"}`,
	}
	fill := `INSERT INTO tenants (id, name, settings, created_at) VALUES ('default', 'x', '{}', 1);`
	for id, text := range settings {
		fill += `INSERT INTO clients (tenant_id, id, name, kind, first_party, secrets, redirect_uris, scopes, settings, created_at, updated_at)
			VALUES ('default', '` + id + `', 'x', 'web', 0, 'null', '["https://a.test/cb"]', '["openid"]', '` + text + `', 1, 1);
		INSERT INTO audit (tenant_id, id, at, event, outcome, actor_kind, actor_id, client_id, ip, user_agent, request_id, detail)
			VALUES ('default', '` + id + `', 1, 'client.changed', 'success', 'operator', 'root', '', '', '', '', '{"client":"` + id + `","change":"updated"}');`
	}
	formers(t, fill, func(t *testing.T, url string) {
		db := open(t, testConfig(t, url))
		for id := range settings {
			var c auth.Client
			err := db.Write(t.Context(), auth.DefaultTenant, func(tx *store.Tx) (err error) {
				if c, err = tx.Client(auth.ClientID(id)); err != nil {
					return err
				}
				return tx.UpdateClient(c)
			})
			if err != nil {
				t.Errorf("%s: %v", id, err)
				continue
			}
			if bounded := c.Bounds != nil && c.Bounds.DPoP && !c.Bounds.RequirePushed && len(c.Bounds.Scopes) == 1; bounded != (id != "operators") {
				t.Errorf("%s: bounds %+v", id, c.Bounds)
			}
			if grants := c.Bounds != nil && len(c.Bounds.Grants) == 1; grants != (len(c.Settings.Grants) == 1) {
				t.Errorf("%s: %+v of %v", id, c.Bounds, c.Settings.Grants)
			}
		}
		if n := count(t, raw(t, url), "SELECT count(*) FROM clients WHERE self_registered = 1 AND id <> 'deep'"); n != 2 {
			t.Errorf("%d clients have registered themselves", n)
		}
		if n := count(t, raw(t, url), "SELECT count(*) FROM clients WHERE forgettable = 1 AND id = 'bounded'"); n != 1 {
			t.Errorf("%d clients have a document", n)
		}
	})
}

// issued stores a code for the account p and the client c.
func issued(t *testing.T, db *store.DB, digest string, browser, session auth.SessionID) {
	t.Helper()
	err := write(t.Context(), db, func(tx *store.Tx) error {
		data, err := json.Marshal(auth.CodeGrant{Nonce: "a\x00b", Browser: "p", Session: "s"})
		if err != nil {
			return err
		}
		return tx.InsertSingleUse(auth.SingleUse{Kind: auth.UseCode, Digest: digest, Account: "p", Client: "c", Data: string(data),
			CreatedAt: tx.Now, ExpiresAt: tx.Now.Add(time.Minute), Browser: browser, Session: session})
	})
	if err != nil {
		t.Fatal(err)
	}
}

func insertAccountAndClient(t *testing.T, db *store.DB) {
	t.Helper()
	err := write(t.Context(), db, func(tx *store.Tx) error {
		if err := insertAccount(tx, "p"); err != nil {
			return err
		}
		return tx.InsertClient(auth.Client{ID: "c", Name: "x", Type: auth.ClientSPA, Scopes: []string{"openid"}, CreatedAt: tx.Now, UpdatedAt: tx.Now,
			Settings: auth.StoredSettings{Registration: "x"}})
	})
	if err != nil {
		t.Fatal(err)
	}
}

// decideRedemption redeems the code for a session of the client.
func decideRedemption(now time.Time, r store.RedemptionState) (store.Redemption, error) {
	if r.Browser.ID != "p" || r.Code.Session != "s" || !r.Code.UsedAt.IsZero() {
		return store.Redemption{}, errNo
	}
	return store.Redemption{
		Session: auth.Session{ID: "s", Account: "p", Client: "c", Parent: "p", AuthAt: now, CreatedAt: now, SeenAt: now, IdleAt: now.Add(time.Hour), ExpiresAt: now.Add(time.Hour)},
		Family: &auth.Family{ID: "f", Account: "p", Client: "c", Session: "s", Digest: "0", CreatedAt: now, RotatedAt: now,
			IdleAt: now.Add(time.Hour), ExpiresAt: now.Add(time.Hour)},
		Event: auth.Event{Kind: auth.EventTokenIssued, Account: "p"},
	}, nil
}

// TestCodesOfTheVersionBefore: a code of a node of the previous version, which names its sessions
// only in the data, is redeemed once.
func TestCodesOfTheVersionBefore(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, cfg store.Config) {
		db := open(t, cfg)
		insertAccountAndClient(t, db)
		issued(t, db, "code", "", "")
		if err := db.Redeem(t.Context(), auth.DefaultTenant, "code", decideRedemption); err != nil {
			t.Fatal(err)
		}
		if err := db.Redeem(t.Context(), auth.DefaultTenant, "code", decideRedemption); err != errNo {
			t.Errorf("again: %v", err)
		}
		if n := count(t, raw(t, cfg.URL), "SELECT count(*) FROM sessions WHERE id = 's' AND parent_id = 'p' AND ended_at IS NULL"); n != 1 {
			t.Errorf("%d sessions of the client", n)
		}
	})
}

// blocked waits until n connections to the database wait for a lock.
func blocked(t *testing.T, db *sql.DB, n int) {
	t.Helper()
	for count(t, db, "SELECT count(*) FROM pg_stat_activity, pg_sleep(0.01) WHERE datname = current_database() AND wait_event_type = 'Lock'") < n {
	}
}

func statement(t *testing.T, tx *sql.Tx, text string) {
	t.Helper()
	if _, err := tx.Exec(text); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
}

// aside opens a database on PostgreSQL with another, concurrent transaction.
func aside(t *testing.T) (*store.DB, *sql.DB, *sql.Tx) {
	t.Helper()
	cfg := testConfig(t, storetest.Postgres(t))
	cfg.MaxWait = 30 * time.Second
	db, direct := open(t, cfg), raw(t, cfg.URL)
	insertAccountAndClient(t, db)
	tx, err := direct.Begin()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tx.Rollback() })
	return db, direct, tx
}

const (
	holdsAccount = "UPDATE accounts SET updated_at = updated_at WHERE tenant_id = 'default' AND id = 'p'"
	holdsSession = "SELECT FROM sessions WHERE tenant_id = 'default' AND id = 'p' FOR UPDATE NOWAIT"
)

// TestRedemptionWaitsForTheAccount: while a transaction ends or deletes rows of an account, a
// redemption and another sign-in wait for the account's row and hold no other lock, so there is
// no deadlock.
func TestRedemptionWaitsForTheAccount(t *testing.T) {
	t.Parallel()
	for name, beside := range map[string]func(*testing.T, *store.DB) error{
		"redemption": func(t *testing.T, db *store.DB) error {
			return db.Redeem(t.Context(), auth.DefaultTenant, "code", decideRedemption)
		},
		"sign-in": func(t *testing.T, db *store.DB) error {
			return write(t.Context(), db, func(tx *store.Tx) error {
				v, err := tx.Session("p")
				if err != nil {
					return err
				}
				if err := tx.RenewSession(v); err != nil {
					return err
				}
				return tx.TouchLogin("p")
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db, direct, tx := aside(t)
			issued(t, db, "code", "p", "s")
			statement(t, tx, holdsAccount)
			done := make(chan error, 1)
			go func() { done <- beside(t, db) }()
			blocked(t, direct, 1)
			statement(t, tx, holdsSession)
			statement(t, tx, "UPDATE single_use SET used_at = used_at WHERE tenant_id = 'default' AND digest = 'code'")
			statement(t, tx, "SELECT FROM accounts WHERE tenant_id = 'default' AND id = 'p' FOR UPDATE NOWAIT")
			statement(t, tx, "DELETE FROM accounts WHERE tenant_id = 'default' AND id = 'p'")
			if err := tx.Commit(); err != nil {
				t.Fatal(err)
			}
			if err := <-done; err != auth.ErrNotFound {
				t.Errorf("of a deleted account: %v", err)
			}
		})
	}
}

// TestSweepSeesWhatBegins: a session that begins with a client while the client is swept
// ends.
func TestSweepSeesWhatBegins(t *testing.T) {
	t.Parallel()
	db, direct, tx := aside(t)
	issued(t, db, "code", "p", "s")
	statement(t, tx, holdsSession)
	began, swept := make(chan error, 1), make(chan error, 1)
	go func() { began <- db.Redeem(t.Context(), auth.DefaultTenant, "code", decideRedemption) }()
	blocked(t, direct, 1)
	go func() {
		var mark store.ClientCursor
		for more := true; more; {
			after := mark
			err := db.WriteSystem(t.Context(), func(tx *store.SystemTx) (err error) {
				mark, more, err = tx.SweepClients(store.FromRegistration, tx.Now.Add(time.Hour), after, 10)
				return err
			})
			if err != nil {
				swept <- err
				return
			}
		}
		swept <- nil
	}()
	blocked(t, direct, 2)
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	for _, done := range []chan error{began, swept} {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if n := count(t, direct, "SELECT count(*) FROM sessions WHERE client_id = 'c' AND ended_at IS NULL"); n != 0 {
		t.Errorf("%d sessions are left", n)
	}
	if n := count(t, direct, "SELECT count(*) FROM refresh_families WHERE client_id = 'c' AND revoked_at IS NULL"); n != 0 {
		t.Errorf("%d refresh families are left", n)
	}
	if n := count(t, direct, "SELECT count(*) FROM clients WHERE id = 'c'"); n != 0 {
		t.Errorf("%d clients are left", n)
	}
}
