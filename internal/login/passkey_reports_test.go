package login_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/flow"
	"github.com/watchword-auth/watchword/internal/login"
)

// These tests try what users of other servers reported about passkeys. Each names its report.

// TestReported_BackupEligibility: a passkey still signs in after it began to be synced, and after a password
// manager reports that differently (github.com/supabase/auth/issues/2732, github.com/pocket-id/pocket-id/issues/397).
func TestReported_BackupEligibility(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		a := h.insertAccount("ann@example.test", good)
		k := newAuthenticator()
		h.addPasskey(a, k)
		for i, c := range []struct {
			synced bool
			acr    string
		}{{false, "phrh"}, {true, "phr"}, {false, "phr"}} {
			k.Synced = c.synced
			if e, err := (&browser{h: h}).signInPasskey(k); err != nil || e.Session.ACR != c.acr {
				t.Errorf("%d: acr %q, %v", i, e.Session.ACR, err)
			}
		}
	})
}

// TestReported_NoUserHandle: as a second factor, a passkey need not name its user; security keys and telephones
// leave that out or empty (github.com/teamhanko/hanko/pull/153, github.com/w3c/webauthn/issues/1892).
func TestReported_NoUserHandle(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		a := h.insertAccount("ann@example.test", good)
		k := newAuthenticator()
		h.addPasskey(a, k)
		for _, handle := range [][]byte{nil, {}} {
			k.NoHandle, k.Handle = handle == nil, handle
			p, _ := (&browser{h: h}).beginSignIn("ann@example.test", false)
			if e, err := h.SignInPasskey(t.Context(), h.passkeyForm(p.form, login.PasskeyFactor, a.ID, k)); err != nil || e.Session.Account != a.ID {
				t.Errorf("second factor, handle %v: %v", handle, err)
			}
			_, err := (&browser{h: h}).signInPasskey(k)
			h.requireRefused(err, "invalid_passkey")
		}
	})
}

// TestReported_PageShownAgain: a page that is shown again, in another tab or by a reload, does not end the request
// that its first copy has open (github.com/zitadel/zitadel/issues/12495, github.com/antiwork/gumroad/pull/5509).
func TestReported_PageShownAgain(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		a := h.insertAccount("ann@example.test", good)
		k := newAuthenticator()
		h.addPasskey(a, k)
		form := h.newSignInForm(flow.Browser{Actor: browserActor})
		first := h.passkeyForm(form, login.PasskeySignIn, "", k)
		shown := h.options(form, login.PasskeySignIn, "")
		if again := h.options(form, login.PasskeySignIn, ""); !bytes.Equal(shown, again) {
			t.Error("the page has other options when it is shown again")
		}
		_, err := h.SignInPasskey(t.Context(), first)
		h.requireOK(err)
	})
}

// TestReported_NoPassword: an account without a password signs in with its passkey, and is asked for nothing more,
// whatever the policy (github.com/keycloak/keycloak/issues/40717, github.com/goauthentik/authentik/issues/15890).
func TestReported_NoPassword(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		a := h.insertAccount("ann@example.test", "")
		k := newAuthenticator()
		h.addPasskey(a, k)
		for _, policy := range auth.FactorPolicies {
			h.setPolicy(func(p *auth.FactorSettings) { p.Policy = policy })
			if e, err := (&browser{h: h}).signInPasskey(k); err != nil || e.Step.Kind != auth.StepDone || e.Session.Account != a.ID {
				t.Errorf("%s: at %s, %v", policy, e.Step.Kind, err)
			}
		}
	})
}

// TestReported_BackToThePassword: who has a password can remove every passkey, and signs in with the password
// (github.com/vjt/grappa-irc/issues/721, github.com/gravitational/teleport/pull/41771).
func TestReported_BackToThePassword(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		a := h.insertAccount("ann@example.test", good)
		for range 3 {
			h.addPasskey(a, newAuthenticator())
		}
		list, err := h.Passkeys(t.Context(), tenant, a.ID)
		h.requireOK(err)
		for _, f := range list.List {
			h.requireOK(h.RemoveFactor(t.Context(), tenant, f.ID, owner(a)))
		}
		h.requireOK(h.signInPassword("ann@example.test", good))
	})
}

// TestReported_Transports: the request names the transports that the authenticator reported, and no others.
// Password managers ignore requests for security keys only (github.com/NodeBB/nodebb-plugin-2factor/pull/123).
func TestReported_Transports(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		a := h.insertAccount("ann@example.test", good)
		h.addPasskey(a, newAuthenticator())
		p, _ := (&browser{h: h}).beginSignIn("ann@example.test", false)
		options := string(h.options(p.form, login.PasskeyFactor, a.ID))
		if !strings.Contains(options, `"transports":["internal","hybrid"]`) {
			t.Error(options)
		}
	})
}

// TestReported_DiscoverabilityNotReported: a passkey of which the browser reported nothing counts as one that can sign in
// by itself once it has
// (github.com/authelia/authelia/pull/9278).
func TestReported_DiscoverabilityNotReported(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		a := h.insertAccount("ann@example.test", "")
		first, second := newAuthenticator(), newAuthenticator()
		first.FindsByID, second.FindsByID = true, true
		f := h.addPasskey(a, first)
		h.addPasskey(a, second)
		h.requireRefused(h.RemoveFactor(t.Context(), tenant, f.ID, owner(a)), "last_passkey")
		_, err := (&browser{h: h}).signInPasskey(second)
		h.requireOK(err)
		h.requireOK(h.RemoveFactor(t.Context(), tenant, f.ID, owner(a)))
	})
}
