package store_test

import (
	"context"
	"testing"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/store"
	"github.com/watchword-auth/watchword/internal/store/storetest"
)

func TestClosedDatabaseIsUnavailableAtOnce(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, cfg store.Config) {
		cfg.MaxWait = time.Hour
		db := storetest.Open(t, cfg)
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		ctx := t.Context()
		inTenant := func(how func(context.Context, auth.TenantID, func(*store.Tx) error) error) error {
			return how(ctx, auth.DefaultTenant, func(*store.Tx) error { return nil })
		}
		for name, call := range map[string]func() error{
			"Write":       func() error { return inTenant(db.Write) },
			"Read":        func() error { return inTenant(db.Read) },
			"WriteSystem": func() error { return db.WriteSystem(ctx, func(*store.SystemTx) error { return nil }) },
			"ReadSystem":  func() error { return db.ReadSystem(ctx, func(*store.SystemTx) error { return nil }) },
			"Ping":        func() error { return db.Ping(ctx) },
		} {
			done := make(chan error, 1)
			go func() { done <- call() }()
			select {
			case err := <-done:
				if auth.KindOf(err) != auth.KindUnavailable {
					t.Errorf("%s: %v", name, err)
				}
			case <-time.After(time.Minute):
				t.Errorf("%s waits", name)
			}
		}
	})
}
