package oidc

import (
	"context"
	"errors"
	"fmt"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/flow"
	"github.com/watchword-auth/watchword/internal/limit"
	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/store"
)

// DeviceLookup reads the code that the user typed (RFC 8628 §3.3) and returns the next step: a
// sign-in, or the page that asks. It approves nothing. An unknown, expired or used code is refused
// as Invalid user_code_invalid. Too many of them, counted by address and by account, are refused as
// rate_limited; a right code does not count. The flow began with kind auth.FlowDevice.
func (s *Service) DeviceLookup(ctx context.Context, in flow.FormRef, typed string) (flow.Step, error) {
	if _, err := s.cfg.Flows.CheckForm(ctx, in); err != nil {
		return flow.Step{}, err
	}
	refund, err := s.countGuess(ctx, in)
	if err != nil {
		return flow.Step{}, err
	}
	code, ok := ParseUserCode(typed)
	if !ok {
		return flow.Step{}, invalidUserCode()
	}
	digest := s.userDigest(in.Tenant, code)
	err = s.cfg.DB.Write(ctx, in.Tenant, func(tx *store.Tx) error { return enterDevice(tx, in.Flow, digest) })
	if errors.Is(err, auth.ErrNotFound) { // the flow or the client is gone
		err = invalidUserCode()
	}
	if err != nil {
		return flow.Step{}, fmt.Errorf("look up device: %w", err)
	}
	refund()
	return s.cfg.Flows.Continue(ctx, in.Tenant, in.Flow, in.Browser)
}

// enterDevice stores the device in the flow.
func enterDevice(tx *store.Tx, id auth.FlowID, userDigest string) error {
	f, err := tx.Flow(id)
	if err != nil {
		return err
	}
	d, err := tx.DeviceByUserCode(userDigest)
	if errors.Is(err, auth.ErrNotFound) || err == nil && (d.Status != auth.DevicePending || !tx.Now.Before(d.ExpiresAt)) {
		return invalidUserCode()
	} else if err != nil {
		return err
	}
	c, err := tx.Client(d.Client)
	if err != nil {
		return err
	}
	if c.Disabled() || f.Kind != auth.FlowDevice {
		return invalidUserCode()
	}
	f.Device, f.Allowed, f.Denied = d.Digest, nil, false
	f.Request = auth.AuthorizationRequest{Client: d.Client, Scope: d.Scope, Resources: d.Audience, DeviceIP: d.IP}
	return tx.UpdateFlow(f)
}

// countGuess counts one code against the limits and returns what undoes that. Users who are signed
// in are counted by account, all others by address, so that strangers behind the same address do
// not use up a user's limit.
func (s *Service) countGuess(ctx context.Context, in flow.FormRef) (refund func(), err error) {
	buckets := limit.AddressBuckets("user_code.ip", in.Browser.Actor.Addr(), s.cfg.Rates["user_code.ip"])
	for i, v := range in.Browser.Sessions {
		if i == 0 {
			buckets = buckets[:0]
		}
		key := "user_code.account|" + string(in.Tenant) + "|" + string(v.Account.ID)
		buckets = append(buckets, limit.Bucket{Key: key, Rate: s.cfg.Rates["user_code.account"]})
	}
	if _, err := limit.TakeAll(ctx, s.cfg.Limiter, buckets...); err != nil {
		return nil, err
	}
	return func() { limit.RefundAll(ctx, s.cfg.Limiter, s.cfg.Log, buckets...) }, nil
}

// DeviceDecide records the user's yes or no to the device of the flow, and ends the flow with
// StepDone, whose flow is Denied or not. Where another step comes first, such as a sign-in, or the
// page showed another device or scope than it would now, nothing is decided and that step is
// returned. A yes of a user who has nothing of the scope to give counts as a no.
func (s *Service) DeviceDecide(ctx context.Context, in flow.FormRef, allow bool) (flow.Step, error) {
	if _, err := s.cfg.Flows.CheckForm(ctx, in); err != nil {
		return flow.Step{}, err
	}
	var done flow.Step
	err := s.cfg.DB.Write(ctx, in.Tenant, func(tx *store.Tx) error {
		done = flow.Step{}
		n, err := s.cfg.Flows.State(tx, auth.Flow{ID: in.Flow}, in.Browser)
		if err != nil {
			return err
		}
		next := auth.Next(n)
		if next.Kind != auth.StepDeviceConfirm || next.Session != n.Flow.Session || allow && !secret.Equal(in.CSRF, s.cfg.Flows.QuestionCSRF(n, next, in.Browser)) {
			return nil // not what the page asked
		}
		r := n.Flow.Request
		n.Flow.Denied = !allow || len(r.Scope) > 0 && len(r.WithoutWithheld(n.Of(next)).Scope) == 0
		if err := decideDevice(tx, n, next, in.Browser.Actor); err != nil {
			return err
		}
		done = flow.Step{Kind: auth.StepDone, Flow: n.Flow, Client: n.Client, CSRF: in.CSRF}
		return nil
	})
	if errors.Is(err, auth.ErrNotFound) { // the device code has expired while the page was open
		return flow.Step{}, invalidUserCode()
	} else if err != nil {
		return flow.Step{}, err
	}
	if done.Kind == "" {
		return s.cfg.Flows.Continue(ctx, in.Tenant, in.Flow, in.Browser)
	}
	return done, nil
}

// decideDevice stores the user's decision. A yes to a client that is not first-party is stored as a
// consent, so that the user sees it and can revoke it.
func decideDevice(tx *store.Tx, n auth.FlowState, next auth.Step, actor auth.Actor) error {
	f, p := n.Flow, n.Of(next)
	request := f.Request.WithoutWithheld(p)
	event := auth.Event{Kind: auth.EventDeviceApproved, Actor: actor.AsSession(p.Session), Account: p.Account.ID,
		Detail: map[string]string{"client": string(n.Client.ID), "scope": request.Scope.String()}}
	status := auth.DeviceApproved
	switch {
	case f.Denied:
		event.Kind, status = auth.EventDeviceDenied, auth.DeviceDenied
	case !n.Client.FirstParty:
		if err := addConsent(tx, request, p.Account.ID); err != nil {
			return err
		}
	}
	if err := tx.UpdateFlow(f); err != nil {
		return err
	}
	if err := tx.FinishFlow(f.ID); err != nil {
		return err
	}
	if err := tx.DecideDevice(f.Device, status, p.Account.ID, p.Session.ID, request.Scope); err != nil {
		return err
	}
	return tx.Record(event)
}

// addConsent adds what a device was allowed to the consent of its client.
func addConsent(tx *store.Tx, r auth.AuthorizationRequest, account auth.AccountID) error {
	consent, err := tx.Consent(account, r.Client)
	if err != nil && !errors.Is(err, auth.ErrNotFound) {
		return fmt.Errorf("read consent: %w", err)
	}
	err = tx.PutConsent(auth.Consent{Account: account, Client: r.Client, Scope: union(consent.Scope, r.Scope), Audience: union(consent.Audience, r.Resources)})
	if err != nil {
		return fmt.Errorf("store consent: %w", err)
	}
	return nil
}

func invalidUserCode() error {
	return auth.Invalid(auth.CodeUserCodeInvalid, "user_code", "user_code: the code that the device shows now")
}
