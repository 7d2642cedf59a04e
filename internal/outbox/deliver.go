package outbox

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/fault"
	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/store"
)

type permanentError struct{ error }

func (e permanentError) Unwrap() error { return e.error }

// Permanent marks a failure that a retry cannot fix: the message is given up at once.
func Permanent(err error) error { return permanentError{err} }

type offlineError struct{ error }

func (e offlineError) Unwrap() error { return e.error }

// markOffline marks a failure that does not depend on the message: nothing can be delivered at present.
func markOffline(err error) error { return offlineError{err} }

// verdict is the result of an attempt.
type verdict int

const (
	delivered verdict = iota
	retry
	givenUp
	offline
	interrupted // by the end of the process or of the lease
	discarded   // nothing to deliver
)

// deliver delivers one claimed message and records the result.
func (o *Outbox) deliver(ctx context.Context, m store.ClaimedMessage, claimedAt time.Time) verdict {
	leased, cancel := context.WithCancel(ctx)
	defer cancel()
	go o.extendLease(leased, m, claimedAt, cancel)
	err := o.callHandler(leased, m)
	v := o.verdictOf(leased, m, err)
	cancel()
	log := o.cfg.Log.With("message", m.ID, "kind", m.Kind, "tenant", m.Tenant, "attempts", m.Attempts)
	if v == delivered && fault.Point(fault.OutboxDelivered) != nil {
		return v // as if the process had died now
	}
	o.logResult(log, m.Kind, v, err)
	wait := backoff(m.Attempts)
	err = o.recordResult(ctx, func(tx *store.SystemTx) error { return storeVerdict(tx, m, v, err, wait) })
	if errors.Is(err, auth.ErrNotFound) {
		log.Warn("the lease expired during the delivery; the message may be sent twice")
	} else if err != nil {
		log.Error("the result of a delivery could not be recorded; the message may be sent twice", "error", err)
	}
	o.observe(m.Kind, v)
	return v
}

// extendLease extends the lease of a message four times in its length, until ctx is done. It calls
// cancel when another worker has the message, and when three quarters of the lease have passed
// since the last success: the clock of another node may be ahead by the last quarter.
func (o *Outbox) extendLease(ctx context.Context, m store.ClaimedMessage, claimedAt time.Time, cancel func()) {
	quarter := o.cfg.Lease / 4
	stop := o.cfg.Timers.AfterFunc(3*quarter-o.cfg.Timers.Now().Sub(claimedAt), cancel)
	defer func() { stop() }()
	for o.cfg.Timers.Sleep(ctx, quarter) == nil {
		next := o.cfg.Timers.AfterFunc(3*quarter, cancel)
		err := o.cfg.DB.WriteSystem(ctx, func(tx *store.SystemTx) error { return tx.ExtendMessage(m, tx.Now.Add(o.cfg.Lease)) })
		switch {
		case err == nil:
			stop()
			stop = next
		case errors.Is(err, auth.ErrNotFound):
			next()
			cancel()
		default:
			next()
		}
	}
}

// logResult logs the result of an attempt. It logs an unreachable mail server once, not at each
// attempt.
func (o *Outbox) logResult(log *slog.Logger, kind auth.MessageKind, v verdict, err error) {
	if v == offline {
		if o.unreachable.CompareAndSwap(false, true) {
			log.Warn("nothing can be delivered; messages wait", "error", err)
		}
		return
	}
	if v != interrupted && v != discarded && kind != auth.LogoutBackchannel && o.unreachable.CompareAndSwap(true, false) {
		log.Info("messages can be delivered again")
	}
	switch v {
	case delivered:
		log.Debug("message delivered")
	case retry:
		log.Warn("message not delivered; it will be retried", "error", err)
	case givenUp:
		log.Error("message given up", "error", err)
	}
}

