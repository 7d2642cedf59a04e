package oidc

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/limit"
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
	d, err := tx.DeviceByUser(userDigest)
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
	f.Request = auth.AuthorizationRequest{Client: d.Client, Scope: d.Scope, Resources: d.Audience}
	return tx.UpdateFlow(f)
}

// takeGuess counts one code against the limits; what it returns takes it back.
func (s *Service) takeGuess(ctx context.Context, in DeviceForm) (settle func(), err error) {
	type counted struct {
		key  string
		rate limit.Rate
	}
	addr, _ := netip.ParseAddr(in.Browser.Actor.IP) // what is no address is counted as one
	all := []counted{{"user_code.ip|" + limit.Key(addr), s.cfg.Rates.UserCode}}
	for _, v := range in.Browser.Sessions {
		all = append(all, counted{"user_code.account|" + string(in.Tenant) + "|" + string(v.Account.ID), s.cfg.Rates.UserCodeAccount})
	}
	for _, c := range all {
		if err := s.take(ctx, c.key, c.rate); err != nil {
			return nil, err
		}
	}
	return func() {
		for _, c := range all {
			_ = s.cfg.Limiter.Refund(ctx, c.key, c.rate, 1) // at worst a right code counts
		}
	}, nil
}

// DeviceDecide is the person's yes or no to the device of the flow. Where anything else
// comes first, such as a sign-in, that is the answer and nothing is decided. The flow
// ends with it.
func (s *Service) DeviceDecide(ctx context.Context, in DeviceForm, allow bool) (Step, error) {
	if err := s.CheckForm(ctx, in.Tenant, in.Flow, in.Browser, in.CSRF); err != nil {
		return Step{}, err
	}
	step, err := s.Continue(ctx, in.Tenant, in.Flow, in.Browser)
	if err != nil || step.Kind != auth.StepDeviceConfirm || len(step.Accounts) == 0 {
		return step, err
	}
	who := step.Accounts[0].Session
	err = s.cfg.DB.Write(ctx, in.Tenant, func(tx *store.Tx) error { return decideDevice(tx, in, who, allow) })
	if errors.Is(err, auth.ErrNotFound) { // the flow, the device or the session ended while the page was open
		return Step{}, noUserCode()
	} else if err != nil {
		return Step{}, fmt.Errorf("decide on device: %w", err)
	}
	return Step{Kind: auth.StepDone, Flow: step.Flow, Client: step.Client, Accounts: step.Accounts, CSRF: step.CSRF}, nil
}

func decideDevice(tx *store.Tx, in DeviceForm, who auth.Session, allow bool) error {
	f, err := tx.Flow(in.Flow)
	if err != nil {
		return err
	}
	// The session is read again: it may have ended since the request came in.
	v, err := tx.Session(who.ID)
	if err != nil || !v.Live(tx.Now) {
		return errors.Join(err, auth.ErrNotFound)
	}
	status, kind := auth.DeviceDenied, auth.EventDeviceDenied
	if f.Session, f.Denied = v.ID, true; allow {
		status, kind = auth.DeviceApproved, auth.EventDeviceApproved
		f.Allowed, f.Denied = append(auth.Scope{}, f.Request.Scope...), false
	}
	if err := tx.UpdateFlow(f); err != nil {
		return err
	}
	if err := tx.FinishFlow(f.ID); err != nil {
		return err
	}
	if err := tx.AnswerDevice(f.Device, status, v.Account, v.ID); err != nil {
		return err
	}
	actor := in.Browser.Actor
	actor.Kind, actor.ID, actor.Session = auth.ActorAccount, string(v.Account), v.ID
	return tx.Record(auth.Event{Kind: kind, Actor: actor, Account: v.Account,
		Detail: map[string]string{"client": string(f.Request.Client), "scope": f.Request.Scope.String()}})
}

func noUserCode() error {
	return auth.Invalid("user_code_invalid", "user_code", "this code is not one that we wait for; check it, or let the device show a new one")
}
