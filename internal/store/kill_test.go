package store_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/store"
	"github.com/watchword-auth/watchword/internal/store/storetest"
)

// printLine prints an acknowledgement for the parent, in one write.
func printLine(format string, args ...any) { fmt.Fprintf(os.Stdout, format+"\n", args...) }

var errNo = auth.Refuse(auth.KindForbidden, "no", "no")

// openChild opens the parent's database in a child.
func openChild(ctx context.Context) (*store.DB, error) {
	cfg, err := childConfig()
	if err != nil {
		return nil, err
	}
	db, err := store.Open(ctx, cfg)
	if err != nil {
		return nil, err
	}
	return db, ensureTenant(ctx, db)
}

// childOpen opens the database as the next start does, and writes to it.
func childOpen(ctx context.Context) error {
	db, err := openChild(ctx)
	if err != nil {
		return err
	}
	if err := write(ctx, db, func(tx *store.Tx) error { return insertAccount(tx, "p") }); err != nil {
		return err
	}
	printLine("written")
	return db.Close()
}

// requireOpens checks that the next start opens the database and writes to it.
func requireOpens(t *testing.T, url string) {
	t.Helper()
	written := false
	readLines(t, child(t, "open", url), func(line string) { written = line == "written" })
	if !written {
		t.Error("the next start wrote nothing")
	}
}

// childMixed writes rows of many kinds until it is killed, and prints what was
// acknowledged.
func childMixed(ctx context.Context) error {
	db, err := openChild(ctx)
	if err != nil {
		return err
	}
	printLine("open")
	for range 5 {
		go func() {
			for {
				mixedWrites(ctx, db)
			}
		}()
	}
	<-time.After(time.Minute)
	return errors.New("the child was not killed")
}

// insertAccount writes three rows that belong together.
func insertAccount(tx *store.Tx, id string) error {
	email, err := auth.ParseEmail(id + "@example.test")
	if err != nil {
		return err
	}
	if err := tx.InsertAccount(auth.Account{ID: auth.AccountID(id), Email: email, CreatedAt: tx.Now, UpdatedAt: tx.Now}); err != nil {
		return err
	}
	if err := tx.SetPassword(auth.AccountID(id), strings.Repeat("h", 90)); err != nil {
		return err
	}
	if err := tx.InsertSession(auth.Session{ID: auth.SessionID(id), Account: auth.AccountID(id), Client: auth.FirstParty, AuthAt: tx.Now,
		CreatedAt: tx.Now, SeenAt: tx.Now, IdleAt: tx.Now.Add(time.Hour), ExpiresAt: tx.Now.Add(time.Hour)}); err != nil {
		return err
	}
	return tx.Record(auth.Event{Kind: auth.EventRegistered, Account: auth.AccountID(id)})
}

func newFamily(id string, account auth.AccountID, now time.Time) auth.Family {
	return auth.Family{ID: auth.FamilyID(id), Account: account, Client: auth.FirstParty, Session: auth.SessionID(account), Digest: "0",
		CreatedAt: now, RotatedAt: now, IdleAt: now.Add(time.Hour), ExpiresAt: now.Add(time.Hour)}
}

func newLink(digest string, now time.Time) auth.SingleUse {
	return auth.SingleUse{Kind: auth.UseVerifyEmail, Digest: digest, Data: "{}", CreatedAt: now, ExpiresAt: now.Add(time.Hour)}
}

