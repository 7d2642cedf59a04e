package client

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/oauth"
	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/store"
)

// RegisterPath is the registration endpoint (RFC 7591). Below it each client manages its own
// registration (RFC 7592).
const RegisterPath = "/oauth2/register"

// Prefixes of registration tokens.
const (
	initialPrefix    = "wwi_" // allows registering
	managementPrefix = "wwg_" // belongs to one client that registered itself
)

// Modes of dynamic registration.
const (
	RegistrationClosed = "closed"
	RegistrationToken  = "token"
	RegistrationOpen   = "open"
)

// RegisterRequest is a request to the registration endpoint or, with a Client, to the client
// configuration endpoint.
type RegisterRequest struct {
	Tenant        auth.TenantID
	Client        auth.ClientID
	Authorization []string // the values of the header of that name
	Body          []byte   // JSON
	Actor         auth.Actor
}

// Information is the client information response (RFC 7591 §3.2.1, RFC 7592 §3).
type Information struct {
	ID              auth.ClientID `json:"client_id"`
	Secret          string        `json:"client_secret,omitempty"`            // only a new one: the server stores a digest
	SecretExpiresAt *int64        `json:"client_secret_expires_at,omitempty"` // with a secret: 0, never
	IssuedAt        int64         `json:"client_id_issued_at"`
	Token           string        `json:"registration_access_token"`
	URI             string        `json:"registration_client_uri"`
	ClientMetadata
}

// RegistrationMode returns the mode of dynamic registration of the tenant.
func (s *Service) RegistrationMode(t auth.Tenant) string {
	return cmp.Or(t.Settings.ClientRegistration, s.cfg.Registration, RegistrationClosed)
}

// Register registers a client dynamically (RFC 7591 §3). The client is third-party and gets only
// scopes of OpenID Connect and of open resources, whatever its metadata requests. Refusals:
// access_denied where registration is closed, invalid_token for a missing or wrong initial access
// token, invalid_redirect_uri, invalid_client_metadata.
func (s *Service) Register(ctx context.Context, r RegisterRequest) (Information, error) {
	initial, err := s.authorizeRegistration(ctx, r)
	if err != nil {
		return Information{}, err
	}
	m, err := parseClientMetadata(r.Body)
	if err != nil {
		return Information{}, err
	}
	c, err := s.applyMetadata(ctx, m, auth.Client{})
	if err != nil {
		return Information{}, err
	}
	token := secret.New(managementPrefix)
	c.Settings.Registration = secret.Digest(token.Reveal())
	c, newSecret, err := s.insert(ctx, r.Tenant, c, r.Actor, func(tx *store.Tx) error {
		if initial == "" {
			return nil
		}
		return consumeInitialToken(tx, initial)
	})
	if err != nil {
		return Information{}, err
	}
	return s.clientInformation(r.Tenant, c, newSecret, token.Reveal()), nil
}

// authorizeRegistration returns the digest of the initial access token to consume, if one is
// required.
func (s *Service) authorizeRegistration(ctx context.Context, r RegisterRequest) (digest string, err error) {
	var t auth.Tenant
	var initial auth.SingleUse
	token, sent := bearerToken(r.Authorization, initialPrefix)
	err = s.cfg.DB.ReadOne(ctx, r.Tenant, func(tx *store.Tx) (err error) {
		if t, err = tx.CurrentTenant(); err != nil || token == "" {
			return err
		}
		initial, err = tx.SingleUse(auth.UseInitialAccess, secret.Digest(token))
		if errors.Is(err, auth.ErrNotFound) {
			return nil
		}
		return err
	})
	if err != nil {
		return "", fmt.Errorf("read registration mode: %w", err)
	}
	switch mode := s.RegistrationMode(t); {
	case mode == RegistrationOpen && !sent:
		return "", nil
	case mode != RegistrationOpen && mode != RegistrationToken:
		return "", oauth.Refuse(oauth.AccessDenied, "client registration is closed")
	case initial.Digest == "" || !initial.Live(s.cfg.Now()):
		return "", invalidToken(sent)
	}
	return initial.Digest, nil
}

// invalidToken is the one refusal of a token at these endpoints.
func invalidToken(sent bool) error {
	return &oauth.Error{Code: oauth.InvalidToken, Desc: "a valid registration access token is required", Scheme: "Bearer", Bare: !sent}
}

// bearerToken reads the token of the header, and reports whether anything was sent. The token is
// empty when it cannot be one of this server.
func bearerToken(header []string, prefix string) (token string, sent bool) {
	if len(header) != 1 {
		return "", len(header) > 0
	}
	scheme, token, _ := strings.Cut(header[0], " ")
	if !strings.EqualFold(scheme, "bearer") || !secret.Valid(prefix, token) {
		return "", true
	}
	return token, true
}

