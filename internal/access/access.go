// Package access manages roles, their permissions, and the accounts that have them.
//
// A permission is a right that an API requires; a role is a named set of permissions.
// auth.Grant.WithRights decides which of them an access token contains; tokens change at the next
// refresh, and the administration API reads the database. What a permission allows is decided
// where it is required. Every change records an audit event in its transaction; a change without
// effect records none.
package access

import (
	"context"
	"errors"
	"fmt"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/store"
)

// Service is safe for concurrent use.
type Service struct{ db *store.DB }

// New returns a Service.
func New(db *store.DB) *Service { return &Service{db: db} }

// CreateRole creates a role without permissions. Refusals: role_invalid, name_…,
// role_taken.
func (s *Service) CreateRole(ctx context.Context, tenant auth.TenantID, name, description string, actor auth.Actor) (auth.Role, error) {
	name, err := auth.ParseRoleName(name)
	if err != nil {
		return auth.Role{}, err
	}
	if description, err = parseDescription(description); err != nil {
		return auth.Role{}, err
	}
	var r auth.Role
	err = s.db.Write(ctx, tenant, func(tx *store.Tx) error {
		r = auth.Role{ID: auth.RoleID(secret.NewID(tx.Now)), Name: name, Description: description, CreatedAt: tx.Now}
		if err := tx.InsertRole(r); errors.Is(err, auth.ErrConflict) {
			return auth.Refuse(auth.KindConflict, auth.CodeRoleTaken, "a role with this name exists")
		} else if err != nil {
			return err
		}
		return recordChange(tx, actor, map[string]string{"change": "created", "role": name})
	})
	if err != nil {
		return auth.Role{}, fmt.Errorf("create role: %w", err)
	}
	return r, nil
}

// DeleteRole deletes a role and removes it from all accounts. The built-in role of
// administrators cannot be deleted. Refusals: role_unknown, role_built_in,
// last_administrator.
func (s *Service) DeleteRole(ctx context.Context, tenant auth.TenantID, name string, actor auth.Actor, allowed ...auth.Override) error {
	if name == auth.AdminRole {
		return auth.Refuse(auth.KindConflict, auth.CodeRoleBuiltIn, "the built-in role of administrators cannot be deleted")
	}
	return s.write(ctx, tenant, "delete role", func(tx *store.Tx) error {
		return tx.RequireAdministrator(allowed, func() error {
			r, err := findRole(tx, name)
			if err != nil {
				return err
			}
			if err := tx.DeleteRole(r.ID); err != nil {
				return err
			}
			return recordChange(tx, actor, map[string]string{"change": "deleted", "role": name})
		})
	})
}

// Roles lists the tenant's roles by name, with their permissions.
func (s *Service) Roles(ctx context.Context, tenant auth.TenantID) ([]auth.Role, error) {
	var list []auth.Role
	err := s.db.Read(ctx, tenant, func(tx *store.Tx) (err error) {
		list, err = tx.Roles()
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list roles: %w", err)
	}
	return list, nil
}

// PutPermission defines a permission or changes its description. Refusals:
// permission_invalid, permission_reserved, name_….
func (s *Service) PutPermission(ctx context.Context, tenant auth.TenantID, name, description string, actor auth.Actor) (auth.Permission, error) {
	name, err := parsePermission(name)
	if err != nil {
		return auth.Permission{}, err
	}
	if description, err = parseDescription(description); err != nil {
		return auth.Permission{}, err
	}
	var p auth.Permission
	err = s.write(ctx, tenant, "put permission", func(tx *store.Tx) error {
		p = auth.Permission{Name: name, Description: description, CreatedAt: tx.Now}
		if err := tx.PutPermission(p); err != nil {
			return err
		}
		return recordChange(tx, actor, map[string]string{"change": "permission_put", "permission": name})
	})
	return p, err
}

// Permissions lists the tenant's permissions by name.
func (s *Service) Permissions(ctx context.Context, tenant auth.TenantID) ([]auth.Permission, error) {
	var list []auth.Permission
	err := s.db.Read(ctx, tenant, func(tx *store.Tx) (err error) {
		list, err = tx.Permissions()
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list permissions: %w", err)
	}
	return list, nil
}

// Allow adds a permission to a role and defines the permission if it is new. Refusals:
// permission_invalid, permission_reserved, role_unknown, rights_too_long.
func (s *Service) Allow(ctx context.Context, tenant auth.TenantID, roleName, permission string, actor auth.Actor) error {
	permission, err := parsePermission(permission)
	if err != nil {
		return err
	}
	if err := s.checkRightsSize(ctx, tenant, roleName, permission); err != nil {
		return err
	}
	return s.write(ctx, tenant, "allow", func(tx *store.Tx) error {
		r, err := findRole(tx, roleName)
		if err != nil {
			return err
		}
		if err := ensurePermission(tx, permission); err != nil {
			return err
		}
		if ok, err := tx.AddRolePermission(r.ID, permission); !ok || err != nil {
			return err
		}
		return recordChange(tx, actor, map[string]string{"change": "allowed", "role": roleName, "permission": permission})
	})
}

// ensurePermission defines a permission that does not exist yet.
func ensurePermission(tx *store.Tx, permission string) error {
	list, err := tx.Permissions()
	if err != nil {
		return err
	}
	for _, p := range list {
		if p.Name == permission {
			return nil
		}
	}
	return tx.PutPermission(auth.Permission{Name: permission, CreatedAt: tx.Now})
}

// Disallow removes a permission from a role. Refusals: role_unknown, last_administrator.
func (s *Service) Disallow(ctx context.Context, tenant auth.TenantID, roleName, permission string, actor auth.Actor, allowed ...auth.Override) error {
	return s.write(ctx, tenant, "disallow", func(tx *store.Tx) error {
		return tx.RequireAdministrator(allowed, func() error {
			r, err := findRole(tx, roleName)
			if err != nil {
				return err
			}
			if ok, err := tx.RemoveRolePermission(r.ID, permission); !ok || err != nil {
				return err
			}
			return recordChange(tx, actor, map[string]string{"change": "disallowed", "role": roleName, "permission": permission})
		})
	})
}

func (s *Service) write(ctx context.Context, tenant auth.TenantID, action string, fn func(*store.Tx) error) error {
	if err := s.db.Write(ctx, tenant, fn); err != nil {
		return fmt.Errorf("%s: %w", action, err)
	}
	return nil
}

// parsePermission parses the name of a permission. Of the reserved names it accepts only
// the permission of administrators.
func parsePermission(name string) (string, error) {
	if auth.Reserved(name) && name != auth.AdminPermission {
		return "", auth.Invalid(auth.CodePermissionReserved, "permission", "permission: must not begin with watchword:")
	}
	return auth.ParsePermission(name)
}

func findRole(tx *store.Tx, name string) (auth.Role, error) {
	r, err := tx.Role(name)
	if errors.Is(err, auth.ErrNotFound) {
		err = auth.Refuse(auth.KindNotFound, auth.CodeRoleUnknown, "role not found")
	}
	return r, err
}

func recordChange(tx *store.Tx, actor auth.Actor, detail map[string]string) error {
	return tx.Record(auth.Event{Kind: auth.EventRoleChanged, Actor: actor, Detail: detail})
}

func parseDescription(s string) (string, error) { return auth.ParseName(s) }
