package flow

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/store"
)

// Users click twice, go back, reload, open bookmarks and return hours later. In the browser that
// owns a flow none of that is an error. A flow that is over continues as its successor: a new flow
// of the same request. There is one successor at a time, since its ID derives from that of the flow
// before, so a reload adds no row. Every rule about proofs and consent is applied to the successor
// as to any new flow.
//
// A pushed request is for one use (RFC 9126 §7.3). Its flow has a successor only while a form of it
// counts as sent twice, which is still the same use.
//
// A successor extends no limit: every successor has the expiry of the first flow's request, and the
// time in which a form counts as sent twice ends for all of them at once.

const (
	// Retention is how long after its start a flow can be continued, or succeeded when it is over.
	Retention = 24 * time.Hour
	// repeatWindow is how long after the end of a flow a form of it counts as sent twice.
	repeatWindow = time.Minute
	// maxSuccessors bounds how far one request follows the successors of a flow.
	maxSuccessors = 32
)

// successorFunc makes the flow that follows one that is over.
type successorFunc func(over auth.Flow, now time.Time) auth.Flow

// restart returns a new flow of the same request, without proofs and decisions.
func restart(over auth.Flow, now time.Time) auth.Flow {
	f := auth.Flow{Kind: over.Kind, Browser: over.Browser, CreatedAt: now, ExpiresAt: now.Add(Lifetime)}
	if f.Kind != auth.FlowDevice { // whose request is that of one device
		f.Request = over.Request
	}
	return f
}

// repeat is restart for a form. When the flow has just reached its end, the browser has sent the
// form twice and shows only the second response. The sign-in and the decisions then count again,
// as long as the form counts as sent twice.
func repeat(over auth.Flow, now time.Time) auth.Flow {
	f := restart(over, now)
	if until := repeatEnd(over); f.Kind == auth.FlowAuthorize && now.Before(until) {
		f.Session, f.ProvedAt, f.Allowed, f.Denied = over.Session, over.ProvedAt, over.Allowed, over.Denied
		f.CreatedAt, f.ExpiresAt = over.CreatedAt, until // a sign-in since then is one within the flow
	}
	return f
}

// repeatEnd returns when a form of a flow no longer counts as sent twice. It is the zero time for a
// flow that has not reached its end.
func repeatEnd(over auth.Flow) time.Time {
	if over.DoneAt.IsZero() {
		return time.Time{}
	}
	return auth.Earlier(over.DoneAt.Add(repeatWindow), over.ExpiresAt)
}

// Resume returns the live flow in which a form counts: its own, or the successor of its own, in
// which nothing is decided yet. Resume refuses a form that did not come from this server's page in this
// browser as Forbidden cross_site, and one of a flow that cannot continue as NotFound flow_over.
func (s *Service) Resume(tx *store.Tx, form FormRef) (auth.Flow, error) {
	if !s.csrfValid(form) {
		return auth.Flow{}, crossSite()
	}
	flow, err := s.resume(tx, form.Tenant, form.Flow, form.Browser, repeat)
	if err == nil && flow.ID != form.Flow {
		flow.Allowed, flow.Denied = nil, false // this form decides
	}
	return flow, err
}

func (s *Service) resume(tx *store.Tx, tenant auth.TenantID, id auth.FlowID, browser Browser, next successorFunc) (auth.Flow, error) {
	flow, err := tx.Flow(id)
	if err != nil {
		return auth.Flow{}, mapFlowOver(err)
	}
	for range maxSuccessors {
		switch {
		case browser.mayContinue(flow, tx.Now):
			return flow, nil
		case !browser.owns(flow):
			return auth.Flow{}, flowOver()
		}
		until, err := requestExpiry(tx, flow)
		if err != nil || !tx.Now.Before(until) {
			return auth.Flow{}, cmp.Or(err, flowOver())
		}
		over := flow
		id = s.successorID(tenant, over.ID)
		flow, err = tx.Flow(id)
		if errors.Is(err, auth.ErrNotFound) {
			flow = next(over, tx.Now)
			flow.ID, flow.ExpiresAt = id, auth.Earlier(flow.ExpiresAt, until)
			if flow.Kind == auth.FlowAuthorize {
				flow.Request.Until = until
			}
			return flow, tx.InsertFlow(flow)
		}
		if err != nil {
			return auth.Flow{}, err
		}
	}
	return auth.Flow{}, flowOver()
}

