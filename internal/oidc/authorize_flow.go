package oidc

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/session"
	"github.com/watchword-auth/watchword/internal/store"
)

// A flow leads one person through our pages. Its row keeps facts alone; where it goes
// from here is what auth.Next says about them, each time anew (advance). A flow goes
// on only in the browser in which it began, and a form counts only with the MAC that
// its page had.

const (
	// BrowserPrefix is what the secret of a browser's cookie begins with.
	BrowserPrefix = "wwb_"
	// flowLifetime is how long a person may take, unboundLifetime how long a browser may take to
	// come for a request that was posted.
	flowLifetime    = time.Hour
	unboundLifetime = 5 * time.Minute
)

// Browser is what a browser has shown of itself.
type Browser struct {
	Secret   string             // of the browser cookie; empty when there is none
	Sessions []session.SignedIn // that live, the current one first
	Allowed  string             // the cookie of clients that got a code here
	Actor    auth.Actor         // from where, for the audit lines of what it leads to
}

// errMoved says that between two looks the situation changed, and with it the step.
var errMoved = errors.New("the situation has changed")

// StartFlow begins a flow for its own sake: FlowAccount to sign in, FlowDevice to
// approve a device.
func (s *Service) StartFlow(ctx context.Context, tenant auth.TenantID, kind auth.FlowKind, b Browser) (Step, error) {
	if kind == auth.FlowAuthorize {
		return Step{}, errors.New("an authorization flow begins with its request")
	}
	flow, fresh, err := s.insertFlow(ctx, tenant, auth.Flow{Kind: kind}, &b)
	if err != nil {
		return Step{}, err
	}
	step, err := s.advance(ctx, tenant, flow, b)
	step.NewBrowser = fresh
	return step, err
}

// Continue says where the flow stands. It is asked after every step.
func (s *Service) Continue(ctx context.Context, tenant auth.TenantID, id auth.FlowID, b Browser) (Step, error) {
	flow, err := s.flow(ctx, tenant, id, b)
	if err != nil {
		return Step{}, err
	}
	return s.advance(ctx, tenant, flow, b)
}

// CheckForm refuses a form of a flow that did not come from our page in this browser:
// Forbidden cross_site, or NotFound flow_over.
func (s *Service) CheckForm(ctx context.Context, tenant auth.TenantID, id auth.FlowID, b Browser, csrf string) error {
	_, err := s.form(ctx, tenant, id, b, csrf)
	return err
}

// Proved records that in this flow a person has just signed in, with the session that
// came of it. A session that is older than the flow, such as one that was resumed, says
// who it is and proves nothing.
func (s *Service) Proved(ctx context.Context, tenant auth.TenantID, id auth.FlowID, b Browser, csrf string, signed auth.SessionID) (Step, error) {
	return s.settle(ctx, tenant, id, b, csrf, signed)
}

// Choose records which of the accounts in this browser the person means. The empty
// session means another account than these, and leads to signing in.
func (s *Service) Choose(ctx context.Context, tenant auth.TenantID, id auth.FlowID, b Browser, csrf string, chosen auth.SessionID) (Step, error) {
	if chosen != "" {
		return s.settle(ctx, tenant, id, b, csrf, chosen)
	}
	flow, err := s.form(ctx, tenant, id, b, csrf)
	if err != nil {
		return Step{}, err
	}
	flow.Session, flow.ProvedAt, flow.Allowed = auth.AddAccount, time.Time{}, nil
	if err := s.updateFlow(ctx, tenant, flow); err != nil {
		return Step{}, err
	}
	return s.advance(ctx, tenant, flow, b)
}

// settle makes the flow that of one of the browser's sessions.
func (s *Service) settle(ctx context.Context, tenant auth.TenantID, id auth.FlowID, b Browser, csrf string, who auth.SessionID) (Step, error) {
	flow, err := s.form(ctx, tenant, id, b, csrf)
	if err != nil {
		return Step{}, err
	}
	i := slices.IndexFunc(b.Sessions, func(v session.SignedIn) bool { return v.Session.ID == who })
	if i < 0 {
		return Step{}, auth.SessionInvalid()
	}
	v := b.Sessions[i].Session
	if flow.Session != v.ID {
		// What was proved or allowed as somebody else does not count for this one.
		flow.Session, flow.ProvedAt, flow.Allowed = v.ID, time.Time{}, nil
	}
	if !v.AuthAt.Before(flow.CreatedAt) {
		flow.ProvedAt = v.AuthAt
	}
	if err := s.updateFlow(ctx, tenant, flow); err != nil {
		return Step{}, err
	}
	return s.advance(ctx, tenant, flow, b)
}

