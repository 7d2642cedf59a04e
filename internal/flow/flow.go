// Package flow leads a user through the pages of a sign-in: the stored flow, the browser it
// belongs to, the CSRF tokens of forms, and the step that comes next.
//
// A flow's row holds facts only. auth.Next derives the next step from them every time, so no
// stored state can be skipped, repeated or forged. A flow continues only in the browser in which
// it began, and a form counts only with the CSRF token of its page. In that browser a flow that is
// over continues as a new flow of the same request (resume.go).
//
// The package does not know OAuth messages: the provider makes the response that ends a flow of a
// client (AnswerWith). It verifies no passwords and starts no sessions (login does).
package flow

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/session"
	"github.com/watchword-auth/watchword/internal/store"
	"github.com/watchword-auth/watchword/internal/token"
)

const (
	// Lifetime is how long a user may take.
	Lifetime = time.Hour
	// unboundLifetime is how long a browser may take to continue a posted request.
	unboundLifetime = 5 * time.Minute
)

// Config describes a Service. All fields are required.
type Config struct {
	DB     *store.DB
	Tokens *token.Service // computes subjects and the scopes that a client may be granted
	Root   []byte         // the secret that all nodes share; each use derives a key by secret.Derive
	Base   string         // the server's own URL without a trailing slash
}

// Service is safe for concurrent use.
type Service struct {
	cfg    Config
	answer Answerer
}

// New returns a Service.
func New(cfg Config) *Service { return &Service{cfg: cfg} }

// Answerer ends a flow of a client with an authorization response, as the step says. It returns
// ErrStateChanged when the state has changed since the step was derived.
type Answerer func(ctx context.Context, state auth.FlowState, next auth.Step, browser Browser) (Step, error)

// AnswerWith sets what ends the flows of clients. It is called once, before the Service is used.
func (s *Service) AnswerWith(answer Answerer) { s.answer = answer }

// ErrStateChanged reports that the state of a flow changed between two reads.
var ErrStateChanged = errors.New("the state of the flow has changed")

// Step is the next step with the data of its page.
type Step struct {
	Kind auth.StepKind
	Flow auth.Flow
	// NewBrowser, if set, is the value of a new browser cookie.
	NewBrowser secret.Text
	// Allowed, if set, is the new value of the cookie that Browser.Allowed describes.
	Allowed string
	// CSRF goes into every form of the flow, as "csrf", beside "flow".
	CSRF     string
	Client   auth.Client
	Response *auth.AuthorizationResponse // StepAnswer
	Consent  *ConsentView                // StepConsent
	Proving  auth.SignedInAccount        // StepFactor, StepEnrol: whose factor, with the factors there are
	Trust    time.Duration               // StepFactor, StepEnrol: for how long the browser can be trusted
	Required auth.Assurance              // StepFactor, StepEnrol: what the sign-in must reach
	Accounts []session.SignedIn          // StepChoose: all; other steps: the one that the step is about
}

// ConsentView is what a user is asked to allow.
type ConsentView struct {
	Client    auth.Client
	Account   auth.Account
	Scope     auth.Scope // the whole requested scope
	New       auth.Scope // the part that was not allowed before
	Resources []string   // without the issuer's own
	Host      string     // the host of the redirect URI
	Offline   bool       // access continues after the user has signed out
}

// FormRef is the part of a flow's form that every page sends back, with the browser that sent it.
type FormRef struct {
	Tenant  auth.TenantID
	Flow    auth.FlowID
	CSRF    string
	Browser Browser
}

// Start begins a flow that no client requested: FlowAccount to sign in, FlowDevice to approve a
// device.
func (s *Service) Start(ctx context.Context, tenant auth.TenantID, kind auth.FlowKind, browser Browser) (Step, error) {
	if kind == auth.FlowAuthorize {
		return Step{}, errors.New("an authorization flow begins with its request")
	}
	return s.start(ctx, tenant, auth.Flow{Kind: kind}, browser)
}

// StartAccount begins a flow that leads to a page of the account, and is about the given session unless
// that is empty. With a max_age the user signs in again where the session is older or weaker
// (auth.SignIn.Fresh).
func (s *Service) StartAccount(ctx context.Context, tenant auth.TenantID, v auth.SessionID, r auth.AuthorizationRequest, browser Browser) (Step, error) {
	return s.start(ctx, tenant, auth.Flow{Kind: auth.FlowAccount, Session: v, Request: r}, browser)
}

