package oidc

import (
	"slices"

	"github.com/watchword-auth/watchword/internal/auth"
)

// Resource indicators (RFC 8707). A token is for the issuer's own API unless its client
// asks for others; which ones it may ask for is registered. What was granted once, to a
// code, a device or a refresh token, can be narrowed for each token and never widened.

// audience is the resources that a client asks for, sorted; empty for the issuer's own.
// It is the one check for every request that begins something.
func (s *Service) audience(r tokenRequest) ([]string, error) {
	asked, err := readResources(r.form)
	if err != nil {
		return nil, err
	}
	for _, resource := range asked {
		if resource != r.Tenant.ID.Issuer(s.cfg.Base) && !s.mayAsk(r.Client, resource) {
			return nil, refuse(InvalidTarget, "the client may not ask tokens for that resource")
		}
	}
	return asked, nil
}

// mayAsk reports whether the client may ask tokens for a resource besides the issuer's
// own: one it is registered for, or one that the operator opened to all.
func (s *Service) mayAsk(c auth.Client, resource string) bool {
	return slices.Contains(c.Settings.Audiences, resource) || slices.Contains(s.cfg.Resources, resource)
}

// readResources are the resources that a form names, sorted and each once; that they
// may be had is checked by others.
func readResources(f Form) ([]string, error) {
	asked := f.All("resource")
	for _, resource := range asked {
		if _, err := auth.ParseResource(resource); err != nil {
			return nil, &Error{Code: InvalidTarget, Desc: "a resource is an absolute URI without fragment", Err: err}
		}
	}
	slices.Sort(asked)
	return slices.Compact(asked), nil
}
