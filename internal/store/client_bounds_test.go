package store_test

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/store"
	"github.com/watchword-auth/watchword/internal/store/storetest"
)

// The migration turns earlier changes of an operator into bounds.
func TestRepair_S8_MigrationKeepsOperatorsEdits(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, cfg store.Config) {
		db := storetest.Open(t, cfg)
		dialect := "sqlite"
		if strings.HasPrefix(cfg.URL, "postgres") {
			dialect = "postgres"
		}
		text, err := os.ReadFile("migrations/" + dialect + "/0006_client_bounds.sql")
		if err != nil {
			t.Fatal(err)
		}
		update := string(text[strings.Index(string(text), "UPDATE clients"):])

		operator, admin := auth.Actor{Kind: auth.ActorOperator, ID: "root"}, auth.Actor{Kind: auth.ActorAccount, ID: "a1"}
		changed := map[auth.ClientID]auth.Actor{"by-operator": operator, "by-admin": admin, "by-itself": {Kind: auth.ActorClient, ID: "by-itself"}, "own": operator}
		err = db.Write(t.Context(), auth.DefaultTenant, func(tx *store.Tx) error {
			for id, actor := range changed {
				c := auth.Client{ID: id, Name: "x", Type: auth.ClientSPA, Scopes: []string{"openid"}, CreatedAt: tx.Now, UpdatedAt: tx.Now,
					Settings: auth.StoredSettings{ClientSettings: auth.ClientSettings{Grants: []auth.GrantType{auth.GrantAuthorizationCode}, DPoP: true}, Registration: "digest"}}
				if id == "own" {
					c.Settings.Registration = ""
				}
				if err := tx.InsertClient(c); err != nil {
					return err
				}
				if err := tx.Record(auth.Event{Kind: auth.EventClientChanged, Actor: actor, Detail: map[string]string{"client": string(id), "change": "updated"}}); err != nil {
					return err
				}
			}
			return store.Exec(tx, update)
		})
		if err != nil {
			t.Fatal(err)
		}
		for id := range changed {
			var c auth.Client
			err := db.Read(t.Context(), auth.DefaultTenant, func(tx *store.Tx) (err error) {
				c, err = tx.Client(id)
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			bounded := c.Bounds != nil && slices.Equal(c.Bounds.Scopes, c.Scopes) && slices.Equal(c.Bounds.Grants, c.Settings.Grants) && c.Bounds.DPoP && !c.Bounds.RequirePushed
			if want := id == "by-operator" || id == "by-admin"; bounded != want || !want && c.Bounds != nil {
				t.Errorf("%s: %+v", id, c.Bounds)
			}
		}
	})
}
