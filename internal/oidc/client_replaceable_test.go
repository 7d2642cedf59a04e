package oidc_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/client"
	"github.com/watchword-auth/watchword/internal/flow"
	"github.com/watchword-auth/watchword/internal/oauth"
)

const mcp = "https://mcp.example.test"

// opened are two resources, of which one has scopes that go with it.
func opened(c *settings) {
	c.Resources = []string{mcp, "https://other.example.test"}
	c.client.ResourceScopes = map[string][]string{mcp: {"orders:read", "orders:write"}, "https://other.example.test": nil}
}

// What clients of MCP and others register in the field: the server keeps what it can and
// says what that is.
func TestRepair_B2_RegistersWhatIsPossible(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		for name, c := range map[string]struct {
			more metadata
			want func(client.Information) bool
		}{
			"scopes of the resource": {metadata{"scope": "orders:read orders:write"}, func(v client.Information) bool {
				return v.Scope == "openid profile email offline_access orders:read orders:write"
			}},
			"some of them":     {metadata{"scope": "openid  orders:read nothing"}, func(v client.Information) bool { return v.Scope == "openid orders:read" }},
			"scope nobody has": {metadata{"scope": "claudeai"}, func(v client.Information) bool { return v.Scope == "openid profile email offline_access" }},
			"scope no scope":   {metadata{"scope": "mcp:tools \"x\" \\ é"}, func(v client.Information) bool { return !strings.Contains(v.Scope, "mcp") }},
			"scope list":       {metadata{"scope": []string{"openid"}}, func(v client.Information) bool { return v.Scope == "openid profile email offline_access" }},
			"client_uri":       {metadata{"client_uri": "http://localhost:6274"}, func(v client.Information) bool { return v.ClientURI == "" }},
			"logo at home":     {metadata{"logo_uri": "https://192.168.1.1/logo.png"}, func(v client.Information) bool { return v.LogoURI == "" }},
			"policy, terms":    {metadata{"policy_uri": "none", "tos_uri": "http://a.test"}, func(v client.Information) bool { return v.PolicyURI == "" && v.TermsURI == "" }},
			"other grants": {metadata{"grant_types": []string{"authorization_code", "implicit", "refresh_token"}, "response_types": []string{"code", "id_token token"}}, func(v client.Information) bool {
				return len(v.Grants) == 2 && slices.Equal(v.ResponseTypes, []string{"code"})
			}},
			"contacts":         {metadata{"contacts": []string{"ops@example.test", strings.Repeat("x", 300)}}, func(v client.Information) bool { return slices.Equal(v.Contacts, []string{"ops@example.test"}) }},
			"contacts as text": {metadata{"contacts": "ops@example.test"}, func(v client.Information) bool { return v.Contacts == nil }},
			"algorithms": {metadata{"id_token_signed_response_alg": "HS256", "userinfo_signed_response_alg": "none", "request_object_signing_alg": "none"}, func(v client.Information) bool {
				return v.IDTokenAlgorithm == "RS256" && v.UserInfoAlgorithm == "" && v.RequestAlgorithm == ""
			}},
			"auth algorithm":   {metadata{"token_endpoint_auth_signing_alg": "ES256"}, func(v client.Information) bool { return v.AuthAlgorithm == "" }},
			"application type": {metadata{"application_type": "mcp"}, func(v client.Information) bool { return v.ApplicationType == "web" }},
			"max age":          {metadata{"default_max_age": "3600"}, func(v client.Information) bool { return v.DefaultMaxAge == nil }},
			"name":             {metadata{"client_name": strings.Repeat("x", 5000)}, func(v client.Information) bool { return v.Name == "rp.example.test" }},
			"some redirects": {metadata{"redirect_uris": []string{"https://rp.example.test/cb", "cursor://anysphere.cursor-mcp/oauth/callback", "http://rp.example.test/cb"}}, func(v client.Information) bool {
				return slices.Equal(v.RedirectURIs, []string{"https://rp.example.test/cb"})
			}},
			"some after logout": {metadata{"post_logout_redirect_uris": []string{"https://rp.example.test/", "/relative"}}, func(v client.Information) bool {
				return slices.Equal(v.PostLogoutURIs, []string{"https://rp.example.test/"})
			}},
			"request object": {metadata{"request_object_encryption_alg": "RSA-OAEP"}, func(v client.Information) bool { return v.RequestEncryption == "" }},
			"null and empty": {metadata{"client_uri": nil, "logo_uri": "", "contacts": nil, "unknown": map[string]any{}}, func(v client.Information) bool { return v.ID != "" }},
		} {
			more := metadata{"redirect_uris": []string{"https://rp.example.test/cb"}, "token_endpoint_auth_method": "none"}
			for k, v := range c.more {
				more[k] = v
			}
			v, err := h.clients.Register(t.Context(), registerRequest(t, more, ""))
			if err != nil || !c.want(v) {
				t.Errorf("%s: %v, %+v", name, err, v.ClientMetadata)
				continue
			}
			again, err := h.clients.ReadRegistered(t.Context(), aboutClient(registerRequest(t, nil, v.Token), v.ID))
			if err != nil || again.Scope != v.Scope || !slices.Equal(again.RedirectURIs, v.RedirectURIs) {
				t.Errorf("%s, read again: %v, %+v", name, err, again.ClientMetadata)
			}
			more["client_id"] = string(v.ID)
			put, err := h.clients.ReplaceRegistered(t.Context(), aboutClient(registerRequest(t, more, v.Token), v.ID))
			if err != nil || !c.want(put) {
				t.Errorf("%s, replaced: %v, %+v", name, err, put.ClientMetadata)
			}
		}
	}, withOpenRegistration, opened)
}

