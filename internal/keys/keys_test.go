package keys_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/keys"
	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/store"
	"github.com/watchword-auth/watchword/internal/store/storetest"
)

const (
	rotateEvery = 30 * 24 * time.Hour
	ahead       = time.Hour
	keepFor     = 2 * time.Hour
)

// fixture is a database and the clock of its nodes.
type fixture struct {
	t     testing.TB
	clock *storetest.Clock
	cfg   store.Config
}

func newFixture(t testing.TB, cfg store.Config) *fixture {
	h := &fixture{t: t, clock: storetest.NewClock(), cfg: cfg}
	h.cfg.Now = h.clock.Now
	storetest.Open(t, h.cfg)
	return h
}

// join starts a node; the ring has nothing in memory yet.
func (h *fixture) join() (*keys.Ring, *store.DB) {
	h.t.Helper()
	db, err := store.Open(h.t.Context(), h.cfg)
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { db.Close() })
	return keys.New(keys.Config{DB: db, Now: h.clock.Now, Algorithm: keys.ES256, RotateEvery: rotateEvery, PublishAhead: ahead, KeepFor: keepFor, Lifetimes: storetest.Lifetimes()}), db
}

func each(t *testing.T, fn func(t *testing.T, h *fixture)) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, cfg store.Config) { fn(t, newFixture(t, cfg)) })
}

func sign(t testing.TB, r *keys.Ring, alg string) string {
	t.Helper()
	jws, err := r.Sign(t.Context(), auth.DefaultTenant, alg, "at+jwt", []byte(`{"sub":"a"}`))
	if err != nil {
		t.Fatalf("sign: %v", err)
	}
	return jws
}

func published(t testing.TB, r *keys.Ring) jose.JSONWebKeySet {
	t.Helper()
	raw, err := r.CurrentJWKS(t.Context(), auth.DefaultTenant)
	if err != nil {
		t.Fatal(err)
	}
	var set jose.JSONWebKeySet
	if err := json.Unmarshal(raw, &set); err != nil {
		t.Fatalf("%v in %s", err, raw)
	}
	return set
}

// check verifies with another library, and returns the key's id.
func check(set jose.JSONWebKeySet, jws string) (string, error) {
	parsed, err := jose.ParseSignedCompact(jws, []jose.SignatureAlgorithm{jose.ES256, jose.RS256, jose.EdDSA})
	if err != nil {
		return "", err
	}
	kid := parsed.Signatures[0].Header.KeyID
	found := set.Key(kid)
	if len(found) != 1 {
		return kid, errors.New("key " + kid + " is not published")
	}
	if found[0].Algorithm != parsed.Signatures[0].Header.Algorithm || found[0].Use != "sig" || !found[0].Valid() || !found[0].IsPublic() {
		return kid, errors.New("the published key does not fit")
	}
	_, err = parsed.Verify(found[0].Key)
	return kid, err
}

func mustCheck(t testing.TB, r *keys.Ring, jws string) string {
	t.Helper()
	kid, err := check(published(t, r), jws)
	if err != nil {
		t.Errorf("verify: %v", err)
	}
	return kid
}

func TestSignEveryAlgorithm(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		r, _ := h.join()
		for _, alg := range []string{keys.ES256, keys.RS256, keys.EdDSA} {
			if err := r.Ensure(t.Context(), auth.DefaultTenant, alg); err != nil {
				t.Fatal(err)
			}
			for range 20 { // ECDSA numbers have leading zeros at times
				jws := sign(t, r, alg)
				kid := mustCheck(t, r, jws)
				header, _, _ := strings.Cut(jws, ".")
				raw, err := secret.Decode(header)
				if want := `{"alg":"` + alg + `","typ":"at+jwt","kid":"` + kid + `"}`; string(raw) != want || err != nil {
					t.Fatalf("header %s, want %s", raw, want)
				}
			}
		}
		raw, err := r.JWKS(t.Context(), auth.DefaultTenant)
		if err != nil {
			t.Fatal(err)
		}
		var set struct{ Keys []map[string]any }
		if err := json.Unmarshal(raw, &set); err != nil {
			t.Fatal(err)
		}
		for _, k := range set.Keys {
			for _, private := range []string{"d", "p", "q", "dp", "dq", "qi", "k", "oth"} {
				if _, ok := k[private]; ok {
					t.Errorf("the private member %q is published", private)
				}
			}
		}
		if len(set.Keys) != 3 {
			t.Errorf("%d keys for three algorithms", len(set.Keys))
		}
		if _, err := r.Sign(t.Context(), auth.DefaultTenant, "HS256", "at+jwt", nil); auth.KindOf(err) != auth.KindInvalid {
			t.Errorf("HS256: %v", err)
		}
	})
}

