package login

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/store"
)

// unprovedLifetime is how long mails can be asked for in one sign-in by the JSON API.
const unprovedLifetime = time.Hour

// BeginEmailSignIn is MailSignIn for the JSON API: only the returned token takes the code. With the token of
// an earlier call the sign-in of that call continues, so that its code may be mailed again. Of the result only
// Token and Browser are set. Refusals:
// email_invalid, invalid_login_token, and not_found where the tenant does not allow it.
func (s *Service) BeginEmailSignIn(ctx context.Context, tenant auth.TenantID, token string, r Request) (Pending, error) {
	issued := Pending{Token: secret.Text(token)}
	if token == "" {
		issued = newPending(r)
	}
	err := s.mailSignIn(ctx, tenant, r.Email, r.Actor, func(tx *store.Tx) (auth.FlowID, error) {
		f := newPendingFlow(tx, issued, r)
		f.ExpiresAt = tx.Now.Add(unprovedLifetime)
		if token == "" {
			return f.ID, tx.InsertFlow(f)
		}
		if _, err := readUnprovedFlow(tx, token, r.Actor); err != nil {
			return "", err
		}
		return f.ID, tx.UpdateFlow(f)
	})
	return issued, err
}

// EmailRequest is a code that was mailed instead of a password to a user of the JSON API.
type EmailRequest struct {
	Token string // of BeginEmailSignIn
	Code  string
	Actor auth.Actor
}

// Email signs in with a mailed code by the JSON API, and returns what Password would have returned. The token
// is for one success. Refusals: invalid_login_token, invalid_code, rate_limited; invalid_target as of Password.
func (s *Service) Email(ctx context.Context, tenant auth.TenantID, r EmailRequest) (Result, error) {
	var f auth.Flow
	err := s.cfg.DB.ReadOne(ctx, tenant, func(tx *store.Tx) (err error) {
		f, err = readUnprovedFlow(tx, r.Token, r.Actor)
		return err
	})
	if err != nil {
		return Result{}, fmt.Errorf("read pending sign-in: %w", err)
	}
	guess := emailGuess{f.ID, r.Code, r.Actor}
	newDevice, refund, err := s.countEmailGuess(ctx, tenant, guess)
	if err != nil {
		return Result{}, err
	}
	api := apiSignIn{s: s, request: requestOf(f, r.Actor)}
	var a auth.Account
	err = s.cfg.DB.Write(ctx, tenant, func(tx *store.Tx) (err error) {
		if a, err = api.proveEmail(tx, guess); err != nil || api.result.Session.ID == "" || !newDevice {
			return err
		}
		return notifyNewDevice(tx, a, r.Actor)
	})
	if err != nil {
		return Result{}, fmt.Errorf("sign in with a mailed code: %w", err)
	}
	refund()
	return api.conclude(ctx, tenant, a, r.Actor)
}

// proveEmail uses the code and its token up, and begins the session if that is enough.
func (api *apiSignIn) proveEmail(tx *store.Tx, g emailGuess) (auth.Account, error) {
	api.result = Result{}
	a, err := api.s.useSignInCode(tx, g)
	if err != nil {
		return a, err
	}
	if err := tx.FinishFlow(g.flow); errors.Is(err, auth.ErrNotFound) {
		return a, errLoginToken()
	} else if err != nil {
		return a, err
	}
	err = api.proveFirst(tx, a, auth.Proof{Method: auth.ProofEmailLink, Account: a.ID, At: tx.Now})
	if api.refused(err) {
		err = refuseSignIn(tx, g.actor, a.ID, string(auth.ProofEmailLink), ReasonRefused, err)
	}
	return a, err
}

// readUnprovedFlow reads the flow of a sign-in whose mailed code was not entered yet, for an actor.
func readUnprovedFlow(tx *store.Tx, token string, actor auth.Actor) (auth.Flow, error) {
	if !secret.Valid(TokenPrefix, token) {
		return auth.Flow{}, errLoginToken()
	}
	f, err := tx.Flow(pendingID(token))
	if errors.Is(err, auth.ErrNotFound) || err == nil && (f.Kind != auth.FlowAPI || !f.Live(tx.Now) || len(f.Proofs) > 0 || !holds(actor, f)) {
		err = errLoginToken()
	}
	return f, err
}

func errLoginToken() error {
	return auth.Refuse(auth.KindUnauthenticated, auth.CodeInvalidLoginToken, "login_token: one of /api/v1/login/email of the last hour, whose code was not entered yet")
}
