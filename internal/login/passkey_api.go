package login

import (
	"context"
	"errors"
	"fmt"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/store"
)

// BeginPasskeySignIn begins a sign-in with a passkey by the JSON API, or, with the token of a pending
// sign-in, the proof of a passkey as its second factor. It returns the options for
// navigator.credentials.get as JSON. Refusals: passkeys_unavailable; invalid_mfa_token; invalid_passkey
// when the account has no passkey.
func (s *Service) BeginPasskeySignIn(ctx context.Context, tenant auth.TenantID, token string, actor auth.Actor) (options []byte, err error) {
	err = s.cfg.DB.Write(ctx, tenant, func(tx *store.Tx) (err error) {
		if token == "" {
			options, err = s.insertCeremony(tx, PasskeySignIn, "", "")
			return err
		}
		f, err := readPendingFlow(tx, token, actor)
		if err != nil {
			return err
		}
		c, err := s.newCeremony(tx, PasskeyFactor, f.Proofs[0].Account, false)
		if err != nil {
			return err
		}
		options, f.Ceremony = c.Options, c.encode()
		return tx.UpdateFlow(f)
	})
	if err != nil {
		return nil, fmt.Errorf("begin sign-in with a passkey: %w", err)
	}
	return options, nil
}

// PasskeyRequest is the response of an authenticator to BeginPasskeySignIn.
type PasskeyRequest struct {
	// Request says what the sign-in results in. A pending sign-in has said so already.
	Request
	Token    string // of a pending sign-in; empty to sign in with the passkey alone
	Response []byte // AuthenticationResponseJSON
}

// Passkey signs in with a passkey, or completes a pending sign-in with one, and returns what Password would
// have returned. Refusals: invalid_passkey, passkey_unknown, invalid_mfa_token, rate_limited;
// invalid_target as of Password.
func (s *Service) Passkey(ctx context.Context, tenant auth.TenantID, r PasskeyRequest) (Result, error) {
	if s.cfg.Passkeys == nil {
		return Result{}, errPasskeysOff()
	}
	api := apiSignIn{s: s, request: r.Request}
	a, err := api.passkey(ctx, tenant, r)
	if r.Token == "" {
		if err != nil {
			s.observePasskey(err)
		} else {
			s.cfg.Observe("success", "")
		}
	}
	if err != nil {
		return Result{}, fmt.Errorf("sign in with a passkey: %w", err)
	}
	return api.conclude(ctx, tenant, a, r.Actor)
}

// passkey verifies the response, consumes its ceremony, and begins the session if that is enough.
func (api *apiSignIn) passkey(ctx context.Context, tenant auth.TenantID, in PasskeyRequest) (a auth.Account, err error) {
	s := api.s
	c, consume, err := api.findCeremony(ctx, tenant, in)
	if err != nil {
		return a, err
	}
	r, refusal := s.verifyResponse(ctx, tenant, c, in.Response)
	if refusal != nil && !isRefusal(refusal) {
		return a, refusal
	}
	newDevice := false
	if refusal == nil {
		if newDevice, err = s.isNewDeviceOf(ctx, tenant, r.v.factor.Account, in.Actor); err != nil {
			return a, err
		}
	}
	err = s.cfg.DB.Write(ctx, tenant, func(tx *store.Tx) error {
		if err := consume(tx); errors.Is(err, auth.ErrNotFound) {
			return errInvalidPasskey(errors.New("another response was first"))
		} else if err != nil {
			return err
		}
		if refusal != nil {
			return s.refusePasskey(tx, r, in.Actor, refusal)
		}
		a, err = api.provePasskey(tx, in, r)
		if api.refused(err) {
			return s.refusePasskey(tx, r, in.Actor, err)
		}
		if err != nil || api.result.Session.ID == "" || !newDevice {
			return err
		}
		return notifyNewDevice(tx, a, in.Actor)
	})
	return a, err
}

// findCeremony returns the ceremony to which a response belongs, and what consumes it.
func (api *apiSignIn) findCeremony(ctx context.Context, tenant auth.TenantID, in PasskeyRequest) (c ceremony, consume func(*store.Tx) error, err error) {
	if in.Token == "" {
		c, digest, err := api.s.readCeremony(ctx, tenant, PasskeySignIn, in.Response, auth.Actor{})
		return c, func(tx *store.Tx) error { _, err := tx.Consume(auth.UsePasskey, digest); return err }, mapAssertionRefused(err)
	}
	var f auth.Flow
	err = api.s.cfg.DB.ReadOne(ctx, tenant, func(tx *store.Tx) (err error) {
		f, err = readPendingFlow(tx, in.Token, in.Actor)
		return err
	})
	if err != nil {
		return c, nil, err
	}
	c, ok := parseCeremony(f.Ceremony, PasskeyFactor)
	if !ok {
		return c, nil, errInvalidPasskey(errors.New("no ceremony is under way"))
	}
	return c, func(tx *store.Tx) error { return tx.ConsumeCeremony(f.ID, f.Ceremony) }, nil
}

// provePasskey uses the passkey, and begins the session if that is enough.
func (api *apiSignIn) provePasskey(tx *store.Tx, in PasskeyRequest, r passkeyResponse) (a auth.Account, err error) {
	api.result = Result{}
	var f auth.Flow
	if in.Token != "" {
		if f, err = readPendingFlow(tx, in.Token, in.Actor); err != nil {
			return a, err
		}
	}
	if a, err = tx.Account(r.v.factor.Account); err != nil {
		return a, err
	}
	if a.Disabled() {
		return a, errInvalidPasskey(errors.New("the account is disabled"))
	}
	p, err := api.s.usePasskey(tx, r.v, in.Actor)
	if err != nil {
		return a, err
	}
	if in.Token != "" {
		return a, api.complete(tx, f, a, p, in.Token, in.Actor)
	}
	return a, api.proveFirst(tx, a, p)
}
