package oidc_test

import (
	"strings"
	"testing"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/flow"
	"github.com/watchword-auth/watchword/internal/limit"
	"github.com/watchword-auth/watchword/internal/oauth"
	"github.com/watchword-auth/watchword/internal/oidc"
	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/session"
	"github.com/watchword-auth/watchword/internal/store"
	"github.com/watchword-auth/watchword/internal/store/storetest"
)

// withUserCodeLimits has the limits on wrong codes that a server has by default.
func withUserCodeLimits(c *settings) {
	c.Rates["user_code.ip"] = limit.Rate{Count: 20, Per: 10 * time.Minute}
	c.Rates["user_code.account"] = limit.Rate{Count: 20, Per: time.Hour}
}

// deviceBrowser is a browser on the device page, with the current step.
type deviceBrowser struct {
	*fixture
	b    flow.Browser
	step flow.Step
}

// newDeviceBrowser opens the device page in a new browser.
func (h *fixture) newDeviceBrowser() *deviceBrowser {
	h.t.Helper()
	v := &deviceBrowser{fixture: h, b: flow.Browser{Actor: auth.Actor{IP: "192.0.2.7"}}}
	step, err := h.flows.Start(h.t.Context(), tenant, auth.FlowDevice, v.b)
	h.requireOK(err)
	v.b.Secret, v.step = step.NewBrowser.Reveal(), step
	v.requireStep(auth.StepDeviceCode)
	return v
}

func (v *deviceBrowser) requireStep(kind auth.StepKind) {
	v.t.Helper()
	if v.step.Kind != kind {
		v.t.Fatalf("at %s, want %s", v.step.Kind, kind)
	}
}

// signIn gives the browser a session, as the login page does.
func (v *deviceBrowser) signIn() {
	v.t.Helper()
	var signed session.SignedIn
	v.write(func(tx *store.Tx) (err error) {
		signed.Session, _, err = session.New(session.Config{Lifetimes: storetest.Lifetimes()}).Start(tx, session.Params{Account: v.alice, Client: auth.FirstParty, ACR: "1", AMR: []string{"pwd"}, Cookie: true})
		if err != nil {
			return err
		}
		signed.Account, err = tx.Account(v.alice)
		return err
	})
	v.b.Sessions = append([]session.SignedIn{signed}, v.b.Sessions...)
}

func (v *deviceBrowser) formRef() flow.FormRef {
	return flow.FormRef{Tenant: tenant, Flow: v.step.Flow.ID, CSRF: v.step.CSRF, Browser: v.b}
}

func (v *deviceBrowser) lookUpCode(typed string) error {
	step, err := v.DeviceLookup(v.t.Context(), v.formRef(), typed)
	if err == nil {
		v.step = step
	}
	return err
}

func (v *deviceBrowser) decide(allow bool) error {
	step, err := v.DeviceDecide(v.t.Context(), v.formRef(), allow)
	if err == nil {
		v.step = step
	}
	return err
}

// readDevice reads the stored device authorization.
func (h *fixture) readDevice(a oidc.DeviceAuthorization) (d auth.Device) {
	h.t.Helper()
	h.requireOK(h.db.Read(h.t.Context(), tenant, func(tx *store.Tx) (err error) {
		d, err = tx.Device(secret.Digest(a.DeviceCode.Reveal()))
		return err
	}))
	return d
}

func (h *fixture) requireErrorCode(err error, code string) {
	h.t.Helper()
	if err == nil || !strings.Contains(err.Error(), code) {
		h.t.Errorf("got %v, want %s", err, code)
	}
}

