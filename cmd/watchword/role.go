package main

import (
	"fmt"
	"strings"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/server"
)

type roleCmd struct {
	Create     roleCreate     `cmd:"" help:"Make a role."`
	List       roleList       `cmd:"" help:"List roles with their permissions."`
	Delete     roleDelete     `cmd:"" help:"Delete a role; whoever has it loses it."`
	Permission rolePermission `cmd:"" help:"Name a permission that roles can hold."`
	Allow      roleAllow      `cmd:"" help:"Add a permission to a role."`
	Disallow   roleDisallow   `cmd:"" help:"Take a permission from a role."`
	Assign     roleAssign     `cmd:"" help:"Give an account a role."`
	Unassign   roleUnassign   `cmd:"" help:"Take a role from an account."`
}

type roleCreate struct {
	ofTenant
	Name        string   `arg:"" help:"The role's name."`
	Description string   `help:"What it is for."`
	Allow       []string `placeholder:"PERMISSION" help:"Permissions it holds from the start; named if they are new."`
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
		return e.print(map[string]any{"id": r.ID, "name": r.Name, "permissions": c.Allow}, "Created role %s.", r.Name)
	})
}

type roleList struct{ ofTenant }

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
		return e.table(views, "ROLE\tPERMISSIONS\tDESCRIPTION", rows)
	})
}

type roleDelete struct {
	ofTenant
	Name string `arg:"" help:"The role's name."`
	Yes  bool   `required:"" help:"Really delete."`
	force
}

// force is a flag of commands that may take the last administrator of a tenant.
type force struct {
	Force bool `help:"Do it although nobody could administer the tenant any more."`
}

func (f force) allowed() []auth.Override {
	if f.Force {
		return []auth.Override{auth.AllowNoAdministrator}
	}
	return nil
}

func (c roleDelete) Run(e *env) error {
	return e.openTenant(c.id(), func(s *server.Server) error {
		if err := s.Access.DeleteRole(e.ctx, c.id(), c.Name, e.operator(), c.allowed()...); err != nil {
			return err
		}
		return e.print(map[string]string{"name": c.Name, "status": "deleted"}, "Deleted role %s.", c.Name)
	})
}

type rolePermission struct {
	ofTenant
	Name        string `arg:"" help:"Such as orders:read."`
	Description string `help:"What it lets one do, in words."`
}

func (c rolePermission) Run(e *env) error {
	return e.openTenant(c.id(), func(s *server.Server) error {
		if _, err := s.Access.PutPermission(e.ctx, c.id(), c.Name, c.Description, e.operator()); err != nil {
			return err
		}
		return e.print(map[string]string{"name": c.Name}, "Permission %s can now be given to roles.", c.Name)
	})
}

// warnRights says when tokens of accounts with the role have half of what fits.
func warnRights(e *env, s *server.Server, tenant auth.TenantID, role string) error {
	size, err := s.Access.RightsSize(e.ctx, tenant, role)
	if err == nil && size > auth.MaxRights/2 {
		fmt.Fprintf(e.Err, "Warning: the names of roles and permissions of an account with this role take %d bytes in its tokens; at most %d fit.\n", size, auth.MaxRights)
	}
	return err
}

type ofRole struct {
	ofTenant
	Role       string `arg:"" help:"The role's name."`
	Permission string `arg:"" help:"The permission's name."`
}

type roleAllow struct{ ofRole }

func (c roleAllow) Run(e *env) error {
	return e.openTenant(c.id(), func(s *server.Server) error {
		if err := s.Access.Allow(e.ctx, c.id(), c.Role, c.Permission, e.operator()); err != nil {
			return err
		}
		if err := warnRights(e, s, c.id(), c.Role); err != nil {
			return err
		}
		return e.print(map[string]string{"role": c.Role, "permission": c.Permission}, "%s may now %s; tokens say so after their next refresh.", c.Role, c.Permission)
	})
}

type roleDisallow struct {
	ofRole
	force
}

func (c roleDisallow) Run(e *env) error {
	return e.openTenant(c.id(), func(s *server.Server) error {
		if err := s.Access.Disallow(e.ctx, c.id(), c.Role, c.Permission, e.operator(), c.allowed()...); err != nil {
			return err
		}
		return e.print(map[string]string{"role": c.Role, "permission": c.Permission}, "%s may no longer %s; tokens say so after their next refresh.", c.Role, c.Permission)
	})
}

type ofAssignment struct {
	ofTenant
	Email string `arg:"" help:"The account's e-mail address."`
	Role  string `arg:"" help:"The role's name."`
}

func (o ofAssignment) with(e *env, fn func(*server.Server, auth.AccountID) error) error {
	return e.openTenant(o.id(), func(s *server.Server) error {
		a, err := s.Accounts.Find(e.ctx, o.id(), o.Email)
		if err != nil {
			return err
		}
		return fn(s, a.ID)
	})
}

type roleAssign struct{ ofAssignment }

func (c roleAssign) Run(e *env) error {
	return c.with(e, func(s *server.Server, id auth.AccountID) error {
		if err := s.Access.Assign(e.ctx, c.id(), id, c.Role, e.operator()); err != nil {
			return err
		}
		if err := warnRights(e, s, c.id(), c.Role); err != nil {
			return err
		}
		return e.print(map[string]any{"id": id, "role": c.Role}, "%s now has the role %s; tokens say so after their next refresh.", c.Email, c.Role)
	})
}

type roleUnassign struct {
	ofAssignment
	force
}

func (c roleUnassign) Run(e *env) error {
	return c.with(e, func(s *server.Server, id auth.AccountID) error {
		if err := s.Access.Unassign(e.ctx, c.id(), id, c.Role, e.operator(), c.allowed()...); err != nil {
			return err
		}
		return e.print(map[string]any{"id": id, "role": c.Role}, "%s no longer has the role %s; tokens say so after their next refresh.", c.Email, c.Role)
	})
}
