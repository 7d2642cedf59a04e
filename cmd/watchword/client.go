package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/oidc"
	"github.com/watchword-auth/watchword/internal/server"
)

type clientCmd struct {
	Create       clientCreate       `cmd:"" help:"Register a program that asks for tokens; its secret is shown once."`
	List         clientList         `cmd:"" help:"List clients."`
	Show         clientShow         `cmd:"" help:"Show one client."`
	RotateSecret clientRotateSecret `cmd:"" name:"rotate-secret" help:"Give a client a new secret; the former one works on for a while."`
	Disable      clientDisable      `cmd:"" help:"Shut a client; nothing it has works here any more."`
	Enable       clientEnable       `cmd:"" help:"Open a disabled client again."`
	Delete       clientDelete       `cmd:"" help:"Delete a client for good."`
}

type clientView struct {
	ID           auth.ClientID    `json:"client_id"`
	Name         string           `json:"name"`
	Type         auth.ClientType  `json:"type"`
	FirstParty   bool             `json:"first_party"`
	Disabled     bool             `json:"disabled"`
	RedirectURIs []string         `json:"redirect_uris"`
	Scopes       []string         `json:"scopes"`
	Grants       []auth.GrantType `json:"grant_types"`
	Auth         auth.AuthMethod  `json:"token_endpoint_auth_method,omitempty"`
	JWKS         json.RawMessage  `json:"jwks,omitempty"`
	Audiences    []string         `json:"audiences"`
	Serves       []string         `json:"serves"`
	Secrets      []secretView     `json:"secrets"`
	CreatedAt    time.Time        `json:"created_at"`
}

// secretView is what can be said of a secret that nobody can read again.
type secretView struct {
	CreatedAt time.Time  `json:"created_at"`
	ExpiresAt *time.Time `json:"expires_at,omitempty"`
}

func viewClient(c auth.Client) clientView {
	v := clientView{
		ID: c.ID, Name: c.Name, Type: c.Type, FirstParty: c.FirstParty, Disabled: c.Disabled(), CreatedAt: c.CreatedAt,
		RedirectURIs: append([]string{}, c.RedirectURIs...), Scopes: append([]string{}, c.Scopes...),
		Grants: append([]auth.GrantType{}, c.Settings.Grants...), Auth: c.Settings.Auth, JWKS: c.Settings.JWKS,
		Audiences: append([]string{}, c.Settings.Audiences...), Serves: append([]string{}, c.Settings.Serves...), Secrets: []secretView{},
	}
	if c.Public() {
		v.Auth = auth.AuthNone
	}
	for _, s := range c.Secrets {
		sv := secretView{CreatedAt: s.CreatedAt}
		if !s.ExpiresAt.IsZero() {
			sv.ExpiresAt = &s.ExpiresAt
		}
		v.Secrets = append(v.Secrets, sv)
	}
	return v
}

func (v clientView) state() string {
	if v.Disabled {
		return "disabled"
	}
	return "active"
}

type clientCreate struct {
	ofTenant
	Name        string   `required:"" help:"Name to show to people."`
	Type        string   `required:"" enum:"web,spa,native,machine" help:"web (with a server), spa (in a browser), native (on a device), machine (no person)."`
	RedirectURI []string `name:"redirect-uri" sep:"none" placeholder:"URL" help:"Where people come back to; exact. Repeat for more."`
	Scope       []string `sep:"none" placeholder:"SCOPE" help:"A scope it may ask for. Repeat for more."`
	FirstParty  bool     `name:"first-party" help:"It is your own: people are not asked for consent."`
	Auth        string   `enum:"client_secret_basic,client_secret_post,private_key_jwt," default:"" help:"The one way in which it proves itself (default: a secret, sent either way; spa and native prove nothing)."`
	JWKS        string   `name:"jwks" placeholder:"FILE" help:"Its public keys as a JWK Set, for private_key_jwt."`
	Audience    []string `sep:"none" placeholder:"URL" help:"A resource it may ask tokens for. Repeat for more."`
	Serves      []string `sep:"none" placeholder:"URL" help:"An audience it is the API of, and whose tokens it may introspect. Repeat for more."`
}

// created is the answer of the commands that show a secret.
type created struct {
	ID     auth.ClientID `json:"client_id"`
	Secret string        `json:"client_secret,omitempty"`
}

