package store_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/store"
	"github.com/watchword-auth/watchword/internal/store/storetest"
)

func recorded(t *testing.T, db *store.DB, tenant auth.TenantID) (events []auth.Event) {
	t.Helper()
	err := db.Read(t.Context(), tenant, func(tx *store.Tx) (err error) {
		events, err = tx.Events(store.EventFilter{Kind: "later", Limit: 10_000})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return events
}

// OP-05: buffered lines become durable in order, each once, for their own tenant: after the
// interval, and when the database is closed.
func TestAuditBuffer(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, cfg store.Config) {
		db := storetest.Open(t, cfg)
		storetest.Tenant(t, db, "acme")
		const each = 300
		var wg sync.WaitGroup
		for _, tenant := range []auth.TenantID{auth.DefaultTenant, "acme"} {
			wg.Go(func() {
				for i := range each {
					if err := db.RecordLater(t.Context(), tenant, auth.Event{Kind: "later", Detail: map[string]string{"n": fmt.Sprint(i)}}); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		for until := time.Now().Add(time.Minute); len(recorded(t, db, "acme")) < each; time.Sleep(10 * time.Millisecond) {
			if time.Now().After(until) {
				t.Fatal("nothing was written after the interval")
			}
		}
		for _, tenant := range []auth.TenantID{auth.DefaultTenant, "acme"} {
			got := recorded(t, db, tenant)
			if len(got) != each {
				t.Fatalf("%s: %d lines", tenant, len(got))
			}
			for i, e := range got {
				if e.Detail["n"] != fmt.Sprint(each-1-i) || e.At.IsZero() || e.Outcome != auth.Success {
					t.Fatalf("%s: line %d is %+v", tenant, i, e)
				}
			}
		}
		if err := db.RecordLater(t.Context(), "acme", auth.Event{Kind: "later", Actor: auth.Actor{UserAgent: "a\x00b"}}); auth.KindOf(err) != auth.KindInvalid {
			t.Errorf("a line that cannot be stored: %v", err)
		}
		if err := db.RecordLater(t.Context(), "acme", auth.Event{Kind: "later"}); err != nil {
			t.Fatal(err)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		again, err := store.Open(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		defer again.Close()
		if n := len(recorded(t, again, "acme")); n != each+1 {
			t.Errorf("%d lines after closing", n)
		}
	})
}

// A full audit buffer slows its callers, then refuses them, and loses nothing.
func TestAuditBufferIsBounded(t *testing.T) {
	t.Parallel()
	cfg := store.Config{URL: storetest.SQLite(t), Keyring: storetest.Keyring(t), MaxWait: 200 * time.Millisecond}
	db := storetest.Open(t, cfg)
	release, held := make(chan struct{}), make(chan struct{})
	go func() { // the one writer is busy
		db.Write(t.Context(), auth.DefaultTenant, func(*store.Tx) error { close(held); <-release; return nil })
	}()
	<-held
	taken := 0
	for {
		err := db.RecordLater(t.Context(), auth.DefaultTenant, auth.Event{Kind: "later"})
		if err != nil {
			if e, ok := errors.AsType[*auth.Error](err); !ok || e.Kind != auth.KindUnavailable || e.RetryAfter == 0 {
				t.Fatalf("refused with %v", err)
			}
			break
		}
		if taken++; taken > store.AuditBufferLimit {
			t.Fatal("the buffer grows without bound")
		}
	}
	if taken != store.AuditBufferLimit {
		t.Errorf("refused after %d lines", taken)
	}
	close(release)
	for until := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		if err := db.FlushAudit(t.Context()); err == nil {
			break
		} else if time.Now().After(until) {
			t.Fatal(err)
		}
	}
	if err := db.RecordLater(t.Context(), auth.DefaultTenant, auth.Event{Kind: "later"}); err != nil {
		t.Errorf("with space again: %v", err)
	}
	if n := len(recorded(t, db, auth.DefaultTenant)); n < store.AuditBufferLimit {
		t.Errorf("%d lines written", n)
	}
}
