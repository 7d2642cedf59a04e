package oidc

import (
	"context"
	"errors"
	"fmt"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/limit"
	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/store"
)

// DeviceForm is what a person has sent from a page of a flow that leads to the approval
// of a device. The flow begins with StartFlow and kind auth.FlowDevice.
type DeviceForm struct {
	Tenant  auth.TenantID
	Flow    auth.FlowID
	CSRF    string
	Browser Browser
}

// DeviceLookup takes the code that the person has typed (RFC 8628 §3.3) and says what
// comes next: a sign-in, or the page that asks. It approves nothing. A code that is
// unknown, has expired or was used is refused as Invalid user_code_invalid, and whoever
// enters too many of those as rate_limited, by address and by account: a right code
// does not count.
func (s *Service) DeviceLookup(ctx context.Context, in DeviceForm, typed string) (Step, error) {
	if err := s.CheckForm(ctx, in.Tenant, in.Flow, in.Browser, in.CSRF); err != nil {
		return Step{}, err
	}
	settle, err := s.takeGuess(ctx, in)
	if err != nil {
		return Step{}, err
	}
	code, ok := ParseUserCode(typed)
	if !ok {
		return Step{}, noUserCode()
	}
	digest := s.userDigest(in.Tenant, code)
	err = s.cfg.DB.Write(ctx, in.Tenant, func(tx *store.Tx) error { return enterDevice(tx, in.Flow, digest) })
	if errors.Is(err, auth.ErrNotFound) { // the flow or the client is gone
		err = noUserCode()
	}
	if err != nil {
		return Step{}, fmt.Errorf("look up device: %w", err)
	}
	settle()
	return s.Continue(ctx, in.Tenant, in.Flow, in.Browser)
}

// enterDevice writes into the flow which device it is about.
func enterDevice(tx *store.Tx, flow auth.FlowID, userDigest string) error {
	f, err := tx.Flow(flow)
	if err != nil {
		return err
	}
	d, err := tx.DeviceByUserCode(userDigest)
	if errors.Is(err, auth.ErrNotFound) || err == nil && (d.Status != auth.DevicePending || !tx.Now.Before(d.ExpiresAt)) {
		return noUserCode()
	} else if err != nil {
		return err
	}
	c, err := tx.Client(d.Client)
	if err != nil {
		return err
	}
	if c.Disabled() || f.Kind != auth.FlowDevice {
		return noUserCode()
	}
	f.Device, f.Allowed, f.Denied = d.Digest, nil, false
	f.Request = auth.AuthorizationRequest{Client: d.Client, Scope: d.Scope, Resources: d.Audience, DeviceIP: d.IP}
	return tx.UpdateFlow(f)
}

// takeGuess counts one code against the limits; what it returns takes it back. Who is signed
// in is counted by account, everybody else by address, so that the strangers behind somebody's
// address use up nothing of theirs.
func (s *Service) takeGuess(ctx context.Context, in DeviceForm) (settle func(), err error) {
	buckets := limit.AddressBuckets("user_code.ip", in.Browser.Actor.Addr(), s.cfg.Rates.UserCode)
	for i, v := range in.Browser.Sessions {
		if i == 0 {
			buckets = buckets[:0]
		}
		key := "user_code.account|" + string(in.Tenant) + "|" + string(v.Account.ID)
		buckets = append(buckets, limit.Bucket{Key: key, Rate: s.cfg.Rates.UserCodeAccount})
	}
	if err := limit.TakeAll(ctx, s.cfg.Limiter, s.cfg.Log, buckets...); err != nil {
		return nil, err
	}
	return func() { limit.RefundAll(ctx, s.cfg.Limiter, s.cfg.Log, buckets...) }, nil
}

// DeviceDecide is the person's yes or no to the device of the flow, which ends with it.
// Where anything else comes first, such as a sign-in, nothing is decided and that is the
// answer; so it is where the page has shown another device or scope than it would now.
// Otherwise the step is StepDone, and whether its flow is Denied says how. A yes of a person
// who has nothing of the scope to give counts as a no.
func (s *Service) DeviceDecide(ctx context.Context, in DeviceForm, allow bool) (Step, error) {
	if err := s.CheckForm(ctx, in.Tenant, in.Flow, in.Browser, in.CSRF); err != nil {
		return Step{}, err
	}
	var done Step
	err := s.cfg.DB.Write(ctx, in.Tenant, func(tx *store.Tx) error {
		done = Step{}
		n, err := s.situation(tx, auth.Flow{ID: in.Flow}, in.Browser)
		if err != nil {
			return lost(err)
		}
		next := auth.Next(n)
		if next.Kind != auth.StepDeviceConfirm || next.Session != n.Flow.Session || allow && !secret.Equal(in.CSRF, s.csrfAsking(n, next, in.Browser)) {
			return nil // not what the page that was shown has asked
		}
		r := n.Flow.Request
		n.Flow.Denied = !allow || len(r.Scope) > 0 && len(r.Of(n.Of(next)).Scope) == 0
		if err := decideDevice(tx, n, next, in.Browser.Actor); err != nil {
			return err
		}
		done = Step{Kind: auth.StepDone, Flow: n.Flow, Client: n.Client, CSRF: in.CSRF}
		return nil
	})
	if errors.Is(err, auth.ErrNotFound) { // the device's code has expired while the page was open
		return Step{}, noUserCode()
	} else if err != nil {
		return Step{}, err
	}
	if done.Kind == "" {
		return s.Continue(ctx, in.Tenant, in.Flow, in.Browser)
	}
	return done, nil
}

// decideDevice writes the person's decision down. A yes to a client of somebody else is
// remembered like any consent, so that the person sees it and can take it back.
func decideDevice(tx *store.Tx, n auth.FlowState, next auth.Step, actor auth.Actor) error {
	flow, p := n.Flow, n.Of(next)
	request := flow.Request.Of(p)
	event := auth.Event{Kind: auth.EventDeviceApproved, Actor: actor.AsSession(p.Session), Account: p.Account.ID,
		Detail: map[string]string{"client": string(n.Client.ID), "scope": request.Scope.String()}}
	status := auth.DeviceApproved
	switch {
	case flow.Denied:
		event.Kind, status = auth.EventDeviceDenied, auth.DeviceDenied
	case !n.Client.FirstParty:
		if err := rememberDevice(tx, request, p.Account.ID); err != nil {
			return err
		}
	}
	if err := tx.UpdateFlow(flow); err != nil {
		return err
	}
	if err := tx.FinishFlow(flow.ID); err != nil {
		return err
	}
	if err := tx.DecideDevice(flow.Device, status, p.Account.ID, p.Session.ID, request.Scope); err != nil {
		return err
	}
	return tx.Record(event)
}

// rememberDevice adds what a device was allowed to what its client was allowed before.
func rememberDevice(tx *store.Tx, r auth.AuthorizationRequest, account auth.AccountID) error {
	consent, err := tx.Consent(account, r.Client)
	if err != nil && !errors.Is(err, auth.ErrNotFound) {
		return fmt.Errorf("read consent: %w", err)
	}
	err = tx.PutConsent(auth.Consent{Account: account, Client: r.Client, Scope: union(consent.Scope, r.Scope), Audience: union(consent.Audience, r.Resources)})
	if err != nil {
		return fmt.Errorf("remember consent: %w", err)
	}
	return nil
}

func noUserCode() error {
	return auth.Invalid(auth.CodeUserCodeInvalid, "user_code", "this code is not one that we wait for; check it, or let the device show a new one")
}
