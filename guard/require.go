package guard

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Requirement is a condition on the claims of a token. Make one with Scope, Role,
// Permission or their Any forms, with ACR, MaxAge or AnyOf.
type Requirement struct {
	kind         error // ErrScope, ErrRole, ErrPermission, ErrACR or ErrMaxAge
	names        []string
	any          bool
	age          time.Duration
	alternatives []Requirement // of AnyOf; nothing else is set then
}

// AnyOf requires at least one of the requirements, such as
// AnyOf(Scope("orders:read"), Permission("orders:read")) in an API for both programs and
// users. The error is that of the first.
func AnyOf(reqs ...Requirement) Requirement { return Requirement{alternatives: reqs, any: true} }

// ACR requires one of the "acr" values, or a stronger one of Watchword's: phrh is stronger than phr, phr
// than 2, and 2 than 1. The error asks the client for such a sign-in (RFC 9470), in order of preference.
func ACR(values ...string) Requirement { return Requirement{kind: ErrACR, names: values, any: true} }

// MaxAge requires a sign-in no longer ago than d, in whole seconds. Tokens without
// auth_time are refused. The error asks the client for a new sign-in (RFC 9470).
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

// Check checks the claims against all requirements, for code that calls Verify itself.
// The error is an *Error with status 403, or 401 for ACR and MaxAge. Claims that were
// not returned by a Guard have no clock and never meet MaxAge.
func Check(c *Claims, reqs ...Requirement) error {
	p := compilePolicy(reqs)
	if e := p.check(&grants{c.Scopes, c.Roles, c.Permissions, c.ACR, c.AuthTime, c.now}); e != nil {
		return e
	}
	return nil
}

// levels are Watchword's acr values, the weakest first.
var levels = []string{"1", "2", "phr", "phrh"}

// meetsACR reports whether a sign-in is at least as strong as a required one.
func meetsACR(has, required string) bool {
	return has == required || slices.Contains(levels, required) && slices.Index(levels, has) > slices.Index(levels, required)
}

// grants are the claims that requirements read. A cached token has its own copy: a
// handler that changes a slice of its Claims must not change what the next request may
// do.
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
	acr   string        // for the challenge
	age   time.Duration // for the challenge: the smallest
}

// compilePolicy panics on an invalid requirement, such as one without names, which could mean
// that every token passes or none.
func compilePolicy(reqs []Requirement) policy {
	p := policy{reqs: reqs}
	var scopes, acr []string
	var collect func([]Requirement)
	collect = func(reqs []Requirement) {
		for _, r := range reqs {
			r.mustBeValid()
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
			collect(r.alternatives)
		}
	}
	collect(reqs)
	p.scope, p.acr = strings.Join(scopes, " "), strings.Join(acr, " ")
	return p
}

func (r Requirement) mustBeValid() {
	if len(r.alternatives) > 0 {
		return // collect checks each of them
	}
	if r.kind == ErrMaxAge {
		if r.age < time.Second {
			panic(fmt.Sprintf("guard: MaxAge(%v) is less than a second", r.age))
		}
		return
	}
	if r.kind == nil || len(r.names) == 0 {
		panic("guard: requirement without names")
	}
	header := r.kind == ErrScope || r.kind == ErrACR
	for _, name := range r.names {
		if name == "" || header && !isScopeToken(name) {
			panic(fmt.Sprintf("guard: %q is not a valid name in a requirement", name))
		}
	}
}

// isScopeToken reports whether s has only the characters of scope-token (RFC 6749 section
// 3.3), which are safe in a header.
func isScopeToken(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool {
		return r <= ' ' || r > '~' || r == '"' || r == '\\'
	})
}

// check returns the error of the first requirement that is not met.
func (p *policy) check(g *grants) *Error {
	for i := range p.reqs {
		if r := &p.reqs[i]; !r.satisfiedBy(g) {
			return p.refuse(r)
		}
	}
	return nil
}

func (p *policy) refuse(r *Requirement) *Error {
	if len(r.alternatives) > 0 {
		return p.refuse(&r.alternatives[0])
	}
	if r.kind == ErrMaxAge {
		e := refuse(r.kind, fmt.Errorf("required within %v", r.age))
		e.ACR, e.MaxAge = p.acr, p.age
		return e
	}
	e := refuse(r.kind, errors.New(strings.Join(r.names, " ")))
	switch r.kind {
	case ErrScope:
		e.Scope = p.scope
	case ErrACR:
		e.ACR, e.MaxAge = p.acr, p.age
	}
	return e
}

func (r *Requirement) satisfiedBy(g *grants) bool {
	if len(r.alternatives) > 0 {
		return slices.ContainsFunc(r.alternatives, func(r Requirement) bool { return r.satisfiedBy(g) })
	}
	switch r.kind {
	case ErrRole:
		return r.matches(g.roles)
	case ErrPermission:
		return r.matches(g.permissions)
	case ErrACR:
		return slices.ContainsFunc(r.names, func(name string) bool { return meetsACR(g.acr, name) })
	case ErrMaxAge:
		return g.now != nil && !g.authAt.IsZero() && g.now().Sub(g.authAt) <= r.age
	}
	return r.matches(g.scopes)
}

func (r *Requirement) matches(have []string) bool {
	for _, name := range r.names {
		if slices.Contains(have, name) == r.any {
			return r.any
		}
	}
	return !r.any
}
