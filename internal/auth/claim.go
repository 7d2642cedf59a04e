package auth

import "slices"

// ClaimScope returns the scope to which a claim about a user belongs (OpenID Connect Core §5.4);
// empty for an unknown claim.
func ClaimScope(claim string) string {
	switch claim {
	case "email", "email_verified":
		return ScopeEmail
	case "locale", "name", "picture", "preferred_username", "updated_at":
		return ScopeProfile
	}
	return ""
}

// WithoutWithheld returns the request without the scopes that are withheld from the account.
func (r AuthorizationRequest) WithoutWithheld(p SignedInAccount) AuthorizationRequest {
	r.Scope = only(r.Scope, func(name string) bool { return !p.Withheld.Has(name) })
	return r
}

// ConsentScope returns the scope that needs the user's consent: the requested scope, and the
// scopes of claims that are requested by name.
func (r AuthorizationRequest) ConsentScope() Scope {
	all := slices.Clone(r.Scope)
	for _, name := range slices.Concat(r.Claims.IDToken, r.Claims.UserInfo) {
		if scope := ClaimScope(name); scope != "" && !all.Has(scope) {
			all = append(all, scope)
		}
	}
	return all
}

// AllowedClaims returns the names of claims that belong to a scope that the client may request
// for users. Other claims would disclose more than the client may request.
func (c Client) AllowedClaims(names []string) []string {
	if len(names) == 0 {
		return nil
	}
	allowed := c.UserScope()
	return only(names, func(name string) bool { return ClaimScope(name) == "" || allowed.Has(ClaimScope(name)) })
}
