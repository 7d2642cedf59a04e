package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/client"
	"github.com/watchword-auth/watchword/internal/web/router"
)

var (
	OpClients = operation{id: "clients", topic: "clients",
		summary: "List clients", doc: "Ordered by client_id, in pages: next of one page is after of the following page."}
	OpClientCreate = operation{id: "create-client", topic: "clients", status: http.StatusCreated,
		summary: "Register a client", doc: "The response is the only one that shows the secret, if the client gets one."}
	OpClient = operation{id: "client", topic: "clients", errors: []int{http.StatusNotFound},
		summary: "Read a client"}
	OpClientUpdate = operation{id: "update-client", topic: "clients",
		errors:  []int{http.StatusNotFound, http.StatusConflict, http.StatusPreconditionFailed},
		summary: "Update a client",
		doc:     "Only the members that are present change; a list is replaced as a whole. With the ETag of a response as If-Match the update is refused when the client has changed since. type and first_party cannot change."}
	OpClientDelete = operation{id: "delete-client", topic: "clients", status: http.StatusNoContent, errors: []int{http.StatusNotFound, http.StatusConflict},
		summary: "Delete a client", doc: "Ends its sessions, tokens and consents."}
	OpClientSecret = operation{id: "rotate-client-secret", topic: "clients", errors: []int{http.StatusNotFound, http.StatusConflict},
		summary: "Rotate a client secret", doc: "The former secret stays valid for overlap_seconds: a day by default, at most 90 days."}
	OpClientDisable = operation{id: "disable-client", topic: "clients", errors: []int{http.StatusNotFound, http.StatusConflict},
		summary: "Disable a client", doc: "Nothing is issued to it, and its tokens are refused, until it is enabled."}
	OpClientEnable = operation{id: "enable-client", topic: "clients", errors: []int{http.StatusNotFound, http.StatusConflict},
		summary: "Enable a disabled client"}
)

// ClientSettings are the settings of a client to update. It keeps the JSON object that was sent, since
// absent members do not change.
type ClientSettings struct {
	client.Registration
	sent []byte
}

// UnmarshalJSON keeps the object, which has already been validated.
func (c *ClientSettings) UnmarshalJSON(object []byte) error {
	c.sent = bytes.Clone(object)
	return nil
}

// NewClient is a client to register.
type NewClient struct {
	Type       string `json:"type" enum:"web,spa,native,machine" doc:"web (with a server), spa (in a browser), native (on a device), machine (no user)."`
	FirstParty bool   `json:"first_party,omitempty" doc:"The operator's own client: users are not asked for consent."`
	client.Registration
}

// Client is a registered client.
type Client struct {
	ID         string        `json:"client_id"`
	Type       string        `json:"type" example:"web"`
	FirstParty bool          `json:"first_party"`
	Disabled   bool          `json:"disabled"`
	Dynamic    bool          `json:"dynamic" doc:"The client is self-registered or self-described."`
	Secrets    []SecretDates `json:"secrets"`
	CreatedAt  time.Time     `json:"created_at"`
	UpdatedAt  time.Time     `json:"updated_at"`
	Secret     string        `json:"client_secret,omitempty" doc:"A new secret, shown only once."`
	// Bounds are set only for self-described clients.
	Bounds *auth.ClientBounds `json:"bounds,omitempty" readOnly:"true" doc:"What administrators have set for a self-described client: the most that it can get (scopes, grants, redirect URIs) and what is required of it, whatever its later documents say. The other members are its current settings, within these bounds."`
	client.Registration
}

// MarshalJSON also writes empty flags and lists.
func (c Client) MarshalJSON() ([]byte, error) {
	type plain Client
	b, err := json.Marshal(plain(c))
	if err != nil {
		return nil, fmt.Errorf("encode client: %w", err)
	}
	return client.AppendEmpty(b, c.Registration), nil
}

// SecretDates describes a client secret without its value.
type SecretDates struct {
	CreatedAt time.Time  `json:"created_at"`
	ExpiresAt *time.Time `json:"expires_at,omitempty"`
}

// SecretRotation configures the rotation of a secret.
type SecretRotation struct {
	Overlap *int64 `json:"overlap_seconds,omitempty" minimum:"0" maximum:"7776000" doc:"How long the previous secret stays valid, in seconds."`
}

type clientOut struct {
	ETag string `header:"ETag" doc:"Names what is registered now; see If-Match."`
	Body Client
}

type clientsOut struct {
	Body struct {
		Clients []Client `json:"clients"`
		Next    string   `json:"next,omitempty" doc:"The after of the following page; missing on the last."`
	}
}

// ClientList lists the clients of the tenant.
func (s *Handlers) ClientList(ctx context.Context, in *struct {
	After string `query:"after" maxLength:"255" doc:"Where the page begins: next of the previous page."`
	Limit int    `query:"limit" minimum:"1" maximum:"100" default:"50"`
}) (*clientsOut, error) {
	ex := exchangeOf(ctx)
	list, err := s.clients.ListAfter(ctx, ex.Tenant.ID, auth.ClientID(in.After), in.Limit+1)
	if err != nil {
		return nil, err
	}
	var out clientsOut
	if len(list) > in.Limit {
		list = list[:in.Limit]
		out.Body.Next = string(list[in.Limit-1].ID)
	}
	out.Body.Clients = make([]Client, 0, len(list))
	for _, c := range list {
		out.Body.Clients = append(out.Body.Clients, clientOf(c))
	}
	return &out, nil
}

