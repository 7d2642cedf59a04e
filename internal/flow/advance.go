package flow

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

// Advance takes a flow as far as it goes without the user: to a page, or to its end. A flow
// without an ID is not stored yet, and is stored only if a page has to be shown. It is called after
// a form. If another request has just ended the flow, the response is the same as to that request.
func (s *Service) Advance(ctx context.Context, tenant auth.TenantID, flow auth.Flow, b Browser) (Step, error) {
	return s.advance(ctx, tenant, flow, b, repeat, s.answer)
}

func (s *Service) advance(ctx context.Context, tenant auth.TenantID, flow auth.Flow, b Browser, next successor, answer Answerer) (Step, error) {
	first := flow.ID
	for moved := 0; moved < 3; {
		step, err := s.step(ctx, tenant, flow, b, answer)
		switch {
		case errors.Is(err, ErrMoved):
			moved++
			continue
		case first == "" || !isOver(err):
			return step, err
		}
		if flow, err = s.succeed(ctx, tenant, first, b, next); err != nil {
			return Step{}, err
		}
	}
	return Step{}, auth.Unavailable(ErrMoved, 0)
}

// step returns the step at which a flow is. When no page is left, answer ends the flow.
func (s *Service) step(ctx context.Context, tenant auth.TenantID, flow auth.Flow, b Browser, answer Answerer) (Step, error) {
	var n auth.FlowState
	err := s.cfg.DB.Read(ctx, tenant, func(tx *store.Tx) (err error) {
		n, err = s.State(tx, flow, b)
		return err
	})
	if err != nil {
		return Step{}, err
	}
	next := auth.Next(n)
	if next.Kind == auth.StepAnswer {
		return answer(ctx, n, next, b)
	}
	return s.show(ctx, n, next, b)
}

// State reads everything on which the next step of a flow depends, the stored flow included. It
// refuses a flow that is over as NotFound flow_over, and one whose client or redirect URI is not
// registered any more with an *auth.DisplayError.
func (s *Service) State(tx *store.Tx, flow auth.Flow, b Browser) (auth.FlowState, error) {
	n, err := s.state(tx, flow, b)
	if errors.Is(err, auth.ErrNotFound) {
		return n, auth.Display(string(oauth.InvalidRequest), "the client is unknown or disabled")
	}
	return n, err
}

func (s *Service) state(tx *store.Tx, flow auth.Flow, b Browser) (n auth.FlowState, err error) {
	if flow.ID != "" {
		if flow, err = tx.Flow(flow.ID); err != nil {
			return n, mapFlowOver(err)
		}
		if !b.mayContinue(flow, tx.Now) { // another browser may have continued it since it was read
			return n, flowOver()
		}
	}
	n = auth.FlowState{Flow: flow, Now: tx.Now, Local: auth.OnLoopback(s.cfg.Base)}
	if n.Tenant, err = tx.CurrentTenant(); err != nil {
		return n, fmt.Errorf("read tenant: %w", err)
	}
	if flow.Request.Client != "" {
		if n.Client, err = tx.Client(flow.Request.Client); err != nil {
			return n, fmt.Errorf("read client: %w", err)
		}
	}
	if n.Tenant.Disabled() || n.Client.Disabled() {
		return n, auth.ErrNotFound
	}
	// A flow may be an hour old, and an operator may have removed the redirect URI since.
	if flow.Kind == auth.FlowAuthorize && !n.Client.MatchRedirectURI(flow.Request.RedirectURI) {
		return n, auth.Display(string(oauth.InvalidRequest), "redirect_uri: one of those registered for the client")
	}
	for _, v := range b.Sessions {
		p, err := s.loadSignedIn(tx, flow, n.Client, v.Session.ID)
		if errors.Is(err, auth.ErrNotFound) {
			continue
		} else if err != nil {
			return n, err
		}
		n.Browser = append(n.Browser, p)
	}
	return n, nil
}

// loadSignedIn reads a session and its account again, since the browser's cookies were read earlier.
func (s *Service) loadSignedIn(tx *store.Tx, flow auth.Flow, c auth.Client, id auth.SessionID) (p auth.SignedInAccount, err error) {
	if p.Session, err = tx.Session(id); err != nil {
		return p, err
	}
	if p.Account, err = tx.Account(p.Session.Account); err != nil {
		return p, err
	}
	if flow.Kind == auth.FlowAccount || c.ID == "" {
		return p, nil
	}
	if p.Withheld, err = s.withheldScope(tx, c, p.Account.ID, flow.Request); err != nil || flow.Kind != auth.FlowAuthorize {
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

// withheldScope returns the scopes that the account cannot give to the client.
func (s *Service) withheldScope(tx *store.Tx, c auth.Client, account auth.AccountID, r auth.AuthorizationRequest) (auth.Scope, error) {
	scope := r.Scope
	if scope.Within(auth.DefaultScope) {
		return nil, nil
	}
	e, err := tx.Entitlement(account, scope)
	if err != nil {
		return nil, fmt.Errorf("read rights: %w", err)
	}
	given := e.Grantable(auth.Recipient{Client: c, Allowed: s.cfg.Tokens.UserScope(c, r.Resources)}, scope)
	return slices.DeleteFunc(slices.Clone(scope), given.Has), nil
}

// show stores the facts on which the page depends, and returns the page's step. The account of the question
// is stored with the flow, so that the answer counts for that account.
func (s *Service) show(ctx context.Context, n auth.FlowState, next auth.Step, b Browser) (Step, error) {
	tenant, flow := n.Tenant.ID, n.Flow
	var fresh secret.Text
	var err error
	asks := next.Kind == auth.StepConsent || next.Kind == auth.StepDeviceConfirm
	moved := asks && flow.Session != next.Session
	if moved { // proofs and consents of another account do not count
		flow.Session, flow.ProvedAt, flow.Allowed = next.Session, time.Time{}, nil
	}
	switch {
	case flow.ID == "":
		flow, fresh, err = s.insertBound(ctx, tenant, flow, &b)
	case flow.Browser == "":
		fresh = b.EnsureSecret()
		flow.Browser = secret.Digest(b.Secret)
		err = s.bind(ctx, tenant, flow)
	case moved:
		err = s.update(ctx, tenant, flow)
	}
	if err != nil {
		return Step{}, err
	}
	step := Step{Kind: next.Kind, Flow: flow, NewBrowser: fresh, CSRF: s.CSRF(tenant, b, "flow", string(flow.ID)), Client: n.Client}
	step.Accounts = slices.DeleteFunc(slices.Clone(b.Sessions), func(v session.SignedIn) bool {
		return next.Kind != auth.StepChoose && v.Session.ID != next.Session
	})
	n.Flow = flow
	switch next.Kind {
	case auth.StepConsent:
		step.CSRF, step.Consent = s.QuestionCSRF(flow.ID, n, next, b), s.consentView(n, next)
	case auth.StepDeviceConfirm:
		step.CSRF = s.QuestionCSRF(flow.ID, n, next, b)
		step.Flow.Request = flow.Request.WithoutWithheld(n.Of(next))
	}
	return step, nil
}

func (s *Service) consentView(n auth.FlowState, next auth.Step) *ConsentView {
	p := n.Of(next)
	r := n.Flow.Request.WithoutWithheld(p)
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
