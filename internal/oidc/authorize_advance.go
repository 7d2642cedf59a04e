package oidc

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/oauth"
	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/session"
	"github.com/watchword-auth/watchword/internal/store"
)

// advance takes a flow as far as it goes without the person: to a page, or to its end.
// A flow without an ID is not stored, and is only if a page has to be shown.
func (s *Service) advance(ctx context.Context, tenant auth.TenantID, flow auth.Flow, b Browser) (Step, error) {
	for range 3 {
		var n auth.FlowState
		err := s.cfg.DB.Read(ctx, tenant, func(tx *store.Tx) (err error) {
			n, err = s.situation(tx, flow, b)
			return err
		})
		if err != nil {
			return Step{}, lost(err)
		}
		next := auth.Next(n)
		switch {
		case next.Kind == auth.StepAnswer && next.Error == "":
			step, err := s.issueCode(ctx, n, next, b)
			if errors.Is(err, errMoved) {
				continue
			}
			return step, err
		case next.Kind == auth.StepAnswer:
			return s.decline(ctx, n, next, b)
		}
		return s.show(ctx, n, next, b)
	}
	return Step{}, auth.Unavailable(errMoved, 0)
}

// lost words the loss of what a flow stands on.
func lost(err error) error {
	if errors.Is(err, auth.ErrNotFound) {
		return page(oauth.InvalidRequest, "there is no such client")
	}
	return fmt.Errorf("flow: %w", err)
}

// situation gathers what the next step depends on, as it is now: a stored flow too.
func (s *Service) situation(tx *store.Tx, flow auth.Flow, b Browser) (n auth.FlowState, err error) {
	if flow.ID != "" {
		if flow, err = tx.Flow(flow.ID); err != nil || !flow.Live(tx.Now) {
			return n, flowOver()
		}
	}
	n = auth.FlowState{Flow: flow, Now: tx.Now, Local: auth.OnLoopback(s.cfg.Base)}
	if n.Tenant, err = tx.CurrentTenant(); err != nil {
		return n, err
	}
	if flow.Request.Client != "" {
		if n.Client, err = tx.Client(flow.Request.Client); err != nil {
			return n, err
		}
	}
	if n.Tenant.Disabled() || n.Client.Disabled() {
		return n, auth.ErrNotFound
	}
	// A flow may be an hour old, and an address may be taken out because it was lost.
	if flow.Kind == auth.FlowAuthorize && !n.Client.MatchRedirectURI(flow.Request.RedirectURI) {
		return n, page(oauth.InvalidRequest, "redirect_uri is none of those registered")
	}
	for _, v := range b.Sessions {
		p, err := s.present(tx, flow, n.Client, v.Session.ID)
		if errors.Is(err, auth.ErrNotFound) {
			continue
		} else if err != nil {
			return n, err
		}
		n.Browser = append(n.Browser, p)
	}
	return n, nil
}

// present reads anew what a session stands for: the browser's cookies were looked at
// some time ago.
func (s *Service) present(tx *store.Tx, flow auth.Flow, c auth.Client, id auth.SessionID) (p auth.SignedInAccount, err error) {
	if p.Session, err = tx.Session(id); err != nil {
		return p, err
	}
	if p.Account, err = tx.Account(p.Session.Account); err != nil {
		return p, err
	}
	if flow.Kind == auth.FlowAccount || c.ID == "" {
		return p, nil
	}
	if p.Withheld, err = s.withheld(tx, c, p.Account.ID, flow.Request); err != nil || flow.Kind != auth.FlowAuthorize {
		return p, err
	}
	p.Subject = s.cfg.Tokens.Subject(c, p.Account.ID)
	if c.FirstParty {
		return p, nil
	}
	if p.Consent, err = tx.Consent(p.Account.ID, c.ID); errors.Is(err, auth.ErrNotFound) {
		return p, nil
	}
	return p, err
}

// withheld are the scopes that the account cannot give to the client.
func (s *Service) withheld(tx *store.Tx, c auth.Client, account auth.AccountID, r auth.AuthorizationRequest) (auth.Scope, error) {
	scope := r.Scope
	if scope.Within(auth.DefaultScope) {
		return nil, nil
	}
	e, err := tx.Entitlement(account, scope)
	if err != nil {
		return nil, fmt.Errorf("read rights: %w", err)
	}
	given := e.Grantable(auth.Recipient{Client: c, Allowed: s.cfg.Tokens.PersonScope(c, r.Resources)}, scope)
	return slices.DeleteFunc(slices.Clone(scope), given.Has), nil
}

