package client_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/watchword-auth/watchword/internal/client"
	"github.com/watchword-auth/watchword/internal/client/clienttest"
)

const mcp = "https://mcp.example.test"

// withResourceScopes configures two resources, one of them with scopes.
func withResourceScopes(c *client.Config) {
	c.ResourceScopes = map[string][]string{mcp: {"orders:read", "orders:write"}, "https://other.example.test": nil}
}

// Metadata that real clients register: the server registers what it supports and returns that.
func TestRepair_B2_RegistersWhatIsPossible(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		for name, c := range map[string]struct {
			more clienttest.Metadata
			want func(client.Information) bool
		}{
			"scopes of the resource": {clienttest.Metadata{"scope": "orders:read orders:write"}, func(v client.Information) bool {
				return v.Scope == "openid profile email offline_access orders:read orders:write"
			}},
			"some of them":     {clienttest.Metadata{"scope": "openid  orders:read nothing"}, func(v client.Information) bool { return v.Scope == "openid orders:read" }},
			"scope nobody has": {clienttest.Metadata{"scope": "claudeai"}, func(v client.Information) bool { return v.Scope == "openid profile email offline_access" }},
			"scope no scope":   {clienttest.Metadata{"scope": "mcp:tools \"x\" \\ é"}, func(v client.Information) bool { return !strings.Contains(v.Scope, "mcp") }},
			"scope list":       {clienttest.Metadata{"scope": []string{"openid"}}, func(v client.Information) bool { return v.Scope == "openid profile email offline_access" }},
			"client_uri":       {clienttest.Metadata{"client_uri": "http://localhost:6274"}, func(v client.Information) bool { return v.ClientURI == "" }},
			"logo at home":     {clienttest.Metadata{"logo_uri": "https://192.168.1.1/logo.png"}, func(v client.Information) bool { return v.LogoURI == "" }},
			"policy, terms":    {clienttest.Metadata{"policy_uri": "none", "tos_uri": "http://a.test"}, func(v client.Information) bool { return v.PolicyURI == "" && v.TermsURI == "" }},
			"other grants": {clienttest.Metadata{"grant_types": []string{"authorization_code", "implicit", "refresh_token"}, "response_types": []string{"code", "id_token token"}}, func(v client.Information) bool {
				return len(v.Grants) == 2 && slices.Equal(v.ResponseTypes, []string{"code"})
			}},
			"contacts":         {clienttest.Metadata{"contacts": []string{"ops@example.test", strings.Repeat("x", 300)}}, func(v client.Information) bool { return slices.Equal(v.Contacts, []string{"ops@example.test"}) }},
			"contacts as text": {clienttest.Metadata{"contacts": "ops@example.test"}, func(v client.Information) bool { return v.Contacts == nil }},
			"algorithms": {clienttest.Metadata{"id_token_signed_response_alg": "HS256", "userinfo_signed_response_alg": "none", "request_object_signing_alg": "none"}, func(v client.Information) bool {
				return v.IDTokenAlgorithm == "RS256" && v.UserInfoAlgorithm == "" && v.RequestAlgorithm == ""
			}},
			"auth algorithm":   {clienttest.Metadata{"token_endpoint_auth_signing_alg": "ES256"}, func(v client.Information) bool { return v.AuthAlgorithm == "" }},
			"application type": {clienttest.Metadata{"application_type": "mcp"}, func(v client.Information) bool { return v.ApplicationType == "web" }},
			"max age":          {clienttest.Metadata{"default_max_age": "3600"}, func(v client.Information) bool { return v.DefaultMaxAge == nil }},
			"name":             {clienttest.Metadata{"client_name": strings.Repeat("x", 5000)}, func(v client.Information) bool { return v.Name == "rp.example.test" }},
			"some redirects": {clienttest.Metadata{"redirect_uris": []string{"https://rp.example.test/cb", "cursor://anysphere.cursor-mcp/oauth/callback", "http://rp.example.test/cb"}}, func(v client.Information) bool {
				return slices.Equal(v.RedirectURIs, []string{"https://rp.example.test/cb"})
			}},
			"some after logout": {clienttest.Metadata{"post_logout_redirect_uris": []string{"https://rp.example.test/", "/relative"}}, func(v client.Information) bool {
				return slices.Equal(v.PostLogoutURIs, []string{"https://rp.example.test/"})
			}},
			"request object": {clienttest.Metadata{"request_object_encryption_alg": "RSA-OAEP"}, func(v client.Information) bool { return v.RequestEncryption == "" }},
			"null and empty": {clienttest.Metadata{"client_uri": nil, "logo_uri": "", "contacts": nil, "unknown": map[string]any{}}, func(v client.Information) bool { return v.ID != "" }},
		} {
			more := clienttest.Metadata{"redirect_uris": []string{"https://rp.example.test/cb"}, "token_endpoint_auth_method": "none"}
			for k, v := range c.more {
				more[k] = v
			}
			v, err := h.clients.Register(t.Context(), clienttest.RegisterRequest(t, more, ""))
			if err != nil || !c.want(v) {
				t.Errorf("%s: %v, %+v", name, err, v.ClientMetadata)
				continue
			}
			again, err := h.clients.ReadRegistered(t.Context(), withClientID(clienttest.RegisterRequest(t, nil, v.Token), v.ID))
			if err != nil || again.Scope != v.Scope || !slices.Equal(again.RedirectURIs, v.RedirectURIs) {
				t.Errorf("%s, read again: %v, %+v", name, err, again.ClientMetadata)
			}
			more["client_id"] = string(v.ID)
			put, err := h.clients.ReplaceRegistered(t.Context(), withClientID(clienttest.RegisterRequest(t, more, v.Token), v.ID))
			if err != nil || !c.want(put) {
				t.Errorf("%s, replaced: %v, %+v", name, err, put.ClientMetadata)
			}
		}
	}, withOpenRegistration, withResourceScopes)
}
