package store_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/store"
	"github.com/watchword-auth/watchword/internal/store/storetest"
)

func TestSealedValues(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, cfg store.Config) {
		old, fresh := secret.Bytes(32), secret.Bytes(32)
		cfg.Keyring, _ = secret.NewKeyring(old)
		writeSystem(t, cfg, func(tx *store.SystemTx) error {
			for _, name := range []string{"a/b/c.key", "a/b/d_e.key", "a/bxc", "a/b", "A/b/c.key", "a/dxe/f", "a/d_e/f"} {
				if err := tx.PutSealed(name, []byte("of "+name)); err != nil {
					return err
				}
			}
			return tx.PutSealed("a/b/c.key", []byte("newer"))
		})
		cfg.Keyring, _ = secret.NewKeyring(fresh, old)
		writeSystem(t, cfg, func(tx *store.SystemTx) error {
			if n, err := tx.Reseal(); n != 7 || err != nil {
				t.Errorf("resealed %d, %v", n, err)
			}
			return nil
		})
		cfg.Keyring, _ = secret.NewKeyring(fresh)
		writeSystem(t, cfg, func(tx *store.SystemTx) error {
			if v, err := tx.Sealed("a/b/c.key"); string(v) != "newer" || err != nil {
				t.Errorf("%q, %v", v, err)
			}
			want := []string{"a/b/c.key", "a/b/d_e.key"}
			if d := cmp.Diff(want, below(t, tx, "a/b")); d != "" {
				t.Error(d)
			}
			for _, name := range []string{"a/b", "a/d_e", "none"} {
				if err := tx.DeleteSealed(name); err != nil {
					t.Error(err)
				}
			}
			if _, err := tx.Sealed("a/b"); !errors.Is(err, auth.ErrNotFound) {
				t.Errorf("deleted: %v", err)
			}
			if d := cmp.Diff([]string{"a/bxc", "a/dxe/f"}, below(t, tx, "a")); d != "" {
				t.Error(d)
			}
			return nil
		})
	})
}

func writeSystem(t *testing.T, cfg store.Config, fn func(*store.SystemTx) error) {
	t.Helper()
	db, err := store.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.WriteSystem(t.Context(), fn); err != nil {
		t.Fatal(err)
	}
}

func below(t *testing.T, tx *store.SystemTx, name string) (names []string) {
	t.Helper()
	found, err := tx.SealedUnder(name)
	if err != nil {
		t.Error(err)
	}
	for _, f := range found {
		if f.PutAt.IsZero() || f.PutAt.After(tx.Now) {
			t.Errorf("%s was put at %v", f.Name, f.PutAt)
		}
		names = append(names, f.Name)
	}
	return names
}

func TestLeases(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, cfg store.Config) {
		now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
		cfg.Now = func() time.Time { return now }
		db := storetest.Open(t, cfg)
		for i, step := range []struct {
			after  time.Duration
			holder string
			end    bool
			got    bool
		}{
			{holder: "a", got: true},
			{holder: "b"},
			{after: 30 * time.Second, holder: "a", got: true}, // extended
			{after: 59 * time.Second, holder: "b"},
			{after: time.Second, holder: "b", got: true}, // lapsed
			{holder: "a"},
			{holder: "a", end: true}, // not its own
			{holder: "a"},
			{holder: "b", end: true},
			{holder: "a", got: true},
		} {
			now = now.Add(step.after)
			err := db.WriteSystem(t.Context(), func(tx *store.SystemTx) error {
				if step.end {
					return tx.ReleaseLease("job", step.holder)
				}
				got, err := tx.AcquireLease("job", step.holder, tx.Now.Add(time.Minute))
				if got != step.got {
					t.Errorf("step %d: %s has it: %v", i, step.holder, got)
				}
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
		}
	})
}
