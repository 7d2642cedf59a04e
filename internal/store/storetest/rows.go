package storetest

import (
	"testing"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/store"
)

// InsertAccount inserts an account with a verified address, after the changes.
func InsertAccount(t testing.TB, db *store.DB, tenant auth.TenantID, email string, changes ...func(*auth.Account)) auth.Account {
	t.Helper()
	e, err := auth.ParseEmail(email)
	if err != nil {
		t.Fatal(err)
	}
	var a auth.Account
	err = db.Write(t.Context(), tenant, func(tx *store.Tx) error {
		a = auth.Account{ID: auth.AccountID(secret.NewID(tx.Now)), Email: e, EmailVerifiedAt: tx.Now, CreatedAt: tx.Now, UpdatedAt: tx.Now}
		for _, change := range changes {
			change(&a)
		}
		return tx.InsertAccount(a)
	})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// Events returns the audit events of a kind, or of every kind, newest first.
func Events(t testing.TB, db *store.DB, tenant auth.TenantID, kind auth.EventKind) (out []auth.Event) {
	t.Helper()
	err := db.FlushAudit(t.Context())
	if err == nil {
		err = db.Read(t.Context(), tenant, func(tx *store.Tx) (err error) {
			out, err = tx.Events(store.EventFilter{Kind: kind, Limit: 1000})
			return err
		})
	}
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TakeMessages removes the messages of a topic from the outbox and returns them, oldest first.
func TakeMessages(t testing.TB, db *store.DB, topic string) (out []auth.Message) {
	t.Helper()
	for {
		before := len(out)
		err := db.WriteSystem(t.Context(), func(tx *store.SystemTx) error {
			claimed, err := tx.ClaimMessages("test", tx.Now.Add(time.Minute), topic, 100)
			if err != nil {
				return err
			}
			for _, c := range claimed {
				if c.DecodeErr != nil {
					return c.DecodeErr
				}
				if err := tx.FinishMessage(c); err != nil {
					return err
				}
				out = append(out, c.Message)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if len(out) == before {
			return out
		}
	}
}
