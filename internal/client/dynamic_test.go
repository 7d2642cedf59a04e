package client_test

import (
	"encoding/json"
	"errors"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/client"
	"github.com/watchword-auth/watchword/internal/client/clienttest"
	"github.com/watchword-auth/watchword/internal/oauth"
	"github.com/watchword-auth/watchword/internal/store"
	"github.com/watchword-auth/watchword/internal/store/storetest"
)

func withClientID(r client.RegisterRequest, id auth.ClientID) client.RegisterRequest {
	r.Client = id
	return r
}

func withOpenRegistration(c *client.Config) { c.Registration = client.RegistrationOpen }

// countClients counts the clients of the tenant except the built-in one.
func (h *fixture) countClients() int {
	h.t.Helper()
	list, err := h.clients.List(h.t.Context(), tenant)
	h.requireOK(err)
	return len(list) - 1
}

func TestRegister(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		v, err := h.clients.Register(t.Context(), clienttest.RegisterRequest(t, clienttest.RelyingParty(nil), ""))
		h.requireOK(err)
		if v.Secret == "" || v.SecretExpiresAt == nil || *v.SecretExpiresAt != 0 || v.Auth != auth.AuthSecretBasic || v.IssuedAt != h.clock.Now().Unix() ||
			v.URI != base+"/oauth2/register/"+string(v.ID) || len(v.Grants) != 1 || v.ResponseTypes[0] != "code" || v.Scope != auth.DefaultScope.String() {
			t.Errorf("%+v", v)
		}
		c, err := h.clients.Get(t.Context(), tenant, v.ID)
		h.requireOK(err)
		if c.FirstParty || c.Type != auth.ClientWeb || c.Settings.Registration == "" || strings.Contains(c.Settings.Registration, v.Token) {
			t.Errorf("%+v", c)
		}
		// It can authenticate at once, and only by the registered method.
		_, err = h.clients.Authenticate(t.Context(), clienttest.Basic(clienttest.Form(t), v.ID, v.Secret))
		h.requireOK(err)

		for _, k := range []struct {
			m    clienttest.Metadata
			want auth.ClientType
		}{
			{clienttest.Metadata{"token_endpoint_auth_method": "none"}, auth.ClientSPA},
			{clienttest.Metadata{"token_endpoint_auth_method": "none", "redirect_uris": []string{"http://127.0.0.1/cb"}}, auth.ClientNative},
			{clienttest.Metadata{"application_type": "native", "redirect_uris": []string{"com.example.app:/cb"}}, auth.ClientNative},
		} {
			v, err := h.clients.Register(t.Context(), clienttest.RegisterRequest(t, clienttest.RelyingParty(k.m), ""))
			h.requireOK(err)
			c, err := h.clients.Get(t.Context(), tenant, v.ID)
			h.requireOK(err)
			if c.Type != k.want || v.Secret != "" || v.Auth != auth.AuthNone {
				t.Errorf("%v became %s with %+v", k.m, c.Type, v)
			}
		}
	}, withOpenRegistration)
}

