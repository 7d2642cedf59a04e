package oidc

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/client"
	"github.com/watchword-auth/watchword/internal/oauth"
	"github.com/watchword-auth/watchword/internal/token"
)

// Introspection is the introspection response (RFC 7662 §2.2). For an inactive token it is
// {"active":false} and nothing else.
type Introspection struct {
	Active      bool     `json:"active"`
	TokenType   string   `json:"token_type,omitempty"`
	Issuer      string   `json:"iss,omitempty"`
	Subject     string   `json:"sub,omitempty"`
	Audience    []string `json:"aud,omitempty"`
	ClientID    string   `json:"client_id,omitempty"`
	Scope       string   `json:"scope,omitempty"`
	ExpiresAt   int64    `json:"exp,omitempty"`
	IssuedAt    int64    `json:"iat,omitempty"`
	ID          string   `json:"jti,omitempty"`
	SessionID   string   `json:"sid,omitempty"`
	Roles       []string `json:"roles,omitempty"`
	Permissions []string `json:"permissions,omitempty"`
	AuthTime    int64    `json:"auth_time,omitempty"`
	ACR         string   `json:"acr,omitempty"`
	AMR         []string `json:"amr,omitempty"`
	// Confirmation is the key to which the token is bound (RFC 9449 §6.2).
	Confirmation *Confirmation `json:"cnf,omitempty"`
	// Act is the actor (RFC 8693 §4.1).
	Act json.RawMessage `json:"act,omitempty"`

	// JWT is the signed response, when the caller accepts one (RFC 9701 §5); nothing else is
	// sent then.
	JWT string `json:"-"`
}

// Confirmation names a key by its thumbprint (RFC 7800 §3, RFC 9449 §6.1).
type Confirmation struct {
	JKT string `json:"jkt"`
}

// Introspect reports on a token (RFC 7662), as a JWT when the caller accepts that (RFC 9701).
// Callers are confidential clients. They may introspect tokens that were issued to them, and
// access tokens for an audience that they serve. Every other token is inactive, whatever the
// reason.
func (s *Service) Introspect(ctx context.Context, r client.Request) (Introspection, error) {
	caller, err := s.cfg.Clients.Authenticate(ctx, r)
	if err != nil {
		return Introspection{}, err
	}
	if caller.Client.Public() {
		return Introspection{}, oauth.RefuseClient("a public client may not introspect")
	}
	raw := r.Form.Get("token")
	if raw == "" {
		return Introspection{}, oauth.Refuse(oauth.InvalidRequest, "token: required")
	}
	// The prefix shows the token type, so token_type_hint is ignored.
	var out Introspection
	if strings.HasPrefix(raw, token.RefreshPrefix) {
		out, err = s.introspectRefresh(ctx, caller, raw)
	} else {
		out, err = s.introspectAccess(ctx, caller, raw)
	}
	if err != nil || !acceptsJWT(r.Accept) {
		return out, err
	}
	return s.signIntrospection(ctx, caller, out)
}

func (s *Service) introspectRefresh(ctx context.Context, caller client.Caller, raw string) (Introspection, error) {
	f, subject, err := s.cfg.Tokens.IntrospectRefresh(ctx, caller.Tenant.ID, raw)
	if auth.KindOf(err) == auth.KindUnauthenticated || err == nil && f.Client != caller.Client.ID {
		return Introspection{}, nil
	} else if err != nil {
		return Introspection{}, fmt.Errorf("introspect: %w", err)
	}
	return Introspection{
		Active: true, Issuer: caller.Tenant.ID.Issuer(s.cfg.Base), Subject: subject, Audience: f.Audience, ClientID: string(f.Client),
		Scope: f.Scope.String(), ExpiresAt: f.IdleAt.Unix(), IssuedAt: f.RotatedAt.Unix(), SessionID: string(f.Session), Confirmation: confirmation(f.JKT),
	}, nil
}

func (s *Service) introspectAccess(ctx context.Context, caller client.Caller, raw string) (Introspection, error) {
	audience, serves := s.audienceOf(caller, raw)
	if audience == "" {
		return Introspection{}, nil
	}
	c, err := s.cfg.Tokens.Introspect(ctx, caller.Tenant.ID, raw, audience)
	switch {
	case auth.KindOf(err) == auth.KindUnauthenticated || auth.KindOf(err) == auth.KindInvalid:
		return Introspection{}, nil
	case err != nil:
		return Introspection{}, fmt.Errorf("introspect: %w", err)
	case !serves && c.ClientID != string(caller.Client.ID):
		return Introspection{}, nil
	}
	out := Introspection{
		Active: true, TokenType: "Bearer", Issuer: c.Issuer, Subject: c.Subject, Audience: c.Audience, ClientID: c.ClientID,
		Scope: strings.Join(c.Scopes, " "), ExpiresAt: unix(c.ExpiresAt), IssuedAt: unix(c.IssuedAt), ID: c.JTI, SessionID: c.SessionID,
		Roles: c.Roles, Permissions: c.Permissions, AuthTime: unix(c.AuthTime), ACR: c.ACR, AMR: c.AMR,
		Confirmation: confirmation(c.JKT), Act: c.Actor,
	}
	if c.JKT != "" {
		out.TokenType = token.TypeDPoP
	}
	return out, nil
}

func confirmation(jkt string) *Confirmation {
	if jkt == "" {
		return nil
	}
	return &Confirmation{JKT: jkt}
}

func unix(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.Unix()
}

// audienceOf picks the audience under which the caller may see the token, from the token's
// own claims, and reports whether the caller serves it. The claims are verified afterwards
// against that audience.
func (s *Service) audienceOf(caller client.Caller, raw string) (audience string, serves bool) {
	issuer := caller.Tenant.ID.Issuer(s.cfg.Base)
	served := caller.Client.Settings.Serves
	if caller.Client.Type == auth.ClientMachine {
		served = append([]string{issuer}, served...)
	}
	claimed := s.cfg.Tokens.Audience(caller.Tenant.ID, raw)
	for _, a := range claimed {
		if _, ok := token.FindResource(served, a); ok {
			return a, true
		}
	}
	for _, a := range claimed {
		if _, ok := s.cfg.Tokens.ResolveResource(caller.Tenant.ID, caller.Client, a); ok || a == issuer || a == s.cfg.Tokens.UserInfoURL(caller.Tenant.ID) {
			return a, false
		}
	}
	return "", false
}
