// Package storetest gives tests a real, empty database.
//
// Every test runs on SQLite; where WATCHWORD_TEST_POSTGRES names a server it runs
// on PostgreSQL too, in a database of its own. WATCHWORD_TEST_ALL turns a missing
// server from a skip into a failure.
//
// Each test process migrates once for each database and copies the result: running the
// migrations costs more than most tests.
package storetest

import (
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/store"
)

// maxWait is longer than any busy machine keeps a request waiting.
const maxWait = time.Minute

// Each runs the test once for each database, in parallel.
func Each(t *testing.T, fn func(t *testing.T, cfg store.Config)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		fn(t, store.Config{URL: SQLite(t), Keyring: Keyring(t), Now: time.Now, MaxWait: maxWait})
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		fn(t, store.Config{URL: Postgres(t), Keyring: Keyring(t), Now: time.Now, Connections: 8, MaxWait: maxWait})
	})
}

// Keyring returns a keyring with one random master key.
func Keyring(t testing.TB) *secret.Keyring {
	t.Helper()
	ring, err := secret.NewKeyring(secret.Bytes(32))
	if err != nil {
		t.Fatal(err)
	}
	return ring
}

// Open opens the database and the default tenant with its first-party client.
func Open(t testing.TB, cfg store.Config) *store.DB {
	t.Helper()
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.MaxWait == 0 {
		cfg.MaxWait = maxWait
	}
	db, err := store.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	Tenant(t, db, auth.DefaultTenant)
	return db
}

// Tenant creates a tenant with its first-party client.
func Tenant(t testing.TB, db *store.DB, id auth.TenantID) {
	t.Helper()
	err := db.WriteSystem(t.Context(), func(tx *store.SystemTx) error {
		if err := tx.InsertTenant(auth.Tenant{ID: id, Name: string(id), CreatedAt: tx.Now}); err != nil {
			return err
		}
		return tx.In(id).InsertClient(auth.Client{ID: auth.FirstParty, Name: "First party", Type: auth.ClientNative, FirstParty: true, CreatedAt: tx.Now, UpdatedAt: tx.Now})
	})
	if err != nil {
		t.Fatal(err)
	}
}

// Server returns the URL of the PostgreSQL server, or skips the test.
func Server(t testing.TB) string {
	t.Helper()
	return server(t, "WATCHWORD_TEST_POSTGRES")
}

func server(t testing.TB, variable string) string {
	t.Helper()
	url := os.Getenv(variable)
	if url == "" {
		if os.Getenv("WATCHWORD_TEST_ALL") != "" {
			t.Fatal(variable + " is not set")
		}
		t.Skip(variable + " is not set")
	}
	return url
}

// Poolers runs the test once for each mode of a connection pooler. The function that it receives
// returns the URL of a database through the pooler.
func Poolers(t *testing.T, fn func(t *testing.T, through func(url string) string)) {
	t.Helper()
	for _, mode := range []string{"session", "transaction"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			pooler := server(t, "WATCHWORD_TEST_PGBOUNCER_"+strings.ToUpper(mode))
			fn(t, func(database string) string {
				u, err := url.Parse(database)
				if err != nil {
					t.Fatal(err)
				}
				return withDatabase(t, pooler, strings.TrimPrefix(u.Path, "/"))
			})
		})
	}
}

func withDatabase(t testing.TB, server, name string) string {
	t.Helper()
	u, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	u.Path = "/" + name
	return u.String()
}
