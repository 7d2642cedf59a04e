package oidc_test

import (
	"encoding/base64"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/client"
	"github.com/watchword-auth/watchword/internal/client/clienttest"
	"github.com/watchword-auth/watchword/internal/keys"
	"github.com/watchword-auth/watchword/internal/limit"
	"github.com/watchword-auth/watchword/internal/oauth"
	"github.com/watchword-auth/watchword/internal/oidc"
	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/store"
)

// decodeAccessToken returns the claims of an access token.
func decodeAccessToken(t testing.TB, access string) (c struct {
	Subject  string `json:"sub"`
	ClientID string `json:"client_id"`
	Audience any    `json:"aud"`
	Scope    string `json:"scope"`
	Session  string `json:"sid"`
}) {
	t.Helper()
	decodePayload(t, access, &c)
	return c
}

func (h *fixture) requestClientCredentials(c auth.Client, clientSecret string, more ...string) (auth.Tokens, error) {
	h.t.Helper()
	out, err := h.Token(h.t.Context(), clienttest.Basic(clienttest.Form(h.t, append([]string{"grant_type", "client_credentials"}, more...)...), c.ID, clientSecret))
	return out.Tokens, err
}

func TestClientCredentials(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		api := "https://api.example.test"
		c, clientSecret := h.newMachineClient(func(r *client.Registration) {
			r.Scopes = append(r.Scopes, "openid", "offline_access")
			r.Audiences = []string{api}
		})
		for _, request := range []struct {
			more  []string
			scope string
			aud   any
			code  oauth.Code
		}{
			{nil, "read write", base, ""},
			{[]string{"scope", "write"}, "write", base, ""},
			{[]string{"scope", "  write   read write "}, "write read", base, ""},
			{[]string{"scope", "read delete"}, "", nil, oauth.InvalidScope},
			{[]string{"scope", "openid"}, "", nil, oauth.InvalidScope},
			{[]string{"scope", "offline_access"}, "", nil, oauth.InvalidScope},
			{[]string{"scope", "re\"ad"}, "", nil, oauth.InvalidScope},
			{[]string{"resource", api}, "read write", api, ""},
			{[]string{"resource", api, "resource", base}, "read write", []any{api, base}, ""},
			{[]string{"resource", api + "/x"}, "", nil, oauth.InvalidTarget},
			{[]string{"resource", api + "#x"}, "", nil, oauth.InvalidTarget},
			{[]string{"resource", "api"}, "", nil, oauth.InvalidTarget},
			{[]string{"resource", base + "/t/acme"}, "", nil, oauth.InvalidTarget},
		} {
			ts, err := h.requestClientCredentials(c, clientSecret, request.more...)
			if request.code != "" {
				h.requireRefused(err, request.code)
				continue
			}
			h.requireOK(err)
			got := decodeAccessToken(t, ts.AccessToken)
			if got.Scope != request.scope || ts.Scope.String() != request.scope || cmp.Diff(request.aud, got.Audience) != "" {
				t.Errorf("%q gives scope %q, aud %v", request.more, got.Scope, got.Audience)
			}
			if got.Subject != string(c.ID) || got.ClientID != string(c.ID) || got.Session != "" || ts.RefreshToken != "" {
				t.Errorf("%q gives %+v, refresh %q", request.more, got, ts.RefreshToken)
			}
		}
		// OP-05: one event each, with actor, address and change.
		events := h.events(auth.EventTokenIssued)
		if len(events) != 5 || events[4].Actor.ID != string(c.ID) || events[4].Actor.Kind != auth.ActorClient || events[4].Actor.IP != "192.0.2.1" ||
			events[4].Outcome != auth.Success || events[4].Detail["grant"] != "client_credentials" || events[4].Detail["scope"] != "read write" || !events[4].At.Equal(h.clock.Now()) {
			t.Errorf("%d audit events: %+v", len(events), events)
		}
	})
}