// TestDeviceApproval follows a user through the pages, and the polls of the device meanwhile.
func TestDeviceApproval(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		c := h.newDeviceClient()
		a := h.startDevice(c, "scope", "openid email offline_access")
		v := h.newDeviceBrowser()
		h.requireOK(v.lookUpCode(strings.ToLower(a.UserCode)))
		v.requireStep(auth.StepLogin)
		v.signIn()
		step, err := h.completeSignIn(newFormRef(v.step.Flow.ID, v.b, v.step.CSRF), v.b.Sessions[0].Session.ID)
		h.requireOK(err)
		v.step = step
		v.requireStep(auth.StepDeviceConfirm)
		if v.step.Client.Name != "Television" || v.step.Flow.Request.Scope.String() != "openid email offline_access" || v.step.Accounts[0].Account.ID != h.alice {
			t.Errorf("the page: %+v", v.step)
		}
		_, err = h.pollDevice(c, a.DeviceCode.Reveal())
		h.requireRefused(err, oauth.AuthorizationPending)
		h.requireOK(v.decide(true))
		v.requireStep(auth.StepDone)
		got, err := h.pollDevice(c, a.DeviceCode.Reveal())
		h.requireOK(err)
		if got.Account != h.alice || got.RefreshToken == "" || got.IDToken == "" {
			t.Errorf("tokens: %+v", got.Tokens)
		}
		if _, err := h.tokens.VerifyAudience(t.Context(), tenant, got.AccessToken, h.tokens.UserInfoURL(tenant)); err != nil {
			t.Error(err)
		}
		if ev := h.events(auth.EventDeviceApproved); len(ev) != 1 || ev[0].Account != h.alice || ev[0].Actor.Account() != h.alice || ev[0].Detail["client"] != string(c.ID) {
			t.Errorf("audit events: %+v", ev)
		}
		list, err := h.Consents(t.Context(), tenant, h.alice)
		h.requireOK(err)
		if len(list) != 1 || list[0].Client.ID != c.ID {
			t.Errorf("what the user sees of it: %+v", list)
		}
		h.requireOK(h.RevokeConsent(t.Context(), tenant, h.alice, c.ID, auth.Actor{Kind: auth.ActorAccount, ID: string(h.alice)}))
		if _, err := h.tokens.VerifyAudience(t.Context(), tenant, got.AccessToken, h.tokens.UserInfoURL(tenant)); auth.KindOf(err) != auth.KindUnauthenticated {
			t.Errorf("the device's token after the user revoked the consent: %v", err)
		}
		h.requireOK(v.lookUpCode(a.UserCode)) // sent again
		if n := len(h.events(auth.EventDeviceApproved)); n != 1 {
			t.Errorf("%d approvals", n)
		}
	}, withUserCodeLimits)
}

// The confirmation page shows the address from which the device sent its request.
func TestRepair_H12_FromWhereTheDeviceAsked(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		c := h.newDeviceClient()
		a := h.startDevice(c, "scope", "openid email")
		v := h.newDeviceBrowser()
		h.requireOK(v.lookUpCode(a.UserCode))
		if got := v.step.Flow.Request.DeviceIP; got != "192.0.2.1" {
			t.Errorf("requested from %q", got)
		}
	}, withUserCodeLimits)
}

func TestDeviceDenied(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		c := h.newDeviceClient()
		a := h.startDevice(c)
		v := h.newDeviceBrowser()
		v.signIn()
		h.requireOK(v.lookUpCode(a.UserCode))
		v.requireStep(auth.StepDeviceConfirm)
		h.requireOK(v.decide(false))
		v.requireStep(auth.StepDone)
		if !v.step.Flow.Denied {
			t.Error("the step does not say that it was a no")
		}
		_, err := h.pollDevice(c, a.DeviceCode.Reveal())
		h.requireRefused(err, oauth.AccessDenied)
		if list, err := h.Consents(t.Context(), tenant, h.alice); err != nil || len(list) != 0 {
			t.Errorf("remembered: %+v, %v", list, err)
		}
		if ev := h.events(auth.EventDeviceDenied); len(ev) != 1 || ev[0].Account != h.alice {
			t.Errorf("audit events: %+v", ev)
		}
	}, withUserCodeLimits)
}

// An approval that is revoked before the device polls has no effect.
func TestDeviceApprovalTakenBack(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		c := h.newDeviceClient()
		a := h.startDevice(c)
		v := h.newDeviceBrowser()
		v.signIn()
		h.requireOK(v.lookUpCode(a.UserCode))
		h.requireOK(v.decide(true))
		h.requireOK(h.RevokeConsent(t.Context(), tenant, h.alice, c.ID, auth.Actor{Kind: auth.ActorAccount, ID: string(h.alice)}))
		_, err := h.pollDevice(c, a.DeviceCode.Reveal())
		h.requireRefused(err, oauth.InvalidGrant)
	}, withUserCodeLimits)
}

func TestAttack_TK_35_GuessingUserCodes(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		a := h.startDevice(h.newDeviceClient())
		v := h.newDeviceBrowser()
		for i := range 20 {
			if i%2 == 1 {
				v = h.newDeviceBrowser() // a fresh browser at the same address
			}
			h.requireErrorCode(v.lookUpCode("BCDF-BCDF"), "user_code_invalid")
		}
		h.requireErrorCode(v.lookUpCode("BCDF-BCDF"), "rate_limited")
		h.requireErrorCode(v.lookUpCode(a.UserCode), "rate_limited") // nothing is learned by going on
		h.requireErrorCode(h.newDeviceBrowser().lookUpCode("nonsense"), "rate_limited")
		elsewhere := h.newDeviceBrowser()
		elsewhere.b.Actor.IP = "192.0.2.8"
		h.requireOK(elsewhere.lookUpCode(a.UserCode))

		t.Run("by account from many addresses", func(t *testing.T) {
			v := h.newDeviceBrowser()
			v.signIn()
			guess := func(i int) error {
				v.b.Actor.IP = "198.51.100." + string(rune('0'+i%10)) + string(rune('0'+i/10))
				return v.lookUpCode("BCDF-BCDF")
			}
			for i := range 20 {
				h.requireErrorCode(guess(i+10), "user_code_invalid")
			}
			h.requireErrorCode(guess(40), "rate_limited")
		})
		t.Run("right codes are free", func(t *testing.T) {
			v := h.newDeviceBrowser()
			v.b.Actor.IP = "192.0.2.9"
			for range 40 {
				h.requireOK(v.lookUpCode(a.UserCode))
			}
			h.requireErrorCode(v.lookUpCode("BCDF-BCDF"), "user_code_invalid")
		})
	}, withUserCodeLimits)
}

