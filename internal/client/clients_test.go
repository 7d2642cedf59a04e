package client_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/client"
	"github.com/watchword-auth/watchword/internal/client/clienttest"
	"github.com/watchword-auth/watchword/internal/secret"
)

func TestCreateClient(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		c, clientSecret := h.newClient(client.Registration{Name: " Shop ", Type: auth.ClientWeb, FirstParty: true, Scopes: []string{"openid", "openid", "orders"},
			RedirectURIs: []string{"https://shop.example.test/cb?x=1", "http://localhost:3000/cb", "http://127.0.0.1/cb", "http://[::1]:80/cb"}})
		got, err := h.clients.Get(t.Context(), tenant, c.ID)
		h.requireOK(err)
		if d := cmp.Diff(c, got); d != "" {
			t.Errorf("stored (-want +got):\n%s", d)
		}
		if c.Name != "Shop" || !strings.HasPrefix(clientSecret, "wws_") || len(c.Secrets) != 1 || c.Secrets[0].Digest != secret.Digest(clientSecret) || len(c.Scopes) != 2 || !c.FirstParty {
			t.Errorf("%+v", c)
		}
		if !strings.HasPrefix(string(c.ID), "cl_") {
			t.Errorf("client_id %s could be an account's id", c.ID)
		}
		list, err := h.clients.List(t.Context(), tenant)
		if err != nil || len(list) != 2 {
			t.Errorf("list: %d, %v", len(list), err)
		}
		for _, typ := range []auth.ClientType{auth.ClientSPA, auth.ClientNative} {
			if _, clientSecret := h.newClient(client.Registration{Name: "P", Type: typ}); clientSecret != "" {
				t.Errorf("a %s client was given a secret", typ)
			}
		}
		native, _ := h.newClient(client.Registration{Name: "N", Type: auth.ClientNative, RedirectURIs: []string{"com.example.app:/cb"}})
		if native.RedirectURIs[0] != "com.example.app:/cb" {
			t.Errorf("%v", native.RedirectURIs)
		}
	})
}