// The scopes that go with a resource are there for every client, with consent, in tokens
// for that resource alone: neither for the issuer nor for another resource, nor for both.
func TestRepair_B2_ScopesThatGoWithAResource(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		v := h.newBrowser()
		v.signIn(h.alice)
		c, _ := h.client(client.Registration{Name: "Stranger", Type: auth.ClientNative, RedirectURIs: []string{callback}, Scopes: auth.DefaultScope,
			ClientSettings: auth.ClientSettings{Grants: []auth.GrantType{auth.GrantAuthorizationCode, auth.GrantRefreshToken, auth.GrantDeviceCode}}})
		begin := func(more ...string) (flow.Step, error) {
			return v.authorize(request(c, append([]string{"scope", "orders:read orders:write offline_access", "state", "s"}, more...)...)...)
		}
		step, err := begin("resource", mcp)
		h.requireOK(err)
		h.requireStep(step, auth.StepConsent)
		if want := (auth.Scope{"orders:read", "orders:write", "offline_access"}); !slices.Equal(step.Consent.New, want) || !slices.Equal(step.Consent.Resources, []string{mcp}) {
			t.Errorf("the person is asked for %q at %q", step.Consent.New, step.Consent.Resources)
		}
		code, _, _ := h.requireCode(v.consent(step, true))
		ts, err := h.redeem(c, "", code)
		h.requireOK(err)
		for range 2 {
			if got := payload(t, ts.AccessToken); got["scope"] != "orders:read orders:write offline_access" || got["aud"] != mcp {
				t.Errorf("the token has scope %v for %v", got["scope"], got["aud"])
			}
			ts, err = h.refresh(c, "", ts.RefreshToken)
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
				t.Errorf("%s: the person is asked for %q", name, step.Consent.Scope)
			}
		}
		_, err = h.AuthorizeDevice(t.Context(), form(t, "client_id", string(c.ID), "scope", "orders:read", "resource", mcp))
		h.requireOK(err)
		_, err = h.AuthorizeDevice(t.Context(), form(t, "client_id", string(c.ID), "scope", "orders:read"))
		h.requireRefused(err, oauth.InvalidScope)
	}, opened)
}

// A document with a value that is of no use is taken like one without it, and one that is
// no client says why.
func TestRepair_B2_Documents(t *testing.T) {
	p, out := publish(t)
	each(t, func(t *testing.T, h *fixture) {
		v := h.newBrowser()
		v.signIn(h.alice)
		for name, more := range map[string]metadata{
			"scope": {"scope": "mcp:tools"}, "uri": {"client_uri": "http://localhost:6274"}, "implicit": {"grant_types": []string{"authorization_code", "implicit"}},
			"loopback": {"redirect_uris": []string{callback, "http://localhost/callback"}},
		} {
			path := "/" + t.Name() + "/" + name
			m := metadata{"redirect_uris": []string{callback}, "token_endpoint_auth_method": "none"}
			for k, v := range more {
				m[k] = v
			}
			p.put(path, newDocument(t, p.URL+path, m))
			c := auth.Client{ID: auth.ClientID(p.URL + path)}
			step, err := v.authorize(request(c)...)
			h.requireOK(err)
			h.requireStep(step, auth.StepConsent)
			if name == "loopback" {
				step, err = v.authorize(request(c, "redirect_uri", "http://localhost:54321/callback")...)
				h.requireOK(err)
				h.requireStep(step, auth.StepConsent)
			}
		}
		path := "/" + t.Name() + "/useless"
		p.put(path, newDocument(t, p.URL+path, metadata{"redirect_uris": []string{callback}, "token_endpoint_auth_method": "none", "grant_types": []string{"implicit"}}))
		_, err := v.authorize(request(auth.Client{ID: auth.ClientID(p.URL + path)})...)
		if e, ok := errors.AsType[*auth.DisplayError](err); !ok || !strings.Contains(e.Desc, "grant_types") {
			t.Errorf("a document without a grant: %v", err)
		}
	}, withDocuments, out)
}