// LastSignIn returns the last flow in which a user signed in, of the given one and its successors; the zero
// Flow if no user did.
func (s *Service) LastSignIn(tx *store.Tx, tenant auth.TenantID, id auth.FlowID) (last auth.Flow, err error) {
	for range maxSuccessors + 1 {
		flow, err := tx.Flow(id)
		if errors.Is(err, auth.ErrNotFound) {
			return last, nil
		}
		if err != nil {
			return last, err
		}
		if !flow.ProvedAt.IsZero() {
			last = flow
		}
		id = s.successorID(tenant, id)
	}
	return last, nil
}

// requestExpiry returns until when a flow that is over can have a successor. The request of a client
// that signs its requests expires with the first flow, like its request object. So does a request
// without a code_challenge if the client has changed since, because it may require one now.
func requestExpiry(tx *store.Tx, over auth.Flow) (time.Time, error) {
	until := over.CreatedAt.Add(Retention)
	if over.Kind != auth.FlowAuthorize {
		return until, nil
	}
	if !over.Request.Until.IsZero() {
		until = auth.Earlier(until, over.Request.Until)
	}
	c, err := tx.Client(over.Request.Client)
	if err != nil && !errors.Is(err, auth.ErrNotFound) { // State refuses a deleted client
		return time.Time{}, fmt.Errorf("read client: %w", err)
	}
	if c.Settings.RequireSignedRequest || over.Request.Challenge == "" && c.UpdatedAt.After(over.CreatedAt) {
		until = auth.Earlier(until, over.CreatedAt.Add(Lifetime))
	}
	if over.Request.Pushed != "" || c.Settings.RequirePushed {
		until = auth.Earlier(until, repeatEnd(over))
	}
	return until, nil
}

// resumeEnded is resume in a transaction of its own. It writes only for the browser that owns the flow.
func (s *Service) resumeEnded(ctx context.Context, tenant auth.TenantID, id auth.FlowID, browser Browser, next successorFunc) (auth.Flow, error) {
	flow, _, err := s.read(ctx, tenant, id)
	if err != nil {
		return auth.Flow{}, err
	}
	if !browser.owns(flow) {
		return auth.Flow{}, flowOver()
	}
	err = s.cfg.DB.Write(ctx, tenant, func(tx *store.Tx) (err error) {
		flow, err = s.resume(tx, tenant, id, browser, next)
		return err
	})
	if err != nil {
		return auth.Flow{}, fmt.Errorf("resume flow: %w", err)
	}
	return flow, nil
}

// successorID returns the ID of the flow that follows another.
func (s *Service) successorID(tenant auth.TenantID, id auth.FlowID) auth.FlowID {
	return auth.FlowID(secret.Encode(secret.MAC(secret.Derive(s.cfg.Root, "flow successor"), []byte(tenant), []byte(id))))
}

// CanReturn reports whether a mailed link may lead back into the flow: it began in this browser,
// has not reached its end, and continues when its page is opened.
func CanReturn(tx *store.Tx, f auth.Flow, browser Browser) (bool, error) {
	if !browser.owns(f) || !f.DoneAt.IsZero() {
		return false, nil
	}
	if f.Live(tx.Now) {
		return true, nil
	}
	until, err := requestExpiry(tx, f)
	return tx.Now.Before(until), err
}

func isFlowOver(err error) bool { return auth.CodeOf(err) == auth.CodeFlowOver }
