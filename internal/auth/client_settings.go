package auth

import (
	"encoding/json"
	"time"
)

// ClientSettings is the only list of the settings of clients. They are named as in RFC 7591 and
// OpenID Connect Registration where those have a name. Registration, the admin API and the command
// line read it. The zero value of a setting is the safe default, so that a new setting leaves existing
// clients as they are.
//
// The tag doc describes a setting for administrators. The tag metadata marks client metadata
// (RFC 7591 §2), which a client may set itself: of a value that is unusable, required refuses the
// client and optional leaves the value out (§3.2.1). All other settings are for operators only.
type ClientSettings struct {
	Grants        []GrantType     `json:"grant_types,omitzero" metadata:"required" doc:"Grant types that it may use; by default those of its type."`
	Auth          AuthMethod      `json:"token_endpoint_auth_method,omitempty" metadata:"required" doc:"Empty for client_secret_basic and client_secret_post."`
	AuthAlgorithm string          `json:"token_endpoint_auth_signing_alg,omitempty" metadata:"required" doc:"The only algorithm for client assertions; empty for any that is supported."`
	JWKS          json.RawMessage `json:"jwks,omitempty" metadata:"required" doc:"Its public keys as a JWK Set; null for none."`
	JWKSURI       string          `json:"jwks_uri,omitempty" metadata:"required" doc:"Where it publishes its keys, instead of jwks."`

	Audiences []string `json:"audiences,omitempty" doc:"Resources that it may request tokens for (RFC 8707), in addition to the issuer's own."`
	Serves    []string `json:"serves,omitempty" doc:"Audiences of the API that uses this client to introspect tokens. A machine always serves the issuer's."`

	PKCEOptional         bool     `json:"pkce_optional,omitempty" doc:"Lets a confidential client omit the code_challenge (RFC 7636)."`
	RequirePushed        bool     `json:"require_pushed_authorization_requests,omitempty" metadata:"required" doc:"Accepts only pushed authorization requests (RFC 9126)."`
	RequireSignedRequest bool     `json:"require_signed_request_object,omitempty" metadata:"required" doc:"Accepts only signed request objects (RFC 9101)."`
	RequestAlgorithm     string   `json:"request_object_signing_alg,omitempty" metadata:"optional" doc:"The only algorithm for request objects; empty for any that is supported."`
	RequestURIs          []string `json:"request_uris,omitempty" metadata:"optional" doc:"URLs of request objects that may be fetched."`
	DPoP                 bool     `json:"dpop_bound_access_tokens,omitempty" metadata:"required" doc:"Binds all its tokens to keys (RFC 9449)."`

	IDTokenAlgorithm       string `json:"id_token_signed_response_alg,omitempty" metadata:"optional" doc:"RS256 when empty, ES256 or EdDSA."`
	IDTokenClaims          string `json:"id_token_claims,omitempty" doc:"scope puts the claims of the granted scopes into ID Tokens; requested (also when empty) those that a request names."`
	Popup                  bool   `json:"popup,omitempty" doc:"Users sign in in a popup: the pages of its flows carry no Cross-Origin-Opener-Policy."`
	UserInfoAlgorithm      string `json:"userinfo_signed_response_alg,omitempty" metadata:"optional" doc:"Empty for plain JSON."`
	AuthorizationAlgorithm string `json:"authorization_signed_response_alg,omitempty" metadata:"required" doc:"Of authorization responses with response_mode jwt (JARM): RS256 when empty, ES256 for a strict client."`
	IntrospectionAlgorithm string `json:"introspection_signed_response_alg,omitempty" metadata:"optional" doc:"Of introspection responses that are requested as JWT."`
	TokenFormat            string `json:"access_token_format,omitempty" doc:"jwt (also when empty, RFC 9068) or opaque."`

	SubjectType string `json:"subject_type,omitempty" metadata:"optional" doc:"public (also when empty) or pairwise."`
	SectorURI   string `json:"sector_identifier_uri,omitempty" metadata:"required" doc:"URL of a document that lists the redirect URIs of its sector, for pairwise."`

	PostLogoutURIs     []string `json:"post_logout_redirect_uris,omitempty" metadata:"optional" doc:"Where users may be sent after logout; compared exactly."`
	BackchannelURI     string   `json:"backchannel_logout_uri,omitempty" metadata:"optional" doc:"URL that is notified when a session has ended."`
	BackchannelSession bool     `json:"backchannel_logout_session_required,omitempty" metadata:"required" doc:"Logout Tokens need the sid."`

	DefaultMaxAge   *int64       `json:"default_max_age,omitempty" metadata:"optional" doc:"Seconds; below zero for none."`
	DefaultACR      []string     `json:"default_acr_values,omitempty" metadata:"optional" doc:"For requests without acr_values."`
	SecondFactor    FactorPolicy `json:"second_factor,omitempty" doc:"required or phishing_resistant: its users sign in with a second factor, even where their tenant leaves it to them."`
	RequireAuthTime bool         `json:"require_auth_time,omitempty" metadata:"required" doc:"ID Tokens always have auth_time."`

	InitiateLoginURI string   `json:"initiate_login_uri,omitempty" metadata:"optional" doc:"URL at which a sign-in at the client begins."`
	LogoURI          string   `json:"logo_uri,omitempty" metadata:"optional" doc:"The logo that users see."`
	ClientURI        string   `json:"client_uri,omitempty" metadata:"optional" doc:"The home page."`
	PolicyURI        string   `json:"policy_uri,omitempty" metadata:"optional" doc:"The privacy policy."`
	TermsURI         string   `json:"tos_uri,omitempty" metadata:"optional" doc:"The terms of service."`
	Contacts         []string `json:"contacts,omitempty" metadata:"optional" doc:"Whom to write to about the client."`

	Exchange *ClientExchangePolicy `json:"token_exchange,omitempty" doc:"What it may do by token exchange beyond narrowing its own tokens."`
}

// ClientExchangePolicy is what a client may do by token exchange (RFC 8693), beyond narrowing a
// token that was issued to itself.
type ClientExchangePolicy struct {
	Subjects    []ClientID `json:"subjects,omitempty" doc:"Clients whose tokens it may exchange; * for all."`
	Audiences   []string   `json:"audiences,omitempty" doc:"Resources it may get tokens for that way."`
	Impersonate bool       `json:"impersonate,omitempty" doc:"Allows tokens that do not name it as the actor."`
}

// StoredSettings are the settings of a client with what the server itself records in addition. No
// registration can set the latter.
type StoredSettings struct {
	ClientSettings
	// ResourceScopes are the scopes of open resources that the client has registered. They are
	// returned in its metadata, and give it no more than any other client has.
	ResourceScopes []string `json:"resource_scopes,omitempty"`
	// ScopesBounded says that an operator has bounded the client's scopes, so that it gets no
	// other scopes of open resources.
	ScopesBounded bool `json:"scopes_bounded,omitempty"`
	// Sector is the host that names the sector of SectorURI or of the redirect URIs.
	Sector string `json:"sector,omitempty"`
	// Registration is the digest of the token that manages the client (RFC 7592).
	Registration string `json:"registration,omitempty"`
	// DocumentAt is when the metadata document of a self-described client was last fetched; zero
	// for other clients.
	DocumentAt time.Time `json:"document_at,omitzero"`
}
