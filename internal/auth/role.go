package auth

import (
	"strings"
	"time"
)

// Role is a named bundle of permissions inside a tenant.
type Role struct {
	ID          RoleID
	Name        string
	Description string
	Permissions []string
	CreatedAt   time.Time
}

// Permission is a right that an API requires, such as "orders:write".
type Permission struct {
	Name        string
	Description string
	CreatedAt   time.Time
}

const nameChars = "abcdefghijklmnopqrstuvwxyz0123456789:._-/"

func parseTokenName(code Code, field, s string) (string, error) {
	if len(s) < 1 || len(s) > 100 || strings.Trim(s, nameChars) != "" {
		return "", Invalid(code, field, "want 1–100 of a–z, 0–9 and : . _ - /")
	}
	return s, nil
}

// ParseRoleName checks a role's name: 1–100 of [a-z0-9:._-/].
func ParseRoleName(s string) (string, error) { return parseTokenName(CodeRoleInvalid, "role", s) }

// ParsePermission checks a permission's name: 1–100 of [a-z0-9:._-/].
func ParsePermission(s string) (string, error) {
	return parseTokenName(CodePermissionInvalid, "permission", s)
}

// AdminRole is the built-in role of a tenant's administrators.
const AdminRole = "admin"