// The metadata that certification suites register (OpenID Connect Registration §2).
func TestRegisterForCertification(t *testing.T) {
	p, out := startPublisher(t)
	each(t, func(t *testing.T, h *fixture) {
		k := clienttest.NewKeyPair(t, jose.RS256)
		jwks := json.RawMessage(clienttest.KeySet(t, map[string]clienttest.KeyPair{"k1": k}))
		usual := clienttest.Metadata{"client_name": "suite São Paulo", "grant_types": []string{"authorization_code"}, "jwks": jwks, "token_endpoint_auth_method": "client_secret_basic",
			"response_types": []string{"code"}, "redirect_uris": []string{p.URL + "/callback?foo=bar"}, "contacts": []string{"certification@oidf.org"}}
		path := "/" + t.Name() + "/redirect_uris.json"
		p.Put(path, `["`+p.URL+`/callback?foo=bar"]`)
		bad := "/" + t.Name() + "/bad.json"
		p.Put(bad, `["https://another.example.test/"]`)
		for name, more := range map[string]clienttest.Metadata{
			"usual": {}, "post": {"token_endpoint_auth_method": "client_secret_post"}, "private_key_jwt": {"token_endpoint_auth_method": "private_key_jwt"},
			"refresh": {"grant_types": []string{"authorization_code", "refresh_token"}}, "userinfo": {"userinfo_signed_response_alg": "RS256"},
			"id token": {"id_token_signed_response_alg": "RS256"}, "request_uris": {"request_uris": []string{p.URL + "/requesturi/x#hash"}, "request_object_signing_alg": "RS256"},
			"logo":   {"logo_uri": "https://openid.net/logo.png", "policy_uri": "https://openid.net/policy", "tos_uri": "https://openid.net/tos"},
			"sector": {"subject_type": "pairwise", "sector_identifier_uri": p.URL + path}, "logout": {"post_logout_redirect_uris": []string{p.URL + "/post_logout"}, "backchannel_logout_uri": p.URL + "/backchannel"},
			"login": {"initiate_login_uri": p.URL + "/initiate"}, "age": {"default_max_age": 1, "require_auth_time": true},
		} {
			m := maps.Clone(usual)
			maps.Copy(m, more)
			if v, err := h.clients.Register(t.Context(), clienttest.RegisterRequest(t, m, "")); err != nil || v.Token == "" || v.URI == "" {
				t.Errorf("%s: %v", name, err)
			}
		}
		before := h.countClients()
		for name, c := range map[string]struct {
			more clienttest.Metadata
			code oauth.Code
		}{
			"sector":     {clienttest.Metadata{"subject_type": "pairwise", "sector_identifier_uri": p.URL + bad}, oauth.InvalidClientMetadata},
			"no sector":  {clienttest.Metadata{"subject_type": "pairwise", "sector_identifier_uri": p.URL + "/nothing"}, oauth.InvalidClientMetadata},
			"hosts":      {clienttest.Metadata{"subject_type": "pairwise", "redirect_uris": []string{"https://a.test/", "https://b.test/"}}, oauth.InvalidClientMetadata},
			"fragment":   {clienttest.Metadata{"redirect_uris": []string{p.URL + "/callback#x"}}, oauth.InvalidRedirectURI}, // AZ-06
			"implicit":   {clienttest.Metadata{"grant_types": []string{"implicit"}, "response_types": []string{"id_token"}}, oauth.InvalidClientMetadata},
			"types":      {clienttest.Metadata{"grant_types": []string{"refresh_token"}}, oauth.InvalidClientMetadata},
			"encryption": {clienttest.Metadata{"id_token_encrypted_response_alg": "RSA-OAEP"}, oauth.InvalidClientMetadata},
			"no uri":     {clienttest.Metadata{"redirect_uris": []string{}}, oauth.InvalidRedirectURI},
			"a string":   {clienttest.Metadata{"redirect_uris": "https://a.test/"}, oauth.InvalidRedirectURI},
			"both keys":  {clienttest.Metadata{"jwks_uri": p.URL + "/jwks"}, oauth.InvalidClientMetadata},
			"itself":     {clienttest.Metadata{"grant_types": []string{"client_credentials"}}, oauth.InvalidClientMetadata},
		} {
			m := maps.Clone(usual)
			maps.Copy(m, c.more)
			_, err := h.clients.Register(t.Context(), clienttest.RegisterRequest(t, m, ""))
			if e, ok := errors.AsType[*oauth.Error](err); !ok || e.Code != c.code {
				t.Errorf("%s: %v, want %s", name, err, c.code)
			}
		}
		if n := h.countClients(); n != before {
			t.Errorf("%d refused clients are there", n-before)
		}
	}, withOpenRegistration, out)
}

// EP-12: registration is closed by default, an initial access token registers as many clients as it
// allows, and no client registers more rights than every client has.
func TestAttack_EP_12_Registration(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		_, err := h.clients.Register(t.Context(), clienttest.RegisterRequest(t, clienttest.RelyingParty(nil), ""))
		h.requireRefused(err, oauth.AccessDenied)
		initial, _, err := h.clients.NewInitialToken(t.Context(), tenant, 2, time.Hour, operator)
		h.requireOK(err)
		_, err = h.clients.Register(t.Context(), clienttest.RegisterRequest(t, clienttest.RelyingParty(nil), initial.Reveal()))
		h.requireRefused(err, oauth.AccessDenied)
	})
}

