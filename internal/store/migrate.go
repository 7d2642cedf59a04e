package store

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"

	"github.com/watchword-auth/watchword/internal/fault"
)

//go:embed migrations
var migrations embed.FS

// SchemaError is returned when the schema is older than this program's and Config.SkipMigrations
// is set.
type SchemaError struct {
	Have, Want int64
	Pooled     bool // a connection pooler is between the server and PostgreSQL
}

func (e *SchemaError) Error() string {
	if e.Have == 0 {
		return "the database is empty"
	}
	return fmt.Sprintf("the schema has version %d, this program needs %d", e.Have, e.Want)
}

// migrateSQLite runs under the file lock that openSQLite holds.
func migrateSQLite(ctx context.Context, pool *sql.DB, inspect bool) error {
	err := inspectSchema(ctx, pool, "SELECT count(*) FROM sqlite_master WHERE name = 'goose_db_version'", sqlite)
	if inspect || !isOutdated(err) {
		return err
	}
	return migrateUp(ctx, goose.DialectSQLite3, pool, sqlite)
}

// isOutdated reports that migrations are pending.
func isOutdated(err error) bool {
	_, ok := errors.AsType[*SchemaError](err)
	return ok
}

// migratePostgres lets one node migrate while the others wait. The lock belongs to a transaction
// that stays open meanwhile: behind a pooler, a lock of the session would stay on another
// connection. Each migration is a transaction of its own, so an interrupted one has not
// happened. A node that finds nothing pending does not wait for the lock.
func migratePostgres(ctx context.Context, pool *sql.DB, inspect bool) error {
	err := inspectSchema(ctx, pool, "SELECT count(to_regclass('goose_db_version'))", postgres)
	if inspect || !isOutdated(err) {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Minute)
	defer cancel()
	tx, err := pool.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("migration lock: %w", err)
	}
	defer tx.Rollback()
	if _, err := tx.ExecContext(ctx, "SELECT pg_advisory_xact_lock($1)", lock.DefaultLockID); err != nil {
		return fmt.Errorf("migration lock: %w", err)
	}
	return migrateUp(ctx, goose.DialectPostgres, pool, postgres)
}

// inspectSchema compares versions. The migration library would create its table and parse all
// migrations, so it is not used here.
func inspectSchema(ctx context.Context, pool *sql.DB, hasTable string, d dialect) error {
	files, err := fs.Glob(migrations, "migrations/"+string(d)+"/*.sql")
	if err != nil || len(files) == 0 {
		return fmt.Errorf("read migrations: %w", err)
	}
	want, err := goose.NumericComponent(files[len(files)-1])
	if err != nil {
		return err
	}
	var tables, have int64
	if err := pool.QueryRowContext(ctx, hasTable).Scan(&tables); err != nil {
		return err
	}
	if tables > 0 {
		if err := pool.QueryRowContext(ctx, "SELECT coalesce(max(version_id), 0) FROM goose_db_version WHERE is_applied").Scan(&have); err != nil {
			return err
		}
	}
	if have < want {
		return &SchemaError{Have: have, Want: want}
	}
	return nil // this program works with a newer schema
}

func migrateUp(ctx context.Context, gd goose.Dialect, pool *sql.DB, d dialect) error {
	folder, err := fs.Sub(migrations, "migrations/"+string(d))
	if err != nil {
		return err
	}
	p, err := goose.NewProvider(gd, pool, folder, goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return fmt.Errorf("read migrations: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Minute)
	defer cancel()
	for {
		if _, err := p.UpByOne(ctx); errors.Is(err, goose.ErrNoNextVersion) {
			return nil
		} else if err != nil {
			return fmt.Errorf("migrate: %w", err)
		}
		if err := fault.Point(fault.MigrationStatement); err != nil {
			return err
		}
	}
}
