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

// Advance continues a flow until a page has to be shown, or to its end. A flow without an ID is not
// stored yet, and is stored only for a page. Advance is called after a form. If another request has
// just ended the flow, the response is the same as to that request.
func (s *Service) Advance(ctx context.Context, tenant auth.TenantID, flow auth.Flow, browser Browser) (Step, error) {
	return s.advance(ctx, tenant, flow, browser, repeat, s.answer)
}

func (s *Service) advance(ctx context.Context, tenant auth.TenantID, flow auth.Flow, browser Browser, next successorFunc, answer Answerer) (Step, error) {
	first := flow.ID
	for changes := 0; changes < 3; {
		step, err := s.step(ctx, tenant, flow, browser, answer)
		switch {
		case errors.Is(err, ErrStateChanged):
			changes++
			continue
		case first == "" || !isFlowOver(err):
			return step, err
		}
		if flow, err = s.resumeEnded(ctx, tenant, first, browser, next); err != nil {
			return Step{}, err
		}
	}
	return Step{}, auth.Unavailable(ErrStateChanged, 0)
}

// step returns the step at which a flow is. When no page is left, answer ends the flow.
func (s *Service) step(ctx context.Context, tenant auth.TenantID, flow auth.Flow, browser Browser, answer Answerer) (Step, error) {
	var state auth.FlowState
	err := s.cfg.DB.Read(ctx, tenant, func(tx *store.Tx) (err error) {
		state, err = s.State(tx, flow, browser)
		return err
	})
	if err != nil {
		return Step{}, err
	}
	next := auth.Next(state)
	if next.Kind == auth.StepAnswer {
		return answer(ctx, state, next, browser)
	}
	return s.show(ctx, state, next, browser)
}

// State reads everything on which the next step of a flow depends, including the stored flow. It
// refuses a flow that is over as NotFound flow_over, and one whose client or redirect URI is no
// longer registered with an *auth.DisplayError.
func (s *Service) State(tx *store.Tx, flow auth.Flow, browser Browser) (auth.FlowState, error) {
	state, err := s.state(tx, flow, browser)
	if errors.Is(err, auth.ErrNotFound) {
		return state, auth.Display(string(oauth.InvalidRequest), "client_id: the client is unknown or disabled")
	}
	return state, err
}

func (s *Service) state(tx *store.Tx, flow auth.Flow, browser Browser) (state auth.FlowState, err error) {
	if flow.ID != "" {
		if flow, err = tx.Flow(flow.ID); err != nil {
			return state, mapFlowOver(err)
		}
		if !browser.mayContinue(flow, tx.Now) { // another browser may have continued it since it was read
			return state, flowOver()
		}
	}
	state = auth.FlowState{Flow: flow, Now: tx.Now, Local: auth.OnLoopback(s.cfg.Base)}
	if state.Tenant, err = tx.CurrentTenant(); err != nil {
		return state, fmt.Errorf("read tenant: %w", err)
	}
	if flow.Request.Client != "" {
		if state.Client, err = tx.Client(flow.Request.Client); err != nil {
			return state, fmt.Errorf("read client: %w", err)
		}
	}
	if state.Tenant.Disabled() || state.Client.Disabled() {
		return state, auth.ErrNotFound
	}
	// A flow may be an hour old, and an operator may have removed the redirect URI since.
	if flow.Kind == auth.FlowAuthorize && !state.Client.MatchRedirectURI(flow.Request.RedirectURI) {
		return state, auth.Display(string(oauth.InvalidRequest), "redirect_uri: one of those registered for the client")
	}
	for _, v := range browser.Sessions {
		p, err := s.loadSignedIn(tx, flow, state.Client, v.Session.ID)
		if errors.Is(err, auth.ErrNotFound) {
			continue
		} else if err != nil {
			return state, err
		}
		state.Browser = append(state.Browser, p)
	}
	return state, s.loadFactors(tx, &state)
}

