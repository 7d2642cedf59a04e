package auth

import (
	"cmp"
	"slices"
	"time"
)

// ClientType is the type of a client (RFC 6749 §2.1, RFC 8252).
type ClientType string

// The types of clients.
const (
	ClientWeb     ClientType = "web"     // confidential, with a server
	ClientSPA     ClientType = "spa"     // public, in a browser
	ClientNative  ClientType = "native"  // public, on a device
	ClientMachine ClientType = "machine" // confidential, without users
)

// GrantType is a grant type (RFC 6749 §1.3).
type GrantType string

// The grant types that a client may be allowed.
const (
	GrantAuthorizationCode GrantType = "authorization_code"
	GrantRefreshToken      GrantType = "refresh_token"
	GrantClientCredentials GrantType = "client_credentials"
	GrantDeviceCode        GrantType = "urn:ietf:params:oauth:grant-type:device_code"
	GrantTokenExchange     GrantType = "urn:ietf:params:oauth:grant-type:token-exchange"
)

// AuthMethod is a method of client authentication (OpenID Connect Core §9).
type AuthMethod string

// The methods of client authentication.
const (
	AuthNone          AuthMethod = "none"
	AuthSecretBasic   AuthMethod = "client_secret_basic"
	AuthSecretPost    AuthMethod = "client_secret_post"
	AuthPrivateKeyJWT AuthMethod = "private_key_jwt"
)

// Client is an OAuth client.
type Client struct {
	ID           ClientID
	Name         string
	Type         ClientType
	FirstParty   bool
	Secrets      []ClientSecret
	RedirectURIs []string
	Scopes       []string
	Settings     StoredSettings
	Bounds       *ClientBounds // of self-registered and self-described clients; nil for none
	CreatedAt    time.Time
	UpdatedAt    time.Time
	DisabledAt   time.Time
}

// The scopes of OpenID Connect (Core §5.4, §11).
const (
	ScopeOpenID  = "openid"
	ScopeProfile = "profile"
	ScopeEmail   = "email"
	ScopeOffline = "offline_access"
)

// ClientSecret is the digest of a client secret. A client has two while a secret is rotated.
type ClientSecret struct {
	Digest    string    `json:"digest"`
	CreatedAt time.Time `json:"created_at"`
	ExpiresAt time.Time `json:"expires_at,omitzero"`
}

// Live reports whether the secret is valid at the given time.
func (s ClientSecret) Live(at time.Time) bool {
	return s.ExpiresAt.IsZero() || at.Before(s.ExpiresAt)
}

// Disabled reports whether an administrator has disabled the client.
func (c Client) Disabled() bool { return !c.DisabledAt.IsZero() }

// DisplayName returns the name of the client, or its ID when it has none.
func (c Client) DisplayName() string { return cmp.Or(c.Name, string(c.ID)) }

// Public reports whether the client is a public client (RFC 6749 §2.1).
func (c Client) Public() bool {
	return c.ID == FirstParty || c.Type == ClientSPA || c.Type == ClientNative
}

// Strict reports whether the FAPI 2.0 Security Profile applies to the client: it is confidential,
// all its tokens are DPoP-bound and all its authorization requests are pushed. Then it must send
// a code_challenge, use only the issuer as the audience of its assertions, and sign with
// RSASSA-PSS or a newer algorithm. Its refresh tokens are not rotated (§5.3.2.1, §5.3.2.2,
// §5.4.1), whatever the configuration says.
func (c Client) Strict() bool {
	return !c.Public() && c.Settings.DPoP && c.Settings.RequirePushed
}

// Allows reports whether the client may use the grant type. The built-in first-party client may
// only refresh the tokens of the first-party API.
func (c Client) Allows(g GrantType) bool {
	if c.ID == FirstParty {
		return g == GrantRefreshToken
	}
	return slices.Contains(c.Settings.Grants, g)
}

// AllowsAuth reports whether the client is registered to authenticate by the given method.
func (c Client) AllowsAuth(m AuthMethod) bool {
	switch {
	case c.Public():
		return m == AuthNone
	case c.Settings.Auth == "":
		return m == AuthSecretBasic || m == AuthSecretPost
	}
	return m == c.Settings.Auth
}

// MaxClientID is the largest length of a client_id.
const MaxClientID = 255

// ParseClientID parses a client_id of printable ASCII (RFC 6749 appendix A.1).
func ParseClientID(s string) (ClientID, error) {
	if s == "" || len(s) > MaxClientID || !printable(s) {
		return "", Invalid(CodeClientIDInvalid, "client_id", "want 1 to 255 printable ASCII characters")
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

// UserScope returns the scope that the client may request for users. A client that was registered
// without scopes has DefaultScope. offline_access needs the refresh_token grant.
func (c Client) UserScope() Scope {
	allowed := Scope(slices.Clone(c.Scopes))
	if len(allowed) == 0 {
		allowed = slices.Clone(DefaultScope)
	}
	return slices.DeleteFunc(allowed, func(t string) bool { return t == ScopeOffline && !c.Allows(GrantRefreshToken) })
}
