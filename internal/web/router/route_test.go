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

// While the database is unavailable, documents of unverified tenants have 503 and are not cached. Once
// it is available again, documents are served.
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
	anyone := Principal{Name: "anyone", Admit: func(*Exchange) error { return nil }}
	rt.Route("GET /document", Dialect{Cacheable: true, Fail: (*Exchange).WriteProblem}, anyone, Unlimited,
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

	rt.retryAt.Store(now.Add(cacheableRetry).UnixNano()) // the database was unavailable just now
	for i := range 3 {
		w := get(fmt.Sprintf("/t/stranger-%d/document", i))
		if cc := w.Header().Get("Cache-Control"); w.Code != 503 || cc != "no-store" {
			t.Errorf("%d, Cache-Control %q", w.Code, cc)
		}
	}

	now = now.Add(cacheableRetry)
	if w := get("/document"); w.Code != 200 {
		t.Errorf("once it is available again: %d", w.Code)
	}
}
