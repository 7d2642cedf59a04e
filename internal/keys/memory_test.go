package keys

import (
	"fmt"
	"testing"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/store"
	"github.com/watchword-auth/watchword/internal/store/storetest"
)

// While the database is unavailable, it is unknown whether a tenant exists, and anyone can request
// any name.
func TestFault_FL_05_StrangersNamesTakeNoMemoryWhileTheDatabaseIsAway(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, cfg store.Config) {
		db := storetest.Open(t, cfg)
		r := New(Config{DB: db, Now: time.Now, Algorithm: ES256, RotateEvery: time.Hour, PublishAhead: time.Hour})
		if _, err := r.JWKS(t.Context(), "nobody"); err != nil {
			t.Fatal(err)
		}
		db.Close()
		for i := range 3 {
			if raw, err := r.JWKS(t.Context(), auth.TenantID(fmt.Sprint("stranger-", i))); err == nil {
				t.Fatalf("published %s without having seen the database", raw)
			}
		}
		n := 0
		r.tenants.Range(func(any, any) bool { n++; return true })
		if n != 0 {
			t.Errorf("%d unknown tenants are in the cache", n)
		}
	})
}
