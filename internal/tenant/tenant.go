// Package tenant manages tenants: their names, their settings and whether they are disabled. It
// creates the first-party client, the administrator role and the signing key of each.
//
// Get answers from memory for up to a second, because every request calls it. A
// change made through another node is visible within that second. Accounts, roles
// and clients belong to other packages.
package tenant

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/keys"
	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/store"
)

// cacheFor is how long Get answers from memory.
const cacheFor = time.Second

// Config configures a Service. All fields are required.
type Config struct {
	DB   *store.DB
	Keys *keys.Ring
	Base string // the server's own URL; empty where it does not matter
	Now  func() time.Time
}

// Service is safe for concurrent use.
type Service struct {
	cfg Config

	mu     sync.RWMutex // owns cached
	cached map[auth.TenantID]cachedTenant
}

type cachedTenant struct {
	tenant auth.Tenant
	at     time.Time
}

// New returns a Service.
func New(cfg Config) *Service {
	return &Service{cfg: cfg, cached: map[auth.TenantID]cachedTenant{}}
}

// Create creates a tenant with everything it needs to sign users in. Refusals:
// tenant_invalid, name_…, settings_invalid, tenant_taken.
func (s *Service) Create(ctx context.Context, id, name string, settings auth.Settings, actor auth.Actor) (auth.Tenant, error) {
	t, err := parseTenant(id, name, settings)
	if err == nil {
		err = s.checkPasskeys(auth.Tenant{}, t)
	}
	if err != nil {
		return auth.Tenant{}, err
	}
	err = s.cfg.DB.WriteSystem(ctx, func(tx *store.SystemTx) error {
		t.CreatedAt = tx.Now
		if err := tx.InsertTenant(t); errors.Is(err, auth.ErrConflict) {
			return auth.Refuse(auth.KindConflict, auth.CodeTenantTaken, "a tenant of this name exists already")
		} else if err != nil {
			return err
		}
		return createDefaults(tx.In(t.ID), actor)
	})
	if err != nil {
		return auth.Tenant{}, fmt.Errorf("create tenant: %w", err)
	}
	return t, s.ensureKey(ctx, t)
}

func parseTenant(id, name string, settings auth.Settings) (auth.Tenant, error) {
	tid, err := auth.ParseTenantID(id)
	if err != nil {
		return auth.Tenant{}, err
	}
	if name, err = auth.ParseName(name); err != nil {
		return auth.Tenant{}, err
	}
	if name == "" {
		name = id
	}
	t := auth.Tenant{ID: tid, Name: name, Settings: settings}
	return t, checkTenant(t)
}

// createDefaults creates the missing objects that every tenant has.
func createDefaults(tx *store.Tx, actor auth.Actor) error {
	client := auth.Client{
		ID: auth.FirstParty, Name: "First party", Type: auth.ClientNative, FirstParty: true,
		Scopes: auth.DefaultScope, CreatedAt: tx.Now, UpdatedAt: tx.Now,
	}
	if err := tx.InsertClient(client); err != nil && !errors.Is(err, auth.ErrConflict) {
		return fmt.Errorf("first-party client: %w", err)
	}
	role := auth.Role{ID: auth.RoleID(secret.NewID(tx.Now)), Name: auth.AdminRole, Description: "Administers this tenant", CreatedAt: tx.Now}
	err := tx.InsertRole(role)
	if errors.Is(err, auth.ErrConflict) {
		return nil // created before; the tenant may have changed its permissions
	}
	if err != nil {
		return fmt.Errorf("administrator role: %w", err)
	}
	p := auth.Permission{Name: auth.AdminPermission, Description: "Everything in this tenant", CreatedAt: tx.Now}
	if err := tx.PutPermission(p); err != nil {
		return fmt.Errorf("administrator permission: %w", err)
	}
	if _, err := tx.AddRolePermission(role.ID, auth.AdminPermission); err != nil {
		return fmt.Errorf("administrator permission: %w", err)
	}
	return tx.Record(auth.Event{Kind: auth.EventTenantChanged, Actor: actor, Detail: map[string]string{"change": "created"}})
}

func (s *Service) ensureKey(ctx context.Context, t auth.Tenant) error {
	alg := t.Settings.Algorithm
	if alg == "" {
		alg = s.cfg.Keys.Algorithm()
	}
	if err := s.cfg.Keys.Ensure(ctx, t.ID, alg); err != nil {
		return fmt.Errorf("signing key of tenant %s: %w", t.ID, err)
	}
	return nil
}

// EnsureDefault creates the default tenant at the first start, and its missing objects at later
// ones. Nodes that start at the same time create one.
func (s *Service) EnsureDefault(ctx context.Context) error {
	t := auth.Tenant{ID: auth.DefaultTenant, Name: "Watchword"}
	err := s.cfg.DB.WriteSystem(ctx, func(tx *store.SystemTx) error {
		t.CreatedAt = tx.Now
		if err := tx.InsertTenant(t); err != nil && !errors.Is(err, auth.ErrConflict) {
			return err
		}
		return createDefaults(tx.In(t.ID), auth.System)
	})
	if err != nil {
		return fmt.Errorf("default tenant: %w", err)
	}
	if t, err = s.Get(ctx, t.ID); err != nil {
		return err
	}
	return s.ensureKey(ctx, t)
}

// Get returns the tenant, or a refusal of KindNotFound. Its result may be a second old. It
// returns disabled tenants too.
func (s *Service) Get(ctx context.Context, id auth.TenantID) (auth.Tenant, error) {
	now := s.cfg.Now()
	s.mu.RLock()
	r, ok := s.cached[id]
	s.mu.RUnlock()
	if age := now.Sub(r.at); ok && age >= 0 && age < cacheFor {
		return r.tenant, nil
	}
	if _, err := auth.ParseTenantID(string(id)); err != nil { // malformed: no query
		return auth.Tenant{}, auth.TenantNotFound()
	}
	var t auth.Tenant
	err := s.cfg.DB.Read(ctx, id, func(tx *store.Tx) (err error) {
		t, err = tx.CurrentTenant()
		return err
	})
	if errors.Is(err, auth.ErrNotFound) {
		return auth.Tenant{}, auth.TenantNotFound() // not cached: anonymous callers choose these names
	}
	if err != nil {
		return auth.Tenant{}, fmt.Errorf("get tenant: %w", err)
	}
	s.mu.Lock()
	s.cached[id] = cachedTenant{t, now}
	s.mu.Unlock()
	return t, nil
}

// List returns all tenants, ordered by id.
func (s *Service) List(ctx context.Context) ([]auth.Tenant, error) {
	var list []auth.Tenant
	err := s.cfg.DB.ReadSystem(ctx, func(tx *store.SystemTx) (err error) {
		list, err = tx.Tenants()
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list tenants: %w", err)
	}
	return list, nil
}
