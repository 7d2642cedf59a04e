package client_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/client"
	"github.com/watchword-auth/watchword/internal/client/clienttest"
	"github.com/watchword-auth/watchword/internal/oauth"
)

// A client learns no pairwise subject of a sector that it cannot prove to be its own, neither by the
// device grant, which an operator gives it, nor by a later change of sector.
func TestRepair_S6_SectorIsProved(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		const bank = "https://login.bank.example/callback"
		pairwise := clienttest.Metadata{"subject_type": "pairwise", "redirect_uris": []string{bank}}
		owner, _ := h.newClient(client.Registration{Name: "Bank", Type: auth.ClientWeb, RedirectURIs: []string{bank}, ClientSettings: auth.ClientSettings{SubjectType: "pairwise"}})
		want := h.tokens.Subject(owner, h.alice)

		v, err := h.clients.Register(t.Context(), clienttest.RegisterRequest(t, clienttest.RelyingParty(pairwise), ""))
		h.requireOK(err)
		_, _, err = h.clients.Update(t.Context(), tenant, v.ID, "", operator, func(r *client.Registration) error {
			r.Grants = append(r.Grants, auth.GrantDeviceCode)
			return nil
		})
		h.requireOK(err)
		for range 2 {
			c, err := h.clients.Get(t.Context(), tenant, v.ID)
			h.requireOK(err)
			if h.tokens.Subject(c, h.alice) == want || !c.Allows(auth.GrantDeviceCode) {
				t.Error("a client with the device grant shares the subjects of the redirect URI's host")
			}
			again := clienttest.Metadata{"client_id": v.ID, "client_name": "RP", "subject_type": "pairwise", "redirect_uris": []string{bank}}
			_, err = h.clients.ReplaceRegistered(t.Context(), withClientID(clienttest.RegisterRequest(t, again, v.Token), v.ID))
			h.requireOK(err)
		}

		for name, start := range map[string]clienttest.Metadata{
			"from a host of its own": {"subject_type": "pairwise", "redirect_uris": []string{"https://evil.example/cb"}},
			"from public subjects":   {"redirect_uris": []string{"https://evil.example/cb"}},
		} {
			v, err := h.clients.Register(t.Context(), clienttest.RegisterRequest(t, clienttest.RelyingParty(start), ""))
			h.requireOK(err)
			moved := clienttest.Metadata{"client_id": v.ID, "client_name": "RP", "subject_type": "pairwise", "redirect_uris": []string{bank}}
			_, err = h.clients.ReplaceRegistered(t.Context(), withClientID(clienttest.RegisterRequest(t, moved, v.Token), v.ID))
			if e, ok := errors.AsType[*oauth.Error](err); !ok || e.Code != oauth.InvalidClientMetadata {
				t.Errorf("%s: %v", name, err)
			}
		}
	}, withOpenRegistration)
}

func TestRepair_N17_RedirectURIs(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		for _, uri := range []string{"https://app.example/*", "https://app.example/cb?next=*", "https://*.example/cb", "http://127.0.0.1/*"} {
			_, _, err := h.clients.Create(t.Context(), tenant, client.Registration{Name: "A", Type: auth.ClientWeb, RedirectURIs: []string{"https://good.example/cb", uri}}, operator)
			e, ok := errors.AsType[*auth.Error](err)
			if !ok || e.Code != "invalid_redirect_uri" || !strings.Contains(e.Msg, uri) || strings.Contains(e.Msg, "good.example") {
				t.Errorf("%s: %v", uri, err)
			}
			_, err = h.clients.Register(t.Context(), clienttest.RegisterRequest(t, clienttest.RelyingParty(clienttest.Metadata{"redirect_uris": []string{uri}}), ""))
			h.requireRefused(err, oauth.InvalidRedirectURI)
		}
		for _, typ := range []auth.ClientType{auth.ClientWeb, auth.ClientSPA, auth.ClientNative} {
			_, _, err := h.clients.Create(t.Context(), tenant, client.Registration{Name: "A", Type: typ}, operator)
			if e, ok := errors.AsType[*auth.Error](err); !ok || e.Code != "invalid_redirect_uri" || e.Field != "redirect_uris" {
				t.Errorf("%s without a redirect URI: %v", typ, err)
			}
		}
	}, withOpenRegistration)
}

