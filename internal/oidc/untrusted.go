package oidc

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/flow"
	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/store"
)

// The redirect URI of a client that describes itself is an untrusted address. A link to this
// server must not lead there by itself (RFC 9700 §4.11.2). The user is asked first, unless an
// account that is signed in in the browser has consented to the client, or the client got a code in
// this browser recently. Silent renewal (prompt=none) needs that exception. Addresses of programs on
// the user's device lead to no untrusted page.

// maxAllowed is how many clients a browser's cookie names.
const maxAllowed = 8

// isUntrusted reports whether the address is that of a client that describes itself.
func isUntrusted(c auth.Client, uri string) bool {
	return c.SelfDescribed() && strings.HasPrefix(uri, "https://")
}

// mustConfirmLeaving reports whether the user is asked before the browser goes to the URI.
func (s *Service) mustConfirmLeaving(ctx context.Context, tenant auth.TenantID, c auth.Client, uri string, b flow.Browser) (bool, error) {
	if !isUntrusted(c, uri) || s.allowedIn(tenant, c, b) {
		return false, nil
	}
	allowed := false
	err := s.cfg.DB.ReadOne(ctx, tenant, func(tx *store.Tx) error {
		allowed = false
		for _, v := range b.Sessions {
			switch _, err := tx.Consent(v.Account.ID, c.ID); {
			case err == nil:
				allowed = true
			case !errors.Is(err, auth.ErrNotFound):
				return err
			}
		}
		return nil
	})
	if err != nil {
		return false, fmt.Errorf("read consent: %w", err)
	}
	return !allowed, nil
}

// mustConfirmError is mustConfirmLeaving for a flow that ends without a code. A user who has just
// denied the request saw the client's address on that page.
func (s *Service) mustConfirmError(state auth.FlowState, b flow.Browser) bool {
	return !state.Flow.Denied && isUntrusted(state.Client, state.Flow.Request.RedirectURI) && !s.allowedIn(state.Tenant.ID, state.Client, b) &&
		!slices.ContainsFunc(state.Browser, func(p auth.SignedInAccount) bool { return p.Consent.Client != "" })
}

// allowedIn reports whether the client got a code in this browser recently.
func (s *Service) allowedIn(tenant auth.TenantID, c auth.Client, b flow.Browser) bool {
	mark := s.allowedMark(tenant, c)
	return slices.ContainsFunc(strings.Split(auth.Clip(b.Allowed, 256), "."), func(v string) bool { return secret.Equal(v, mark) })
}

// addAllowed returns the new cookie of a browser in which the client gets a code, or empty if the
// cookie stays as it is.
func (s *Service) addAllowed(tenant auth.TenantID, c auth.Client, uri string, b flow.Browser) string {
	if !isUntrusted(c, uri) || s.allowedIn(tenant, c, b) {
		return ""
	}
	marks := []string{s.allowedMark(tenant, c)}
	if b.Allowed != "" {
		marks = append(marks, strings.Split(auth.Clip(b.Allowed, 256), ".")...)
	}
	return strings.Join(marks[:min(len(marks), maxAllowed)], ".")
}

// allowedMark returns a mark for the client that only this server can compute.
func (s *Service) allowedMark(tenant auth.TenantID, c auth.Client) string {
	return secret.Encode(secret.MAC(secret.Derive(s.cfg.Root, "allowed client"), []byte(tenant), []byte(c.ID)))[:16]
}
