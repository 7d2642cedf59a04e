package outbox

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/store"
	"github.com/watchword-auth/watchword/internal/store/storetest"
	"github.com/watchword-auth/watchword/internal/timer"
)

// Rows of single requests are removed after an hour; rows that a session needs
// stay.
func TestSweepTakesBriefRowsSooner(t *testing.T) {
	t.Parallel()
	eachSwept(t, func(t *testing.T, db *store.DB, c *storetest.Clock) {
		write(t, db, func(tx *store.Tx) error {
			soon := tx.Now.Add(time.Minute)
			return errors.Join(
				tx.InsertSingleUse(auth.SingleUse{Kind: auth.UseProof, Digest: "proof", Data: "{}", CreatedAt: tx.Now, ExpiresAt: soon}),
				tx.InsertFlow(auth.Flow{ID: "flow", Browser: "browser", Kind: auth.FlowAccount, CreatedAt: tx.Now, ExpiresAt: soon}),
				insertAlice(tx),
				tx.InsertSession(auth.Session{ID: "session", Account: "alice", Client: auth.FirstParty, AuthAt: tx.Now, CreatedAt: tx.Now, SeenAt: tx.Now, IdleAt: soon, ExpiresAt: soon}))
		})
		left := func() (n int) {
			if err := Sweep(SweepConfig{DB: db, Flows: 24 * time.Hour}).Run(t.Context()); err != nil {
				t.Fatal(err)
			}
			write(t, db, func(tx *store.Tx) error {
				n = 0
				_, proof := tx.SingleUse(auth.UseProof, "proof")
				_, flow := tx.Flow("flow")
				_, session := tx.Session("session")
				for _, err := range []error{proof, flow, session} {
					if err == nil {
						n++
					} else if !errors.Is(err, auth.ErrNotFound) {
						return err
					}
				}
				return nil
			})
			return n
		}
		for _, step := range []struct {
			after time.Duration
			want  int
		}{{50 * time.Minute, 3}, {20 * time.Minute, 2}, {24 * time.Hour, 0}} {
			c.Advance(step.after)
			if n := left(); n != step.want {
				t.Errorf("%v later %d are left, want %d", step.after, n, step.want)
			}
		}
	})
}

// The flow of a posted request that no browser has continued is removed once it has expired, also
// when there are many, and one that a browser can continue is not.
func TestSweepRemovesUnboundFlows(t *testing.T) {
	t.Parallel()
	eachSwept(t, func(t *testing.T, db *store.DB, c *storetest.Clock) {
		write(t, db, func(tx *store.Tx) error {
			soon := tx.Now.Add(5 * time.Minute)
			errs := []error{
				tx.InsertFlow(auth.Flow{ID: "bound", Kind: auth.FlowAuthorize, CreatedAt: tx.Now, ExpiresAt: soon}),
				tx.BindFlow("bound", "browser", soon),
				tx.InsertFlow(auth.Flow{ID: "later", Kind: auth.FlowAuthorize, CreatedAt: tx.Now, ExpiresAt: soon.Add(time.Minute)}),
			}
			for i := range sweepBatch + 1 {
				errs = append(errs, tx.InsertFlow(auth.Flow{ID: auth.FlowID(fmt.Sprint("unbound-", i)), Kind: auth.FlowAuthorize, CreatedAt: tx.Now, ExpiresAt: soon}))
			}
			return errors.Join(errs...)
		})
		c.Advance(5*time.Minute + sweepUnboundAfter + time.Second)

		if err := Sweep(SweepConfig{DB: db, Flows: 24 * time.Hour}).Run(t.Context()); err != nil {
			t.Fatal(err)
		}

		write(t, db, func(tx *store.Tx) error {
			for id, want := range map[auth.FlowID]bool{"bound": true, "later": true, "unbound-0": false, "unbound-500": false} {
				if _, err := tx.Flow(id); (err == nil) != want || err != nil && !errors.Is(err, auth.ErrNotFound) {
					t.Errorf("%s: %v, want it kept: %t", id, err, want)
				}
			}
			return nil
		})
	})
}

