package client

import (
	"encoding/json"
	"slices"

	"github.com/go-jose/go-jose/v4"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/keys"
)

// A client that describes itself requests metadata. The server may replace or leave out any of it
// (RFC 7591 §2, §3.2.1), and the response shows what was registered. Only metadata that leaves no
// usable client is refused: no usable redirect URI, no possible grant, an unknown authentication
// method, a wrong key. A URI that a browser would execute is refused too, since no client sends one
// by mistake.

// dropUnusable leaves out optional values that this server does not support or cannot use.
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
	m.DefaultACR = keepValid(m.DefaultACR, shortText(maxACR))
	m.Contacts = keepValid(m.Contacts, shortText(maxContact))
}

// dropUnusableURIs leaves out unusable addresses. If no redirect URI is usable it keeps them all, so
// that the refusal says why.
func (s *Service) dropUnusableURIs(m *ClientMetadata) {
	// A URI that no client may use does not make this one a native client.
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

// dropUnknownAlgorithms leaves out unsupported algorithms. An unsupported algorithm for client
// authentication is refused instead, since the client cannot use another.
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

// keepValid returns the values that pass the check, and the active ones, which are refused later.
func keepValid(values []string, parse func(string) (string, error)) []string {
	var kept []string
	for _, v := range values {
		if _, err := parse(v); err == nil || auth.ActiveURI(v) {
			kept = append(kept, v)
		}
	}
	return kept
}

// withoutMistyped returns the metadata without members of the wrong type that the server may leave
// out or that clients cannot set.
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

// openScopes returns the scopes of all open resources.
func (s *Service) openScopes() auth.Scope {
	var all auth.Scope
	for _, scopes := range s.cfg.ResourceScopes {
		all = append(all, scopes...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}