func TestEnsure_ManyAtOnceMakeOneKey(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		a, _ := h.join()
		b, db := h.join()
		algorithms := []string{keys.ES256, keys.RS256, keys.EdDSA}
		var wg sync.WaitGroup
		for i := range 36 {
			wg.Go(func() {
				if err := []*keys.Ring{a, b}[i%2].Ensure(t.Context(), auth.DefaultTenant, algorithms[i/2%3]); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		list, err := a.List(t.Context(), auth.DefaultTenant)
		if err != nil || len(list) != len(algorithms) {
			t.Fatalf("%d keys, %v", len(list), err)
		}
		if list[0].Sealed != nil {
			t.Error("List returns the private half")
		}
		for _, alg := range algorithms {
			mustCheck(t, a, sign(t, b, alg))
		}
		var events []auth.Event
		err = db.Read(t.Context(), auth.DefaultTenant, func(tx *store.Tx) (err error) {
			events, err = tx.Events(store.EventFilter{Kind: auth.EventKeyCreated, Limit: 10})
			return err
		})
		if err != nil || len(events) != len(algorithms) {
			t.Errorf("%d audit lines, %v", len(events), err)
		}
	})
}

// TestRotation follows one rotation: published, active, retired, removed, as two
// nodes see it.
func TestRotation_PublishedBeforeUseAndKeptUntilTheLastTokenIsDead(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		a, _ := h.join()
		b, _ := h.join()
		first := mustCheck(t, a, sign(t, a, ""))
		mustCheck(t, b, sign(t, b, ""))
		if err := a.Rotate(t.Context(), auth.DefaultTenant, "", auth.System); err != nil {
			t.Fatal(err)
		}
		if n := len(published(t, a).Keys); n != 2 {
			t.Errorf("%d keys published right after the rotation", n)
		}
		if err := a.Rotate(t.Context(), auth.DefaultTenant, "", auth.System); auth.KindOf(err) != auth.KindConflict {
			t.Errorf("a second rotation: %v", err)
		}
		h.clock.Advance(ahead / 2)
		if n := len(published(t, b).Keys); n != 2 {
			t.Errorf("the other node publishes %d keys long before the new one signs", n)
		}
		old := sign(t, b, "")
		if kid := mustCheck(t, b, old); kid != first {
			t.Error("the next key signs too early")
		}
		h.clock.Advance(ahead / 2)
		for _, r := range []*keys.Ring{a, b} {
			if kid := mustCheck(t, r, sign(t, r, "")); kid == first {
				t.Error("the old key still signs")
			}
		}
		h.clock.Advance(keepFor - time.Second)
		if err := b.Maintain(t.Context()); err != nil {
			t.Fatal(err)
		}
		mustCheck(t, a, old)
		h.clock.Advance(time.Minute)
		if err := b.Maintain(t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, r := range []*keys.Ring{a, b} {
			if _, err := check(published(t, r), old); err == nil {
				t.Error("the old key is still published")
			}
		}
		list, err := a.List(t.Context(), auth.DefaultTenant)
		if err != nil || len(list) != 1 {
			t.Errorf("%d keys left, %v", len(list), err)
		}
	})
}

