package auth

import (
	"slices"
	"strings"
)

// Names of scopes and permissions that begin with it belong to the issuer's own API.
// No token for another audience carries one.
const reservedPrefix = "watchword:"

const (
	// ScopeAccount opens the first-party API below /api/v1 for the person who signed in.
	ScopeAccount = reservedPrefix + "account"
	// AdminPermission is what the built-in role of administrators allows. As a scope it
	// opens /api/v1/admin.
	AdminPermission = reservedPrefix + "admin"
)

// LoginScope is what tokens of the first-party API carry unless another scope is asked for.
var LoginScope = append(slices.Clone(DefaultScope), ScopeAccount)

// Override lets a change through that is refused otherwise.
type Override string

// AllowNoAdministrator lets the last administrator of a tenant go.
const AllowNoAdministrator Override = "no_administrator"

// KeepAdministrator refuses a change that removed the last administrator of the tenant
// (last_administrator), unless an override allows it.
func KeepAdministrator(last bool, allowed []Override) error {
	if !last || slices.Contains(allowed, AllowNoAdministrator) {
		return nil
	}
	return Refuse(KindConflict, CodeLastAdministrator,
		"nobody could administer this tenant any more: make another account an administrator first, or use --force on the command line")
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
		`scope: this call needs a token with "`+name+`"; sign in with "scope": "`+name+`", or ask for it among others, and for no resource`)
	e.Err = MissingScope(name)
	return e
}

// RequireAccount is RequireScope for ScopeAccount. A token of the built-in client that is
// older than that scope has no rights either, but is refused as Unauthenticated
// invalid_token: clients refresh then, and the next token has the scope.
func RequireAccount(client ClientID, scope Scope) error {
	if PredatesAccount(client, scope) {
		return Refuse(KindUnauthenticated, CodeInvalidToken, "the access token is older than the scope "+ScopeAccount+"; refresh it")
	}
	return RequireScope(scope, ScopeAccount)
}

// PredatesAccount reports whether a token was granted by a sign-in from before
// ScopeAccount. A sign-in that asks for that very scope now is granted it in another order,
// so of new tokens only one that was narrowed to it at a refresh looks like an old one.
func PredatesAccount(client ClientID, scope Scope) bool {
	return client == FirstParty && slices.Equal(scope, DefaultScope)
}

// MissingScope is the cause of a refusal by RequireScope.
type MissingScope string

func (m MissingScope) Error() string { return "the token lacks the scope " + string(m) }

// Rights are the names of roles and permissions, each sorted.
type Rights struct{ Roles, Permissions []string }

// Entitlement is what an account may do at the moment, as far as a token can say it.
type Entitlement struct {
	Rights
	// Known are those names of the granted scope that are permissions in the tenant.
	Known []string
}

// holds reports whether a name of a scope may stand in a token of the account. A name
// that is no permission speaks of what the client does, not of what the person may.
func (e Entitlement) holds(name string) bool {
	switch {
	case name == ScopeAccount || DefaultScope.Has(name): // of OpenID Connect, whatever a permission is called
		return true
	case Reserved(name) || slices.Contains(e.Known, name):
		return slices.Contains(e.Permissions, name)
	}
	return true
}

// Recipient is the client that gets a token, and for what.
type Recipient struct {
	Client  Client
	Allowed Scope // what it may be granted of people for the audience
	Own     bool  // the audience is the issuer and nothing else
}

// Grantable is the part of a scope that the client may have and the person can give.
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

// Carry fills in what a person's token carries (docs/tokens.md). The scope is narrowed to
// what is Grantable. Roles are for first-party clients only; other clients get the
// permissions that stand in the scope. Reserved names stand in tokens for the issuer only.
// A token that came of another one, see Grant.Within, never has more than that one.
func (g Grant) Carry(r Recipient, e Entitlement) Grant {
	c, own := r.Client, r.Own
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

// CarryOwn is Carry for a client that acts for itself. It keeps what it is registered
// for, but for the reserved names in a token for another audience.
func (g Grant) CarryOwn(r Recipient) Grant {
	g.Scope = only(g.Scope, func(name string) bool {
		return slices.Contains(r.Client.Scopes, name) && (r.Own || !Reserved(name))
	})
	return g
}

// MaxRights is how many bytes the names of roles and permissions may take in a token, so
// that every token fits into the header of a request.
const MaxRights = 4096

// RightsSize is how many bytes the names take in a token.
func RightsSize(roles, permissions []string) int {
	n := 0
	for _, names := range [][]string{roles, permissions} {
		for _, name := range names {
			n += sizeOfRight(name)
		}
	}
	return n
}

// sizeOfRight counts the quotes and the comma as well.
func sizeOfRight(name string) int { return len(name) + 3 }

// fitRights leaves out what is beyond MaxRights, permissions first, and counts it.
func fitRights(roles, permissions []string) (r, p []string, omitted int) {
	left := MaxRights
	fit := func(name string) bool {
		left -= sizeOfRight(name)
		return left >= 0
	}
	r, p = only(roles, fit), only(permissions, fit)
	return r, p, len(roles) - len(r) + len(permissions) - len(p)
}

// only is the part of a list that is kept: the list itself where that is all of it.
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
