package tenant_test

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/keys"
	"github.com/watchword-auth/watchword/internal/store"
	"github.com/watchword-auth/watchword/internal/store/storetest"
	"github.com/watchword-auth/watchword/internal/tenant"
)

var admin = auth.Actor{Kind: auth.ActorOperator, ID: "root"}

type fixture struct {
	*tenant.Service
	t     *testing.T
	clock *storetest.Clock
	db    *store.DB
	cfg   store.Config
	keys  *keys.Ring
}

// each opens an empty database: no tenant at all.
func each(t *testing.T, fn func(t *testing.T, h *fixture)) {
	t.Helper()
	t.Parallel()
	storetest.Each(t, func(t *testing.T, cfg store.Config) {
		c := storetest.NewClock()
		cfg.Now = c.Now
		fn(t, node(t, cfg, c))
	})
}

func node(t *testing.T, cfg store.Config, c *storetest.Clock) *fixture {
	t.Helper()
	db, err := store.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return over(t, db, cfg, c)
}

func over(t *testing.T, db *store.DB, cfg store.Config, c *storetest.Clock) *fixture {
	ring := keys.New(keys.Config{DB: db, Now: c.Now, Algorithm: keys.ES256, RSAKey: storetest.RSAKeys(), RotateEvery: 90 * 24 * time.Hour, PublishAhead: 24 * time.Hour, Lifetimes: storetest.Lifetimes()})
	return &fixture{tenant.New(tenant.Config{DB: db, Keys: ring, Now: c.Now}), t, c, db, cfg, ring}
}

func (h *fixture) requireOK(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
}

func (h *fixture) requireRefused(err error, code string) {
	h.t.Helper()
	if e, ok := errors.AsType[*auth.Error](err); !ok || string(e.Code) != code {
		h.t.Fatalf("got %v, want %s", err, code)
	}
}

// requireDefaults checks the objects that every tenant has from the beginning.
func (h *fixture) requireDefaults(id auth.TenantID, alg string) {
	h.t.Helper()
	h.requireOK(h.db.Read(h.t.Context(), id, func(tx *store.Tx) error {
		c, err := tx.Client(auth.FirstParty)
		if err != nil || !c.FirstParty {
			h.t.Errorf("first-party client: %+v, %v", c, err)
		}
		r, err := tx.Role(auth.AdminRole)
		if err != nil || !cmp.Equal(r.Permissions, []string{auth.AdminPermission}) {
			h.t.Errorf("role of administrators: %+v, %v", r, err)
		}
		ks, err := tx.SigningKeys()
		if err != nil || len(ks) != 1 || ks[0].Algorithm != alg {
			h.t.Errorf("signing keys: %+v, %v", ks, err)
		}
		return nil
	}))
}

func TestCreate(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		ctx := t.Context()
		got, err := h.Create(ctx, "acme", "Acme Inc.", auth.Settings{Registration: "closed", Algorithm: "EdDSA"}, admin)
		h.requireOK(err)
		h.requireDefaults("acme", "EdDSA")
		read, err := h.Get(ctx, "acme")
		h.requireOK(err)
		if d := cmp.Diff(got, read); d != "" {
			t.Errorf("(-made +read):\n%s", d)
		}
		_, err = h.Create(ctx, "acme", "", auth.Settings{}, admin)
		h.requireRefused(err, "tenant_taken")
		for _, id := range []string{"", "Acme", "-a", "a/b", "a.b"} {
			_, err = h.Create(ctx, id, "", auth.Settings{}, admin)
			h.requireRefused(err, "tenant_invalid")
		}
		six := 6
		for i, bad := range []auth.Settings{
			{Algorithm: "none"}, {Registration: "maybe"}, {Password: auth.PasswordRules{MinLength: 4}}, {Password: auth.PasswordRules{MinScore: &six}},
			{Lifetimes: auth.Lifetimes{Access: 48 * time.Hour}}, {Lifetimes: auth.Lifetimes{SessionIdle: -time.Hour}},
		} {
			_, err = h.Create(ctx, "b", "", bad, admin)
			h.requireRefused(err, "settings_invalid")
			if _, err := h.Get(ctx, "b"); auth.KindOf(err) != auth.KindNotFound {
				t.Errorf("settings %d were accepted", i)
			}
		}
	})
}

