package client

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"net/url"
	"slices"
	"strings"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/oauth"
)

// ClientMetadata is what a client says of itself, in the words of RFC 7591 §2, OpenID
// Connect Registration §2 and their kin: when it registers itself, and in a client ID
// metadata document. Members that are not here are not looked at, so nothing that the
// server alone decides (trust, tenant, roles) can be said.
type ClientMetadata struct {
	Name             string           `json:"client_name,omitempty"`
	ApplicationType  string           `json:"application_type,omitempty"`
	RedirectURIs     []string         `json:"redirect_uris,omitempty"`
	ResponseTypes    []string         `json:"response_types,omitempty"`
	Grants           []auth.GrantType `json:"grant_types,omitzero"`
	Scope            string           `json:"scope,omitempty"`
	Auth             auth.AuthMethod  `json:"token_endpoint_auth_method,omitempty"`
	AuthAlgorithm    string           `json:"token_endpoint_auth_signing_alg,omitempty"`
	JWKS             json.RawMessage  `json:"jwks,omitempty"`
	JWKSURI          string           `json:"jwks_uri,omitempty"`
	SubjectType      string           `json:"subject_type,omitempty"`
	SectorURI        string           `json:"sector_identifier_uri,omitempty"`
	IDTokenAlg       string           `json:"id_token_signed_response_alg,omitempty"`
	UserInfoAlg      string           `json:"userinfo_signed_response_alg,omitempty"`
	AuthorizationAlg string           `json:"authorization_signed_response_alg,omitempty"`
	IntrospectionAlg string           `json:"introspection_signed_response_alg,omitempty"`
	RequestAlg       string           `json:"request_object_signing_alg,omitempty"`
	RequestURIs      []string         `json:"request_uris,omitempty"`
	RequirePushed    bool             `json:"require_pushed_authorization_requests,omitempty"`
	RequireSigned    bool             `json:"require_signed_request_object,omitempty"`
	DPoP             bool             `json:"dpop_bound_access_tokens,omitempty"`
	DefaultMaxAge    *int64           `json:"default_max_age,omitempty"`
	DefaultACR       []string         `json:"default_acr_values,omitempty"`
	RequireAuthTime  bool             `json:"require_auth_time,omitempty"`
	PostLogoutURIs   []string         `json:"post_logout_redirect_uris,omitempty"`
	BackchannelURI   string           `json:"backchannel_logout_uri,omitempty"`
	BackchannelSID   bool             `json:"backchannel_logout_session_required,omitempty"`
	InitiateLoginURI string           `json:"initiate_login_uri,omitempty"`
	LogoURI          string           `json:"logo_uri,omitempty"`
	ClientURI        string           `json:"client_uri,omitempty"`
	PolicyURI        string           `json:"policy_uri,omitempty"`
	TermsURI         string           `json:"tos_uri,omitempty"`
	Contacts         []string         `json:"contacts,omitempty"`
	// Encryption is not ours: a client that needs it is told so.
	IDTokenEncryption       string `json:"id_token_encrypted_response_alg,omitempty"`
	UserInfoEncryption      string `json:"userinfo_encrypted_response_alg,omitempty"`
	RequestEncryption       string `json:"request_object_encryption_alg,omitempty"`
	IntrospectionEncryption string `json:"introspection_encrypted_response_alg,omitempty"`
	AuthorizationEncryption string `json:"authorization_encrypted_response_alg,omitempty"`
}

