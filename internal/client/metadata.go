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

// ClientMetadata is the metadata of a client, with the members of RFC 7591 §2, OpenID
// Connect Registration §2 and related specifications. It is used in dynamic registration and in a client ID
// metadata document. All other members are ignored, so nothing that only the server
// decides (trust, tenant, roles) can be set.
type ClientMetadata struct {
	Name            string   `json:"client_name,omitempty"`
	ApplicationType string   `json:"application_type,omitempty"`
	RedirectURIs    []string `json:"redirect_uris,omitempty"`
	ResponseTypes   []string `json:"response_types,omitempty"`
	Scope           string   `json:"scope,omitempty"`
	auth.ClientSettings
	// Encryption is not supported: a client that requests it is refused.
	IDTokenEncryption       string `json:"id_token_encrypted_response_alg,omitempty"`
	UserInfoEncryption      string `json:"userinfo_encrypted_response_alg,omitempty"`
	RequestEncryption       string `json:"request_object_encryption_alg,omitempty"`
	IntrospectionEncryption string `json:"introspection_encrypted_response_alg,omitempty"`
	AuthorizationEncryption string `json:"authorization_encrypted_response_alg,omitempty"`
}

// registration returns the Registration of the metadata, with the defaults of RFC 7591 §2 filled
// in. The client gets the part of the requested scope that is in allowed.
func (m ClientMetadata) registration(allowed auth.Scope) (Registration, error) {
	if len(m.RedirectURIs) > 0 && !slices.Contains(m.Grants, auth.GrantAuthorizationCode) {
		// No response would be sent to them, so they would prove nothing about the client.
		return Registration{}, auth.Invalid(auth.CodeInvalidRedirectURI, "redirect_uris", "redirect_uris: only for the grant authorization_code; leave them out or add it to grant_types")
	}
	if cmp.Or(m.IDTokenEncryption, m.UserInfoEncryption, m.IntrospectionEncryption, m.AuthorizationEncryption) != "" { // a client that expects encryption would get plain text
		return Registration{}, auth.Invalid(auth.CodeEncryptionUnsupported, "", "encryption is not supported; leave out the *_encrypted_response_alg members")
	}
	typ, method := m.kind()
	set := m.ClientSettings
	set.Auth = method
	return Registration{Name: cmp.Or(strings.TrimSpace(m.Name), m.fallbackName()), Type: typ, RedirectURIs: m.RedirectURIs, Scopes: m.scope(allowed), ClientSettings: set}, nil
}

// checkLengths refuses lists that are too long, before their values are checked.
func (m ClientMetadata) checkLengths() error {
	for field, n := range map[string]int{"redirect_uris": len(m.RedirectURIs), "response_types": len(m.ResponseTypes), "grant_types": len(m.Grants),
		"post_logout_redirect_uris": len(m.PostLogoutURIs), "default_acr_values": len(m.DefaultACR), "contacts": len(m.Contacts)} {
		if n > maxValues {
			return tooMany(field, maxValues)
		}
	}
	return checkLength("request_uris", m.RequestURIs, maxRequestURIs)
}

// selfServiceGrants returns the requested grants that a client may register for itself (RFC 7591
// §2.1), or authorization_code when it requests none.
func (s *Service) selfServiceGrants(requested []auth.GrantType) ([]auth.GrantType, error) {
	if len(requested) == 0 {
		return []auth.GrantType{auth.GrantAuthorizationCode}, nil
	}
	grants := slices.DeleteFunc(slices.Clone(requested), func(name auth.GrantType) bool { return !s.selfService(name) })
	if !slices.ContainsFunc(grants, func(name auth.GrantType) bool { return name != auth.GrantRefreshToken }) {
		var names []string
		for _, g := range s.cfg.Grants {
			if g.SelfService && g.Name != auth.GrantRefreshToken {
				names = append(names, g.Short)
			}
		}
		return nil, auth.Invalid(auth.CodeGrantInvalid, "grant_types", "grant_types: "+strings.Join(names, " or ")+", with refresh_token")
	}
	return grants, nil
}

