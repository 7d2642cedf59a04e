package guard

import (
	"encoding/json"
	"slices"
	"time"
)

// Claims are the claims of a verified access token. Each caller of Verify and each
// request gets its own copy.
type Claims struct {
	Issuer      string
	Subject     string // the account, or the client itself (client_credentials)
	Audience    []string
	ClientID    string
	SessionID   string // "sid", empty for client_credentials
	JTI         string
	Scopes      []string
	Roles       []string
	Permissions []string
	AuthTime    time.Time // when the user signed in; zero if absent
	ACR         string
	AMR         []string
	IssuedAt    time.Time
	NotBefore   time.Time // zero if absent
	ExpiresAt   time.Time
	// JKT is the thumbprint of the key that the token is bound to (cnf.jkt), empty for
	// a bearer token.
	JKT string

	bound   bool             // has "cnf"
	payload string           // the signed JSON
	now     func() time.Time // the clock of the Guard that verified it
}

// claimsCopy is a copy of claims for one caller. The list elements are stored beside
// the claims, so that a copy usually costs one allocation.
type claimsCopy struct {
	claims  Claims
	strings [16]string
}

// set copies c and its lists.
func (o *claimsCopy) copyFrom(c *Claims) {
	o.claims = *c
	elements := o.strings[:0]
	for _, list := range []*[]string{&o.claims.Audience, &o.claims.Scopes, &o.claims.Roles, &o.claims.Permissions, &o.claims.AMR} {
		if len(*list) == 0 {
			continue
		}
		start := len(elements)
		elements = append(elements, *list...)
		*list = slices.Clip(elements[start:])
	}
}

// clone returns a copy of c that shares nothing mutable with it.
func (c *Claims) clone() *Claims {
	o := &claimsCopy{}
	o.copyFrom(c)
	return &o.claims
}

// HasScope reports whether the token has the scope.
func (c *Claims) HasScope(name string) bool { return slices.Contains(c.Scopes, name) }

// HasRole reports whether the account has the role.
func (c *Claims) HasRole(name string) bool { return slices.Contains(c.Roles, name) }

// HasPermission reports whether the account has the permission.
func (c *Claims) HasPermission(name string) bool { return slices.Contains(c.Permissions, name) }

// Claim decodes the named claim into v, as json.Unmarshal does. It returns false and
// leaves v unchanged if the token has no such claim.
func (c *Claims) Claim(name string, v any) (bool, error) {
	if c.payload == "" {
		return false, nil
	}
	raw := ""
	p := parser{s: c.payload}
	err := p.object(func(member string) error {
		start := p.next()
		if err := p.skip(); err != nil {
			return err
		}
		if member == name {
			raw = p.s[start:p.i]
		}
		return nil
	})
	if err != nil || raw == "" {
		return false, err
	}
	return true, json.Unmarshal([]byte(raw), v)
}

// Payload returns a copy of the signed JSON object.
func (c *Claims) Payload() []byte { return []byte(c.payload) }