// A refusal names the setting with the wrong value, in its field and in its message.
func TestRefusalsNameTheSetting(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		wrong := []string{"\x01"}
		web := func(set func(*client.Registration)) client.Registration {
			r := client.Registration{Name: "A", Type: auth.ClientWeb, RedirectURIs: []string{"https://good.example/cb"}}
			set(&r)
			return r
		}
		for field, r := range map[string]client.Registration{
			"client_name":               web(func(r *client.Registration) { r.Name = wrong[0] }),
			"redirect_uris":             web(func(r *client.Registration) { r.RedirectURIs = wrong }),
			"scopes":                    web(func(r *client.Registration) { r.Scopes = wrong }),
			"post_logout_redirect_uris": web(func(r *client.Registration) { r.PostLogoutURIs = wrong }),
			"client_uri":                web(func(r *client.Registration) { r.ClientURI = wrong[0] }),
			"jwks_uri":                  web(func(r *client.Registration) { r.JWKSURI = wrong[0] }),
			"request_uris":              web(func(r *client.Registration) { r.RequestURIs = wrong }),
			"audiences":                 web(func(r *client.Registration) { r.Audiences = wrong }),
			"serves":                    web(func(r *client.Registration) { r.Serves = wrong }),
			"contacts":                  web(func(r *client.Registration) { r.Contacts = wrong }),
			"default_acr_values":        web(func(r *client.Registration) { r.DefaultACR = wrong }),
			"grant_types":               web(func(r *client.Registration) { r.Grants = []auth.GrantType{"implicit"} }),
			"token_exchange": web(func(r *client.Registration) {
				r.Grants = []auth.GrantType{auth.GrantAuthorizationCode, auth.GrantTokenExchange}
				r.Exchange = &auth.ClientExchangePolicy{Audiences: wrong}
			}),
		} {
			_, _, err := h.clients.Create(t.Context(), tenant, r, operator)
			if e, ok := errors.AsType[*auth.Error](err); !ok || e.Field != field || !strings.HasPrefix(e.Msg, field+": ") {
				t.Errorf("%s: %v", field, err)
			}
		}
		_, err := h.clients.Register(t.Context(), clienttest.RegisterRequest(t, clienttest.RelyingParty(clienttest.Metadata{"scope": "watchword:x"}), ""))
		if e, ok := errors.AsType[*oauth.Error](err); ok && strings.Contains(e.Desc, "scopes") {
			t.Errorf("client metadata has no scopes: %s", e.Desc)
		}
	}, withOpenRegistration)
}

// A list that is too long is refused for its length before its values are checked.
func TestRepair_H2_ListsAreMeasuredFirst(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		long := func(n int) (out []string) {
			for i := range n {
				out = append(out, fmt.Sprintf("\x01%d", i)) // wrong as anything
			}
			return out
		}
		for field, n := range map[string]int{"redirect_uris": 101, "post_logout_redirect_uris": 101, "contacts": 101, "default_acr_values": 101, "request_uris": 17,
			"grant_types": 101, "response_types": 101} {
			_, err := h.clients.Register(t.Context(), clienttest.RegisterRequest(t, clienttest.RelyingParty(clienttest.Metadata{field: long(n)}), ""))
			if e, ok := errors.AsType[*oauth.Error](err); !ok || e.Code != oauth.InvalidClientMetadata || !strings.HasPrefix(e.Desc, field+": at most") {
				t.Errorf("%s: %v", field, err)
			}
		}
		of := func(s auth.ClientSettings) client.Registration {
			return client.Registration{Name: "A", Type: auth.ClientMachine, ClientSettings: s}
		}
		exchange := func(p auth.ClientExchangePolicy) client.Registration {
			return of(auth.ClientSettings{Grants: []auth.GrantType{auth.GrantTokenExchange}, Exchange: &p})
		}
		ids := make([]auth.ClientID, 101)
		for field, r := range map[string]client.Registration{
			"scopes":         {Name: "A", Type: auth.ClientMachine, Scopes: long(101)},
			"audiences":      of(auth.ClientSettings{Audiences: long(101)}),
			"serves":         of(auth.ClientSettings{Serves: long(101)}),
			"grant_types":    of(auth.ClientSettings{Grants: make([]auth.GrantType, 101)}),
			"token_exchange": exchange(auth.ClientExchangePolicy{Audiences: long(101)}),
			"redirect_uris":  {Name: "A", Type: auth.ClientWeb, RedirectURIs: long(101)},
		} {
			_, _, err := h.clients.Create(t.Context(), tenant, r, operator)
			if e, ok := errors.AsType[*auth.Error](err); !ok || e.Code != "too_many" || e.Field != field {
				t.Errorf("%s: %v", field, err)
			}
		}
		_, _, err := h.clients.Create(t.Context(), tenant, exchange(auth.ClientExchangePolicy{Subjects: ids}), operator)
		if e, ok := errors.AsType[*auth.Error](err); !ok || e.Code != "too_many" {
			t.Errorf("subjects: %v", err)
		}
		// Scopes are text, not a list. Their number is bounded, too.
		var scope strings.Builder
		for i := range 300 {
			fmt.Fprintf(&scope, "s%d ", i)
		}
		if _, err := auth.ParseScope(scope.String()); err == nil {
			t.Error("a scope of 300 tokens is accepted")
		}
	}, withOpenRegistration)
}

