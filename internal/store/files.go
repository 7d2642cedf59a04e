package store

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"syscall"
	"time"
)

// The files beside the database: a lock while it is opened, and a mark that it
// once existed, so that its loss is noticed instead of healed with an empty one.

const header = "SQLite format 3\x00"

// refuseReplacing refuses to open when the database is gone, empty or no database
// at all, though it was there before.
func refuseReplacing(path string) error {
	_, markErr := os.Stat(path + ".mark")
	head := make([]byte, len(header))
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		if markErr == nil {
			return fmt.Errorf("%s is missing, but there was a database here (%s.mark). Restore it from a backup, or remove %s.mark to begin with an empty one", path, path, path)
		}
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	n, _ := io.ReadFull(f, head)
	if n == 0 && markErr != nil {
		return nil // an empty file that nobody has used yet
	}
	if !bytes.Equal(head[:n], []byte(header)) {
		return fmt.Errorf("%s is not a SQLite database (its header is damaged or it is empty). Restore it from a backup; nothing was changed", path)
	}
	return nil
}

func markExisting(path string) error {
	if _, err := os.Stat(path + ".mark"); err == nil {
		return nil
	}
	return os.WriteFile(path+".mark", []byte("A Watchword database belongs here. Remove this file only to begin with an empty one.\n"), 0o600)
}

// checkNow is how large a file is checked before the server answers. A larger one
// is checked meanwhile: the check reads every page.
const checkNow = 16 << 20

// checkWhole looks for structural damage.
func checkWhole(ctx context.Context, pool *sql.DB, path string, h *health, cfg Config) error {
	info, err := os.Stat(path)
	if err != nil || info.Size() == 0 {
		return nil // new
	}
	if info.Size() <= checkNow {
		return quickCheck(ctx, pool, path)
	}
	go func() {
		if err := quickCheck(context.WithoutCancel(ctx), pool, path); err != nil && !errors.Is(err, sql.ErrConnDone) {
			h.damaged(err, cfg.Log)
		} else {
			cfg.Log.Debug("database checked", slog.String("path", path))
		}
	}()
	return nil
}

func quickCheck(ctx context.Context, pool *sql.DB, path string) error {
	var verdict string
	err := pool.QueryRowContext(ctx, "PRAGMA quick_check(1)").Scan(&verdict)
	if err == nil && verdict != "ok" {
		err = errors.New(verdict)
	}
	if err == nil {
		return nil
	}
	if sqlite.unavailable(err) && !sqlite.damaged(err) {
		return err
	}
	return fmt.Errorf("%s is damaged (%w). Restore it from a backup; nothing was changed", path, err)
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
