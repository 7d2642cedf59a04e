package store_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/store"
	"github.com/watchword-auth/watchword/internal/store/storetest"
)

// madeDatabase returns a closed database with a few hundred accounts.
func madeDatabase(t *testing.T) (store.Config, string) {
	t.Helper()
	cfg := testConfig(t, storetest.SQLite(t))
	db, err := store.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := ensureTenant(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	if err := write(t.Context(), db, func(tx *store.Tx) error {
		for i := range 300 {
			if err := insertAccount(tx, fmt.Sprint("p", i)); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	db.Close()
	return cfg, strings.TrimPrefix(cfg.URL, "sqlite:")
}

// TestAttack_FL_17: a damaged or missing file is refused with an error that describes it, and
// never replaced by an empty one.
func TestAttack_FL_17_damage(t *testing.T) {
	t.Parallel()
	const page = 4096
	change := func(fn func(b []byte) []byte) func(t *testing.T, path string) {
		return func(t *testing.T, path string) {
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, fn(b), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	flip := func(n int) func(b []byte) []byte {
		return func(b []byte) []byte {
			for i := n * page; i < (n+1)*page; i++ {
				b[i] = ^b[i]
			}
			return b
		}
	}
	remove := func(suffixes ...string) func(t *testing.T, path string) {
		return func(t *testing.T, path string) {
			for _, s := range suffixes {
				if err := os.Remove(path + s); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	for name, c := range map[string]struct {
		harm func(t *testing.T, path string)
		want string
	}{
		"first page flipped": {change(flip(0)), "not a SQLite database"},
		"header zeroed":      {change(func(b []byte) []byte { clear(b[:100]); return b }), "not a SQLite database"},
		"header torn":        {change(func(b []byte) []byte { clear(b[16:100]); return b }), "damaged"},
		"cut in the middle":  {change(func(b []byte) []byte { return b[:len(b)/2/page*page] }), "damaged"},
		"cut inside a page":  {change(func(b []byte) []byte { return b[:len(b)-page-100] }), "damaged"},
		"cut to a few bytes": {change(func(b []byte) []byte { return b[:10] }), "not a SQLite database"},
		"emptied":            {change(func([]byte) []byte { return nil }), "not a SQLite database"},
		"zeroed":             {change(func(b []byte) []byte { return make([]byte, len(b)) }), "not a SQLite database"},
		"another file":       {change(func([]byte) []byte { return bytes.Repeat([]byte("hello "), 9999) }), "not a SQLite database"},
		"deleted":            {remove(""), "missing"},
		"deleted with its mark, a log is left": {func(t *testing.T, path string) {
			remove("", ".mark")(t, path)
			if err := os.WriteFile(path+"-wal", make([]byte, 8272), 0o600); err != nil {
				t.Fatal(err)
			}
		}, "missing"},
		"emptied without its mark, a log is left": {func(t *testing.T, path string) {
			remove(".mark")(t, path)
			change(func([]byte) []byte { return nil })(t, path)
			if err := os.WriteFile(path+"-wal", make([]byte, 8272), 0o600); err != nil {
				t.Fatal(err)
			}
		}, "not a SQLite database"},
		"a folder": {func(t *testing.T, path string) {
			remove("")(t, path)
			if err := os.Mkdir(path, 0o700); err != nil {
				t.Fatal(err)
			}
		}, "not a SQLite database"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg, path := madeDatabase(t)
			c.harm(t, path)
			before, _ := os.ReadFile(path)
			for range 2 { // also when it is started again and again
				db, err := store.Open(t.Context(), cfg)
				if err == nil {
					db.Close()
					t.Fatal("opened")
				}
				if !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), path) {
					t.Errorf("says %q", err)
				}
			}
			if after, _ := os.ReadFile(path); !bytes.Equal(before, after) {
				t.Error("the file was changed")
			}
		})
	}
	t.Run("every page flipped", func(t *testing.T) {
		t.Parallel()
		cfg, path := madeDatabase(t)
		good, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for n := 1; n < len(good)/page; n += rounds(7, 1) {
			if err := os.WriteFile(path, flip(n)(bytes.Clone(good)), 0o600); err != nil {
				t.Fatal(err)
			}
			if db, err := store.Open(t.Context(), cfg); err == nil {
				db.Close()
				t.Errorf("page %d: opened", n)
			} else if !strings.Contains(err.Error(), "damaged") {
				t.Errorf("page %d: says %q", n, err)
			}
		}
		if err := os.WriteFile(path, good, 0o600); err != nil {
			t.Fatal(err)
		}
		open(t, cfg) // restored from a backup
	})
}

// Damage that is found while the server runs makes the database read-only.
func TestAttack_FL_17_damageFoundLater(t *testing.T) {
	t.Parallel()
	cfg, path := madeDatabase(t)
	db := open(t, cfg)
	if err := db.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, _ := f.Stat()
	if _, err := f.WriteAt(bytes.Repeat([]byte{0xa5}, int(info.Size())-4096), 4096); err != nil {
		t.Fatal(err)
	}
	err = db.Read(t.Context(), auth.DefaultTenant, func(tx *store.Tx) error {
		_, err := tx.Accounts(store.AccountFilter{Limit: 1000})
		return err
	})
	if !unavailable(err) {
		t.Errorf("a read of broken pages: %v", err)
	}
	if err := write(t.Context(), db, func(tx *store.Tx) error { return nil }); !unavailable(err) {
		t.Errorf("a write to a broken file: %v", err)
	}
	if err := db.Ping(t.Context()); err == nil {
		t.Error("still ready")
	}
}

// A file that is removed under the running server makes it unready.
func TestAttack_FL_17_replacedWhileRunning(t *testing.T) {
	t.Parallel()
	cfg, path := madeDatabase(t)
	db := open(t, cfg)
	if err := os.Rename(path, path+".old"); err != nil {
		t.Fatal(err)
	}
	if err := db.Ping(t.Context()); err == nil {
		t.Error("ready without a file")
	}
	if err := write(t.Context(), db, func(tx *store.Tx) error { return insertRole(tx, "lost") }); !unavailable(err) {
		t.Errorf("a write into a removed file: %v", err)
	}
}

func TestFilesAreOnlyForTheirOwner(t *testing.T) {
	t.Parallel()
	cfg := testConfig(t, "sqlite:"+filepath.Join(t.TempDir(), "a b", "x?#%.db"))
	open(t, cfg)
	path := strings.TrimPrefix(cfg.URL, "sqlite:")
	for _, suffix := range []string{"", "-wal", "-shm", ".mark", ".lock"} {
		info, err := os.Stat(path + suffix)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %s", suffix, info.Mode())
		}
	}
	if info, _ := os.Stat(filepath.Dir(path)); info.Mode().Perm() != 0o700 {
		t.Errorf("folder: %s", info.Mode())
	}
}

func TestNoDatabaseInMemory(t *testing.T) {
	t.Parallel()
	for _, url := range []string{"sqlite:", "sqlite::memory:", "mysql://x", "watchword.db"} {
		if db, err := store.Open(t.Context(), testConfig(t, url)); err == nil {
			db.Close()
			t.Errorf("opened %q", url)
		}
	}
}
