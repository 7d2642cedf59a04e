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
	GrantDeviceCode        GrantType = "urn:ietf:params:oauth:grant-type:device_code"
	GrantTokenExchange     GrantType = "urn:ietf:params:oauth:grant-type:token-exchange"
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
	Bounds       *ClientBounds // of clients that describe themselves; nil for none
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
	// Audiences are the resources for which the client may request tokens (RFC 8707),
	// in addition to the issuer's own.
	Audiences []string `json:"audiences,omitempty"`
	// Serves are the audiences for which the client is the resource server, and whose
	// tokens it may introspect. A machine always serves the issuer's.
	Serves []string `json:"serves,omitempty"`

	// ResourceScopes are scopes of open resources that the client has registered for. It
	// is told so, and has no more by it than any other client.
	ResourceScopes []string `json:"resource_scopes,omitempty"`
	// ScopesBounded says that an operator has set the most that the client gets, so that
	// it gets no scopes of open resources beside them.
	ScopesBounded bool `json:"scopes_bounded,omitempty"`

	// JWKSURI is where the client publishes its keys, instead of JWKS.
	JWKSURI string `json:"jwks_uri,omitempty"`
	// PKCEOptional lets a confidential client do without a code_challenge (RFC 7636).
	PKCEOptional bool `json:"pkce_optional,omitempty"`
	// RequirePushed accepts authorization requests only through PAR (RFC 9126 §6).
	RequirePushed bool `json:"require_pushed_authorization_requests,omitempty"`
	// RequireSignedRequest accepts only signed request objects (RFC 9101 §10.5).
	RequireSignedRequest bool `json:"require_signed_request_object,omitempty"`
	// RequestAlgorithm is the only one for request objects; empty for any that we take.
	RequestAlgorithm string `json:"request_object_signing_alg,omitempty"`
	// RequestURIs are addresses of request objects that may be fetched.
	RequestURIs []string `json:"request_uris,omitempty"`
	// AuthAlgorithm is the only one for client assertions; empty for any that we take.
	AuthAlgorithm string `json:"token_endpoint_auth_signing_alg,omitempty"`
	// DPoP binds all tokens of the client to keys (RFC 9449 §5.2).
	DPoP bool `json:"dpop_bound_access_tokens,omitempty"`
	// IDTokenAlgorithm signs its ID Tokens: RS256 when empty, ES256 or EdDSA.
	IDTokenAlgorithm string `json:"id_token_signed_response_alg,omitempty"`
	// Popup lets the pages of its flows be opened by another site's page that goes on
	// talking to the window: they carry no Cross-Origin-Opener-Policy.
	Popup bool `json:"popup,omitempty"`
	// IDTokenClaims is "scope" when its ID Tokens hold the claims of the granted scopes,
	// as userinfo does; empty for those that a request asks for by name.
	IDTokenClaims string `json:"id_token_claims,omitempty"`
	// AuthorizationAlgorithm signs the answers to its authorization requests that are
	// asked for as JWT (JARM): RS256 when empty, ES256 for a strict client.
	AuthorizationAlgorithm string `json:"authorization_signed_response_alg,omitempty"`
	// UserInfoAlgorithm signs the answers of userinfo; empty for plain JSON.
	UserInfoAlgorithm string `json:"userinfo_signed_response_alg,omitempty"`
	// IntrospectionAlgorithm signs introspection answers that are asked for as JWT.
	IntrospectionAlgorithm string `json:"introspection_signed_response_alg,omitempty"`
	// SubjectType is "pairwise", or empty for public (OpenID Connect Core §8).
	SubjectType string `json:"subject_type,omitempty"`
	// SectorURI lists all redirect URIs of a sector; Sector is the host that names it.
	SectorURI string `json:"sector_identifier_uri,omitempty"`
	Sector    string `json:"sector,omitempty"`
	// PostLogoutURIs are where a person may be sent after logging out, exactly.
	PostLogoutURIs []string `json:"post_logout_redirect_uris,omitempty"`
	// BackchannelURI is notified when a session has ended (OpenID Connect Back-Channel
	// Logout §2.2); BackchannelSession when it needs the sid for that.
	BackchannelURI     string `json:"backchannel_logout_uri,omitempty"`
	BackchannelSession bool   `json:"backchannel_logout_session_required,omitempty"`
	// TokenFormat is "opaque", or empty for JWT access tokens (RFC 9068).
	TokenFormat string `json:"access_token_format,omitempty"`
	// DefaultMaxAge (seconds), DefaultACR and RequireAuthTime hold where a request says
	// nothing (OpenID Connect Registration §2).
	DefaultMaxAge   *int64   `json:"default_max_age,omitempty"`
	DefaultACR      []string `json:"default_acr_values,omitempty"`
	RequireAuthTime bool     `json:"require_auth_time,omitempty"`
	// What people are shown and led to. All are https.
	InitiateLoginURI string   `json:"initiate_login_uri,omitempty"`
	LogoURI          string   `json:"logo_uri,omitempty"`
	ClientURI        string   `json:"client_uri,omitempty"`
	PolicyURI        string   `json:"policy_uri,omitempty"`
	TermsURI         string   `json:"tos_uri,omitempty"`
	Contacts         []string `json:"contacts,omitempty"`
	// Exchange says what the client may do by token exchange; nil for nothing.
	Exchange *ExchangePolicy `json:"token_exchange,omitempty"`
	// Registration is the digest of the token that manages the client (RFC 7592).
	Registration string `json:"registration,omitempty"`
	// DocumentAt is when the metadata document that the client_id names was last
	// fetched; zero for clients that are registered here.
	DocumentAt time.Time `json:"document_at,omitzero"`
}

