package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/client"
	"github.com/watchword-auth/watchword/internal/server"
)

type clientCmd struct {
	Create       clientCreate       `cmd:"" help:"Register a client and print its secret, once."`
	List         clientList         `cmd:"" help:"List clients."`
	Show         clientShow         `cmd:"" help:"Show a client."`
	Update       clientUpdate       `cmd:"" help:"Change the settings of a client."`
	RotateSecret clientRotateSecret `cmd:"" name:"rotate-secret" help:"Generate a new client secret; the previous one stays valid for a while."`
	Disable      clientDisable      `cmd:"" help:"Disable a client and invalidate its tokens."`
	Enable       clientEnable       `cmd:"" help:"Enable a disabled client."`
	Delete       clientDelete       `cmd:"" help:"Delete a client permanently."`

	RegistrationToken clientRegistrationToken `cmd:"" name:"registration-token" help:"Create an initial access token for dynamic registration and print it, once."`
}

type clientView struct {
	ID           auth.ClientID   `json:"client_id"`
	Name         string          `json:"client_name"`
	Type         auth.ClientType `json:"type"`
	FirstParty   bool            `json:"first_party"`
	Disabled     bool            `json:"disabled"`
	Dynamic      bool            `json:"dynamic"`
	RedirectURIs []string        `json:"redirect_uris"`
	Scopes       []string        `json:"scopes"`
	Secrets      []secretView    `json:"secrets"`
	CreatedAt    time.Time       `json:"created_at"`
	// Bounds are what the operator has set of a self-registered or self-described client.
	Bounds *auth.ClientBounds `json:"bounds,omitempty"`
	auth.StoredSettings
}

// secretView describes a client secret, whose value cannot be shown again.
type secretView struct {
	CreatedAt time.Time  `json:"created_at"`
	ExpiresAt *time.Time `json:"expires_at,omitempty"`
}

func viewClient(c auth.Client) clientView {
	v := clientView{
		ID: c.ID, Name: c.Name, Type: c.Type, FirstParty: c.FirstParty, Disabled: c.Disabled(), CreatedAt: c.CreatedAt,
		Dynamic:      c.SelfDescribed(),
		RedirectURIs: append([]string{}, c.RedirectURIs...), Scopes: append([]string{}, c.Scopes...), Secrets: []secretView{}, Bounds: c.Bounds, StoredSettings: c.Settings,
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
	tenantFlag
	Name       string `required:"" help:"Name to display to users."`
	Type       string `required:"" enum:"web,spa,native,machine" help:"web (server-side app), spa (browser app), native (mobile, desktop or device), machine (no user)."`
	FirstParty bool   `name:"first-party" help:"First-party client: users are not asked for consent."`
	clientFlags
}

// clientCredentials is the output of the commands that show a secret.
type clientCredentials struct {
	ID     auth.ClientID `json:"client_id"`
	Secret string        `json:"client_secret,omitempty"`
}

func (c clientCreate) Run(e *env) error {
	r := client.Registration{Name: c.Name, Type: auth.ClientType(c.Type), FirstParty: c.FirstParty}
	if err := c.apply(&r); err != nil {
		return err
	}
	return e.open(func(s *server.Server) error {
		client, secret, err := s.Clients.Create(e.ctx, c.id(), r, e.operator())
		if err != nil {
			return err
		}
		out := clientCredentials{client.ID, secret.Reveal()}
		if out.Secret == "" {
			return e.print(out, "Created client %s.", out.ID)
		}
		return e.print(out, "Created client %s.\nClient secret (shown only once): %s", out.ID, out.Secret)
	})
}

type clientList struct{ tenantFlag }

func (c clientList) Run(e *env) error {
	return e.open(func(s *server.Server) error {
		list, err := s.Clients.List(e.ctx, c.id())
		if err != nil {
			return err
		}
		views, rows := []clientView{}, [][]string{}
		for _, c := range list {
			v := viewClient(c)
			views = append(views, v)
			rows = append(rows, []string{string(v.ID), v.state(), string(v.Type), v.Name})
		}
		return e.printTable(views, "CLIENT ID\tSTATE\tTYPE\tNAME", rows)
	})
}

// clientArg is the argument that names a client of a tenant.
type clientArg struct {
	tenantFlag
	ID string `arg:"" name:"client-id" help:"The client_id."`
}

func (a clientArg) client() auth.ClientID { return auth.ClientID(a.ID) }

type clientShow struct{ clientArg }

func (c clientShow) Run(e *env) error {
	return e.open(func(s *server.Server) error {
		client, err := s.Clients.Get(e.ctx, c.id(), c.client())
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
			until := "no expiry"
			if secret.ExpiresAt != nil {
				until = "expires " + secret.ExpiresAt.Format(time.DateTime)
			}
			rows = append(rows, []string{"secret", "created " + secret.CreatedAt.Format(time.DateTime) + ", " + until})
		}
		return e.printTable(nil, "CLIENT\t"+string(v.ID), rows)
	})
}

