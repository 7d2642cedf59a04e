package main

import (
	"fmt"
	"time"

	"github.com/watchword-auth/watchword/internal/account"
	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/server"
	"github.com/watchword-auth/watchword/internal/store"
)

type userCmd struct {
	Create   userCreate   `cmd:"" help:"Create an account."`
	List     userList     `cmd:"" help:"List accounts."`
	Show     userShow     `cmd:"" help:"Show an account with its roles and sessions."`
	Disable  userDisable  `cmd:"" help:"Disable an account and end its sessions and tokens."`
	Enable   userEnable   `cmd:"" help:"Enable a disabled account, or unlock one that its owner locked."`
	SignOut  userSignOut  `cmd:"" name:"sign-out" help:"End all sessions of an account."`
	Password userPassword `cmd:"" help:"Set a new password and end all sessions."`
	Delete   userDelete   `cmd:"" help:"Delete an account and its data permanently."`

	Factors      userFactors      `cmd:"" help:"List the second factors of an account."`
	ResetFactors userResetFactors `cmd:"" name:"reset-factors" help:"Remove all second factors of an account and end its sessions. The next sign-in with the password adds one."`
	Rescue       userRescue       `cmd:"" help:"Print a link with which a user who lost all second factors adds a new one: once, within an hour, with the password."`
}

// tenantFlag is the flag of commands in one tenant.
type tenantFlag struct {
	Tenant string `default:"default" placeholder:"ID" help:"Tenant (default: default)."`
}

func (f tenantFlag) id() auth.TenantID { return auth.TenantID(f.Tenant) }

// userArg is the argument that names an account of a tenant.
type userArg struct {
	tenantFlag
	Email string `arg:"" help:"Email address or user name of the account."`
}

// withAccount calls fn with the account.
func (o userArg) withAccount(e *env, fn func(*server.Server, auth.Account) error) error {
	return e.openTenant(o.id(), func(s *server.Server) error {
		if _, err := auth.ParseLogin(o.Email); err != nil {
			return fmt.Errorf("<email> %s: an email address or a user name is expected, such as alice@example.com", o.Email)
		}
		a, err := s.Accounts.Find(e.ctx, o.id(), o.Email)
		if err != nil {
			return err
		}
		return fn(s, a)
	})
}

// checkEmail returns an error that names the argument unless value is an email address.
func checkEmail(argument, value string) error {
	if _, err := auth.ParseEmail(value); err != nil {
		return fmt.Errorf("%s %s: an email address of ASCII letters is expected, such as alice@example.com", argument, value)
	}
	return nil
}

type userView struct {
	ID        auth.AccountID `json:"id"`
	Email     string         `json:"email"`
	Username  string         `json:"username,omitempty"`
	Name      string         `json:"name,omitempty"`
	Verified  bool           `json:"verified"`
	Disabled  bool           `json:"disabled"`
	Locked    bool           `json:"locked,omitempty"`
	DeleteAt  *time.Time     `json:"delete_at,omitempty"`
	CreatedAt time.Time      `json:"created_at"`
	LastLogin *time.Time     `json:"last_login_at,omitempty"`
}

func viewUser(a auth.Account) userView {
	v := userView{ID: a.ID, Email: a.Email.Address, Username: a.Username, Name: a.Name, Verified: a.Verified(), Disabled: a.Disabled(), Locked: a.Locked(), CreatedAt: a.CreatedAt}
	if !a.LastLoginAt.IsZero() {
		v.LastLogin = &a.LastLoginAt
	}
	if !a.DeleteAt.IsZero() {
		v.DeleteAt = &a.DeleteAt
	}
	return v
}

func (v userView) state() string {
	switch {
	case v.Disabled:
		return "disabled"
	case v.Locked:
		return "locked"
	case v.DeleteAt != nil:
		return "to be deleted"
	case !v.Verified:
		return "unverified"
	}
	return "active"
}

type userCreate struct {
	tenantFlag
	Email         string `required:"" help:"Email address, used to sign in."`
	Username      string `help:"User name, where the tenant has user names."`
	Name          string `help:"Display name."`
	PasswordStdin bool   `name:"password-stdin" help:"Read the password from standard input. Without it, the user gets an email with a link to choose one."`
	Verified      bool   `help:"Mark the address as verified."`
}