// ExchangePolicy is what a client may do by token exchange (RFC 8693), beyond
// narrowing a token that was issued to itself.
type ExchangePolicy struct {
	// Subjects are the clients whose tokens it may exchange; "*" for every client's.
	Subjects []ClientID `json:"subjects,omitempty"`
	// Audiences are the resources for which it may get tokens that way.
	Audiences []string `json:"audiences,omitempty"`
	// Impersonate allows tokens that do not name the client as the actor.
	Impersonate bool `json:"impersonate,omitempty"`
}

// OAuth scopes with a meaning here (OpenID Connect Core §5.4, §11).
const (
	ScopeOpenID  = "openid"
	ScopeProfile = "profile"
	ScopeEmail   = "email"
	ScopeOffline = "offline_access"
)

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

// Disabled reports whether an administrator has disabled the client.
func (c Client) Disabled() bool { return !c.DisabledAt.IsZero() }

// Public reports whether the client can keep no secret (RFC 6749 §2.1).
func (c Client) Public() bool {
	return c.ID == FirstParty || c.Type == ClientSPA || c.Type == ClientNative
}

// Strict reports whether the client is held to the FAPI 2.0 Security Profile: it keeps a
// secret, all its tokens are bound to keys and all its authorization requests are pushed.
// For such a client a code_challenge is never left out, it names only the issuer as the
// audience of its assertions, it signs with nothing older than RSASSA-PSS, and its refresh
// tokens are not rotated (§5.3.2.1, §5.3.2.2, §5.4.1), whatever the server is set to.
func (c Client) Strict() bool {
	return !c.Public() && c.Settings.DPoP && c.Settings.RequirePushed
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
		return "", Invalid(CodeClientIDInvalid, "client_id", "this is not a client_id")
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

// PersonScope is what the client may ask of people. One that was registered without
// scopes may ask for who they are. A refresh token is of use only to a client that may
// refresh.
func (c Client) PersonScope() Scope {
	allowed := Scope(slices.Clone(c.Scopes))
	if len(allowed) == 0 {
		allowed = slices.Clone(DefaultScope)
	}
	return slices.DeleteFunc(allowed, func(t string) bool { return t == ScopeOffline && !c.Allows(GrantRefreshToken) })
}