// registration is what the metadata come to, with the defaults of RFC 7591 §2 filled
// in. Of the scope that is asked for the client gets what is in allowed; of open, the
// scopes of open resources, it is told which it has asked for.
func (m ClientMetadata) registration(allowed, open auth.Scope) (Registration, error) {
	if len(m.RedirectURIs) > 0 && !slices.Contains(m.Grants, auth.GrantAuthorizationCode) {
		// Nothing would ever be sent to them, so they would prove nothing of the client.
		return Registration{}, auth.Invalid(auth.CodeInvalidRedirectURI, "redirect_uris", "these belong to grant_type authorization_code; leave them out or add it")
	}
	if cmp.Or(m.IDTokenEncryption, m.UserInfoEncryption, m.IntrospectionEncryption, m.AuthorizationEncryption) != "" { // what it expects to be secret would come in plain
		return Registration{}, auth.Invalid(auth.CodeEncryptionUnsupported, "", "nothing is encrypted for clients here; leave the members for encryption out")
	}
	typ, method := m.kind()
	return Registration{
		Name: cmp.Or(strings.TrimSpace(m.Name), m.host()), Type: typ, RedirectURIs: m.RedirectURIs, Scopes: m.scope(allowed),
		ClientSettings: auth.ClientSettings{
			Grants: m.Grants, Auth: method, AuthAlgorithm: m.AuthAlgorithm, JWKS: m.keys(), JWKSURI: m.JWKSURI,
			SubjectType: m.SubjectType, SectorURI: m.SectorURI,
			IDTokenAlgorithm: m.IDTokenAlg, UserInfoAlgorithm: m.UserInfoAlg, IntrospectionAlgorithm: m.IntrospectionAlg, AuthorizationAlgorithm: m.AuthorizationAlg,
			RequestAlgorithm: m.RequestAlg, RequestURIs: m.RequestURIs, RequirePushed: m.RequirePushed, RequireSignedRequest: m.RequireSigned,
			DPoP: m.DPoP, DefaultMaxAge: m.DefaultMaxAge, DefaultACR: m.DefaultACR, RequireAuthTime: m.RequireAuthTime,
			PostLogoutURIs: m.PostLogoutURIs, BackchannelURI: m.BackchannelURI, BackchannelSession: m.BackchannelSID,
			InitiateLoginURI: m.InitiateLoginURI, LogoURI: m.LogoURI, ClientURI: m.ClientURI, PolicyURI: m.PolicyURI, TermsURI: m.TermsURI,
			Contacts: m.Contacts, ResourceScopes: m.scope(open),
		},
	}, nil
}

// measure refuses lists that are too long, before any of them is read.
func (m ClientMetadata) measure() error {
	for field, n := range map[string]int{"redirect_uris": len(m.RedirectURIs), "response_types": len(m.ResponseTypes), "grant_types": len(m.Grants),
		"post_logout_redirect_uris": len(m.PostLogoutURIs), "default_acr_values": len(m.DefaultACR), "contacts": len(m.Contacts)} {
		if n > maxValues {
			return tooMany(field, maxValues)
		}
	}
	return measure("request_uris", m.RequestURIs, maxRequestURIs)
}

// keys are the keys, unless they are null.
func (m ClientMetadata) keys() json.RawMessage {
	if string(m.JWKS) == "null" {
		return nil
	}
	return m.JWKS
}

// selfServiceGrants are those of the grants that a client may register itself for (RFC 7591
// §2.1); authorization_code when it names none.
func (s *Service) selfServiceGrants(asked []auth.GrantType) ([]auth.GrantType, error) {
	if len(asked) == 0 {
		return []auth.GrantType{auth.GrantAuthorizationCode}, nil
	}
	grants := slices.DeleteFunc(slices.Clone(asked), func(name auth.GrantType) bool { return !s.selfService(name) })
	if !slices.ContainsFunc(grants, func(name auth.GrantType) bool { return name != auth.GrantRefreshToken }) {
		var names []string
		for _, g := range s.cfg.Grants {
			if g.SelfService && g.Name != auth.GrantRefreshToken {
				names = append(names, g.Short)
			}
		}
		return nil, auth.Invalid(auth.CodeGrantInvalid, "grant_types", "a client may register itself for "+strings.Join(names, " or ")+", with refresh_token")
	}
	return grants, nil
}

func (s *Service) selfService(name auth.GrantType) bool {
	g, _ := s.grant(name)
	return g.SelfService
}

// kind is what sort of client this is. Without a secret and without https everywhere it
// is a program on a device, whatever it calls itself.
func (m ClientMetadata) kind() (auth.ClientType, auth.AuthMethod) {
	local := slices.ContainsFunc(m.RedirectURIs, func(u string) bool { return !strings.HasPrefix(u, "https:") })
	switch method := cmp.Or(m.Auth, auth.AuthSecretBasic); {
	case method != auth.AuthNone && m.ApplicationType == "native" && m.Auth == "":
		return auth.ClientNative, auth.AuthNone
	case method != auth.AuthNone:
		return auth.ClientWeb, method
	case m.ApplicationType == "native" || local:
		return auth.ClientNative, method
	default:
		return auth.ClientSPA, method
	}
}

// scope is the part of the scope asked for that is allowed. What is no scope is left out.
func (m ClientMetadata) scope(allowed auth.Scope) []string {
	var got auth.Scope
	for name := range strings.FieldsSeq(m.Scope) {
		if allowed.Has(name) && !got.Has(name) {
			got = append(got, name)
		}
	}
	return got
}

