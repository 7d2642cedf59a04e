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

// migrateSQLite runs under the file lock that openSQLite holds.
func migrateSQLite(ctx context.Context, pool *sql.DB) error {
	return up(ctx, goose.DialectSQLite3, pool, sqlite)
}

// migratePostgres lets one node migrate while the others wait. Each migration is
// one transaction: killed half-way, it has not happened.
func migratePostgres(ctx context.Context, pool *sql.DB) error {
	locker, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, 120), lock.WithUnlockTimeout(1, 10))
	if err != nil {
		return fmt.Errorf("migration lock: %w", err)
	}
	return up(ctx, goose.DialectPostgres, pool, postgres, goose.WithSessionLocker(locker))
}

func up(ctx context.Context, gd goose.Dialect, pool *sql.DB, d dialect, opts ...goose.ProviderOption) error {
	folder, err := fs.Sub(migrations, "migrations/"+string(d))
	if err != nil {
		return err
	}
	p, err := goose.NewProvider(gd, pool, folder, append(opts, goose.WithDisableGlobalRegistry(true))...)
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
