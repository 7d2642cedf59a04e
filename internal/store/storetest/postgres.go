package storetest

import (
	"context"
	"crypto/rand"
	"database/sql"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver that makes and drops databases

	"github.com/watchword-auth/watchword/internal/store"
)

// databases are the databases of this process on the PostgreSQL server. Copying a template costs
// PostgreSQL ten times as much as emptying tables, so tests reuse databases.
var databases struct {
	sync.Mutex
	template string   // owned by the mutex, as all fields: has the schema; "" before the first use
	shape    string   // result of shape for the template
	idle     []string // names of databases that equal the template
}

// Postgres returns the URL of an empty database with the schema. After the test it is emptied for
// the next one, or dropped if the test changed more than rows.
func Postgres(t testing.TB) string {
	t.Helper()
	server := Server(t)
	name := takeDatabase(t, server)
	t.Cleanup(func() {
		if err := empty(withDatabase(t, server, name)); err != nil {
			drop(t, server, name)
			return
		}
		databases.Lock()
		defer databases.Unlock()
		databases.idle = append(databases.idle, name)
	})
	return withDatabase(t, server, name)
}

// Blank returns the URL of a new database without a schema, dropped after the test. The
// options are those of CREATE DATABASE.
func Blank(t testing.TB, options ...string) string {
	t.Helper()
	server := Server(t)
	databases.Lock()
	defer databases.Unlock()
	name := create(t, server, options...)
	t.Cleanup(func() { drop(t, server, name) })
	return withDatabase(t, server, name)
}

func takeDatabase(t testing.TB, server string) string {
	t.Helper()
	databases.Lock()
	defer databases.Unlock()
	if last := len(databases.idle) - 1; last >= 0 {
		name := databases.idle[last]
		databases.idle = databases.idle[:last]
		return name
	}
	if databases.template == "" {
		migrateTemplate(t, server)
	}
	return create(t, server, "TEMPLATE "+databases.template)
}

// migrateTemplate also drops databases of earlier processes: a process does not know which of its
// tests is the last.
func migrateTemplate(t testing.TB, server string) {
	t.Helper()
	dropLeftovers(t, server)
	name := create(t, server)
	url := withDatabase(t, server, name)
	db, err := store.Open(context.Background(), store.Config{URL: url, Keyring: Keyring(t), Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	db.Close()
	pool, err := sql.Open("pgx", url)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	if databases.shape, err = shape(pool); err != nil {
		t.Fatal(err)
	}
	databases.template = name
}

const (
	prefix   = "ww_test_"
	lifetime = 3 * time.Hour // longer than any run of the tests
)

func create(t testing.TB, server string, options ...string) string {
	t.Helper()
	name := fmt.Sprintf("%s%d_%s", prefix, time.Now().Unix(), strings.ToLower(rand.Text()))
	admin(t, server, "CREATE DATABASE "+name+" "+strings.Join(options, " "))
	return name
}

func drop(t testing.TB, server, name string) {
	t.Helper()
	admin(t, server, fmt.Sprintf("DROP DATABASE IF EXISTS %s WITH (FORCE)", name))
}

func dropLeftovers(t testing.TB, server string) {
	t.Helper()
	pool, err := sql.Open("pgx", server)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	rows, err := pool.Query("SELECT datname FROM pg_database WHERE starts_with(datname, $1)", prefix)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			t.Fatal(err)
		}
		createdAt, _, _ := strings.Cut(strings.TrimPrefix(name, prefix), "_")
		if at, err := strconv.ParseInt(createdAt, 10, 64); err == nil && time.Since(time.Unix(at, 0)) > lifetime {
			drop(t, server, name)
		}
	}
}

// admin runs a statement on the server. It retries, because another process may be copying the
// same template.
func admin(t testing.TB, server, statement string) {
	t.Helper()
	pool, err := sql.Open("pgx", server)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	for until := time.Now().Add(time.Minute); ; {
		_, err = pool.Exec(statement)
		if err == nil || time.Now().After(until) {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	if err != nil {
		t.Errorf("%s: %v", statement, err)
	}
}

// empty deletes all rows that the template does not have. It fails where the database
// differs from the template in more than rows, or has grown so that it is slower.
func empty(url string) error {
	pool, err := sql.Open("pgx", url)
	if err != nil {
		return err
	}
	defer pool.Close()
	pool.SetMaxOpenConns(1)
	_, err = pool.Exec(`
		SET statement_timeout = '10s';
		SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid();
		SET session_replication_role = replica;
		DO $$ DECLARE name text; BEGIN
			FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'goose_db_version' LOOP
				EXECUTE format('DELETE FROM %I', name);
			END LOOP;
		END $$;`)
	if err != nil {
		return err
	}
	var size int64
	if err := pool.QueryRow("SELECT pg_database_size(current_database())").Scan(&size); err != nil {
		return err
	}
	got, err := shape(pool)
	if err != nil {
		return err
	}
	if got != databases.shape || size > 16<<20 {
		return fmt.Errorf("the schema is %s, %d bytes", got, size)
	}
	return nil
}

// shape returns a fingerprint of the schema: the number of rows of each catalog and the newest
// transaction that wrote one. It changes with every statement that alters the schema, settings or
// statistics.
func shape(pool *sql.DB) (string, error) {
	var parts []string
	for _, catalog := range []string{"pg_class", "pg_attribute", "pg_attrdef", "pg_constraint", "pg_index", "pg_trigger", "pg_proc", "pg_type",
		"pg_namespace", "pg_statistic", "goose_db_version"} {
		parts = append(parts, fmt.Sprintf("(SELECT '%s ' || count(*) || ' ' || coalesce(max(xmin::text::bigint), 0) FROM %s)", catalog, catalog))
	}
	parts = append(parts, "(SELECT 'settings ' || count(*) FROM pg_db_role_setting WHERE setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database()))")
	var all string
	err := pool.QueryRow("SELECT concat_ws(', ', " + strings.Join(parts, ", ") + ")").Scan(&all)
	return all, err
}
