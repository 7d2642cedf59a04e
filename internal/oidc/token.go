package oidc

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/client"
	"github.com/watchword-auth/watchword/internal/oauth"
)

// grant is one way to ask for tokens. What all of them need has been done before
// issue runs.
type grant struct {
	name         auth.GrantType
	confidential bool // only for clients that keep a secret
	person       bool // for a person, so that an ID Token may be due
	// await refuses what is not due yet, before a proof of possession is counted and spent;
	// nil where nobody waits.
	await func(*Service, context.Context, tokenRequest) error
	issue func(*Service, context.Context, tokenRequest) (auth.Tokens, error)
}

// grants is the table of what the token endpoint offers, and Metadata lists.
var grants = []grant{authorizationCode, clientCredentials, refreshToken, deviceCode, tokenExchange}

// tokenRequest is a request of a client that has proved itself and may use the grant.
type tokenRequest struct {
	client.Caller
	form  oauth.Form
	scope auth.Scope // nil when none was asked for
	jkt   string     // thumbprint of the key that the client has proved; empty for none
}

// Issued is the answer of the token endpoint.
type Issued struct {
	auth.Tokens
	Client auth.ClientID
}

// Token is the token endpoint (RFC 6749 §3.2): one pipeline for every grant. A
// refusal is an *Error, or an *auth.Error of KindThrottled or KindUnavailable.
func (s *Service) Token(ctx context.Context, r client.Request) (Issued, error) {
	g, err := findGrant(r.Form)
	name := "unknown"
	if err == nil {
		name = string(g.name)
	}
	var out Issued
	if err == nil {
		out, err = s.run(ctx, g, r)
	}
	s.cfg.Observe(name, codeOf(err))
	return out, err
}

// unproved is the refusal of a request without the proof that its client owes. RFC 9449
// §5 has a word for proofs that are wrong; a refresh token that comes without one is, in
// those of RFC 6749 §5.2, no valid grant, and clients understand that in both cases.
func unproved(g grant) oauth.Code {
	if g.name == auth.GrantRefreshToken {
		return oauth.InvalidGrant
	}
	return oauth.InvalidProof
}

func findGrant(f oauth.Form) (grant, error) {
	name := f.Get("grant_type")
	if name == "" {
		return grant{}, oauth.Refuse(oauth.InvalidRequest, "grant_type is missing")
	}
	i := slices.IndexFunc(grants, func(g grant) bool { return string(g.name) == name })
	if i < 0 {
		return grant{}, oauth.Refuse(oauth.UnsupportedGrantType, "this server does not have that grant")
	}
	return grants[i], nil
}

func (s *Service) run(ctx context.Context, g grant, r client.Request) (Issued, error) {
	caller, err := s.cfg.Clients.Authenticate(ctx, r)
	if err != nil {
		return Issued{}, err
	}
	if !caller.Client.Allows(g.name) || g.confidential && caller.Client.Public() {
		return Issued{}, oauth.Refuse(oauth.UnauthorizedClient, "this client may not use that grant")
	}
	proof, err := s.cfg.Clients.CheckProof(r)
	if err != nil {
		return Issued{}, err
	}
	req := tokenRequest{Caller: caller, form: r.Form, jkt: proof.JKT}
	if caller.Client.Settings.DPoP && req.jkt == "" {
		return Issued{}, oauth.Refuse(unproved(g), "the tokens of this client are bound to keys: send a DPoP proof")
	}
	if asked := r.Form.Get("scope"); strings.Trim(asked, " ") != "" {
		if req.scope, err = auth.ParseScope(asked); err != nil {
			return Issued{}, &oauth.Error{Code: oauth.InvalidScope, Desc: "the scope is not a list of scope tokens", Err: err}
		}
	}
	// Nothing is spent by a node that cannot sign what is due for it.
	if g.person {
		if err := s.cfg.Tokens.EnsureIDTokenKey(ctx, r.Tenant, caller.Client); err != nil {
			return Issued{}, fmt.Errorf("token: %w", err)
		}
	}
	if g.await != nil {
		if err := g.await(s, ctx, req); err != nil {
			return Issued{}, err
		}
	}
	settle, err := s.cfg.Clients.SpendProof(ctx, caller, proof)
	if err != nil {
		return Issued{}, err
	}
	tokens, err := g.issue(s, ctx, req)
	if err != nil {
		return Issued{}, err
	}
	settle()
	return Issued{Tokens: tokens, Client: caller.Client.ID}, nil
}

// codeOf is the word for what became of a request.
func codeOf(err error) string {
	if err == nil {
		return "issued"
	}
	if e, ok := errors.AsType[*oauth.Error](err); ok {
		return string(e.Code)
	}
	switch auth.KindOf(err) {
	case auth.KindThrottled:
		return "rate_limited"
	case auth.KindUnavailable:
		return "unavailable"
	}
	return "error"
}
