package oidc

import (
	"cmp"
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
// sign-in, or the confirmation page. It approves nothing. An unknown, expired or used code is
// refused as Invalid user_code_invalid. Too many of them, counted by address and by account, are
// refused as rate_limited; a valid code does not count. With these refusals the step is the current
// one of the flow. The flow must be of kind auth.FlowDevice.
func (s *Service) DeviceLookup(ctx context.Context, in flow.FormRef, typed string) (flow.Step, error) {
	f, err := s.cfg.Flows.CheckForm(ctx, in)
	if err != nil {
		return flow.Step{}, err
	}
	step, err := s.lookUpDevice(ctx, in, typed)
	switch _, refused := errors.AsType[*auth.Error](err); {
	case refused:
		step, failed := s.cfg.Flows.FormStep(ctx, in)
		return step, cmp.Or(failed, err)
	case step.Kind != "" || err != nil:
		return step, err
	}
	return s.cfg.Flows.Advance(ctx, in.Tenant, f, in.Browser)
}

// lookUpDevice stores the device of the code in the flow. It returns a step for a form that is sent
// again after the device was decided.
func (s *Service) lookUpDevice(ctx context.Context, in flow.FormRef, typed string) (done flow.Step, err error) {
	refund, err := s.countGuess(ctx, in)
	if err != nil {
		return done, err
	}
	code, ok := ParseUserCode(typed)
	if !ok {
		return done, invalidUserCode()
	}
	digest := s.userDigest(in.Tenant, code)
	err = s.cfg.DB.Write(ctx, in.Tenant, func(tx *store.Tx) error {
		f, err := s.cfg.Flows.Resume(tx, in)
		if err != nil {
			return err
		}
		d, err := tx.DeviceByUserCode(digest)
		if err != nil {
			return err
		}
		if done, err = decidedStep(tx, in, f); err != nil || done.Flow.Device == d.Digest {
			return err
		}
		done = flow.Step{}
		return enterDevice(tx, f, d)
	})
	if errors.Is(err, auth.ErrNotFound) { // the flow, the device or the client was deleted
		err = invalidUserCode()
	}
	if err != nil {
		return flow.Step{}, fmt.Errorf("look up device: %w", err)
	}
	refund()
	return done, nil
}

// enterDevice stores the device in the flow.
func enterDevice(tx *store.Tx, f auth.Flow, device auth.Device) error {
	if device.Status != auth.DevicePending || !tx.Now.Before(device.ExpiresAt) {
		return invalidUserCode()
	}
	c, err := tx.Client(device.Client)
	if err != nil {
		return err
	}
	if c.Disabled() || f.Kind != auth.FlowDevice {
		return invalidUserCode()
	}
	f.Device, f.Allowed, f.Denied = device.Digest, nil, false
	f.Request = auth.AuthorizationRequest{Client: device.Client, Scope: device.Scope, Resources: device.Audience, DeviceIP: device.IP}
	return tx.UpdateFlow(f)
}

// decidedStep returns StepDone with the decision when a form is sent again after its flow has decided
// about a device. The parameter f is the flow to which the form belongs now.
func decidedStep(tx *store.Tx, in flow.FormRef, f auth.Flow) (flow.Step, error) {
	if f.ID == in.Flow {
		return flow.Step{}, nil
	}
	ended, err := tx.Flow(in.Flow)
	if err != nil || ended.Kind != auth.FlowDevice || ended.DoneAt.IsZero() {
		return flow.Step{}, err
	}
	c, err := tx.Client(ended.Request.Client)
	return flow.Step{Kind: auth.StepDone, Flow: ended, Client: c, CSRF: in.CSRF}, err
}

// countGuess counts a code against the limits and returns a function that undoes that. Signed-in users are
// counted by account, all other users by address. So users of one address do not use up each other's
// limit.
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

// DeviceDecide records whether the user allows the device of the flow, and ends the flow with
// StepDone, whose flow is Denied or not. It decides nothing and returns the next step if another
// step comes first, such as a sign-in, or if the page showed another device or scope than it would
// show now. Approval counts as denial if the user has no permission for any of the scope. A form that
// is sent again gets the earlier decision.
func (s *Service) DeviceDecide(ctx context.Context, in flow.FormRef, allow bool) (flow.Step, error) {
	var f auth.Flow
	var done flow.Step
	err := s.cfg.DB.Write(ctx, in.Tenant, func(tx *store.Tx) (err error) {
		if f, err = s.cfg.Flows.Resume(tx, in); err != nil {
			return err
		}
		if done, err = decidedStep(tx, in, f); err != nil || done.Kind != "" {
			return err
		}
		state, err := s.cfg.Flows.State(tx, f, in.Browser)
		if err != nil {
			return err
		}
		next := auth.Next(state)
		if next.Kind != auth.StepDeviceConfirm || next.Session != state.Flow.Session || allow && !secret.Equal(in.CSRF, s.cfg.Flows.QuestionCSRF(in.Flow, state, next, in.Browser)) {
			return nil // not the question of the page
		}
		r := state.Flow.Request
		state.Flow.Denied = !allow || len(r.Scope) > 0 && len(r.WithoutWithheld(state.Of(next)).Scope) == 0
		if err := decideDevice(tx, state, next, in.Browser.Actor); err != nil {
			return err
		}
		done = flow.Step{Kind: auth.StepDone, Flow: state.Flow, Client: state.Client, CSRF: in.CSRF}
		return nil
	})
	if errors.Is(err, auth.ErrNotFound) { // the device code has expired while the page was open
		return flow.Step{}, invalidUserCode()
	} else if err != nil {
		return flow.Step{}, err
	}
	if done.Kind == "" {
		return s.cfg.Flows.Advance(ctx, in.Tenant, f, in.Browser)
	}
	return done, nil
}

// decideDevice stores the user's decision. A yes to a client that is not first-party is stored as a
// consent, so that the user sees it and can revoke it.
func decideDevice(tx *store.Tx, state auth.FlowState, next auth.Step, actor auth.Actor) error {
	f, signedIn := state.Flow, state.Of(next)
	request := f.Request.WithoutWithheld(signedIn)
	event := auth.Event{Kind: auth.EventDeviceApproved, Actor: actor.AsSession(signedIn.Session), Account: signedIn.Account.ID,
		Detail: map[string]string{"client": string(state.Client.ID), "scope": request.Scope.String()}}
	status := auth.DeviceApproved
	switch {
	case f.Denied:
		event.Kind, status = auth.EventDeviceDenied, auth.DeviceDenied
	case !state.Client.FirstParty:
		if err := addConsent(tx, request, signedIn.Account.ID); err != nil {
			return err
		}
	}
	if err := tx.UpdateFlow(f); err != nil {
		return err
	}
	if err := tx.FinishFlow(f.ID); err != nil {
		return err
	}
	if err := tx.DecideDevice(f.Device, status, signedIn.Account.ID, signedIn.Session.ID, request.Scope); err != nil {
		return err
	}
	return tx.Record(event)
}

// addConsent adds the scope and resources of a device to the consent for its client.
func addConsent(tx *store.Tx, r auth.AuthorizationRequest, account auth.AccountID) error {
	consent, err := tx.Consent(account, r.Client)
	if err != nil && !errors.Is(err, auth.ErrNotFound) {
		return fmt.Errorf("read consent: %w", err)
	}
	err = tx.PutConsent(auth.Consent{Account: account, Client: r.Client, Scope: mergeUnique(consent.Scope, r.Scope), Audience: mergeUnique(consent.Audience, r.Resources)})
	if err != nil {
		return fmt.Errorf("store consent: %w", err)
	}
	return nil
}

func invalidUserCode() error {
	return auth.Invalid(auth.CodeUserCodeInvalid, "user_code", "user_code: the code that the device shows now")
}
