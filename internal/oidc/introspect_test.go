package oidc_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/client"
	"github.com/watchword-auth/watchword/internal/client/clienttest"
	"github.com/watchword-auth/watchword/internal/oauth"
	"github.com/watchword-auth/watchword/internal/oidc"
	"github.com/watchword-auth/watchword/internal/store/storetest"
)

func (h *fixture) introspect(c auth.Client, clientSecret, token string, more ...string) oidc.Introspection {
	h.t.Helper()
	v, err := h.Introspect(h.t.Context(), clienttest.Basic(clienttest.Form(h.t, append([]string{"token", token}, more...)...), c.ID, clientSecret))
	h.requireOK(err)
	return v
}

// requireInactive checks that the response says only that the token is inactive.
func (h *fixture) requireInactive(name string, v oidc.Introspection) {
	h.t.Helper()
	if b, _ := json.Marshal(v); string(b) != `{"active":false}` {
		h.t.Errorf("%s: %s", name, b)
	}
}

func TestIntrospect(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		api, apiSecret := h.newMachineClient()
		app, appSecret := h.newClient(client.Registration{Name: "App", Type: auth.ClientWeb, FirstParty: true})
		ts := h.signIn(app.ID, auth.DefaultScope)
		now := h.clock.Now().Unix()
		want := oidc.Introspection{Active: true, TokenType: "Bearer", Issuer: base, Subject: string(h.alice), Audience: []string{base}, ClientID: string(app.ID),
			Scope: auth.DefaultScope.String(), ExpiresAt: now + 900, IssuedAt: now, AuthTime: now, SessionID: string(ts.Session)}
		for _, hint := range []string{"access_token", "refresh_token", "nonsense", ""} { // EP-03
			got := h.introspect(api, apiSecret, ts.AccessToken, "token_type_hint", hint)
			if got.ID == "" {
				t.Error("no jti")
			}
			got.ID = ""
			if len(got.Roles) == 0 && len(got.Permissions) == 0 {
				got.Roles, got.Permissions = nil, nil
			}
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("hint %q (-want +got):\n%s", hint, d)
			}
			refresh := h.introspect(app, appSecret, ts.RefreshToken, "token_type_hint", hint)
			if !refresh.Active || refresh.ClientID != string(app.ID) || refresh.TokenType != "" || refresh.ExpiresAt <= now {
				t.Errorf("hint %q: refresh token %+v", hint, refresh)
			}
		}
		if !h.introspect(app, appSecret, ts.AccessToken).Active {
			t.Error("a client learns nothing of its own token")
		}
	})
}

// EP-01, EP-02: who may introspect which token.
func TestAttack_EP_01_02_Introspection(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		orders := "https://orders.example.test"
		api, apiSecret := h.newMachineClient()
		job, jobSecret := h.newMachineClient(func(r *client.Registration) { r.Audiences = []string{orders} })
		shop, shopSecret := h.newMachineClient(func(r *client.Registration) { r.Serves = []string{orders} })
		app, appSecret := h.newClient(client.Registration{Name: "App", Type: auth.ClientWeb, FirstParty: true})
		web2, web2Secret := h.newClient(client.Registration{Name: "B", Type: auth.ClientWeb})
		page, _ := h.newClient(client.Registration{Name: "C", Type: auth.ClientSPA})
		ts := h.signIn(app.ID, auth.DefaultScope)

		for name, r := range map[string]client.Request{
			"EP-01 nobody":          clienttest.Form(t, "token", ts.AccessToken),
			"EP-01 public client":   clienttest.Form(t, "token", ts.AccessToken, "client_id", string(page.ID)),
			"EP-01 built-in client": clienttest.Form(t, "token", ts.AccessToken, "client_id", string(auth.FirstParty)),
			"EP-01 wrong secret":    clienttest.Basic(clienttest.Form(t, "token", ts.AccessToken), api.ID, "x"),
			"EP-01 id alone":        clienttest.Form(t, "token", ts.AccessToken, "client_id", string(api.ID)),
		} {
			_, err := h.Introspect(t.Context(), r)
			var e *oauth.Error
			if !errors.As(err, &e) || e.Code != oauth.InvalidClient {
				t.Errorf("%s: %v", name, err)
			}
		}
		_, err := h.Introspect(t.Context(), clienttest.Basic(clienttest.Form(t), api.ID, apiSecret))
		h.requireRefused(err, oauth.InvalidRequest)

		forOrders, err := h.requestClientCredentials(job, jobSecret, "resource", orders)
		h.requireOK(err)
		if v := h.introspect(shop, shopSecret, forOrders.AccessToken); !v.Active || v.Subject != string(job.ID) {
			t.Errorf("the resource server learns %+v", v)
		}
		if v := h.introspect(job, jobSecret, forOrders.AccessToken); !v.Active {
			t.Error("the client learns nothing of its own token")
		}
		h.requireInactive("another audience", h.introspect(api, apiSecret, forOrders.AccessToken))
		h.requireInactive("another client's", h.introspect(web2, web2Secret, ts.AccessToken))
		h.requireInactive("another client's refresh token", h.introspect(api, apiSecret, ts.RefreshToken))
		for _, raw := range []string{"x", "wwr_x", "a.b.c", "..", "wwr_" + strings.Repeat("A", 91), ts.AccessToken[:len(ts.AccessToken)-4], ts.AccessToken + "x",
			strings.Repeat("x", 20_000), "eyJhbGciOiJub25lIn0.eyJhdWQiOiJodHRwczovL2lkLmV4YW1wbGUudGVzdCJ9."} {
			h.requireInactive(raw[:min(len(raw), 40)], h.introspect(api, apiSecret, raw))
		}
		used := ts.RefreshToken
		next, err := h.refreshTokens(app, appSecret, used)
		h.requireOK(err)
		h.requireInactive("used", h.introspect(app, appSecret, used))
		if !h.introspect(app, appSecret, next.RefreshToken).Active {
			t.Error("the successor is not active")
		}
		h.clock.Advance(16 * time.Minute)
		h.requireInactive("expired", h.introspect(api, apiSecret, ts.AccessToken))
		if !h.introspect(app, appSecret, next.RefreshToken).Active {
			t.Error("the refresh token died with its access token")
		}
		h.clock.Advance(15 * 24 * time.Hour)
		h.requireInactive("idle", h.introspect(app, appSecret, next.RefreshToken))
	})
}

