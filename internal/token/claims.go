package token

import (
	"cmp"
	"encoding/json"
	"strconv"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/secret"
)

// claims encodes the claims of an access token (RFC 9068 §2.2) in a fixed order.
// It is written by hand because it runs for every token.
func claims(issuer string, d Draft, now time.Time) []byte {
	g := d.grant
	b := make([]byte, 0, 640)
	b = member(b, `{"iss":`, issuer)
	b = member(b, `,"sub":`, subject(g))
	if len(d.audience) == 1 {
		b = member(b, `,"aud":`, d.audience[0])
	} else {
		b = list(b, `,"aud":`, d.audience)
	}
	b = member(b, `,"client_id":`, string(g.Client))
	iat := now.Unix()
	b = number(b, `,"exp":`, iat+int64(d.access/time.Second))
	b = number(b, `,"iat":`, iat)
	b = member(b, `,"jti":`, secret.Encode(secret.Bytes(16)))
	b = optional(b, `,"sid":`, string(g.Session))
	b = optional(b, `,"scope":`, g.Scope.String())
	if g.Account != "" || len(g.Roles) > 0 {
		b = list(b, `,"roles":`, g.Roles)
	}
	if g.Account != "" || len(g.Permissions) > 0 {
		b = list(b, `,"permissions":`, g.Permissions)
	}
	if g.Omitted > 0 {
		b = number(b, `,"rights_omitted":`, int64(g.Omitted))
	}
	if !g.AuthAt.IsZero() {
		b = number(b, `,"auth_time":`, g.AuthAt.Unix())
	}
	b = optional(b, `,"acr":`, g.ACR)
	if len(g.AMR) > 0 {
		b = list(b, `,"amr":`, g.AMR)
	}
	if g.JKT != "" {
		b = append(member(b, `,"cnf":{"jkt":`, g.JKT), '}') // RFC 9449 §6.1
	}
	if len(g.Actor) > 0 {
		b = append(append(b, `,"act":`...), g.Actor...)
	}
	return append(b, '}')
}

// subject is the "sub" of a grant's tokens: that of a client that acts for itself is
// its own name (RFC 9068 §2.2).
func subject(g auth.Grant) string {
	return cmp.Or(g.Subject, string(g.Account), string(g.Client))
}

func member(b []byte, name, value string) []byte { return quote(append(b, name...), value) }

func optional(b []byte, name, value string) []byte {
	if value == "" {
		return b
	}
	return member(b, name, value)
}

func number(b []byte, name string, value int64) []byte {
	return strconv.AppendInt(append(b, name...), value, 10)
}

func list(b []byte, name string, values []string) []byte {
	b = append(append(b, name...), '[')
	for i, v := range values {
		if i > 0 {
			b = append(b, ',')
		}
		b = quote(b, v)
	}
	return append(b, ']')
}

// quote writes a JSON string; what is not plain is left to encoding/json.
func quote(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			q, err := json.Marshal(s)
			if err != nil {
				panic("token: a string does not encode: " + err.Error())
			}
			return append(b, q...)
		}
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}