func TestRotation_LongLivedTokensKeepTheirKey(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		r, db := h.join()
		err := db.Write(t.Context(), auth.DefaultTenant, func(tx *store.Tx) error {
			self, err := tx.CurrentTenant()
			self.Settings.Lifetimes.Access = 3 * keepFor
			if err != nil {
				return err
			}
			return tx.UpdateCurrentTenant(self)
		})
		if err != nil {
			t.Fatal(err)
		}
		sign(t, r, "")
		if err := r.Rotate(t.Context(), auth.DefaultTenant, "", auth.System); err != nil {
			t.Fatal(err)
		}
		h.clock.Advance(ahead - time.Second)
		old := sign(t, r, "")
		h.clock.Advance(3 * keepFor)
		if err := r.Maintain(t.Context()); err != nil {
			t.Fatal(err)
		}
		mustCheck(t, r, old)
	})
}

func TestMaintain_RotatesOnSchedule(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		a, db := h.join()
		b, _ := h.join()
		storetest.Tenant(t, db, "t2")
		sign(t, a, "")
		count := func(tenant auth.TenantID) int {
			list, err := a.List(t.Context(), tenant)
			if err != nil {
				t.Fatal(err)
			}
			return len(list)
		}
		tend := func() {
			t.Helper()
			var wg sync.WaitGroup
			for _, r := range []*keys.Ring{a, b} {
				wg.Go(func() {
					if err := r.Maintain(t.Context()); err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
		}
		h.clock.Advance(rotateEvery - ahead - time.Second)
		tend()
		if n := count(auth.DefaultTenant); n != 1 {
			t.Errorf("rotated too early: %d keys", n)
		}
		h.clock.Advance(time.Second)
		tend()
		tend()
		if n := count(auth.DefaultTenant); n != 2 {
			t.Errorf("two nodes made %d keys of one", n)
		}
		if n := count("t2"); n != 0 {
			t.Errorf("a tenant without keys has %d now", n)
		}
	})
}

func TestAttack_OP_02_DatabaseAloneCannotSign(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		r, _ := h.join()
		jws := sign(t, r, "")
		attacker := *h
		attacker.cfg.Keyring = storetest.Keyring(t)
		stolen, db := attacker.join()
		_, err := stolen.Sign(t.Context(), auth.DefaultTenant, "", "at+jwt", []byte("{}"))
		if !errors.Is(err, secret.ErrSealed) {
			t.Errorf("signed without the master key: %v", err)
		}
		if err := stolen.Ensure(t.Context(), auth.DefaultTenant, ""); err != nil {
			t.Error(err)
		}
		if list, err := stolen.List(t.Context(), auth.DefaultTenant); err != nil || len(list) != 1 {
			t.Errorf("a wrong master key made a new signing key: %d, %v", len(list), err)
		}
		mustCheck(t, stolen, jws) // verifying goes on
		// No private half is stored unsealed.
		err = db.Read(t.Context(), auth.DefaultTenant, func(tx *store.Tx) error {
			list, err := tx.SigningKeys()
			for _, k := range list {
				if plain, err := h.cfg.Keyring.Open(store.KeyContext(auth.DefaultTenant, k.ID), k.Sealed); err != nil || strings.Contains(string(k.Sealed), string(plain)) {
					t.Errorf("sealed half: %v", err)
				}
				if _, err := h.cfg.Keyring.Open(store.KeyContext("t2", k.ID), k.Sealed); err == nil {
					t.Error("a key moved to another tenant opens")
				}
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	})
}

// TestAttack_OP_03 changes the master key and rotates the signing key while two
// nodes sign and verify all the time.
func TestAttack_OP_03_KeysChangeUnderLoad(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		older, newer := secret.Bytes(32), secret.Bytes(32)
		ring := func(current []byte, previous ...[]byte) *secret.Keyring {
			k, err := secret.NewKeyring(current, previous...)
			if err != nil {
				t.Fatal(err)
			}
			return k
		}
		h.cfg.Keyring = ring(older)
		before, _ := h.join()
		sign(t, before, "")
		h.cfg.Keyring = ring(newer, older)
		a, db := h.join()
		b, _ := h.join()

		ctx, stop := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		var mu sync.Mutex
		seen := map[string]bool{}
		var cycles [3]atomic.Int64 // of each worker; negative when it has ended
		for i, r := range []*keys.Ring{a, b, before} {
			verifier := []*keys.Ring{b, a, b}[i]
			wg.Go(func() {
				defer cycles[i].Store(-1)
				for ; ctx.Err() == nil; cycles[i].Add(1) {
					jws, err := r.Sign(t.Context(), auth.DefaultTenant, "", "at+jwt", []byte("{}"))
					if err != nil {
						if r == before && errors.Is(err, secret.ErrSealed) {
							return // it has only the old master key, and has just been restarted
						}
						t.Errorf("sign: %v", err)
						return
					}
					kid, err := check(published(t, verifier), jws)
					if err != nil {
						t.Errorf("verify: %v", err)
						return
					}
					mu.Lock()
					seen[kid] = true
					mu.Unlock()
				}
			})
		}
		steps := rounds(4, 8)
		for i := range steps {
			if i == 1 { // the key from before is still there
				if n, err := a.Reseal(t.Context(), auth.System); err != nil || n == 0 {
					t.Errorf("resealed %d values: %v", n, err)
				}
			}
			if err := a.Rotate(t.Context(), auth.DefaultTenant, "", auth.System); err != nil && auth.KindOf(err) != auth.KindConflict {
				t.Error(err)
			}
			for range 8 {
				h.clock.Advance(ahead / 8)
				for w := range cycles { // no worker sleeps through the life of a key
					for was := cycles[w].Load(); was >= 0 && cycles[w].Load() == was; {
						time.Sleep(100 * time.Microsecond)
					}
				}
			}
			if err := b.Maintain(t.Context()); err != nil {
				t.Error(err)
			}
		}
		stop()
		wg.Wait()
		if len(seen) < 3 {
			t.Errorf("only %d keys signed", len(seen))
		}
		// From here the old master key can go.
		h.cfg.Keyring = ring(newer)
		after, _ := h.join()
		mustCheck(t, after, sign(t, after, ""))
		if n, err := after.Reseal(t.Context(), auth.System); err != nil || n != 0 {
			t.Errorf("a second reseal changed %d values: %v", n, err)
		}
		var events []auth.Event
		err := db.Read(t.Context(), auth.DefaultTenant, func(tx *store.Tx) (err error) {
			events, err = tx.Events(store.EventFilter{Kind: auth.EventKeysResealed, Limit: 10})
			return err
		})
		if err != nil || len(events) != 2 || events[1].Detail["values"] == "0" {
			t.Errorf("audit: %+v, %v", events, err)
		}
	})
}

