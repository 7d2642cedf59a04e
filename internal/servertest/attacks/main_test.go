package attacks_test

import (
	"crypto/rand"
	"database/sql"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	_ "modernc.org/sqlite" // opens the server's database

	_ "github.com/jackc/pgx/v5/stdlib"

	"github.com/google/go-cmp/cmp"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/config"
	"github.com/watchword-auth/watchword/internal/servertest"
	"github.com/watchword-auth/watchword/internal/store/storetest"
)

const (
	alice = "alice@example.test"
	bob   = "bob@example.test"
	eve   = "eve@example.test"

	otherPassword = "other-brave-walnuts-77"
	wrongPassword = "not-quite-the-one-31"
)

func TestMain(m *testing.M) {
	code := m.Run()
	if binaries.dir != "" {
		os.RemoveAll(binaries.dir)
	}
	os.Exit(code)
}

// thorough is whether time does not matter.
var thorough = os.Getenv("WATCHWORD_TEST_ALL") != ""

// scaled returns many where time does not matter, few otherwise.
func scaled(few, many int) int {
	if thorough {
		return many
	}
	return few
}

// body is a JSON object.
type body = map[string]any

// api returns a path of the first-party API.
func api(path string) string { return "/api/v1" + path }

func post(t testing.TB, s *servertest.Server, path string, b any, opts ...servertest.RequestOption) servertest.Response {
	t.Helper()
	return s.Do(t, "POST", api(path), b, opts...)
}

func login(t testing.TB, s *servertest.Server, email, password string, opts ...servertest.RequestOption) servertest.Response {
	t.Helper()
	return post(t, s, "/login", body{"email": email, "password": password}, opts...)
}

func refresh(t testing.TB, s *servertest.Server, token string, opts ...servertest.RequestOption) servertest.Response {
	t.Helper()
	return post(t, s, "/refresh", body{"refresh_token": token}, opts...)
}

func me(t testing.TB, s *servertest.Server, opts ...servertest.RequestOption) servertest.Response {
	t.Helper()
	return s.Do(t, "GET", api("/me"), nil, opts...)
}

func decode[T any](t testing.TB, r servertest.Response) (v T) {
	t.Helper()
	r.Decode(t, &v)
	return v
}

// newEmail returns a new email address.
func newEmail() string { return "p" + strings.ToLower(rand.Text()[:12]) + "@example.test" }

// openDatabase opens the database of the server.
func openDatabase(t testing.TB, url string) *sql.DB {
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

func queryValue[T any](t testing.TB, db *sql.DB, query string, args ...any) (v T) {
	t.Helper()
	if err := db.QueryRow(query, args...).Scan(&v); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return v
}

// lastingTables are the tables in which an attack must leave no trace. The audit log, the
// outbox and the janitor's work are not among them, nor is the time at which
// something was last seen.
var lastingTables = []string{
	"tenants", "accounts", "credentials", "clients", "sessions", "refresh_families", "single_use",
	"permissions", "roles", "role_permissions", "assignments", "signing_keys", "retired_keys", "settings", "consents", "device_codes", "remembered",
}

// dump returns every row of the tables as text, in a fixed order.
func dump(t testing.TB, db *sql.DB, tables ...string) (lines []string) {
	t.Helper()
	for _, table := range tables {
		found := dumpQuery(t, db, "SELECT * FROM "+table)
		for i := range found {
			found[i] = table + ": " + found[i]
		}
		lines = append(lines, found...)
	}
	return lines
}

// dumpQuery returns every row of a query as text.
func dumpQuery(t testing.TB, db *sql.DB, query string) (lines []string) {
	t.Helper()
	rows, err := db.Query(query)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	names, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	for rows.Next() {
		values, to := make([]any, len(names)), make([]any, len(names))
		for i := range values {
			to[i] = &values[i]
		}
		if err := rows.Scan(to...); err != nil {
			t.Fatal(err)
		}
		var line strings.Builder
		for i, name := range names {
			if b, ok := values[i].([]byte); ok {
				values[i] = string(b)
			}
			fmt.Fprintf(&line, "%s=%v ", name, values[i])
		}
		lines = append(lines, line.String())
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return lines
}

// requireUnchanged fails the test if fn changes the lasting tables, except those in but.
func requireUnchanged(t testing.TB, s *servertest.Server, fn func(), but ...string) {
	t.Helper()
	db := openDatabase(t, s.Config.DatabaseURL())
	defer db.Close()
	var tables []string
next:
	for _, table := range lastingTables {
		for _, b := range but {
			if b == table {
				continue next
			}
		}
		tables = append(tables, table)
	}
	before := dump(t, db, tables...)
	fn()
	if diff := cmp.Diff(sorted(before), sorted(dump(t, db, tables...))); diff != "" {
		t.Errorf("the attack left traces:\n%s", diff)
	}
}

func sorted(lines []string) map[string]int {
	m := map[string]int{}
	for _, l := range lines {
		m[l]++
	}
	return m
}

// countEvents counts the audit lines of a kind.
func countEvents(t testing.TB, db *sql.DB, kind string) int {
	t.Helper()
	return queryValue[int](t, db, "SELECT count(*) FROM audit WHERE event = $1", kind)
}

// patience is how long a test waits for an expected event, longer than any busy machine takes.
const patience = time.Minute

// eventually waits until fn returns true.
func eventually(t testing.TB, what string, fn func() bool) {
	t.Helper()
	for until := time.Now().Add(patience); !fn(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(until) {
			t.Fatalf("not within %s: %s", patience, what)
		}
	}
}

// runAtOnce runs fn n times concurrently, released by one barrier.
func runAtOnce(n int, fn func(i int)) {
	var ready, done sync.WaitGroup
	gate := make(chan struct{})
	ready.Add(n)
	for i := range n {
		done.Go(func() {
			ready.Done()
			<-gate
			fn(i)
		})
	}
	ready.Wait()
	close(gate)
	done.Wait()
}

// createAccount creates a verified account with the usual password.
func createAccount(t testing.TB, s *servertest.Server, email string) auth.AccountID {
	t.Helper()
	return create(t, s, email, auth.System)
}

func origins(list ...string) func(*config.Config) {
	return func(c *config.Config) { c.CORS.Origins = list }
}

// eachDatabase is servertest.Each for tests that start their own server.
func eachDatabase(t *testing.T, fn func(t *testing.T, url string)) {
	t.Helper()
	for name, make := range map[string]func(testing.TB) string{"sqlite": storetest.SQLite, "postgres": storetest.Postgres} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fn(t, make(t))
		})
	}
}

func jsonInto(b []byte, v any) error { return json.Unmarshal(b, v) }
