package guard

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Requirement is something a token must carry. Make one with Scope, Role,
// Permission or one of their Any forms.
type Requirement struct {
	kind  error // ErrScope, ErrRole or ErrPermission
	names []string
	any   bool
}

// Scope requires all of the scopes.
func Scope(names ...string) Requirement { return Requirement{kind: ErrScope, names: names} }

// AnyScope requires at least one of the scopes.
func AnyScope(names ...string) Requirement {
	return Requirement{kind: ErrScope, names: names, any: true}
}

// Role requires all of the roles.
func Role(names ...string) Requirement { return Requirement{kind: ErrRole, names: names} }

// AnyRole requires at least one of the roles.
func AnyRole(names ...string) Requirement {
	return Requirement{kind: ErrRole, names: names, any: true}
}

// Permission requires all of the permissions.
func Permission(names ...string) Requirement {
	return Requirement{kind: ErrPermission, names: names}
}

// AnyPermission requires at least one of the permissions.
func AnyPermission(names ...string) Requirement {
	return Requirement{kind: ErrPermission, names: names, any: true}
}

// Check tells whether the claims meet all requirements. The error is an *Error
// with status 403, for code that calls Verify itself.
func Check(c *Claims, reqs ...Requirement) error {
	p := compile(reqs)
	if e := p.check(&grants{c.Scopes, c.Roles, c.Permissions}); e != nil {
		return e
	}
	return nil
}

// grants is what requirements look at. Those of a remembered token are copies
// that no handler ever sees: a handler that sorts or overwrites a slice of its
// Claims must not change what the next request is allowed to do.
type grants struct{ scopes, roles, permissions []string }

func grantsOf(c *Claims) grants {
	a, b := len(c.Scopes), len(c.Scopes)+len(c.Roles)
	all := make([]string, 0, b+len(c.Permissions))
	all = append(append(append(all, c.Scopes...), c.Roles...), c.Permissions...)
	return grants{all[:a], all[a:b], all[b:]}
}

// policy is a checked list of requirements.
type policy struct {
	reqs  []Requirement
	scope string // for the challenge
}

// compile panics on a requirement that is a mistake in the program: one
// without names would let everybody in or nobody, and which is a guess.
func compile(reqs []Requirement) policy {
	p := policy{reqs: reqs}
	var scopes []string
	for _, r := range reqs {
		if r.kind == nil || len(r.names) == 0 {
			panic("guard: a requirement without names")
		}
		for _, name := range r.names {
			if name == "" || r.kind == ErrScope && !scopeToken(name) {
				panic(fmt.Sprintf("guard: %q cannot be required: not a valid name", name))
			}
		}
		if r.kind == ErrScope {
			scopes = append(scopes, r.names...)
		}
	}
	p.scope = strings.Join(scopes, " ")
	return p
}

// scopeToken is scope-token of RFC 6749 section 3.3; it goes into a header.
func scopeToken(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool {
		return r <= ' ' || r > '~' || r == '"' || r == '\\'
	})
}

// check returns the first requirement that is not met, as a refusal.
func (p *policy) check(g *grants) *Error {
	for i := range p.reqs {
		r := &p.reqs[i]
		have := g.scopes
		switch r.kind {
		case ErrRole:
			have = g.roles
		case ErrPermission:
			have = g.permissions
		}
		if !r.met(have) {
			e := refuse(r.kind, errors.New("needs "+strings.Join(r.names, " ")))
			if r.kind == ErrScope {
				e.Scope = p.scope
			}
			return e
		}
	}
	return nil
}

func (r *Requirement) met(have []string) bool {
	for _, name := range r.names {
		if slices.Contains(have, name) == r.any {
			return r.any
		}
	}
	return !r.any
}
