package oidc

import (
	"slices"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/oauth"
	"github.com/watchword-auth/watchword/internal/token"
)

// Resource indicators (RFC 8707). A client is registered for its resources. Without a resource parameter a
// token has the client's default audience. The resources of a code, a device or a refresh token can be
// narrowed for each token and never widened.

// audience returns the resources that a client requests on behalf of a user, sorted; empty for the default.
// Every request that begins a grant uses it.
func (s *Service) audience(r tokenRequest) ([]string, error) { return s.audienceFor(r, "") }

// audienceFor is audience with one more allowed resource.
func (s *Service) audienceFor(r tokenRequest, more string) ([]string, error) {
	requested, err := readResources(r.form)
	if err != nil {
		return nil, err
	}
	for i, resource := range requested {
		name, ok := s.cfg.Tokens.ResolveResource(r.Tenant.ID, r.Client, resource)
		if !ok {
			name, ok = token.FindResource([]string{more}, resource)
		}
		if !ok {
			return nil, oauth.Refuse(oauth.InvalidTarget, "resource: one that is allowed for this client")
		}
		requested[i] = name
	}
	slices.Sort(requested)
	return slices.Compact(requested), nil
}

// readResources returns the resources of a form, sorted and each once. It does not check whether the client
// may have them.
func readResources(f oauth.Form) ([]string, error) {
	requested := f.All("resource")
	for _, resource := range requested {
		if _, err := auth.ParseResource(resource); err != nil {
			return nil, &oauth.Error{Code: oauth.InvalidTarget, Desc: "resource: an absolute URI without fragment", Err: err}
		}
	}
	slices.Sort(requested)
	return slices.Compact(requested), nil
}
