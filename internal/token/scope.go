package token

import (
	"slices"

	"github.com/watchword-auth/watchword/guard"
	"github.com/watchword-auth/watchword/internal/auth"
)

// UserScope returns the scope that a client may have for users and an audience: its registered
// scope, and the scopes of open resources that all resources of the audience have in common. They
// are common because a scope of one resource means nothing to another. A client with bounded
// scopes has only its registered scope.
func (s *Service) UserScope(c auth.Client, audience []string) auth.Scope {
	allowed := c.UserScope()
	if len(audience) == 0 || len(s.resourceScopes) == 0 || c.Settings.ScopesBounded {
		return allowed
	}
	common := s.scopesOf(audience[0])
	for _, resource := range audience[1:] {
		next := s.scopesOf(resource)
		common = slices.DeleteFunc(slices.Clone(common), func(name string) bool { return !slices.Contains(next, name) })
	}
	for _, name := range common {
		if !allowed.Has(name) {
			allowed = append(allowed, name)
		}
	}
	return allowed
}

// scopesOf returns the scopes of an open resource.
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