// TK-36: knowledge of a user code alone approves nothing.
func TestAttack_TK_36_NothingIsApprovedByItself(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		c := h.newDeviceClient()
		waits := func(a oidc.DeviceAuthorization) {
			t.Helper()
			if d := h.readDevice(a); d.Status != auth.DevicePending {
				t.Fatalf("the device is %s", d.Status)
			}
		}
		t.Run("without a sign-in", func(t *testing.T) {
			a, v := h.startDevice(c), h.newDeviceBrowser()
			h.requireOK(v.decide(true)) // before the code
			v.requireStep(auth.StepDeviceCode)
			h.requireOK(v.lookUpCode(a.UserCode))
			h.requireOK(v.decide(true))
			v.requireStep(auth.StepLogin)
			waits(a)
		})
		t.Run("without the page", func(t *testing.T) {
			a, v := h.startDevice(c), h.newDeviceBrowser()
			h.requireOK(v.lookUpCode(a.UserCode))
			v.signIn() // elsewhere in the same browser; nobody has signed in within this flow
			h.requireOK(v.decide(true))
			v.requireStep(auth.StepDeviceConfirm)
			waits(a)
		})
		t.Run("without the page's MAC", func(t *testing.T) {
			a, v := h.startDevice(c), h.newDeviceBrowser()
			v.signIn()
			h.requireOK(v.lookUpCode(a.UserCode))
			v.requireStep(auth.StepDeviceConfirm)
			other := h.newDeviceBrowser()
			for _, csrf := range []string{"", "x", other.step.CSRF} {
				in := v.formRef()
				in.CSRF = csrf
				_, err := h.DeviceDecide(t.Context(), in, true)
				h.requireErrorCode(err, "cross_site")
				_, err = h.DeviceLookup(t.Context(), in, a.UserCode)
				h.requireErrorCode(err, "cross_site")
			}
			waits(a)
		})
		t.Run("in another browser", func(t *testing.T) {
			a, v, thief := h.startDevice(c), h.newDeviceBrowser(), h.newDeviceBrowser()
			v.signIn()
			h.requireOK(v.lookUpCode(a.UserCode))
			in := thief.formRef()
			in.Flow = v.step.Flow.ID
			_, err := h.DeviceDecide(t.Context(), in, true)
			h.requireErrorCode(err, "cross_site")
			waits(a)
		})
		t.Run("after the session has ended", func(t *testing.T) {
			a, v := h.startDevice(c), h.newDeviceBrowser()
			v.signIn()
			h.requireOK(v.lookUpCode(a.UserCode))
			v.requireStep(auth.StepDeviceConfirm)
			h.write(func(tx *store.Tx) error { return tx.EndSession(h.alice, v.b.Sessions[0].Session.ID, auth.EndLogout) })
			h.requireOK(v.decide(true))
			v.requireStep(auth.StepLogin)
			waits(a)
		})
		t.Run("when the code is too old", func(t *testing.T) {
			a, v := h.startDevice(c), h.newDeviceBrowser()
			v.signIn()
			h.requireOK(v.lookUpCode(a.UserCode))
			h.clock.Advance(10 * time.Minute)
			h.requireErrorCode(v.decide(true), "user_code_invalid")
			h.requireErrorCode(v.lookUpCode(a.UserCode), "user_code_invalid")
			waits(a)
		})
		t.Run("twice", func(t *testing.T) {
			a, v, again := h.startDevice(c), h.newDeviceBrowser(), h.newDeviceBrowser()
			v.signIn()
			again.b.Sessions = v.b.Sessions
			h.requireOK(v.lookUpCode(a.UserCode))
			h.requireOK(again.lookUpCode(a.UserCode))
			h.requireOK(v.decide(false))
			h.requireErrorCode(again.decide(true), "user_code_invalid")
			h.requireErrorCode(h.newDeviceBrowser().lookUpCode(a.UserCode), "user_code_invalid")
			if d := h.readDevice(a); d.Status != auth.DeviceDenied {
				t.Errorf("the device is %s after a no and a yes", d.Status)
			}
		})
	}, withUserCodeLimits)
}
