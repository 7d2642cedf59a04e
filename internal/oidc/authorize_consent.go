package oidc

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/flow"
	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/store"
)

// Consent records the user's answer on the consent page and continues the flow. An answer has no effect
// when no consent is required any more. A yes has no effect when the question has changed, since the scope
// may have grown. An answer that is sent again after the end of its flow has the same outcome in a new
// flow of the same request.
func (s *Service) Consent(ctx context.Context, in flow.FormRef, allow bool) (flow.Step, error) {
	var f auth.Flow
	err := s.cfg.DB.Write(ctx, in.Tenant, func(tx *store.Tx) (err error) {
		if f, err = s.cfg.Flows.Resume(tx, in); err != nil {
			return err
		}
		resent := f.ID != in.Flow
		if resent {
			if err := flow.Update(tx, f); err != nil {
				return err
			}
		}
		state, err := s.cfg.Flows.State(tx, f, in.Browser)
		if err != nil {
			return err
		}
		next := auth.Next(state)
		required := next.Kind == auth.StepConsent && next.Session == state.Flow.Session
		if resent && !allow { // the last answer counts, even without a question
			return decideConsent(tx, state, auth.Step{Session: state.Flow.Session}, false, in.Browser.Actor)
		}
		if !required || allow && !secret.Equal(in.CSRF, s.cfg.Flows.QuestionCSRF(in.Flow, state, next, in.Browser)) {
			return nil
		}
		return decideConsent(tx, state, next, allow, in.Browser.Actor)
	})
	if err != nil {
		return flow.Step{}, fmt.Errorf("record consent: %w", err)
	}
	return s.cfg.Flows.Advance(ctx, in.Tenant, f, in.Browser)
}

// decideConsent stores the user's decision.
func decideConsent(tx *store.Tx, state auth.FlowState, next auth.Step, allow bool, actor auth.Actor) error {
	f, signedIn := state.Flow, state.Of(next)
	r := f.Request.WithoutWithheld(signedIn)
	event := auth.Event{Kind: auth.EventConsentRefused, Actor: actor.AsSession(signedIn.Session), Account: signedIn.Account.ID,
		Detail: map[string]string{"client": string(state.Client.ID), "scope": r.ConsentScope().String()}}
	if !allow {
		f.Denied = true
	} else {
		event.Kind = auth.EventConsentGiven
		f.Allowed = append(auth.Scope{}, r.ConsentScope()...)
		err := tx.PutConsent(auth.Consent{Account: signedIn.Account.ID, Client: state.Client.ID,
			Scope: mergeUnique(signedIn.Consent.Scope, r.ConsentScope()), Audience: mergeUnique(signedIn.Consent.Audience, r.Resources)})
		if err != nil {
			return fmt.Errorf("store consent: %w", err)
		}
	}
	if err := flow.Update(tx, f); err != nil {
		return err
	}
	return tx.Record(event)
}

// mergeUnique returns the values of a and b, each once.
func mergeUnique[S ~[]string](a, b S) S {
	out := slices.Clone(a)
	for _, v := range b {
		if !slices.Contains(out, v) {
			out = append(out, v)
		}
	}
	return out
}

// ConnectedApp is a client to which an account has given consent.
type ConnectedApp struct {
	Consent auth.Consent
	Client  auth.Client
}

// Consents lists the clients to which an account has given consent.
func (s *Service) Consents(ctx context.Context, tenant auth.TenantID, account auth.AccountID) (out []ConnectedApp, err error) {
	err = s.cfg.DB.Read(ctx, tenant, func(tx *store.Tx) error {
		out = nil
		list, err := tx.Consents(account)
		if err != nil {
			return err
		}
		for _, c := range list {
			client, err := tx.Client(c.Client)
			if err != nil {
				return err
			}
			out = append(out, ConnectedApp{c, client})
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list consents: %w", err)
	}
	return out, nil
}

// RevokeConsent deletes an account's consent to a client. The client's sessions, refresh tokens and
// pending codes for the account end, and its next request needs consent again. It refuses with
// NotFound consent_unknown when there is no consent.
func (s *Service) RevokeConsent(ctx context.Context, tenant auth.TenantID, account auth.AccountID, client auth.ClientID, actor auth.Actor) error {
	err := s.cfg.DB.Write(ctx, tenant, func(tx *store.Tx) error {
		if err := tx.DeleteConsent(account, client); errors.Is(err, auth.ErrNotFound) {
			return auth.Refuse(auth.KindNotFound, auth.CodeConsentUnknown, "the account has not consented to this client")
		} else if err != nil {
			return err
		}
		if err := endClientGrants(tx, account, client); err != nil {
			return err
		}
		return tx.Record(auth.Event{Kind: auth.EventConsentRevoked, Actor: actor, Account: account, Detail: map[string]string{"client": string(client)}})
	})
	if err != nil {
		return fmt.Errorf("revoke consent: %w", err)
	}
	return nil
}

// endClientGrants ends what the client was granted for the account.
func endClientGrants(tx *store.Tx, account auth.AccountID, client auth.ClientID) error {
	if _, err := tx.EndGrantedSessions(account, client, auth.EndConsent); err != nil {
		return err
	}
	// A code of another client that was issued in the same minute is deleted too. That user signs in once
	// more, which is better than a code that outlives the revocation.
	return tx.DeleteSingleUses(account, auth.UseCode)
}
