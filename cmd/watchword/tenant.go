package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/server"
)

type tenantCmd struct {
	Create tenantCreate `cmd:"" help:"Create a tenant with its own issuer, keys, accounts and roles."`
	List   tenantList   `cmd:"" help:"List tenants."`
	Show   tenantShow   `cmd:"" help:"Show the settings of a tenant."`
	Set    tenantSet    `cmd:"" help:"Change the settings of a tenant, with flags or JSON on standard input."`
}

type tenantView struct {
	ID       auth.TenantID `json:"id"`
	Name     string        `json:"name"`
	Issuer   string        `json:"issuer"`
	Disabled bool          `json:"disabled"`
	Settings auth.Settings `json:"settings"`
}

func viewTenant(base string, t auth.Tenant) tenantView {
	return tenantView{ID: t.ID, Name: t.Name, Issuer: t.ID.Issuer(base), Disabled: t.Disabled(), Settings: t.Settings}
}

type tenantCreate struct {
	ID   string `arg:"" help:"ID, part of the issuer: 1 to 63 characters a–z, 0–9 and hyphen."`
	Name string `help:"Display name (default: the ID)."`
}

func (c tenantCreate) Run(e *env) error {
	return e.open(func(s *server.Server) error {
		name := c.Name
		if name == "" {
			name = c.ID
		}
		t, err := s.Tenants.Create(e.ctx, c.ID, name, auth.Settings{}, e.operator())
		if err != nil {
			return err
		}
		v := viewTenant(e.base, t)
		return e.print(v, "Tenant %s created. Issuer: %s", v.ID, v.Issuer)
	})
}

type tenantList struct{}

func (tenantList) Run(e *env) error {
	return e.open(func(s *server.Server) error {
		list, err := s.Tenants.List(e.ctx)
		if err != nil {
			return err
		}
		views, rows := []tenantView{}, [][]string{}
		for _, t := range list {
			v := viewTenant(e.base, t)
			views = append(views, v)
			rows = append(rows, []string{string(v.ID), v.Name, v.Issuer})
		}
		return e.printTable(views, "ID\tNAME\tISSUER", rows)
	})
}

type tenantShow struct {
	ID string `arg:"" optional:"" default:"default" help:"ID of the tenant."`
}

func (c tenantShow) Run(e *env) error {
	return e.open(func(s *server.Server) error {
		t, err := s.Tenants.Get(e.ctx, auth.TenantID(c.ID))
		if err != nil {
			return err
		}
		return e.printJSON(viewTenant(e.base, t))
	})
}

type tenantSet struct {
	ID       string            `arg:"" help:"ID of the tenant."`
	Name     string            `help:"New display name."`
	Disable  bool              `xor:"state" help:"Disable the tenant: no sign-ins, no tokens."`
	Enable   bool              `xor:"state" help:"Enable the tenant."`
	Stdin    bool              `name:"settings-stdin" help:"Read settings as a JSON object from standard input; absent members stay unchanged."`
	Names    *string           `name:"identifiers" enum:"email,username,both" placeholder:"email|username|both" help:"Names with which users sign in."`
	Deletion *int              `name:"deletion-days" placeholder:"DAYS" help:"Days after which an account is deleted whose owner asks for that, 0 (at once) to 30."`
	Rules    passwordRuleFlags `embed:"" prefix:"password-"`
	Factors  factorFlags       `embed:""`
	SignIn   signInFlags       `embed:""`
}

// signInFlags are the flags for mailed codes and trusted browsers.
type signInFlags struct {
	EmailSignIn *bool `negatable:"" help:"Let users sign in with a mailed link or code instead of a password."`
	EmailCode   *bool `negatable:"" help:"Mail a code to accounts without an authenticator where a second factor is required."`
	TrustDays   *int  `placeholder:"N" help:"Days for which users can exempt a browser from second factors, 0 to 90 (default 30)."`
}

// apply sets the given flags.
func (f signInFlags) apply(to *auth.Settings) {
	if f.EmailSignIn != nil {
		to.EmailSignIn = *f.EmailSignIn
	}
	if f.EmailCode != nil {
		to.Factors.EmailCode = *f.EmailCode
	}
	if f.TrustDays != nil {
		to.Factors.TrustDays = f.TrustDays
	}
}

// passwordRuleFlags are the flags for the password rules of a tenant.
type passwordRuleFlags struct {
	MinLength      *int  `placeholder:"N" help:"Minimum length of new passwords, 8 to 64 (default: 15, or 8 beside a second factor)."`
	MaxLength      *int  `placeholder:"N" help:"Maximum length of new passwords, 64 to 128."`
	MinScore       *int  `placeholder:"N" help:"Minimum strength, 0 to 4 (zxcvbn)."`
	RequireUpper   *bool `negatable:"" help:"Require an uppercase letter."`
	RequireLower   *bool `negatable:"" help:"Require a lowercase letter."`
	RequireDigit   *bool `negatable:"" help:"Require a digit."`
	RequireSpecial *bool `negatable:"" help:"Require a character that is neither a letter nor a digit."`
}

// apply sets the given flags.
func (r passwordRuleFlags) apply(to *auth.PasswordRules) {
	if r.MinScore != nil {
		to.MinScore = r.MinScore
	}
	for at, v := range map[*int]*int{&to.MinLength: r.MinLength, &to.MaxLength: r.MaxLength} {
		if v != nil {
			*at = *v
		}
	}
	for at, v := range map[*bool]*bool{
		&to.RequireUpper: r.RequireUpper, &to.RequireLower: r.RequireLower, &to.RequireDigit: r.RequireDigit, &to.RequireSpecial: r.RequireSpecial,
	} {
		if v != nil {
			*at = *v
		}
	}
}

func (c tenantSet) Run(e *env) error {
	var settings []byte
	if c.Stdin {
		var err error
		if settings, err = io.ReadAll(io.LimitReader(e.In, 1<<20)); err != nil {
			return fmt.Errorf("read settings: %w", err)
		}
	}
	return e.open(func(s *server.Server) error {
		now := s.DB.Now()
		t, err := s.Tenants.Update(e.ctx, auth.TenantID(c.ID), func(t *auth.Tenant) error { return c.apply(t, settings, now) }, e.operator())
		if err != nil {
			return err
		}
		return e.printJSON(viewTenant(e.base, t))
	})
}

// apply changes the tenant. It may run more than once, each time on the current tenant.
func (c tenantSet) apply(t *auth.Tenant, settings []byte, now time.Time) error {
	if c.Name != "" {
		t.Name = c.Name
	}
	switch {
	case c.Disable && !t.Disabled():
		t.DisabledAt = now
	case c.Enable:
		t.DisabledAt = time.Time{}
	}
	if !c.Stdin {
		c.applyFlags(&t.Settings)
		return nil
	}
	err := auth.ReadSettings(settings, &t.Settings)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = errors.New("standard input: a JSON object is expected")
	}
	if e, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		err = fmt.Errorf("%s must not be a %s", e.Field, e.Value)
	}
	if err != nil {
		return auth.Invalid(auth.CodeSettingsInvalid, "settings", "settings: "+strings.TrimPrefix(err.Error(), "json: "))
	}
	c.applyFlags(&t.Settings)
	return nil
}

// applyFlags sets the settings that have flags.
func (c tenantSet) applyFlags(to *auth.Settings) {
	if c.Names != nil {
		to.Identifiers = auth.Identifiers(*c.Names)
	}
	if c.Deletion != nil {
		to.DeletionDays = *c.Deletion
	}
	c.Rules.apply(&to.Password)
	c.Factors.apply(&to.Factors)
	c.SignIn.apply(to)
}
