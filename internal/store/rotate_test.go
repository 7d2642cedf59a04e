package store_test

import (
	"errors"
	"testing"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/store"
	"github.com/watchword-auth/watchword/internal/store/storetest"
)

// insertFamily stores an account with a session s1 and a family f1, whose newest token
// has the digest "a".
func insertFamily(t *testing.T, db *store.DB) (acc auth.Account) {
	t.Helper()
	err := db.Write(t.Context(), auth.DefaultTenant, func(tx *store.Tx) error {
		acc = newAccount(t, tx, "rotate@example.test")
		later := tx.Now.Add(time.Hour)
		if err := tx.InsertSession(auth.Session{ID: "s1", Account: acc.ID, Client: auth.FirstParty, AuthAt: tx.Now, CreatedAt: tx.Now, SeenAt: tx.Now, IdleAt: later, ExpiresAt: later}); err != nil {
			return err
		}
		return tx.InsertFamily(auth.Family{ID: "f1", Account: acc.ID, Client: auth.FirstParty, Session: "s1", Digest: "a", CreatedAt: tx.Now, RotatedAt: tx.Now, IdleAt: later, ExpiresAt: later})
	})
	if err != nil {
		t.Fatal(err)
	}
	return acc
}

func TestRotate(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, cfg store.Config) {
		db := storetest.Open(t, cfg)
		insertFamily(t, db)
		idle := db.Now().Add(2 * time.Hour).UTC().Truncate(time.Millisecond)
		step := func(from, to string) func(time.Time, store.RefreshState) (store.Rotation, error) {
			return func(time.Time, store.RefreshState) (store.Rotation, error) {
				return store.Rotation{From: from, To: to, IdleAt: idle, SessionIdleAt: idle.Add(time.Second)}, nil
			}
		}
		if err := db.Rotate(t.Context(), auth.DefaultTenant, "f1", step("a", "b")); err != nil {
			t.Fatal(err)
		}
		err := db.Rotate(t.Context(), auth.DefaultTenant, "f1", func(_ time.Time, r store.RefreshState) (store.Rotation, error) {
			if r.Family.Generation != 1 || r.Family.Digest != "b" || r.Family.IdleAt != idle || r.Session.IdleAt != idle.Add(time.Second) {
				t.Errorf("after the rotation: %+v", r)
			}
			return store.Rotation{}, nil
		})
		if err != nil {
			t.Error(err)
		}
		if err := db.Rotate(t.Context(), auth.DefaultTenant, "f1", step("a", "c")); err == nil {
			t.Error("rotated from a spent token")
		}
		refusal := errors.New("no")
		err = db.Rotate(t.Context(), auth.DefaultTenant, "f1", func(time.Time, store.RefreshState) (store.Rotation, error) {
			return store.Rotation{From: "b", To: "c", IdleAt: idle}, refusal
		})
		if !errors.Is(err, refusal) {
			t.Errorf("the decision's refusal became %v", err)
		}
		for _, tenant := range []auth.TenantID{auth.DefaultTenant, "t2"} {
			id := auth.FamilyID("f1")
			if tenant == auth.DefaultTenant {
				id = "f2"
			}
			if err := db.Rotate(t.Context(), tenant, id, step("b", "c")); !errors.Is(err, auth.ErrNotFound) {
				t.Errorf("family %s of %s: %v", id, tenant, err)
			}
		}
		err = db.ReadOne(t.Context(), auth.DefaultTenant, func(tx *store.Tx) error {
			f, err := tx.Family("f1")
			if f.Digest != "b" || f.Generation != 1 {
				t.Errorf("in the end: %+v", f)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	})
}

// The retries shift with each rotation, on both databases, and stay unchanged while the token
// is not rotated.
func TestRepair_B9_RetriesOfTheLastEight(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, cfg store.Config) {
		db := storetest.Open(t, cfg)
		insertFamily(t, db)
		rotate := func(n store.Rotation) {
			t.Helper()
			n.IdleAt = db.Now().Add(time.Hour)
			if err := db.Rotate(t.Context(), auth.DefaultTenant, "f1", func(time.Time, store.RefreshState) (store.Rotation, error) { return n, nil }); err != nil {
				t.Fatal(err)
			}
		}
		want := func(r auth.Retries) {
			t.Helper()
			if got := family(t, db, "f1").Retries; got != r {
				t.Errorf("retries %08b, want %08b", got, r)
			}
		}
		rotate(store.Rotation{Retried: auth.Retries(0).Next()})
		rotate(store.Rotation{From: "a", To: "a"})
		want(0b1)
		for i, r := range []auth.Retries{0b10, 0b100, 0b1000, 0b10000, 0b100000, 0b1000000, 0b10000000, 0, 0} {
			rotate(store.Rotation{From: string(rune('a' + i)), To: string(rune('b' + i))})
			want(r)
		}
		rotate(store.Rotation{Retried: 0b10000001})
		err := db.Write(t.Context(), auth.DefaultTenant, func(tx *store.Tx) error {
			done, err := tx.RotateFamily("f1", "j", "k", tx.Now)
			if !done {
				t.Error("not rotated")
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		want(0b10)
	})
}

// TestRotate_UseNotNoted: PostgreSQL consumes the token before the use of its session is
// recorded. When that fails, the client still gets the new token.
func TestRotate_UseNotNoted(t *testing.T) {
	t.Parallel()
	url := storetest.Postgres(t)
	db := storetest.Open(t, testConfig(t, url))
	insertFamily(t, db)
	if _, err := raw(t, url).Exec(`CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no'; END $$;
		CREATE TRIGGER refuse BEFORE UPDATE ON sessions FOR EACH ROW EXECUTE FUNCTION refuse()`); err != nil {
		t.Fatal(err)
	}

	err := db.Rotate(t.Context(), auth.DefaultTenant, "f1", func(now time.Time, _ store.RefreshState) (store.Rotation, error) {
		return store.Rotation{From: "a", To: "b", IdleAt: now, SessionIdleAt: now}, nil
	})

	if err != nil {
		t.Error(err)
	}
	if f := family(t, db, "f1"); f.Digest != "b" {
		t.Errorf("the family is at %s", f.Digest)
	}
}

func family(t *testing.T, db *store.DB, id auth.FamilyID) (f auth.Family) {
	t.Helper()
	err := db.ReadOne(t.Context(), auth.DefaultTenant, func(tx *store.Tx) (err error) {
		f, err = tx.Family(id)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// TestRotate_ChangedMeanwhile changes the state of a decision before the decision is executed,
// which only PostgreSQL allows: the decision is made again.
func TestRotate_ChangedMeanwhile(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(tx *store.Tx, acc auth.Account) error{
		"family revoked": func(tx *store.Tx, _ auth.Account) error { return tx.RevokeFamily("f1", "x") },
		"rotated": func(tx *store.Tx, _ auth.Account) error {
			_, err := tx.RotateFamily("f1", "a", "z", tx.Now)
			return err
		},
		"session ended": func(tx *store.Tx, acc auth.Account) error { return tx.EndSession(acc.ID, "s1", "x") },
		"account disabled": func(tx *store.Tx, acc auth.Account) error {
			acc.DisabledAt = tx.Now
			return tx.UpdateAccount(acc)
		},
		"address proved": func(tx *store.Tx, acc auth.Account) error {
			acc.EmailVerifiedAt = tx.Now
			return tx.UpdateAccount(acc)
		},
		"tenant shut": func(tx *store.Tx, _ auth.Account) error {
			self, err := tx.CurrentTenant()
			self.DisabledAt = tx.Now
			if err != nil {
				return err
			}
			return tx.UpdateCurrentTenant(self)
		},
		"account deleted": func(tx *store.Tx, acc auth.Account) error { return tx.DeleteAccount(acc.ID) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := storetest.Open(t, store.Config{URL: storetest.Postgres(t), Keyring: storetest.Keyring(t)})
			acc := insertFamily(t, db)
			looks := 0
			err := db.Rotate(t.Context(), auth.DefaultTenant, "f1", func(now time.Time, r store.RefreshState) (store.Rotation, error) {
				if looks++; looks > 1 {
					return store.Rotation{}, auth.Refuse(auth.KindForbidden, "second", "looked again")
				}
				if err := db.Write(t.Context(), auth.DefaultTenant, func(tx *store.Tx) error { return change(tx, acc) }); err != nil {
					t.Fatal(err)
				}
				return store.Rotation{From: "a", To: "b", IdleAt: now}, nil
			})
			if auth.KindOf(err) != auth.KindForbidden && !(name == "account deleted" && errors.Is(err, auth.ErrNotFound)) {
				t.Errorf("rotated with an outdated state: %v", err)
			}
		})
	}
}
