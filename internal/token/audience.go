package token

import (
	"slices"

	"github.com/watchword-auth/watchword/guard"
	"github.com/watchword-auth/watchword/internal/auth"
)

// UserInfoPath is the path of userinfo below the tenant's issuer. Its URL is the audience of
// tokens that third-party clients requested without a resource: they identify the user and give
// access to nothing else.
const UserInfoPath = "/oauth2/userinfo"

// UserInfoURL is the URL of the tenant's userinfo endpoint.
func (s *Service) UserInfoURL(tenant auth.TenantID) string {
	return tenant.Issuer(s.base) + UserInfoPath
}

// audience returns the audience of the access token of a grant.
func (s *Service) audience(tenant auth.TenantID, c auth.Client, g auth.Grant) []string {
	switch {
	case len(g.Narrow) > 0:
		return g.Narrow
	case len(g.Audience) > 0:
		return g.Audience
	case g.Account == "":
		return []string{tenant.Issuer(s.base)}
	}
	return []string{s.defaultAudience(tenant, c)}
}

// defaultAudience returns the audience of a user's tokens without a requested resource.
func (s *Service) defaultAudience(tenant auth.TenantID, c auth.Client) string {
	if c.FirstParty {
		return tenant.Issuer(s.base)
	}
	return s.UserInfoURL(tenant)
}

// ResolveResource returns the configured spelling of a resource, and reports whether the client may
// request tokens of users for it (RFC 8707): a resource of its registration, one that is open to
// every client, or its default audience.
func (s *Service) ResolveResource(tenant auth.TenantID, c auth.Client, requested string) (string, bool) {
	for _, list := range [][]string{c.Settings.Audiences, s.resources, {s.defaultAudience(tenant, c)}} {
		if name, ok := FindResource(list, requested); ok {
			return name, true
		}
	}
	return "", false
}

// FindResource finds a resource in a list, exact or equivalent, and returns the spelling of the
// list. So tokens have the spelling with which resource servers are configured.
func FindResource(list []string, requested string) (string, bool) {
	if slices.Contains(list, requested) {
		return requested, true
	}
	i := slices.IndexFunc(list, func(known string) bool { return guard.SameResource(known, requested) })
	if i < 0 {
		return "", false
	}
	return list[i], true
}

// resolveAudience sets the remaining audience of a grant and the requested part of it.
func (s *Service) resolveAudience(tenant auth.TenantID, c auth.Client, g *auth.Grant) (err error) {
	if g.Audience, err = s.remainingAudience(tenant, c, g.Audience); err != nil {
		return err
	}
	g.Narrow, err = s.narrowAudience(tenant, c, g.Audience, g.Narrow)
	return err
}

// remainingAudience returns the part of a granted audience that the client may still request. It
// fails when nothing remains: the default would be another audience than the granted one.
func (s *Service) remainingAudience(tenant auth.TenantID, c auth.Client, granted []string) ([]string, error) {
	if len(granted) == 0 {
		return nil, nil
	}
	left := make([]string, 0, len(granted))
	for _, resource := range granted {
		if name, ok := s.ResolveResource(tenant, c, resource); ok {
			left = append(left, name)
		}
	}
	if len(left) == 0 {
		return nil, invalidTarget()
	}
	return left, nil
}

// narrowAudience returns the requested part of a granted audience; nil without a request. A grant
// without an audience is for the client's default. That of the built-in client is for any
// resource it may request.
func (s *Service) narrowAudience(tenant auth.TenantID, c auth.Client, granted, requested []string) ([]string, error) {
	if len(requested) == 0 {
		return nil, nil
	}
	part := make([]string, 0, len(requested))
	for _, resource := range requested {
		name, ok := FindResource(granted, resource)
		switch {
		case len(granted) == 0 && c.ID == auth.FirstParty:
			name, ok = s.ResolveResource(tenant, c, resource)
		case len(granted) == 0:
			name, ok = FindResource([]string{s.defaultAudience(tenant, c)}, resource)
		}
		if !ok {
			return nil, invalidTarget()
		}
		if !slices.Contains(part, name) {
			part = append(part, name)
		}
	}
	return part, nil
}

func invalidTarget() error {
	return auth.Invalid(auth.CodeInvalidTarget, "resource", "resource: one that the client may request (listed in oauth.resources or set as its --audience) and that was granted at the sign-in; only a first-party sign-in without resource is for all of them")
}
