package store_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/store"
)

// TestAttack_FL_04: a full disk refuses only writes, and they succeed again when it has
// space. The child has a disk of 8 MB: a small file system of its
// own where the kernel lets it mount one, else a limit on the size of its files.
func TestAttack_FL_04_diskFull(t *testing.T) {
	t.Parallel()
	t.Run("file system", func(t *testing.T) {
		t.Parallel()
		runFill(t, "mount", &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS})
	})
	t.Run("file size", func(t *testing.T) {
		t.Parallel()
		runFill(t, "limit", nil)
	})
}

func runFill(t *testing.T, how string, attr *syscall.SysProcAttr) {
	t.Helper()
	cmd := child(t, "fill", "sqlite:"+filepath.Join(t.TempDir(), "disk", "watchword.db"), "WATCHWORD_STORE_DISK="+how)
	cmd.SysProcAttr = attr
	out, err := cmd.CombinedOutput()
	if errors.Is(err, syscall.EPERM) || strings.Contains(string(out), "mount: operation not permitted") {
		t.Log("mount is not permitted here; a limit on the file size replaces the small disk")
		return
	}
	if err != nil || !strings.HasSuffix(string(out), "recovered\n") {
		t.Errorf("%v\n%s", err, out)
	}
}

// disk is the small disk of the child.
type disk struct{ full, free func() error }

func smallDisk(dir string) (disk, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return disk{}, err
	}
	if os.Getenv("WATCHWORD_STORE_DISK") == "mount" {
		if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=8m"); err != nil {
			return disk{}, fmt.Errorf("mount: %w", err)
		}
		ballast := filepath.Join(dir, "ballast")
		return disk{
			full: func() error { // but for half a megabyte
				var fs syscall.Statfs_t
				err := syscall.Statfs(dir, &fs)
				return errors.Join(err, os.WriteFile(ballast, make([]byte, max(0, int(fs.Bavail)*int(fs.Bsize)-512<<10)), 0o600))
			},
			free: func() error { return os.Remove(ballast) },
		}, nil
	}
	signal.Ignore(syscall.SIGXFSZ)
	limit := func(n uint64) func() error {
		return func() error {
			return syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: n, Max: ^uint64(0)})
		}
	}
	return disk{full: limit(1 << 20), free: limit(^uint64(0))}, nil
}

func childFill(ctx context.Context) error {
	cfg, err := childConfig()
	if err != nil {
		return err
	}
	path := strings.TrimPrefix(cfg.URL, "sqlite:")
	d, err := smallDisk(filepath.Dir(path))
	if err != nil {
		return err
	}
	db, err := openChild(ctx)
	if err != nil {
		return err
	}
	if err := write(ctx, db, func(tx *store.Tx) error { return insertAccount(tx, "first") }); err != nil {
		return err
	}
	for round := range 3 {
		if err := errors.Join(d.full(), fillUp(ctx, db, round), d.free(), recover10(ctx, db, round)); err != nil {
			return fmt.Errorf("round %d: %w", round, err)
		}
	}
	if err := db.Close(); err != nil {
		return err
	}
	if db, err = store.Open(ctx, cfg); err != nil { // checks the file
		return err
	}
	defer db.Close()
	printLine("recovered")
	return nil
}

func readAccount(ctx context.Context, db *store.DB, id string) error {
	return db.Read(ctx, auth.DefaultTenant, func(tx *store.Tx) error {
		_, err := tx.Account(auth.AccountID(id))
		return err
	})
}

