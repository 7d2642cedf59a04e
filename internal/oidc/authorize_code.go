package oidc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/oauth"
	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/store"
	"github.com/watchword-auth/watchword/internal/token"
)

// CodePrefix is what every authorization code begins with.
const CodePrefix = "wwc_"

// issueCode ends a flow with a code. Everything on which the code depends is read again
// in the transaction that writes it; the flow ends and the pushed request is spent in
// the same one, so that there is one code whatever happens at once.
func (s *Service) issueCode(ctx context.Context, before auth.FlowState, next auth.Step, b Browser) (Step, error) {
	code := secret.New(CodePrefix)
	digest := secret.Digest(code.Reveal())
	tenant, r := before.Tenant.ID, before.Flow.Request
	if err := s.readyToAnswer(ctx, tenant, before.Client, r); err != nil {
		return Step{}, err
	}
	err := s.cfg.DB.Write(ctx, tenant, func(tx *store.Tx) error {
		n, err := s.situation(tx, before.Flow, b)
		if err != nil {
			return lost(err)
		}
		if auth.Next(n) != next {
			return errMoved
		}
		if err := spend(tx, n.Flow); err != nil {
			return err
		}
		return s.writeCode(tx, n, next, digest, b.Actor)
	})
	if e, ok := errors.AsType[*oauth.Error](err); ok {
		return Step{}, page(e.Code, e.Desc)
	} else if err != nil {
		return Step{}, err
	}
	answer, err := s.answer(ctx, tenant, before.Client, r, [2]string{"code", code.Reveal()})
	return Step{Kind: auth.StepAnswer, Flow: before.Flow, Client: before.Client, Answer: answer, Allowed: s.addAllowed(tenant, before.Client, r.RedirectURI, b)}, err
}

// spend ends what leads to one code and no more.
func spend(tx *store.Tx, flow auth.Flow) error {
	if flow.ID != "" {
		if err := tx.FinishFlow(flow.ID); errors.Is(err, auth.ErrNotFound) {
			return flowOver()
		} else if err != nil {
			return err
		}
	}
	if flow.Request.Pushed == "" {
		return nil
	}
	_, err := tx.Consume(auth.UsePushed, flow.Request.Pushed)
	if errors.Is(err, auth.ErrNotFound) {
		return oauth.Refuse(oauth.InvalidRequestURI, "a code was issued for this request_uri already")
	}
	return err
}

// writeCode decides and writes the code. Its session is the one that the client has in
// this browser already, or an id that is set aside for it.
func (s *Service) writeCode(tx *store.Tx, n auth.FlowState, next auth.Step, digest string, actor auth.Actor) error {
	p := n.Of(next)
	if err := token.CheckIssuance(n.Tenant, p.Account, n.Client); err != nil {
		return err
	}
	r := n.Flow.Request.Of(p)
	id := auth.SessionID(secret.NewID(tx.Now))
	v, err := tx.ClientSession(p.Session.ID, n.Client.ID)
	switch {
	case err == nil && v.Live(tx.Now): // one that was unused for too long is not used again
		id = v.ID
	case err != nil && !errors.Is(err, auth.ErrNotFound):
		return err
	}
	data, err := json.Marshal(auth.CodeGrant{
		RedirectURI: r.RedirectURI, Challenge: r.Challenge, JKT: r.JKT, Nonce: r.Nonce, Scope: r.Scope, Resources: r.Resources, Claims: r.Claims,
		Browser: p.Session.ID, Session: id, AuthAt: p.Session.AuthAt, ACR: p.Session.ACR, AMR: p.Session.AMR,
	})
	if err != nil {
		return fmt.Errorf("encode code: %w", err)
	}
	err = tx.InsertSingleUse(auth.SingleUse{Kind: auth.UseCode, Digest: digest, Account: p.Account.ID, Client: n.Client.ID, Data: string(data),
		Browser: p.Session.ID, Session: id, CreatedAt: tx.Now, ExpiresAt: tx.Now.Add(s.cfg.CodeLifetime)})
	if err != nil {
		return err
	}
	return tx.Record(auth.Event{Kind: auth.EventCodeIssued, Actor: actor.AsSession(p.Session), Account: p.Account.ID,
		Detail: map[string]string{"client": string(n.Client.ID), "scope": r.Scope.String()}})
}
