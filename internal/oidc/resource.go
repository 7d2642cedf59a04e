package oidc

import (
	"slices"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/oauth"
	"github.com/watchword-auth/watchword/internal/token"
)

// Resource indicators (RFC 8707). Which resources a client may ask for is registered; a
// token that is asked for none has the client's default audience. What was granted once,
// to a code, a device or a refresh token, can be narrowed for each token and never
// widened.

// audience returns the resources that a client requests on behalf of a user, sorted; empty
// for its default. It is the one check for every request that begins something.
func (s *Service) audience(r tokenRequest) ([]string, error) { return s.audienceFor(r, "") }

// audienceFor is audience with one more allowed resource.
func (s *Service) audienceFor(r tokenRequest, more string) ([]string, error) {
	asked, err := readResources(r.form)
	if err != nil {
		return nil, err
	}
	for i, resource := range asked {
		name, ok := s.cfg.Tokens.ResolveResource(r.Tenant.ID, r.Client, resource)
		if !ok {
			name, ok = token.FindResource([]string{more}, resource)
		}
		if !ok {
			return nil, oauth.Refuse(oauth.InvalidTarget, "resource: the client may not ask tokens for it")
		}
		asked[i] = name
	}
	slices.Sort(asked)
	return slices.Compact(asked), nil
}

// readResources are the resources that a form names, sorted and each once; that they
// may be had is checked by others.
func readResources(f oauth.Form) ([]string, error) {
	asked := f.All("resource")
	for _, resource := range asked {
		if _, err := auth.ParseResource(resource); err != nil {
			return nil, &oauth.Error{Code: oauth.InvalidTarget, Desc: "a resource is an absolute URI without fragment", Err: err}
		}
	}
	slices.Sort(asked)
	return slices.Compact(asked), nil
}
