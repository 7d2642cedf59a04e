package store

import (
	"slices"

	"github.com/watchword-auth/watchword/internal/auth"
)

func scanRole(s scanner, r *auth.Role) error {
	return s.Scan(&r.ID, &r.Name, &r.Description, at(&r.CreatedAt))
}

// Role finds a role by its name, with its permissions.
func (tx *Tx) Role(name string) (auth.Role, error) {
	r, err := one(tx.q, scanRole, "SELECT id, name, description, created_at FROM roles WHERE tenant_id = $1 AND name = $2", tx.tenant, name)
	if err != nil {
		return r, err
	}
	r.Permissions, err = all(tx.q, text, "SELECT permission FROM role_permissions WHERE tenant_id = $1 AND role_id = $2 ORDER BY permission", tx.tenant, r.ID)
	return r, err
}

// Roles lists the roles of the tenant by name, with their permissions.
func (tx *Tx) Roles() ([]auth.Role, error) {
	roles, err := all(tx.q, scanRole, "SELECT id, name, description, created_at FROM roles WHERE tenant_id = $1 ORDER BY name", tx.tenant)
	if err != nil {
		return nil, err
	}
	type pair struct{ role, permission string }
	pairs, err := all(tx.q, func(s scanner, p *pair) error { return s.Scan(&p.role, &p.permission) },
		"SELECT role_id, permission FROM role_permissions WHERE tenant_id = $1 ORDER BY role_id, permission", tx.tenant)
	if err != nil {
		return nil, err
	}
	of := map[string][]string{}
	for _, p := range pairs {
		of[p.role] = append(of[p.role], p.permission)
	}
	for i := range roles {
		roles[i].Permissions = of[string(roles[i].ID)]
	}
	return roles, nil
}

// InsertRole returns ErrConflict when the name is taken.
func (tx *Tx) InsertRole(r auth.Role) error {
	return insert(tx.q, `INSERT INTO roles (tenant_id, id, name, description, created_at)
		VALUES ($1, $2, $3, $4, $5) ON CONFLICT (tenant_id, name) DO NOTHING`,
		tx.tenant, r.ID, r.Name, r.Description, millis(r.CreatedAt))
}

// DeleteRole takes the role from everybody who has it.
func (tx *Tx) DeleteRole(id auth.RoleID) error {
	return must(tx.q, "DELETE FROM roles WHERE tenant_id = $1 AND id = $2", tx.tenant, id)
}

// PutPermission names a permission, or renames its description.
func (tx *Tx) PutPermission(p auth.Permission) error {
	return insert(tx.q, `INSERT INTO permissions (tenant_id, name, description, created_at) VALUES ($1, $2, $3, $4)
		ON CONFLICT (tenant_id, name) DO UPDATE SET description = excluded.description`,
		tx.tenant, p.Name, p.Description, millis(p.CreatedAt))
}

// Permissions lists the tenant's permissions by name.
func (tx *Tx) Permissions() ([]auth.Permission, error) {
	return all(tx.q, func(s scanner, p *auth.Permission) error { return s.Scan(&p.Name, &p.Description, at(&p.CreatedAt)) },
		"SELECT name, description, created_at FROM permissions WHERE tenant_id = $1 ORDER BY name", tx.tenant)
}

// Allow adds a permission, which must exist, to a role. It reports whether that
// changed anything.
func (tx *Tx) Allow(role auth.RoleID, permission string) (bool, error) {
	n, err := affect(tx.q, `INSERT INTO role_permissions (tenant_id, role_id, permission) VALUES ($1, $2, $3)
		ON CONFLICT (tenant_id, role_id, permission) DO NOTHING`, tx.tenant, role, permission)
	return n == 1, err
}

// Disallow takes a permission from a role.
func (tx *Tx) Disallow(role auth.RoleID, permission string) (bool, error) {
	n, err := affect(tx.q, "DELETE FROM role_permissions WHERE tenant_id = $1 AND role_id = $2 AND permission = $3", tx.tenant, role, permission)
	return n == 1, err
}

// Assign gives a role to an account. It reports whether that changed anything.
func (tx *Tx) Assign(account auth.AccountID, role auth.RoleID) (bool, error) {
	n, err := affect(tx.q, `INSERT INTO assignments (tenant_id, account_id, role_id, created_at) VALUES ($1, $2, $3, $4)
		ON CONFLICT (tenant_id, account_id, role_id) DO NOTHING`, tx.tenant, account, role, millis(tx.Now))
	return n == 1, err
}

// Unassign takes a role from an account.
func (tx *Tx) Unassign(account auth.AccountID, role auth.RoleID) (bool, error) {
	n, err := affect(tx.q, "DELETE FROM assignments WHERE tenant_id = $1 AND account_id = $2 AND role_id = $3", tx.tenant, account, role)
	return n == 1, err
}

// Rights are the names of an account's roles and the permissions these add up to,
// each sorted.
func (tx *Tx) Rights(account auth.AccountID) (roles, permissions []string, err error) {
	type right struct{ role, permission string }
	rights, err := all(tx.q, func(s scanner, r *right) error { return s.Scan(&r.role, opt(&r.permission)) },
		`SELECT r.name, p.permission FROM assignments a
		JOIN roles r ON r.tenant_id = a.tenant_id AND r.id = a.role_id
		LEFT JOIN role_permissions p ON p.tenant_id = r.tenant_id AND p.role_id = r.id
		WHERE a.tenant_id = $1 AND a.account_id = $2`, tx.tenant, account)
	if err != nil {
		return nil, nil, err
	}
	for _, r := range rights {
		roles = add(roles, r.role)
		if r.permission != "" {
			permissions = add(permissions, r.permission)
		}
	}
	return roles, permissions, nil
}

// add inserts s into a sorted set.
func add(set []string, s string) []string {
	i, found := slices.BinarySearch(set, s)
	if found {
		return set
	}
	return slices.Insert(set, i, s)
}
