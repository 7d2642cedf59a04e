package store

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
	"time"

	"github.com/watchword-auth/watchword/internal/timer"
)

// Two files accompany the database: a lock while it is opened, and a mark that it exists. The
// mark keeps Open from replacing a lost database with an empty one.

const sqliteHeader = "SQLite format 3\x00"

// checkNotReplaced returns an error when the database existed before and is missing, empty or
// not a database now.
func checkNotReplaced(path string) error {
	trace := nonEmptyFile(path + ".mark")
	if trace == "" {
		trace = nonEmptyFile(path + "-wal") // SQLite would discard the transactions in it
	}
	head := make([]byte, len(sqliteHeader))
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		if trace != "" {
			return fmt.Errorf("%s is missing, but %s shows that it existed. Restore it from a backup, or remove %s to begin with an empty one", path, trace, trace)
		}
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	n, _ := io.ReadFull(f, head)
	if n == 0 && trace == "" {
		return nil // an empty file that is not in use yet
	}
	if !bytes.Equal(head[:n], []byte(sqliteHeader)) {
		return fmt.Errorf("%s is not a SQLite database (its header is damaged or it is empty). Restore it from a backup; nothing was changed", path)
	}
	return nil
}

// nonEmptyFile returns the path if it names a file that is not empty.
func nonEmptyFile(path string) string {
	if info, err := os.Stat(path); err != nil || info.Size() == 0 {
		return ""
	}
	return path
}

// createPrivate creates the file with access for its owner only. SQLite gives its other files
// the same mode.
func createPrivate(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	return f.Close()
}

func markExisting(path string) error {
	if _, err := os.Stat(path + ".mark"); err == nil {
		return nil
	}
	return os.WriteFile(path+".mark", []byte("A Watchword database belongs here. Remove this file only to begin with an empty one.\n"), 0o600)
}

// syncCheckLimit is the size up to which a file is checked before the server starts. A larger
// file is checked in the background, as the check reads every page.
const syncCheckLimit = 16 << 20

// checkIntegrity looks for structural damage. ctx ends when the database is closed.
func checkIntegrity(ctx context.Context, pool *sql.DB, path string, h *health, cfg Config) error {
	info, err := os.Stat(path)
	if err != nil || info.Size() == 0 {
		return err // new
	}
	if info.Size() <= syncCheckLimit {
		return quickCheck(ctx, pool, path)
	}
	go func() {
		err := quickCheck(ctx, pool, path)
		switch {
		case sqlite.isCorrupt(err):
			h.markCorrupt(err, cfg.Log)
		case err != nil && ctx.Err() == nil:
			cfg.Log.Warn("database not checked", "path", path, "error", err)
		}
	}()
	return nil
}

func quickCheck(ctx context.Context, pool *sql.DB, path string) error {
	var verdict string
	err := pool.QueryRowContext(ctx, "PRAGMA quick_check(1)").Scan(&verdict)
	if err == nil && verdict != "ok" {
		err = fmt.Errorf("%w: %s", errCorrupt, verdict)
	}
	if sqlite.isCorrupt(err) {
		return fmt.Errorf("%s is damaged (%w). Restore it from a backup", path, err)
	}
	return err
}

// lockFile takes the lock under which one process at a time checks and migrates. The kernel
// releases it when the process ends.
func lockFile(ctx context.Context, timers timer.Source, path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return func() { f.Close() }, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			f.Close()
			return nil, err
		}
		if err := timers.Sleep(ctx, 20*time.Millisecond); err != nil {
			f.Close()
			return nil, err
		}
	}
}
