package oidc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/oauth"
	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/session"
	"github.com/watchword-auth/watchword/internal/store"
	"github.com/watchword-auth/watchword/internal/token"
)

// authorizationCode redeems an authorization code (RFC 6749 §4.1.3).
var authorizationCode = grant{name: auth.GrantAuthorizationCode, forUser: true, selfService: true, redeem: (*Service).redeemCode}

// redemption is a code with the parameters of the request that redeems it.
type redemption struct {
	tokenRequest
	digest      string // of the code
	redirectURI string
	challenge   string   // the S256 hash of the verifier; empty without one (RFC 7636 §4.6)
	audience    []string // the resources to which the tokens are narrowed; nil for all
}

func (s *Service) redeemCode(ctx context.Context, r tokenRequest) (d token.Draft, err error) {
	in, err := readRedemption(r)
	if err != nil {
		return token.Draft{}, err
	}
	err = s.cfg.DB.Redeem(ctx, r.Tenant.ID, in.digest, func(now time.Time, r store.RedemptionState) (n store.Redemption, err error) {
		d, n, err = s.decideCode(now, in, r)
		return n, err
	})
	if errors.Is(err, auth.ErrNotFound) || errors.Is(err, errCodeReplayed) {
		err = s.refuseUsed(ctx, in)
	}
	return d, err
}

// readRedemption reads the form. It hashes the verifier, because nothing is hashed inside a transaction.
func readRedemption(r tokenRequest) (redemption, error) {
	raw := r.form.Get("code")
	if raw == "" {
		return redemption{}, oauth.Refuse(oauth.InvalidRequest, "code: required")
	}
	if !secret.Valid(CodePrefix, raw) {
		return redemption{}, invalidCode("it is not a code of this server")
	}
	in := redemption{tokenRequest: r, digest: secret.Digest(raw), redirectURI: r.form.Get("redirect_uri")}
	if v := r.form.Get("code_verifier"); v != "" {
		if !validVerifier(v) {
			return redemption{}, invalidCode("code_verifier: 43 to 128 unreserved characters")
		}
		in.challenge = secret.Digest(v)
	}
	var err error
	in.audience, err = readResources(r.form)
	return in, err
}

