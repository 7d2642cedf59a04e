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
)

// The files beside the database: a lock while it is opened, and a mark that it
// once existed, so that its loss is noticed instead of healed with an empty one.

const sqliteHeader = "SQLite format 3\x00"

// checkNotReplaced refuses to open when the database is gone, empty or no database
// at all, though it was there before.
func checkNotReplaced(path string) error {
	trace := nonEmptyFile(path + ".mark")
	if trace == "" {
		trace = nonEmptyFile(path + "-wal") // SQLite would throw it away with what it holds
	}
	head := make([]byte, len(sqliteHeader))
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		if trace != "" {
			return fmt.Errorf("%s is missing, but there was a database here (%s). Restore it from a backup, or remove %s to begin with an empty one", path, trace, trace)
		}
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	n, _ := io.ReadFull(f, head)
	if n == 0 && trace == "" {
		return nil // an empty file that nobody has used yet
	}
	if !bytes.Equal(head[:n], []byte(sqliteHeader)) {
		return fmt.Errorf("%s is not a SQLite database (its header is damaged or it is empty). Restore it from a backup; nothing was changed", path)
	}
	return nil
}

// left returns the path if there is a file with something in it.
func nonEmptyFile(path string) string {
	if info, err := os.Stat(path); err != nil || info.Size() == 0 {
		return ""
	}
	return path
}

// createPrivate makes the file for its owner alone; SQLite gives the files it puts beside
// it the same rights.
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

// syncCheckLimit is how large a file is checked before the server answers. A larger one
// is checked meanwhile: the check reads every page.
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

// lockFile takes the lock that lets one process at a time check and migrate. The
// kernel drops it when the process dies.
func lockFile(ctx context.Context, path string) (unlock func(), err error) {
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
		select {
		case <-ctx.Done():
			f.Close()
			return nil, ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
}