func TestAttack_EP_12_InitialTokens(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		initial, _, err := h.clients.NewInitialToken(t.Context(), tenant, 2, time.Hour, operator)
		h.requireOK(err)
		old, _, err := h.clients.NewInitialToken(t.Context(), tenant, 1, time.Minute, operator)
		h.requireOK(err)
		h.clock.Advance(2 * time.Minute)
		for name, token := range map[string]string{"none": "", "expired": old.Reveal(), "made up": "wwi_" + strings.Repeat("A", 43), "of another kind": "wwg_" + initial.Reveal()[4:]} {
			_, err := h.clients.Register(t.Context(), clienttest.RegisterRequest(t, clienttest.RelyingParty(nil), token))
			if e, ok := errors.AsType[*oauth.Error](err); !ok || e.Code != oauth.InvalidToken {
				t.Errorf("%s: %v", name, err)
			}
		}
		_, err = h.clients.Register(t.Context(), clienttest.RegisterRequest(t, clienttest.RelyingParty(clienttest.Metadata{"redirect_uris": []string{"http://a.test/"}}), initial.Reveal()))
		h.requireRefused(err, oauth.InvalidRedirectURI) // which costs no use
		for range 2 {
			_, err := h.clients.Register(t.Context(), clienttest.RegisterRequest(t, clienttest.RelyingParty(nil), initial.Reveal()))
			h.requireOK(err)
		}
		_, err = h.clients.Register(t.Context(), clienttest.RegisterRequest(t, clienttest.RelyingParty(nil), initial.Reveal()))
		h.requireRefused(err, oauth.InvalidToken)
		if n := h.countClients(); n != 2 {
			t.Errorf("%d clients of a token for two", n)
		}
	}, func(c *client.Config) { c.Registration = client.RegistrationToken })
}

func TestAttack_EP_12_Privileges(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		v, err := h.clients.Register(t.Context(), clienttest.RegisterRequest(t, clienttest.RelyingParty(clienttest.Metadata{
			"trusted": true, "first_party": true, "skip_consent": true, "tenant": "acme", "roles": []string{"admin"}, "client_id": "cl_mine", "created_at": "2000-01-01T00:00:00Z",
			"client_secret": "wws_mine", "registration": "x", "document_at": "2000-01-01T00:00:00Z", "audiences": []string{"https://api.test"}, "serves": []string{"https://api.test"},
			"token_exchange": map[string]any{"subjects": []string{"*"}}, "pkce_optional": true, "access_token_format": "opaque", "scope": "openid watchword:admin orders", "registration_access_token": "wwg_mine",
		}), ""))
		h.requireOK(err)
		c, err := h.clients.Get(t.Context(), tenant, v.ID)
		h.requireOK(err)
		set := c.Settings
		if c.FirstParty || c.ID == "cl_mine" || v.Secret == "wws_mine" || v.Token == "wwg_mine" || set.Audiences != nil || set.Serves != nil || set.Exchange != nil || set.PKCEOptional ||
			set.TokenFormat != "" || !set.DocumentAt.IsZero() || c.CreatedAt.Year() == 2000 || len(c.Scopes) != 1 || c.Scopes[0] != "openid" {
			t.Errorf("%+v", c)
		}
		v, err = h.clients.Register(t.Context(), clienttest.RegisterRequest(t, clienttest.RelyingParty(clienttest.Metadata{"scope": "watchword:admin"}), ""))
		h.requireOK(err)
		if strings.Contains(v.Scope, "watchword") {
			t.Errorf("the scope is %q", v.Scope)
		}
		acme, err := h.clients.Get(t.Context(), "acme", v.ID)
		if err == nil {
			t.Errorf("it is in another tenant: %+v", acme)
		}
	}, withOpenRegistration)
}

