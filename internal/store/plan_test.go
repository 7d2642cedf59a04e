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

// growing are the tables that hold rows for every account. A statement that walks
// through all of a tenant's rows there is fine with a thousand accounts and takes
// the server down with a million.
var growing = []string{"accounts", "credentials", "sessions", "refresh_families", "single_use", "assignments", "audit", "flows", "consents", "device_codes", "remembered"}

// walks are the lines of a plan that look at all rows of a tenant, or at all.
var walks = regexp.MustCompile(`^(SCAN (\w+)|SEARCH (\w+) USING (PRIMARY KEY|(COVERING )?INDEX \w+) \(tenant_id=\?\))`)

// TestNoStatementWalksATenant asks SQLite how it would carry out every statement of
// Tx.
func TestNoStatementWalksATenant(t *testing.T) {
	t.Parallel()
	url := storetest.SQLite(t)
	ring := storetest.Keyring(t)
	db := storetest.Open(t, store.Config{URL: url, Keyring: ring})
	undo := errors.New("undo")
	// How a session ends depends on what hangs on it.
	err := db.Write(t.Context(), auth.DefaultTenant, func(tx *store.Tx) error {
		if err := seedVictim(tx, ring); err != nil {
			return err
		}
		below := auth.Session{ID: "below", Account: "x", Client: "x", Parent: "x", Series: "x", AuthAt: tx.Now, CreatedAt: tx.Now, SeenAt: tx.Now, IdleAt: tx.Now, ExpiresAt: tx.Now}
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
			m := walks.FindStringSubmatch(line)
			if m != nil && (slices.Contains(growing, m[2]) || slices.Contains(growing, m[3])) {
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
