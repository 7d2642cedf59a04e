package keys_test

import (
	"encoding/json"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/keys"
	"github.com/watchword-auth/watchword/internal/store"
	"github.com/watchword-auth/watchword/internal/store/storetest"
)

// jwks is the key set that a tenant publishes.
func jwks(t testing.TB, r *keys.Ring, tenant auth.TenantID) jose.JSONWebKeySet {
	t.Helper()
	raw, err := r.JWKS(t.Context(), tenant)
	var set jose.JSONWebKeySet
	if err == nil {
		err = json.Unmarshal(raw, &set)
	}
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func TestRepair_C1_NothingSignsThatAKeySetReadBeforeLacks(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		a, db := h.join()
		b, _ := h.join()
		storetest.Tenant(t, db, "t2")
		for _, tenant := range []auth.TenantID{auth.DefaultTenant, "t2"} {
			if err := a.Ensure(t.Context(), auth.DefaultTenant, keys.ES256); err != nil { // as a tenant begins
				t.Fatal(err)
			}
			before := jwks(t, a, tenant) // t2 has no key at all
			for _, alg := range keys.Algorithms {
				for _, r := range []*keys.Ring{a, b} {
					jws, err := r.Sign(t.Context(), tenant, alg, "JWT", []byte("{}"))
					if err != nil {
						t.Fatal(err)
					}
					if _, err := check(before, jws); err != nil {
						t.Errorf("%s: %s: %v", tenant, alg, err)
					}
				}
			}
		}
	})
}

func TestRepair_C1_KeySetsReadAtOnceMakeOneKeyOfEachAlgorithm(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		a, _ := h.join()
		b, _ := h.join()
		var wg sync.WaitGroup
		for i := range 16 {
			wg.Go(func() {
				if _, err := []*keys.Ring{a, b}[i%2].JWKS(t.Context(), auth.DefaultTenant); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if list, err := a.List(t.Context(), auth.DefaultTenant); err != nil || len(list) != len(keys.Algorithms) {
			t.Errorf("%d keys, %v", len(list), err)
		}
	})
}

// A node without the master key publishes what is there, and makes nothing under its own.
func TestRepair_C1_NodeThatCannotOpenKeysMakesNone(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		r, _ := h.join()
		sign(t, r, "")
		crippled := *h
		crippled.cfg.Keyring = storetest.Keyring(t)
		other, _ := crippled.join()
		if n := len(jwks(t, other, auth.DefaultTenant).Keys); n != 1 {
			t.Errorf("%d keys", n)
		}
	})
}

func TestRepair_S19_PublicHalfIsKeptAsLongAsASession(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		_, db := h.join()
		const longest = 20 * 24 * time.Hour
		r := keys.New(keys.Config{DB: db, Now: h.clock.Now, RotateEvery: rotateEvery, PublishAhead: ahead, KeepFor: keepFor,
			Lifetimes: auth.Lifetimes{SessionAbsolute: longest, RefreshAbsolute: longest / 2, Remember: longest / 2}})
		old := mustCheck(t, r, sign(t, r, ""))
		if err := r.Rotate(t.Context(), auth.DefaultTenant, "", auth.System); err != nil {
			t.Fatal(err)
		}
		h.clock.Advance(ahead + keepFor + time.Minute)
		if err := r.Tend(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := check(published(t, r), sign(t, r, "")); err != nil {
			t.Error(err)
		}
		if set := published(t, r); len(set.Key(old)) != 0 {
			t.Error("the old key is still published")
		}
		key, err := r.PublicKey(t.Context(), auth.DefaultTenant, auth.KeyID(old))
		var k jose.JSONWebKey
		if err != nil || json.Unmarshal(key, &k) != nil || k.KeyID != old || !k.IsPublic() {
			t.Errorf("the public half: %s, %v", key, err)
		}
		if _, err := r.PublicKey(t.Context(), auth.DefaultTenant, "nobody"); !errors.Is(err, auth.ErrNotFound) {
			t.Errorf("an unknown key: %v", err)
		}

		h.clock.Advance(longest)

		if _, err := r.PublicKey(t.Context(), auth.DefaultTenant, auth.KeyID(old)); !errors.Is(err, auth.ErrNotFound) {
			t.Errorf("after the longest session: %v", err)
		}
		err = db.WriteSystem(t.Context(), func(tx *store.SystemTx) error {
			n, err := tx.Sweep(store.Retention{Brief: tx.Now, Before: tx.Now, Audit: time.UnixMilli(1)}, 100)
			if n != 1 {
				t.Errorf("Sweep removed %d rows", n)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	})
}