// loadFactors reads the roles and factors on which the next step depends: those of an account whose
// sign-in has begun in the flow, and those of sessions that may be weaker than required.
func (s *Service) loadFactors(tx *store.Tx, state *auth.FlowState) (err error) {
	read := func(p *auth.SignedInAccount) (err error) {
		if p.Factors, err = tx.Factors(p.Account.ID); err == nil {
			p.Roles, err = tx.FactorRoles(state.Tenant, p.Account.ID)
			p.EmailCode = state.Tenant.Settings.Factors.MailsCodes(p.Account, p.Factors)
		}
		return err
	}
	for i := range state.Browser {
		if state.NeedsFactors(state.Browser[i]) {
			if err := read(&state.Browser[i]); err != nil {
				return fmt.Errorf("read factors: %w", err)
			}
		}
	}
	if state.Flow.Proofs, err = LiveProofs(tx, state.Flow); err != nil {
		return err
	}
	if len(state.Flow.Proofs) == 0 {
		return nil
	}
	state.Pending.Account, err = tx.Account(state.Flow.Proofs[0].Account)
	if errors.Is(err, auth.ErrNotFound) {
		return nil // deleted meanwhile
	}
	if err == nil {
		err = read(&state.Pending)
	}
	if err != nil {
		return fmt.Errorf("read pending sign-in: %w", err)
	}
	return nil
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

// withheldScope returns the requested scopes that the account cannot grant to the client.
func (s *Service) withheldScope(tx *store.Tx, c auth.Client, account auth.AccountID, r auth.AuthorizationRequest) (auth.Scope, error) {
	scope := r.Scope
	if scope.Within(auth.DefaultScope) {
		return nil, nil
	}
	entitlement, err := tx.Entitlement(account, scope)
	if err != nil {
		return nil, fmt.Errorf("read rights: %w", err)
	}
	grantable := entitlement.Grantable(auth.Recipient{Client: c, Allowed: s.cfg.Tokens.UserScope(c, r.Resources)}, scope)
	return slices.DeleteFunc(slices.Clone(scope), grantable.Has), nil
}

// show stores the facts on which the page depends, and returns the page's step. It stores the account that
// is asked with the flow, so that the answer counts for that account. It returns ErrStateChanged when another
// request has changed the account since the state was read.
func (s *Service) show(ctx context.Context, state auth.FlowState, next auth.Step, browser Browser) (Step, error) {
	tenant, flow, before := state.Tenant.ID, state.Flow, state.Flow
	var fresh secret.Text
	var err error
	asks := next.Kind == auth.StepConsent || next.Kind == auth.StepDeviceConfirm
	switched := asks && flow.Session != next.Session
	if switched { // proofs and consents of another account do not count
		flow.Session, flow.ProvedAt, flow.Allowed = next.Session, time.Time{}, nil
	}
	switch {
	case flow.ID == "":
		flow, fresh, err = s.insertBound(ctx, tenant, flow, &browser)
	case flow.Browser == "":
		fresh = browser.EnsureSecret()
		flow.Browser = secret.Digest(browser.Secret)
		err = s.bind(ctx, tenant, before, flow)
	case switched:
		err = s.bind(ctx, tenant, before, flow)
	}
	if err != nil {
		return Step{}, err
	}
	step := Step{Kind: next.Kind, Flow: flow, NewBrowser: fresh, CSRF: s.CSRF(tenant, browser, "flow", string(flow.ID)), Client: state.Client}
	step.Accounts = slices.DeleteFunc(slices.Clone(browser.Sessions), func(v session.SignedIn) bool {
		return next.Kind != auth.StepChoose && v.Session.ID != next.Session
	})
	state.Flow = flow
	switch next.Kind {
	case auth.StepFactor, auth.StepEnrol:
		step.Proving = state.Pending
		if next.Session != "" {
			step.Proving = state.Of(next)
		}
		step.Trust = state.Trust(step.Proving)
		step.Required = state.SignIn(step.Proving, nil).Required()
	case auth.StepConsent:
		step.CSRF, step.Consent = s.QuestionCSRF(flow.ID, state, next, browser), s.consentView(state, next)
	case auth.StepDeviceConfirm:
		step.CSRF = s.QuestionCSRF(flow.ID, state, next, browser)
		step.Flow.Request = flow.Request.WithoutWithheld(state.Of(next))
	}
	return step, nil
}

func (s *Service) consentView(state auth.FlowState, next auth.Step) *ConsentView {
	p := state.Of(next)
	r := state.Flow.Request.WithoutWithheld(p)
	v := &ConsentView{Client: state.Client, Account: p.Account, Scope: r.ConsentScope(), Offline: r.Scope.Has(auth.ScopeOffline)}
	v.Resources = slices.DeleteFunc(slices.Clone(r.Resources), func(uri string) bool { return uri == state.Tenant.ID.Issuer(s.cfg.Base) })
	v.New = slices.DeleteFunc(r.ConsentScope(), p.Consent.Scope.Has)
	if u, err := url.Parse(r.RedirectURI); err == nil {
		if v.Host = u.Hostname(); v.Host == "" {
			v.Host = u.Scheme
		}
	}
	return v
}
