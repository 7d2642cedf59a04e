package oidc_test

import (
	"sync"
	"testing"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
)

// B1: the answer about a device that is sent again shows what was decided.
func TestRepair_B1_DeviceDecisionSentTwice(t *testing.T) {
	for name, allow := range map[string]bool{"allowed": true, "denied": false} {
		t.Run(name, func(t *testing.T) {
			each(t, func(t *testing.T, h *fixture) {
				c := h.newDeviceClient()
				a := h.startDevice(c, "scope", "openid")
				v := h.newDeviceBrowser()
				v.signIn()
				h.requireOK(v.lookUpCode(a.UserCode))
				in := v.formRef()

				var wg sync.WaitGroup
				for range 4 {
					wg.Go(func() {
						step, err := h.DeviceDecide(t.Context(), in, allow)
						if err != nil || step.Kind != auth.StepDone || step.Flow.Denied == allow || step.Client.ID != c.ID {
							t.Errorf("at %s of %s, denied %v, %v", step.Kind, step.Client.ID, step.Flow.Denied, err)
						}
					})
				}
				wg.Wait()
				opposite, err := h.DeviceDecide(t.Context(), in, !allow)

				if err != nil || opposite.Kind != auth.StepDone || opposite.Flow.Denied == allow {
					t.Errorf("the opposite afterwards: %+v, %v", opposite, err)
				}
				if n := len(h.events(auth.EventDeviceApproved)) + len(h.events(auth.EventDeviceDenied)); n != 1 {
					t.Errorf("%d decisions", n)
				}
			}, withUserCodeLimits)
		})
	}
}

// B11: the device page of an old or finished flow asks for a code.
func TestRepair_B11_DevicePage(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		c := h.newDeviceClient()
		v := h.newDeviceBrowser()
		v.signIn()
		h.clock.Advance(time.Hour)
		a := h.startDevice(c, "scope", "openid")
		old := v.step
		h.requireOK(v.lookUpCode(a.UserCode)) // typed into the old page
		v.requireStep(auth.StepDeviceConfirm)
		h.requireOK(v.decide(true))
		v.requireStep(auth.StepDone)

		next, err := h.flows.Continue(t.Context(), tenant, old.Flow.ID, v.b)

		h.requireOK(err)
		h.requireStep(next, auth.StepDeviceCode)
	}, withUserCodeLimits)
}