// AZ-13, EP-13: no URI that a browser would execute or that leads into the server's own network, in
// any field and from any caller.
func TestAttack_EP_13_AZ_13_Addresses(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		lists := map[string]bool{"redirect_uris": true, "post_logout_redirect_uris": true, "request_uris": true}
		try := func(field, uri string) {
			m := clienttest.RelyingParty(clienttest.Metadata{field: uri})
			if lists[field] {
				m[field] = []string{uri}
			}
			if field == "sector_identifier_uri" {
				m["subject_type"] = "pairwise"
			}
			// An optional value is left out; a URI that a browser would execute is refused with the whole request.
			must := auth.ActiveURI(uri) || field == "redirect_uris" || field == "jwks_uri" || field == "sector_identifier_uri"
			v, err := h.clients.Register(t.Context(), clienttest.RegisterRequest(t, m, ""))
			if must != (err != nil) {
				t.Errorf("%s, %s: %v", field, uri, err)
			}
			if err != nil {
				return
			}
			c, err := h.clients.Get(t.Context(), tenant, v.ID)
			h.requireOK(err)
			if kept := encodeJSON(c); strings.Contains(kept, strings.Trim(encodeJSON(uri), `"`)) {
				t.Errorf("%s stores %s: %s", field, uri, kept)
			}
			h.requireOK(h.clients.Delete(t.Context(), tenant, v.ID, operator))
		}
		for _, field := range []string{"redirect_uris", "post_logout_redirect_uris", "request_uris", "logo_uri", "client_uri", "tos_uri", "policy_uri", "initiate_login_uri", "jwks_uri", "sector_identifier_uri", "backchannel_logout_uri"} {
			for _, uri := range []string{"javascript:alert(1)", "JavaScript:alert(1)", " data:text/html,x", "data:text/html,x", "vbscript:x", "http://rp.example.test/x", "https://user@rp.example.test/", "file:///etc/passwd", "/relative"} {
				try(field, uri)
			}
		}
		for _, field := range []string{"jwks_uri", "logo_uri", "sector_identifier_uri", "request_uris", "backchannel_logout_uri"} {
			for _, host := range []string{"127.0.0.1", "localhost", "a.localhost", "[::1]", "[::ffff:127.0.0.1]", "10.0.0.1", "192.168.1.1", "172.16.0.1", "169.254.169.254", "[fc00::1]", "[fe80::1]", "2130706433", "0x7f.1", "127.1", "0.0.0.0"} {
				try(field, "https://"+host+"/x")
				try(field, "http://"+host+"/x")
			}
		}
		_, _, err := h.clients.Create(t.Context(), tenant, client.Registration{Name: "A", Type: auth.ClientWeb, ClientSettings: auth.ClientSettings{LogoURI: "javascript:alert(1)"}}, operator)
		if auth.KindOf(err) != auth.KindInvalid {
			t.Errorf("an operator's logo: %v", err)
		}
		if n := h.countClients(); n != 0 {
			t.Errorf("%d clients are stored", n)
		}
	}, withOpenRegistration)
}

