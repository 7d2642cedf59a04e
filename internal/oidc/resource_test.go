package oidc_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/client"
	"github.com/watchword-auth/watchword/internal/client/clienttest"
	"github.com/watchword-auth/watchword/internal/oauth"
)

// A resource that the operator has opened is available to unknown clients, as clients of MCP need it;
// every other one only to clients registered for it.
func TestOpenResources(t *testing.T) {
	const open, closed = "https://mcp.example.test", "https://orders.example.test"
	p, out := startPublisher(t)
	each(t, func(t *testing.T, h *fixture) {
		path := "/" + t.Name()
		p.Put(path, clienttest.NewDocument(t, p.URL+path, clienttest.Metadata{"redirect_uris": []string{callback}, "token_endpoint_auth_method": "none"}))
		v := h.newBrowser()
		v.signIn(h.alice)
		c := auth.Client{ID: auth.ClientID(p.URL + path)}
		step, err := v.authorize(authorizationPairs(c, "resource", closed)...)
		h.requireErrorRedirect(step, err, "invalid_target")
		step, err = v.authorize(authorizationPairs(c, "resource", open)...)
		h.requireOK(err)
		h.requireStep(step, auth.StepConsent)
		code, _, _ := h.requireCode(v.consent(step, true))
		ts, err := h.redeemCode(c, "", code)
		h.requireOK(err)
		if _, got := h.decodeIDToken(ts.AccessToken); got["aud"] != open || got["client_id"] != string(c.ID) {
			t.Errorf("the token says %v", got)
		}
		if m := h.Metadata(auth.Tenant{ID: tenant}); !slices.Equal(m.Resources, []string{open}) {
			t.Errorf("the metadata names %q", m.Resources)
		}
	}, withDocuments, out, func(c *settings) { c.Resources = []string{open} })
}

// URL libraries write "https://api.test/" for "https://api.test". A client may use any spelling that
// RFC 3986 §6.2.3 calls equal, at every endpoint; the token has the configured one, for verifiers that
// compare exactly.
func TestRepair_B4_EverySpellingOfAResource(t *testing.T) {
	const opened, listed, asks = "https://mcp.example.test", "https://orders.example.test/", "offline_access openid"
	spellings := func(s string) []string {
		host := strings.TrimSuffix(strings.TrimPrefix(s, "https://"), "/")
		return []string{s, "https://" + host, "https://" + host + "/", "https://" + strings.ToUpper(host), "https://" + host + ":443/"}
	}
	each(t, func(t *testing.T, h *fixture) {
		app, clientSecret := h.newWebClient(withFirstParty, func(r *client.Registration) { r.Audiences = []string{listed} })
		job, jobSecret := h.newMachineClient(func(r *client.Registration) {
			r.Audiences, r.Serves = []string{listed}, []string{opened + "/", strings.TrimSuffix(listed, "/")}
		})
		v := h.newBrowser()
		v.signIn(h.alice)
		for _, configured := range []string{opened, listed} {
			for _, requested := range spellings(configured) {
				step, err := v.authorize(authorizationPairs(app, "scope", asks, "resource", requested)...)
				h.requireOK(err)
				code, g, _ := h.requireCode(step)
				if !slices.Equal(g.Resources, []string{configured}) {
					t.Errorf("authorize: %s became %q", requested, g.Resources)
				}
				ts, err := h.redeemCode(app, clientSecret, code, "resource", spellings(configured)[2])
				h.requireOK(err)
				renewed, err := h.refreshTokens(app, clientSecret, ts.RefreshToken, "resource", spellings(configured)[3])
				h.requireOK(err)
				own, err := h.Token(t.Context(), clienttest.Basic(clienttest.Form(t, "grant_type", "client_credentials", "resource", requested), job.ID, jobSecret))
				h.requireOK(err)
				for _, access := range []string{ts.AccessToken, renewed.AccessToken, own.AccessToken} {
					if aud := decodeClaims(t, access)["aud"]; aud != configured {
						t.Errorf("%s became the audience %v", requested, aud)
					}
				}
				seen, err := h.Introspect(t.Context(), clienttest.Basic(clienttest.Form(t, "token", ts.AccessToken), job.ID, jobSecret))
				h.requireOK(err)
				if !seen.Active {
					t.Errorf("%s: the resource server may not introspect", requested)
				}
			}
			_, err := h.Token(t.Context(), clienttest.Basic(clienttest.Form(t, "grant_type", "client_credentials", "resource", strings.TrimSuffix(configured, "/")+"/v1"), job.ID, jobSecret))
			h.requireRefused(err, oauth.InvalidTarget)
		}
		// The issuer's own API is the issuer in every spelling, with its rules.
		for _, requested := range spellings(base) {
			own, err := h.Token(t.Context(), clienttest.Basic(clienttest.Form(t, "grant_type", "client_credentials", "resource", requested), job.ID, jobSecret))
			h.requireOK(err)
			if aud := decodeClaims(t, own.AccessToken)["aud"]; aud != base {
				t.Errorf("%s became the audience %v", requested, aud)
			}
		}
	}, func(c *settings) { c.Resources = []string{opened} })
}

// Token exchange accepts the same spellings, and none of them leads to the issuer's own API.
func TestRepair_B4_ExchangedSpellings(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		m := newExchangeFixture(h, func(r *client.Registration) { r.Audiences = []string{base + "/"} })
		subject, _ := m.issueToken(m.shop.ID, auth.Scope{"openid", "read"}, nil, orders)
		ts, err := m.exchangeToken(m.orders, m.ordersSecret, subject, "resource", "https://BILLING.test:443/")
		h.requireOK(err)
		if aud := decodeClaims(t, ts.AccessToken)["aud"]; aud != billing {
			t.Errorf("the audience is %v", aud)
		}
		for _, requested := range []string{base, base + "/", strings.ToUpper(base), base + ":443"} {
			_, err := m.exchangeToken(m.orders, m.ordersSecret, subject, "audience", requested)
			h.requireRefused(err, oauth.InvalidTarget)
		}
	})
}
