package oidc

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/client"
	"github.com/watchword-auth/watchword/internal/oauth"
	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/store"
)

const (
	// DeviceAuthorizationPath is the device authorization endpoint. DevicePath is the page on which a user
	// enters the user code.
	DeviceAuthorizationPath = "/oauth2/device_authorization"
	DevicePath              = "/device"

	// devicePrefix is the prefix of every device_code.
	devicePrefix = "wwd_"
	// deviceInterval is the minimum time between two polls. The interval of a device grows by it for good with
	// each poll that comes too early (RFC 8628 §3.5).
	deviceInterval = 5 * time.Second
)

// DeviceAuthorization is the response to a device (RFC 8628 §3.2). Its times are in seconds.
type DeviceAuthorization struct {
	DeviceCode              secret.Text
	UserCode                string
	VerificationURI         string
	VerificationURIComplete string
	ExpiresIn               int
	Interval                int
}

// AuthorizeDevice is the device authorization endpoint (RFC 8628 §3.1). The client
// authenticates as at the token endpoint and gets the part of the scope that it is registered
// for. Both codes are stored as digests. The digest of the user code is keyed, since all possible
// user codes can be tried. Refusals are those of Token.
func (s *Service) AuthorizeDevice(ctx context.Context, r client.Request) (DeviceAuthorization, error) {
	device, err := s.parseDeviceRequest(ctx, r)
	if err != nil {
		return DeviceAuthorization{}, err
	}
	code, userCode := secret.New(devicePrefix), newUserCode()
	device.Digest, device.UserDigest = secret.Digest(code.Reveal()), s.userDigest(r.Tenant, userCode)
	device.Status, device.Interval, device.IP = auth.DevicePending, deviceInterval, r.Actor.IP
	actor := r.Actor.AsClient(device.Client)
	err = s.cfg.DB.Write(ctx, r.Tenant, func(tx *store.Tx) error {
		device.CreatedAt, device.ExpiresAt = tx.Now, tx.Now.Add(s.cfg.DeviceLifetime)
		if err := tx.InsertDevice(device); err != nil {
			return err
		}
		return tx.Record(auth.Event{Kind: auth.EventDeviceRequested, Actor: actor, Detail: map[string]string{"scope": device.Scope.String()}})
	})
	if errors.Is(err, auth.ErrConflict) { // 1 in 25,600,000,000 for each live code
		return DeviceAuthorization{}, auth.Unavailable(err, time.Second)
	}
	if err != nil {
		return DeviceAuthorization{}, fmt.Errorf("authorize device: %w", err)
	}
	page := r.Tenant.Issuer(s.cfg.Base) + DevicePath
	return DeviceAuthorization{
		DeviceCode: code, UserCode: formatUserCode(userCode), VerificationURI: page, VerificationURIComplete: page + "?user_code=" + formatUserCode(userCode),
		ExpiresIn: int(s.cfg.DeviceLifetime / time.Second), Interval: int(deviceInterval / time.Second),
	}, nil
}

// parseDeviceRequest authenticates the client and parses its request.
func (s *Service) parseDeviceRequest(ctx context.Context, r client.Request) (auth.Device, error) {
	caller, err := s.cfg.Clients.Authenticate(ctx, r)
	if err != nil {
		return auth.Device{}, err
	}
	if !caller.Client.Allows(auth.GrantDeviceCode) {
		return auth.Device{}, oauth.Refuse(oauth.UnauthorizedClient, "grant_type: not allowed for this client")
	}
	if err := s.cfg.Clients.LimitPublicClient(ctx, caller); err != nil {
		return auth.Device{}, err
	}
	req := tokenRequest{Caller: caller, form: r.Form}
	device := auth.Device{Client: caller.Client.ID}
	if device.JKT, err = s.cfg.Clients.Proof(ctx, r); err != nil {
		return auth.Device{}, err
	}
	if device.Audience, err = s.audience(req); err != nil {
		return auth.Device{}, err
	}
	if device.Scope, err = s.userScope(caller.Client, device.Audience, r.Form.Get("scope")); err != nil {
		return auth.Device{}, err
	}
	return device, nil
}

// userDigest returns the stored digest of a user code.
func (s *Service) userDigest(tenant auth.TenantID, code string) string {
	return secret.Encode(secret.MAC(secret.Derive(s.cfg.Root, "device user code"), []byte(tenant), []byte(code)))
}
