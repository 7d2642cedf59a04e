package store_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/store"
	"github.com/watchword-auth/watchword/internal/store/storetest"
)

// insertOwners stores accounts, for tests of what belongs to accounts.
func insertOwners(t *testing.T, db *store.DB, ids ...auth.AccountID) {
	t.Helper()
	err := write(t.Context(), db, func(tx *store.Tx) error {
		for _, id := range ids {
			if err := insertAccount(tx, string(id)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestFactors(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, cfg store.Config) {
		db := open(t, cfg)
		insertOwners(t, db, "ann", "bob")
		err := write(t.Context(), db, func(tx *store.Tx) error {
			f := auth.Factor{ID: "app", Account: "ann", Kind: auth.ProofTOTP, Name: "Phone", CreatedAt: tx.Now, Data: auth.FactorData{Algorithm: "SHA1", Digits: 6, Period: 30}}
			f.Sealed = tx.SealFactor(f.ID, []byte("seed"))
			key := auth.Factor{ID: "key", Account: "ann", Kind: auth.ProofPasskey, Lookup: "credential", CreatedAt: tx.Now, ProvedAt: tx.Now, Data: auth.FactorData{PublicKey: []byte{1}}}
			return errors.Join(tx.InsertFactor(f), tx.InsertFactor(key), tx.SetPassword("ann", "hash"))
		})
		if err != nil {
			t.Fatal(err)
		}
		err = write(t.Context(), db, func(tx *store.Tx) error {
			list, err := tx.Factors("ann")
			if err != nil || len(list) != 2 || list[0].ID != "app" || !list[0].ProvedAt.IsZero() || list[0].Data.Period != 30 || list[1].Lookup != "credential" || list[1].ProvedAt.IsZero() {
				t.Errorf("%+v, %v", list, err)
			}
			if seed, err := tx.OpenFactor(list[0]); err != nil || string(seed) != "seed" {
				t.Errorf("%q, %v", seed, err)
			}
			moved := list[0]
			moved.ID = "other"
			if _, err := tx.OpenFactor(moved); !errors.Is(err, secret.ErrSealed) {
				t.Errorf("the secret of one factor was opened for another: %v", err)
			}
			if f, err := tx.FactorByLookup(auth.ProofPasskey, "credential"); err != nil || f.Account != "ann" || f.Data.PublicKey[0] != 1 {
				t.Errorf("%+v, %v", f, err)
			}
			if list, err := tx.Factors("bob"); err != nil || len(list) != 0 {
				t.Errorf("%+v, %v", list, err)
			}
			// Nobody else's factor is touched, nor a password.
			for _, err := range []error{
				tx.RenameFactor("bob", "app", "x"), tx.DeleteFactor("bob", "app"), tx.UpdateFactor(auth.Factor{ID: "key", Account: "bob"}),
			} {
				if !errors.Is(err, auth.ErrNotFound) {
					t.Errorf("%v", err)
				}
			}
			if ok, err := tx.AdvanceFactor("bob", "app", 5); ok || err != nil {
				t.Errorf("%t, %v", ok, err)
			}
			if n, err := tx.DeleteFactors("ann", "password", auth.ProofTOTP); n != 1 || err != nil {
				t.Errorf("removed %d, %v", n, err)
			}
			_, err = tx.PasswordHash("ann")
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}

// TestAttack_MF_10_CredentialOfAnother: a passkey belongs to one account of a tenant.
func TestAttack_MF_10_CredentialOfAnother(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, cfg store.Config) {
		db := open(t, cfg)
		insertOwners(t, db, "ann", "bob")
		for i, account := range []auth.AccountID{"ann", "bob", "ann"} {
			err := write(t.Context(), db, func(tx *store.Tx) error {
				return tx.InsertFactor(auth.Factor{ID: auth.FactorID(fmt.Sprint(i)), Account: account, Kind: auth.ProofPasskey, Lookup: "credential", CreatedAt: tx.Now})
			})
			if first := i == 0; first != (err == nil) || !first && !errors.Is(err, auth.ErrConflict) {
				t.Errorf("%d, for %s: %v", i, account, err)
			}
		}
	})
}

// TestAttack_MF_01_OneUseOfACode: of one code that comes 64 times at once, on two nodes, one counts.
func TestAttack_MF_01_OneUseOfACode(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, cfg store.Config) {
		dbs := nodes(t, cfg, 2)
		insertOwners(t, dbs[0], "ann")
		err := write(t.Context(), dbs[0], func(tx *store.Tx) error {
			return tx.InsertFactor(auth.Factor{ID: "app", Account: "ann", Kind: auth.ProofTOTP, Counter: 6, CreatedAt: tx.Now})
		})
		if err != nil {
			t.Fatal(err)
		}
		for step := int64(7); step < 10; step++ {
			got := race(64, func(i int) bool {
				var ok bool
				err := write(t.Context(), dbs[i%2], func(tx *store.Tx) (err error) {
					ok, err = tx.AdvanceFactor("ann", "app", step)
					return err
				})
				return err == nil && ok
			})
			if got != 1 {
				t.Errorf("step %d counted %d times", step, got)
			}
		}
		// An older step never counts again.
		if err := write(t.Context(), dbs[1], func(tx *store.Tx) error {
			ok, err := tx.AdvanceFactor("ann", "app", 8)
			if ok {
				t.Error("an older step counted")
			}
			return err
		}); err != nil {
			t.Fatal(err)
		}
	})
}

// TestAttack_MF_08_OneUseOfARecoveryCode: the same for recovery codes, which count once proved.
func TestAttack_MF_08_OneUseOfARecoveryCode(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, cfg store.Config) {
		dbs := nodes(t, cfg, 2)
		insertOwners(t, dbs[0], "ann", "bob")
		consume := func(db *store.DB, account auth.AccountID, code string) error {
			return write(t.Context(), db, func(tx *store.Tx) error { return tx.ConsumeFactor(account, auth.ProofRecoveryCode, code) })
		}
		err := write(t.Context(), dbs[0], func(tx *store.Tx) error {
			for _, code := range []string{"one", "two"} {
				if err := tx.InsertFactor(auth.Factor{ID: auth.FactorID(code), Account: "ann", Kind: auth.ProofRecoveryCode, Lookup: code, CreatedAt: tx.Now}); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := consume(dbs[0], "ann", "one"); !errors.Is(err, auth.ErrNotFound) {
			t.Errorf("before it is proved: %v", err)
		}
		if err := write(t.Context(), dbs[0], func(tx *store.Tx) error { return tx.ProveFactors("ann", auth.ProofRecoveryCode) }); err != nil {
			t.Fatal(err)
		}
		if err := consume(dbs[0], "bob", "one"); !errors.Is(err, auth.ErrNotFound) {
			t.Errorf("another account's: %v", err)
		}
		if got := race(64, func(i int) bool { return consume(dbs[i%2], "ann", "one") == nil }); got != 1 {
			t.Errorf("counted %d times", got)
		}
		if err := consume(dbs[1], "ann", "two"); err != nil {
			t.Errorf("another code: %v", err)
		}
	})
}