// validVerifier checks the form of a code_verifier (RFC 7636 §4.1). A short one is refused even when its
// hash would match.
func validVerifier(v string) bool {
	return len(v) >= 43 && len(v) <= 128 && strings.Trim(v, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~") == ""
}

// errCodeReplayed means that an otherwise valid request presented a used code.
var errCodeReplayed = errors.New("the code was used before")

// decideCode decides about a code. The order matters. A request of another client or without the verifier
// changes nothing, so a stolen code cannot end a grant. Only a replay by the client with valid parameters
// shows that the code was stolen (RFC 9700 §4.5.3.2).
func (s *Service) decideCode(now time.Time, in redemption, r store.RedemptionState) (token.Draft, store.Redemption, error) {
	g, err := in.readGrant(r.Code)
	switch {
	case err != nil:
		return token.Draft{}, store.Redemption{}, err
	case !r.Code.UsedAt.IsZero():
		return token.Draft{}, store.Redemption{}, errCodeReplayed
	case !now.Before(r.Code.ExpiresAt):
		return token.Draft{}, store.Redemption{}, invalidCode("it has expired")
	case r.Browser.Account != r.Code.Account:
		return token.Draft{}, store.Redemption{}, invalidCode("its session is another account's")
	case !r.Client.MatchRedirectURI(g.RedirectURI):
		return token.Draft{}, store.Redemption{}, invalidCode("its redirect_uri is no longer registered")
	}
	return s.startClientSession(now, in, r, g)
}

// readGrant reads the grant of the code and checks that the request may redeem it.
func (in redemption) readGrant(code auth.SingleUse) (g auth.CodeGrant, err error) {
	if err := json.Unmarshal([]byte(code.Data), &g); err != nil {
		return g, fmt.Errorf("read code grant: %w", err)
	}
	return g, in.checkBinding(code, g)
}

// checkBinding checks client, redirect_uri, verifier and key of the request against the code.
func (in redemption) checkBinding(code auth.SingleUse, g auth.CodeGrant) error {
	switch {
	case code.Client != in.Client.ID:
		return invalidCode("it belongs to another client")
	case g.RedirectURI != in.redirectURI:
		return invalidCode("redirect_uri is not that of the authorization request")
	case g.Challenge == "" && in.challenge != "":
		return invalidCode("code_verifier without a code_challenge") // RFC 9700 §4.8.2
	case !secret.Equal(g.Challenge, in.challenge):
		return invalidCode("code_verifier does not match the code_challenge, or is missing")
	case g.JKT != "" && g.JKT != in.jkt:
		return invalidCode("it is bound to another key") // RFC 9449 §10
	}
	return nil
}

// startClientSession starts the client's session under the browser session and drafts its tokens.
func (s *Service) startClientSession(now time.Time, in redemption, r store.RedemptionState, g auth.CodeGrant) (draft token.Draft, redeemed store.Redemption, err error) {
	g.Scope = s.currentlyAllowedScope(r.Client, g.Scope, g.Resources)
	redeemed.Session, err = s.cfg.Sessions.PlanClient(now, session.ClientState{Tenant: r.Tenant, Parent: r.Browser, Existing: r.Session}, session.ClientParams{
		ID: g.Session, Client: r.Client, Scope: g.Scope, Claims: g.Claims, Actor: in.Actor,
	})
	if err != nil {
		return draft, redeemed, err
	}
	state := token.IssuanceState{Tenant: r.Tenant, Client: r.Client, Account: r.Account, Session: redeemed.Session, Entitlement: r.Entitlement}
	draft, redeemed.Family, err = s.cfg.Tokens.Plan(now, state, auth.Grant{
		Account: r.Code.Account, Client: r.Client.ID, Session: redeemed.Session.ID, Scope: g.Scope, Audience: g.Resources, Narrow: in.audience,
		AuthAt: g.AuthAt, ACR: g.ACR, AMR: g.AMR, JKT: in.jkt,
		IDToken: &auth.IDTokenRequest{Nonce: g.Nonce, Claims: g.Claims.IDToken},
	})
	if err != nil {
		return draft, redeemed, err
	}
	redeemed.Event = auth.Event{Kind: auth.EventTokenIssued, Actor: in.Actor, Account: r.Code.Account, Detail: map[string]string{
		"grant": string(auth.GrantAuthorizationCode), "scope": draft.Scope().String(), "session": string(redeemed.Session.ID),
	}}
	return draft, redeemed, nil
}

// refuseUsed refuses a code that is unknown or used. A used code with valid parameters has been copied (RFC
// 6749 §4.1.2): the client session of the first redemption ends, and with it its tokens.
func (s *Service) refuseUsed(ctx context.Context, in redemption) error {
	return s.cfg.DB.Write(ctx, in.Tenant.ID, func(tx *store.Tx) error {
		code, err := tx.SingleUse(auth.UseCode, in.digest)
		if errors.Is(err, auth.ErrNotFound) {
			return invalidCode("it is unknown")
		} else if err != nil {
			return fmt.Errorf("read code: %w", err)
		}
		g, err := in.readGrant(code)
		if err != nil {
			return err
		}
		if code.UsedAt.IsZero() {
			return invalidCode("its session or account no longer exists")
		}
		return s.endReplayedGrant(tx, in, code, g)
	})
}

// endReplayedGrant ends the client session that began with the code.
func (s *Service) endReplayedGrant(tx *store.Tx, in redemption, code auth.SingleUse, g auth.CodeGrant) error {
	err := s.cfg.Sessions.End(tx, code.Account, g.Session, auth.EndCode)
	switch {
	case errors.Is(err, auth.ErrNotFound):
		return invalidCode("it was used before, and its session has ended")
	case err != nil:
		return fmt.Errorf("end client's session: %w", err)
	}
	err = tx.Record(auth.Event{Kind: auth.EventCodeReused, Outcome: auth.Failure, Actor: in.Actor, Account: code.Account,
		Detail: map[string]string{"session": string(g.Session), "client": string(code.Client)}})
	if err != nil {
		return fmt.Errorf("record replayed code: %w", err)
	}
	return store.CommitWith(invalidCode("it was used before"))
}

// invalidCode is the refusal of a code; the reason is only logged.
func invalidCode(reason string) error {
	return &oauth.Error{Code: oauth.InvalidGrant, Desc: "the code is not valid for this client", Err: errors.New(reason)}
}