func TestEnsureDefaultOnManyNodes(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		nodes := []*fixture{h, over(t, h.db, h.cfg, h.clock)}
		if h.db.Dialect() == "postgres" {
			nodes = append(nodes, node(t, h.cfg, h.clock), node(t, h.cfg, h.clock))
		}
		var wg sync.WaitGroup
		for range 2 {
			for _, n := range nodes {
				wg.Go(func() {
					if err := n.EnsureDefault(t.Context()); err != nil {
						t.Error(err)
					}
				})
			}
		}
		wg.Wait()
		h.requireDefaults(auth.DefaultTenant, "ES256")
		if list, err := h.List(t.Context()); err != nil || len(list) != 1 {
			t.Errorf("tenants %v, %v", list, err)
		}
	})
}

func TestEnsureDefaultKeepsWhatIsThere(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		h.requireOK(h.EnsureDefault(t.Context()))
		_, err := h.Update(t.Context(), auth.DefaultTenant, func(t *auth.Tenant) error {
			t.Name = "Ours"
			return nil
		}, admin)
		h.requireOK(err)
		h.requireOK(h.EnsureDefault(t.Context()))
		if got, err := h.Get(t.Context(), auth.DefaultTenant); err != nil || got.Name != "Ours" {
			t.Errorf("%+v, %v", got, err)
		}
	})
}

func TestUpdate(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		ctx := t.Context()
		before, err := h.Create(ctx, "acme", "Acme", auth.Settings{}, admin)
		h.requireOK(err)
		got, err := h.Update(ctx, "acme", func(t *auth.Tenant) error {
			t.ID, t.CreatedAt = "other", time.Time{} // not theirs to change
			t.Name, t.Settings.AllowUnverified, t.DisabledAt = " Acme 2 ", true, h.clock.Now()
			return nil
		}, admin)
		h.requireOK(err)
		want := before
		want.Name, want.Settings.AllowUnverified, want.DisabledAt = "Acme 2", true, h.clock.Now()
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("(-want +got):\n%s", d)
		}
		if read, err := h.Get(ctx, "acme"); err != nil || !read.Disabled() {
			t.Errorf("a change of this node is not seen at once: %+v, %v", read, err)
		}
		_, err = h.Update(ctx, "acme", func(t *auth.Tenant) error { t.Settings.Algorithm = "none"; return nil }, admin)
		h.requireRefused(err, "settings_invalid")
		boom := errors.New("boom")
		if _, err := h.Update(ctx, "acme", func(t *auth.Tenant) error { t.Name = "x"; return boom }, admin); !errors.Is(err, boom) {
			t.Error(err)
		}
		_, err = h.Update(ctx, "nobody", func(t *auth.Tenant) error { return nil }, admin)
		h.requireRefused(err, "not_found")
		if read, err := h.Get(ctx, "acme"); err != nil || !cmp.Equal(read, got) {
			t.Errorf("a refused change changed %+v, %v", read, err)
		}
		var events []auth.Event
		h.requireOK(h.db.Read(ctx, "acme", func(tx *store.Tx) (err error) {
			events, err = tx.Events(store.EventFilter{Kind: auth.EventTenantChanged, Limit: 1})
			return err
		}))
		said := map[string]string{"change": "updated", "name": "Acme 2", "disabled": "true", "settings": `{"allow_unverified":true}`}
		if len(events) != 1 || !cmp.Equal(said, events[0].Detail) {
			t.Errorf("the audit log says %v", events)
		}
	})
}