func (c clientCreate) Run(e *env) error {
	r := oidc.Registration{
		Name: c.Name, Type: auth.ClientType(c.Type), FirstParty: c.FirstParty, RedirectURIs: c.RedirectURI, Scopes: c.Scope,
		ClientSettings: auth.ClientSettings{Auth: auth.AuthMethod(c.Auth), Audiences: c.Audience, Serves: c.Serves},
	}
	if c.JWKS != "" {
		b, err := os.ReadFile(c.JWKS)
		if err != nil {
			return fmt.Errorf("read the keys: %w", err)
		}
		r.JWKS = b
	}
	return e.open(func(s *server.Server) error {
		client, secret, err := s.OIDC.CreateClient(e.ctx, c.id(), r, e.operator())
		if err != nil {
			return err
		}
		out := created{client.ID, secret.Reveal()}
		if out.Secret == "" {
			return e.print(out, "Created client %s.", out.ID)
		}
		return e.print(out, "Created client %s.\nIts secret, shown this once: %s", out.ID, out.Secret)
	})
}

type clientList struct{ ofTenant }

func (c clientList) Run(e *env) error {
	return e.open(func(s *server.Server) error {
		list, err := s.OIDC.Clients(e.ctx, c.id())
		if err != nil {
			return err
		}
		views, rows := []clientView{}, [][]string{}
		for _, one := range list {
			v := viewClient(one)
			views = append(views, v)
			rows = append(rows, []string{string(v.ID), v.state(), string(v.Type), v.Name})
		}
		return e.table(views, "CLIENT ID\tSTATE\tTYPE\tNAME", rows)
	})
}

// ofClient names one client of a tenant.
type ofClient struct {
	ofTenant
	ID string `arg:"" name:"client-id" help:"The client_id."`
}

func (o ofClient) client() auth.ClientID { return auth.ClientID(o.ID) }

type clientShow struct{ ofClient }

func (c clientShow) Run(e *env) error {
	return e.open(func(s *server.Server) error {
		client, err := s.OIDC.Client(e.ctx, c.id(), c.client())
		if err != nil {
			return err
		}
		v := viewClient(client)
		if e.common.JSON {
			return e.printJSON(v)
		}
		rows := [][]string{
			{"name", v.Name}, {"type", string(v.Type)}, {"state", v.state()}, {"first party", fmt.Sprint(v.FirstParty)},
			{"grants", fmt.Sprint(v.Grants)}, {"scopes", fmt.Sprint(v.Scopes)}, {"redirect URIs", strings.Join(v.RedirectURIs, " ")},
			{"audiences", strings.Join(v.Audiences, " ")}, {"serves", strings.Join(v.Serves, " ")},
		}
		for _, secret := range v.Secrets {
			until := "until it is rotated"
			if secret.ExpiresAt != nil {
				until = "until " + secret.ExpiresAt.Format(time.DateTime)
			}
			rows = append(rows, []string{"secret", "since " + secret.CreatedAt.Format(time.DateTime) + ", " + until})
		}
		return e.table(nil, "CLIENT\t"+string(v.ID), rows)
	})
}

type clientRotateSecret struct {
	ofClient
	Overlap time.Duration `default:"24h" help:"How long the former secret works on; 0s ends it now."`
}

func (c clientRotateSecret) Run(e *env) error {
	return e.open(func(s *server.Server) error {
		client, secret, err := s.OIDC.RotateSecret(e.ctx, c.id(), c.client(), c.Overlap, e.operator())
		if err != nil {
			return err
		}
		return e.print(created{client.ID, secret.Reveal()}, "The new secret of %s, shown this once: %s\nThe former one works for another %s.", client.ID, secret.Reveal(), c.Overlap)
	})
}

type clientDisable struct{ ofClient }

func (c clientDisable) Run(e *env) error {
	return e.open(func(s *server.Server) error {
		client, err := s.OIDC.DisableClient(e.ctx, c.id(), c.client(), e.operator())
		if err != nil {
			return err
		}
		return e.print(viewClient(client), "Client %s is shut.", client.ID)
	})
}

type clientEnable struct{ ofClient }

func (c clientEnable) Run(e *env) error {
	return e.open(func(s *server.Server) error {
		client, err := s.OIDC.EnableClient(e.ctx, c.id(), c.client(), e.operator())
		if err != nil {
			return err
		}
		return e.print(viewClient(client), "Client %s is open.", client.ID)
	})
}

type clientDelete struct {
	ofClient
	Yes bool `required:"" help:"Really delete."`
}

func (c clientDelete) Run(e *env) error {
	return e.open(func(s *server.Server) error {
		if err := s.OIDC.DeleteClient(e.ctx, c.id(), c.client(), e.operator()); err != nil {
			return err
		}
		return e.print(map[string]string{"client_id": c.ID, "status": "deleted"}, "Deleted client %s.", c.ID)
	})
}
