package oidc

import (
	"github.com/watchword-auth/watchword/guard"
	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/client"
	"github.com/watchword-auth/watchword/internal/keys"
	"github.com/watchword-auth/watchword/internal/oauth"
	"github.com/watchword-auth/watchword/internal/token"
)

// Paths of endpoints below the issuer.
const (
	IntrospectPath = "/oauth2/introspect"
	RevokePath     = "/oauth2/revoke"
	JWKSPath       = "/.well-known/jwks.json"
)

// acrs returns the authentication contexts that a sign-in here can reach.
func (s *Service) acrs() []string {
	if auth.SupportsPasskeys(s.cfg.Base) {
		return auth.ACRs
	}
	return auth.ACRs[:auth.AssuranceTwoFactors]
}

// Metadata describes a tenant's issuer (RFC 8414 §2, OpenID Connect Discovery §3). It lists
// what works; an empty list is left out (§3.2). Lists with a default are stated, because the
// defaults name what this server does not support.
type Metadata struct {
	Issuer                string `json:"issuer"`
	AuthorizationEndpoint string `json:"authorization_endpoint"`
	TokenEndpoint         string `json:"token_endpoint"`
	UserInfoEndpoint      string `json:"userinfo_endpoint"`
	JWKSURI               string `json:"jwks_uri"`
	IntrospectionEndpoint string `json:"introspection_endpoint"`
	RevocationEndpoint    string `json:"revocation_endpoint"`
	PushedEndpoint        string `json:"pushed_authorization_request_endpoint"`
	DeviceEndpoint        string `json:"device_authorization_endpoint"`
	EndSessionEndpoint    string `json:"end_session_endpoint"`
	RegistrationEndpoint  string `json:"registration_endpoint,omitempty"` // unless registration is closed

	Scopes        []string         `json:"scopes_supported"`
	ResponseTypes []string         `json:"response_types_supported"`
	ResponseModes []string         `json:"response_modes_supported"`
	Grants        []auth.GrantType `json:"grant_types_supported"`
	SubjectTypes  []string         `json:"subject_types_supported"`
	Claims        []string         `json:"claims_supported"`
	ClaimTypes    []string         `json:"claim_types_supported"`
	ACR           []string         `json:"acr_values_supported"`
	Prompts       []string         `json:"prompt_values_supported"`
	Challenges    []string         `json:"code_challenge_methods_supported"`
	Locales       []string         `json:"ui_locales_supported"`
	Resources     []string         `json:"protected_resources,omitempty"` // RFC 9728 §4: those that are open to every client

	IDTokenAlgorithms               []string `json:"id_token_signing_alg_values_supported"`
	UserInfoAlgorithms              []string `json:"userinfo_signing_alg_values_supported"`
	IntrospectionResponseAlgorithms []string `json:"introspection_signing_alg_values_supported"`
	AuthorizationAlgorithms         []string `json:"authorization_signing_alg_values_supported"`
	RequestObjectAlgorithms         []string `json:"request_object_signing_alg_values_supported"`
	ProofAlgorithms                 []string `json:"dpop_signing_alg_values_supported"`

	TokenAuth               []auth.AuthMethod `json:"token_endpoint_auth_methods_supported"`
	TokenAuthAlgorithms     []string          `json:"token_endpoint_auth_signing_alg_values_supported"`
	IntrospectionAuth       []auth.AuthMethod `json:"introspection_endpoint_auth_methods_supported"`
	IntrospectionAlgorithms []string          `json:"introspection_endpoint_auth_signing_alg_values_supported"`
	RevocationAuth          []auth.AuthMethod `json:"revocation_endpoint_auth_methods_supported"`
	RevocationAlgorithms    []string          `json:"revocation_endpoint_auth_signing_alg_values_supported"`

	IssuerParameter      bool `json:"authorization_response_iss_parameter_supported"` // RFC 9207
	ClaimsParameter      bool `json:"claims_parameter_supported"`
	RequestParameter     bool `json:"request_parameter_supported"`
	RequestURIParameter  bool `json:"request_uri_parameter_supported"`
	RequestURIRegistered bool `json:"require_request_uri_registration"`
	BackchannelLogout    bool `json:"backchannel_logout_supported"`
	BackchannelSession   bool `json:"backchannel_logout_session_supported"`
	ClientDocuments      bool `json:"client_id_metadata_document_supported"`
}

// signingAlgorithms are the algorithms of the JWTs that this server signs.
var signingAlgorithms = keys.Algorithms

// tokenClaims are the claims of ID Tokens that do not describe the user.
var tokenClaims = []string{"sub", "iss", "aud", "exp", "iat", "auth_time", "nonce", "acr", "amr", "sid"}

// Metadata describes the issuer of a tenant.
func (s *Service) Metadata(t auth.Tenant) Metadata {
	issuer := t.ID.Issuer(s.cfg.Base)
	var algorithms []string
	for _, a := range client.AssertionAlgorithms {
		algorithms = append(algorithms, string(a))
	}
	m := Metadata{
		Issuer: issuer, AuthorizationEndpoint: issuer + AuthorizePath, TokenEndpoint: issuer + oauth.TokenPath, UserInfoEndpoint: issuer + UserInfoPath,
		JWKSURI: issuer + JWKSPath, IntrospectionEndpoint: issuer + IntrospectPath, RevocationEndpoint: issuer + RevokePath,
		PushedEndpoint: issuer + PushedPath, DeviceEndpoint: issuer + DeviceAuthorizationPath, EndSessionEndpoint: issuer + LogoutPath,

		Scopes: auth.DefaultScope, ResponseTypes: oauth.ResponseTypes, ResponseModes: ResponseModes,
		SubjectTypes: []string{"public", "pairwise"}, ClaimTypes: []string{"normal"}, ACR: s.acrs(),
		Claims:  append(tokenClaims[:len(tokenClaims):len(tokenClaims)], token.StandardClaims...),
		Prompts: prompts, Resources: s.cfg.Resources,
		Locales: auth.Locales, Challenges: []string{"S256"},

		IDTokenAlgorithms: signingAlgorithms, UserInfoAlgorithms: signingAlgorithms, IntrospectionResponseAlgorithms: signingAlgorithms,
		AuthorizationAlgorithms: signingAlgorithms, RequestObjectAlgorithms: algorithms, ProofAlgorithms: guard.ProofAlgorithms(),
		TokenAuth: client.AuthMethods, TokenAuthAlgorithms: algorithms,
		IntrospectionAuth: client.ConfidentialMethods, IntrospectionAlgorithms: algorithms,
		RevocationAuth: client.AuthMethods, RevocationAlgorithms: algorithms,

		IssuerParameter: true, ClaimsParameter: true, RequestParameter: true, RequestURIParameter: true, RequestURIRegistered: true,
		BackchannelLogout: true, BackchannelSession: true, ClientDocuments: s.cfg.Clients.AcceptsDocuments(),
	}
	for _, g := range grants {
		m.Grants = append(m.Grants, g.name)
	}
	if s.cfg.Clients.RegistrationMode(t) != client.RegistrationClosed {
		m.RegistrationEndpoint = issuer + client.RegisterPath
	}
	return m
}
