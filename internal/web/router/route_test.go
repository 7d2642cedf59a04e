package router

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/watchword-auth/watchword/internal/keys"
	"github.com/watchword-auth/watchword/internal/store"
	"github.com/watchword-auth/watchword/internal/store/storetest"
	"github.com/watchword-auth/watchword/internal/tenant"
)

// The database is unavailable when the tenant is looked up, and back when a document is read:
// what belongs to a tenant that is not confirmed is not answered.
func TestRepair_S17_StrangersTenantsAreNeitherAnsweredNorRemembered(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	clock := func() time.Time { return now }
	db, err := store.Open(t.Context(), store.Config{URL: storetest.SQLite(t), Keyring: storetest.Keyring(t), Now: clock})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	tenants := tenant.New(tenant.Config{DB: db, Keys: keys.New(keys.Config{DB: db, Now: clock, Algorithm: keys.ES256, RotateEvery: 90 * 24 * time.Hour, PublishAhead: 24 * time.Hour, Lifetimes: storetest.Lifetimes()}), Now: clock})
	if err := tenants.EnsureDefault(t.Context()); err != nil {
		t.Fatal(err)
	}
	rt, err := New(Config{Base: "https://auth.example.test", Now: clock, Metrics: NewMetrics(), Log: slog.New(slog.DiscardHandler), Tenants: tenants}, nil)
	if err != nil {
		t.Fatal(err)
	}
	everybody := Principal{Name: "everybody", Admit: func(*Exchange) error { return nil }}
	rt.Route("GET /document", Dialect{Cacheable: true, Fail: (*Exchange).WriteProblem}, everybody, Unlimited,
		func(ex *Exchange, _ *http.Request) error {
			if ex.Unverified {
				return Unavailable()
			}
			ex.WriteHeader(http.StatusOK)
			return nil
		})
	get := func(path string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		rt.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		return w
	}

	rt.retryAt.Store(now.Add(cacheableRetry).UnixNano()) // it did not answer a moment ago
	for i := range 3 {
		w := get(fmt.Sprintf("/t/stranger-%d/document", i))
		if cc := w.Header().Get("Cache-Control"); w.Code != 503 || cc != "no-store" {
			t.Errorf("%d, Cache-Control %q", w.Code, cc)
		}
	}

	now = now.Add(cacheableRetry)
	if w := get("/document"); w.Code != 200 {
		t.Errorf("when it answers again: %d", w.Code)
	}
}
