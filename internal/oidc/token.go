package oidc

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/client"
	"github.com/watchword-auth/watchword/internal/oauth"
	"github.com/watchword-auth/watchword/internal/token"
)

// grant is one way to request tokens (RFC 6749 §1.3). It parses its part of the form and
// redeems its code or token; run does everything that grants have in common.
type grant struct {
	name         auth.GrantType
	short        string // name at the command line, where name is a URN
	confidential bool   // for confidential clients only; the client acts for itself
	forUser      bool   // on behalf of a user; may issue an ID Token
	selfService  bool   // a client may register itself for it
	audited      bool   // refusals with a cause are recorded
	invalid      string // description of invalid_grant where the issuing decision refuses
	issuedType   string // issued_token_type (RFC 8693 §2.2.1)
	// await refuses a request that came too early, before a proof of possession is consumed. It is nil
	// for a grant that never waits.
	await func(*Service, context.Context, tokenRequest) error
	// redeem decides, writes and records in one transaction, and returns the draft that run signs.
	redeem func(*Service, context.Context, tokenRequest) (token.Draft, error)
}

// grants is the table of supported grants. Metadata, registration and the command line read it.
var grants = []grant{authorizationCode, clientCredentials, refreshToken, deviceCode, tokenExchange}

// Grants returns the properties of each grant that matter to a client's registration.
func Grants() (out []client.Grant) {
	for _, g := range grants {
		out = append(out, client.Grant{Name: g.name, Short: cmp.Or(g.short, string(g.name)), Confidential: g.confidential, ForUser: g.forUser, SelfService: g.selfService})
	}
	return out
}

// tokenRequest is a request of an authenticated client that may use the grant.
type tokenRequest struct {
	client.Caller
	form  oauth.Form
	scope auth.Scope // nil when none was requested
	jkt   string     // thumbprint of the key that the client has proved; empty for none
}

// Issued is the response of the token endpoint.
type Issued struct {
	auth.Tokens
	Client auth.ClientID
}

// Token is the token endpoint (RFC 6749 §3.2): one pipeline for every grant. A
// refusal is an *oauth.Error, or an *auth.Error of KindThrottled or KindUnavailable.
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

// missingProofCode is the code for a request without the proof that its client must send.
// RFC 9449 §5 has a code for wrong proofs; a refresh token without one is an invalid grant
// (RFC 6749 §5.2).
func missingProofCode(g grant) oauth.Code {
	if g.name == auth.GrantRefreshToken {
		return oauth.InvalidGrant
	}
	return oauth.InvalidProof
}

func findGrant(f oauth.Form) (grant, error) {
	name := f.Get("grant_type")
	if name == "" {
		return grant{}, oauth.Refuse(oauth.InvalidRequest, "grant_type: required")
	}
	i := slices.IndexFunc(grants, func(g grant) bool { return string(g.name) == name })
	if i < 0 {
		return grant{}, oauth.Refuse(oauth.UnsupportedGrantType, "grant_type: not supported")
	}
	return grants[i], nil
}

func (s *Service) run(ctx context.Context, g grant, r client.Request) (Issued, error) {
	caller, err := s.cfg.Clients.Authenticate(ctx, r)
	if err != nil {
		return Issued{}, err
	}
	if !caller.Client.Allows(g.name) || g.confidential && caller.Client.Public() {
		return Issued{}, oauth.Refuse(oauth.UnauthorizedClient, "grant_type: not allowed for this client")
	}
	proof, err := s.cfg.Clients.CheckProof(r)
	if err != nil {
		return Issued{}, err
	}
	req := tokenRequest{Caller: caller, form: r.Form, jkt: proof.JKT}
	if caller.Client.Settings.DPoP && req.jkt == "" {
		return Issued{}, oauth.Refuse(missingProofCode(g), "DPoP: a proof is required for this client")
	}
	if requested := r.Form.Get("scope"); strings.Trim(requested, " ") != "" {
		if req.scope, err = auth.ParseScope(requested); err != nil {
			return Issued{}, &oauth.Error{Code: oauth.InvalidScope, Desc: "scope: a list of scope tokens", Err: err}
		}
	}
	// A node that cannot sign consumes nothing.
	if g.forUser {
		if err := s.cfg.Tokens.EnsureIDTokenKey(ctx, r.Tenant, caller.Client); err != nil {
			return Issued{}, fmt.Errorf("token: %w", err)
		}
	}
	if g.await != nil {
		if err := g.await(s, ctx, req); err != nil {
			return Issued{}, s.refuseGrant(ctx, g, req, err)
		}
	}
	refund, err := s.cfg.Clients.ConsumeProof(ctx, caller, proof)
	if err != nil {
		return Issued{}, err
	}
	draft, err := g.redeem(s, ctx, req)
	if err != nil {
		return Issued{}, s.refuseGrant(ctx, g, req, err)
	}
	tokens, err := s.cfg.Tokens.Finish(ctx, draft)
	if err != nil {
		return Issued{}, fmt.Errorf("%s grant: %w", g.name, err)
	}
	tokens.IssuedType = g.issuedType
	refund()
	return Issued{Tokens: tokens, Client: caller.Client.ID}, nil
}

// refuseGrant maps an error of a grant to the protocol. It records the cause if the grant is audited.
func (s *Service) refuseGrant(ctx context.Context, g grant, r tokenRequest, err error) error {
	err = g.mapError(err)
	e, ok := errors.AsType[*oauth.Error](err)
	if !ok || !g.audited || e.Err == nil {
		return err
	}
	event := auth.Event{Kind: auth.EventTokenIssued, Outcome: auth.Failure, Actor: r.Actor,
		Detail: map[string]string{"grant": string(g.name), "reason": e.Err.Error()}}
	if err := s.cfg.DB.RecordLater(ctx, r.Tenant.ID, event); err != nil {
		return fmt.Errorf("record refused grant: %w", err)
	}
	return err
}

// mapError maps a refusal of the issuing decision to the protocol's codes. A row that was deleted meanwhile
// is an invalid grant as well.
func (g grant) mapError(err error) error {
	if _, ok := errors.AsType[*oauth.Error](err); ok {
		return err
	}
	if e, ok := errors.AsType[*auth.Error](err); ok {
		switch e.Kind {
		case auth.KindForbidden, auth.KindUnauthenticated:
			return &oauth.Error{Code: oauth.InvalidGrant, Desc: cmp.Or(g.invalid, "this client or account may not get tokens now"), Err: e}
		case auth.KindInvalid:
			code := oauth.InvalidScope
			if e.Field == "resource" {
				code = oauth.InvalidTarget
			}
			return &oauth.Error{Code: code, Desc: e.Msg, Err: e}
		}
	}
	if errors.Is(err, auth.ErrNotFound) {
		return &oauth.Error{Code: oauth.InvalidGrant, Desc: "the session or account of the grant no longer exists", Err: err}
	}
	return fmt.Errorf("%s grant: %w", g.name, err)
}

// codeOf returns the result of a request for the metrics.
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
