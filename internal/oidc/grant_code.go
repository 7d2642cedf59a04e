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

// authorizationCode redeems what a user has allowed (RFC 6749 §4.1.3).
var authorizationCode = grant{name: auth.GrantAuthorizationCode, forUser: true, selfService: true, redeem: (*Service).redeemCode}

// redemption is a code with what came along to prove that it may be redeemed.
type redemption struct {
	tokenRequest
	digest      string // of the code
	redirectURI string
	challenge   string   // the S256 of the verifier; empty without one (RFC 7636 §4.6)
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
	if errors.Is(err, auth.ErrNotFound) || errors.Is(err, errSpent) {
		err = s.refuseUsed(ctx, in)
	}
	return d, err
}

// readRedemption reads the form. The verifier is hashed here, because nothing is
// hashed inside a transaction.
func readRedemption(r tokenRequest) (redemption, error) {
	raw := r.form.Get("code")
	if raw == "" {
		return redemption{}, oauth.Refuse(oauth.InvalidRequest, "code is missing")
	}
	if !secret.Valid(CodePrefix, raw) {
		return redemption{}, invalidCode("it is not of our making")
	}
	in := redemption{tokenRequest: r, digest: secret.Digest(raw), redirectURI: r.form.Get("redirect_uri")}
	if v := r.form.Get("code_verifier"); v != "" {
		if !validVerifier(v) {
			return redemption{}, invalidCode("the verifier is not one of RFC 7636")
		}
		in.challenge = secret.Digest(v)
	}
	var err error
	in.audience, err = readResources(r.form)
	return in, err
}

// validVerifier holds a code_verifier to its form (RFC 7636 §4.1), so that a short one
// is refused even when its hash would match.
func validVerifier(v string) bool {
	return len(v) >= 43 && len(v) <= 128 && strings.Trim(v, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~") == ""
}

// errSpent means that a used code was presented with a valid request.
var errSpent = errors.New("the code was used before")

// decideCode is the one decision about a code. The order matters. A client other than that
// of the code, or one without the verifier, changes nothing, so that a stolen code
// cannot even be used to end a grant. Only a replay by that client with valid
// parameters shows that the code was stolen (RFC 9700 §4.5.3.2).
func (s *Service) decideCode(now time.Time, in redemption, r store.RedemptionState) (token.Draft, store.Redemption, error) {
	g, err := in.read(r.Code)
	switch {
	case err != nil:
		return token.Draft{}, store.Redemption{}, err
	case !r.Code.UsedAt.IsZero():
		return token.Draft{}, store.Redemption{}, errSpent
	case !now.Before(r.Code.ExpiresAt):
		return token.Draft{}, store.Redemption{}, invalidCode("it has expired")
	case r.Browser.Account != r.Code.Account:
		return token.Draft{}, store.Redemption{}, invalidCode("its session is another account's")
	case !r.Client.MatchRedirectURI(g.RedirectURI):
		return token.Draft{}, store.Redemption{}, invalidCode("its redirect_uri was taken from the client since")
	}
	return s.startClientSession(now, in, r, g)
}

// read reads the grant of the code, if it belongs to the request.
func (in redemption) read(code auth.SingleUse) (g auth.CodeGrant, err error) {
	if err := json.Unmarshal([]byte(code.Data), &g); err != nil {
		return g, fmt.Errorf("read code grant: %w", err)
	}
	return g, in.belongs(code, g)
}

// belongs checks that the code is redeemed by whom, and with what, it was made for.
func (in redemption) belongs(code auth.SingleUse, g auth.CodeGrant) error {
	switch {
	case code.Client != in.Client.ID:
		return invalidCode("it belongs to another client")
	case g.RedirectURI != in.redirectURI:
		return invalidCode("the redirect_uri is not that of the request")
	case g.Challenge == "" && in.challenge != "":
		return invalidCode("a verifier came, but there was no challenge") // RFC 9700 §4.8.2
	case !secret.Equal(g.Challenge, in.challenge):
		return invalidCode("the verifier does not fit the challenge, or is missing")
	case g.JKT != "" && g.JKT != in.jkt:
		return invalidCode("it is bound to another key") // RFC 9449 §10
	}
	return nil
}

// startClientSession signs the client in under the browser's session and decides what it gets.
func (s *Service) startClientSession(now time.Time, in redemption, r store.RedemptionState, g auth.CodeGrant) (d token.Draft, n store.Redemption, err error) {
	g.Scope = s.currentlyAllowedScope(r.Client, g.Scope, g.Resources)
	n.Session, err = s.cfg.Sessions.PlanClient(now, session.ClientState{Tenant: r.Tenant, Parent: r.Browser, Existing: r.Session}, session.ClientParams{
		ID: g.Session, Client: r.Client, Scope: g.Scope, Claims: g.Claims, Actor: in.Actor,
	})
	if err != nil {
		return d, n, err
	}
	on := token.IssuanceState{Tenant: r.Tenant, Client: r.Client, Account: r.Account, Session: n.Session, Entitlement: r.Entitlement}
	d, n.Family, err = s.cfg.Tokens.Plan(now, on, auth.Grant{
		Account: r.Code.Account, Client: r.Client.ID, Session: n.Session.ID, Scope: g.Scope, Audience: g.Resources, Narrow: in.audience,
		AuthAt: g.AuthAt, ACR: g.ACR, AMR: g.AMR, JKT: in.jkt,
		IDToken: &auth.IDTokenRequest{Nonce: g.Nonce, Claims: g.Claims.IDToken},
	})
	if err != nil {
		return d, n, err
	}
	n.Event = auth.Event{Kind: auth.EventTokenIssued, Actor: in.Actor, Account: r.Code.Account, Detail: map[string]string{
		"grant": string(auth.GrantAuthorizationCode), "scope": d.Scope().String(), "session": string(n.Session.ID),
	}}
	return d, n, nil
}

// refuseUsed refuses a code that is unknown or used. When it was used and comes with
// everything right, two have it (RFC 6749 §4.1.2): the client's session ends, and with
// it every token of the first redemption.
func (s *Service) refuseUsed(ctx context.Context, in redemption) error {
	return s.cfg.DB.Write(ctx, in.Tenant.ID, func(tx *store.Tx) error {
		code, err := tx.SingleUse(auth.UseCode, in.digest)
		if errors.Is(err, auth.ErrNotFound) {
			return invalidCode("it is not known")
		} else if err != nil {
			return fmt.Errorf("read code: %w", err)
		}
		g, err := in.read(code)
		if err != nil {
			return err
		}
		if code.UsedAt.IsZero() {
			return invalidCode("its session or account no longer exists")
		}
		return s.replayed(tx, in, code, g)
	})
}

// replayed ends the client's session that began with the code.
func (s *Service) replayed(tx *store.Tx, in redemption, code auth.SingleUse, g auth.CodeGrant) error {
	err := s.cfg.Sessions.End(tx, code.Account, g.Session, auth.EndCode)
	switch {
	case errors.Is(err, auth.ErrNotFound):
		return invalidCode("it was used before, and what came of it is over")
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

// invalidCode is the one refusal of a code; the reason is for the log.
func invalidCode(reason string) error {
	return &oauth.Error{Code: oauth.InvalidGrant, Desc: "the code is not valid for this client", Err: errors.New(reason)}
}
