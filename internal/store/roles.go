package store

import (
	"slices"

	"github.com/watchword-auth/watchword/internal/auth"
)

func scanRole(s scanner, r *auth.Role) error {
	return s.Scan(&r.ID, &r.Name, &r.Description, timeDest(&r.CreatedAt))
}

// Role finds a role with its permissions by its name.
func (tx *Tx) Role(name string) (auth.Role, error) {
	r, err := queryRow(tx.q, scanRole, "SELECT id, name, description, created_at FROM roles WHERE tenant_id = $1 AND name = $2", tx.tenant, name)
	if err != nil {
		return r, err
	}
	r.Permissions, err = queryRows(tx.q, scanText, "SELECT permission FROM role_permissions WHERE tenant_id = $1 AND role_id = $2 ORDER BY permission", tx.tenant, r.ID)
	return r, err
}

// Roles lists the roles of the tenant with their permissions, by name.
func (tx *Tx) Roles() ([]auth.Role, error) {
	roles, err := queryRows(tx.q, scanRole, "SELECT id, name, description, created_at FROM roles WHERE tenant_id = $1 ORDER BY name", tx.tenant)
	if err != nil {
		return nil, err
	}
	type pair struct{ role, permission string }
	pairs, err := queryRows(tx.q, func(s scanner, p *pair) error { return s.Scan(&p.role, &p.permission) },
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

// DeleteRole deletes the role and its assignments.
func (tx *Tx) DeleteRole(id auth.RoleID) error {
	return execRow(tx.q, "DELETE FROM roles WHERE tenant_id = $1 AND id = $2", tx.tenant, id)
}

// PutPermission creates a permission, or replaces its description.
func (tx *Tx) PutPermission(p auth.Permission) error {
	return insert(tx.q, `INSERT INTO permissions (tenant_id, name, description, created_at) VALUES ($1, $2, $3, $4)
		ON CONFLICT (tenant_id, name) DO UPDATE SET description = excluded.description`,
		tx.tenant, p.Name, p.Description, millis(p.CreatedAt))
}

// Permissions lists the tenant's permissions by name.
func (tx *Tx) Permissions() ([]auth.Permission, error) {
	return queryRows(tx.q, func(s scanner, p *auth.Permission) error {
		return s.Scan(&p.Name, &p.Description, timeDest(&p.CreatedAt))
	},
		"SELECT name, description, created_at FROM permissions WHERE tenant_id = $1 ORDER BY name", tx.tenant)
}

// AddRolePermission adds an existing permission to a role. It reports whether that changed
// anything.
func (tx *Tx) AddRolePermission(role auth.RoleID, permission string) (bool, error) {
	n, err := execCount(tx.q, `INSERT INTO role_permissions (tenant_id, role_id, permission) VALUES ($1, $2, $3)
		ON CONFLICT (tenant_id, role_id, permission) DO NOTHING`, tx.tenant, role, permission)
	return n == 1, err
}

// RemoveRolePermission removes a permission from a role. It reports whether that changed
// anything.
func (tx *Tx) RemoveRolePermission(role auth.RoleID, permission string) (bool, error) {
	n, err := execCount(tx.q, "DELETE FROM role_permissions WHERE tenant_id = $1 AND role_id = $2 AND permission = $3", tx.tenant, role, permission)
	return n == 1, err
}

// AssignRole assigns a role to an account. It reports whether that changed anything.
func (tx *Tx) AssignRole(account auth.AccountID, role auth.RoleID) (bool, error) {
	n, err := execCount(tx.q, `INSERT INTO assignments (tenant_id, account_id, role_id, created_at) VALUES ($1, $2, $3, $4)
		ON CONFLICT (tenant_id, account_id, role_id) DO NOTHING`, tx.tenant, account, role, millis(tx.Now))
	return n == 1, err
}

// UnassignRole removes a role from an account. It reports whether that changed anything.
func (tx *Tx) UnassignRole(account auth.AccountID, role auth.RoleID) (bool, error) {
	n, err := execCount(tx.q, "DELETE FROM assignments WHERE tenant_id = $1 AND account_id = $2 AND role_id = $3", tx.tenant, account, role)
	return n == 1, err
}

// Rights returns the names of the roles of an account and the permissions of these roles, each
// sorted.
func (tx *Tx) Rights(account auth.AccountID) (roles, permissions []string, err error) {
	type right struct{ role, permission string }
	rights, err := queryRows(tx.q, func(s scanner, r *right) error { return s.Scan(&r.role, textDest(&r.permission)) },
		`SELECT r.name, p.permission FROM assignments a
		JOIN roles r ON r.tenant_id = a.tenant_id AND r.id = a.role_id
		LEFT JOIN role_permissions p ON p.tenant_id = r.tenant_id AND p.role_id = r.id
		WHERE a.tenant_id = $1 AND a.account_id = $2`, tx.tenant, account)
	if err != nil {
		return nil, nil, err
	}
	for _, r := range rights {
		roles = insertSorted(roles, r.role)
		if r.permission != "" {
			permissions = insertSorted(permissions, r.permission)
		}
	}
	return roles, permissions, nil
}

// Entitlement returns what the account may do now, with the permissions that the scope names.
func (tx *Tx) Entitlement(account auth.AccountID, scope auth.Scope) (e auth.Entitlement, err error) {
	if e.Roles, e.Permissions, err = tx.Rights(account); err != nil {
		return e, err
	}
	e.Known, err = tx.PermissionsIn(scope)
	return e, err
}

// PermissionsIn returns the names of the scope that are permissions of the tenant. A scope with
// only names of OpenID Connect needs no statement.
func (tx *Tx) PermissionsIn(scope auth.Scope) ([]string, error) {
	if scope.Within(auth.LoginScope) {
		return nil, nil
	}
	return queryRows(tx.q, scanText, "SELECT name FROM permissions WHERE tenant_id = $1 AND $2 LIKE '% ' || name || ' %'", tx.tenant, " "+scope.String()+" ")
}

// CountAdministrators counts the accounts that may administer the tenant, without those that are
// disabled or will be deleted.
func (tx *Tx) CountAdministrators() (int, error) {
	return queryRow(tx.q, func(s scanner, n *int) error { return s.Scan(n) }, `SELECT count(DISTINCT a.id) FROM role_permissions p
		JOIN assignments g ON g.tenant_id = p.tenant_id AND g.role_id = p.role_id
		JOIN accounts a ON a.tenant_id = g.tenant_id AND a.id = g.account_id
		WHERE p.tenant_id = $1 AND p.permission = $2 AND a.disabled_at IS NULL AND a.delete_at IS NULL`, tx.tenant, auth.AdminPermission)
}

// RequireAdministrator runs change. It returns last_administrator if change removed the
// last administrator of the tenant, unless an override allows it.
func (tx *Tx) RequireAdministrator(allowed []auth.Override, change func() error) error {
	before, err := tx.CountAdministrators()
	if err != nil {
		return err
	}
	if err := change(); err != nil || before == 0 {
		return err
	}
	after, err := tx.CountAdministrators()
	if err != nil {
		return err
	}
	return auth.KeepAdministrator(after == 0, allowed)
}

// LargestRights returns the largest auth.RightsSize of the accounts with the role; zero without
// such an account.
func (tx *Tx) LargestRights(role auth.RoleID) (int, error) {
	return queryRow(tx.q, func(s scanner, n *int) error { return s.Scan(n) }, `WITH holders AS (
			SELECT account_id FROM assignments WHERE tenant_id = $1 AND role_id = $2),
		held AS (
			SELECT h.account_id, g.role_id FROM holders h JOIN assignments g ON g.tenant_id = $1 AND g.account_id = h.account_id),
		names AS (
			SELECT h.account_id, 'r' AS kind, r.name AS name FROM held h JOIN roles r ON r.tenant_id = $1 AND r.id = h.role_id
			UNION
			SELECT h.account_id, 'p', p.permission FROM held h JOIN role_permissions p ON p.tenant_id = $1 AND p.role_id = h.role_id)
		SELECT coalesce(max(total), 0) FROM (SELECT sum(length(name) + 3) AS total FROM names GROUP BY account_id) AS sums`, tx.tenant, role)
}

// insertSorted inserts s into a sorted set.
func insertSorted(set []string, s string) []string {
	i, found := slices.BinarySearch(set, s)
	if found {
		return set
	}
	return slices.Insert(set, i, s)
}