func TestAttack_TK_Refusals(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		c, clientSecret := h.newMachineClient()
		app, appSecret := h.newClient(client.Registration{Name: "App", Type: auth.ClientWeb})
		page, _ := h.newClient(client.Registration{Name: "Page", Type: auth.ClientSPA})
		good := func(pairs ...string) client.Request {
			return clienttest.Basic(clienttest.Form(t, pairs...), c.ID, clientSecret)
		}
		for name, request := range map[string]struct {
			r    client.Request
			code oauth.Code
		}{
			"TK-11 wrong secret":            {clienttest.Basic(clienttest.Form(t, "grant_type", "client_credentials"), c.ID, clientSecret[:46]+"x"), oauth.InvalidClient},
			"TK-11 secret of another":       {clienttest.Basic(clienttest.Form(t, "grant_type", "client_credentials"), c.ID, appSecret), oauth.InvalidClient},
			"TK-11 digest as secret":        {clienttest.Basic(clienttest.Form(t, "grant_type", "client_credentials"), c.ID, secret.Digest(clientSecret)), oauth.InvalidClient},
			"TK-11 unknown client":          {clienttest.Basic(clienttest.Form(t, "grant_type", "client_credentials"), "nobody", clientSecret), oauth.InvalidClient},
			"TK-11 id of no client":         {clienttest.Basic(clienttest.Form(t, "grant_type", "client_credentials"), auth.ClientID(strings.Repeat("x", 300)), clientSecret), oauth.InvalidClient},
			"TK-13 two methods":             {good("grant_type", "client_credentials", "client_secret", clientSecret), oauth.InvalidRequest},
			"TK-13 two clients":             {good("grant_type", "client_credentials", "client_id", string(app.ID)), oauth.InvalidRequest},
			"TK-17 password grant":          {good("grant_type", "password", "username", "a", "password", "b"), oauth.UnsupportedGrantType},
			"TK-17 implicit":                {good("grant_type", "implicit"), oauth.UnsupportedGrantType},
			"TK-18 grant not in the list":   {clienttest.Basic(clienttest.Form(t, "grant_type", "client_credentials"), app.ID, appSecret), oauth.UnauthorizedClient},
			"TK-18 machine refreshes":       {good("grant_type", "refresh_token", "refresh_token", "wwr_x"), oauth.UnauthorizedClient},
			"TK-19 public client":           {clienttest.Form(t, "grant_type", "client_credentials", "client_id", string(page.ID)), oauth.UnauthorizedClient},
			"TK-19 built-in client":         {clienttest.Form(t, "grant_type", "client_credentials", "client_id", string(auth.FirstParty)), oauth.UnauthorizedClient},
			"TK-19 public client, secret":   {clienttest.Form(t, "grant_type", "client_credentials", "client_id", string(page.ID), "client_secret", "x"), oauth.InvalidClient},
			"TK-21 confidential, id alone":  {clienttest.Form(t, "grant_type", "client_credentials", "client_id", string(c.ID)), oauth.InvalidClient},
			"TK-21 confidential, no secret": {clienttest.Basic(clienttest.Form(t, "grant_type", "client_credentials"), c.ID, ""), oauth.InvalidClient},
			"TK-21 nothing":                 {clienttest.Form(t, "grant_type", "client_credentials"), oauth.InvalidClient},
			"TK-38 unknown grant":           {good("grant_type", "CLIENT_CREDENTIALS"), oauth.UnsupportedGrantType},
			"TK-38 grant with a space":      {good("grant_type", "client_credentials "), oauth.UnsupportedGrantType},
			"TK-38 empty grant":             {good("grant_type", ""), oauth.InvalidRequest},
			"TK-38 no grant":                {good(), oauth.InvalidRequest},
			"TK-38 long grant":              {good("grant_type", strings.Repeat("x", 10<<10)), oauth.UnsupportedGrantType},
			"refresh without a token":       {clienttest.Basic(clienttest.Form(t, "grant_type", "refresh_token"), app.ID, appSecret), oauth.InvalidRequest},
			"refresh for no resource":       {clienttest.Basic(clienttest.Form(t, "grant_type", "refresh_token", "refresh_token", "x", "resource", "a.test"), app.ID, appSecret), oauth.InvalidTarget},
			"two Authorization headers":     {repeatHeader(good("grant_type", "client_credentials")), oauth.InvalidRequest},
			"Bearer instead of Basic":       {client.Request{Tenant: tenant, Form: clienttest.Form(t, "grant_type", "client_credentials").Form, Authorization: []string{"Bearer x"}}, oauth.InvalidClient},
			"assertion type without one":    {clienttest.Form(t, "grant_type", "client_credentials", "client_assertion_type", clienttest.AssertionType), oauth.InvalidRequest},
			"assertion of an unknown type":  {clienttest.Form(t, "grant_type", "client_credentials", "client_assertion_type", "x", "client_assertion", "y"), oauth.InvalidRequest},
		} {
			t.Run(name, func(t *testing.T) {
				out, err := h.Token(t.Context(), request.r)
				if out.AccessToken != "" || out.RefreshToken != "" {
					t.Error("a refusal came with tokens")
				}
				var e *oauth.Error
				if !errors.As(err, &e) || e.Code != request.code {
					t.Fatalf("got %v, want %s", err, request.code)
				}
				if e.Code == oauth.InvalidClient && e.Desc != "client authentication failed" {
					t.Errorf("the refusal says why: %q", e.Desc)
				}
			})
		}
		for _, e := range h.events(auth.EventClientRefused) { // OP-05
			if e.Outcome != auth.Failure || e.Detail["reason"] == "" || e.Actor.IP != "192.0.2.1" && e.Actor.IP != "" {
				t.Errorf("line %+v", e)
			}
		}
	})
}

