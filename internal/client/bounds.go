package client

import (
	"context"
	"slices"

	"github.com/watchword-auth/watchword/internal/auth"
)

// applyMetadata checks the metadata that a client sent about itself and combines it with the
// operator's settings. Registrations and documents both use it.
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
		return auth.Client{}, refusedMetadata(auth.Invalid(auth.CodeInvalidRedirectURI, "redirect_uris", "redirect_uris: at least one of those that the operator allows this client"))
	}
	return bounded, nil
}

// selfScope returns the scopes that a client may register for itself: those within its bounds, or
// without bounds those of OpenID Connect and those it has.
func selfScope(before auth.Client) auth.Scope {
	if before.Bounds != nil && before.Bounds.Scopes != nil {
		return before.Bounds.Scopes
	}
	return append(slices.Clone(auth.DefaultScope), before.Scopes...)
}

// preserveOperatorSettings keeps the settings that only an operator or the server may change, except
// those that validate has just computed.
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

// newBounds returns the bounds of a client after an operator's change: the new values in checked
// form, and the remaining URIs if the URIs changed.
func newBounds(before, checked auth.Client, requested auth.ClientBounds) *auth.ClientBounds {
	var former auth.ClientBounds
	if before.Bounds != nil {
		former = *before.Bounds
	}
	if requested.Name != former.Name {
		requested.Name = checked.Name
	}
	if !slices.Equal(requested.Scopes, former.Scopes) {
		requested.Scopes = checked.Scopes
	}
	if !slices.Equal(requested.Grants, former.Grants) {
		requested.Grants = checked.Settings.Grants
	}
	uris, logout := checked.RedirectURIs, checked.Settings.PostLogoutURIs
	if !slices.Equal(uris, before.RedirectURIs) || !slices.Equal(logout, before.Settings.PostLogoutURIs) {
		requested.RedirectURIs, requested.PostLogoutURIs = orEmpty(uris), orEmpty(logout)
	}
	if requested.Empty() {
		return nil
	}
	return &requested
}

// orEmpty returns an empty list, which allows nothing, for nil, which means not set.
func orEmpty[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}
