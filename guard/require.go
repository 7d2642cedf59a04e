package guard

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Requirement is something a token must carry. Make one with Scope, Role,
// Permission or one of their Any forms, with ACR, MaxAge or AnyOf.
type Requirement struct {
	kind  error // ErrScope, ErrRole, ErrPermission, ErrACR or ErrMaxAge
	names []string
	any   bool
	age   time.Duration
	of    []Requirement // of AnyOf, and nothing else with it
}

// AnyOf requires that at least one of the requirements is met. An API that programs and
// people call may ask for AnyOf(Scope("orders:read"), Permission("orders:read")). The
// refusal is that of the first.
func AnyOf(reqs ...Requirement) Requirement { return Requirement{of: reqs, any: true} }

// ACR requires that the person signed in in one of the ways, named as in "acr". The
// refusal asks the client for such a sign-in (RFC 9470): put the best first.
func ACR(values ...string) Requirement { return Requirement{kind: ErrACR, names: values, any: true} }

// MaxAge requires that the person signed in no longer ago, in whole seconds. A token
// that does not say when is refused. The refusal asks the client for a new sign-in
// (RFC 9470).
func MaxAge(d time.Duration) Requirement { return Requirement{kind: ErrMaxAge, age: d} }

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
// with status 403, or 401 for ACR and MaxAge, for code that calls Verify itself.
// Claims that no Guard has returned have no clock, and never meet MaxAge.
func Check(c *Claims, reqs ...Requirement) error {
	p := compile(reqs)
	if e := p.check(&grants{c.Scopes, c.Roles, c.Permissions, c.ACR, c.AuthTime, c.now}); e != nil {
		return e
	}
	return nil
}

// grants is what requirements look at. Those of a remembered token are copies
// that no handler ever sees: a handler that sorts or overwrites a slice of its
// Claims must not change what the next request is allowed to do.
type grants struct {
	scopes, roles, permissions []string

	acr    string
	authAt time.Time
	now    func() time.Time
}

func grantsOf(c *Claims) grants {
	a, b := len(c.Scopes), len(c.Scopes)+len(c.Roles)
	all := make([]string, 0, b+len(c.Permissions))
	all = append(append(append(all, c.Scopes...), c.Roles...), c.Permissions...)
	return grants{all[:a], all[a:b], all[b:], c.ACR, c.AuthTime, c.now}
}

// policy is a checked list of requirements.
type policy struct {
	reqs  []Requirement
	scope string        // for the challenge
	acr   string        // ditto
	age   time.Duration // ditto, the least
}

// compile panics on a requirement that is a mistake in the program: one
// without names would let everybody in or nobody, and which is a guess.
func compile(reqs []Requirement) policy {
	p := policy{reqs: reqs}
	var scopes, acr []string
	var collect func([]Requirement)
	collect = func(reqs []Requirement) {
		for _, r := range reqs {
			r.mustMakeSense()
			switch r.kind {
			case ErrScope:
				scopes = append(scopes, r.names...)
			case ErrACR:
				acr = append(acr, r.names...)
			case ErrMaxAge:
				if p.age == 0 || r.age < p.age {
					p.age = r.age
				}
			}
			collect(r.of)
		}
	}
	collect(reqs)
	p.scope, p.acr = strings.Join(scopes, " "), strings.Join(acr, " ")
	return p
}

func (r Requirement) mustMakeSense() {
	if len(r.of) > 0 {
		return // each of them is looked at by itself
	}
	if r.kind == ErrMaxAge {
		if r.age < time.Second {
			panic(fmt.Sprintf("guard: MaxAge(%v) is less than a second", r.age))
		}
		return
	}
	if r.kind == nil || len(r.names) == 0 {
		panic("guard: a requirement without names")
	}
	header := r.kind == ErrScope || r.kind == ErrACR
	for _, name := range r.names {
		if name == "" || header && !scopeToken(name) {
			panic(fmt.Sprintf("guard: %q cannot be required: not a valid name", name))
		}
	}
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
		if r := &p.reqs[i]; !r.metBy(g) {
			return p.refuse(r)
		}
	}
	return nil
}

func (p *policy) refuse(r *Requirement) *Error {
	if len(r.of) > 0 {
		return p.refuse(&r.of[0])
	}
	if r.kind == ErrMaxAge {
		e := refuse(r.kind, fmt.Errorf("needs one within %v", r.age))
		e.ACR, e.MaxAge = p.acr, p.age
		return e
	}
	e := refuse(r.kind, errors.New("needs "+strings.Join(r.names, " ")))
	switch r.kind {
	case ErrScope:
		e.Scope = p.scope
	case ErrACR:
		e.ACR, e.MaxAge = p.acr, p.age
	}
	return e
}

func (r *Requirement) metBy(g *grants) bool {
	if len(r.of) > 0 {
		return slices.ContainsFunc(r.of, func(r Requirement) bool { return r.metBy(g) })
	}
	switch r.kind {
	case ErrRole:
		return r.met(g.roles)
	case ErrPermission:
		return r.met(g.permissions)
	case ErrACR:
		return slices.Contains(r.names, g.acr)
	case ErrMaxAge:
		return g.now != nil && !g.authAt.IsZero() && g.now().Sub(g.authAt) <= r.age
	}
	return r.met(g.scopes)
}

func (r *Requirement) met(have []string) bool {
	for _, name := range r.names {
		if slices.Contains(have, name) == r.any {
			return r.any
		}
	}
	return !r.any
}