func repeatHeader(r client.Request) client.Request {
	r.Authorization = append(r.Authorization, r.Authorization...)
	return r
}

// TK-12: characters that form encoding changes.
func TestAttack_TK_12_EncodedSecret(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		odd := `a:b%c+d e&é=f`
		c, _ := h.newMachineClient()
		h.write(func(tx *store.Tx) error {
			c.Secrets = []auth.ClientSecret{{Digest: secret.Digest(odd), CreatedAt: tx.Now}}
			return tx.UpdateClient(c)
		})
		_, err := h.requestClientCredentials(c, odd)
		h.requireOK(err)
		r := clienttest.Form(t, "grant_type", "client_credentials")
		r.Authorization = []string{"Basic " + base64.StdEncoding.EncodeToString([]byte(string(c.ID)+":"+odd))}
		_, err = h.Token(t.Context(), r)
		h.requireRefused(err, oauth.InvalidClient)
		_, err = h.Token(t.Context(), clienttest.Form(t, "grant_type", "client_credentials", "client_id", string(c.ID), "client_secret", odd))
		h.requireOK(err)
	})
}

// TK-29: a disabled client can use nothing, and what it had works again when it is enabled, except
// what was tried meanwhile.
func TestAttack_TK_29_DisabledClient(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		c, clientSecret := h.newMachineClient()
		app, appSecret := h.newClient(client.Registration{Name: "App", Type: auth.ClientWeb})
		page, _ := h.newClient(client.Registration{Name: "Page", Type: auth.ClientSPA})
		access, err := h.requestClientCredentials(c, clientSecret)
		h.requireOK(err)
		mine, pages := h.signIn(app.ID, auth.DefaultScope), h.signIn(page.ID, auth.DefaultScope)
		for _, id := range []auth.ClientID{c.ID, app.ID, page.ID} {
			_, err := h.clients.Disable(t.Context(), tenant, id, operator)
			h.requireOK(err)
		}
		_, err = h.requestClientCredentials(c, clientSecret)
		h.requireRefused(err, oauth.InvalidClient)
		_, err = h.Token(t.Context(), clienttest.Basic(clienttest.Form(t, "grant_type", "refresh_token", "refresh_token", mine.RefreshToken), app.ID, appSecret))
		h.requireRefused(err, oauth.InvalidClient)
		_, err = h.Token(t.Context(), clienttest.Form(t, "grant_type", "refresh_token", "refresh_token", pages.RefreshToken, "client_id", string(page.ID)))
		h.requireRefused(err, oauth.InvalidClient)
		_, err = h.Introspect(t.Context(), clienttest.Basic(clienttest.Form(t, "token", access.AccessToken), c.ID, clientSecret))
		h.requireRefused(err, oauth.InvalidClient)
		h.requireRefused(h.Revoke(t.Context(), clienttest.Basic(clienttest.Form(t, "token", access.AccessToken), c.ID, clientSecret)), oauth.InvalidClient)
		for _, raw := range []string{access.AccessToken, mine.AccessToken} {
			if _, err := h.tokens.Verify(t.Context(), tenant, raw); auth.KindOf(err) != auth.KindUnauthenticated {
				t.Errorf("a token of the disabled client: %v", err)
			}
		}
		_, err = h.clients.Enable(t.Context(), tenant, app.ID, operator)
		h.requireOK(err)
		_, err = h.Token(t.Context(), clienttest.Basic(clienttest.Form(t, "grant_type", "refresh_token", "refresh_token", mine.RefreshToken), app.ID, appSecret))
		h.requireRefused(err, oauth.InvalidGrant) // its sessions have ended for good
		h.signIn(app.ID, auth.DefaultScope)
		h.requireOK(h.clients.Delete(t.Context(), tenant, page.ID, operator))
		if _, err := h.tokens.Verify(t.Context(), tenant, pages.AccessToken); auth.KindOf(err) != auth.KindUnauthenticated {
			t.Errorf("a token of the deleted client: %v", err)
		}
		_, err = h.Token(t.Context(), clienttest.Form(t, "grant_type", "refresh_token", "refresh_token", pages.RefreshToken, "client_id", string(page.ID)))
		h.requireRefused(err, oauth.InvalidClient)
	})
}

