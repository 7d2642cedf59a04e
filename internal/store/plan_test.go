package store_test

import (
	"errors"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/store"
	"github.com/watchword-auth/watchword/internal/store/storetest"
)

// growing are the tables with rows for every account. A statement that scans all of a
// tenant's rows there is fast with a thousand accounts and overloads the server with a
// million.
var growing = []string{"accounts", "credentials", "sessions", "refresh_families", "single_use", "assignments", "audit", "flows", "consents", "device_codes", "remembered", "trusted_browsers", "account_pictures"}

// walks match the lines of a plan that scan all rows of a tenant or of a table.
var walks = regexp.MustCompile(`^(SCAN (\w+)|SEARCH (\w+) USING (PRIMARY KEY|(COVERING )?INDEX \w+) \(tenant_id=\?\)|SEARCH (\w+) USING PRIMARY KEY \(\(tenant_id,id\)>)`)

// ended are the columns that mark an ended row. A statement about live rows must not visit
// ended ones: there may be thousands for each live row.
var ended = map[string]string{"sessions": "ended_at", "refresh_families": "revoked_at", "remembered": "revoked_at", "single_use": "used_at"}

// searches match the lines of a plan that search rows by an index.
var searches = regexp.MustCompile(`^SEARCH (\w+) USING (?:COVERING )?INDEX (\w+) \((.*)\)`)

// living are the indexes without ended rows, or with one row for each key.
var living = []string{"sessions_client_idx", "sessions_series_idx", "sessions_digest_idx"}

// visitsEnded reports whether a plan visits ended rows to find live
// ones.
func visitsEnded(text, line string) bool {
	m := searches.FindStringSubmatch(line)
	if m == nil || slices.Contains(living, m[2]) {
		return false
	}
	column := ended[m[1]]
	return column != "" && strings.Contains(text, column+" IS NULL") && !strings.Contains(m[3], column+"=?")
}

// TestNoStatementWalksATenant checks the query plan of SQLite for every statement of
// Tx, and for those of clean-up.
func TestNoStatementWalksATenant(t *testing.T) {
	everyPlan(t, func(text, line string) bool {
		m := walks.FindStringSubmatch(line)
		return m != nil && slices.ContainsFunc(m[2:], func(table string) bool { return slices.Contains(growing, table) })
	})
}

func TestRepair_H1_NoStatementVisitsWhatHasEnded(t *testing.T) { everyPlan(t, visitsEnded) }

// everyPlan fails for each statement of Tx whose plan has a bad line.
func everyPlan(t *testing.T, bad func(text, line string) bool) {
	t.Helper()
	t.Parallel()
	url := storetest.SQLite(t)
	ring := storetest.Keyring(t)
	db := storetest.Open(t, store.Config{URL: url, Keyring: ring})
	undo := errors.New("undo")
	// The statements that end a session depend on what belongs to it.
	err := db.Write(t.Context(), auth.DefaultTenant, func(tx *store.Tx) error {
		if err := seedVictim(tx, ring); err != nil {
			return err
		}
		below := auth.Session{ID: "below", Account: "x", Client: "x", Parent: "x", RememberMe: "x", AuthAt: tx.Now, CreatedAt: tx.Now, SeenAt: tx.Now, IdleAt: tx.Now, ExpiresAt: tx.Now}
		if err := tx.InsertSession(below); err != nil {
			return err
		}
		if err := tx.EndSession("x", "below", auth.EndReuse); err != nil {
			return err
		}
		below.ID = "again"
		if err := tx.InsertSession(below); err != nil {
			return err
		}
		if err := tx.EndSession("x", "x", auth.EndLogout); err != nil {
			return err
		}
		return undo
	})
	if !errors.Is(err, undo) {
		t.Fatal(err)
	}
	for name, call := range intrusions {
		err := db.Write(t.Context(), auth.DefaultTenant, func(tx *store.Tx) error {
			call(tx) // most find nothing, which is all the same to the planner
			return undo
		})
		if !errors.Is(err, undo) {
			t.Errorf("%s: %v", name, err)
		}
	}
	err = db.WriteSystem(t.Context(), func(tx *store.SystemTx) error {
		_, err := tx.Sweep(store.Retention{Flows: tx.Now, Unbound: tx.Now, ShortLived: tx.Now, Expired: tx.Now, Ended: tx.Now, Audit: tx.Now}, 100)
		if err == nil {
			_, err = tx.DueAccounts(store.DueAccount{}, 100)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	texts := store.Statements(db)
	if len(texts) < 40 {
		t.Fatalf("only %d statements were prepared", len(texts))
	}
	// A new connection has the statistics of the schema, as the server has after its
	// first start.
	pool := raw(t, url)
	for _, text := range texts {
		if !strings.Contains(text, "tenant_id") {
			continue
		}
		rows, err := pool.Query("EXPLAIN QUERY PLAN "+text, make([]any, parameters(text))...)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		for rows.Next() {
			var id, parent, unused int
			var line string
			if err := rows.Scan(&id, &parent, &unused, &line); err != nil {
				t.Fatal(err)
			}
			if bad(text, line) {
				t.Errorf("%s\n\t%s", line, text)
			}
		}
		rows.Close()
	}
}

var parameter = regexp.MustCompile(`\$(\d+)`)

func parameters(text string) (most int) {
	for _, m := range parameter.FindAllStringSubmatch(text, -1) {
		n, _ := strconv.Atoi(m[1])
		most = max(most, n)
	}
	return most
}