// ClientCreate registers a client.
func (s *Handlers) ClientCreate(ctx context.Context, in *struct{ Body NewClient }) (*clientOut, error) {
	ex := exchangeOf(ctx)
	r := in.Body.Registration
	r.Type, r.FirstParty = auth.ClientType(in.Body.Type), in.Body.FirstParty
	c, secret, err := s.clients.Create(ctx, ex.Tenant.ID, r, ex.RequestActor())
	return clientResponse(c, secret.Reveal(), err)
}

// ofClient has the client in the path.
type ofClient struct {
	ID string `path:"id" doc:"The client_id."`
}

// ClientGet reads a client.
func (s *Handlers) ClientGet(ctx context.Context, in *ofClient) (*clientOut, error) {
	c, err := s.clients.Get(ctx, exchangeOf(ctx).Tenant.ID, auth.ClientID(in.ID))
	return clientResponse(c, "", err)
}

// ClientUpdate changes settings of a client.
func (s *Handlers) ClientUpdate(ctx context.Context, in *struct {
	ID      string `path:"id" doc:"The client_id."`
	IfMatch string `header:"If-Match" maxLength:"64" doc:"The ETag of what was read."`
	Body    ClientSettings
}) (*clientOut, error) {
	ex := exchangeOf(ctx)
	version := strings.Trim(in.IfMatch, `"`)
	if version == "*" {
		version = ""
	}
	c, secret, err := s.clients.Update(ctx, ex.Tenant.ID, auth.ClientID(in.ID), version, ex.RequestActor(), func(r *client.Registration) error {
		return r.Patch(in.Body.sent)
	})
	if e, ok := errors.AsType[*auth.Error](err); ok && e.Code == auth.CodeClientChanged && version != "" {
		return nil, router.NewProblem(http.StatusPreconditionFailed, e.Code, e.Msg)
	}
	return clientResponse(c, secret.Reveal(), err)
}

// ClientDelete deletes a client.
func (s *Handlers) ClientDelete(ctx context.Context, in *ofClient) (*nothing, error) {
	ex := exchangeOf(ctx)
	return nil, s.clients.Delete(ctx, ex.Tenant.ID, auth.ClientID(in.ID), ex.RequestActor())
}

// ClientSecret rotates the secret of a client.
func (s *Handlers) ClientSecret(ctx context.Context, in *struct {
	ID   string `path:"id" doc:"The client_id."`
	Body SecretRotation
}) (*clientOut, error) {
	ex := exchangeOf(ctx)
	overlap := client.DefaultOverlap
	if in.Body.Overlap != nil {
		overlap = time.Duration(*in.Body.Overlap) * time.Second
	}
	c, secret, err := s.clients.RotateSecret(ctx, ex.Tenant.ID, auth.ClientID(in.ID), overlap, ex.RequestActor())
	return clientResponse(c, secret.Reveal(), err)
}

// ClientDisable disables a client.
func (s *Handlers) ClientDisable(ctx context.Context, in *ofClient) (*clientOut, error) {
	ex := exchangeOf(ctx)
	c, err := s.clients.Disable(ctx, ex.Tenant.ID, auth.ClientID(in.ID), ex.RequestActor())
	return clientResponse(c, "", err)
}

// ClientEnable enables a disabled client.
func (s *Handlers) ClientEnable(ctx context.Context, in *ofClient) (*clientOut, error) {
	ex := exchangeOf(ctx)
	c, err := s.clients.Enable(ctx, ex.Tenant.ID, auth.ClientID(in.ID), ex.RequestActor())
	return clientResponse(c, "", err)
}

func clientResponse(c auth.Client, secret string, err error) (*clientOut, error) {
	if err != nil {
		return nil, err
	}
	out := &clientOut{ETag: `"` + client.Version(c) + `"`, Body: clientOf(c)}
	out.Body.Secret = secret
	return out, nil
}

// clientOf returns a client as administrators see it, without secrets or their digests.
func clientOf(c auth.Client) Client {
	v := Client{
		ID: string(c.ID), Type: string(c.Type), FirstParty: c.FirstParty, Disabled: c.Disabled(), Secrets: []SecretDates{},
		Dynamic: c.SelfDescribed(), Bounds: c.Bounds, CreatedAt: c.CreatedAt.UTC(), UpdatedAt: c.UpdatedAt.UTC(),
		Registration: client.Registration{Name: c.Name, RedirectURIs: c.RedirectURIs, Scopes: c.Scopes, ClientSettings: c.Settings.ClientSettings},
	}
	for _, s := range c.Secrets {
		dates := SecretDates{CreatedAt: s.CreatedAt.UTC()}
		if at := s.ExpiresAt.UTC(); !s.ExpiresAt.IsZero() {
			dates.ExpiresAt = &at
		}
		v.Secrets = append(v.Secrets, dates)
	}
	return v
}