func (c userCreate) Run(e *env) error {
	if err := checkEmail("--email", c.Email); err != nil {
		return err
	}
	creation := account.Creation{Email: c.Email, Username: c.Username, Name: c.Name, Verified: c.Verified}
	if c.PasswordStdin {
		var err error
		if creation.Password, err = e.readSecret(); err != nil {
			return err
		}
	}
	return e.openTenant(c.id(), func(s *server.Server) error {
		a, err := s.Accounts.Create(e.ctx, c.id(), creation, e.operator())
		if err != nil {
			return err
		}
		return e.print(map[string]any{"id": a.ID, "email": a.Email.Address}, "Created %s (%s).", a.Email, a.ID)
	})
}

type userList struct {
	tenantFlag
	Prefix string `help:"Only addresses that start with this."`
	After  string `placeholder:"ID" help:"Only accounts after this ID, for the next page."`
	Limit  int    `default:"100" help:"Maximum number of accounts."`
}

func (c userList) Run(e *env) error {
	return e.openTenant(c.id(), func(s *server.Server) error {
		list, err := s.Accounts.List(e.ctx, c.id(), store.AccountFilter{After: auth.AccountID(c.After), Prefix: c.Prefix, Limit: c.Limit})
		if err != nil {
			return err
		}
		views, rows := make([]userView, 0, len(list)), [][]string{}
		for _, a := range list {
			v := viewUser(a)
			views = append(views, v)
			rows = append(rows, []string{string(v.ID), v.Email, v.state(), v.CreatedAt.Format(time.DateTime)})
		}
		return e.printTable(views, "ID\tEMAIL\tSTATE\tCREATED (UTC)", rows)
	})
}

type userShow struct{ userArg }

func (c userShow) Run(e *env) error {
	return c.withAccount(e, func(s *server.Server, a auth.Account) error {
		roles, permissions, err := s.Access.RightsOf(e.ctx, c.id(), a.ID)
		if err != nil {
			return err
		}
		sessions, err := s.Accounts.Sessions(e.ctx, c.id(), a.ID)
		if err != nil {
			return err
		}
		v := viewUser(a)
		return e.print(map[string]any{"account": v, "roles": roles, "permissions": permissions, "sessions": len(sessions)},
			"%s\n  id           %s\n  user name    %s\n  name         %s\n  state        %s\n  roles        %v\n  permissions  %v\n  sessions     %d",
			v.Email, v.ID, v.Username, v.Name, v.state(), roles, permissions, len(sessions))
	})
}

type userDisable struct {
	userArg
	forceFlag
}

func (c userDisable) Run(e *env) error {
	return c.withAccount(e, func(s *server.Server, a auth.Account) error {
		if err := s.Accounts.Disable(e.ctx, c.id(), a.ID, e.operator(), c.overrides()...); err != nil {
			return err
		}
		return e.print(map[string]any{"id": a.ID, "status": "disabled"}, "Disabled %s and ended all sessions and tokens.", a.Email)
	})
}

type userEnable struct{ userArg }

func (c userEnable) Run(e *env) error {
	return c.withAccount(e, func(s *server.Server, a auth.Account) error {
		if err := s.Accounts.Enable(e.ctx, c.id(), a.ID, e.operator()); err != nil {
			return err
		}
		return e.print(map[string]any{"id": a.ID, "status": "enabled"}, "Enabled %s.", a.Email)
	})
}

type userSignOut struct{ userArg }

func (c userSignOut) Run(e *env) error {
	return c.withAccount(e, func(s *server.Server, a auth.Account) error {
		n, err := s.Accounts.EndOtherSessions(e.ctx, c.id(), a.ID, "", e.operator())
		if err != nil {
			return err
		}
		return e.print(map[string]any{"id": a.ID, "ended": n}, "Ended %d sessions of %s.", n, a.Email)
	})
}

type userPassword struct {
	userArg
	PasswordStdin bool `name:"password-stdin" required:"" help:"Read the new password from standard input."`
}

func (c userPassword) Run(e *env) error {
	password, err := e.readSecret()
	if err != nil {
		return err
	}
	return c.withAccount(e, func(s *server.Server, a auth.Account) error {
		if err := s.Accounts.SetPassword(e.ctx, c.id(), a.ID, password, e.operator()); err != nil {
			return err
		}
		return e.print(map[string]any{"id": a.ID, "status": "password_set"}, "Set the password of %s and ended all sessions.", a.Email)
	})
}

type userDelete struct {
	userArg
	Yes bool `required:"" help:"Confirm the deletion."`
	forceFlag
}

func (c userDelete) Run(e *env) error {
	return c.withAccount(e, func(s *server.Server, a auth.Account) error {
		if err := s.Accounts.Remove(e.ctx, c.id(), a.ID, e.operator(), c.overrides()...); err != nil {
			return err
		}
		return e.print(map[string]any{"id": a.ID, "status": "deleted"}, "Deleted %s.", a.Email)
	})
}
