package oidc_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/client"
	"github.com/watchword-auth/watchword/internal/oauth"
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
	}, documents, out, func(c *settings) { c.Resources = []string{open} })
}

// URL libraries write "https://api.test/" for "https://api.test". A client may use any
// spelling that RFC 3986 §6.2.3 calls equal, at every endpoint; what stands in the
// token is the configured one, so that those who compare letter by letter are content.
func TestRepair_B4_EverySpellingOfAResource(t *testing.T) {
	const opened, listed, asks = "https://mcp.example.test", "https://orders.example.test/", "offline_access openid"
	spellings := func(s string) []string {
		host := strings.TrimSuffix(strings.TrimPrefix(s, "https://"), "/")
		return []string{s, "https://" + host, "https://" + host + "/", "https://" + strings.ToUpper(host), "https://" + host + ":443/"}
	}
	each(t, func(t *testing.T, h *house) {
		app, shown := h.app(ours, func(r *client.Registration) { r.Audiences = []string{listed} })
		job, jobSecret := h.machine(func(r *client.Registration) {
			r.Audiences, r.Serves = []string{listed}, []string{opened + "/", strings.TrimSuffix(listed, "/")}
		})
		v := h.visitor()
		v.signIn(h.alice)
		for _, configured := range []string{opened, listed} {
			for _, asked := range spellings(configured) {
				step, err := v.ask(request(app, "scope", asks, "resource", asked)...)
				h.ok(err)
				code, g, _ := h.granted(step)
				if !slices.Equal(g.Resources, []string{configured}) {
					t.Errorf("authorize: %s became %q", asked, g.Resources)
				}
				ts, err := h.redeem(app, shown, code, "resource", spellings(configured)[2])
				h.ok(err)
				renewed, err := h.refresh(app, shown, ts.RefreshToken, "resource", spellings(configured)[3])
				h.ok(err)
				own, err := h.Token(t.Context(), basic(form(t, "grant_type", "client_credentials", "resource", asked), job.ID, jobSecret))
				h.ok(err)
				for _, access := range []string{ts.AccessToken, renewed.AccessToken, own.AccessToken} {
					if aud := full(t, access)["aud"]; aud != configured {
						t.Errorf("%s became the audience %v", asked, aud)
					}
				}
				seen, err := h.Introspect(t.Context(), basic(form(t, "token", ts.AccessToken), job.ID, jobSecret))
				h.ok(err)
				if !seen.Active {
					t.Errorf("%s: the resource server may not introspect", asked)
				}
			}
			_, err := h.Token(t.Context(), basic(form(t, "grant_type", "client_credentials", "resource", strings.TrimSuffix(configured, "/")+"/v1"), job.ID, jobSecret))
			h.refused(err, oauth.InvalidTarget)
		}
		// The issuer's own API is the issuer in whatever spelling, with its rules.
		for _, asked := range spellings(base) {
			own, err := h.Token(t.Context(), basic(form(t, "grant_type", "client_credentials", "resource", asked), job.ID, jobSecret))
			h.ok(err)
			if aud := full(t, own.AccessToken)["aud"]; aud != base {
				t.Errorf("%s became the audience %v", asked, aud)
			}
		}
	}, func(c *settings) { c.Resources = []string{opened} })
}

// The way over token exchange knows the same spellings, and none of them leads to the
// issuer's own API.
func TestRepair_B4_ExchangedSpellings(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		m := newMarket(h, func(r *client.Registration) { r.Audiences = []string{base + "/"} })
		subject, _ := m.issue(m.shop.ID, auth.Scope{"openid", "read"}, nil, orders)
		ts, err := m.exchange(m.orders, m.ordersSecret, subject, "resource", "https://BILLING.test:443/")
		h.ok(err)
		if aud := full(t, ts.AccessToken)["aud"]; aud != billing {
			t.Errorf("the audience is %v", aud)
		}
		for _, asked := range []string{base, base + "/", strings.ToUpper(base), base + ":443"} {
			_, err := m.exchange(m.orders, m.ordersSecret, subject, "audience", asked)
			h.refused(err, oauth.InvalidTarget)
		}
	})
}
