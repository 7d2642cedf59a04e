package flow_test

import (
	"testing"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/flow"
)

// B11: pages and forms of an expired flow lead to one new flow of the same kind, in the same browser
// and tenant, for a day.
func TestRepair_B11_ExpiredFlowContinues(t *testing.T) {
	for kind, want := range map[auth.FlowKind]auth.StepKind{auth.FlowAccount: auth.StepLogin, auth.FlowDevice: auth.StepDeviceCode} {
		t.Run(string(kind), func(t *testing.T) {
			each(t, func(t *testing.T, h *fixture) {
				b := newBrowser()
				step, err := h.Start(t.Context(), tenant, kind, b)
				h.requireStep(step, err, want)
				h.clock.Advance(flow.Lifetime)

				page, err := h.Continue(t.Context(), tenant, step.Flow.ID, b)
				h.requireStep(page, err, want)
				again, err := h.Continue(t.Context(), tenant, step.Flow.ID, b)
				h.requireStep(again, err, want)
				form, err := h.CheckForm(t.Context(), formRef(step, b))
				h.requireOK(err)

				if page.Flow.ID == step.Flow.ID || again.Flow.ID != page.Flow.ID || form.ID != page.Flow.ID || page.Flow.Kind != kind {
					t.Errorf("%s continues as %s, %s and %s", step.Flow.ID, page.Flow.ID, again.Flow.ID, form.ID)
				}
				_, err = h.Continue(t.Context(), tenant, step.Flow.ID, newBrowser())
				h.requireRefused(err, auth.CodeFlowOver)
				_, err = h.Continue(t.Context(), "other", step.Flow.ID, b)
				h.requireRefused(err, auth.CodeFlowOver)
				h.clock.Advance(flow.Retention - flow.Lifetime)
				_, err = h.Continue(t.Context(), tenant, step.Flow.ID, b)
				h.requireRefused(err, auth.CodeFlowOver)
			})
		})
	}
}

// B11: a choice on an old page counts in the new flow.
func TestRepair_B11_ChoiceOnAnOldPage(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		alice, bob := h.signIn("alice@example.test"), h.signIn("bob@example.test")
		b := newBrowser(alice, bob)
		step, err := h.Start(t.Context(), tenant, auth.FlowAccount, b)
		h.requireStep(step, err, auth.StepDone)
		h.clock.Advance(flow.Lifetime + time.Minute)
		in := formRef(step, b)

		chosen, err := h.Choose(t.Context(), in, bob.Session.ID)

		h.requireStep(chosen, err, auth.StepDone)
		if chosen.Flow.ID == step.Flow.ID || chosen.Flow.Session != bob.Session.ID || !chosen.Flow.ProvedAt.IsZero() {
			t.Errorf("chose %+v", chosen.Flow)
		}
		in.CSRF = ""
		_, err = h.Choose(t.Context(), in, bob.Session.ID)
		h.requireRefused(err, auth.CodeCrossSite)
	})
}
