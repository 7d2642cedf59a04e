package oidc

import (
	"slices"

	"github.com/watchword-auth/watchword/guard"
	"github.com/watchword-auth/watchword/internal/auth"
)

// Resource indicators (RFC 8707). A token is for the issuer's own API unless its client
// asks for others; which ones it may ask for is registered. What was granted once, to a
// code, a device or a refresh token, can be narrowed for each token and never widened.

// audience is the resources that a client asks for, as they are configured, sorted;
// empty for the issuer's own. It is the one check for every request that begins
// something.
func (s *Service) audience(r tokenRequest) ([]string, error) {
	asked, err := readResources(r.form)
	if err != nil {
		return nil, err
	}
	for i, a := range asked {
		var ok bool
		if asked[i], ok = s.resource(r.Caller, a); !ok {
			return nil, refuse(InvalidTarget, "resource: the client may not ask tokens for it")
		}
	}
	slices.Sort(asked)
	return slices.Compact(asked), nil
}

// resource is the configured spelling of a resource, and whether the client may ask
// tokens for it: the issuer's own, one that the client is registered for, or one that
// the operator opened to all. What stands in tokens is what those who check them were
// told, whichever of the spellings of one resource the client uses.
func (s *Service) resource(c Caller, asked string) (string, bool) {
	if issuer := c.Tenant.ID.Issuer(s.cfg.Base); guard.SameResource(asked, issuer) {
		return issuer, true
	}
	if name, ok := spelled(c.Client.Settings.Audiences, asked); ok {
		return name, true
	}
	return spelled(s.cfg.Resources, asked)
}

// spelled finds a resource in a list, as the list spells it: letter by letter, else in
// a spelling that is equal.
func spelled(list []string, asked string) (string, bool) {
	if slices.Contains(list, asked) {
		return asked, true
	}
	i := slices.IndexFunc(list, func(known string) bool { return guard.SameResource(known, asked) })
	if i < 0 {
		return "", false
	}
	return list[i], true
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
