package protocol

import (
	"net/http/httptest"
	"testing"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/web/router"
)

// While the database is unavailable, anyone can invent a tenant, so documents of unverified tenants are
// served from memory and never added to it.
func TestDocumentsOfUnverifiedTenantsAreNotCached(t *testing.T) {
	t.Parallel()
	s := New(Config{MaxAge: time.Minute})
	publish := func(id auth.TenantID, unverified bool, cached []byte) error {
		ex := &router.Exchange{ResponseWriter: httptest.NewRecorder(), Tenant: auth.Tenant{ID: id}, Unverified: unverified}
		return s.publish(ex, httptest.NewRequest("GET", "/", nil), published{name: "jwks",
			read:   func() ([]byte, error) { return []byte("{}"), nil },
			cached: func() []byte { return cached }})
	}
	if err := publish("acme", false, nil); err != nil {
		t.Fatal(err)
	}

	for id, want := range map[auth.TenantID]auth.Kind{"acme": 0, "stranger-1": auth.KindUnavailable, "stranger-2": auth.KindUnavailable} {
		if err := publish(id, true, nil); (err != nil) != (want != 0) || err != nil && auth.KindOf(err) != want {
			t.Errorf("%s: %v", id, err)
		}
	}
	if err := publish("stranger-3", true, []byte("{}")); err != nil { // the document itself is in memory
		t.Error(err)
	}

	if n := len(s.documents.known); n != 1 {
		t.Errorf("%d documents are cached, want 1", n)
	}
}
