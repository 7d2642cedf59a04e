package oidc_test

import (
	"slices"
	"testing"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/oidc"
)

// A resource that the operator has opened is there for clients that nobody knows, as a
// client of MCP needs it; every other one stays with those it is registered for.
func TestOpenResources(t *testing.T) {
	const open, shut = "https://mcp.example.test", "https://orders.example.test"
	p, out := publish(t)
	each(t, func(t *testing.T, h *house) {
		path := "/" + t.Name()
		p.put(path, document(t, p.URL+path, metadata{"redirect_uris": []string{callback}, "token_endpoint_auth_method": "none"}))
		v := h.visitor()
		v.signIn(h.alice)
		c := auth.Client{ID: auth.ClientID(p.URL + path)}
		step, err := v.ask(request(c, "resource", shut)...)
		h.told(step, err, "invalid_target")
		step, err = v.ask(request(c, "resource", open)...)
		h.ok(err)
		h.at(step, auth.StepConsent)
		code, _, _ := h.granted(v.consent(step, true))
		ts, err := h.redeem(c, "", code)
		h.ok(err)
		if _, got := h.opened(ts.AccessToken); got["aud"] != open || got["client_id"] != string(c.ID) {
			t.Errorf("the token says %v", got)
		}
		if m := h.Metadata(auth.Tenant{ID: tenant}); !slices.Equal(m.Resources, []string{open}) {
			t.Errorf("the metadata names %q", m.Resources)
		}
	}, documents, out, func(c *oidc.Config) { c.Resources = []string{open} })
}