func TestFault_FL_05_KeysServeFromMemory(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		r, db := h.join()
		jws := sign(t, r, "")
		db.Close()
		for range 100 {
			h.clock.Advance(time.Second)
			mustCheck(t, r, jws)
			mustCheck(t, r, sign(t, r, ""))
		}
	})
}

func TestFault_FL_09_ClockBehindTheFirstKey(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		r, _ := h.join()
		first := mustCheck(t, r, sign(t, r, ""))
		h.clock.Advance(-24 * time.Hour)
		if kid := mustCheck(t, r, sign(t, r, "")); kid != first {
			t.Error("another key signs")
		}
		fresh, _ := h.join()
		if kid := mustCheck(t, fresh, sign(t, fresh, "")); kid != first {
			t.Error("a node that starts now made another key")
		}
	})
}

func TestJWKS_UnknownTenant(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		r, _ := h.join()
		raw, err := r.JWKS(t.Context(), "nobody")
		if d := cmp.Diff(`{"keys":[]}`, string(raw)); d != "" || err != nil {
			t.Errorf("%v %s", err, d)
		}
		if _, err := r.Sign(t.Context(), "nobody", "", "at+jwt", nil); err == nil {
			t.Error("signed for a tenant that does not exist")
		}
	})
}

func rounds(short, long int) int {
	if testing.Short() {
		return short
	}
	return long
}
