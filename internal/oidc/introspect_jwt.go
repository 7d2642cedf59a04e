package oidc

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/watchword-auth/watchword/internal/client"
	"github.com/watchword-auth/watchword/internal/keys"
)

// TypeIntrospectionJWT is the media type of a signed introspection response (RFC 9701 §4).
// Without "application/" it is the typ of the JWT (§5).
const TypeIntrospectionJWT = "application/token-introspection+jwt"

// acceptsJWT reports whether the request accepts the signed form by name.
func acceptsJWT(accept []string) bool {
	for _, header := range accept {
		for part := range strings.SplitSeq(header, ",") {
			kind, _, _ := strings.Cut(part, ";")
			if strings.EqualFold(strings.TrimSpace(kind), TypeIntrospectionJWT) {
				return true
			}
		}
	}
	return false
}

// signIntrospection signs a response for the caller (RFC 9701 §5). It has neither sub nor
// exp, so that it cannot be used as a token.
func (s *Service) signIntrospection(ctx context.Context, caller client.Caller, v Introspection) (Introspection, error) {
	body, err := json.Marshal(struct {
		Issuer   string        `json:"iss"`
		Audience string        `json:"aud"`
		IssuedAt int64         `json:"iat"`
		Token    Introspection `json:"token_introspection"`
	}{caller.Tenant.ID.Issuer(s.cfg.Base), string(caller.Client.ID), s.cfg.Now().Unix(), v})
	if err != nil {
		return Introspection{}, fmt.Errorf("encode introspection: %w", err)
	}
	alg := cmp.Or(caller.Client.Settings.IntrospectionAlgorithm, keys.RS256)
	v.JWT, err = s.cfg.Keys.Sign(ctx, caller.Tenant.ID, alg, strings.TrimPrefix(TypeIntrospectionJWT, "application/"), body)
	if err != nil {
		return Introspection{}, fmt.Errorf("sign introspection: %w", err)
	}
	return v, nil
}