func (s *Service) selfService(name auth.GrantType) bool {
	g, _ := s.grant(name)
	return g.SelfService
}

func (s *Service) isForUser(name auth.GrantType) bool {
	g, _ := s.grant(name)
	return g.ForUser
}

// kind returns type and method of the client. A public client with a redirect URI that is not https
// is native, whatever its application_type.
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

// scope returns the allowed part of the requested scope. Invalid names are left out.
func (m ClientMetadata) scope(allowed auth.Scope) []string {
	var got auth.Scope
	for name := range strings.FieldsSeq(m.Scope) {
		if allowed.Has(name) && !got.Has(name) {
			got = append(got, name)
		}
	}
	return got
}

// fallbackName returns the name of a client that sent none.
func (m ClientMetadata) fallbackName() string {
	for _, raw := range append([]string{m.ClientURI}, m.RedirectURIs...) {
		if u, err := url.Parse(raw); err == nil && u.Hostname() != "" {
			return auth.Clip(u.Hostname(), 100)
		}
	}
	return "Unnamed client"
}

// metadataOf returns the registered metadata of a client, defaults included. The parameter open
// holds the scopes of open resources.
func metadataOf(c auth.Client, open auth.Scope) ClientMetadata {
	set := c.Settings
	scope := slices.Concat(auth.Scope(c.Scopes), slices.DeleteFunc(slices.Clone(set.ResourceScopes), func(name string) bool {
		return !open.Has(name) || slices.Contains(c.Scopes, name)
	}))
	registered := mergeSettings(set.ClientSettings, auth.ClientSettings{})
	registered.Grants = orEmpty(registered.Grants)
	registered.SubjectType, registered.IDTokenAlgorithm = cmp.Or(registered.SubjectType, "public"), cmp.Or(registered.IDTokenAlgorithm, "RS256")
	m := ClientMetadata{Name: c.Name, ApplicationType: "web", RedirectURIs: c.RedirectURIs, Scope: scope.String(), ClientSettings: registered}
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

// refusedMetadata maps a refusal of a registration to an error of RFC 7591 §3.2.2.
func refusedMetadata(err error) error {
	e, ok := errors.AsType[*auth.Error](err)
	if !ok || e.Kind != auth.KindInvalid {
		return err
	}
	code, field, desc := oauth.InvalidClientMetadata, e.Field, e.Msg
	if e.Code == auth.CodeInvalidRedirectURI {
		code, field = oauth.InvalidRedirectURI, "redirect_uris"
	}
	if field == "scopes" { // client metadata has the scopes in one string
		field, desc = "scope", strings.TrimPrefix(desc, "scopes: ")
	}
	if field != "" && !strings.HasPrefix(desc, field+":") {
		desc = field + ": " + desc
	}
	return &oauth.Error{Code: code, Desc: desc, Err: e.Err}
}

// parseClientMetadata reads the JSON of a client's metadata. A refusal is an *oauth.Error.
func parseClientMetadata(text []byte) (ClientMetadata, error) {
	var m ClientMetadata
	return m, unmarshalMetadata(text, &m)
}

// unmarshalMetadata reads metadata into a struct. An optional member of the wrong type is left
// out, like any other unusable value.
func unmarshalMetadata[T any](text []byte, into *T) error {
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	err := json.Unmarshal(text, into)
	if err != nil {
		*into = *new(T)
		err = json.Unmarshal(withoutMistyped(text), into)
	}
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*json.UnmarshalTypeError](err); ok && e.Field != "" {
		code, field := oauth.InvalidClientMetadata, e.Field[strings.LastIndexByte(e.Field, '.')+1:] // without the embedded structs
		if field == "redirect_uris" {
			code = oauth.InvalidRedirectURI
		}
		return oauth.Refuse(code, "a member of the wrong type: "+auth.Clip(field, 64))
	}
	return oauth.Refuse(oauth.InvalidClientMetadata, "the body is not a JSON object of client metadata")
}