func (s *Service) start(ctx context.Context, tenant auth.TenantID, flow auth.Flow, browser Browser) (Step, error) {
	flow, fresh, err := s.insertBound(ctx, tenant, flow, &browser)
	if err != nil {
		return Step{}, err
	}
	step, err := s.Advance(ctx, tenant, flow, browser)
	step.NewBrowser = fresh
	return step, err
}

// Suspend stores a flow for the first browser that continues it, and returns StepContinue.
func (s *Service) Suspend(ctx context.Context, tenant auth.TenantID, c auth.Client, flow auth.Flow) (Step, error) {
	flow, err := s.insert(ctx, tenant, flow)
	if err != nil {
		return Step{}, err
	}
	return Step{Kind: auth.StepContinue, Flow: flow, Client: c}, nil
}

// Continue returns the step at which the flow is. A flow that is over continues as a new flow of
// the same request. It refuses a flow that cannot continue in this browser as NotFound flow_over.
func (s *Service) Continue(ctx context.Context, tenant auth.TenantID, id auth.FlowID, browser Browser) (Step, error) {
	return s.advance(ctx, tenant, auth.Flow{ID: id}, browser, restart, s.answer)
}

// FormStep returns the step of a form's flow, for a form whose response is always a page. It does not
// end the flow: when no page is left, it returns StepAnswer without a response. Continue then returns
// the response. Refusals are those of CheckForm.
func (s *Service) FormStep(ctx context.Context, form FormRef) (Step, error) {
	if !s.csrfValid(form) {
		return Step{}, crossSite()
	}
	return s.advance(ctx, form.Tenant, auth.Flow{ID: form.Flow}, form.Browser, repeat, s.show)
}

// CheckForm is Resume for a form that needs slow work, such as hashing, before it is written. It changes
// nothing while the flow of the form is live.
func (s *Service) CheckForm(ctx context.Context, form FormRef) (auth.Flow, error) {
	if !s.csrfValid(form) {
		return auth.Flow{}, crossSite()
	}
	flow, now, err := s.read(ctx, form.Tenant, form.Flow)
	if err != nil || form.Browser.mayContinue(flow, now) {
		return flow, err
	}
	return s.resumeEnded(ctx, form.Tenant, form.Flow, form.Browser, repeat)
}

// CompleteSignIn records, in the transaction that starts or renews the session, that the user has
// just signed in within this flow, or made the session stronger.
func CompleteSignIn(tx *store.Tx, flow auth.Flow, v auth.Session) error {
	flow = bindSession(flow, v)
	flow.Proofs, flow.Ceremony, flow.Failures, flow.ProvedAt = nil, "", 0, tx.Now
	return Update(tx, flow)
}

// Choose records which account of this browser the user has chosen. The empty session means another
// account: the next step is to sign in.
func (s *Service) Choose(ctx context.Context, form FormRef, chosen auth.SessionID) (Step, error) {
	var flow auth.Flow
	err := s.cfg.DB.Write(ctx, form.Tenant, func(tx *store.Tx) (err error) {
		if flow, err = s.Resume(tx, form); err != nil {
			return err
		}
		if chosen == "" {
			flow.Session, flow.ProvedAt, flow.Allowed = auth.AddAccount, time.Time{}, nil
			return Update(tx, flow)
		}
		i := slices.IndexFunc(form.Browser.Sessions, func(v session.SignedIn) bool { return v.Session.ID == chosen })
		if i < 0 {
			return auth.Refuse(auth.KindUnauthenticated, auth.CodeSessionInvalid, "sign in again")
		}
		flow = bindSession(flow, form.Browser.Sessions[i].Session)
		return Update(tx, flow)
	})
	if err != nil {
		return Step{}, fmt.Errorf("choose account: %w", err)
	}
	return s.Advance(ctx, form.Tenant, flow, form.Browser)
}

// bindSession returns the flow with the session. A session that is older than the flow identifies the
// user, but is not a sign-in within the flow.
func bindSession(flow auth.Flow, v auth.Session) auth.Flow {
	if flow.Session != v.ID {
		// Proofs and consents of another account do not count for this one.
		flow.Session, flow.ProvedAt, flow.Allowed = v.ID, time.Time{}, nil
	}
	if !v.AuthAt.Before(flow.CreatedAt) {
		flow.ProvedAt = v.AuthAt
	}
	return flow
}