func mixedWrites(ctx context.Context, db *store.DB) {
	id := secret.NewID(time.Now())
	if write(ctx, db, func(tx *store.Tx) error { return insertAccount(tx, id) }) == nil {
		printLine("person %s", id)
	}
	if err := write(ctx, db, func(tx *store.Tx) error {
		if err := insertAccount(tx, "x"+id); err != nil {
			return err
		}
		return errNo
	}); errors.Is(err, errNo) {
		printLine("refused x%s", id)
	}
	if err := write(ctx, db, func(tx *store.Tx) error {
		if err := insertAccount(tx, "k"+id); err != nil {
			return err
		}
		return store.CommitWith(errNo)
	}); errors.Is(err, errNo) {
		printLine("person k%s", id)
	}
	if write(ctx, db, func(tx *store.Tx) error { return tx.InsertSingleUse(newLink(id, tx.Now)) }) == nil {
		printLine("link %s", id)
	}
	if write(ctx, db, func(tx *store.Tx) error {
		if _, err := tx.Consume(auth.UseVerifyEmail, id); err != nil {
			return err
		}
		return insertRole(tx, "taken-"+id)
	}) == nil {
		printLine("taken %s", id)
	}
	if write(ctx, db, func(tx *store.Tx) error {
		return tx.InsertFamily(newFamily(id, auth.AccountID(id), tx.Now))
	}) != nil {
		return
	}
	printLine("rotated %s 0", id)
	for n := range 5 {
		if write(ctx, db, func(tx *store.Tx) error {
			ok, err := tx.RotateFamily(auth.FamilyID(id), strconv.Itoa(n), strconv.Itoa(n+1), tx.Now.Add(time.Hour))
			if err == nil && !ok {
				err = errNo
			}
			return err
		}) == nil {
			printLine("rotated %s %d", id, n+1)
		}
	}
}

// acknowledged compares one printed line with the database.
func acknowledged(tx *store.Tx, line string) error {
	f := strings.Fields(line)
	switch f[0] {
	case "person":
		if _, err := tx.Account(auth.AccountID(f[1])); err != nil {
			return err
		}
		_, err := tx.Session(auth.SessionID(f[1]))
		return err
	case "refused":
		if _, err := tx.Account(auth.AccountID(f[1])); !errors.Is(err, auth.ErrNotFound) {
			return fmt.Errorf("a refused write left its row: %v", err)
		}
	case "link":
		_, err := tx.SingleUse(auth.UseVerifyEmail, f[1])
		return err
	case "taken":
		v, err := tx.SingleUse(auth.UseVerifyEmail, f[1])
		if err == nil && v.UsedAt.IsZero() {
			err = errors.New("taken, and unspent again")
		}
		return err
	case "rotated":
		v, err := tx.Family(auth.FamilyID(f[1]))
		if n, _ := strconv.ParseInt(f[2], 10, 64); err == nil && v.Generation < n {
			err = fmt.Errorf("generation %d, acknowledged %d", v.Generation, n)
		}
		return err
	}
	return nil
}

// requireConsistent checks that no transaction is stored in part.
func requireConsistent(t *testing.T, url string) {
	t.Helper()
	requireIntact(t, url)
	db := raw(t, url)
	defer db.Close()
	for what, query := range map[string]string{
		"accounts without a password": "SELECT count(*) FROM accounts a WHERE NOT EXISTS (SELECT 1 FROM credentials c WHERE c.account_id = a.id)",
		"accounts without a session":  "SELECT count(*) FROM accounts a WHERE NOT EXISTS (SELECT 1 FROM sessions s WHERE s.account_id = a.id)",
		"accounts without an event":   "SELECT count(*) FROM accounts a WHERE NOT EXISTS (SELECT 1 FROM audit e WHERE e.account_id = a.id)",
		"events without an account":   "SELECT count(*) FROM audit e WHERE NOT EXISTS (SELECT 1 FROM accounts a WHERE a.id = e.account_id)",
		"links taken for nothing":     "SELECT count(*) FROM single_use s WHERE used_at IS NOT NULL AND NOT EXISTS (SELECT 1 FROM roles r WHERE r.name = 'taken-' || s.digest)",
		"links used and not taken":    "SELECT count(*) FROM single_use s WHERE used_at IS NULL AND EXISTS (SELECT 1 FROM roles r WHERE r.name = 'taken-' || s.digest)",
		"families out of step":        "SELECT count(*) FROM refresh_families WHERE digest <> CAST(generation AS TEXT)",
	} {
		if n := count(t, db, query); n != 0 {
			t.Errorf("%d %s", n, what)
		}
	}
}

