// Package storetest gives tests a real, empty database.
//
// Every test runs on SQLite; where WATCHWORD_TEST_POSTGRES names a server it runs
// on PostgreSQL too, in a database of its own. WATCHWORD_TEST_ALL turns a missing
// server from a skip into a failure.
package storetest

import (
	"context"
	"crypto/rand"
	"database/sql"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver that makes and drops databases

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/store"
)

// Each runs the test once for each database, side by side.
func Each(t *testing.T, fn func(t *testing.T, cfg store.Config)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		fn(t, store.Config{URL: SQLite(t), Keyring: Keyring(t)})
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		fn(t, store.Config{URL: Postgres(t), Keyring: Keyring(t), Connections: 8})
	})
}

// SQLite is the URL of a new file.
func SQLite(t testing.TB) string {
	return "sqlite:" + filepath.Join(t.TempDir(), "watchword.db")
}

// Keyring holds one random master key.
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
	db, err := store.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	Tenant(t, db, auth.DefaultTenant)
	return db
}

// Tenant makes a tenant with its first-party client.
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

// Server is the URL of the PostgreSQL server, or a skip.
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

// Postgres is the URL of a new database, dropped after the test.
func Postgres(t testing.TB) string {
	t.Helper()
	server := Server(t)
	template(t, server)
	return create(t, server, " TEMPLATE "+templateName)
}

// Poolers runs the test once for each mode of a connection pooler. The function that it
// is given leads the URL of a database through the pooler.
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

// Blank is the URL of a new database without a schema, dropped after the test. The
// options are those of CREATE DATABASE.
func Blank(t testing.TB, options ...string) string {
	t.Helper()
	return create(t, Server(t), " "+strings.Join(options, " "))
}

func create(t testing.TB, server, how string) string {
	t.Helper()
	name := "ww_" + strings.ToLower(rand.Text())
	admin(t, server, "CREATE DATABASE "+name+how)
	t.Cleanup(func() { admin(t, server, fmt.Sprintf("DROP DATABASE IF EXISTS %s WITH (FORCE)", name)) })
	return withDatabase(t, server, name)
}

// The schema is migrated once for each test process and then copied.
var (
	templateOnce sync.Once
	templateName = fmt.Sprintf("ww_template_%d", os.Getpid())
)

func template(t testing.TB, server string) {
	t.Helper()
	templateOnce.Do(func() {
		admin(t, server, fmt.Sprintf("DROP DATABASE IF EXISTS %s WITH (FORCE)", templateName))
		admin(t, server, "CREATE DATABASE "+templateName)
		db, err := store.Open(context.Background(), store.Config{URL: withDatabase(t, server, templateName), Keyring: Keyring(t)})
		if err != nil {
			t.Fatal(err)
		}
		db.Close()
	})
}

var adminMu sync.Mutex // PostgreSQL copies a template for one at a time

func admin(t testing.TB, server, statement string) {
	t.Helper()
	adminMu.Lock()
	defer adminMu.Unlock()
	db, err := sql.Open("pgx", server)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for try := 0; ; try++ { // another process may be copying its own template
		_, err = db.Exec(statement)
		if err == nil || try == 50 {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	if err != nil {
		t.Errorf("%s: %v", statement, err)
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
