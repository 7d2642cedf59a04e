package store_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5/stdlib"
	moderncsqlite "modernc.org/sqlite"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/store"
	"github.com/watchword-auth/watchword/internal/store/storetest"
)

// countedConn kills the process before the n-th call of the
// database.
type countedConn struct {
	driver.Conn
	left *int
}

func (c countedConn) count() {
	if *c.left--; *c.left == 0 {
		syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	}
}

func (c countedConn) ExecContext(ctx context.Context, text string, args []driver.NamedValue) (driver.Result, error) {
	c.count()
	return c.Conn.(driver.ExecerContext).ExecContext(ctx, text, args)
}

func (c countedConn) QueryContext(ctx context.Context, text string, args []driver.NamedValue) (driver.Rows, error) {
	c.count()
	return c.Conn.(driver.QueryerContext).QueryContext(ctx, text, args)
}

func (c countedConn) BeginTx(ctx context.Context, opts driver.TxOptions) (driver.Tx, error) {
	c.count()
	tx, err := c.Conn.(driver.ConnBeginTx).BeginTx(ctx, opts)
	return countedTx{tx, c}, err
}

type countedTx struct {
	driver.Tx
	c countedConn
}

func (t countedTx) Commit() error {
	t.c.count()
	err := t.Tx.Commit()
	t.c.count()
	return err
}

type countedDriver struct {
	from driver.Driver
	url  string
	left *int
}

func (d countedDriver) Connect(context.Context) (driver.Conn, error) {
	c, err := d.from.Open(d.url)
	return countedConn{c, d.left}, err
}

func (d countedDriver) Driver() driver.Driver { return d.from }

// childMigrate migrates and dies at the given statement.
func childMigrate(ctx context.Context) error {
	left, err := strconv.Atoi(os.Getenv("WATCHWORD_STORE_DIE"))
	if err != nil {
		return err
	}
	d, migrate := countedDriver{stdlib.GetDefaultDriver(), os.Getenv(urlEnv), &left}, store.MigratePostgres
	if path, ok := strings.CutPrefix(d.url, "sqlite:"); ok {
		d.from, d.url, migrate = &moderncsqlite.Driver{}, "file:"+path+"?_txlock=immediate&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=foreign_keys(1)", store.MigrateSQLite
	}
	pool := sql.OpenDB(d)
	defer pool.Close()
	if err := migrate(ctx, pool, false); err != nil {
		return err
	}
	printLine("migrated")
	return nil
}

// TestAttack_FL_18: a migration is killed at every boundary of a statement. It is
// then applied or not, and the next start completes it.
func TestAttack_FL_18_killedMigration(t *testing.T) {
	t.Parallel()
	run := func(t *testing.T, url string, step int, check func(url string)) {
		for n := 1; ; n += step {
			done := false
			cmd := child(t, "migrate", url, "WATCHWORD_STORE_DIE="+strconv.Itoa(n))
			readLines(t, cmd, func(line string) { done = line == "migrated" })
			if have := len(tables(t, url)); have != 0 && have < 10 {
				t.Fatalf("killed at %d: %d tables exist", n, have)
			}
			check(url)
			if done {
				if n < 30 {
					t.Errorf("the whole migration was %d steps: the calls were not counted", n)
				}
				break
			}
			if n > 500 {
				t.Fatal("the migration does not end")
			}
		}
	}
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		url := "sqlite:" + filepath.Join(t.TempDir(), "watchword.db")
		run(t, url, rounds(3, 1), func(url string) { // the next start, on a copy
			path := strings.TrimPrefix(url, "sqlite:")
			next := filepath.Join(t.TempDir(), "watchword.db")
			for _, suffix := range []string{"", "-wal"} {
				if b, err := os.ReadFile(path + suffix); err == nil {
					os.WriteFile(next+suffix, b, 0o600)
				}
			}
			requireMigrated(t, "sqlite:"+next)
		})
		requireMigrated(t, url)
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		url := storetest.Blank(t)
		run(t, url, rounds(6, 1), func(string) {})
		requireMigrated(t, url)
	})
}

// tables returns the names of the tables of the store.
func tables(t testing.TB, url string) []string {
	t.Helper()
	query := "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'"
	if strings.HasPrefix(url, "sqlite:") {
		query = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'"
	}
	db := raw(t, url)
	defer db.Close()
	rows, err := db.Query(query)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var names []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(name, "goose_") {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func requireMigrated(t *testing.T, url string) {
	t.Helper()
	requireOpens(t, url)
	admin := raw(t, url)
	defer admin.Close()
	if n := count(t, admin, "SELECT count(*) - count(DISTINCT version_id) FROM goose_db_version"); n != 0 {
		t.Errorf("%d migrations happened twice", n)
	}
}

func TestAttack_FL_18_twoNodesStart(t *testing.T) {
	t.Parallel()
	together := func(t *testing.T, url string) {
		var wg sync.WaitGroup
		for range 6 {
			wg.Go(func() {
				db, err := store.Open(t.Context(), testConfig(t, url))
				if err != nil {
					t.Error(err)
					return
				}
				defer db.Close()
				if err := ensureTenant(t.Context(), db); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		requireMigrated(t, url)
	}
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		for range 5 {
			together(t, storetest.BlankSQLite(t))
		}
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		together(t, storetest.Blank(t))
	})
}

// TestAttack_FL_19: the previous binary works on the schema of the next one, which
// only ever adds.
func TestAttack_FL_19_newerSchema(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, cfg store.Config) {
		open(t, cfg).Close()
		admin := raw(t, cfg.URL)
		for _, s := range []string{
			"CREATE TABLE later (tenant_id TEXT NOT NULL PRIMARY KEY)",
			"ALTER TABLE accounts ADD COLUMN later TEXT",
			"ALTER TABLE sessions ADD COLUMN later TEXT NOT NULL DEFAULT 'x'",
			"INSERT INTO goose_db_version (version_id, is_applied) VALUES (9999, " + map[bool]string{true: "1", false: "true"}[strings.HasPrefix(cfg.URL, "sqlite:")] + ")",
		} {
			if _, err := admin.Exec(s); err != nil {
				t.Fatalf("%s: %v", s, err)
			}
		}
		db := open(t, cfg)
		if err := write(t.Context(), db, func(tx *store.Tx) error { return insertAccount(tx, "p") }); err != nil {
			t.Error(err)
		}
		if err := readAccount(t.Context(), db, "p"); err != nil {
			t.Error(err)
		}
	})
}

// SkipMigrations leaves the schema unchanged.
func TestInspect(t *testing.T) {
	t.Parallel()
	cfg := testConfig(t, storetest.Blank(t))
	cfg.SkipMigrations = true
	for range 2 { // the first look has made nothing
		_, err := store.Open(t.Context(), cfg)
		if e, ok := errors.AsType[*store.SchemaError](err); !ok || e.Have != 0 || e.Want == 0 {
			t.Fatalf("empty database: %v", err)
		}
	}
	each(t, func(t *testing.T, cfg store.Config) {
		open(t, cfg).Close()
		cfg.SkipMigrations = true
		db, err := store.Open(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		if err := db.Ping(t.Context()); err != nil {
			t.Error(err)
		}
		err = db.ReadSystem(t.Context(), func(tx *store.SystemTx) error {
			_, err := tx.Sealed("none")
			return err
		})
		if !errors.Is(err, auth.ErrNotFound) {
			t.Errorf("a secret that does not exist: %v", err)
		}
	})
}