// TestRepair_H1_WhatEndedLeavesSoon: a session that was ended, its refresh family and
// remember-me series are removed an hour later, however long they would have lived; live ones
// stay.
func TestRepair_H1_WhatEndedLeavesSoon(t *testing.T) {
	t.Parallel()
	eachSwept(t, func(t *testing.T, db *store.DB, c *storetest.Clock) {
		write(t, db, func(tx *store.Tx) error {
			late := tx.Now.Add(1000 * time.Hour)
			begin := func(id string) error {
				return errors.Join(
					tx.InsertSession(auth.Session{ID: auth.SessionID(id), Account: "alice", Client: auth.FirstParty, RememberMe: auth.RememberMeID(id), AuthAt: tx.Now, CreatedAt: tx.Now, SeenAt: tx.Now, IdleAt: late, ExpiresAt: late}),
					tx.InsertFamily(auth.Family{ID: auth.FamilyID(id), Account: "alice", Client: auth.FirstParty, Session: auth.SessionID(id), CreatedAt: tx.Now, RotatedAt: tx.Now, IdleAt: late, ExpiresAt: late}),
					tx.InsertRememberMe(auth.RememberMe{ID: auth.RememberMeID(id), Account: "alice", Digest: id, AuthAt: tx.Now, CreatedAt: tx.Now, RotatedAt: tx.Now, ExpiresAt: late}))
			}
			return errors.Join(insertAlice(tx),
				begin("ended"), begin("alive"), tx.EndSession("alice", "ended", auth.EndLogout))
		})

		for _, step := range []struct {
			after time.Duration
			gone  bool
		}{{50 * time.Minute, false}, {20 * time.Minute, true}} {
			c.Advance(step.after)
			if err := Sweep(SweepConfig{DB: db, Flows: 24 * time.Hour}).Run(t.Context()); err != nil {
				t.Fatal(err)
			}
			write(t, db, func(tx *store.Tx) error {
				for _, id := range []string{"ended", "alive"} {
					_, session := tx.Session(auth.SessionID(id))
					_, family := tx.Family(auth.FamilyID(id))
					_, series := tx.RememberMe(auth.RememberMeID(id))
					for _, err := range []error{session, family, series} {
						if want := step.gone && id == "ended"; errors.Is(err, auth.ErrNotFound) != want {
							t.Errorf("%s after %v: %v, %v, %v", id, step.after, session, family, series)
						}
					}
				}
				return nil
			})
		}
	})
}

// Unused self-described clients are removed. Those that a user has granted something, or an
// operator has changed, stay.
func TestSweepDocuments(t *testing.T) {
	t.Parallel()
	eachSwept(t, func(t *testing.T, db *store.DB, c *storetest.Clock) {
		at := c.Now()
		document := func(id auth.ClientID, change func(*auth.Client)) auth.Client {
			v := auth.Client{ID: id, Name: "x", Type: auth.ClientSPA, Settings: auth.StoredSettings{DocumentAt: at}, CreatedAt: at, UpdatedAt: at}
			if change != nil {
				change(&v)
			}
			return v
		}
		write(t, db, func(tx *store.Tx) error {
			return errors.Join(
				insertAlice(tx),
				tx.InsertClient(document("https://a.test/gone", nil)),
				tx.InsertClient(document("https://a.test/allowed", nil)),
				tx.InsertClient(document("https://a.test/signed-in", nil)),
				tx.InsertClient(document("https://a.test/asked-for", nil)),
				tx.InsertClient(document("https://a.test/shut", func(v *auth.Client) { v.DisabledAt = at })),
				tx.InsertClient(document("https://a.test/given", func(v *auth.Client) { v.Settings.Audiences = []string{"https://api.test"} })),
				tx.InsertClient(document("registered", func(v *auth.Client) { v.Settings.DocumentAt = time.Time{} })),
				tx.PutConsent(auth.Consent{Account: "alice", Client: "https://a.test/allowed", Scope: auth.Scope{"openid"}}),
				tx.InsertSession(auth.Session{ID: "s", Account: "alice", Client: "https://a.test/signed-in", AuthAt: at, CreatedAt: at, SeenAt: at,
					IdleAt: at.Add(9000 * time.Hour), ExpiresAt: at.Add(9000 * time.Hour)}))
		})
		count := func() (n int) {
			if err := SweepClients(db, timer.Source{}).Run(t.Context()); err != nil {
				t.Fatal(err)
			}
			write(t, db, func(tx *store.Tx) error {
				list, err := tx.Clients()
				n = len(list)
				return err
			})
			return n
		}
		before := count()
		c.Advance(29 * 24 * time.Hour)
		write(t, db, func(tx *store.Tx) error { return tx.UpdateClient(document("https://a.test/asked-for", nil)) })
		c.Advance(25 * time.Hour)
		if n := count(); n != before-1 {
			t.Errorf("%d of %d clients are left", n, before)
		}
		write(t, db, func(tx *store.Tx) error {
			if _, err := tx.Client("https://a.test/gone"); !errors.Is(err, auth.ErrNotFound) {
				t.Errorf("the unused client: %v", err)
			}
			return nil
		})
	})
}