// host names a client that has no name.
func (m ClientMetadata) host() string {
	for _, raw := range append([]string{m.ClientURI}, m.RedirectURIs...) {
		if u, err := url.Parse(raw); err == nil && u.Hostname() != "" {
			return auth.Clip(u.Hostname(), 100)
		}
	}
	return "A client without a name"
}

// metadataOf is the metadata of a client as it is registered, defaults and all. Open are
// the scopes of open resources.
func metadataOf(c auth.Client, open auth.Scope) ClientMetadata {
	set := c.Settings
	scope := slices.Concat(auth.Scope(c.Scopes), slices.DeleteFunc(slices.Clone(set.ResourceScopes), func(name string) bool {
		return !open.Has(name) || slices.Contains(c.Scopes, name)
	}))
	m := ClientMetadata{
		Name: c.Name, ApplicationType: "web", RedirectURIs: c.RedirectURIs, Grants: orEmpty(set.Grants), Scope: scope.String(),
		Auth: set.Auth, AuthAlgorithm: set.AuthAlgorithm, JWKS: set.JWKS, JWKSURI: set.JWKSURI,
		SubjectType: cmp.Or(set.SubjectType, "public"), SectorURI: set.SectorURI,
		IDTokenAlg: cmp.Or(set.IDTokenAlgorithm, "RS256"), UserInfoAlg: set.UserInfoAlgorithm, IntrospectionAlg: set.IntrospectionAlgorithm,
		AuthorizationAlg: set.AuthorizationAlgorithm,
		RequestAlg:       set.RequestAlgorithm, RequestURIs: set.RequestURIs, RequirePushed: set.RequirePushed, RequireSigned: set.RequireSignedRequest,
		DPoP: set.DPoP, DefaultMaxAge: set.DefaultMaxAge, DefaultACR: set.DefaultACR, RequireAuthTime: set.RequireAuthTime,
		PostLogoutURIs: set.PostLogoutURIs, BackchannelURI: set.BackchannelURI, BackchannelSID: set.BackchannelSession,
		InitiateLoginURI: set.InitiateLoginURI, LogoURI: set.LogoURI, ClientURI: set.ClientURI, PolicyURI: set.PolicyURI, TermsURI: set.TermsURI,
		Contacts: set.Contacts,
	}
	if c.Type == auth.ClientNative {
		m.ApplicationType = "native"
	}
	if c.Public() {
		m.Auth = auth.AuthNone
	}
	m.Auth = cmp.Or(m.Auth, auth.AuthSecretBasic)
	if slices.Contains(set.Grants, auth.GrantAuthorizationCode) {
		m.ResponseTypes = oauth.ResponseTypes
	}
	return m
}

// refusedMetadata puts a refusal of a registration into the words of RFC 7591 §3.2.2.
func refusedMetadata(err error) error {
	e, ok := errors.AsType[*auth.Error](err)
	if !ok || e.Kind != auth.KindInvalid {
		return err
	}
	code, desc := oauth.InvalidClientMetadata, e.Msg
	if e.Code == auth.CodeInvalidRedirectURI {
		code, desc = oauth.InvalidRedirectURI, "redirect_uris: "+e.Msg
	} else if e.Field != "" {
		desc = e.Field + ": " + e.Msg
	}
	return &oauth.Error{Code: code, Desc: desc, Err: e.Err}
}

// ParseClientMetadata reads the JSON of a client's metadata. A refusal is an *Error.
func ParseClientMetadata(text []byte) (ClientMetadata, error) {
	var m ClientMetadata
	return m, unmarshalMetadata(text, &m)
}

// unmarshalMetadata reads metadata into a struct. A member that a client can do without
// is left out when its type is wrong, like any other value that is of no use.
func unmarshalMetadata[T any](text []byte, into *T) error {
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	err := json.Unmarshal(text, into)
	if _, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		*into = *new(T)
		err = json.Unmarshal(withoutMistyped(text), into)
	}
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*json.UnmarshalTypeError](err); ok && e.Field != "" {
		code := oauth.InvalidClientMetadata
		if e.Field == "redirect_uris" {
			code = oauth.InvalidRedirectURI
		}
		return oauth.Refuse(code, "a member has the wrong type: "+auth.Clip(e.Field, 64))
	}
	return oauth.Refuse(oauth.InvalidClientMetadata, "the body is not a JSON object of client metadata")
}
