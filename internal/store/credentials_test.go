package store_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/store"
	"github.com/watchword-auth/watchword/internal/store/storetest"
)

// One hash of each kind is found without reading the others.
func TestRepair_S11_OneHashOfEachKind(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, cfg store.Config) {
		db := storetest.Open(t, cfg)
		err := db.Write(t.Context(), auth.DefaultTenant, func(tx *store.Tx) error {
			for i, hash := range []string{"$2b$12$b", "$argon2id$m=1$a", "$2b$12$a", "$argon2id$m=1$b", "$argon2id$m=2$a"} {
				id := auth.AccountID('a' + rune(i))
				email := auth.Email{Address: string(id) + "@example.test", Login: string(id) + "@example.test"}
				if err := tx.InsertAccount(auth.Account{ID: id, Email: email, CreatedAt: tx.Now, UpdatedAt: tx.Now}); err != nil {
					return err
				}
				if err := tx.SetPassword(id, hash); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}

		var got []string
		after := ""
		for err == nil {
			var hash string
			err = db.ReadSystem(t.Context(), func(tx *store.SystemTx) (err error) {
				hash, err = tx.NextPasswordHash(after)
				return err
			})
			if err == nil {
				got, after = append(got, hash), hash[:len(hash)-1]+"\xff"
			}
		}

		want := []string{"$2b$12$a", "$argon2id$m=1$a", "$argon2id$m=2$a"}
		if !errors.Is(err, auth.ErrNotFound) || !slices.Equal(got, want) {
			t.Errorf("found %q, %v, want %q", got, err, want)
		}
	})
}