// A tenant's client is unknown elsewhere, and a disabled tenant issues nothing.
func TestAttack_TN_Clients(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		h.requireOK(h.db.WriteSystem(t.Context(), func(tx *store.SystemTx) error {
			return tx.InsertTenant(auth.Tenant{ID: "acme", Name: "Acme", CreatedAt: tx.Now})
		}))
		h.requireOK(h.keys.Ensure(t.Context(), "acme", keys.ES256))
		c, clientSecret := h.newMachineClient()
		r := clienttest.Basic(clienttest.Form(t, "grant_type", "client_credentials"), c.ID, clientSecret)
		access, err := h.Token(t.Context(), r)
		h.requireOK(err)
		r.Tenant = "acme"
		_, err = h.Token(t.Context(), r)
		h.requireRefused(err, oauth.InvalidClient)
		there, thereSecret, err := h.clients.Create(t.Context(), "acme", client.Registration{Name: "There", Type: auth.ClientMachine, ClientSettings: auth.ClientSettings{Serves: []string{base}}}, operator)
		h.requireOK(err)
		request := clienttest.Basic(clienttest.Form(t, "token", access.AccessToken), there.ID, thereSecret.Reveal())
		request.Tenant = "acme"
		v, err := h.Introspect(t.Context(), request) // EP-02: another tenant's
		if err != nil || !cmp.Equal(v, oidc.Introspection{}) {
			t.Errorf("another tenant learns %+v, %v", v, err)
		}
		h.write(func(tx *store.Tx) error {
			return tx.UpdateCurrentTenant(auth.Tenant{ID: tenant, Name: "x", DisabledAt: tx.Now})
		})
		r.Tenant = tenant
		_, err = h.Token(t.Context(), r)
		h.requireRefused(err, oauth.InvalidClient)
	})
}