func TestGetIsFreshWithinASecond(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		h.requireOK(h.EnsureDefault(t.Context()))
		other := over(t, h.db, h.cfg, h.clock)
		shut := func() bool {
			got, err := h.Get(t.Context(), auth.DefaultTenant)
			h.requireOK(err)
			return got.Disabled()
		}
		if shut() {
			t.Fatal("disabled from the beginning")
		}
		_, err := other.Update(t.Context(), auth.DefaultTenant, func(t *auth.Tenant) error { t.DisabledAt = h.clock.Now(); return nil }, admin)
		h.requireOK(err)
		h.clock.Advance(time.Second)
		if !shut() {
			t.Error("another node's change is not seen after a second")
		}
		h.clock.Advance(-time.Hour)
		if !shut() {
			t.Error("the clock went back and brought the old tenant back")
		}
		for _, id := range []auth.TenantID{"", "nobody", "a/b", "Nobody"} {
			_, err := h.Get(t.Context(), id)
			h.requireRefused(err, "not_found")
		}
	})
}

// Branding with unreadable colours or invalid values is refused when it is saved.
func TestBrandingIsChecked(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		for _, set := range []auth.Settings{
			{Branding: auth.Branding{Accent: "#ffd500"}},
			{Branding: auth.Branding{Font: "url(https://evil.test)"}},
			{Locale: "fr"},
		} {
			_, err := h.Create(t.Context(), "acme", "Acme", set, admin)
			h.requireRefused(err, "settings_invalid")
		}
		_, err := h.Create(t.Context(), "acme", "Acme", auth.Settings{Branding: auth.Branding{Accent: "#8a1f3c"}, Locale: "de"}, admin)
		h.requireOK(err)
		_, err = h.Update(t.Context(), "acme", func(t *auth.Tenant) error { t.Settings.Branding.AccentInk = "#8a1f3d"; return nil }, admin)
		h.requireRefused(err, "settings_invalid")
	})
}

// A policy of second factors begins when it is first set, names a role of the tenant, and a refused change reaches
// no copy of the settings.
func TestFactorPolicies(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		h.requireOK(h.EnsureDefault(t.Context()))
		update := func(change func(*auth.FactorSettings)) error {
			_, err := h.Update(t.Context(), auth.DefaultTenant, func(v *auth.Tenant) error {
				change(&v.Settings.Factors)
				return nil
			}, admin)
			return err
		}
		read := func() auth.FactorSettings {
			v, err := h.Get(t.Context(), auth.DefaultTenant)
			h.requireOK(err)
			return v.Settings.Factors
		}
		h.requireOK(update(func(f *auth.FactorSettings) { f.Policy = auth.FactorsRequired }))
		since := read().Since
		h.clock.Advance(time.Hour)
		h.requireOK(update(func(f *auth.FactorSettings) { f.GraceDays = 7 }))
		if since.IsZero() || read().Since != since {
			t.Errorf("since %v, then %v", since, read().Since)
		}
		roles := func(name string, p auth.FactorPolicy) func(*auth.FactorSettings) {
			return func(f *auth.FactorSettings) {
				if f.Roles == nil {
					f.Roles = map[string]auth.FactorPolicy{}
				}
				f.Roles[name] = p
			}
		}
		h.requireOK(update(roles(auth.AdminRole, auth.FactorsResistant)))
		for name, change := range map[string]func(*auth.FactorSettings){
			"role":   roles("admn", auth.FactorsRequired),
			"value":  roles(auth.AdminRole, "on"),
			"policy": func(f *auth.FactorSettings) { f.Policy = "must" },
		} {
			var refusal *auth.Error
			if err := update(change); !errors.As(err, &refusal) || refusal.Code != auth.CodeSettingsInvalid {
				t.Errorf("%s: %v", name, err)
			}
		}
		if got := read(); len(got.Roles) != 1 || got.Roles[auth.AdminRole] != auth.FactorsResistant || got.Policy != auth.FactorsRequired {
			t.Errorf("%+v", got)
		}
		h.requireOK(update(roles(auth.AdminRole, "")))
		if got := read(); len(got.Roles) != 0 {
			t.Errorf("%+v", got)
		}
	})
}
