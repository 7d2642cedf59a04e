package web

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/client"
)

var (
	opClients = operation{id: "clients", topic: "clients",
		summary: "List clients", doc: "Ordered by client_id, in pages: next of one page is after of the following page."}
	opClientCreate = operation{id: "create-client", topic: "clients", status: http.StatusCreated,
		summary: "Register a client", doc: "The response is the only one that shows the secret, if the client gets one."}
	opClient = operation{id: "client", topic: "clients", errors: []int{http.StatusNotFound},
		summary: "Read a client"}
	opClientUpdate = operation{id: "update-client", topic: "clients",
		errors:  []int{http.StatusNotFound, http.StatusConflict, http.StatusPreconditionFailed},
		summary: "Update a client",
		doc:     "Only the members that are present change; a list is replaced as a whole. With the ETag of a response as If-Match the update is refused when the client has changed since. type and first_party cannot change."}
	opClientDelete = operation{id: "delete-client", topic: "clients", status: http.StatusNoContent, errors: []int{http.StatusNotFound, http.StatusConflict},
		summary: "Delete a client", doc: "Ends its sessions, tokens and consents."}
	opClientSecret = operation{id: "rotate-client-secret", topic: "clients", errors: []int{http.StatusNotFound, http.StatusConflict},
		summary: "Rotate a client secret", doc: "The former secret stays valid for overlap_seconds: a day by default, at most 90 days."}
	opClientDisable = operation{id: "disable-client", topic: "clients", errors: []int{http.StatusNotFound, http.StatusConflict},
		summary: "Disable a client", doc: "Nothing is issued to it, and its tokens are refused, until it is enabled."}
	opClientEnable = operation{id: "enable-client", topic: "clients", errors: []int{http.StatusNotFound, http.StatusConflict},
		summary: "Enable a disabled client"}
)

// ClientSettings are what may be said of a client. They are named as in RFC 7591 and
// OpenID Connect Registration where those have a name for them.
type ClientSettings struct {
	Name             *string               `json:"client_name,omitempty" example:"Shop"`
	RedirectURIs     *[]string             `json:"redirect_uris,omitempty" doc:"Where people come back to; exact." example:"[\"https://shop.example.com/callback\"]"`
	Scopes           *[]string             `json:"scopes,omitempty" doc:"What it may ask for."`
	Grants           *[]string             `json:"grant_types,omitempty"`
	Auth             *string               `json:"token_endpoint_auth_method,omitempty" doc:"Empty for a secret that is sent either way."`
	AuthAlg          *string               `json:"token_endpoint_auth_signing_alg,omitempty"`
	JWKS             *json.RawMessage      `json:"jwks,omitempty" doc:"Its public keys as a JWK Set."`
	JWKSURI          *string               `json:"jwks_uri,omitempty" doc:"Where it publishes them instead."`
	Audiences        *[]string             `json:"audiences,omitempty" doc:"Resources it may ask tokens for."`
	Serves           *[]string             `json:"serves,omitempty" doc:"Audiences it is the API of, and whose tokens it may introspect."`
	PKCEOptional     *bool                 `json:"pkce_optional,omitempty" doc:"Lets a client with a secret do without a code_challenge."`
	RequirePushed    *bool                 `json:"require_pushed_authorization_requests,omitempty"`
	RequireSigned    *bool                 `json:"require_signed_request_object,omitempty"`
	RequestAlg       *string               `json:"request_object_signing_alg,omitempty"`
	RequestURIs      *[]string             `json:"request_uris,omitempty"`
	DPoP             *bool                 `json:"dpop_bound_access_tokens,omitempty" doc:"Binds all its tokens to keys."`
	IDTokenAlg       *string               `json:"id_token_signed_response_alg,omitempty" doc:"RS256 when empty, ES256 or EdDSA."`
	IDTokenClaims    *string               `json:"id_token_claims,omitempty" doc:"scope puts the claims of the granted scopes into ID Tokens; requested (also when empty) those that a request names."`
	Popup            *bool                 `json:"popup,omitempty" doc:"People sign in to it in a popup: the pages of its flows carry no Cross-Origin-Opener-Policy."`
	UserInfoAlg      *string               `json:"userinfo_signed_response_alg,omitempty" doc:"Empty for plain JSON."`
	AuthorizationAlg *string               `json:"authorization_signed_response_alg,omitempty" doc:"Of answers to authorization requests with response_mode jwt; RS256 when empty."`
	IntrospectionAlg *string               `json:"introspection_signed_response_alg,omitempty"`
	TokenFormat      *string               `json:"access_token_format,omitempty" doc:"jwt (also when empty) or opaque."`
	SubjectType      *string               `json:"subject_type,omitempty" doc:"public (also when empty) or pairwise."`
	SectorURI        *string               `json:"sector_identifier_uri,omitempty"`
	PostLogoutURIs   *[]string             `json:"post_logout_redirect_uris,omitempty"`
	BackchannelURI   *string               `json:"backchannel_logout_uri,omitempty" doc:"Is told when a session has ended."`
	BackchannelSID   *bool                 `json:"backchannel_logout_session_required,omitempty"`
	DefaultMaxAge    *int64                `json:"default_max_age,omitempty" doc:"Seconds; below zero for none."`
	DefaultACR       *[]string             `json:"default_acr_values,omitempty"`
	RequireAuthTime  *bool                 `json:"require_auth_time,omitempty"`
	InitiateLoginURI *string               `json:"initiate_login_uri,omitempty"`
	LogoURI          *string               `json:"logo_uri,omitempty"`
	ClientURI        *string               `json:"client_uri,omitempty"`
	PolicyURI        *string               `json:"policy_uri,omitempty"`
	TermsURI         *string               `json:"tos_uri,omitempty"`
	Contacts         *[]string             `json:"contacts,omitempty"`
	Exchange         *ClientExchangePolicy `json:"token_exchange,omitempty" doc:"What it may do by token exchange beyond narrowing its own tokens."`
}

