package store_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/store"
	"github.com/watchword-auth/watchword/internal/store/storetest"
)

// TestAttack_RT_12: secrets are stored as digests or sealed; no file contains a raw
// secret.
func TestAttack_RT_12_atRest(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, cfg store.Config) {
		db := open(t, cfg)
		link, message, root := secret.New("wwl_").Reveal(), secret.New("wwl_").Reveal(), secret.Bytes(32)
		visible := "visible-" + secret.NewID(time.Now())
		err := db.WriteSystem(t.Context(), func(sys *store.SystemTx) error {
			tx := sys.In(auth.DefaultTenant)
			_, err := sys.EnsureSecret("root", root)
			return errors.Join(err,
				tx.InsertSingleUse(newLink(secret.Digest(link), tx.Now)),
				tx.Enqueue(auth.MailReset, auth.Mail{To: "someone@example.test", Name: "Someone", Token: message}),
				insertRole(tx, visible))
		})
		if err != nil {
			t.Fatal(err)
		}
		everything := atRest(t, cfg.URL)
		if !bytes.Contains(everything, []byte(visible)) {
			t.Fatal("the search does not find stored text")
		}
		for name, s := range map[string][]byte{"link": []byte(link), "message": []byte(message), "root secret": root, "addressee": []byte("someone@example.test"), "name": []byte("Someone")} {
			for form, needle := range map[string][]byte{
				"raw": s, "hex": []byte(hex.EncodeToString(s)), "base64": []byte(base64.StdEncoding.EncodeToString(s)), "base64url": []byte(base64.RawURLEncoding.EncodeToString(s)),
			} {
				if bytes.Contains(everything, needle) {
					t.Errorf("the %s is in the database, %s", name, form)
				}
			}
		}
	})
}

// atRest returns every byte of the database: the files, or every row.
func atRest(t *testing.T, url string) []byte {
	t.Helper()
	var all []byte
	if path, ok := strings.CutPrefix(url, "sqlite:"); ok {
		for _, suffix := range []string{"", "-wal", "-shm"} {
			b, err := os.ReadFile(path + suffix)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, b...)
		}
		return all
	}
	db := raw(t, url)
	for _, table := range tables(t, url) {
		rows, err := db.Query("SELECT t::text FROM " + table + " t")
		if err != nil {
			t.Fatal(err)
		}
		for rows.Next() {
			var s string
			if err := rows.Scan(&s); err != nil {
				t.Fatal(err)
			}
			all = append(append(all, s...), '\n')
		}
		rows.Close()
	}
	return all
}

// TestAttack_OP_02: another master key opens no sealed value. With both keys, one transaction
// reseals all values.
func TestAttack_OP_02_OP_03_masterKey(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, cfg store.Config) {
		read := func(cfg store.Config) ([]byte, error) {
			var v []byte
			err := open(t, cfg).WriteSystem(t.Context(), func(tx *store.SystemTx) error {
				var err error
				v, err = tx.EnsureSecret("root", []byte("first"))
				return err
			})
			return v, err
		}
		if v, err := read(cfg); err != nil || string(v) != "first" {
			t.Fatalf("%q, %v", v, err)
		}
		fresh := secret.Bytes(32)
		stranger, during := cfg, cfg
		stranger.Keyring, _ = secret.NewKeyring(fresh)
		during.Keyring, _ = secret.NewKeyring(fresh, testKey)
		if v, err := read(stranger); !errors.Is(err, secret.ErrSealed) {
			t.Errorf("opened with another key: %q, %v", v, err)
		}
		if v, err := read(during); err != nil || string(v) != "first" {
			t.Errorf("while changing over: %q, %v", v, err)
		}
		if err := open(t, during).WriteSystem(t.Context(), func(tx *store.SystemTx) error {
			if n, err := tx.Reseal(); n != 1 || err != nil {
				return fmt.Errorf("resealed %d: %w", n, err)
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if v, err := read(stranger); err != nil || string(v) != "first" {
			t.Errorf("after changing over: %q, %v", v, err)
		}
		if _, err := read(cfg); !errors.Is(err, secret.ErrSealed) {
			t.Errorf("the old key still opens: %v", err)
		}
	})
}

// Text that only one of the databases can store is refused by both.
func TestTextThatCannotBeStored(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, cfg store.Config) {
		db := open(t, cfg)
		for _, s := range []string{"a\x00b", "\xff", "a\xc3"} {
			for name, err := range map[string]error{
				"read":  db.Read(t.Context(), auth.DefaultTenant, func(tx *store.Tx) error { _, err := tx.Account(auth.AccountID(s)); return err }),
				"write": write(t.Context(), db, func(tx *store.Tx) error { return insertRole(tx, s) }),
			} {
				if auth.KindOf(err) != auth.KindInvalid {
					t.Errorf("%s %q: %v", name, s, err)
				}
			}
		}
		if err := write(t.Context(), db, func(tx *store.Tx) error { return insertRole(tx, "ä€😀 ' \" \\ % _") }); err != nil {
			t.Error(err)
		}
	})
}

// The collation of PostgreSQL must not change the contents of pages.
func TestCollation(t *testing.T) {
	t.Parallel()
	cfg := testConfig(t, storetest.Blank(t, "TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'en-US'"))
	db := open(t, cfg)
	for range 5 {
		if err := write(t.Context(), db, func(tx *store.Tx) error { return tx.Record(auth.Event{Kind: auth.EventLogin}) }); err != nil {
			t.Fatal(err)
		}
	}
	var ids []string
	err := db.Read(context.Background(), auth.DefaultTenant, func(tx *store.Tx) error {
		for last := ""; ; {
			page, err := tx.Events(store.EventFilter{Limit: 2, Before: last})
			if err != nil || len(page) == 0 {
				return err
			}
			for _, e := range page {
				ids, last = append(ids, e.ID), e.ID
			}
		}
	})
	if err != nil || len(ids) != 5 {
		t.Errorf("%d of 5 lines, %v", len(ids), err)
	}
}
