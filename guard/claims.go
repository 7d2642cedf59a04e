package guard

import (
	"encoding/json"
	"slices"
	"time"
)

// Claims are what a verified access token says. Each caller of Verify and each request
// has a value of its own.
type Claims struct {
	Issuer      string
	Subject     string // the account, or the client itself
	Audience    []string
	ClientID    string
	SessionID   string // "sid", empty for machines
	JTI         string
	Scopes      []string
	Roles       []string
	Permissions []string
	AuthTime    time.Time // when the person signed in; zero if the token does not say
	ACR         string
	AMR         []string
	IssuedAt    time.Time
	NotBefore   time.Time // zero if the token does not say
	ExpiresAt   time.Time
	// JKT is the thumbprint of the key to which the token is bound ("cnf"), empty for a
	// bearer token.
	JKT string

	bound   bool             // has "cnf"
	payload string           // the signed JSON
	now     func() time.Time // the clock of the Guard that verified it
}

// ownClaims are a copy of claims for one caller. The words lie beside the claims, so that
// the copy of usual claims is one allocation.
type ownClaims struct {
	claims Claims
	words  [16]string
}

// take copies c and its lists.
func (o *ownClaims) take(c *Claims) {
	o.claims = *c
	words := o.words[:0]
	for _, list := range []*[]string{&o.claims.Audience, &o.claims.Scopes, &o.claims.Roles, &o.claims.Permissions, &o.claims.AMR} {
		if len(*list) == 0 {
			continue
		}
		start := len(words)
		words = append(words, *list...)
		*list = slices.Clip(words[start:])
	}
}

// own returns a copy of c that shares nothing with it that can be changed.
func (c *Claims) own() *Claims {
	o := &ownClaims{}
	o.take(c)
	return &o.claims
}

// HasScope tells whether the token carries the scope.
func (c *Claims) HasScope(name string) bool { return slices.Contains(c.Scopes, name) }

// HasRole tells whether the account has the role.
func (c *Claims) HasRole(name string) bool { return slices.Contains(c.Roles, name) }

// HasPermission tells whether the account has the permission.
func (c *Claims) HasPermission(name string) bool { return slices.Contains(c.Permissions, name) }

// Claim decodes any claim of the token into v, as json.Unmarshal does. It
// returns false, and leaves v alone, when the token has no such claim.
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