// ClientExchangePolicy is what a client may do by token exchange (RFC 8693).
type ClientExchangePolicy struct {
	Subjects    []string `json:"subjects,omitempty" doc:"Clients whose tokens it may exchange; * for all."`
	Audiences   []string `json:"audiences,omitempty" doc:"Resources it may get tokens for that way."`
	Impersonate bool     `json:"impersonate,omitempty" doc:"Allows tokens that do not name it as the actor."`
}

// NewClient is a client to register.
type NewClient struct {
	Type       string `json:"type" enum:"web,spa,native,machine" doc:"web (with a server), spa (in a browser), native (on a device), machine (no person)."`
	FirstParty bool   `json:"first_party,omitempty" doc:"It is your own: people are not asked for consent."`
	ClientSettings
}

// Client is a registered client.
type Client struct {
	ID         string         `json:"client_id"`
	Type       string         `json:"type" example:"web"`
	FirstParty bool           `json:"first_party"`
	Disabled   bool           `json:"disabled"`
	Dynamic    bool           `json:"dynamic" doc:"It has registered itself, or describes itself in a document."`
	Secrets    []SecretOfDate `json:"secrets"`
	CreatedAt  time.Time      `json:"created_at"`
	UpdatedAt  time.Time      `json:"updated_at"`
	Secret     string         `json:"client_secret,omitempty" doc:"A new secret, shown only once."`
	// Bounds are those of a client that describes itself.
	Bounds *auth.ClientBounds `json:"bounds,omitempty" readOnly:"true" doc:"What administrators have set of a client that describes itself: the most that it gets (scopes, grants, redirect URIs) and what is required of it, whatever it says next. The other members are what it has now, within them."`
	ClientSettings
}

// SecretOfDate is what can be said of a secret that nobody can read again.
type SecretOfDate struct {
	CreatedAt time.Time  `json:"created_at"`
	ExpiresAt *time.Time `json:"expires_at,omitempty"`
}

// SecretRotation says how a secret is replaced.
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

