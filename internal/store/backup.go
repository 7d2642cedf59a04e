package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/watchword-auth/watchword/internal/secret"
)

// ErrNoFile is returned for PostgreSQL, which has its own tools for backups.
var ErrNoFile = errors.New("backup and restore are for SQLite; PostgreSQL has its own tools: pg_dump --format=custom and pg_restore")

// BackupInfo describes a verified backup.
type BackupInfo struct {
	Bytes  int64
	Schema int64 // the newest migration in it
}

// Backup writes a complete copy of a SQLite database, which a server may use meanwhile, and
// verifies it. The given path must not exist. A failed backup leaves no file.
func Backup(ctx context.Context, cfg Config, to string) (BackupInfo, error) {
	path, err := sqlitePath(cfg)
	if err != nil {
		return BackupInfo{}, err
	}
	if _, err := os.Lstat(to); !errors.Is(err, os.ErrNotExist) {
		return BackupInfo{}, fmt.Errorf("%s exists already: want the name of a new file", to)
	}
	if err := checkNotReplaced(path); err != nil {
		return BackupInfo{}, err
	}
	if _, err := os.Stat(path); err != nil {
		return BackupInfo{}, err
	}
	part := to + ".part"
	defer os.Remove(part)
	// Created here, because SQLite would create it readable by others.
	f, err := os.OpenFile(part, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		return BackupInfo{}, err
	}
	defer f.Close()
	if err := vacuumInto(ctx, path, part); err != nil {
		return BackupInfo{}, fmt.Errorf("copy the database: %w", err)
	}
	info, err := verifyBackup(ctx, cfg, part)
	if err != nil {
		return BackupInfo{}, err
	}
	if err := f.Sync(); err != nil {
		return BackupInfo{}, err
	}
	if err := os.Link(part, to); err != nil { // unlike a rename, a link replaces nothing
		return BackupInfo{}, err
	}
	return info, syncDir(to)
}

// Restore replaces a SQLite database that no process uses by a verified copy of a backup, and
// returns the path of the renamed previous database. It touches the previous database only after
// the copy is verified.
func Restore(ctx context.Context, cfg Config, from string) (previous string, info BackupInfo, err error) {
	path, err := sqlitePath(cfg)
	if err != nil {
		return "", info, err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return "", info, err
	}
	// Every process that opens the database takes this lock first.
	unlock, err := lockFile(ctx, cfg.Timers, path+".lock")
	if err != nil {
		return "", info, fmt.Errorf("wait for another process that is opening %s: %w", path, err)
	}
	defer unlock()
	if err := checkNotInUse(path); err != nil {
		return "", info, err
	}
	fresh := path + ".restoring"
	defer os.Remove(fresh)
	if err := copyFile(from, fresh); err != nil {
		return "", info, err
	}
	if info, err = verifyBackup(ctx, cfg, fresh); err != nil {
		return "", info, fmt.Errorf("%s: %w", from, err)
	}
	if previous, err = setAside(path, path+cfg.Now().UTC().Format(".20060102-150405.000")); err != nil {
		return "", info, err
	}
	if err := os.Rename(fresh, path); err != nil {
		return previous, info, err
	}
	return previous, info, errors.Join(markExisting(path), syncDir(path))
}

func sqlitePath(cfg Config) (string, error) {
	path, ok := strings.CutPrefix(cfg.URL, "sqlite:")
	if !ok || path == "" {
		return "", ErrNoFile
	}
	return path, nil
}

func openFile(path, query string) (*sql.DB, error) {
	return sql.Open("sqlite", "file:"+(&url.URL{Path: path}).EscapedPath()+"?_pragma=busy_timeout(5000)"+query)
}

// vacuumInto copies in one read transaction, so writers continue.
func vacuumInto(ctx context.Context, path, to string) error {
	pool, err := openFile(path, "")
	if err != nil {
		return err
	}
	defer pool.Close()
	_, err = pool.ExecContext(ctx, "VACUUM INTO $1", to)
	return err
}

// verifyBackup reads every page of a copy and checks that the configured master keys open it.
func verifyBackup(ctx context.Context, cfg Config, path string) (BackupInfo, error) {
	var info BackupInfo
	stat, err := os.Stat(path)
	if err != nil {
		return info, err
	}
	info.Bytes = stat.Size()
	pool, err := openFile(path, "&mode=ro&immutable=1")
	if err != nil {
		return info, err
	}
	defer pool.Close()
	var verdict string
	if err := pool.QueryRowContext(ctx, "PRAGMA integrity_check(1)").Scan(&verdict); err != nil || verdict != "ok" {
		return info, fmt.Errorf("the copy is damaged: %w", errors.Join(err, errors.New(verdict)))
	}
	if err := pool.QueryRowContext(ctx, "SELECT max(version_id) FROM goose_db_version WHERE is_applied").Scan(&info.Schema); err != nil {
		return info, fmt.Errorf("this is not a database of Watchword: %w", err)
	}
	return info, checkMasterKey(ctx, cfg, pool)
}

// checkMasterKey reports whether the configured master keys open the sealed values of the copy.
func checkMasterKey(ctx context.Context, cfg Config, pool *sql.DB) error {
	const name = sealedPrefix + "root"
	var sealed []byte
	err := pool.QueryRowContext(ctx, "SELECT value FROM settings WHERE tenant_id = '' AND name = $1", name).Scan(&sealed)
	if errors.Is(err, sql.ErrNoRows) {
		return nil // no server has used it yet
	}
	if err != nil {
		return err
	}
	_, err = cfg.Keyring.Open(settingContext("", name), sealed)
	if errors.Is(err, secret.ErrSealed) {
		return errors.New("it is sealed under another master key; set master_key_previous to that key")
	}
	return err
}

// The range of a database file that SQLite locks: every open connection holds a part of it (WAL
// mode).
const (
	lockStart  = 0x40000000
	lockLength = 512
)

// checkNotInUse returns an error when a process has the database open.
func checkNotInUse(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	lock := syscall.Flock_t{Type: syscall.F_WRLCK, Whence: io.SeekStart, Start: lockStart, Len: lockLength}
	if err := syscall.FcntlFlock(f.Fd(), syscall.F_GETLK, &lock); err != nil {
		return fmt.Errorf("find the process that uses %s: %w", path, err)
	}
	if lock.Type != syscall.F_UNLCK {
		return fmt.Errorf("%s is in use by process %d; stop the server first", path, lock.Pid)
	}
	return nil
}

// setAside renames a database and its log. The database goes first: without it, and with its
// mark, no server starts, so a crash in between loses nothing.
func setAside(path, to string) (string, error) {
	if _, err := os.Lstat(path); errors.Is(err, os.ErrNotExist) && nonEmptyFile(path+"-wal") == "" {
		return "", nil
	}
	for _, suffix := range []string{"", "-wal"} {
		if err := os.Rename(path+suffix, to+suffix); err != nil && !errors.Is(err, os.ErrNotExist) {
			return "", err
		}
	}
	if err := os.Remove(path + "-shm"); err != nil && !errors.Is(err, os.ErrNotExist) {
		return "", err
	}
	return to, nil
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	if nonEmptyFile(from+"-wal") != "" {
		return fmt.Errorf("%s-wal exists and holds the newest transactions of %s; make the backup with watchword backup", from, from)
	}
	out, err := os.OpenFile(to, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Sync(), out.Close())
}

// syncDir makes the name of a file durable.
func syncDir(path string) error {
	d, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