func checkLedger(t *testing.T, db *store.DB, lines []string) {
	t.Helper()
	err := db.Read(t.Context(), auth.DefaultTenant, func(tx *store.Tx) error {
		for _, line := range lines {
			if err := acknowledged(tx, line); err != nil {
				t.Errorf("%s: %v", line, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestAttack_FL_01: kill -9 at random moments loses no acknowledged write and
// leaves none in part.
func TestAttack_FL_01_kill(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, cfg store.Config) {
		cfg.MaxWait = time.Minute // the ledger of all rounds is read at once
		n := rounds(8, 200)
		if testing.Short() {
			n = 2
		}
		var all []string
		for round := range n {
			var lines []string
			cmd := child(t, "mixed", cfg.URL)
			last := 1 + rand.N(20) // acknowledged writes, however slow they are
			readLines(t, cmd, func(line string) {
				if lines = append(lines, line); len(lines) == last {
					time.AfterFunc(rand.N(5*time.Millisecond), func() { cmd.Process.Kill() })
				}
			})
			if len(lines) == 0 {
				t.Fatal("the child did nothing")
			}
			db := open(t, cfg) // also what the server would do: I6
			checkLedger(t, db, lines)
			db.Close()
			if all = append(all, lines...); round%20 == 19 || round == n-1 {
				requireConsistent(t, cfg.URL)
			}
			if t.Failed() {
				t.Fatalf("in round %d", round)
			}
		}
		checkLedger(t, open(t, cfg), all)
		t.Logf("%d acknowledged writes over %d kills", len(all), n)
	})
}

// TestAttack_FL_01_start kills while the database is made and opened.
func TestAttack_FL_01_start(t *testing.T) {
	t.Parallel()
	for range rounds(4, 60) {
		cfg := testConfig(t, storetest.BlankSQLite(t))
		cmd := child(t, "mixed", cfg.URL)
		readLines(t, cmd, func(string) { cmd.Process.Kill() }, func() {
			time.AfterFunc(rand.N(60*time.Millisecond), func() { cmd.Process.Kill() })
		})
		requireOpens(t, cfg.URL)
		requireIntact(t, cfg.URL)
	}
}

// childRedeem consumes links until it is killed; each link creates a role.
func childRedeem(ctx context.Context) error {
	db, err := openChild(ctx)
	if err != nil {
		return err
	}
	for n := range 20 {
		id := fmt.Sprint("code-", n)
		err := write(ctx, db, func(tx *store.Tx) error { return tx.InsertSingleUse(newLink(id, tx.Now)) })
		if err != nil && !errors.Is(err, auth.ErrConflict) && !strings.Contains(err.Error(), "fault injected") {
			return err
		}
		err = write(ctx, db, func(tx *store.Tx) error {
			if _, err := tx.Consume(auth.UseVerifyEmail, id); err != nil {
				return err
			}
			if os.Getenv("WATCHWORD_STORE_DIE") == id {
				syscall.Kill(os.Getpid(), syscall.SIGKILL)
			}
			return insertRole(tx, "taken-"+id)
		})
		if err == nil {
			printLine("taken %s", id)
		}
	}
	return nil
}

// TestAttack_FL_03: after a kill between consuming a code and storing its result, both or neither
// are stored.
func TestAttack_FL_03_between(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, cfg store.Config) {
		for n := range 3 {
			redeemAndDie(t, cfg, fmt.Sprintf("WATCHWORD_STORE_DIE=code-%d", 3*n))
		}
	})
}

// The same at fault points.
func TestAttack_FL_03_points(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, cfg store.Config) {
		for _, point := range []string{"single-use.taken=kill@2", "store.before-commit=kill@5", "store.after-commit=kill@7", "store.after-commit=error@9", "store.before-commit=error@8"} {
			redeemAndDie(t, cfg, "WATCHWORD_FAULT_POINTS="+point)
		}
	})
}

func redeemAndDie(t *testing.T, cfg store.Config, env string) {
	t.Helper()
	var lines []string
	cmd := child(t, "redeem", cfg.URL, env)
	readLines(t, cmd, func(line string) { lines = append(lines, line) })
	killed := cmd.ProcessState.Sys().(syscall.WaitStatus).Signal() == syscall.SIGKILL
	if killed == strings.Contains(env, "error") {
		t.Fatalf("%s: killed %v", env, killed)
	}
	db := open(t, cfg)
	defer db.Close()
	checkLedger(t, db, lines)
	requireConsistent(t, cfg.URL)
}
