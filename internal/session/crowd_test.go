package session_test

import (
	"testing"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/session"
	"github.com/watchword-auth/watchword/internal/store"
	"github.com/watchword-auth/watchword/internal/store/storetest"
)

// One session more than the limit ends only the oldest.
func TestOldestSessionMakesRoom(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, cfg store.Config) {
		db := storetest.Open(t, cfg)
		s := session.New(session.Config{Lifetimes: auth.Lifetimes{SessionIdle: 1 << 40, SessionAbsolute: 1 << 41}.Or(storetest.Lifetimes())})
		var first, second auth.SessionID
		err := db.Write(t.Context(), auth.DefaultTenant, func(tx *store.Tx) error {
			a := auth.Account{ID: "a", Email: auth.Email{Address: "a@example.test", Login: "a@example.test"}, CreatedAt: tx.Now, UpdatedAt: tx.Now}
			if err := tx.InsertAccount(a); err != nil {
				return err
			}
			for i := range session.MaxSessions + 1 {
				v, _, err := s.Start(tx, session.Params{Account: a.ID, Client: auth.FirstParty, Cookie: true})
				if err != nil {
					return err
				}
				switch i {
				case 0:
					first = v.ID
				case 1:
					second = v.ID
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		err = db.Read(t.Context(), auth.DefaultTenant, func(tx *store.Tx) error {
			list, err := tx.Sessions("a")
			if err != nil || len(list) != session.MaxSessions {
				t.Errorf("%d sessions, %v", len(list), err)
			}
			if v, err := tx.Session(first); err != nil || v.EndReason != auth.EndTooManySessions {
				t.Errorf("the oldest: %+v, %v", v, err)
			}
			if v, err := tx.Session(second); err != nil || !v.EndedAt.IsZero() {
				t.Errorf("the second: %+v, %v", v, err)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}
