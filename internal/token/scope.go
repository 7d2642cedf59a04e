package token

import (
	"slices"

	"github.com/watchword-auth/watchword/guard"
	"github.com/watchword-auth/watchword/internal/auth"
)

// UserScope is what a client may have of a person in a token for the audience: what
// it is registered for, and the scopes that go with every resource of the audience. A
// scope that one resource opens to all says nothing at another, so a token for both has
// it only where both do. An operator's bounds hold for these scopes too.
func (s *Service) UserScope(c auth.Client, audience []string) auth.Scope {
	allowed := c.UserScope()
	if len(audience) == 0 || len(s.resourceScopes) == 0 || c.Settings.ScopesBounded {
		return allowed
	}
	open := s.scopesOf(audience[0])
	for _, resource := range audience[1:] {
		others := s.scopesOf(resource)
		open = slices.DeleteFunc(slices.Clone(open), func(name string) bool { return !slices.Contains(others, name) })
	}
	for _, name := range open {
		if !allowed.Has(name) {
			allowed = append(allowed, name)
		}
	}
	return allowed
}

// scopesOf are the scopes that go with a resource.
func (s *Service) scopesOf(resource string) []string {
	if scopes, ok := s.resourceScopes[resource]; ok {
		return scopes
	}
	for name, scopes := range s.resourceScopes {
		if guard.SameResource(name, resource) {
			return scopes
		}
	}
	return nil
}