// flow reads a flow for the browser in which it began.
func (s *Service) flow(ctx context.Context, tenant auth.TenantID, id auth.FlowID, b Browser) (auth.Flow, error) {
	var flow auth.Flow
	var now time.Time
	err := s.cfg.DB.ReadOne(ctx, tenant, func(tx *store.Tx) (err error) {
		now = tx.Now
		flow, err = tx.Flow(id)
		return err
	})
	switch {
	case errors.Is(err, auth.ErrNotFound):
		return auth.Flow{}, flowOver()
	case err != nil:
		return auth.Flow{}, fmt.Errorf("read flow: %w", err)
	case !flow.Live(now) || flow.Browser != "" && !b.owns(flow):
		return auth.Flow{}, flowOver()
	}
	return flow, nil
}

// FlowClient is the client of a flow that began in this browser, also when the flow is
// over; ErrNotFound for every other flow and for flows of no client.
func (s *Service) FlowClient(ctx context.Context, tenant auth.TenantID, id auth.FlowID, b Browser) (auth.Client, error) {
	var c auth.Client
	err := s.cfg.DB.Read(ctx, tenant, func(tx *store.Tx) error {
		flow, err := tx.Flow(id)
		if err == nil && !b.owns(flow) {
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

// form reads the flow of a form that our page has sent.
func (s *Service) form(ctx context.Context, tenant auth.TenantID, id auth.FlowID, b Browser, csrf string) (auth.Flow, error) {
	csrf, _, _ = strings.Cut(csrf, ".") // on a page that asks, the question follows
	if !secret.Valid(BrowserPrefix, b.Secret) || !secret.Equal(csrf, s.csrf(tenant, id, b.Secret)) {
		return auth.Flow{}, auth.Refuse(auth.KindForbidden, auth.CodeCrossSite, "this form did not come from our page in this browser; go back and try again")
	}
	return s.flow(ctx, tenant, id, b)
}

func (b Browser) owns(f auth.Flow) bool {
	return secret.Valid(BrowserPrefix, b.Secret) && secret.Equal(secret.Digest(b.Secret), f.Browser)
}

func (s *Service) csrf(tenant auth.TenantID, id auth.FlowID, browser string) string {
	return secret.Encode(secret.MAC(secret.Derive(s.cfg.Root, "flow form"), []byte(tenant), []byte(id), []byte(browser)))
}

// csrfAsking is csrf for a page that asks the person to allow something. It names the
// question as well, so that a yes allows what the page has shown and nothing else.
func (s *Service) csrfAsking(n auth.FlowState, next auth.Step, b Browser) string {
	tenant, flow := n.Tenant.ID, n.Flow
	r := flow.Request.Of(n.Of(next))
	question := secret.MAC(secret.Derive(s.cfg.Root, "flow question"), []byte(tenant), []byte(flow.ID), []byte(b.Secret),
		[]byte(next.Kind), []byte(next.Session), []byte(r.Client), []byte(flow.Device), []byte(r.ConsentScope().String()), []byte(strings.Join(r.Resources, " ")))
	return s.csrf(tenant, flow.ID, b.Secret) + "." + secret.Encode(question)
}

func flowOver() error {
	return auth.Refuse(auth.KindNotFound, auth.CodeFlowOver, "this sign-in is finished, too old, or began in another browser; start again")
}

// insertFlow stores a flow for the browser, which gets a cookie if it has none.
func (s *Service) insertFlow(ctx context.Context, tenant auth.TenantID, flow auth.Flow, b *Browser) (auth.Flow, secret.Text, error) {
	fresh := b.recognise()
	flow.Browser = secret.Digest(b.Secret)
	flow, err := s.putFlow(ctx, tenant, flow)
	return flow, fresh, err
}

// recognise gives a browser without a cookie a secret, and returns it if it is new.
func (b *Browser) recognise() secret.Text {
	if secret.Valid(BrowserPrefix, b.Secret) {
		return ""
	}
	fresh := secret.New(BrowserPrefix)
	b.Secret = fresh.Reveal()
	return fresh
}

func (s *Service) putFlow(ctx context.Context, tenant auth.TenantID, flow auth.Flow) (auth.Flow, error) {
	err := s.cfg.DB.Write(ctx, tenant, func(tx *store.Tx) error {
		flow.ID = auth.FlowID(secret.NewID(tx.Now))
		flow.CreatedAt, flow.ExpiresAt = tx.Now, tx.Now.Add(flowLifetime)
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

func (s *Service) updateFlow(ctx context.Context, tenant auth.TenantID, flow auth.Flow) error {
	err := s.cfg.DB.Write(ctx, tenant, func(tx *store.Tx) error { return tx.UpdateFlow(flow) })
	if errors.Is(err, auth.ErrNotFound) {
		return flowOver()
	} else if err != nil {
		return fmt.Errorf("update flow: %w", err)
	}
	return nil
}

// postpone stores a request that was posted, for whichever browser comes for it.
func (s *Service) postpone(ctx context.Context, q *asked, flow auth.Flow) (Step, error) {
	flow, err := s.putFlow(ctx, q.tenant.ID, flow)
	if err != nil {
		return Step{}, err
	}
	return Step{Kind: auth.StepContinue, Flow: flow, Client: q.client}, nil
}