// Client returns the client of a flow that began in this browser, even of one that is over. It
// returns ErrNotFound for every other flow and for flows without a client.
func (s *Service) Client(ctx context.Context, tenant auth.TenantID, id auth.FlowID, browser Browser) (auth.Client, error) {
	var c auth.Client
	err := s.cfg.DB.Read(ctx, tenant, func(tx *store.Tx) error {
		flow, err := tx.Flow(id)
		if err == nil && !browser.owns(flow) {
			err = auth.ErrNotFound
		}
		if err != nil {
			return err
		}
		c, err = tx.Client(flow.Request.Client)
		return err
	})
	return c, err
}

// Owned reports whether a flow began in this browser. It is false for a flow that does not exist.
func (s *Service) Owned(ctx context.Context, tenant auth.TenantID, id auth.FlowID, browser Browser) (own bool, err error) {
	err = s.cfg.DB.ReadOne(ctx, tenant, func(tx *store.Tx) error {
		flow, err := tx.Flow(id)
		own = err == nil && browser.owns(flow)
		if errors.Is(err, auth.ErrNotFound) {
			return nil
		}
		return err
	})
	if err != nil {
		return false, fmt.Errorf("read flow: %w", err)
	}
	return own, nil
}

// Update writes what the user has decided in a flow; NotFound flow_over when it is over.
func Update(tx *store.Tx, flow auth.Flow) error { return mapFlowOver(tx.UpdateFlow(flow)) }

// Finish ends a flow. Of concurrent calls one succeeds; the others return NotFound flow_over.
func Finish(tx *store.Tx, id auth.FlowID) error { return mapFlowOver(tx.FinishFlow(id)) }

func mapFlowOver(err error) error {
	if errors.Is(err, auth.ErrNotFound) {
		return flowOver()
	}
	return err
}

func flowOver() error {
	return auth.Refuse(auth.KindNotFound, auth.CodeFlowOver, "this sign-in is finished, too old, or began in another browser; start again")
}

func crossSite() error {
	return auth.Refuse(auth.KindForbidden, auth.CodeCrossSite, "the form does not come from a page of this server in this browser; go back and try again")
}

// read returns a stored flow and the time; NotFound flow_over when there is none.
func (s *Service) read(ctx context.Context, tenant auth.TenantID, id auth.FlowID) (flow auth.Flow, now time.Time, err error) {
	err = s.cfg.DB.ReadOne(ctx, tenant, func(tx *store.Tx) (err error) {
		now = tx.Now
		flow, err = tx.Flow(id)
		return mapFlowOver(err)
	})
	if err != nil {
		return flow, now, fmt.Errorf("read flow: %w", err)
	}
	return flow, now, nil
}

// insertBound stores a flow for the browser, which gets a secret if it has none.
func (s *Service) insertBound(ctx context.Context, tenant auth.TenantID, flow auth.Flow, browser *Browser) (auth.Flow, secret.Text, error) {
	fresh := browser.EnsureSecret()
	flow.Browser = secret.Digest(browser.Secret)
	flow, err := s.insert(ctx, tenant, flow)
	return flow, fresh, err
}

func (s *Service) insert(ctx context.Context, tenant auth.TenantID, flow auth.Flow) (auth.Flow, error) {
	err := s.cfg.DB.Write(ctx, tenant, func(tx *store.Tx) error {
		flow.ID = auth.FlowID(secret.NewID(tx.Now))
		flow.CreatedAt, flow.ExpiresAt = tx.Now, tx.Now.Add(Lifetime)
		if flow.Browser == "" {
			flow.ExpiresAt = tx.Now.Add(unboundLifetime)
		}
		return tx.InsertFlow(flow)
	})
	if err != nil {
		return flow, fmt.Errorf("store flow: %w", err)
	}
	return flow, nil
}

// bind gives a suspended flow to its browser, and a flow to the account that its page asks. It writes nothing
// else, since a form may have changed the flow since it was read. It returns ErrStateChanged when one has
// changed the account.
func (s *Service) bind(ctx context.Context, tenant auth.TenantID, before, after auth.Flow) error {
	err := s.cfg.DB.Write(ctx, tenant, func(tx *store.Tx) error {
		if before.Browser == "" {
			if err := tx.BindFlow(after.ID, after.Browser, after.CreatedAt.Add(Lifetime)); err != nil {
				return mapFlowOver(err)
			}
		}
		if before.Session == after.Session {
			return nil
		}
		err := tx.SwitchFlow(after.ID, before.Session, after.Session)
		if errors.Is(err, auth.ErrNotFound) {
			err = ErrStateChanged
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("bind flow: %w", err)
	}
	return nil
}
