package store_test

import (
	"bufio"
	"context"
	"database/sql"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/store"
	"github.com/watchword-auth/watchword/internal/store/storetest"
)

// The fault tests kill processes. The victim is the test binary of this package, with fault
// points and without the race detector, started with the name of its work in the environment.

const (
	childEnv = "WATCHWORD_STORE_CHILD" // a name in children
	urlEnv   = "WATCHWORD_STORE_URL"
	keyEnv   = "WATCHWORD_STORE_KEY"
)

var children = map[string]func(ctx context.Context) error{
	"open":    childOpen,
	"mixed":   childMixed,
	"redeem":  childRedeem,
	"fill":    childFill,
	"migrate": childMigrate,
}

func TestMain(m *testing.M) {
	name := os.Getenv(childEnv)
	if name == "" {
		os.Exit(run(m))
	}
	if err := children[name](context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

var childDir string // set before the tests run

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "watchword-store-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	childDir = dir
	return m.Run()
}

// rounds is how often a fault is repeated: the second number where time does not matter.
func rounds(few, many int) int {
	if os.Getenv("WATCHWORD_TEST_ALL") != "" {
		return many
	}
	return few
}

var testKey = secret.Bytes(32) // of every database that a child shares with its parent

func testConfig(t testing.TB, url string) store.Config {
	t.Helper()
	ring, err := secret.NewKeyring(testKey)
	if err != nil {
		t.Fatal(err)
	}
	return store.Config{URL: url, Keyring: ring, Now: time.Now, Connections: 8}
}

// childBinary is built once. The race detector would make each start many times slower.
var childBinary = sync.OnceValues(func() (string, error) {
	path := filepath.Join(childDir, "store.test")
	out, err := exec.Command("go", "test", "-c", "-tags", "faults", "-o", path, ".").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build with fault points: %w\n%s", err, out)
	}
	return path, nil
})

// child returns a command that does the named work in another process.
func child(t *testing.T, name, url string, env ...string) *exec.Cmd {
	t.Helper()
	binary, err := childBinary()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(binary)
	cmd.Env = append(os.Environ(), childEnv+"="+name, urlEnv+"="+url, keyEnv+"="+base64.StdEncoding.EncodeToString(testKey))
	cmd.Env = append(cmd.Env, env...)
	return cmd
}

// childConfig is testConfig in the child.
func childConfig() (store.Config, error) {
	key, err := base64.StdEncoding.DecodeString(os.Getenv(keyEnv))
	if err != nil {
		return store.Config{}, err
	}
	ring, err := secret.NewKeyring(key)
	return store.Config{URL: os.Getenv(urlEnv), Keyring: ring, Now: time.Now, Connections: 8}, err
}

// readLines runs the command until it ends, and calls line with each line of its standard
// output: the acknowledgements. It ignores an incomplete last line.
func readLines(t *testing.T, cmd *exec.Cmd, line func(string), started ...func()) {
	t.Helper()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var trouble strings.Builder
	cmd.Stderr = &trouble
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for _, fn := range started {
		fn()
	}
	r := bufio.NewReader(out)
	for {
		s, err := r.ReadString('\n')
		if err == nil {
			line(strings.TrimSuffix(s, "\n"))
			continue
		}
		if !errors.Is(err, io.EOF) {
			t.Error(err)
		}
		break
	}
	cmd.Wait() // the signal that killed it
	if trouble.Len() > 0 {
		t.Errorf("the child reports: %s", trouble.String())
	}
}

// raw opens the database without the store.
func raw(t testing.TB, url string) *sql.DB {
	t.Helper()
	driver := "pgx"
	if path, ok := strings.CutPrefix(url, "sqlite:"); ok {
		driver, url = "sqlite", "file:"+path+"?_pragma=busy_timeout(10000)"
	}
	db, err := sql.Open(driver, url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func count(t testing.TB, db *sql.DB, query string, args ...any) int {
	t.Helper()
	var n int
	if err := db.QueryRow(query, args...).Scan(&n); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return n
}

// requireIntact checks that a database is whole: I5 of the fault invariants.
func requireIntact(t testing.TB, url string) {
	t.Helper()
	if !strings.HasPrefix(url, "sqlite:") {
		return
	}
	db := raw(t, url)
	defer db.Close()
	var verdict string
	if err := db.QueryRow("PRAGMA integrity_check").Scan(&verdict); err != nil || verdict != "ok" {
		t.Errorf("integrity: %q, %v", verdict, err)
	}
	rows, err := db.Query("PRAGMA foreign_key_check")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	if rows.Next() {
		t.Error("a row refers to nothing")
	}
}

// open opens a database that may have its tenant already.
func open(t testing.TB, cfg store.Config) *store.DB {
	t.Helper()
	db, err := store.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	if err := ensureTenant(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	return db
}

func ensureTenant(ctx context.Context, db *store.DB) error {
	return db.WriteSystem(ctx, func(tx *store.SystemTx) error {
		err := tx.InsertTenant(auth.Tenant{ID: auth.DefaultTenant, Name: "Default", CreatedAt: tx.Now})
		if err == nil {
			err = tx.In(auth.DefaultTenant).InsertClient(auth.Client{ID: auth.FirstParty, Name: "F", Type: auth.ClientNative, FirstParty: true, CreatedAt: tx.Now, UpdatedAt: tx.Now})
		}
		if errors.Is(err, auth.ErrConflict) {
			return nil
		}
		return err
	})
}

// write is db.Write in the default tenant.
func write(ctx context.Context, db *store.DB, fn func(*store.Tx) error) error {
	return db.Write(ctx, auth.DefaultTenant, fn)
}

func unavailable(err error) bool { return auth.KindOf(err) == auth.KindUnavailable }

// each is storetest.Each with the key that children know.
func each(t *testing.T, fn func(t *testing.T, cfg store.Config)) {
	storetest.Each(t, func(t *testing.T, cfg store.Config) { fn(t, testConfig(t, cfg.URL)) })
}