// EP-04, EP-05: who may revoke which token.
func TestAttack_EP_04_05_Revocation(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		api, apiSecret := h.newMachineClient()
		job, jobSecret := h.newMachineClient()
		app, appSecret := h.newClient(client.Registration{Name: "App", Type: auth.ClientWeb, FirstParty: true})
		page, _ := h.newClient(client.Registration{Name: "C", Type: auth.ClientSPA})
		ts, theirs := h.signIn(app.ID, auth.DefaultScope), h.signIn(page.ID, auth.DefaultScope)
		machine, err := h.requestClientCredentials(job, jobSecret)
		h.requireOK(err)

		revoke := func(c auth.Client, clientSecret, raw string, more ...string) error {
			return h.Revoke(t.Context(), clienttest.Basic(clienttest.Form(t, append([]string{"token", raw}, more...)...), c.ID, clientSecret))
		}
		for _, raw := range []string{ts.AccessToken, ts.RefreshToken, machine.AccessToken} { // EP-04
			h.requireRefused(revoke(api, apiSecret, raw), oauth.InvalidRequest)
			h.requireRefused(h.Revoke(t.Context(), clienttest.Form(t, "token", raw, "client_id", string(page.ID))), oauth.InvalidRequest)
		}
		if !h.introspect(api, apiSecret, ts.AccessToken).Active || !h.introspect(app, appSecret, ts.RefreshToken).Active || !h.introspect(job, jobSecret, machine.AccessToken).Active {
			t.Fatal("EP-04: a token was revoked by another client")
		}
		for _, raw := range []string{"x", "wwr_x", "a.b.c", strings.Repeat("x", 20_000)} { // EP-05
			h.requireOK(revoke(app, appSecret, raw))
		}
		h.requireRefused(revoke(app, appSecret, ""), oauth.InvalidRequest)
		h.requireRefused(revoke(app, "wrong", ts.RefreshToken), oauth.InvalidClient)

		for range 2 {
			h.requireOK(revoke(job, jobSecret, machine.AccessToken, "token_type_hint", "refresh_token"))
		}
		h.requireInactive("revoked access token", h.introspect(job, jobSecret, machine.AccessToken))
		if _, err := h.tokens.Verify(t.Context(), tenant, machine.AccessToken); auth.KindOf(err) != auth.KindUnauthenticated {
			t.Errorf("a revoked access token: %v", err)
		}
		if fresh, err := h.requestClientCredentials(job, jobSecret); err != nil || !h.introspect(job, jobSecret, fresh.AccessToken).Active {
			t.Errorf("the next one: %v", err)
		}
		for range 2 {
			h.requireOK(revoke(app, appSecret, ts.RefreshToken, "token_type_hint", "access_token"))
		}
		h.requireInactive("revoked", h.introspect(app, appSecret, ts.RefreshToken))
		h.requireInactive("access token of the revoked", h.introspect(api, apiSecret, ts.AccessToken))
		_, err = h.refreshTokens(app, appSecret, ts.RefreshToken)
		h.requireRefused(err, oauth.InvalidGrant)
		h.requireOK(h.Revoke(t.Context(), clienttest.Form(t, "token", theirs.RefreshToken, "client_id", string(page.ID))))
		h.requireInactive("revoked by a public client", h.introspect(api, apiSecret, theirs.AccessToken))
		if n := len(h.events(auth.EventTokenRevoked)); n != 1 { // OP-05
			t.Errorf("%d audit events of revoked access tokens", n)
		}
		if n := len(h.events(auth.EventSessionEnded)); n != 2 {
			t.Errorf("%d audit events of ended sessions", n)
		}
	})
}

// FuzzToken: no text makes introspection or revocation fail, and none is active.
func FuzzToken(f *testing.F) {
	h := newFixture(f, storetest.SQLiteConfig(f))
	c, clientSecret := h.newMachineClient()
	ts, err := h.requestClientCredentials(c, clientSecret)
	h.requireOK(err)
	own := h.signIn(auth.FirstParty, auth.DefaultScope)
	f.Add(ts.AccessToken + "x")
	f.Add(own.RefreshToken + "x")
	f.Add(`eyJhbGciOiJFUzI1NiJ9.eyJhdWQiOlsiYSIsImh0dHBzOi8vaWQuZXhhbXBsZS50ZXN0Il19.AAAA`)
	f.Fuzz(func(t *testing.T, raw string) {
		body, err := oauth.ParseForm("token=" + strings.NewReplacer("%", "%25", "&", "%26", "+", "%2B", ";", "%3B").Replace(raw))
		if err != nil || raw == ts.AccessToken || raw == "" {
			return
		}
		r := clienttest.Basic(client.Request{Tenant: tenant, Form: body}, c.ID, clientSecret)
		if v, err := h.Introspect(t.Context(), r); err != nil || v.Active {
			t.Fatalf("%q: %+v, %v", raw, v, err)
		}
		if err := h.Revoke(t.Context(), r); err != nil {
			t.Fatalf("%q: %v", raw, err)
		}
	})
}
