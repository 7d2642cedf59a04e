package login_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/watchword-auth/watchword/internal/login"
	"github.com/watchword-auth/watchword/internal/store"
	"github.com/watchword-auth/watchword/internal/store/storetest"
)

// Concurrent sign-ins through a pooler all succeed.
func TestRepair_B7_SignInsThroughPoolers(t *testing.T) {
	t.Parallel()
	storetest.Poolers(t, func(t *testing.T, through func(string) string) {
		requireParallelSignIns(t, store.Config{URL: through(storetest.Postgres(t)), Keyring: storetest.Keyring(t)})
	})
}

// Concurrent sign-ins all succeed, also several of one user.
func TestRepair_P1_SignInsAtOnce(t *testing.T) {
	t.Parallel()
	storetest.Each(t, requireParallelSignIns)
}

func requireParallelSignIns(t *testing.T, cfg store.Config) {
	t.Helper()
	clock := storetest.NewClock()
	cfg.Now = clock.Now
	h := newFixture(t, storetest.Open(t, cfg), clock)
	for i := range 8 {
		h.insertAccount(fmt.Sprintf("p%d@example.test", i), good)
	}
	var wg sync.WaitGroup
	for i := range 64 {
		wg.Go(func() {
			if _, err := h.Password(t.Context(), tenant, login.Request{Email: fmt.Sprintf("p%d@example.test", i%8), Password: good, Actor: browserActor}); err != nil {
				t.Errorf("sign-in %d: %v", i, err)
			}
		})
	}
	wg.Wait()
}