func (s *api) clientList(ctx context.Context, in *struct {
	After string `query:"after" maxLength:"255" doc:"Where the page begins: next of the page before."`
	Limit int    `query:"limit" minimum:"1" maximum:"100" default:"50"`
}) (*clientsOut, error) {
	ex := exchangeOf(ctx)
	list, err := s.clients.ListAfter(ctx, ex.tenant.ID, auth.ClientID(in.After), in.Limit+1)
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

func (s *api) clientCreate(ctx context.Context, in *struct{ Body NewClient }) (*clientOut, error) {
	ex := exchangeOf(ctx)
	r := client.Registration{Type: auth.ClientType(in.Body.Type), FirstParty: in.Body.FirstParty}
	in.Body.apply(&r)
	c, secret, err := s.clients.Create(ctx, ex.tenant.ID, r, ex.requestActor())
	return clientAnswer(c, secret.Reveal(), err)
}

// ofClient names one client in the path.
type ofClient struct {
	ID string `path:"id" doc:"The client_id."`
}

func (s *api) clientGet(ctx context.Context, in *ofClient) (*clientOut, error) {
	c, err := s.clients.Get(ctx, exchangeOf(ctx).tenant.ID, auth.ClientID(in.ID))
	return clientAnswer(c, "", err)
}

func (s *api) clientUpdate(ctx context.Context, in *struct {
	ID      string `path:"id" doc:"The client_id."`
	IfMatch string `header:"If-Match" maxLength:"64" doc:"The ETag of what was read."`
	Body    ClientSettings
}) (*clientOut, error) {
	ex := exchangeOf(ctx)
	version := strings.Trim(in.IfMatch, `"`)
	if version == "*" {
		version = ""
	}
	c, secret, err := s.clients.Update(ctx, ex.tenant.ID, auth.ClientID(in.ID), version, ex.requestActor(), func(r *client.Registration) error {
		in.Body.apply(r)
		return nil
	})
	if e, ok := errors.AsType[*auth.Error](err); ok && e.Code == auth.CodeClientChanged && version != "" {
		return nil, problem(http.StatusPreconditionFailed, e.Code, e.Msg)
	}
	return clientAnswer(c, secret.Reveal(), err)
}

func (s *api) clientDelete(ctx context.Context, in *ofClient) (*nothing, error) {
	ex := exchangeOf(ctx)
	return nil, s.clients.Delete(ctx, ex.tenant.ID, auth.ClientID(in.ID), ex.requestActor())
}

func (s *api) clientSecret(ctx context.Context, in *struct {
	ID   string `path:"id" doc:"The client_id."`
	Body SecretRotation
}) (*clientOut, error) {
	ex := exchangeOf(ctx)
	overlap := client.DefaultOverlap
	if in.Body.Overlap != nil {
		overlap = time.Duration(*in.Body.Overlap) * time.Second
	}
	c, secret, err := s.clients.RotateSecret(ctx, ex.tenant.ID, auth.ClientID(in.ID), overlap, ex.requestActor())
	return clientAnswer(c, secret.Reveal(), err)
}

func (s *api) clientDisable(ctx context.Context, in *ofClient) (*clientOut, error) {
	ex := exchangeOf(ctx)
	c, err := s.clients.Disable(ctx, ex.tenant.ID, auth.ClientID(in.ID), ex.requestActor())
	return clientAnswer(c, "", err)
}

func (s *api) clientEnable(ctx context.Context, in *ofClient) (*clientOut, error) {
	ex := exchangeOf(ctx)
	c, err := s.clients.Enable(ctx, ex.tenant.ID, auth.ClientID(in.ID), ex.requestActor())
	return clientAnswer(c, "", err)
}

func clientAnswer(c auth.Client, secret string, err error) (*clientOut, error) {
	if err != nil {
		return nil, err
	}
	out := &clientOut{ETag: `"` + client.Version(c) + `"`, Body: clientOf(c)}
	out.Body.Secret = secret
	return out, nil
}
