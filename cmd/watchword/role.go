package main

import (
	"fmt"
	"strings"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/server"
)

type roleCmd struct {
	Create     roleCreate     `cmd:"" help:"Create a role."`
	List       roleList       `cmd:"" help:"List roles and their permissions."`
	Delete     roleDelete     `cmd:"" help:"Delete a role and remove it from all accounts."`
	Permission rolePermission `cmd:"" help:"Define a permission."`
	Allow      roleAllow      `cmd:"" help:"Add a permission to a role."`
	Disallow   roleDisallow   `cmd:"" help:"Remove a permission from a role."`
	Assign     roleAssign     `cmd:"" help:"Assign a role to an account."`
	Unassign   roleUnassign   `cmd:"" help:"Remove a role from an account."`
}

type roleCreate struct {
	tenantFlag
	Name        string   `arg:"" help:"The role's name."`
	Description string   `help:"Description of the role."`
	Allow       []string `placeholder:"PERMISSION" help:"Permission of the role; defined if it is new. Repeatable."`
}

func (c roleCreate) Run(e *env) error {
	return e.openTenant(c.id(), func(s *server.Server) error {
		r, err := s.Access.CreateRole(e.ctx, c.id(), c.Name, c.Description, e.operator())
		if err != nil {
			return err
		}
		for _, p := range c.Allow {
			if _, err := s.Access.PutPermission(e.ctx, c.id(), p, "", e.operator()); err != nil {
				return err
			}
			if err := s.Access.Allow(e.ctx, c.id(), r.Name, p, e.operator()); err != nil {
				return err
			}
		}
		return e.print(map[string]any{"id": r.ID, "name": r.Name, "permissions": c.Allow}, "Role %s created.", r.Name)
	})
}

type roleList struct{ tenantFlag }

func (c roleList) Run(e *env) error {
	return e.openTenant(c.id(), func(s *server.Server) error {
		roles, err := s.Access.Roles(e.ctx, c.id())
		if err != nil {
			return err
		}
		type view struct {
			ID          auth.RoleID `json:"id"`
			Name        string      `json:"name"`
			Description string      `json:"description,omitempty"`
			Permissions []string    `json:"permissions"`
		}
		views, rows := []view{}, [][]string{}
		for _, r := range roles {
			views = append(views, view{r.ID, r.Name, r.Description, append([]string{}, r.Permissions...)})
			rows = append(rows, []string{r.Name, strings.Join(r.Permissions, " "), r.Description})
		}
		return e.printTable(views, "ROLE\tPERMISSIONS\tDESCRIPTION", rows)
	})
}

type roleDelete struct {
	tenantFlag
	Name string `arg:"" help:"The role's name."`
	Yes  bool   `required:"" help:"Confirm the deletion."`
	forceFlag
}

// forceFlag is the flag of commands that could remove a tenant's last administrator.
type forceFlag struct {
	Force bool `help:"Proceed even if it leaves the tenant without an administrator."`
}

func (f forceFlag) overrides() []auth.Override {
	if f.Force {
		return []auth.Override{auth.AllowNoAdministrator}
	}
	return nil
}

func (c roleDelete) Run(e *env) error {
	return e.openTenant(c.id(), func(s *server.Server) error {
		if err := s.Access.DeleteRole(e.ctx, c.id(), c.Name, e.operator(), c.overrides()...); err != nil {
			return err
		}
		return e.print(map[string]string{"name": c.Name, "status": "deleted"}, "Role %s deleted.", c.Name)
	})
}

type rolePermission struct {
	tenantFlag
	Name        string `arg:"" help:"Name of the permission, such as orders:read."`
	Description string `help:"Description of the permission."`
}

func (c rolePermission) Run(e *env) error {
	return e.openTenant(c.id(), func(s *server.Server) error {
		if _, err := s.Access.PutPermission(e.ctx, c.id(), c.Name, c.Description, e.operator()); err != nil {
			return err
		}
		return e.print(map[string]string{"name": c.Name}, "Permission %s defined.", c.Name)
	})
}

// warnRightsSize warns when the rights of an account with the role take more than half of
// the space that tokens have for them.
func warnRightsSize(e *env, s *server.Server, tenant auth.TenantID, role string) error {
	size, err := s.Access.RightsSize(e.ctx, tenant, role)
	if err == nil && size > auth.MaxRights/2 {
		fmt.Fprintf(e.Err, "Warning: the roles and permissions of an account with this role take %d bytes in its tokens; the limit is %d.\n", size, auth.MaxRights)
	}
	return err
}

type rolePermissionArgs struct {
	tenantFlag
	Role       string `arg:"" help:"The role's name."`
	Permission string `arg:"" help:"The permission's name."`
}

type roleAllow struct{ rolePermissionArgs }

func (c roleAllow) Run(e *env) error {
	return e.openTenant(c.id(), func(s *server.Server) error {
		if err := s.Access.Allow(e.ctx, c.id(), c.Role, c.Permission, e.operator()); err != nil {
			return err
		}
		if err := warnRightsSize(e, s, c.id(), c.Role); err != nil {
			return err
		}
		return e.print(map[string]string{"role": c.Role, "permission": c.Permission}, "Role %s now has permission %s. Tokens change at the next refresh.", c.Role, c.Permission)
	})
}

type roleDisallow struct {
	rolePermissionArgs
	forceFlag
}

func (c roleDisallow) Run(e *env) error {
	return e.openTenant(c.id(), func(s *server.Server) error {
		if err := s.Access.Disallow(e.ctx, c.id(), c.Role, c.Permission, e.operator(), c.overrides()...); err != nil {
			return err
		}
		return e.print(map[string]string{"role": c.Role, "permission": c.Permission}, "Role %s no longer has permission %s. Tokens change at the next refresh.", c.Role, c.Permission)
	})
}

type assignmentArgs struct {
	userArg
	Role string `arg:"" help:"The role's name."`
}

type roleAssign struct{ assignmentArgs }

func (c roleAssign) Run(e *env) error {
	return c.withAccount(e, func(s *server.Server, a auth.Account) error {
		if err := s.Access.Assign(e.ctx, c.id(), a.ID, c.Role, e.operator()); err != nil {
			return err
		}
		if err := warnRightsSize(e, s, c.id(), c.Role); err != nil {
			return err
		}
		return e.print(map[string]any{"id": a.ID, "role": c.Role}, "%s now has role %s. Tokens change at the next refresh.", c.Email, c.Role)
	})
}

type roleUnassign struct {
	assignmentArgs
	forceFlag
}

func (c roleUnassign) Run(e *env) error {
	return c.withAccount(e, func(s *server.Server, a auth.Account) error {
		if err := s.Access.Unassign(e.ctx, c.id(), a.ID, c.Role, e.operator(), c.overrides()...); err != nil {
			return err
		}
		return e.print(map[string]any{"id": a.ID, "role": c.Role}, "%s no longer has role %s. Tokens change at the next refresh.", c.Email, c.Role)
	})
}