// AZ-12, AZ-13: every invalid redirect URI is refused and nothing is stored.
func TestAttack_AZ_12_13_Registration(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		web := func(uri string) client.Registration {
			return client.Registration{Name: "A", Type: auth.ClientWeb, RedirectURIs: []string{"https://ok.example.test/", uri}}
		}
		private, _ := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: clienttest.NewKeyPair(t, jose.ES256).Private}}})
		pair := clienttest.NewKeyPair(t, jose.ES256)
		type bad struct {
			r    client.Registration
			code string
		}
		list := map[string]bad{
			"no name":                    {client.Registration{Type: auth.ClientWeb}, "name_missing"},
			"no type":                    {client.Registration{Name: "A"}, "type_invalid"},
			"scope with a space":         {client.Registration{Name: "A", Type: auth.ClientWeb, Scopes: []string{"a b"}}, "scope_invalid"},
			"empty scope":                {client.Registration{Name: "A", Type: auth.ClientWeb, Scopes: []string{""}}, "scope_invalid"},
			"resource with a fragment":   {client.Registration{Name: "A", Type: auth.ClientMachine, ClientSettings: auth.ClientSettings{Audiences: []string{"https://a.test#"}}}, "invalid_target"},
			"resource that is relative":  {client.Registration{Name: "A", Type: auth.ClientMachine, ClientSettings: auth.ClientSettings{Serves: []string{"/api"}}}, "invalid_target"},
			"machine with redirect":      {client.Registration{Name: "A", Type: auth.ClientMachine, RedirectURIs: []string{"https://a.test/"}}, "invalid_redirect_uri"},
			"public acts for itself":     {client.Registration{Name: "A", Type: auth.ClientSPA, ClientSettings: auth.ClientSettings{Grants: []auth.GrantType{auth.GrantClientCredentials}}}, "grant_invalid"},
			"machine refreshes":          {client.Registration{Name: "A", Type: auth.ClientMachine, ClientSettings: auth.ClientSettings{Grants: []auth.GrantType{auth.GrantRefreshToken}}}, "grant_invalid"},
			"password grant":             {client.Registration{Name: "A", Type: auth.ClientWeb, ClientSettings: auth.ClientSettings{Grants: []auth.GrantType{"password"}}}, "grant_invalid"},
			"public with a secret":       {client.Registration{Name: "A", Type: auth.ClientNative, ClientSettings: auth.ClientSettings{Auth: auth.AuthSecretBasic}}, "auth_invalid"},
			"confidential without proof": {client.Registration{Name: "A", Type: auth.ClientWeb, ClientSettings: auth.ClientSettings{Auth: auth.AuthNone}}, "auth_invalid"},
			"unknown method":             {client.Registration{Name: "A", Type: auth.ClientWeb, ClientSettings: auth.ClientSettings{Auth: "client_secret_jwt"}}, "auth_invalid"},
			"keys and their address":     {client.Registration{Name: "A", Type: auth.ClientWeb, ClientSettings: auth.ClientSettings{JWKS: pair.JWKS, JWKSURI: "https://a.test/jwks"}}, "jwks_invalid"},
			"native, scheme without dot": {client.Registration{Name: "A", Type: auth.ClientNative, RedirectURIs: []string{"myapp:/cb"}}, "invalid_redirect_uri"},
			"native, active scheme":      {client.Registration{Name: "A", Type: auth.ClientNative, RedirectURIs: []string{"javascript:a.b()"}}, "invalid_redirect_uri"},
		}
		for _, jwks := range []string{"", "{}", `{"keys":[]}`, "x", string(private), `{"keys":[{"kty":"oct","k":"AAAA"}]}`,
			`{"keys":[{"kty":"EC","crv":"P-256","x":"AAAA","y":"AAAA"}]}`, `{"keys":[{"kty":"RSA","n":"AQAB","e":"AQAB"}]}`,
			strings.Replace(string(pair.JWKS), `"kid"`, `"alg":"RS256","kid"`, 1), strings.Replace(string(pair.JWKS), `"kid"`, `"use":"enc","kid"`, 1),
			strings.Replace(string(pair.JWKS), `[`, `[`+string(pair.JWKS[9:len(pair.JWKS)-2])+`,`, 1)} {
			list["keys "+jwks] = bad{client.Registration{Name: "A", Type: auth.ClientMachine, ClientSettings: auth.ClientSettings{Auth: auth.AuthPrivateKeyJWT, JWKS: []byte(jwks)}}, "jwks_invalid"}
		}
		for _, uri := range []string{
			"http://app.example/cb", "http://127.0.0.1.evil.test/", "http://localhost.evil.test/", "http://127.0.0.2/cb", "http://0.0.0.0/", "http://[::ffff:127.0.0.1]/", // AZ-12
			"javascript:alert(1)", "JavaScript:alert(1)", " data:text/html,x", "data:text/html,x", "vbscript:x", "blob:https://a.test/x", "file:///etc/passwd", "about:blank", // AZ-13
			"", "/cb", "app.example/cb", "//app.example/cb", "https:", "https://", "https:///cb", "https:app.example", "https://app.example/cb#", "https://app.example/cb#x",
			"https://user@app.example/", "https://user:pw@app.example/", "https://*.example/", "https://app.example/\\..\\", "https://app.example/a b", " https://app.example/",
			"https://app.example/\x00", "https://app.example/é", "https://app.example:/", "https://app.example./", "HTTPS://app.example/", "https://app%2eexample/", "com.example.app:/cb",
			"https://app.example/\r\nSet-Cookie: a", "https://app.example:99999999/x\t", "https://" + strings.Repeat("a", 2100), "wss://app.example/", "mailto:a@b.c",
		} {
			list["redirect "+uri[:min(len(uri), 60)]] = bad{web(uri), "invalid_redirect_uri"}
		}
		for name, b := range list {
			_, _, err := h.clients.Create(t.Context(), tenant, b.r, operator)
			if err == nil || !strings.Contains(err.Error(), b.code) || auth.KindOf(err) != auth.KindInvalid {
				t.Errorf("%q: %v, want %s", name, err, b.code)
			}
		}
		if clients, err := h.clients.List(t.Context(), tenant); err != nil || len(clients) != 1 {
			t.Errorf("%d clients are left behind, %v", len(clients)-1, err)
		}
	})
}

// The built-in client refuses changes, and an unknown client is not found.
func TestClientRefusals(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		k := clienttest.NewKeyPair(t, jose.EdDSA)
		signs, _ := h.newMachineClient(func(r *client.Registration) { r.Auth, r.JWKS = auth.AuthPrivateKeyJWT, k.JWKS })
		for id, kind := range map[auth.ClientID]auth.Kind{auth.FirstParty: auth.KindConflict, "nobody": auth.KindNotFound} {
			_, _, rotate := h.clients.RotateSecret(t.Context(), tenant, id, 0, operator)
			_, disable := h.clients.Disable(t.Context(), tenant, id, operator)
			_, enable := h.clients.Enable(t.Context(), tenant, id, operator)
			for name, err := range map[string]error{"rotate": rotate, "disable": disable, "enable": enable, "delete": h.clients.Delete(t.Context(), tenant, id, operator)} {
				if auth.KindOf(err) != kind {
					t.Errorf("%s %s: %v", name, id, err)
				}
			}
		}
		if _, _, err := h.clients.RotateSecret(t.Context(), tenant, signs.ID, 0, operator); auth.KindOf(err) != auth.KindConflict {
			t.Errorf("a secret for a client that signs: %v", err)
		}
		if _, err := h.clients.Get(t.Context(), tenant, "nobody"); auth.KindOf(err) != auth.KindNotFound {
			t.Errorf("nobody: %v", err)
		}
	})
}
