package main

import (
	"encoding/json"
	"fmt"
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
	Update       clientUpdate       `cmd:"" help:"Change what is registered of a client."`
	RotateSecret clientRotateSecret `cmd:"" name:"rotate-secret" help:"Give a client a new secret; the former one works on for a while."`
	Disable      clientDisable      `cmd:"" help:"Shut a client; nothing it has works here any more."`
	Enable       clientEnable       `cmd:"" help:"Open a disabled client again."`
	Delete       clientDelete       `cmd:"" help:"Delete a client for good."`

	RegistrationToken clientRegistrationToken `cmd:"" name:"registration-token" help:"Make a token with which clients can register themselves where oauth.registration is token; it is shown once."`
}

type clientView struct {
	ID           auth.ClientID   `json:"client_id"`
	Name         string          `json:"name"`
	Type         auth.ClientType `json:"type"`
	FirstParty   bool            `json:"first_party"`
	Disabled     bool            `json:"disabled"`
	Dynamic      bool            `json:"dynamic"`
	RedirectURIs []string        `json:"redirect_uris"`
	Scopes       []string        `json:"scopes"`
	Secrets      []secretView    `json:"secrets"`
	CreatedAt    time.Time       `json:"created_at"`
	// Bounds are what an operator has said of a client that describes itself.
	Bounds *auth.ClientBounds `json:"bounds,omitempty"`
	auth.ClientSettings
}

// secretView is what can be said of a secret that nobody can read again.
type secretView struct {
	CreatedAt time.Time  `json:"created_at"`
	ExpiresAt *time.Time `json:"expires_at,omitempty"`
}

func viewClient(c auth.Client) clientView {
	v := clientView{
		ID: c.ID, Name: c.Name, Type: c.Type, FirstParty: c.FirstParty, Disabled: c.Disabled(), CreatedAt: c.CreatedAt,
		Dynamic:      c.SelfDescribed(),
		RedirectURIs: append([]string{}, c.RedirectURIs...), Scopes: append([]string{}, c.Scopes...), Secrets: []secretView{}, Bounds: c.Bounds, ClientSettings: c.Settings,
	}
	v.Registration = "" // the digest of a secret
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
	Name       string `required:"" help:"Name to show to people."`
	Type       string `required:"" enum:"web,spa,native,machine" help:"web (with a server), spa (in a browser), native (on a device), machine (no person)."`
	FirstParty bool   `name:"first-party" help:"It is your own: people are not asked for consent."`
	clientFlags
}

// created is the answer of the commands that show a secret.
type created struct {
	ID     auth.ClientID `json:"client_id"`
	Secret string        `json:"client_secret,omitempty"`
}

func (c clientCreate) Run(e *env) error {
	r := oidc.Registration{Name: c.Name, Type: auth.ClientType(c.Type), FirstParty: c.FirstParty}
	if err := c.apply(&r); err != nil {
		return err
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
			{"audiences", strings.Join(v.Audiences, " ")}, {"serves", strings.Join(v.Serves, " ")}, {"dynamic", fmt.Sprint(v.Dynamic)},
		}
		if v.Bounds != nil {
			b, err := json.Marshal(v.Bounds)
			if err != nil {
				return fmt.Errorf("show bounds: %w", err)
			}
			rows = append(rows, []string{"bounds", string(b)})
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

type clientUpdate struct {
	ofClient
	Name string `help:"Another name to show."`
	clientFlags
}

func (c clientUpdate) Run(e *env) error {
	return e.open(func(s *server.Server) error {
		client, secret, err := s.OIDC.UpdateClient(e.ctx, c.id(), c.client(), "", e.operator(), func(r *oidc.Registration) error {
			if c.Name != "" {
				r.Name, r.Bounds.Name = c.Name, c.Name
			}
			return c.apply(r)
		})
		if err != nil {
			return err
		}
		if secret != "" {
			return e.print(created{client.ID, secret.Reveal()}, "Changed client %s. It has a secret now, shown this once: %s", client.ID, secret.Reveal())
		}
		return e.print(viewClient(client), "Changed client %s.", client.ID)
	})
}

type clientRegistrationToken struct {
	ofTenant
	Uses    int           `default:"1" help:"How many clients can be registered with it."`
	Expires time.Duration `default:"24h" help:"How long it works."`
}

func (c clientRegistrationToken) Run(e *env) error {
	return e.open(func(s *server.Server) error {
		token, expires, err := s.OIDC.NewInitialToken(e.ctx, c.id(), c.Uses, c.Expires, e.operator())
		if err != nil {
			return err
		}
		out := map[string]any{"initial_access_token": token.Reveal(), "uses": c.Uses, "expires_at": expires}
		return e.print(out, "The initial access token, shown this once: %s\nIt registers %d clients until %s.", token.Reveal(), c.Uses, expires.Format(time.DateTime))
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
