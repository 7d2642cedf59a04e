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
// for. Both codes are stored as digests. The digest of the user code is keyed, since there are
// few enough codes to try all. Refusals are those of Token.
func (s *Service) AuthorizeDevice(ctx context.Context, r client.Request) (DeviceAuthorization, error) {
	d, err := s.parseDeviceRequest(ctx, r)
	if err != nil {
		return DeviceAuthorization{}, err
	}
	code, user := secret.New(devicePrefix), newUserCode()
	d.Digest, d.UserDigest = secret.Digest(code.Reveal()), s.userDigest(r.Tenant, user)
	d.Status, d.Interval, d.IP = auth.DevicePending, deviceInterval, r.Actor.IP
	actor := r.Actor.AsClient(d.Client)
	err = s.cfg.DB.Write(ctx, r.Tenant, func(tx *store.Tx) error {
		d.CreatedAt, d.ExpiresAt = tx.Now, tx.Now.Add(s.cfg.DeviceLifetime)
		if err := tx.InsertDevice(d); err != nil {
			return err
		}
		return tx.Record(auth.Event{Kind: auth.EventDeviceRequested, Actor: actor, Detail: map[string]string{"scope": d.Scope.String()}})
	})
	if errors.Is(err, auth.ErrConflict) { // 1 in 25,600,000,000 for each code that lives
		return DeviceAuthorization{}, auth.Unavailable(err, time.Second)
	}
	if err != nil {
		return DeviceAuthorization{}, fmt.Errorf("authorize device: %w", err)
	}
	page := r.Tenant.Issuer(s.cfg.Base) + DevicePath
	return DeviceAuthorization{
		DeviceCode: code, UserCode: showUserCode(user), VerificationURI: page, VerificationURIComplete: page + "?user_code=" + showUserCode(user),
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
	d := auth.Device{Client: caller.Client.ID}
	if d.JKT, err = s.cfg.Clients.Proof(ctx, r); err != nil {
		return auth.Device{}, err
	}
	if d.Audience, err = s.audience(req); err != nil {
		return auth.Device{}, err
	}
	if d.Scope, err = s.userScope(caller.Client, d.Audience, r.Form.Get("scope")); err != nil {
		return auth.Device{}, err
	}
	return d, nil
}

// userDigest returns the stored digest of a user code.
func (s *Service) userDigest(tenant auth.TenantID, code string) string {
	return secret.Encode(secret.MAC(secret.Derive(s.cfg.Root, "device user code"), []byte(tenant), []byte(code)))
}
