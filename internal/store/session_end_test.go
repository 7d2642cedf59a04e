package store_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/store"
	"github.com/watchword-auth/watchword/internal/store/storetest"
)

// TestManyEndInFewStatements: an account may have any number of sessions at a client, one for
// each device. Ending all of them must not take statements for each.
func TestManyEndInFewStatements(t *testing.T) {
	t.Parallel()
	const many = 50
	ends := map[string]struct {
		most int
		end  func(tx *store.Tx) (int64, error)
	}{
		"of one person":      {4, func(tx *store.Tx) (int64, error) { return tx.EndGrantedSessions("p", "c", "x") }},
		"of one client":      {4 + many, func(tx *store.Tx) (int64, error) { return tx.EndClientSessions("c", 1000, "x") }},
		"all of one account": {8, func(tx *store.Tx) (int64, error) { return tx.EndSessions("p", "", "x") }},
	}
	for name, c := range ends {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			storetest.Each(t, func(t *testing.T, cfg store.Config) {
				db := storetest.Open(t, cfg)
				err := write(t.Context(), db, func(tx *store.Tx) error { return beginMany(tx, many) })
				if err != nil {
					t.Fatal(err)
				}

				var ended int64
				n := store.CountStatements(t, db, func(tx *store.Tx) (err error) {
					ended, err = c.end(tx)
					return err
				})

				if ended < many || n > c.most {
					t.Errorf("ended %d of %d in %d statements, want at most %d", ended, many, n, c.most)
				}
				if f := family(t, db, "f0"); f.RevokedAt.IsZero() {
					t.Error("a refresh family is not revoked")
				}
			})
		})
	}
}

// beginMany signs the account p in to the client c on many devices.
func beginMany(tx *store.Tx, many int) error {
	if err := insertAccount(tx, "p"); err != nil {
		return err
	}
	if err := tx.InsertClient(auth.Client{ID: "c", Name: "C", Type: auth.ClientWeb, CreatedAt: tx.Now, UpdatedAt: tx.Now}); err != nil {
		return err
	}
	late := tx.Now.Add(time.Hour)
	for i := range many {
		v := auth.Session{ID: auth.SessionID(fmt.Sprint("s", i)), Account: "p", Client: "c", Parent: "b", AuthAt: tx.Now, CreatedAt: tx.Now, SeenAt: tx.Now, IdleAt: late, ExpiresAt: late}
		if err := tx.InsertSession(v); err != nil {
			return err
		}
		f := newFamily(fmt.Sprint("f", i), "p", tx.Now)
		f.Session, f.Client = v.ID, v.Client
		if err := tx.InsertFamily(f); err != nil {
			return err
		}
	}
	return nil
}
