package auth

import "slices"

// ClaimScope is the scope to which a claim about a person belongs (OpenID Connect Core
// §5.4); empty for a claim of which we know nothing.
func ClaimScope(claim string) string {
	switch claim {
	case "email", "email_verified":
		return ScopeEmail
	case "name", "updated_at":
		return ScopeProfile
	}
	return ""
}

// Of is the request as the account can answer it.
func (r AuthorizationRequest) Of(p SignedInAccount) AuthorizationRequest {
	r.Scope = only(r.Scope, func(name string) bool { return !p.Withheld.Has(name) })
	return r
}

// ConsentScope is what the client gets to know and to do, and so what the person is asked
// about: the scope, and the scopes of those claims that are asked for by name. A claim
// that is requested by name needs the same consent as its scope.
func (r AuthorizationRequest) ConsentScope() Scope {
	all := slices.Clone(r.Scope)
	for _, name := range slices.Concat(r.Claims.IDToken, r.Claims.UserInfo) {
		if scope := ClaimScope(name); scope != "" && !all.Has(scope) {
			all = append(all, scope)
		}
	}
	return all
}

// KeepClaims returns those names of claims that belong to a scope that the client may ask
// of people. Other claims would disclose what the client may not ask for.
func (c Client) KeepClaims(names []string) []string {
	if len(names) == 0 {
		return nil
	}
	allowed := c.PersonScope()
	return only(names, func(name string) bool { return ClaimScope(name) == "" || allowed.Has(ClaimScope(name)) })
}
