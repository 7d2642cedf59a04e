package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
)

// oauthDevice is a client without a browser (RFC 8628): it shows a code and polls until
// the user has entered it elsewhere.
type oauthDevice struct{ tokenRequest }

// deviceAuthorization is a device authorization response (RFC 8628 §3.2).
type deviceAuthorization struct {
	DeviceCode string `json:"device_code"`
	UserCode   string `json:"user_code"`
	URI        string `json:"verification_uri"`
	Complete   string `json:"verification_uri_complete"`
	ExpiresIn  int64  `json:"expires_in"`
	Interval   int64  `json:"interval"`
}

func (c oauthDevice) Run(e *env) error {
	p, err := c.newClient(e)
	if err != nil {
		return err
	}
	if p.DeviceAuthorization == "" {
		return fmt.Errorf("%s does not support the device authorization grant", p.Issuer)
	}
	var d deviceAuthorization
	if err := p.post(e.ctx, p.DeviceAuthorization, c.addScope(url.Values{}), &d); err != nil {
		return fmt.Errorf("request a device code: %w", err)
	}
	fmt.Fprintf(e.Err, "Open %s and enter\n\n    %s\n\n", d.URI, d.UserCode)
	if d.Complete != "" {
		fmt.Fprintf(e.Err, "or open %s\n", d.Complete)
	}
	response, err := c.poll(e, p, d)
	if err != nil {
		return err
	}
	claims, err := p.idTokenClaims(e.ctx, response, "")
	if err != nil {
		return err
	}
	return c.printTokens(e, response, claims)
}

// poll requests the token until there is a result, never faster than the interval
// (RFC 8628 §3.5).
func (c oauthDevice) poll(e *env, p *oauthClient, d deviceAuthorization) (map[string]any, error) {
	interval := 5 * time.Second
	if d.Interval > 0 {
		interval = time.Duration(d.Interval) * time.Second
	}
	for waited := time.Duration(0); waited <= time.Duration(d.ExpiresIn)*time.Second; {
		if err := e.pause(interval); err != nil {
			return nil, err
		}
		waited += interval
		response, err := p.requestToken(e.ctx, url.Values{"grant_type": {string(auth.GrantDeviceCode)}, "device_code": {d.DeviceCode}})
		r, refused := errors.AsType[*protocolError](err)
		switch {
		case err == nil:
			return response, nil
		case !refused:
			return nil, err
		case r.code == "slow_down":
			interval += 5 * time.Second
		case r.code != "authorization_pending":
			return nil, err
		}
	}
	return nil, errors.New("the code was not entered in time")
}

// pause waits, or returns early when the command is interrupted.
func (e *env) pause(d time.Duration) error {
	if e.Pause != nil {
		return e.Pause(e.ctx, d)
	}
	return sleep(e.ctx, d)
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
