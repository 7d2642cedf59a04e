package auth

import (
	"slices"
	"strings"
)

// reservedPrefix begins the names of scopes and permissions of the issuer's own API. Tokens for
// other audiences contain none of them.
const reservedPrefix = "watchword:"

const (
	// ScopeAccount allows calls of the first-party API below /api/v1 for the signed-in user.
	ScopeAccount = reservedPrefix + "account"
	// AdminPermission is the permission of the built-in administrator role. As a scope it allows
	// calls of /api/v1/admin.
	AdminPermission = reservedPrefix + "admin"
)

// LoginScope is the default scope of tokens of the first-party API.
var LoginScope = append(slices.Clone(DefaultScope), ScopeAccount)

// Override allows a change that is refused otherwise.
type Override string

// AllowNoAdministrator allows removing the last administrator of a tenant.
const AllowNoAdministrator Override = "no_administrator"

// KeepAdministrator refuses a change that removed the last administrator of the tenant
// (last_administrator), unless an override allows it.
func KeepAdministrator(last bool, allowed []Override) error {
	if !last || slices.Contains(allowed, AllowNoAdministrator) {
		return nil
	}
	return Refuse(KindConflict, CodeLastAdministrator,
		"this would remove the tenant's last administrator: make another account an administrator first, or use --force on the command line")
}

// Reserved reports whether the name of a scope or permission belongs to the issuer's
// own API.
func Reserved(name string) bool { return strings.HasPrefix(name, reservedPrefix) }

// RequireScope refuses a call of the first-party API whose token lacks the scope:
// Forbidden insufficient_scope. The message says how to get it.
func RequireScope(scope Scope, name string) error {
	if scope.Has(name) {
		return nil
	}
	e := Refuse(KindForbidden, CodeInsufficientScope,
		`scope: this call needs a token with "`+name+`"; sign in with "scope": "`+name+`", or request it with others and without a resource`)
	e.Err = MissingScope(name)
	return e
}

// RequireAccount is RequireScope for ScopeAccount. A token of the built-in client from before
// that scope existed is refused as Unauthenticated invalid_token, so that clients refresh it and
// get the scope.
func RequireAccount(client ClientID, scope Scope) error {
	if PredatesAccountScope(client, scope) {
		return Refuse(KindUnauthenticated, CodeInvalidToken, "the access token is older than the scope "+ScopeAccount+"; refresh it")
	}
	return RequireScope(scope, ScopeAccount)
}

// PredatesAccountScope reports whether a token was granted by a sign-in from before ScopeAccount. A
// sign-in that requests exactly DefaultScope is granted it in another order, so of new tokens
// only one that was narrowed to it at a refresh looks like an old one.
func PredatesAccountScope(client ClientID, scope Scope) bool {
	return client == FirstParty && slices.Equal(scope, DefaultScope)
}

// MissingScope is the cause of a refusal by RequireScope.
type MissingScope string

func (m MissingScope) Error() string { return "the token lacks the scope " + string(m) }

// Rights are the names of an account's roles and permissions, each sorted.
type Rights struct{ Roles, Permissions []string }

// Entitlement is what an account may do now, as far as a token can contain it.
type Entitlement struct {
	Rights
	// Known are those names of the granted scope that are permissions in the tenant.
	Known []string
}

// holds reports whether a token of the account may contain a name of a scope. A name that is no
// permission depends only on the client and needs no right of the user.
func (e Entitlement) holds(name string) bool {
	switch {
	case name == ScopeAccount || DefaultScope.Has(name): // scopes of OpenID Connect, even if a permission has the same name
		return true
	case Reserved(name) || slices.Contains(e.Known, name):
		return slices.Contains(e.Permissions, name)
	}
	return true
}

// Recipient is the client that gets a token, and the bounds of the token.
type Recipient struct {
	Client     Client
	Allowed    Scope // the scope that it may be granted for users and this audience
	IssuerOnly bool  // the audience is only the issuer
}

// Grantable returns the part of a scope that the client may have and the user can grant.
func (e Entitlement) Grantable(r Recipient, scope Scope) Scope {
	c := r.Client
	return only(scope, func(name string) bool {
		return e.holds(name) && (r.Allowed.Has(name) || c.ID == FirstParty && e.builtIn(name)) && (c.FirstParty || !Reserved(name))
	})
}

// builtIn reports whether the built-in client may have the scope in addition to what it is
// registered for. It acts for the user, so it may have all permissions of the user.
func (e Entitlement) builtIn(name string) bool {
	return name == ScopeAccount || slices.Contains(e.Permissions, name)
}

// WithRights fills in scope, roles and permissions of a user's token (docs/tokens.md). The scope is
// narrowed to what is Grantable. Only first-party clients get roles; other clients get the
// permissions that are in the scope. Only tokens for the issuer contain reserved names. A token
// that was exchanged for another one (Grant.Within) never has more rights than that one.
func (g Grant) WithRights(r Recipient, e Entitlement) Grant {
	c, own := r.Client, r.IssuerOnly
	g.Scope = e.Grantable(r, g.Scope)
	if !own {
		g.Scope = only(g.Scope, func(name string) bool { return !Reserved(name) })
	}
	roles := e.Roles
	if !c.FirstParty {
		roles = nil
	}
	permissions := only(e.Permissions, func(name string) bool {
		return (own || !Reserved(name)) && (c.FirstParty || g.Scope.Has(name))
	})
	if g.Within != nil {
		roles = only(roles, func(name string) bool { return slices.Contains(g.Within.Roles, name) })
		permissions = only(permissions, func(name string) bool { return slices.Contains(g.Within.Permissions, name) })
	}
	g.Roles, g.Permissions, g.Omitted = fitRights(roles, permissions)
	return g
}

// WithClientScope is WithRights for a client that acts for itself. The scope is narrowed to what the client
// is registered for, without reserved names in a token for another audience.
func (g Grant) WithClientScope(r Recipient) Grant {
	g.Scope = only(g.Scope, func(name string) bool {
		return slices.Contains(r.Client.Scopes, name) && (r.IssuerOnly || !Reserved(name))
	})
	return g
}

// MaxRights is the largest size in bytes of the names of roles and permissions in a token, so
// that every token fits into a request header.
const MaxRights = 4096

// RightsSize returns the size in bytes of the names in a token.
func RightsSize(roles, permissions []string) int {
	n := 0
	for _, names := range [][]string{roles, permissions} {
		for _, name := range names {
			n += sizeOfRight(name)
		}
	}
	return n
}

// sizeOfRight returns the size of a name with quotes and comma.
func sizeOfRight(name string) int { return len(name) + 3 }

// fitRights omits names beyond MaxRights, permissions first, and counts them.
func fitRights(roles, permissions []string) (r, p []string, omitted int) {
	left := MaxRights
	fit := func(name string) bool {
		left -= sizeOfRight(name)
		return left >= 0
	}
	r, p = only(roles, fit), only(permissions, fit)
	return r, p, len(roles) - len(r) + len(permissions) - len(p)
}

// only returns the elements for which keep returns true. It returns the list itself when that is
// all of them.
func only[S ~[]string](list S, keep func(string) bool) S {
	for i, v := range list {
		if keep(v) {
			continue
		}
		out := append(S{}, list[:i]...)
		for _, v := range list[i+1:] {
			if keep(v) {
				out = append(out, v)
			}
		}
		return out
	}
	return list
}
