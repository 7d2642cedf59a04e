package auth

import (
	"encoding/json"
	"slices"
	"time"
)

// ClientType says what kind of program a client is (RFC 6749 §2.1, RFC 8252).
type ClientType string

// The kinds of clients.
const (
	ClientWeb     ClientType = "web"     // confidential, with a server
	ClientSPA     ClientType = "spa"     // public, in a browser
	ClientNative  ClientType = "native"  // public, on a device
	ClientMachine ClientType = "machine" // confidential, no person
)

// GrantType is a way to ask for tokens (RFC 6749 §1.3).
type GrantType string

// The grants that a client may be allowed. A server offers those it has.
const (
	GrantAuthorizationCode GrantType = "authorization_code"
	GrantRefreshToken      GrantType = "refresh_token"
	GrantClientCredentials GrantType = "client_credentials"
)

// AuthMethod is how a client proves who it is (OpenID Connect Core §9).
type AuthMethod string

// The methods of client authentication.
const (
	AuthNone          AuthMethod = "none"
	AuthSecretBasic   AuthMethod = "client_secret_basic"
	AuthSecretPost    AuthMethod = "client_secret_post"
	AuthPrivateKeyJWT AuthMethod = "private_key_jwt"
)

// Client is a program that asks for tokens.
type Client struct {
	ID           ClientID
	Name         string
	Type         ClientType
	FirstParty   bool
	Secrets      []ClientSecret
	RedirectURIs []string
	Scopes       []string
	Settings     ClientSettings
	CreatedAt    time.Time
	UpdatedAt    time.Time
	DisabledAt   time.Time
}

// ClientSettings are the choices of a client. A zero field means the safe default,
// so a setting that is added later leaves yesterday's clients as they were.
type ClientSettings struct {
	// Grants are the ways in which the client may ask for tokens.
	Grants []GrantType `json:"grant_types,omitempty"`
	// Auth is the one method by which the client proves itself. Empty for a client
	// with a secret: either way of sending it.
	Auth AuthMethod `json:"token_endpoint_auth_method,omitempty"`
	// JWKS holds the public keys for private_key_jwt (RFC 7517 §5).
	JWKS json.RawMessage `json:"jwks,omitempty"`
	// Audiences are the resources for which the client may ask tokens (RFC 8707),
	// besides the issuer's own.
	Audiences []string `json:"audiences,omitempty"`
	// Serves are the audiences for which the client is the resource server, and whose
	// tokens it may introspect. A machine always serves the issuer's.
	Serves []string `json:"serves,omitempty"`
}

// ClientSecret is the digest of one secret; two live side by side while a client
// changes over.
type ClientSecret struct {
	Digest    string    `json:"digest"`
	CreatedAt time.Time `json:"created_at"`
	ExpiresAt time.Time `json:"expires_at,omitzero"`
}

// Live reports whether the secret may be used at the given time.
func (s ClientSecret) Live(at time.Time) bool {
	return s.ExpiresAt.IsZero() || at.Before(s.ExpiresAt)
}

// Disabled reports whether the client has been shut.
func (c Client) Disabled() bool { return !c.DisabledAt.IsZero() }

// Public reports whether the client can keep no secret (RFC 6749 §2.1).
func (c Client) Public() bool {
	return c.ID == FirstParty || c.Type == ClientSPA || c.Type == ClientNative
}

// Allows reports whether the client may use the grant. The built-in client refreshes
// the tokens that the first-party API gave it, and does nothing else.
func (c Client) Allows(g GrantType) bool {
	if c.ID == FirstParty {
		return g == GrantRefreshToken
	}
	return slices.Contains(c.Settings.Grants, g)
}

// Proves reports whether the client is registered to prove itself in the given way.
func (c Client) Proves(m AuthMethod) bool {
	switch {
	case c.Public():
		return m == AuthNone
	case c.Settings.Auth == "":
		return m == AuthSecretBasic || m == AuthSecretPost
	}
	return m == c.Settings.Auth
}

// MaxClientID is how long a client_id may be.
const MaxClientID = 255

// ParseClientID takes a client_id of printable ASCII (RFC 6749 appendix A.1), as
// strangers send it.
func ParseClientID(s string) (ClientID, error) {
	if s == "" || len(s) > MaxClientID || !printable(s) {
		return "", Invalid("client_id_invalid", "client_id", "this is not a client_id")
	}
	return ClientID(s), nil
}

func printable(s string) bool {
	for i := range len(s) {
		if s[i] < 0x20 || s[i] > 0x7e {
			return false
		}
	}
	return true
}
