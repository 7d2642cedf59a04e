package oidc

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/store"
)

// Consent records what the person says to the question of the consent page, and goes
// on. An answer to a question that is not asked any more changes nothing, nor does a yes
// to another one than is asked now: what can be granted may have grown since.
func (s *Service) Consent(ctx context.Context, tenant auth.TenantID, id auth.FlowID, b Browser, csrf string, allow bool, actor auth.Actor) (Step, error) {
	if _, err := s.form(ctx, tenant, id, b, csrf); err != nil {
		return Step{}, err
	}
	b.Actor = actor
	err := s.cfg.DB.Write(ctx, tenant, func(tx *store.Tx) error {
		n, err := s.situation(tx, auth.Flow{ID: id}, b)
		if err != nil {
			return lost(err)
		}
		next := auth.Next(n)
		if next.Kind != auth.StepConsent || next.Session != n.Flow.Session || allow && !secret.Equal(csrf, s.csrfAsking(n, next, b)) {
			return nil
		}
		return decide(tx, n, next, allow, actor)
	})
	if err != nil {
		return Step{}, err
	}
	return s.advance(ctx, tenant, auth.Flow{ID: id}, b)
}

// decide writes the person's decision down.
func decide(tx *store.Tx, n auth.FlowState, next auth.Step, allow bool, actor auth.Actor) error {
	flow, p := n.Flow, n.Of(next)
	r := flow.Request.Of(p)
	event := auth.Event{Kind: auth.EventConsentRefused, Actor: actor.AsSession(p.Session), Account: p.Account.ID,
		Detail: map[string]string{"client": string(n.Client.ID), "scope": r.ConsentScope().String()}}
	if !allow {
		flow.Denied = true
	} else {
		event.Kind = auth.EventConsentGiven
		flow.Allowed = append(auth.Scope{}, r.ConsentScope()...)
		err := tx.PutConsent(auth.Consent{Account: p.Account.ID, Client: n.Client.ID,
			Scope: union(p.Consent.Scope, r.ConsentScope()), Audience: union(p.Consent.Audience, r.Resources)})
		if err != nil {
			return fmt.Errorf("remember consent: %w", err)
		}
	}
	if err := tx.UpdateFlow(flow); errors.Is(err, auth.ErrNotFound) {
		return flowOver()
	} else if err != nil {
		return err
	}
	return tx.Record(event)
}

// union is what is in either, each once.
func union[S ~[]string](a, b S) S {
	out := slices.Clone(a)
	for _, v := range b {
		if !slices.Contains(out, v) {
			out = append(out, v)
		}
	}
	return out
}

// Allowed is a client to which a person has allowed something.
type Allowed struct {
	Consent auth.Consent
	Client  auth.Client
}

// Consents lists what an account has allowed.
func (s *Service) Consents(ctx context.Context, tenant auth.TenantID, account auth.AccountID) (out []Allowed, err error) {
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
			out = append(out, Allowed{c, client})
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list consents: %w", err)
	}
	return out, nil
}

// RevokeConsent takes back what an account has allowed a client: its sessions and
// refresh tokens for the account end, codes that wait are worth nothing, and the next
// time the person is asked again. NotFound when nothing was allowed.
func (s *Service) RevokeConsent(ctx context.Context, tenant auth.TenantID, account auth.AccountID, client auth.ClientID, actor auth.Actor) error {
	err := s.cfg.DB.Write(ctx, tenant, func(tx *store.Tx) error {
		if err := tx.DeleteConsent(account, client); errors.Is(err, auth.ErrNotFound) {
			return auth.Refuse(auth.KindNotFound, auth.CodeConsentUnknown, "nothing is allowed to that application")
		} else if err != nil {
			return err
		}
		if err := endClient(tx, account, client); err != nil {
			return err
		}
		return tx.Record(auth.Event{Kind: auth.EventConsentRevoked, Actor: actor, Account: account, Detail: map[string]string{"client": string(client)}})
	})
	if err != nil {
		return fmt.Errorf("revoke consent: %w", err)
	}
	return nil
}

// endClient ends whatever the client has of the account.
func endClient(tx *store.Tx, account auth.AccountID, client auth.ClientID) error {
	if _, err := tx.EndGrantedSessions(account, client, auth.EndConsent); err != nil {
		return err
	}
	// A code of another client that was issued in the same minute goes too; its person
	// is asked to sign in once more, which costs less than a code that outlives the no.
	return tx.DeleteSingleUses(account, auth.UseCode)
}
