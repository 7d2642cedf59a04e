package store_test

import (
	"database/sql"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/store"
	"github.com/watchword-auth/watchword/internal/store/storetest"
)

// A backup made during writes contains every write that was acknowledged before it began.
func TestRepair_N22_BackupBesideWriters(t *testing.T) {
	t.Parallel()
	cfg, _ := madeDatabase(t)
	db := open(t, cfg)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			if err := write(t.Context(), db, func(tx *store.Tx) error { return insertAccount(tx, fmt.Sprint("late", i)) }); err != nil {
				t.Error(err)
				return
			}
		}
	})
	to := filepath.Join(t.TempDir(), "copy.db")

	made, err := store.Backup(t.Context(), cfg, to)
	close(stop)
	wg.Wait()

	if err != nil || made.Schema == 0 || made.Bytes == 0 {
		t.Fatal(made, err)
	}
	info, err := os.Stat(to)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("%v %v: a backup is for its owner", info.Mode(), err)
	}
	restored := testConfig(t, "sqlite:"+filepath.Join(t.TempDir(), "watchword.db"))
	restored.Keyring = cfg.Keyring
	if kept, _, err := store.Restore(t.Context(), restored, to); err != nil || kept != "" {
		t.Fatal(kept, err)
	}
	requireAccounts(t, open(t, restored), 300)
}

// requireAccounts fails unless the first n accounts of madeDatabase exist.
func requireAccounts(t *testing.T, db *store.DB, n int) {
	t.Helper()
	err := db.Read(t.Context(), auth.DefaultTenant, func(tx *store.Tx) error {
		for i := range n {
			if _, err := tx.Account(auth.AccountID(fmt.Sprint("p", i))); err != nil {
				return fmt.Errorf("p%d: %w", i, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// An unusable backup is refused, and the database stays unchanged.
func TestRepair_N22_RestoreRefuses(t *testing.T) {
	t.Parallel()
	cfg, path := madeDatabase(t)
	good := filepath.Join(t.TempDir(), "copy.db")
	if _, err := store.Backup(t.Context(), cfg, good); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(good)
	if err != nil {
		t.Fatal(err)
	}
	damaged := append([]byte(nil), whole...)
	for i := 4 * 4096; i < 12*4096; i++ {
		damaged[i] = ^damaged[i]
	}
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ main, wal []byte }{
		"damaged":        {main: damaged},
		"cut off":        {main: whole[:len(whole)/2]},
		"empty":          {main: nil},
		"no database":    {main: []byte("hello")},
		"a copied file":  {main: whole, wal: []byte("transactions")},
		"another schema": {main: emptyDatabase(t)},
	} {
		from := filepath.Join(t.TempDir(), "from.db")
		if err := os.WriteFile(from, c.main, 0o600); err != nil {
			t.Fatal(err)
		}
		if c.wal != nil {
			if err := os.WriteFile(from+"-wal", c.wal, 0o600); err != nil {
				t.Fatal(err)
			}
		}

		_, _, err := store.Restore(t.Context(), cfg, from)

		if err == nil {
			t.Errorf("%s: accepted", name)
		}
		if now, err := os.ReadFile(path); err != nil || string(now) != string(before) {
			t.Fatalf("%s: the database has changed: %v", name, err)
		}
	}
	left, err := filepath.Glob(path + "*restoring*")
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
	requireAccounts(t, open(t, cfg), 300)
}

// emptyDatabase returns a SQLite database of another program.
func emptyDatabase(t *testing.T) []byte {
	t.Helper()
	name := filepath.Join(t.TempDir(), "other.db")
	pool, err := sql.Open("sqlite", name)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := pool.ExecContext(t.Context(), "CREATE TABLE t (a)"); err != nil {
		t.Fatal(err)
	}
	pool.Close()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// The commands that docs/operations.md gives for PostgreSQL make and restore a backup.
func TestRepair_N22_PostgresDumpAndRestore(t *testing.T) {
	t.Parallel()
	cfg := testConfig(t, storetest.Postgres(t))
	db := open(t, cfg)
	if err := ensureTenant(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	if err := write(t.Context(), db, func(tx *store.Tx) error { return insertAccount(tx, "p0") }); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "watchword.dump")
	command(t, "pg_dump", "--format=custom", "--file="+file, cfg.URL)
	restored := testConfig(t, storetest.Blank(t))
	restored.Keyring = cfg.Keyring

	command(t, "pg_restore", "--exit-on-error", "--no-owner", "--dbname="+restored.URL, file)

	requireAccounts(t, open(t, restored), 1)
}

func command(t *testing.T, name string, args ...string) {
	t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
}
