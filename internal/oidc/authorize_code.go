package oidc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/flow"
	"github.com/watchword-auth/watchword/internal/oauth"
	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/store"
	"github.com/watchword-auth/watchword/internal/token"
)

// CodePrefix is the prefix of every authorization code.
const CodePrefix = "wwc_"

// answerFlow ends a flow with the response to its client: a code or an error. There is no code for a
// request that would be refused now.
func (s *Service) answerFlow(ctx context.Context, state auth.FlowState, next auth.Step, b flow.Browser) (flow.Step, error) {
	if next.Error == "" {
		unmet := s.checkRequirements(state.Tenant, state.Client, state.Flow.Request)
		if unmet == nil {
			return s.issueCode(ctx, state, next, b)
		}
		next.Error, next.Desc = string(unmet.Code), unmet.Desc
	}
	response, err := s.errorResponse(ctx, state.Tenant.ID, state.Client, state.Flow.Request, next.Error, next.Desc)
	if err != nil {
		return flow.Step{}, err
	}
	response.Confirm = s.mustConfirmError(state, b)
	if state.Flow.ID != "" {
		if err := s.cfg.DB.Write(ctx, state.Tenant.ID, func(tx *store.Tx) error { return flow.Finish(tx, state.Flow.ID) }); err != nil {
			return flow.Step{}, fmt.Errorf("finish flow: %w", err)
		}
	}
	return flow.Step{Kind: auth.StepAnswer, Flow: state.Flow, Client: state.Client, Response: response}, nil
}

// issueCode ends a flow with a code. The transaction that writes the code reads everything on which
// the code depends again. It also finishes the flow and consumes the pushed request, so that
// concurrent requests get one code.
func (s *Service) issueCode(ctx context.Context, before auth.FlowState, next auth.Step, b flow.Browser) (flow.Step, error) {
	code := secret.New(CodePrefix)
	digest := secret.Digest(code.Reveal())
	tenant, r := before.Tenant.ID, before.Flow.Request
	if err := s.prepareResponse(ctx, tenant, before.Client, r); err != nil {
		return flow.Step{}, err
	}
	err := s.cfg.DB.Write(ctx, tenant, func(tx *store.Tx) error {
		state, err := s.cfg.Flows.State(tx, before.Flow, b)
		if err != nil {
			return err
		}
		if auth.Next(state) != next || s.checkRequirements(state.Tenant, state.Client, state.Flow.Request) != nil {
			return flow.ErrStateChanged
		}
		if err := consume(tx, state.Flow); err != nil {
			return err
		}
		return s.writeCode(tx, state, next, digest, b.Actor)
	})
	if e, ok := errors.AsType[*oauth.Error](err); ok {
		return flow.Step{}, displayError(e.Code, e.Desc)
	} else if err != nil {
		return flow.Step{}, err
	}
	response, err := s.response(ctx, tenant, before.Client, r, [2]string{"code", code.Reveal()})
	return flow.Step{Kind: auth.StepAnswer, Flow: before.Flow, Client: before.Client, Response: response, Allowed: s.addAllowed(tenant, before.Client, r.RedirectURI, b)}, err
}

// consume consumes the pushed request and finishes the flow, since both lead to one code only.
func consume(tx *store.Tx, f auth.Flow) error {
	if f.Request.Pushed != "" && !f.Request.Consumed {
		if err := consumePushed(tx, f); err != nil {
			return err
		}
	}
	if f.ID == "" {
		return nil
	}
	return flow.Finish(tx, f.ID)
}

// consumePushed consumes the request_uri for the flow and its successors, which are the same use of
// it. Another flow with the same request_uri gets no code.
func consumePushed(tx *store.Tx, f auth.Flow) error {
	_, err := tx.Consume(auth.UsePushed, f.Request.Pushed)
	if errors.Is(err, auth.ErrNotFound) {
		return oauth.Refuse(oauth.InvalidRequestURI, "request_uri: one for which no code was issued yet")
	}
	if err != nil || f.ID == "" {
		return err
	}
	f.Request.Consumed = true
	return flow.Update(tx, f)
}

// writeCode makes the issuing decision and writes the code. The code's session is the one that the
// client already has in this browser, or a new ID that is reserved for it.
func (s *Service) writeCode(tx *store.Tx, state auth.FlowState, next auth.Step, digest string, actor auth.Actor) error {
	signedIn := state.Of(next)
	if err := token.CheckIssuance(state.Tenant, signedIn.Account, state.Client); err != nil {
		return err
	}
	r := state.Flow.Request.WithoutWithheld(signedIn)
	id := auth.SessionID(secret.NewID(tx.Now))
	v, err := tx.ClientSession(signedIn.Session.ID, state.Client.ID)
	switch {
	case err == nil && v.Live(tx.Now): // a session that was unused for too long is not used again
		id = v.ID
	case err != nil && !errors.Is(err, auth.ErrNotFound):
		return err
	}
	data, err := json.Marshal(auth.CodeGrant{
		RedirectURI: r.RedirectURI, Challenge: r.Challenge, JKT: r.JKT, Nonce: r.Nonce, Scope: r.Scope, Resources: r.Resources, Claims: r.Claims,
		Browser: signedIn.Session.ID, Session: id, AuthAt: signedIn.Session.AuthAt, ACR: signedIn.Session.ACR, AMR: signedIn.Session.AMR,
	})
	if err != nil {
		return fmt.Errorf("encode code: %w", err)
	}
	err = tx.InsertSingleUse(auth.SingleUse{Kind: auth.UseCode, Digest: digest, Account: signedIn.Account.ID, Client: state.Client.ID, Data: string(data),
		Browser: signedIn.Session.ID, Session: id, CreatedAt: tx.Now, ExpiresAt: tx.Now.Add(s.cfg.CodeLifetime)})
	if err != nil {
		return err
	}
	return tx.Record(auth.Event{Kind: auth.EventCodeIssued, Actor: actor.AsSession(signedIn.Session), Account: signedIn.Account.ID,
		Detail: map[string]string{"client": string(state.Client.ID), "scope": r.Scope.String()}})
}
