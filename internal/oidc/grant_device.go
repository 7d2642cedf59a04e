package oidc

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/oauth"
	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/session"
	"github.com/watchword-auth/watchword/internal/store"
	"github.com/watchword-auth/watchword/internal/token"
)

// deviceCode answers the polls of a device (RFC 8628 §3.4): with the pending state, and with tokens once
// the user has approved.
var deviceCode = grant{name: auth.GrantDeviceCode, short: "device_code", forUser: true, await: (*Service).awaitDevice, redeem: (*Service).redeemDevice}

// awaitDevice answers a poll before the user has approved. It consumes no proof of
// possession, so no row is written for it.
func (s *Service) awaitDevice(ctx context.Context, r tokenRequest) error {
	digest, _, err := readDeviceRequest(r.form)
	if err != nil {
		return err
	}
	var p poll
	// Most polls change nothing, and the bearer of a code may send any number of them. Those are
	// answered from a read.
	err = s.cfg.DB.ReadOne(ctx, r.Tenant.ID, func(tx *store.Tx) (err error) {
		p, err = s.readPoll(tx, r, digest)
		return err
	})
	if err == nil && p.refusal != nil {
		err = s.cfg.DB.Write(ctx, r.Tenant.ID, func(tx *store.Tx) error {
			p, err := s.readPoll(tx, r, digest)
			if err != nil || p.refusal == nil {
				return err
			}
			return recordPoll(tx, digest, p)
		})
	}
	return err
}

func (s *Service) redeemDevice(ctx context.Context, r tokenRequest) (draft token.Draft, err error) {
	digest, audience, err := readDeviceRequest(r.form)
	if err != nil {
		return token.Draft{}, err
	}
	err = s.cfg.DB.Write(ctx, r.Tenant.ID, func(tx *store.Tx) error {
		p, err := s.readPoll(tx, r, digest)
		if err != nil {
			return err
		}
		if p.refusal != nil {
			return recordPoll(tx, digest, p)
		}
		draft, err = s.consumeDevice(tx, r, digest, audience)
		return err
	})
	return draft, err
}

// readDeviceRequest reads the digest of the device code and the resources.
func readDeviceRequest(f oauth.Form) (digest string, audience []string, err error) {
	raw := f.Get("device_code")
	if raw == "" {
		return "", nil, oauth.Refuse(oauth.InvalidRequest, "device_code: required")
	}
	if !secret.Valid(devicePrefix, raw) {
		return "", nil, invalidDeviceCode()
	}
	audience, err = readResources(f)
	return secret.Digest(raw), audience, err
}

// poll is the stored effect of a poll, and its response.
type poll struct {
	refusal  error         // nil when the user has approved
	interval time.Duration // the new interval
}

// readPoll returns the effect of a poll that has to be stored: tokens, or a recorded poll. An error is the
// response to a poll that changes nothing.
func (s *Service) readPoll(tx *store.Tx, r tokenRequest, digest string) (poll, error) {
	device, err := tx.Device(digest)
	if err != nil && !errors.Is(err, auth.ErrNotFound) {
		return poll{}, fmt.Errorf("read device: %w", err)
	}
	switch {
	case err != nil || device.Client != r.Client.ID || !device.UsedAt.IsZero():
		return poll{}, invalidDeviceCode()
	case device.JKT != "" && device.JKT != r.jkt: // the device authorization request was bound to another key
		return poll{}, invalidDeviceCode()
	case !tx.Now.Before(device.ExpiresAt):
		return poll{}, oauth.Refuse(oauth.ExpiredToken, "the device code has expired; start again")
	case device.Status == auth.DeviceDenied:
		return poll{}, oauth.Refuse(oauth.AccessDenied, "the user denied the request")
	case device.Status == auth.DeviceApproved:
		return poll{}, nil
	}
	since := tx.Now.Sub(device.PolledAt)
	if device.PolledAt.IsZero() || since >= device.Interval {
		return poll{oauth.Refuse(oauth.AuthorizationPending, "the user has not decided yet"), device.Interval}, nil
	}
	// A device that does not slow down gets slow_down again, and its interval grows again (RFC 8628 §3.5),
	// at most to the lifetime of the code.
	p := poll{oauth.Refuse(oauth.SlowDown, "add five seconds to the interval between polls"), min(device.Interval+deviceInterval, s.cfg.DeviceLifetime)}
	if device.Interval > deviceInterval && since < deviceInterval {
		return poll{}, p.refusal // recorded a moment ago
	}
	return p, nil
}