// EP-14: a registration access token is valid only for its own client, while that client exists and is
// enabled.
func TestAttack_EP_14_Management(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		a, err := h.clients.Register(t.Context(), clienttest.RegisterRequest(t, clienttest.RelyingParty(nil), ""))
		h.requireOK(err)
		b, err := h.clients.Register(t.Context(), clienttest.RegisterRequest(t, clienttest.RelyingParty(nil), ""))
		h.requireOK(err)
		mine, _ := h.newClient(client.Registration{Name: "Operator's", Type: auth.ClientWeb})
		requireInvalidToken := func(name string, r client.RegisterRequest) {
			t.Helper()
			_, read := h.clients.ReadRegistered(t.Context(), r)
			_, replace := h.clients.ReplaceRegistered(t.Context(), r)
			for what, err := range map[string]error{"read": read, "replace": replace, "delete": h.clients.DeleteRegistered(t.Context(), r)} {
				if e, ok := errors.AsType[*oauth.Error](err); !ok || e.Code != oauth.InvalidToken || e.Desc != "a valid registration access token is required" {
					t.Errorf("%s, %s: %v", name, what, err)
				}
			}
		}
		body := clienttest.RelyingParty(clienttest.Metadata{"client_id": a.ID})
		requireInvalidToken("another client's", withClientID(clienttest.RegisterRequest(t, body, a.Token), b.ID))
		requireInvalidToken("an operator's client", withClientID(clienttest.RegisterRequest(t, body, a.Token), mine.ID))
		requireInvalidToken("the built-in client", withClientID(clienttest.RegisterRequest(t, body, a.Token), auth.FirstParty))
		requireInvalidToken("nobody's", withClientID(clienttest.RegisterRequest(t, body, a.Token), "cl_nobody"))
		requireInvalidToken("no token", withClientID(clienttest.RegisterRequest(t, body, ""), a.ID))
		requireInvalidToken("the client's secret", withClientID(clienttest.RegisterRequest(t, body, a.Secret), a.ID))
		other := withClientID(clienttest.RegisterRequest(t, body, a.Token), a.ID)
		other.Tenant = "acme"
		requireInvalidToken("another tenant's", other)

		_, err = h.clients.Disable(t.Context(), tenant, a.ID, operator)
		h.requireOK(err)
		requireInvalidToken("a disabled client", withClientID(clienttest.RegisterRequest(t, body, a.Token), a.ID))
		if c, err := h.clients.Get(t.Context(), tenant, a.ID); err != nil || !c.Disabled() {
			t.Errorf("it was enabled: %v", err)
		}
		h.requireOK(h.clients.DeleteRegistered(t.Context(), withClientID(clienttest.RegisterRequest(t, nil, b.Token), b.ID)))
		requireInvalidToken("a deleted client", withClientID(clienttest.RegisterRequest(t, clienttest.RelyingParty(clienttest.Metadata{"client_id": b.ID}), b.Token), b.ID))
	}, withOpenRegistration)
}

// RFC 7592 §2.2, §2.3.
func TestManageRegistration(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		v, err := h.clients.Register(t.Context(), clienttest.RegisterRequest(t, clienttest.RelyingParty(clienttest.Metadata{"logo_uri": "https://rp.example.test/logo.png", "grant_types": []string{"authorization_code", "refresh_token"}}), ""))
		h.requireOK(err)
		got, err := h.clients.ReadRegistered(t.Context(), withClientID(clienttest.RegisterRequest(t, nil, v.Token), v.ID))
		h.requireOK(err)
		if got.Token != v.Token || got.LogoURI == "" || got.Secret != "" || got.SecretExpiresAt != nil {
			t.Errorf("%+v", got)
		}
		_, _, err = h.clients.Update(t.Context(), tenant, v.ID, "", operator, func(r *client.Registration) error {
			r.Scopes, r.Audiences = append(r.Scopes, "orders"), []string{"https://api.example.test"}
			return nil
		})
		h.requireOK(err)

		put := func(m clienttest.Metadata) (client.Information, error) {
			return h.clients.ReplaceRegistered(t.Context(), withClientID(clienttest.RegisterRequest(t, m, v.Token), v.ID))
		}
		for name, m := range map[string]clienttest.Metadata{
			"no client_id": clienttest.RelyingParty(nil), "another client_id": clienttest.RelyingParty(clienttest.Metadata{"client_id": "cl_x"}), "another secret": clienttest.RelyingParty(clienttest.Metadata{"client_id": v.ID, "client_secret": "wws_x"}),
			"a token": clienttest.RelyingParty(clienttest.Metadata{"client_id": v.ID, "registration_access_token": v.Token}), "an expiry": clienttest.RelyingParty(clienttest.Metadata{"client_id": v.ID, "client_secret_expires_at": 0}),
			"a bad URI": clienttest.RelyingParty(clienttest.Metadata{"client_id": v.ID, "redirect_uris": []string{"http://a.test/"}}), "another type": clienttest.RelyingParty(clienttest.Metadata{"client_id": v.ID, "token_endpoint_auth_method": "none"}),
		} {
			if _, err := put(m); err == nil {
				t.Errorf("%s passed", name)
			}
		}
		got, err = put(clienttest.RelyingParty(clienttest.Metadata{"client_id": v.ID, "client_secret": v.Secret, "client_name": "New", "scope": "openid orders"}))
		h.requireOK(err)
		c, err := h.clients.Get(t.Context(), tenant, v.ID)
		h.requireOK(err)
		if got.Name != "New" || got.LogoURI != "" || len(got.Grants) != 1 || got.Scope != "openid orders" || len(c.Settings.Audiences) != 1 || got.Secret != "" {
			t.Errorf("%+v, %+v", got, c)
		}
		_, err = h.clients.Authenticate(t.Context(), clienttest.Basic(clienttest.Form(t), v.ID, v.Secret))
		h.requireOK(err)

		session := h.newSession(v.ID)
		h.write(func(tx *store.Tx) error { return tx.InsertSession(session) })
		h.requireOK(h.clients.DeleteRegistered(t.Context(), withClientID(clienttest.RegisterRequest(t, nil, v.Token), v.ID)))
		h.write(func(tx *store.Tx) error {
			if s, err := tx.Session(session.ID); err != nil || s.EndedAt.IsZero() {
				t.Errorf("the session of a deleted client is live: %+v, %v", s, err)
			}
			return nil
		})
		_, err = h.clients.Authenticate(t.Context(), clienttest.Basic(clienttest.Form(t), v.ID, v.Secret))
		h.requireRefused(err, oauth.InvalidClient)
	}, withOpenRegistration)
}

