package token

import (
	"cmp"
	"encoding/json"
	"strconv"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/secret"
)

// encodeClaims encodes the claims of an access token (RFC 9068 §2.2) in a fixed order.
// It is written by hand because it runs for every token.
func encodeClaims(issuer string, d Draft, now time.Time) []byte {
	g := d.grant
	b := make([]byte, 0, 640)
	b = appendMember(b, `{"iss":`, issuer)
	b = appendMember(b, `,"sub":`, subjectOf(g))
	if len(d.audience) == 1 {
		b = appendMember(b, `,"aud":`, d.audience[0])
	} else {
		b = appendList(b, `,"aud":`, d.audience)
	}
	b = appendMember(b, `,"client_id":`, string(g.Client))
	iat := now.Unix()
	b = appendNumber(b, `,"exp":`, iat+int64(d.access/time.Second))
	b = appendNumber(b, `,"iat":`, iat)
	b = appendMember(b, `,"jti":`, secret.Encode(secret.Bytes(16)))
	b = appendOptional(b, `,"sid":`, string(g.Session))
	b = appendOptional(b, `,"scope":`, g.Scope.String())
	if g.Account != "" || len(g.Roles) > 0 {
		b = appendList(b, `,"roles":`, g.Roles)
	}
	if g.Account != "" || len(g.Permissions) > 0 {
		b = appendList(b, `,"permissions":`, g.Permissions)
	}
	if g.Omitted > 0 {
		b = appendNumber(b, `,"rights_omitted":`, int64(g.Omitted))
	}
	if !g.AuthAt.IsZero() {
		b = appendNumber(b, `,"auth_time":`, g.AuthAt.Unix())
	}
	b = appendOptional(b, `,"acr":`, g.ACR)
	if len(g.AMR) > 0 {
		b = appendList(b, `,"amr":`, g.AMR)
	}
	if g.JKT != "" {
		b = append(appendMember(b, `,"cnf":{"jkt":`, g.JKT), '}') // RFC 9449 §6.1
	}
	if len(g.Actor) > 0 {
		b = append(append(b, `,"act":`...), g.Actor...)
	}
	return append(b, '}')
}

// subjectOf returns the "sub" of a grant's tokens. For a client that acts for itself it is the
// client_id (RFC 9068 §2.2).
func subjectOf(g auth.Grant) string {
	return cmp.Or(g.Subject, string(g.Account), string(g.Client))
}

func appendMember(b []byte, name, value string) []byte {
	return appendQuoted(append(b, name...), value)
}

func appendOptional(b []byte, name, value string) []byte {
	if value == "" {
		return b
	}
	return appendMember(b, name, value)
}

func appendNumber(b []byte, name string, value int64) []byte {
	return strconv.AppendInt(append(b, name...), value, 10)
}

func appendList(b []byte, name string, values []string) []byte {
	b = append(append(b, name...), '[')
	for i, v := range values {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendQuoted(b, v)
	}
	return append(b, ']')
}

// appendQuoted appends a JSON string. encoding/json encodes those that need escaping.
func appendQuoted(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			q, err := json.Marshal(s)
			if err != nil {
				panic("token: encode string: " + err.Error())
			}
			return append(b, q...)
		}
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}