// recordPoll stores the time of the poll and returns its response.
func recordPoll(tx *store.Tx, digest string, p poll) error {
	if err := tx.PollDevice(digest, p.interval); err != nil {
		return fmt.Errorf("record poll: %w", err)
	}
	return store.CommitWith(p.refusal)
}

// consumeDevice consumes the code and stores the grant. The device gets a client session of its own under
// the browser session in which the user approved it.
func (s *Service) consumeDevice(tx *store.Tx, r tokenRequest, digest string, audience []string) (token.Draft, error) {
	device, err := tx.ConsumeDevice(digest)
	if errors.Is(err, auth.ErrNotFound) {
		return token.Draft{}, invalidDeviceCode()
	} else if err != nil {
		return token.Draft{}, fmt.Errorf("consume device: %w", err)
	}
	client, err := tx.Client(device.Client)
	if err != nil {
		return token.Draft{}, fmt.Errorf("read client: %w", err)
	}
	if device.Scope, err = s.consentedScope(tx, device, client); err != nil {
		return token.Draft{}, err
	}
	// Each device has a session of its own. A user who approves in a loop would create any number of
	// them, each with a notice to the client at its end.
	if _, err := tx.EndOldestGrantedSessions(device.Account, device.Client, session.MaxSessions-1, auth.EndTooManySessions); err != nil {
		return token.Draft{}, fmt.Errorf("end the oldest sessions: %w", err)
	}
	started, err := s.cfg.Sessions.StartClient(tx, auth.Session{ID: device.Session}, session.ClientParams{
		ID: auth.SessionID(secret.NewID(tx.Now)), Client: client, Scope: device.Scope, Actor: r.Actor,
	})
	if err != nil {
		return token.Draft{}, err
	}
	draft, err := s.cfg.Tokens.Start(tx, auth.Grant{
		Account: device.Account, Client: device.Client, Session: started.ID, Scope: device.Scope, Audience: device.Audience, Narrow: audience,
		AuthAt: started.AuthAt, ACR: started.ACR, AMR: started.AMR, JKT: r.jkt, IDToken: &auth.IDTokenRequest{},
	})
	if err != nil {
		return token.Draft{}, err
	}
	err = tx.Record(auth.Event{Kind: auth.EventTokenIssued, Actor: r.Actor, Account: device.Account, Detail: map[string]string{
		"grant": string(auth.GrantDeviceCode), "scope": draft.Scope().String(), "session": string(started.ID),
	}})
	if err != nil {
		return token.Draft{}, fmt.Errorf("record issued tokens: %w", err)
	}
	return draft, nil
}

// consentedScope returns the part of the requested scope that the client may still have and the user
// still consents to. The consent may have been revoked since the approval.
func (s *Service) consentedScope(tx *store.Tx, device auth.Device, c auth.Client) (auth.Scope, error) {
	scope := s.currentlyAllowedScope(c, device.Scope, device.Audience)
	if c.FirstParty {
		return scope, nil
	}
	consent, err := tx.Consent(device.Account, device.Client)
	if errors.Is(err, auth.ErrNotFound) {
		return nil, invalidDeviceCode()
	} else if err != nil {
		return nil, fmt.Errorf("read consent: %w", err)
	}
	allowed := slices.DeleteFunc(slices.Clone(scope), func(name string) bool { return !consent.Scope.Has(name) })
	if len(scope) > 0 && len(allowed) == 0 {
		return nil, invalidDeviceCode()
	}
	return allowed, nil
}

func invalidDeviceCode() error {
	return oauth.Refuse(oauth.InvalidGrant, "the device code is not valid for this client")
}