// An update does not overwrite a concurrent change.
func TestUpdateClient(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		c, _ := h.newClient(client.Registration{Name: "A", Type: auth.ClientWeb, RedirectURIs: []string{"https://a.example.test/"}})
		rename := func(version, name string) (auth.Client, error) {
			got, _, err := h.clients.Update(t.Context(), tenant, c.ID, version, operator, func(r *client.Registration) error { r.Name = name; return nil })
			return got, err
		}
		got, err := rename(client.Version(c), "B")
		h.requireOK(err)
		if got.Name != "B" || len(got.Secrets) != 1 || got.RedirectURIs[0] != "https://a.example.test/" || client.Version(got) == client.Version(c) {
			t.Errorf("%+v", got)
		}
		if _, err := rename(client.Version(c), "C"); auth.KindOf(err) != auth.KindConflict {
			t.Errorf("%v", err)
		}
		k := clienttest.NewKeyPair(t, jose.EdDSA)
		got, _, err = h.clients.Update(t.Context(), tenant, c.ID, "", operator, func(r *client.Registration) error { r.Auth, r.JWKS = auth.AuthPrivateKeyJWT, k.JWKS; return nil })
		if err != nil || len(got.Secrets) != 0 {
			t.Errorf("%+v, %v", got, err)
		}
		_, clientSecret, err := h.clients.Update(t.Context(), tenant, c.ID, "", operator, func(r *client.Registration) error { r.Auth = auth.AuthSecretPost; return nil })
		if err != nil || clientSecret == "" {
			t.Errorf("no secret: %v", err)
		}
	})
}

func FuzzClientMetadata(f *testing.F) {
	h := newFixture(f, storetest.SQLiteConfig(f), withOpenRegistration)
	f.Add(`{"redirect_uris":["https://rp.example.test/cb"],"scope":"openid","jwks_uri":"https://rp.example.test/jwks"}`)
	f.Add(`{"redirect_uris":["http://127.0.0.1/cb"],"token_endpoint_auth_method":"none","application_type":"native"}`)
	f.Add(`{"redirect_uris":[null],"default_max_age":-1,"contacts":[""]}`)
	f.Fuzz(func(t *testing.T, text string) {
		v, err := h.clients.Register(t.Context(), client.RegisterRequest{Tenant: tenant, Body: []byte(text)})
		if err != nil {
			if _, ok := errors.AsType[*oauth.Error](err); !ok {
				t.Fatalf("%q: %v", text, err)
			}
			return
		}
		c, err := h.clients.Get(t.Context(), tenant, v.ID)
		if err != nil || c.FirstParty || c.Type == auth.ClientMachine || !auth.Scope(c.Scopes).Within(auth.DefaultScope) || c.Settings.Exchange != nil || c.Settings.Audiences != nil {
			t.Fatalf("%q became %+v, %v", text, c, err)
		}
		for _, u := range c.RedirectURIs {
			if _, err := auth.ParseRedirectURI(c.Type, u); err != nil {
				t.Errorf("%q: %v", text, err)
			}
		}
	})
}

func encodeJSON(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(b)
}
