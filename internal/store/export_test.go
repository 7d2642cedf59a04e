package store

import (
	"context"
	"database/sql"
	"testing"

	"github.com/watchword-auth/watchword/internal/auth"
)

// The internals that the tests of package store_test need.
var (
	MigrateSQLite   = migrateSQLite
	MigratePostgres = migratePostgres
	Advance         = advance
)

const (
	QueueLimit = queueLimit
	BatchLimit = batchLimit
)

// Unavailable classifies an error as the named dialect does.
func Unavailable(name string, err error) bool { return dialect(name).isUnavailable(err) }

// Exec runs a statement that the store does not have.
func Exec(tx *Tx, text string) error {
	_, err := tx.q.exec(text)
	return err
}

// Statements are the texts that the writer of a SQLite database has prepared.
func Statements(db *DB) (texts []string) {
	lite := db.backend.(*sqliteDB)
	lite.write(context.Background(), func(querier) error { // on the goroutine that owns them
		for text := range lite.writer.c.stmts {
			texts = append(texts, text)
		}
		return nil
	})
	return texts
}

// StatementTimeout returns the statement_timeout of PostgreSQL in a write.
func StatementTimeout(t testing.TB, db *DB) (v string) {
	t.Helper()
	err := db.backend.write(t.Context(), func(q querier) (err error) {
		v, err = queryRow(q, scanText, "SELECT current_setting('statement_timeout')")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// CountStatements runs fn in a write and returns how many statements it took.
func CountStatements(t testing.TB, db *DB, fn func(*Tx) error) int {
	t.Helper()
	c := &counting{}
	err := db.backend.write(t.Context(), func(q querier) error {
		*c = counting{querier: q}
		return fn(db.tenantTx(auth.DefaultTenant, c))
	})
	if err != nil {
		t.Fatal(err)
	}
	return c.n
}

type counting struct {
	querier
	n int
}

func (c *counting) query(text string, args ...any) (*sql.Rows, error) {
	c.n++
	return c.querier.query(text, args...)
}

func (c *counting) exec(text string, args ...any) (sql.Result, error) {
	c.n++
	return c.querier.exec(text, args...)
}

// DropKept makes a transaction read again what it has read.
func DropKept(tx *Tx) { tx.q.kept = nil }
