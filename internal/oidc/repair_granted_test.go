package oidc_test

import (
	"testing"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/client"
	"github.com/watchword-auth/watchword/internal/oauth"
	"github.com/watchword-auth/watchword/internal/oidc"
	"github.com/watchword-auth/watchword/internal/store"
)

const write = "orders:write" // a permission of the role "clerk"

func withWriteScope(r *client.Registration) { r.Scopes = []string{"openid", "email", write} }

func (h *fixture) insertClerkRole() {
	h.t.Helper()
	h.write(func(tx *store.Tx) error {
		if err := tx.InsertRole(auth.Role{ID: "clerk", Name: "clerk", CreatedAt: tx.Now}); err != nil {
			return err
		}
		if err := tx.PutPermission(auth.Permission{Name: write, CreatedAt: tx.Now}); err != nil {
			return err
		}
		_, err := tx.AddRolePermission("clerk", write)
		return err
	})
}

// assignClerkRole assigns the role to alice, or unassigns it.
func (h *fixture) assignClerkRole(is bool) {
	h.t.Helper()
	h.write(func(tx *store.Tx) (err error) {
		if is {
			_, err = tx.AssignRole(h.alice, "clerk")
		} else {
			_, err = tx.UnassignRole(h.alice, "clerk")
		}
		return err
	})
}

// Approval allows what the page has shown; scopes that became possible since need consent first.
func TestRepair_S1_ConsentToWhatWasShown(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		h.insertClerkRole()
		c, clientSecret := h.newWebClient(withWriteScope)
		v := h.newBrowser()
		v.signIn(h.alice)
		page, err := v.authorize(authorizationPairs(c, "scope", "openid "+write)...)
		h.requireOK(err)
		h.requireStep(page, auth.StepConsent)
		if got := page.Consent.Scope.String(); got != "openid" {
			t.Fatalf("shown %q", got)
		}

		h.assignClerkRole(true)
		again := v.consent(page, true)
		h.requireStep(again, auth.StepConsent)
		if got := again.Consent.Scope.String(); got != "openid "+write {
			t.Errorf("shown again %q", got)
		}
		if list, err := h.Consents(t.Context(), tenant, h.alice); err != nil || len(list) != 0 {
			t.Errorf("remembered %+v, %v", list, err)
		}
		h.requireStep(v.consent(page, true), auth.StepConsent)
		forged := again
		forged.CSRF = page.CSRF[:len(page.CSRF)-1]
		h.requireStep(v.consent(forged, true), auth.StepConsent)

		code, _, _ := h.requireCode(v.consent(again, true))
		ts, err := h.redeemCode(c, clientSecret, code)
		h.requireOK(err)
		if got := ts.Scope.String(); got != "openid "+write {
			t.Errorf("granted %q", got)
		}
		next, err := v.authorize(authorizationPairs(c, "scope", "openid email")...)
		h.requireOK(err)
		h.requireErrorRedirect(v.consent(next, false), nil, "access_denied")
	})
}

// The same for a device, whose code outlives the page.
func TestRepair_S1_DeviceGetsWhatWasShown(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		h.insertClerkRole()
		open := func(c auth.Client, scope string) (*deviceBrowser, oidc.DeviceAuthorization) {
			t.Helper()
			a, v := h.startDevice(c, "scope", scope), h.newDeviceBrowser()
			v.signIn()
			h.requireOK(v.lookUpCode(a.UserCode))
			v.requireStep(auth.StepDeviceConfirm)
			return v, a
		}
		wantScope := func(c auth.Client, a oidc.DeviceAuthorization, want string) {
			t.Helper()
			got, err := h.pollDevice(c, a.DeviceCode.Reveal())
			h.requireOK(err)
			if got.Scope.String() != want {
				t.Errorf("granted %q, want %q", got.Scope, want)
			}
		}
		for _, party := range []func(*client.Registration){withFirstParty, func(*client.Registration) {}} {
			c := h.newDeviceClient(withWriteScope, party)

			// Between the page and the approval.
			v, a := open(c, "openid "+write)
			h.assignClerkRole(true)
			h.requireOK(v.decide(true))
			v.requireStep(auth.StepDeviceConfirm)
			if d := h.readDevice(a); d.Status != auth.DevicePending || v.step.Flow.Request.Scope.String() != "openid "+write {
				t.Errorf("the device is %s, shown %q", d.Status, v.step.Flow.Request.Scope)
			}
			h.requireOK(v.decide(true))
			wantScope(c, a, "openid "+write)

			// Between the approval and the poll, although the client had it before.
			h.assignClerkRole(false)
			v, a = open(c, "openid "+write)
			h.requireOK(v.decide(true))
			h.assignClerkRole(true)
			wantScope(c, a, "openid")

			// Another device in another tab of the same flow.
			v, a = open(c, "openid")
			page := v.formRef()
			b := h.startDevice(c, "scope", "openid email")
			h.requireOK(v.lookUpCode(b.UserCode))
			step, err := h.DeviceDecide(t.Context(), page, true)
			h.requireOK(err)
			h.requireStep(step, auth.StepDeviceConfirm)
			if h.readDevice(a).Status != auth.DevicePending || h.readDevice(b).Status != auth.DevicePending {
				t.Error("a yes to one device approved another")
			}

			// No permission for any of the scope.
			h.assignClerkRole(false)
			v, a = open(c, write)
			h.requireOK(v.decide(true))
			v.requireStep(auth.StepDone)
			_, err = h.pollDevice(c, a.DeviceCode.Reveal())
			h.requireRefused(err, oauth.AccessDenied)
		}
	}, withUserCodeLimits)
}

// The scopes of the issuer's own API are granted only to a request that names them.
func TestRepair_R3_ReservedScopesByName(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		reserved := func(r *client.Registration) {
			r.Scopes = []string{"openid", "email", "offline_access", auth.ScopeAccount, auth.AdminPermission}
		}
		c, clientSecret := h.newWebClient(withFirstParty, reserved)
		ts, err := h.redeemCode(c, clientSecret, h.newCode(c, "scope", ""))
		h.requireOK(err)
		if got := ts.Scope.String(); got != "email" {
			t.Errorf("a code without scope: %q", got)
		}
		ts, err = h.redeemCode(c, clientSecret, h.newCode(c, "scope", "openid "+auth.ScopeAccount))
		h.requireOK(err)
		if got := ts.Scope.String(); got != "openid "+auth.ScopeAccount {
			t.Errorf("a code: %q", got)
		}
		d := h.newDeviceClient(withFirstParty, reserved)
		if got := h.readDevice(h.startDevice(d)).Scope.String(); got != "email" {
			t.Errorf("a device without scope: %q", got)
		}
		if got := h.readDevice(h.startDevice(d, "scope", auth.ScopeAccount)).Scope.String(); got != auth.ScopeAccount {
			t.Errorf("a device: %q", got)
		}
	})
}
