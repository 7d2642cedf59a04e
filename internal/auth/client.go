package auth

import (
	"cmp"
	"encoding/json"
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
	Settings     ClientSettings
	Bounds       *ClientBounds // of self-registered and self-described clients; nil for none
	CreatedAt    time.Time
	UpdatedAt    time.Time
	DisabledAt   time.Time
}

// ClientSettings are the settings of a client. A zero field means the safe default, so a new
// setting leaves existing clients unchanged.
type ClientSettings struct {
	// Grants are the grant types that the client may use.
	Grants []GrantType `json:"grant_types,omitempty"`
	// Auth is the client's only authentication method. Empty for a client with a secret:
	// client_secret_basic or client_secret_post.
	Auth AuthMethod `json:"token_endpoint_auth_method,omitempty"`
	// JWKS holds the public keys for private_key_jwt (RFC 7517 §5).
	JWKS json.RawMessage `json:"jwks,omitempty"`
	// Audiences are the resources for which the client may request tokens (RFC 8707),
	// in addition to the issuer's own.
	Audiences []string `json:"audiences,omitempty"`
	// Serves are the audiences for which the client is the resource server, and whose
	// tokens it may introspect. A machine always serves the issuer's.
	Serves []string `json:"serves,omitempty"`

	// ResourceScopes are the scopes of open resources that the client has registered. They are
	// returned in its metadata, and give it no more than any other client has.
	ResourceScopes []string `json:"resource_scopes,omitempty"`
	// ScopesBounded says that an operator has bounded the client's scopes, so that it gets no
	// other scopes of open resources.
	ScopesBounded bool `json:"scopes_bounded,omitempty"`

	// JWKSURI is the address of the client's key set, instead of JWKS.
	JWKSURI string `json:"jwks_uri,omitempty"`
	// PKCEOptional allows a confidential client to omit the code_challenge (RFC 7636).
	PKCEOptional bool `json:"pkce_optional,omitempty"`
	// RequirePushed accepts authorization requests only through PAR (RFC 9126 §6).
	RequirePushed bool `json:"require_pushed_authorization_requests,omitempty"`
	// RequireSignedRequest accepts only signed request objects (RFC 9101 §10.5).
	RequireSignedRequest bool `json:"require_signed_request_object,omitempty"`
	// RequestAlgorithm is the only algorithm for request objects; empty for any supported one.
	RequestAlgorithm string `json:"request_object_signing_alg,omitempty"`
	// RequestURIs are the URLs of request objects that may be fetched.
	RequestURIs []string `json:"request_uris,omitempty"`
	// AuthAlgorithm is the only algorithm for client assertions; empty for any supported one.
	AuthAlgorithm string `json:"token_endpoint_auth_signing_alg,omitempty"`
	// DPoP binds all tokens of the client to keys (RFC 9449 §5.2).
	DPoP bool `json:"dpop_bound_access_tokens,omitempty"`
	// IDTokenAlgorithm signs its ID Tokens: RS256 when empty, ES256 or EdDSA.
	IDTokenAlgorithm string `json:"id_token_signed_response_alg,omitempty"`
	// Popup omits Cross-Origin-Opener-Policy from the pages of its flows, so that another site's
	// page that opens them in a window can talk to that window.
	Popup bool `json:"popup,omitempty"`
	// IDTokenClaims is "scope" when its ID Tokens contain the claims of the granted scopes, as
	// userinfo does; empty for the claims that are requested by name only.
	IDTokenClaims string `json:"id_token_claims,omitempty"`
	// AuthorizationAlgorithm signs its authorization responses in JWT response modes (JARM):
	// RS256 when empty, ES256 for a strict client.
	AuthorizationAlgorithm string `json:"authorization_signed_response_alg,omitempty"`
	// UserInfoAlgorithm signs its userinfo responses; empty for plain JSON.
	UserInfoAlgorithm string `json:"userinfo_signed_response_alg,omitempty"`
	// IntrospectionAlgorithm signs its introspection responses that are requested as JWT.
	IntrospectionAlgorithm string `json:"introspection_signed_response_alg,omitempty"`
	// SubjectType is "pairwise", or empty for public (OpenID Connect Core §8).
	SubjectType string `json:"subject_type,omitempty"`
	// SectorURI lists all redirect URIs of a sector; Sector is the host that names it.
	SectorURI string `json:"sector_identifier_uri,omitempty"`
	Sector    string `json:"sector,omitempty"`
	// PostLogoutURIs are the allowed post_logout_redirect_uri values; they are compared exactly.
	PostLogoutURIs []string `json:"post_logout_redirect_uris,omitempty"`
	// BackchannelURI is notified when a session has ended (OpenID Connect Back-Channel
	// Logout §2.2); BackchannelSession when it needs the sid for that.
	BackchannelURI     string `json:"backchannel_logout_uri,omitempty"`
	BackchannelSession bool   `json:"backchannel_logout_session_required,omitempty"`
	// TokenFormat is "opaque", or empty for JWT access tokens (RFC 9068).
	TokenFormat string `json:"access_token_format,omitempty"`
	// DefaultMaxAge (seconds), DefaultACR and RequireAuthTime apply where a request has no value
	// of its own (OpenID Connect Registration §2).
	DefaultMaxAge   *int64   `json:"default_max_age,omitempty"`
	DefaultACR      []string `json:"default_acr_values,omitempty"`
	RequireAuthTime bool     `json:"require_auth_time,omitempty"`
	// Links and images for users. All are https.
	InitiateLoginURI string   `json:"initiate_login_uri,omitempty"`
	LogoURI          string   `json:"logo_uri,omitempty"`
	ClientURI        string   `json:"client_uri,omitempty"`
	PolicyURI        string   `json:"policy_uri,omitempty"`
	TermsURI         string   `json:"tos_uri,omitempty"`
	Contacts         []string `json:"contacts,omitempty"`
	// Exchange is the client's token exchange policy; nil allows only narrowing its own tokens.
	Exchange *ExchangePolicy `json:"token_exchange,omitempty"`
	// Registration is the digest of the token that manages the client (RFC 7592).
	Registration string `json:"registration,omitempty"`
	// DocumentAt is when the metadata document of a self-described client was last fetched; zero
	// for other clients.
	DocumentAt time.Time `json:"document_at,omitzero"`
}

// ExchangePolicy is what a client may do by token exchange (RFC 8693), in addition to narrowing
// its own tokens.
type ExchangePolicy struct {
	// Subjects are the clients whose tokens it may exchange; "*" for every client's.
	Subjects []ClientID `json:"subjects,omitempty"`
	// Audiences are the resources for which it may request tokens by token exchange.
	Audiences []string `json:"audiences,omitempty"`
	// Impersonate allows tokens that do not name the client as the actor.
	Impersonate bool `json:"impersonate,omitempty"`
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

// Proves reports whether the client is registered to authenticate by the given method.
func (c Client) Proves(m AuthMethod) bool {
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