// A private key is refused by its members: to check one costs far more than to read it.
func TestRepair_H2_KeysAreReadByTheirPublicMembers(t *testing.T) {
	t.Parallel()
	huge := strings.Repeat("-", 1000) + strings.Repeat("A", 20_000) // no base64url of a number, and long
	for _, member := range []string{"d", "p", "q", "dp", "dq", "qi", "k", "oth"} {
		_, err := client.ParseKeys([]byte(`{"keys":[{"kty":"RSA","e":"AQAB","n":"` + huge[:4000] + `","` + member + `":"` + huge + `"}]}`))
		if err == nil || !strings.Contains(err.Error(), "public keys only") {
			t.Errorf("%s: %v", member, err)
		}
	}
}

// Only the supported members of a key set are stored.
func TestRepair_S21_KeysAreKeptAsUnderstood(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		jwks := clienttest.KeySet(t, map[string]clienttest.KeyPair{"k1": clienttest.NewKeyPair(t, jose.ES256)})
		jwks = strings.Replace(jwks, "{", `{"serves":1,"document_at":":","x5u":"https://evil.example/",`, 1)
		v, err := h.clients.Register(t.Context(), clienttest.RegisterRequest(t, clienttest.RelyingParty(clienttest.Metadata{"jwks": json.RawMessage(jwks)}), ""))
		h.requireOK(err)
		c, err := h.clients.Get(t.Context(), tenant, v.ID)
		h.requireOK(err)
		if s := string(c.Settings.JWKS); strings.Contains(s, "serves") || strings.Contains(s, "x5u") || !strings.Contains(s, `"kid":"k1"`) {
			t.Errorf("kept: %s", s)
		}
		if _, err := client.ParseKeys(c.Settings.JWKS); err != nil {
			t.Errorf("what is kept cannot be read: %v", err)
		}
	}, withOpenRegistration)
}

// A policy of second factors is one that can be required of a client's users.
func TestSecondFactor(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		for given, want := range map[auth.FactorPolicy]auth.FactorPolicy{"": "", auth.FactorsOptional: "", auth.FactorsRequired: auth.FactorsRequired, auth.FactorsResistant: auth.FactorsResistant} {
			c, _ := h.newClient(client.Registration{Name: "App", Type: auth.ClientWeb, RedirectURIs: []string{"https://app.example.test/cb"}, ClientSettings: auth.ClientSettings{SecondFactor: given}})
			if c.Settings.SecondFactor != want {
				t.Errorf("%q became %q", given, c.Settings.SecondFactor)
			}
		}
		for _, bad := range []auth.FactorPolicy{auth.FactorsOff, "must"} {
			_, _, err := h.clients.Create(t.Context(), tenant, client.Registration{Name: "App", Type: auth.ClientWeb, RedirectURIs: []string{"https://app.example.test/cb"}, ClientSettings: auth.ClientSettings{SecondFactor: bad}}, auth.System)
			if e, ok := errors.AsType[*auth.Error](err); !ok || e.Code != auth.CodeSecondFactorInvalid {
				t.Errorf("%q: %v", bad, err)
			}
		}
	})
}
