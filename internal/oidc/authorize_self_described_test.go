package oidc_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/client"
	"github.com/watchword-auth/watchword/internal/client/clienttest"
	"github.com/watchword-auth/watchword/internal/flow"
	"github.com/watchword-auth/watchword/internal/oauth"
)

// withResourceScopes configures two resources, one of them with scopes.
const mcp = "https://mcp.example.test"

func withResourceScopes(c *settings) {
	c.Resources = []string{mcp, "https://other.example.test"}
	c.client.ResourceScopes = map[string][]string{mcp: {"orders:read", "orders:write"}, "https://other.example.test": nil}
}

// Every client can have the scopes of an open resource, with consent, in tokens for that resource
// only: neither for the issuer, nor for another resource, nor for both.
func TestRepair_B2_ScopesThatGoWithAResource(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		v := h.newBrowser()
		v.signIn(h.alice)
		c, _ := h.newClient(client.Registration{Name: "Stranger", Type: auth.ClientNative, RedirectURIs: []string{callback}, Scopes: auth.DefaultScope,
			ClientSettings: auth.ClientSettings{Grants: []auth.GrantType{auth.GrantAuthorizationCode, auth.GrantRefreshToken, auth.GrantDeviceCode}}})
		begin := func(more ...string) (flow.Step, error) {
			return v.authorize(authorizationPairs(c, append([]string{"scope", "orders:read orders:write offline_access", "state", "s"}, more...)...)...)
		}
		step, err := begin("resource", mcp)
		h.requireOK(err)
		h.requireStep(step, auth.StepConsent)
		if want := (auth.Scope{"orders:read", "orders:write", "offline_access"}); !slices.Equal(step.Consent.New, want) || !slices.Equal(step.Consent.Resources, []string{mcp}) {
			t.Errorf("the consent page shows %q at %q", step.Consent.New, step.Consent.Resources)
		}
		code, _, _ := h.requireCode(v.consent(step, true))
		ts, err := h.redeemCode(c, "", code)
		h.requireOK(err)
		for range 2 {
			if got := decodeClaims(t, ts.AccessToken); got["scope"] != "orders:read orders:write offline_access" || got["aud"] != mcp {
				t.Errorf("the token has scope %v for %v", got["scope"], got["aud"])
			}
			ts, err = h.refreshTokens(c, "", ts.RefreshToken)
			h.requireOK(err)
		}
		for name, more := range map[string][]string{
			"no resource": nil, "the issuer": {"resource", base}, "another resource": {"resource", "https://other.example.test"},
			"both": {"resource", mcp, "resource", "https://other.example.test"}, "with the issuer": {"resource", mcp, "resource", base},
		} {
			step, err := begin(more...)
			if err == nil && step.Kind == auth.StepAnswer { // nothing of it is left, or it was allowed before
				continue
			}
			h.requireOK(err)
			h.requireStep(step, auth.StepConsent)
			if step.Consent.Scope.Has("orders:read") || step.Consent.Scope.Has("orders:write") {
				t.Errorf("%s: the consent page shows %q", name, step.Consent.Scope)
			}
		}
		_, err = h.AuthorizeDevice(t.Context(), clienttest.Form(t, "client_id", string(c.ID), "scope", "orders:read", "resource", mcp))
		h.requireOK(err)
		_, err = h.AuthorizeDevice(t.Context(), clienttest.Form(t, "client_id", string(c.ID), "scope", "orders:read"))
		h.requireRefused(err, oauth.InvalidScope)
	}, withResourceScopes)
}

// An unusable optional value in a document is ignored, and the refusal of an invalid document names
// the reason.
func TestRepair_B2_Documents(t *testing.T) {
	p, out := startPublisher(t)
	each(t, func(t *testing.T, h *fixture) {
		v := h.newBrowser()
		v.signIn(h.alice)
		for name, more := range map[string]clienttest.Metadata{
			"scope": {"scope": "mcp:tools"}, "uri": {"client_uri": "http://localhost:6274"}, "implicit": {"grant_types": []string{"authorization_code", "implicit"}},
			"loopback": {"redirect_uris": []string{callback, "http://localhost/callback"}},
		} {
			path := "/" + t.Name() + "/" + name
			m := clienttest.Metadata{"redirect_uris": []string{callback}, "token_endpoint_auth_method": "none"}
			for k, v := range more {
				m[k] = v
			}
			p.Put(path, clienttest.NewDocument(t, p.URL+path, m))
			c := auth.Client{ID: auth.ClientID(p.URL + path)}
			step, err := v.authorize(authorizationPairs(c)...)
			h.requireOK(err)
			h.requireStep(step, auth.StepConsent)
			if name == "loopback" {
				step, err = v.authorize(authorizationPairs(c, "redirect_uri", "http://localhost:54321/callback")...)
				h.requireOK(err)
				h.requireStep(step, auth.StepConsent)
			}
		}
		path := "/" + t.Name() + "/useless"
		p.Put(path, clienttest.NewDocument(t, p.URL+path, clienttest.Metadata{"redirect_uris": []string{callback}, "token_endpoint_auth_method": "none", "grant_types": []string{"implicit"}}))
		_, err := v.authorize(authorizationPairs(auth.Client{ID: auth.ClientID(p.URL + path)})...)
		if e, ok := errors.AsType[*auth.DisplayError](err); !ok || !strings.Contains(e.Desc, "grant_types") {
			t.Errorf("a document without a grant: %v", err)
		}
	}, withDocuments, out)
}

// A client that describes itself begins no device flow: its name could be that of any device, and the user
// who approves it is elsewhere (RFC 10027 §6.1.7).
func TestRepair_S5_DevicesAreRegisteredByOperators(t *testing.T) {
	p, out := startPublisher(t)
	each(t, func(t *testing.T, h *fixture) {
		device := clienttest.Metadata{"grant_types": []string{string(auth.GrantDeviceCode)}, "token_endpoint_auth_method": "none", "redirect_uris": []string{"https://login.bank.example/callback"}}
		_, err := h.clients.Register(t.Context(), clienttest.RegisterRequest(t, clienttest.RelyingParty(device), ""))
		h.requireRefused(err, oauth.InvalidClientMetadata)
		_, err = h.clients.Register(t.Context(), clienttest.RegisterRequest(t, clienttest.Metadata{"client_name": "TV", "grant_types": device["grant_types"], "token_endpoint_auth_method": "none"}, ""))
		h.requireRefused(err, oauth.InvalidClientMetadata)

		id := p.URL + "/" + t.Name() + "/tv.json"
		p.Put("/"+t.Name()+"/tv.json", clienttest.NewDocument(t, id, device))
		_, err = h.newBrowser().authorize("client_id", id, "redirect_uri", "https://login.bank.example/callback", "response_type", "code")
		if _, ok := errors.AsType[*auth.DisplayError](err); !ok {
			t.Errorf("a document is accepted: %v", err)
		}
	}, withOpenRegistration, withDocuments, out)
}
