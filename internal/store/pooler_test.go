package store_test

import (
	"sync"
	"testing"

	"github.com/watchword-auth/watchword/internal/store"
	"github.com/watchword-auth/watchword/internal/store/storetest"
)

// TestRepair_B7_StatementsThroughPoolers: every statement works where the next one may run on
// another connection, and a single-use secret is consumed once.
func TestRepair_B7_StatementsThroughPoolers(t *testing.T) {
	t.Parallel()
	storetest.Poolers(t, func(t *testing.T, through func(string) string) {
		contract(t, testConfig(t, through(storetest.Postgres(t))))
		takeOnce(t, nodes(t, testConfig(t, through(storetest.Postgres(t))), 2), 5)
	})
}

// TestRepair_B7_MigrationsThroughPoolers: nodes that start together migrate the schema through a
// pooler, and leave no lock on its connections.
func TestRepair_B7_MigrationsThroughPoolers(t *testing.T) {
	t.Parallel()
	storetest.Poolers(t, func(t *testing.T, through func(string) string) {
		direct := storetest.Blank(t)
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				db, err := store.Open(t.Context(), testConfig(t, through(direct)))
				if err != nil {
					t.Error(err)
					return
				}
				defer db.Close()
				if !db.UsesPooler() {
					t.Error("the pooler was not noticed")
				}
			})
		}
		wg.Wait()

		requireMigrated(t, direct)
		locks := 0
		err := raw(t, direct).QueryRow(`SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'
			AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`).Scan(&locks)
		if err != nil || locks > 0 {
			t.Errorf("%d locks are left, %v", locks, err)
		}
	})
}

// TestRepair_B7_Limits: the server cancels statements whose caller no longer waits, on a direct
// connection and through a pooler, where no other client inherits the limits.
func TestRepair_B7_Limits(t *testing.T) {
	t.Parallel()
	direct := storetest.Postgres(t)
	if got := store.StatementTimeout(t, open(t, testConfig(t, direct))); got != "20s" {
		t.Errorf("on a direct connection: %s", got)
	}
	storetest.Poolers(t, func(t *testing.T, through func(string) string) {
		url := through(storetest.Postgres(t))
		if got := store.StatementTimeout(t, open(t, testConfig(t, url))); got != "20s" {
			t.Errorf("through the pooler: %s", got)
		}
		left := ""
		if err := raw(t, url).QueryRow("SELECT current_setting('statement_timeout')").Scan(&left); err != nil || left != "0" {
			t.Errorf("left behind: %s, %v", left, err)
		}
	})
}
