package outbox

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/store"
	"github.com/watchword-auth/watchword/internal/store/storetest"
)

// EP-19: clients that hang keep neither mail nor other clients waiting, and a mail
// server that is gone keeps no client waiting.
func TestAttack_EP_19_LanesDoNotWaitForEachOther(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, cfg store.Config) {
		db := storetest.Open(t, cfg)
		release := make(chan struct{})
		t.Cleanup(func() { close(release) })
		var told, hanging atomic.Int64
		mail := newRecorder()
		listen := func(ctx context.Context, m auth.Message) error {
			if m.Logout.Client != "hangs" {
				told.Add(1)
				return nil
			}
			hanging.Add(1)
			select {
			case <-release:
			case <-ctx.Done():
			}
			return errors.New("no answer")
		}
		err := db.Write(t.Context(), auth.DefaultTenant, func(tx *store.Tx) error {
			for i := range 20 {
				for _, c := range []auth.ClientID{"hangs", "answers"} {
					if c == "hangs" && i >= 12 {
						continue
					}
					if err := tx.EnqueueLogout(auth.LogoutNotice{Client: c, Session: auth.SessionID(fmt.Sprint(c, i))}); err != nil {
						return err
					}
				}
				if err := tx.Enqueue(auth.MailVerify, auth.Mail{To: fmt.Sprintf("%d@example.test", i)}); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		run(t, Config{DB: db, Handlers: map[auth.MessageKind]Handler{auth.MailVerify: mail.handle, auth.LogoutBackchannel: listen}})
		wait(t, "mails", func() bool { return mail.count() == 20 })
		wait(t, "clients that answer", func() bool { return told.Load() == 20 })
		if n := hanging.Load(); n == 0 || n > 12 {
			t.Errorf("%d hang", n)
		}
	})
}

func TestClientsAreToldWhileMailIsDown(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, cfg store.Config) {
		db := storetest.Open(t, cfg)
		var told atomic.Int64
		enqueue(t, db, auth.MailVerify, auth.Mail{To: "a@example.test"}, auth.Mail{To: "b@example.test"})
		run(t, Config{DB: db, Handlers: map[auth.MessageKind]Handler{
			auth.MailVerify: func(context.Context, auth.Message) error { return markOffline(errors.New("gone")) },
			auth.LogoutBackchannel: func(_ context.Context, m auth.Message) error {
				if m.Logout.URI != "https://rp.example.test/out" || m.Logout.Account != "a" {
					t.Errorf("%+v", m)
				}
				told.Add(1)
				return nil
			},
		}})
		err := db.Write(t.Context(), auth.DefaultTenant, func(tx *store.Tx) error {
			return tx.EnqueueLogout(auth.LogoutNotice{Client: "c", Account: "a", Session: "s", URI: "https://rp.example.test/out"})
		})
		if err != nil {
			t.Fatal(err)
		}
		wait(t, "the client", func() bool { return told.Load() == 1 })
	})
}

// A logout token that cannot be delivered is recorded in the audit log.
func TestClientThatCannotBeTold(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, cfg store.Config) {
		db := storetest.Open(t, cfg)
		err := db.Write(t.Context(), auth.DefaultTenant, func(tx *store.Tx) error {
			return tx.EnqueueLogout(auth.LogoutNotice{Client: "c", Account: "a", Session: "s"})
		})
		if err != nil {
			t.Fatal(err)
		}
		run(t, Config{DB: db, Handlers: map[auth.MessageKind]Handler{auth.LogoutBackchannel: func(context.Context, auth.Message) error { return Permanent(errors.New("status 400")) }}})
		wait(t, "the end", func() bool { return waiting(t, db) == 0 })
		var got []auth.Event
		if err := db.FlushAudit(t.Context()); err != nil {
			t.Fatal(err)
		}
		err = db.Read(t.Context(), auth.DefaultTenant, func(tx *store.Tx) (err error) {
			got, err = tx.Events(store.EventFilter{Kind: auth.EventLogoutNotDelivered, Limit: 10})
			return err
		})
		if err != nil || len(got) != 1 || got[0].Account != "a" || got[0].Detail["client"] != "c" || got[0].Detail["session"] != "s" || got[0].Outcome != auth.Failure {
			t.Errorf("%+v, %v", got, err)
		}
	})
}