// The metadata of a client does not keep it, whatever it contains. A sweep never holds the writer
// for long, however many clients it examines.
func TestRepair_S21_SweepAsksColumns(t *testing.T) {
	t.Parallel()
	eachSwept(t, func(t *testing.T, db *store.DB, c *storetest.Clock) {
		const n = 3*clientBatchSize + 7
		at := c.Now()
		write(t, db, func(tx *store.Tx) error {
			for i := range n {
				v := auth.Client{ID: auth.ClientID(fmt.Sprintf("https://a.test/%d", i)), Name: "x", Type: auth.ClientSPA, CreatedAt: at, UpdatedAt: at,
					Settings: auth.StoredSettings{ClientSettings: auth.ClientSettings{JWKS: []byte(`{"keys":[],"serves":1,"audiences":":","token_exchange":{}}`)}, DocumentAt: at}}
				if i%100 == 0 { // some stay, and are no stumbling block
					v.Bounds = &auth.ClientBounds{DPoP: true}
				}
				if err := tx.InsertClient(v); err != nil {
					return err
				}
			}
			return tx.InsertClient(auth.Client{ID: "cl_x", Name: "y", Type: auth.ClientSPA, CreatedAt: at, UpdatedAt: at,
				Settings: auth.StoredSettings{ClientSettings: auth.ClientSettings{Contacts: []string{`"document_at":`}}, Registration: "x"}})
		})
		c.Advance(unusedClientAfter + time.Hour)
		looked := 0
		var mark store.ClientCursor
		for more := true; more; looked++ {
			err := db.WriteSystem(t.Context(), func(tx *store.SystemTx) (err error) {
				mark, more, err = tx.SweepClients(store.FromDocument, tx.Now.Add(-unusedClientAfter), mark, clientBatchSize)
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		left := 0
		write(t, db, func(tx *store.Tx) error {
			list, err := tx.Clients()
			left = len(list)
			return err
		})
		if want := 1 + 1 + 7; left != want { // the built-in one, the registered one, those with bounds
			t.Errorf("%d clients are left, want %d", left, want)
		}
		if looked < 4 {
			t.Errorf("%d transactions for %d clients", looked, n)
		}
	})
}

// eachSwept runs a test on each database, with a frozen clock.
func eachSwept(t *testing.T, fn func(t *testing.T, db *store.DB, c *storetest.Clock)) {
	storetest.Each(t, func(t *testing.T, cfg store.Config) {
		c := storetest.NewClock()
		cfg.Now = c.Now
		fn(t, storetest.Open(t, cfg), c)
	})
}

// insertAlice makes the account whose rows are swept.
func insertAlice(tx *store.Tx) error {
	e, err := auth.ParseEmail("alice@example.test")
	if err != nil {
		return err
	}
	return tx.InsertAccount(auth.Account{ID: "alice", Email: e, CreatedAt: tx.Now, UpdatedAt: tx.Now})
}

func write(t *testing.T, db *store.DB, fn func(tx *store.Tx) error) {
	t.Helper()
	if err := db.Write(t.Context(), auth.DefaultTenant, fn); err != nil {
		t.Fatal(err)
	}
}

// H7: a self-registered client is removed when it is unused, and stays when it is
// used.
func TestRepair_H7_RegisteredClientsThatNobodyUsesEnd(t *testing.T) {
	t.Parallel()
	eachSwept(t, func(t *testing.T, db *store.DB, c *storetest.Clock) {
		at := c.Now()
		client := func(id auth.ClientID, registration string) auth.Client {
			return auth.Client{ID: id, Name: "x", Type: auth.ClientSPA, Settings: auth.StoredSettings{Registration: registration}, CreatedAt: at, UpdatedAt: at}
		}
		bounded := client("cl_bounded", "digest")
		bounded.Bounds = &auth.ClientBounds{DPoP: true}
		write(t, db, func(tx *store.Tx) error {
			return errors.Join(
				insertAlice(tx),
				tx.InsertClient(client("cl_unused", "digest")),
				tx.InsertClient(client("cl_allowed", "digest")),
				tx.InsertClient(client("cl_of_operator", "")),
				tx.InsertClient(bounded),
				tx.PutConsent(auth.Consent{Account: "alice", Client: "cl_allowed", Scope: auth.Scope{"openid"}}))
		})
		left := func() (ids []string) {
			if err := SweepClients(db, timer.Source{}).Run(t.Context()); err != nil {
				t.Fatal(err)
			}
			write(t, db, func(tx *store.Tx) error {
				list, err := tx.Clients()
				ids = nil
				for _, v := range list {
					if strings.HasPrefix(string(v.ID), "cl_") {
						ids = append(ids, string(v.ID))
					}
				}
				return err
			})
			slices.Sort(ids)
			return ids
		}

		c.Advance(29 * 24 * time.Hour)
		if got := left(); len(got) != 4 {
			t.Errorf("after 29 days: %v", got)
		}
		c.Advance(25 * time.Hour)
		if got := left(); !slices.Equal(got, []string{"cl_allowed", "cl_bounded", "cl_of_operator"}) {
			t.Errorf("after 30 days: %v", got)
		}
	})
}
