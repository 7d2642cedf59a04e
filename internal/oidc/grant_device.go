package oidc

import (
	"context"
	"errors"
	"fmt"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/store"
)

// deviceCode answers the polls of a device (RFC 8628 §3.4) until a person has decided,
// and then once with tokens.
var deviceCode = grant{name: auth.GrantDeviceCode, issue: (*Service).issueDevice}

func (s *Service) issueDevice(ctx context.Context, r tokenRequest) (auth.Tokens, error) {
	raw := r.form.Get("device_code")
	if raw == "" {
		return auth.Tokens{}, refuse(InvalidRequest, "device_code is missing")
	}
	if !secret.Valid(devicePrefix, raw) {
		return auth.Tokens{}, noDevice()
	}
	digest := secret.Digest(raw)
	err := s.cfg.DB.Write(ctx, r.Tenant.ID, func(tx *store.Tx) error {
		return s.poll(tx, r, digest)
	})
	if err != nil {
		if _, ok := errors.AsType[*Error](err); ok {
			return auth.Tokens{}, err
		}
		return auth.Tokens{}, fmt.Errorf("device grant: %w", undecided(err))
	}
	return auth.Tokens{}, nil
}

// poll notes the poll and says how the device stands; nil when it is approved.
func (s *Service) poll(tx *store.Tx, r tokenRequest, digest string) error {
	d, err := tx.Device(digest)
	if err != nil && !errors.Is(err, auth.ErrNotFound) {
		return fmt.Errorf("read device: %w", err)
	}
	switch {
	case err != nil || d.Client != r.Client.ID || !d.UsedAt.IsZero():
		return noDevice()
	case !tx.Now.Before(d.ExpiresAt):
		return refuse(ExpiredToken, "the device code has expired; start again")
	case d.Status == auth.DeviceDenied:
		return refuse(AccessDenied, "the person has said no")
	case d.Status == auth.DeviceApproved:
		return nil
	}
	// A device that was told to slow down and does not is told again, and its interval
	// grows again (RFC 8628 §3.5); beyond the life of the code that has no meaning.
	answer, interval := refuse(AuthorizationPending, "nobody has decided yet"), d.Interval
	if !d.PolledAt.IsZero() && tx.Now.Before(d.PolledAt.Add(d.Interval)) {
		answer, interval = refuse(SlowDown, "wait five seconds longer between two polls from now on"), min(d.Interval+deviceInterval, s.cfg.DeviceLifetime)
	}
	if err := tx.PollDevice(digest, interval); err != nil {
		return fmt.Errorf("note poll: %w", err)
	}
	return store.Keep(answer)
}

func noDevice() error {
	return refuse(InvalidGrant, "the device code is not valid for this client")
}
