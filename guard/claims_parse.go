package guard

import (
	"errors"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// maxTime is the end of the year 9999. RFC 3339 cannot express later times; they are
// milliseconds or an attempt to overflow.
const maxTime = 253402300799

var errRequired = errors.New("a required claim is missing")

// parseClaims parses the payload of a token whose signature has been verified. It
// requires the claims of RFC 9068 section 2.2.
func parseClaims(payload string) (*Claims, error) {
	c := &Claims{payload: payload}
	p := parser{s: payload}
	if err := p.document(func(name string) error { return c.member(&p, name) }); err != nil {
		return nil, err
	}
	if c.Issuer == "" || c.Subject == "" || c.ClientID == "" || c.JTI == "" ||
		len(c.Audience) == 0 || c.IssuedAt.IsZero() || c.ExpiresAt.IsZero() {
		return nil, errRequired
	}
	return c, nil
}

func (c *Claims) member(p *parser, name string) (err error) {
	switch name {
	case "iss":
		c.Issuer, err = p.str()
	case "sub":
		c.Subject, err = p.str()
	case "aud":
		c.Audience, err = p.strOrList()
	case "client_id":
		c.ClientID, err = p.str()
	case "sid":
		c.SessionID, err = p.str()
	case "jti":
		c.JTI, err = p.str()
	case "scope":
		c.Scopes, err = p.spaceSeparated()
	case "roles":
		c.Roles, err = p.list()
	case "permissions":
		c.Permissions, err = p.list()
	case "auth_time":
		c.AuthTime, err = p.time()
	case "acr":
		c.ACR, err = p.str()
	case "amr":
		c.AMR, err = p.list()
	case "iat":
		c.IssuedAt, err = p.time()
	case "nbf":
		c.NotBefore, err = p.time()
	case "exp":
		c.ExpiresAt, err = p.time()
	case "cnf":
		c.bound = true
		c.JKT, err = p.confirmation()
	default:
		err = p.skip()
	}
	return err
}

// confirmation parses "cnf" (RFC 7800, RFC 9449 section 6.1). It returns no jkt if
// there is any other confirmation method, even beside jkt: a method that is not
// supported must not be skipped.
func (p *parser) confirmation() (jkt string, err error) {
	other := false
	err = p.object(func(name string) (err error) {
		if name == "jkt" {
			jkt, err = p.str()
			return err
		}
		other = true
		return p.skip()
	})
	if other {
		jkt = ""
	}
	return jkt, err
}

// strOrList parses "aud": a string or an array of strings.
func (p *parser) strOrList() ([]string, error) {
	if i := p.next(); i < len(p.s) && p.s[i] == '[' {
		return p.list()
	}
	s, err := p.str()
	if err != nil {
		return nil, err
	}
	return []string{s}, nil
}

// list parses an array of strings. The result has no spare capacity, so that an append
// by a handler copies instead of writing into shared memory.
func (p *parser) list() ([]string, error) {
	if i := p.next(); i >= len(p.s) || p.s[i] != '[' {
		return nil, errValueType
	}
	out := make([]string, 0, p.estimateLength())
	err := p.array(func() error {
		s, err := p.str()
		out = append(out, s)
		return err
	})
	return slices.Clip(out), err
}

// estimateLength estimates the length of the array ahead, at most 32.
func (p *parser) estimateLength() int {
	end := strings.IndexByte(p.s[p.i:], ']')
	if end <= 1 {
		return 0
	}
	return min(1+strings.Count(p.s[p.i:p.i+end], ","), 32)
}

// spaceSeparated parses a space-separated list (RFC 6749 section 3.3).
func (p *parser) spaceSeparated() ([]string, error) {
	s, err := p.str()
	if err != nil || s == "" {
		return nil, err
	}
	out := make([]string, 0, 1+strings.Count(s, " "))
	for word := range strings.SplitSeq(s, " ") {
		if word == "" {
			return nil, errValueType
		}
		out = append(out, word)
	}
	return out, nil
}

// time parses a NumericDate: seconds since 1970, possibly with a fraction.
func (p *parser) time() (time.Time, error) {
	raw, err := p.number()
	if err != nil {
		return time.Time{}, err
	}
	seconds, err := strconv.ParseInt(raw, 10, 64)
	if err != nil {
		f, err := strconv.ParseFloat(raw, 64)
		if err != nil || math.IsNaN(f) || math.Abs(f) > maxTime {
			return time.Time{}, errValueType
		}
		seconds = int64(math.Floor(f))
	}
	if seconds < 0 || seconds > maxTime {
		return time.Time{}, errValueType
	}
	return time.Unix(seconds, 0).UTC(), nil
}
