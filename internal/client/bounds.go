package client

import (
	"context"
	"slices"

	"github.com/watchword-auth/watchword/internal/auth"
)

// applyMetadata checks what a client says of itself, and combines it with what an operator has
// said of it before. It is the one way in for both a registration and a document.
func (s *Service) applyMetadata(ctx context.Context, m ClientMetadata, before auth.Client) (auth.Client, error) {
	if err := m.checkLengths(); err != nil {
		return auth.Client{}, refusedMetadata(err)
	}
	m.ClientSettings = mergeSettings(m.ClientSettings, auth.ClientSettings{})
	s.dropUnusable(&m)
	var err error
	if m.Grants, err = s.selfServiceGrants(m.Grants); err != nil {
		return auth.Client{}, refusedMetadata(err)
	}
	r, err := m.registration(selfScope(before))
	if err != nil {
		return auth.Client{}, refusedMetadata(err)
	}
	if r.Scopes == nil && before.Bounds != nil {
		r.Scopes = before.Bounds.Scopes
	}
	c, err := s.validate(ctx, r)
	if err != nil {
		return auth.Client{}, refusedMetadata(err)
	}
	c.Settings.ResourceScopes = m.scope(s.openScopes())
	s.preserveOperatorSettings(&c, before)
	c.Bounds = before.Bounds
	bounded := c.Bounded()
	if len(bounded.RedirectURIs) == 0 && len(c.RedirectURIs) > 0 {
		return auth.Client{}, refusedMetadata(auth.Invalid(auth.CodeInvalidRedirectURI, "redirect_uris", "none of these is among those that an operator of this server has left the client"))
	}
	return bounded, nil
}

// selfScope is what a client may give itself: the scopes within its bounds, or without
// bounds those of OpenID Connect and what it has.
func selfScope(before auth.Client) auth.Scope {
	if before.Bounds != nil && before.Bounds.Scopes != nil {
		return before.Bounds.Scopes
	}
	return append(slices.Clone(auth.DefaultScope), before.Scopes...)
}

// preserveOperatorSettings keeps what only an operator or the server may set of a client,
// but for what validate has just computed.
func (s *Service) preserveOperatorSettings(c *auth.Client, before auth.Client) {
	c.Settings.ClientSettings = mergeSettings(c.Settings.ClientSettings, before.Settings.ClientSettings)
	c.Settings.Registration, c.Settings.DocumentAt = before.Settings.Registration, before.Settings.DocumentAt
	for _, g := range before.Settings.Grants {
		if !s.selfService(g) && !slices.Contains(c.Settings.Grants, g) {
			c.Settings.Grants = append(c.Settings.Grants, g)
		}
	}
	slices.Sort(c.Settings.Grants)
}

// newBounds are the bounds of a client that an operator has just changed: what was said
// now, in the form in which it was checked, and the URIs that are left if those changed.
func newBounds(before, checked auth.Client, said auth.ClientBounds) *auth.ClientBounds {
	var former auth.ClientBounds
	if before.Bounds != nil {
		former = *before.Bounds
	}
	if said.Name != former.Name {
		said.Name = checked.Name
	}
	if !slices.Equal(said.Scopes, former.Scopes) {
		said.Scopes = checked.Scopes
	}
	if !slices.Equal(said.Grants, former.Grants) {
		said.Grants = checked.Settings.Grants
	}
	uris, logout := checked.RedirectURIs, checked.Settings.PostLogoutURIs
	if !slices.Equal(uris, before.RedirectURIs) || !slices.Equal(logout, before.Settings.PostLogoutURIs) {
		said.RedirectURIs, said.PostLogoutURIs = orEmpty(uris), orEmpty(logout)
	}
	if said.Empty() {
		return nil
	}
	return &said
}

// orEmpty returns an empty list, which allows nothing, for nil, which means not set.
func orEmpty[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}