// clientInformation returns the response about a client.
func (s *Service) clientInformation(tenant auth.TenantID, c auth.Client, newSecret secret.Text, token string) Information {
	information := Information{
		ID: c.ID, Secret: newSecret.Reveal(), IssuedAt: c.CreatedAt.Unix(), Token: token,
		URI: tenant.Issuer(s.cfg.Base) + RegisterPath + "/" + string(c.ID), ClientMetadata: metadataOf(c, s.openScopes()),
	}
	if information.Secret != "" {
		information.SecretExpiresAt = new(int64)
	}
	return information
}

// authenticateRegistration returns the client that a request manages. It refuses alike a client that
// is unknown, not self-registered or disabled, and a wrong token.
func (s *Service) authenticateRegistration(ctx context.Context, r RegisterRequest) (c auth.Client, token string, err error) {
	token, sent := bearerToken(r.Authorization, managementPrefix)
	if token == "" {
		return c, "", invalidToken(sent)
	}
	c, err = s.Get(ctx, r.Tenant, r.Client)
	switch {
	case err != nil && auth.KindOf(err) != auth.KindNotFound:
		return c, "", err
	case err != nil || c.Disabled() || c.Settings.Registration == "" || !secret.Equal(c.Settings.Registration, secret.Digest(token)):
		return auth.Client{}, "", invalidToken(true)
	}
	return c, token, nil
}

// ReadRegistered returns the registered metadata of a client (RFC 7592 §2.1), except its secret, of
// which only a digest is stored.
func (s *Service) ReadRegistered(ctx context.Context, r RegisterRequest) (Information, error) {
	c, token, err := s.authenticateRegistration(ctx, r)
	if err != nil {
		return Information{}, err
	}
	return s.clientInformation(r.Tenant, c, "", token), nil
}

// ReplaceRegistered replaces the metadata of a client by the request's (RFC 7592 §2.2). Members that
// are left out return to their defaults. The operator's settings and bounds stay, and the response
// shows them.
func (s *Service) ReplaceRegistered(ctx context.Context, r RegisterRequest) (Information, error) {
	before, token, err := s.authenticateRegistration(ctx, r)
	if err != nil {
		return Information{}, err
	}
	m, err := s.replacement(before, r.Body)
	if err != nil {
		return Information{}, err
	}
	checked, err := s.applyMetadata(ctx, m, before)
	if err != nil {
		return Information{}, err
	}
	if checked.Type != before.Type {
		return Information{}, oauth.Refuse(oauth.InvalidClientMetadata, "the type of a client (web, spa, native) cannot change; register a new client")
	}
	if !sameSubjects(before, checked) {
		return Information{}, oauth.Refuse(oauth.InvalidClientMetadata, "subject_type and the sector of a client cannot change; register a new client")
	}
	c, newSecret, err := s.replace(ctx, r.Tenant, before, checked, r.Actor.AsClient(before.ID))
	if err != nil {
		return Information{}, err
	}
	return s.clientInformation(r.Tenant, c, newSecret, token), nil
}

// sameSubjects reports whether the users have the same subjects for both versions of a client.
// Otherwise its former grants would continue with the subjects of another sector.
func sameSubjects(before, c auth.Client) bool {
	return before.Settings.SubjectType == c.Settings.SubjectType && before.PairwiseSector() == c.PairwiseSector()
}

// replacement reads the body of a PUT. The client repeats its client_id and may repeat its secret.
// Members that only the server sets are refused.
func (s *Service) replacement(c auth.Client, body []byte) (ClientMetadata, error) {
	var m struct {
		ClientMetadata
		ID       string          `json:"client_id"`
		Secret   *string         `json:"client_secret"`
		Token    json.RawMessage `json:"registration_access_token"`
		URI      json.RawMessage `json:"registration_client_uri"`
		Expires  json.RawMessage `json:"client_secret_expires_at"`
		IssuedAt json.RawMessage `json:"client_id_issued_at"`
	}
	if err := unmarshalMetadata(body, &m); err != nil {
		return m.ClientMetadata, err
	}
	switch {
	case m.Token != nil || m.URI != nil || m.Expires != nil || m.IssuedAt != nil:
		return m.ClientMetadata, oauth.Refuse(oauth.InvalidRequest, "these members are read-only: registration_access_token, registration_client_uri, client_secret_expires_at, client_id_issued_at")
	case m.ID != string(c.ID):
		return m.ClientMetadata, oauth.Refuse(oauth.InvalidRequest, "client_id: the id of this client")
	case m.Secret != nil && matchSecret(c.Secrets, *m.Secret, s.cfg.Now()) != nil:
		return m.ClientMetadata, oauth.Refuse(oauth.InvalidRequest, "client_secret: the secret of this client, or leave it out")
	}
	return m.ClientMetadata, nil
}

// DeleteRegistered deletes a client at its own request (RFC 7592 §2.3).
func (s *Service) DeleteRegistered(ctx context.Context, r RegisterRequest) error {
	c, _, err := s.authenticateRegistration(ctx, r)
	if err != nil {
		return err
	}
	return s.Delete(ctx, r.Tenant, c.ID, r.Actor.AsClient(c.ID))
}
