package oidc_test

import (
	"os"
	"regexp"
	"slices"
	"testing"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/client"
	"github.com/watchword-auth/watchword/internal/client/clienttest"
	"github.com/watchword-auth/watchword/internal/flow"
	"github.com/watchword-auth/watchword/internal/oauth"
	"github.com/watchword-auth/watchword/internal/store"
)

// Rights that were removed from a client are in no token of an issued code or refresh token.
func TestRepair_H11_TakenFromTheClient(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		app, clientSecret := h.newWebClient(withFirstParty, func(r *client.Registration) { r.Audiences = []string{orders, billing} })
		audiences := func(list ...string) {
			h.changeClient(app, func(c *auth.Client) { c.Settings.Audiences = list })
		}
		aud := func(ts auth.Tokens) any { return decodeClaims(t, ts.AccessToken)["aud"] }
		code := func(resource string) string {
			return h.newCode(app, "scope", "openid offline_access", "resource", resource)
		}

		// A resource, after a code was issued: nothing is issued, least of all for the issuer, and nothing is
		// consumed.
		c := code(billing)
		audiences(orders)
		_, err := h.redeemCode(app, clientSecret, c)
		h.requireRefused(err, oauth.InvalidTarget)
		audiences(orders, billing)
		ts, err := h.redeemCode(app, clientSecret, c)
		h.requireOK(err)
		if aud(ts) != billing {
			t.Errorf("aud %v", aud(ts))
		}

		// A resource, after a refresh token was issued.
		audiences(orders)
		_, err = h.refreshTokens(app, clientSecret, ts.RefreshToken)
		h.requireRefused(err, oauth.InvalidTarget)
		_, err = h.refreshTokens(app, clientSecret, ts.RefreshToken, "resource", billing)
		h.requireRefused(err, oauth.InvalidTarget)
		audiences(orders, billing)
		ts, err = h.refreshTokens(app, clientSecret, ts.RefreshToken)
		h.requireOK(err)

		// The redirect URI, the grant, and the format and scope of the next token.
		c = code(billing)
		h.changeClient(app, func(c *auth.Client) { c.RedirectURIs = []string{"https://elsewhere.test/cb"} })
		_, err = h.redeemCode(app, clientSecret, c)
		h.requireRefused(err, oauth.InvalidGrant)
		h.changeClient(app, func(c *auth.Client) {
			c.Scopes, c.Settings.TokenFormat = []string{"email", "offline_access"}, "opaque"
		})
		ts, err = h.refreshTokens(app, clientSecret, ts.RefreshToken)
		h.requireOK(err)
		if ts.Scope.String() != "offline_access" || ts.IDToken != "" || ts.AccessToken[:4] != "wwt_" {
			t.Errorf("scope %q, ID Token %q, %q", ts.Scope, ts.IDToken, ts.AccessToken)
		}
		h.changeClient(app, func(c *auth.Client) { c.Settings.Grants = []auth.GrantType{auth.GrantAuthorizationCode} })
		_, err = h.refreshTokens(app, clientSecret, ts.RefreshToken)
		h.requireRefused(err, oauth.UnauthorizedClient)
	})
}

// Of several resources the others stay.
func TestRepair_H11_OneOfTwoResources(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		app, clientSecret := h.newWebClient(withFirstParty, func(r *client.Registration) { r.Audiences = []string{orders, billing} })
		v := h.newBrowser()
		v.signIn(h.alice)
		step, err := v.authorize(append(authorizationPairs(app, "scope", "openid offline_access", "resource", orders), "resource", billing)...)
		h.requireOK(err)
		code, _, _ := h.requireCode(step)
		ts, err := h.redeemCode(app, clientSecret, code)
		h.requireOK(err)
		h.changeClient(app, func(c *auth.Client) { c.Settings.Audiences = []string{orders} })
		next, err := h.refreshTokens(app, clientSecret, ts.RefreshToken)
		h.requireOK(err)
		if aud := decodeClaims(t, next.AccessToken)["aud"]; aud != orders {
			t.Errorf("aud %v", aud)
		}
	})
}