// callHandler calls the handler and converts a panic into an error.
func (o *Outbox) callHandler(ctx context.Context, m store.ClaimedMessage) (err error) {
	if m.Kind == auth.MailNone {
		return nil
	}
	if m.DecodeErr != nil {
		return Permanent(fmt.Errorf("unreadable: %w", m.DecodeErr))
	}
	if e := m.Payload.ExpiresAt; !e.IsZero() && !o.cfg.DB.Now().Before(e) {
		return Permanent(errors.New("expired: its link is no longer valid"))
	}
	h := o.cfg.Handlers[m.Kind]
	if h == nil {
		// A newer version of the server may have written it and can deliver it.
		return fmt.Errorf("no handler for %s", m.Kind)
	}
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
			o.cfg.Log.Error("handler panicked", "kind", m.Kind, "panic", p, "stack", string(debug.Stack()))
		}
	}()
	ctx, cancel := context.WithTimeout(ctx, o.cfg.Timeout)
	defer cancel()
	return h(ctx, m.Message)
}

func (o *Outbox) verdictOf(ctx context.Context, m store.ClaimedMessage, err error) verdict {
	_, permanent := errors.AsType[permanentError](err)
	_, isOffline := errors.AsType[offlineError](err)
	switch {
	case m.Kind == auth.MailNone:
		return discarded
	case err == nil:
		return delivered
	case permanent, o.cfg.DB.Now().Sub(m.CreatedAt) >= o.cfg.GiveUp:
		return givenUp
	case ctx.Err() != nil:
		return interrupted
	case isOffline:
		return offline
	}
	return retry
}

// storeVerdict stores the verdict. A message that was not at fault is due again at once, so it
// keeps its place in the queue.
func storeVerdict(tx *store.SystemTx, m store.ClaimedMessage, v verdict, cause error, wait time.Duration) error {
	switch v {
	case delivered, discarded:
		return tx.FinishMessage(m)
	case offline, interrupted:
		return tx.DelayMessage(m, tx.Now, errorText(cause))
	case retry:
		return tx.DelayMessage(m, tx.Now.Add(wait), errorText(cause))
	}
	if err := tx.FinishMessage(m); err != nil {
		return err
	}
	event := auth.Event{
		Kind: auth.EventMailGivenUp, Outcome: auth.Failure, Actor: auth.System,
		Detail: map[string]string{
			"message": string(m.ID), "kind": string(m.Kind),
			"attempts": strconv.Itoa(m.Attempts), "reason": errorText(cause),
		},
	}
	if m.Kind == auth.LogoutBackchannel {
		event.Kind, event.Account = auth.EventLogoutNotDelivered, m.Logout.Account
		event.Detail["client"], event.Detail["session"] = string(m.Logout.Client), string(m.Logout.Session)
	}
	return tx.In(m.Tenant).Record(event)
}

func errorText(err error) string { return auth.Clip(err.Error(), 200) }

const recordTimeout = 5 * time.Minute

// recordResult stores the result of a delivery and retries while the database is unavailable,
// because an unrecorded message is delivered again. It does not stop at the end of the lease, since
// no worker can claim the message either. The first attempt is made even when the process is ending.
func (o *Outbox) recordResult(ctx context.Context, fn func(*store.SystemTx) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := o.cfg.Timers.AfterFunc(recordTimeout, cancel)
	defer stop()
	for wait := 50 * time.Millisecond; ; wait = min(2*wait, o.cfg.Poll/2) { // before claims begin again, see mayClaim
		err := o.cfg.DB.WriteSystem(context.WithoutCancel(ctx), fn)
		if auth.KindOf(err) != auth.KindUnavailable {
			return err
		}
		if o.cfg.Timers.Sleep(ctx, wait) != nil {
			return err
		}
	}
}

// backoff is the pause after the n-th attempt: 5 s, 10 s, 20 s … 15 min, each varied by a fifth,
// so that messages that failed together are not retried together.
func backoff(n int) time.Duration {
	d := 15 * time.Minute
	if n < 9 {
		d = min(d, 5*time.Second<<max(0, n-1))
	}
	return d - d/5 + secret.Jitter(2*d/5)
}

func (o *Outbox) observe(kind auth.MessageKind, v verdict) {
	if o.cfg.Observe == nil {
		return
	}
	switch v {
	case delivered:
		o.cfg.Observe(kind, "delivered")
	case givenUp:
		o.cfg.Observe(kind, "given_up")
	case discarded:
	default:
		o.cfg.Observe(kind, "retry")
	}
}
