package oidc

import "github.com/watchword-auth/watchword/internal/auth"

// Where the endpoints are, below the tenant's issuer.
const (
	TokenPath      = "/oauth2/token"
	IntrospectPath = "/oauth2/introspect"
	RevokePath     = "/oauth2/revoke"
	JWKSPath       = "/.well-known/jwks.json"
)

// Metadata describes a tenant's issuer (RFC 8414 §2, OpenID Connect Discovery §3). It
// lists what works and nothing else; a list that would be empty is left out (§3.2).
// Lists that have a default are stated, since the defaults name what we do not have.
type Metadata struct {
	Issuer                  string            `json:"issuer"`
	JWKSURI                 string            `json:"jwks_uri"`
	TokenEndpoint           string            `json:"token_endpoint"`
	IntrospectionEndpoint   string            `json:"introspection_endpoint"`
	RevocationEndpoint      string            `json:"revocation_endpoint"`
	DeviceEndpoint          string            `json:"device_authorization_endpoint"`
	Grants                  []auth.GrantType  `json:"grant_types_supported"`
	TokenAuth               []auth.AuthMethod `json:"token_endpoint_auth_methods_supported"`
	TokenAuthAlgorithms     []string          `json:"token_endpoint_auth_signing_alg_values_supported"`
	IntrospectionAuth       []auth.AuthMethod `json:"introspection_endpoint_auth_methods_supported"`
	IntrospectionAlgorithms []string          `json:"introspection_endpoint_auth_signing_alg_values_supported"`
	RevocationAuth          []auth.AuthMethod `json:"revocation_endpoint_auth_methods_supported"`
	RevocationAlgorithms    []string          `json:"revocation_endpoint_auth_signing_alg_values_supported"`
}

// confidentialMethods are open to clients that keep a secret, methods to all.
var (
	confidentialMethods = []auth.AuthMethod{auth.AuthSecretBasic, auth.AuthSecretPost, auth.AuthPrivateKeyJWT}
	methods             = append(confidentialMethods[:len(confidentialMethods):len(confidentialMethods)], auth.AuthNone)
)

// Metadata is the description of a tenant's issuer.
func (s *Service) Metadata(tenant auth.TenantID) Metadata {
	issuer := tenant.Issuer(s.cfg.Base)
	var algorithms []string
	for _, a := range AssertionAlgorithms {
		algorithms = append(algorithms, string(a))
	}
	m := Metadata{
		Issuer: issuer, JWKSURI: issuer + JWKSPath,
		TokenEndpoint: issuer + TokenPath, IntrospectionEndpoint: issuer + IntrospectPath, RevocationEndpoint: issuer + RevokePath,
		DeviceEndpoint: issuer + DeviceAuthorizationPath,
		TokenAuth:      methods, TokenAuthAlgorithms: algorithms,
		IntrospectionAuth: confidentialMethods, IntrospectionAlgorithms: algorithms,
		RevocationAuth: methods, RevocationAlgorithms: algorithms,
	}
	for _, g := range grants {
		m.Grants = append(m.Grants, g.name)
	}
	return m
}