// Authentication contexts can be requested; for others the response names the one that was reached. An essential
// one is reached by a further factor, and refused where there can be none. The guide lists only reachable ones.
func TestRepair_N1_ReachableContexts(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		app, clientSecret := h.newWebClient(withFirstParty)
		ts, err := h.redeemCode(app, clientSecret, h.newCode(app, "acr_values", "2 urn:x"))
		h.requireOK(err)
		if acr := decodeClaims(t, ts.AccessToken)["acr"]; acr != auth.AssuranceOneFactor.ACR() {
			t.Errorf("acr %v", acr)
		}
		v := h.newBrowser()
		v.signIn(h.alice)
		essential := func(acr string) (flow.Step, error) {
			return v.authorize(authorizationPairs(app, "claims", `{"id_token":{"acr":{"essential":true,"values":["`+acr+`"]}}}`)...)
		}
		step, err := essential("urn:x")
		h.requireErrorRedirect(step, err, "unmet_authentication_requirements")
		step, err = essential("2")
		h.requireOK(err)
		h.requireStep(step, auth.StepEnrol)
		h.write(func(tx *store.Tx) error {
			self, err := tx.CurrentTenant()
			if err != nil {
				return err
			}
			self.Settings.Factors.Policy = auth.FactorsOff
			return tx.UpdateCurrentTenant(self)
		})
		step, err = essential("2")
		h.requireErrorRedirect(step, err, "unmet_authentication_requirements")
		if m := h.Metadata(auth.Tenant{ID: tenant}); !slices.Equal(m.ACR, auth.ACRs) {
			t.Errorf("the metadata lists %q", m.ACR)
		}
	})
	guide, err := os.ReadFile("../../docs/guard.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`guard\.ACR\("([^"]*)"\)`).FindAllSubmatch(guide, -1) {
		if !slices.Contains(auth.ACRs, string(m[1])) {
			t.Errorf("docs/guard.md requires acr %q, which no sign-in reaches", m[1])
		}
	}
}

// A claim that was requested by name is withdrawn with its scope.
func TestRepair_H11_ClaimsByName(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		c, clientSecret := h.newWebClient(withFirstParty)
		take := func(scopes ...string) {
			h.changeClient(c, func(c *auth.Client) { c.Scopes = scopes })
		}
		check := func(ts auth.Tokens, err error, want any) auth.Tokens {
			t.Helper()
			h.requireOK(err)
			_, id := h.decodeIDToken(ts.IDToken)
			for where, got := range map[string]clienttest.Claims{"ID Token": id, "userinfo": h.userInfo(ts.AccessToken)} {
				if got["email"] != want {
					t.Errorf("%s says %v, want %v", where, got["email"], want)
				}
			}
			return ts
		}
		request := func() string {
			return h.newCode(c, "scope", "openid offline_access", "claims", `{"userinfo":{"email":null},"id_token":{"email":null}}`)
		}
		before, err := h.redeemCode(c, clientSecret, request())
		before = check(before, err, "alice@example.test")
		code := request()

		take("openid", "offline_access")
		ts, err := h.redeemCode(c, clientSecret, code)
		check(ts, err, nil)
		ts, err = h.refreshTokens(c, clientSecret, before.RefreshToken)
		ts = check(ts, err, nil)
		if got := h.userInfo(before.AccessToken); got["email"] != nil {
			t.Errorf("the token from before says %v", got)
		}

		take("openid", "offline_access", "email")
		ts, err = h.refreshTokens(c, clientSecret, ts.RefreshToken)
		check(ts, err, "alice@example.test")
	})
}

// Rights that were removed from a machine are not in a token that it gets by exchange.
func TestRepair_H11_MachineExchanges(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		m := newExchangeFixture(h)
		ts, err := h.requestClientCredentials(m.orders, m.ordersSecret)
		h.requireOK(err)
		c := h.changeClient(m.orders, func(c *auth.Client) { c.Scopes = []string{"read"} })
		got, err := m.exchangeToken(c, m.ordersSecret, ts.AccessToken)
		h.requireOK(err)
		if got.Scope.String() != "read" || decodeClaims(t, got.AccessToken)["scope"] != "read" {
			t.Errorf("exchanged for %q", got.Scope)
		}
		events := h.events(auth.EventTokenIssued)
		if !slices.ContainsFunc(events, func(e auth.Event) bool {
			return e.Detail["grant"] == string(auth.GrantTokenExchange) && e.Detail["scope"] == "read"
		}) {
			t.Errorf("audit events %+v", events)
		}
	})
}