// fillUp writes concurrently until the disk is full, and checks which writes are
// stored.
func fillUp(ctx context.Context, db *store.DB, round int) error {
	type outcome struct {
		id  string
		err error
	}
	results := make(chan outcome, 1024)
	for g := range 8 {
		go func() {
			refused := 0
			for n := 0; refused < 5 && n < 20_000; n++ {
				id := fmt.Sprintf("p%d-%d-%d", round, g, n)
				err := write(ctx, db, func(tx *store.Tx) error {
					if err := insertAccount(tx, id); err != nil {
						return err
					}
					return tx.Record(auth.Event{Kind: auth.EventLogin, Account: auth.AccountID(id), Detail: map[string]string{"x": strings.Repeat("x", 2000)}})
				})
				if err != nil {
					refused++
				}
				results <- outcome{id, err}
			}
			results <- outcome{}
		}()
	}
	stored, refused := []string{}, []string{}
	for running := 8; running > 0; {
		switch o := <-results; {
		case o.id == "":
			running--
		case o.err == nil:
			stored = append(stored, o.id)
		default:
			var e *auth.Error
			if !errors.As(o.err, &e) || e.Kind != auth.KindUnavailable || e.RetryAfter <= 0 {
				return fmt.Errorf("refused with %w", o.err)
			}
			refused = append(refused, o.id)
		}
	}
	if len(refused) == 0 {
		return errors.New("the disk never was full")
	}
	for _, id := range append(stored, "first") {
		if err := readAccount(ctx, db, id); err != nil {
			return fmt.Errorf("%s was acknowledged: %w", id, err)
		}
	}
	for _, id := range refused {
		if err := readAccount(ctx, db, id); !errors.Is(err, auth.ErrNotFound) {
			return fmt.Errorf("%s was refused, but is stored: %w", id, err)
		}
	}
	return nil
}

func recover10(ctx context.Context, db *store.DB, round int) error {
	for until := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		id := fmt.Sprint("after-", round, "-", secret.NewID(time.Now()))
		err := write(ctx, db, func(tx *store.Tx) error { return insertAccount(tx, id) })
		if err == nil {
			return readAccount(ctx, db, id)
		}
		if time.Now().After(until) {
			return fmt.Errorf("no recovery: %w", err)
		}
	}
}

// TestAttack_FL_23: another process holds the lock of the file.
func TestAttack_FL_23_lockedFile(t *testing.T) {
	t.Parallel()
	const wait = 400 * time.Millisecond
	db, cfg := sqliteDB(t, func(c *store.Config) { c.MaxWait = wait })
	if err := write(t.Context(), db, func(tx *store.Tx) error {
		if err := insertAccount(tx, "p"); err != nil {
			return err
		}
		return tx.InsertFamily(newFamily("f", "p", tx.Now))
	}); err != nil {
		t.Fatal(err)
	}
	other := raw(t, cfg.URL)
	other.SetMaxOpenConns(1)
	exec := func(s string) {
		t.Helper()
		if _, err := other.Exec(s); err != nil {
			t.Fatal(err)
		}
	}
	// Acknowledged increments of this process and of the other.
	sum, held := 0, time.Duration(rounds(1, 5))*time.Second
	increment := func() error {
		return write(t.Context(), db, func(tx *store.Tx) error {
			f, err := tx.Family("f")
			if err != nil {
				return err
			}
			_, err = tx.RotateFamily("f", f.Digest, fmt.Sprint(f.Generation+1), tx.Now)
			return err
		})
	}
	exec("BEGIN IMMEDIATE")
	exec("UPDATE refresh_families SET generation = generation + 1, digest = CAST(generation + 1 AS TEXT)")
	sum++
	refusals := make(chan error, 64)
	for end, running := time.Now().Add(held), 0; time.Now().Before(end) || running > 0; {
		if running < cap(refusals) && time.Now().Before(end) {
			running++
			go func() {
				at := time.Now()
				err := increment()
				if d := time.Since(at); d > wait+time.Minute { // what a busy machine adds
					t.Errorf("waited %s for a lock, %s are allowed", d, wait)
				}
				refusals <- err
			}()
			continue
		}
		if err := <-refusals; !unavailable(err) {
			t.Errorf("while the file is locked: %v", err)
		}
		running--
		if err := readAccount(t.Context(), db, "p"); err != nil {
			t.Errorf("a read while the file is locked: %v", err)
		}
	}
	time.AfterFunc(wait/4, func() { exec("COMMIT") })
	if err := increment(); err != nil {
		t.Errorf("the lock was released in time: %v", err)
	}
	sum++
	for range 20 {
		exec("UPDATE refresh_families SET generation = generation + 1, digest = CAST(generation + 1 AS TEXT)")
		if err := increment(); err != nil {
			t.Error(err)
		}
		sum += 2
	}
	if n := count(t, other, "SELECT generation FROM refresh_families"); n != sum {
		t.Errorf("%d increments were acknowledged, the counter is %d", sum, n)
	}
}
