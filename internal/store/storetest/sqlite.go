package storetest

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/watchword-auth/watchword/internal/store"
)

// SQLite returns the URL of a new file with the schema.
func SQLite(t testing.TB) string {
	t.Helper()
	url := BlankSQLite(t)
	if err := os.WriteFile(strings.TrimPrefix(url, "sqlite:"), migratedFile(t), 0o600); err != nil {
		t.Fatal(err)
	}
	return url
}

// SQLiteConfig returns the configuration of a migrated SQLite database.
func SQLiteConfig(t testing.TB) store.Config {
	t.Helper()
	return store.Config{URL: SQLite(t), Keyring: Keyring(t)}
}

// BlankSQLite returns the URL of a file that does not exist.
func BlankSQLite(t testing.TB) string {
	return "sqlite:" + filepath.Join(t.TempDir(), "watchword.db")
}

var migrated struct {
	sync.Mutex
	file []byte // owned by the mutex: a database with the schema, nil before the first use
}

func migratedFile(t testing.TB) []byte {
	t.Helper()
	migrated.Lock()
	defer migrated.Unlock()
	if migrated.file != nil {
		return migrated.file
	}
	url := BlankSQLite(t)
	db, err := store.Open(t.Context(), store.Config{URL: url, Keyring: Keyring(t), Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil { // writes the log into the file
		t.Fatal(err)
	}
	migrated.file, err = os.ReadFile(strings.TrimPrefix(url, "sqlite:"))
	if err != nil {
		t.Fatal(err)
	}
	return migrated.file
}
