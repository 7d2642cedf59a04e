package client

import (
	"encoding/json"
	"slices"

	"github.com/go-jose/go-jose/v4"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/keys"
)

// A client that describes itself says what it would like, and the server may replace or
// leave out any of it (RFC 7591 §2, §3.2.1); the answer says what was registered. Refused
// is only what leaves no client: no usable redirect URI, no possible grant, a way to
// prove itself that does not exist, a wrong key; and an address that a browser would
// carry out, which nobody has by mistake.

// dropUnusable leaves out what we do not have or cannot use, and the client can do
// without.
func (s *Service) dropUnusable(m *ClientMetadata) {
	if _, err := auth.ParseName(m.Name); err != nil {
		m.Name = ""
	}
	if m.ApplicationType != "web" && m.ApplicationType != "native" {
		m.ApplicationType = ""
	}
	if m.SubjectType != "pairwise" {
		m.SubjectType = ""
	}
	s.dropUnusableURIs(m)
	dropUnknownAlgorithms(m)
	if m.DefaultMaxAge != nil && !validMaxAge(*m.DefaultMaxAge) {
		m.DefaultMaxAge = nil
	}
	m.DefaultACR = keepValid(m.DefaultACR, shortText("default_acr_values", maxACR))
	m.Contacts = keepValid(m.Contacts, shortText("contacts", maxContact))
}

// dropUnusableURIs leaves out addresses. Of the redirect URIs it leaves those that are of use,
// unless that is none: then the refusal says why.
func (s *Service) dropUnusableURIs(m *ClientMetadata) {
	// What no client may have does not make this one a program on a device.
	usable := *m
	usable.RedirectURIs = keepValid(m.RedirectURIs, s.redirectURI(auth.ClientNative))
	typ, _ := usable.kind()
	if usable.RedirectURIs = keepValid(usable.RedirectURIs, s.redirectURI(typ)); len(usable.RedirectURIs) > 0 {
		m.RedirectURIs = usable.RedirectURIs
	}
	m.PostLogoutURIs = keepValid(m.PostLogoutURIs, s.redirectURI(typ))
	for _, u := range []*string{&m.InitiateLoginURI, &m.ClientURI, &m.PolicyURI, &m.TermsURI, &m.LogoURI} {
		if _, err := auth.ParseWebURI("", *u); err != nil && !auth.ActiveURI(*u) {
			*u = ""
		}
	}
	for _, u := range []*string{&m.LogoURI, &m.BackchannelURI} {
		if s.checkReachable("", *u) != nil && !auth.ActiveURI(*u) {
			*u = ""
		}
	}
	m.BackchannelSession = m.BackchannelSession && m.BackchannelURI != ""
	m.RequestURIs = keepValid(m.RequestURIs, s.requestURI)
}

// dropUnknownAlgorithms leaves out algorithms that we do not have. One by which the client would
// prove itself is refused instead: it can do nothing with another.
func dropUnknownAlgorithms(m *ClientMetadata) {
	for _, alg := range []*string{&m.IDTokenAlgorithm, &m.UserInfoAlgorithm, &m.IntrospectionAlgorithm, &m.AuthorizationAlgorithm} {
		if !keys.Supported(*alg) {
			*alg = ""
		}
	}
	if !slices.Contains(AssertionAlgorithms, jose.SignatureAlgorithm(m.RequestAlgorithm)) {
		m.RequestAlgorithm = ""
	}
	if m.Auth != auth.AuthPrivateKeyJWT {
		m.AuthAlgorithm = ""
	}
}

// keepValid is the values that pass the check, and those for which the whole is refused.
func keepValid(values []string, parse func(string) (string, error)) []string {
	var kept []string
	for _, v := range values {
		if _, err := parse(v); err == nil || auth.ActiveURI(v) {
			kept = append(kept, v)
		}
	}
	return kept
}

// withoutMistyped is the metadata without the members of the wrong type that the server may
// leave out, or that are not for clients to set.
func withoutMistyped(text []byte) []byte {
	var members map[string]json.RawMessage
	if json.Unmarshal(text, &members) != nil {
		return text
	}
	for name, value := range members {
		one, err := json.Marshal(map[string]json.RawMessage{name: value})
		if err == nil && json.Unmarshal(one, new(ClientMetadata)) != nil && replaceable(name) {
			delete(members, name)
		}
	}
	kept, err := json.Marshal(members)
	if err != nil {
		return text
	}
	return kept
}

// openScopes are the scopes that go with the open resources, of all of them.
func (s *Service) openScopes() auth.Scope {
	var all auth.Scope
	for _, scopes := range s.cfg.ResourceScopes {
		all = append(all, scopes...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}
