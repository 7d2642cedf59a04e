package store_test

import (
	"errors"
	"reflect"
	"slices"
	"testing"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/store"
	"github.com/watchword-auth/watchword/internal/store/storetest"
)

// readKept reads everything that a transaction keeps, of the rows of seedVictim.
func readKept(tx *store.Tx) (all []any) {
	add := func(v any, err error) {
		if err != nil {
			v = err.Error()
		}
		all = append(all, v)
	}
	tenant, err := tx.CurrentTenant()
	add(tenant, err)
	client, err := tx.Client("x")
	add(client, err)
	account, err := tx.Account("x")
	add(account, err)
	flow, err := tx.Flow("x")
	add(flow, err)
	factors, err := tx.Factors("x")
	add(factors, err)
	return all
}

func TestKeptRowsAreReadOnce(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, cfg store.Config) {
		ring := storetest.Keyring(t)
		cfg.Keyring = ring
		db := open(t, cfg)
		if err := write(t.Context(), db, func(tx *store.Tx) error { return seedVictim(tx, ring) }); err != nil {
			t.Fatal(err)
		}
		n := store.CountStatements(t, db, func(tx *store.Tx) error {
			readKept(tx)
			list, _ := tx.Factors("x")
			clear(slices.DeleteFunc(list, func(auth.Factor) bool { return true })) // as callers do
			first, again := readKept(tx), readKept(tx)
			if !reflect.DeepEqual(first, again) {
				t.Errorf("%+v\n%+v", first, again)
			}
			if n := len(again[4].([]auth.Factor)); n != 1 || again[4].([]auth.Factor)[0].ID != "x" {
				t.Errorf("%d factors", n)
			}
			return nil
		})
		if n != 5 {
			t.Errorf("%d statements", n)
		}
	})
}

// TestWritesDropKeptRows calls every method of Tx after the rows were read.
func TestWritesDropKeptRows(t *testing.T) {
	t.Parallel()
	ring := storetest.Keyring(t)
	db := storetest.Open(t, store.Config{URL: storetest.SQLite(t), Keyring: ring})
	undo := errors.New("undo")
	changed := 0
	for name, call := range intrusions {
		err := write(t.Context(), db, func(tx *store.Tx) error {
			if err := seedVictim(tx, ring); err != nil {
				return err
			}
			before := readKept(tx)
			call(tx)
			kept := readKept(tx)
			store.DropKept(tx)
			now := readKept(tx)
			if !reflect.DeepEqual(kept, now) {
				t.Errorf("%s: kept\n%+v\nstored\n%+v", name, kept, now)
			}
			if !reflect.DeepEqual(before, now) {
				changed++
			}
			return undo
		})
		if !errors.Is(err, undo) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if changed < 12 {
		t.Errorf("only %d methods changed what is kept", changed)
	}
}