// TK-30: both secrets are valid during the overlap, then only the new one.
func TestAttack_TK_30_Secrets(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		c, first := h.newMachineClient()
		try := func(clientSecret string, want bool) {
			t.Helper()
			if _, err := h.requestClientCredentials(c, clientSecret); (err == nil) != want {
				t.Errorf("works: %v, want %v", err, want)
			}
		}
		rotate := func(overlap time.Duration) string {
			t.Helper()
			_, s, err := h.clients.RotateSecret(t.Context(), tenant, c.ID, overlap, operator)
			h.requireOK(err)
			return s.Reveal()
		}
		second := rotate(time.Hour)
		try(first, true)
		try(second, true)
		h.clock.Advance(time.Hour - time.Millisecond)
		try(first, true)
		h.clock.Advance(time.Millisecond)
		try(first, false)
		try(second, true)
		third := rotate(time.Hour)
		fourth := rotate(time.Hour)
		try(second, false) // two at most
		try(third, true)
		try(fourth, true)
		fifth := rotate(0)
		try(fourth, false)
		try(fifth, true)
		for _, overlap := range []time.Duration{-1, client.MaxOverlap + 1} {
			if _, _, err := h.clients.RotateSecret(t.Context(), tenant, c.ID, overlap, operator); auth.KindOf(err) != auth.KindInvalid {
				t.Errorf("overlap %s: %v", overlap, err)
			}
		}
		got, err := h.clients.Get(t.Context(), tenant, c.ID)
		h.requireOK(err)
		for _, kept := range got.Secrets {
			if strings.Contains(kept.Digest, "wws_") {
				t.Error("a secret is kept readable")
			}
		}
		if n := len(h.events(auth.EventClientChanged)); n != 5 { // OP-05: made, rotated four times
			t.Errorf("%d audit events", n)
		}
	})
}

// BF-11: failed attempts for one client are limited, and its own credentials always pass.
func TestAttack_BF_11_ClientSecret(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		c, clientSecret := h.newMachineClient()
		other, _ := h.newMachineClient()
		limited := 0
		for range 10 {
			_, err := h.requestClientCredentials(c, "wrong")
			if auth.KindOf(err) == auth.KindThrottled {
				limited++
			} else {
				h.requireRefused(err, oauth.InvalidClient)
			}
		}
		if limited != 5 {
			t.Errorf("%d of 10 were limited, want 5", limited)
		}
		_, err := h.requestClientCredentials(c, clientSecret)
		h.requireOK(err)
		_, err = h.requestClientCredentials(other, "wrong")
		h.requireRefused(err, oauth.InvalidClient)
		if n := len(h.events(auth.EventClientRefused)); n != 6 {
			t.Errorf("%d audit events", n)
		}
	}, func(c *settings) { c.client.Rates["client.credential"] = limit.Rate{Count: 5, Per: time.Hour} })
}

// TestGrantsDocumented: the table of docs/oauth.md lists the grants of the token endpoint and the
// clients that may use them.
func TestGrantsDocumented(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/oauth.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(page), "| `grant_type` |")
	table, _, _ = strings.Cut(table, "\n\n")
	_, got, _ := strings.Cut(table, "|---|---|---|\n")
	var want []string
	for _, g := range oidc.Grants() {
		clients, self := "all but machines", "no"
		if g.Confidential {
			clients = "confidential ones"
		}
		if g.SelfService {
			self = "yes"
		}
		want = append(want, "| `"+string(g.Name)+"` | "+clients+" | "+self+" |")
	}
	if d := cmp.Diff(strings.Join(want, "\n"), got); d != "" {
		t.Errorf("docs/oauth.md, Token endpoint (-grants +docs):\n%s", d)
	}
}