// show stores what the page depends on and makes the page's step. The account that a
// question is about is kept with the flow, so that the answer is that account's.
func (s *Service) show(ctx context.Context, n auth.FlowState, next auth.Step, b Browser) (Step, error) {
	tenant, flow := n.Tenant.ID, n.Flow
	var fresh secret.Text
	var err error
	asks := next.Kind == auth.StepConsent || next.Kind == auth.StepDeviceConfirm
	moved := asks && flow.Session != next.Session
	if moved { // what somebody else has proved or allowed counts no more
		flow.Session, flow.ProvedAt, flow.Allowed = next.Session, time.Time{}, nil
	}
	switch {
	case flow.ID == "":
		flow, fresh, err = s.insertFlow(ctx, tenant, flow, &b)
	case flow.Browser == "":
		fresh = b.recognise()
		flow.Browser = secret.Digest(b.Secret)
		err = s.bindFlow(ctx, tenant, flow)
	case moved:
		err = s.updateFlow(ctx, tenant, flow)
	}
	if err != nil {
		return Step{}, err
	}
	step := Step{Kind: next.Kind, Flow: flow, NewBrowser: fresh, CSRF: s.csrf(tenant, flow.ID, b.Secret), Client: n.Client}
	step.Accounts = slices.DeleteFunc(slices.Clone(b.Sessions), func(v session.SignedIn) bool {
		return next.Kind != auth.StepChoose && v.Session.ID != next.Session
	})
	n.Flow = flow // which has an id now
	switch next.Kind {
	case auth.StepConsent:
		step.CSRF, step.Consent = s.csrfAsking(n, next, b), s.view(n, next)
	case auth.StepDeviceConfirm:
		step.CSRF = s.csrfAsking(n, next, b)
		step.Flow.Request = flow.Request.Of(n.Of(next))
	}
	return step, nil
}

// bindFlow gives a posted flow to its browser, with the account that is asked.
func (s *Service) bindFlow(ctx context.Context, tenant auth.TenantID, flow auth.Flow) error {
	err := s.cfg.DB.Write(ctx, tenant, func(tx *store.Tx) error {
		if err := tx.BindFlow(flow.ID, flow.Browser, flow.CreatedAt.Add(flowLifetime)); err != nil {
			return err
		}
		return tx.UpdateFlow(flow)
	})
	if errors.Is(err, auth.ErrNotFound) {
		return flowOver()
	} else if err != nil {
		return fmt.Errorf("bind flow: %w", err)
	}
	return nil
}

func (s *Service) view(n auth.FlowState, next auth.Step) *ConsentView {
	p := n.Of(next)
	r := n.Flow.Request.Of(p)
	v := &ConsentView{Client: n.Client, Account: p.Account, Scope: r.ConsentScope(), Offline: r.Scope.Has(auth.ScopeOffline)}
	v.Resources = slices.DeleteFunc(slices.Clone(r.Resources), func(uri string) bool { return uri == n.Tenant.ID.Issuer(s.cfg.Base) })
	v.New = slices.DeleteFunc(r.ConsentScope(), p.Consent.Scope.Has)
	if u, err := url.Parse(r.RedirectURI); err == nil {
		if v.Host = u.Hostname(); v.Host == "" {
			v.Host = u.Scheme
		}
	}
	return v
}

// decline ends a flow with an answer that has no code.
func (s *Service) decline(ctx context.Context, n auth.FlowState, next auth.Step, b Browser) (Step, error) {
	answer, err := s.refusal(ctx, n.Tenant.ID, n.Client, n.Flow.Request, next.Error, next.Desc)
	if err != nil {
		return Step{}, err
	}
	answer.Asks = s.declineAsks(n, b)
	step := Step{Kind: auth.StepAnswer, Flow: n.Flow, Client: n.Client, Answer: answer}
	if n.Flow.ID == "" {
		return step, nil
	}
	err = s.cfg.DB.Write(ctx, n.Tenant.ID, func(tx *store.Tx) error { return tx.FinishFlow(n.Flow.ID) })
	if errors.Is(err, auth.ErrNotFound) {
		return Step{}, flowOver()
	} else if err != nil {
		return Step{}, fmt.Errorf("finish flow: %w", err)
	}
	return step, nil
}
