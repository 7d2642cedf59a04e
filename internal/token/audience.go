package token

import (
	"slices"

	"github.com/watchword-auth/watchword/guard"
	"github.com/watchword-auth/watchword/internal/auth"
)

// UserInfoPath is where userinfo is, below the tenant's issuer. Its URL is the audience
// of tokens of other people's clients that were asked for no resource: they tell who
// signed in, and open nothing else.
const UserInfoPath = "/oauth2/userinfo"

// UserInfoURL is the URL of the tenant's userinfo endpoint.
func (s *Service) UserInfoURL(tenant auth.TenantID) string {
	return tenant.Issuer(s.base) + UserInfoPath
}

// audience is what the access token of a grant is for.
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

// defaultAudience is the audience of a person's tokens where no resource was asked for.
func (s *Service) defaultAudience(tenant auth.TenantID, c auth.Client) string {
	if c.FirstParty {
		return tenant.Issuer(s.base)
	}
	return s.UserInfoURL(tenant)
}

// ResolveResource is the configured spelling of a resource, and whether the client may ask for a
// person's tokens for it (RFC 8707): one that it is registered for, one that is open to
// every client, or its default.
func (s *Service) ResolveResource(tenant auth.TenantID, c auth.Client, asked string) (string, bool) {
	for _, list := range [][]string{c.Settings.Audiences, s.resources, {s.defaultAudience(tenant, c)}} {
		if name, ok := FindResource(list, asked); ok {
			return name, true
		}
	}
	return "", false
}

// FindResource finds a resource in a list, as the list spells it: letter by letter, else in
// a spelling that is equal. What stands in tokens is what those who check them were told,
// whichever of the spellings of one resource the client uses.
func FindResource(list []string, asked string) (string, bool) {
	if slices.Contains(list, asked) {
		return asked, true
	}
	i := slices.IndexFunc(list, func(known string) bool { return guard.SameResource(known, asked) })
	if i < 0 {
		return "", false
	}
	return list[i], true
}

// resolveAudience puts into a grant what is left of its audience, and the part that was asked for.
func (s *Service) resolveAudience(tenant auth.TenantID, c auth.Client, g *auth.Grant) (err error) {
	if g.Audience, err = s.remainingAudience(tenant, c, g.Audience); err != nil {
		return err
	}
	g.Narrow, err = s.narrowAudience(tenant, c, g.Audience, g.Narrow)
	return err
}

// remainingAudience is what is left of the audience of a grant: what was taken from the client
// since is in no further token. Where nothing is left, nothing is issued: the default
// would be another audience than the one that was granted.
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

// narrowAudience is the part of a granted audience that is asked for; all of it when nothing is.
// A grant without an audience is for the client's default, and that of the built-in
// client for whatever it may ask, because only the person's own program has it.
func (s *Service) narrowAudience(tenant auth.TenantID, c auth.Client, granted, asked []string) ([]string, error) {
	if len(asked) == 0 {
		return nil, nil
	}
	part := make([]string, 0, len(asked))
	for _, resource := range asked {
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
	return auth.Invalid(auth.CodeInvalidTarget, "resource", "resource: one that the client may ask for (listed in oauth.resources or set as its --audience) and that was granted at the sign-in; only a first-party sign-in without resource is for all of them")
}
