package keys_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/keys"
	"github.com/watchword-auth/watchword/internal/secret"
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
	each(t, func(t *testing.T, h *fixture) {
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
	each(t, func(t *testing.T, h *fixture) {
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

// A node with another master key publishes the existing keys and creates none.
func TestRepair_C1_NodeThatCannotOpenKeysMakesNone(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
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
	each(t, func(t *testing.T, h *fixture) {
		_, db := h.join()
		const longest = 20 * 24 * time.Hour
		r := keys.New(keys.Config{DB: db, Now: h.clock.Now, Algorithm: keys.ES256, RotateEvery: rotateEvery, PublishAhead: ahead, KeepFor: keepFor,
			Lifetimes: auth.Lifetimes{SessionAbsolute: longest, RefreshAbsolute: longest / 2, Remember: longest / 2}})
		old := mustCheck(t, r, sign(t, r, ""))
		if err := r.Rotate(t.Context(), auth.DefaultTenant, "", auth.System); err != nil {
			t.Fatal(err)
		}
		h.clock.Advance(ahead + keepFor + time.Minute)
		if err := r.Maintain(t.Context()); err != nil {
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
			n, err := tx.Sweep(store.Retention{ShortLived: tx.Now, Expired: tx.Now, Audit: time.UnixMilli(1)}, 100)
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

// An attacker who can write to the database replaces the public half of a key whose private half
// they cannot open.
func TestForgedPublicHalfIsRefused(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		running, db := h.join()
		sign(t, running, keys.EdDSA)
		var log bytes.Buffer
		fresh := keys.New(keys.Config{DB: db, Now: h.clock.Now, Algorithm: keys.ES256, RotateEvery: rotateEvery, PublishAhead: ahead, Log: slog.New(slog.NewTextHandler(&log, nil))})
		public, _, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		var id auth.KeyID
		err = db.Write(t.Context(), auth.DefaultTenant, func(tx *store.Tx) error {
			list, err := tx.SigningKeys()
			if err != nil {
				return err
			}
			k := list[0]
			id = k.ID
			k.Public = fmt.Appendf(nil, `{"alg":"EdDSA","crv":"Ed25519","kid":%q,"kty":"OKP","use":"sig","x":%q}`, id, secret.Encode(public))
			return errors.Join(tx.DeleteSigningKey(id), tx.InsertSigningKey(k))
		})
		if err != nil {
			t.Fatal(err)
		}
		h.clock.Advance(time.Minute) // the running node looks again

		for name, r := range map[string]*keys.Ring{"running": running, "fresh": fresh} {
			set, err := r.CurrentJWKS(t.Context(), auth.DefaultTenant)
			if err != nil || strings.Contains(string(set), secret.Encode(public)) {
				t.Errorf("%s: published %s, %v", name, set, err)
			}
			if _, err := r.PublicKey(t.Context(), auth.DefaultTenant, id); !errors.Is(err, auth.ErrNotFound) {
				t.Errorf("%s: hints are verified with it: %v", name, err)
			}
			if r.CheckUsable(t.Context(), auth.DefaultTenant) == nil {
				t.Errorf("%s: ready to sign", name)
			}
			h.clock.Advance(time.Minute)
		}
		if _, err := fresh.CurrentJWKS(t.Context(), auth.DefaultTenant); err != nil || strings.Count(log.String(), "level=ERROR") != 1 {
			t.Errorf("logged %q, %v", log.String(), err)
		}
	})
}