type clientUpdate struct {
	clientArg
	Name string `help:"New display name."`
	clientFlags
}

func (c clientUpdate) Run(e *env) error {
	return e.open(func(s *server.Server) error {
		client, secret, err := s.Clients.Update(e.ctx, c.id(), c.client(), "", e.operator(), func(r *client.Registration) error {
			if c.Name != "" {
				r.Name, r.Bounds.Name = c.Name, c.Name
			}
			return c.apply(r)
		})
		if err != nil {
			return err
		}
		if secret != "" {
			return e.print(clientCredentials{client.ID, secret.Reveal()}, "Updated client %s.\nClient secret (shown only once): %s", client.ID, secret.Reveal())
		}
		return e.print(viewClient(client), "Updated client %s.", client.ID)
	})
}

type clientRegistrationToken struct {
	tenantFlag
	Uses    int           `default:"1" help:"Number of clients that can be registered with it."`
	Expires time.Duration `default:"24h" help:"Lifetime of the token."`
}

func (c clientRegistrationToken) Run(e *env) error {
	return e.open(func(s *server.Server) error {
		token, expires, err := s.Clients.NewInitialToken(e.ctx, c.id(), c.Uses, c.Expires, e.operator())
		if err != nil {
			return err
		}
		out := map[string]any{"initial_access_token": token.Reveal(), "uses": c.Uses, "expires_at": expires}
		return e.print(out, "Initial access token (shown only once): %s\nValid for %d registrations until %s.", token.Reveal(), c.Uses, expires.Format(time.DateTime))
	})
}

type clientRotateSecret struct {
	clientArg
	Overlap time.Duration `default:"24h" help:"How long the previous secret stays valid; 0s invalidates it now."`
}

func (c clientRotateSecret) Run(e *env) error {
	return e.open(func(s *server.Server) error {
		client, secret, err := s.Clients.RotateSecret(e.ctx, c.id(), c.client(), c.Overlap, e.operator())
		if err != nil {
			return err
		}
		return e.print(clientCredentials{client.ID, secret.Reveal()}, "New secret of client %s (shown only once): %s\nThe previous secret stays valid for %s.", client.ID, secret.Reveal(), c.Overlap)
	})
}

type clientDisable struct{ clientArg }

func (c clientDisable) Run(e *env) error {
	return e.open(func(s *server.Server) error {
		client, err := s.Clients.Disable(e.ctx, c.id(), c.client(), e.operator())
		if err != nil {
			return err
		}
		return e.print(viewClient(client), "Client %s disabled.", client.ID)
	})
}

type clientEnable struct{ clientArg }

func (c clientEnable) Run(e *env) error {
	return e.open(func(s *server.Server) error {
		client, err := s.Clients.Enable(e.ctx, c.id(), c.client(), e.operator())
		if err != nil {
			return err
		}
		return e.print(viewClient(client), "Client %s enabled.", client.ID)
	})
}

type clientDelete struct {
	clientArg
	Yes bool `required:"" help:"Confirm the deletion."`
}

func (c clientDelete) Run(e *env) error {
	return e.open(func(s *server.Server) error {
		if err := s.Clients.Delete(e.ctx, c.id(), c.client(), e.operator()); err != nil {
			return err
		}
		return e.print(map[string]string{"client_id": c.ID, "status": "deleted"}, "Client %s deleted.", c.ID)
	})
}
