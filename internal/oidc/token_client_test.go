package oidc_test

import (
	"testing"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/client"
	"github.com/watchword-auth/watchword/internal/client/clienttest"
	"github.com/watchword-auth/watchword/internal/limit"
	"github.com/watchword-auth/watchword/internal/oauth"
)

// Libraries send an empty secret for a client without one: by Basic first, as golang.org/x/oauth2
// does, or in the form. That is the method none and no failed attempt: it is neither counted nor
// recorded.
func TestRepair_EmptySecretIsTheMethodNone(t *testing.T) {
	once := func(c *settings) { c.client.Rates["client.credential"] = limit.Rate{Count: 1, Per: 1 << 40} }
	each(t, func(t *testing.T, h *fixture) {
		page, _ := h.newClient(client.Registration{Name: "Page", Type: auth.ClientSPA, RedirectURIs: []string{callback}, FirstParty: true})
		v := h.newBrowser()
		v.signIn(h.alice)
		for _, show := range []func(client.Request) client.Request{
			func(r client.Request) client.Request { return clienttest.Basic(r, page.ID, "") },
			func(r client.Request) client.Request { return r },
		} {
			step, err := v.authorize(authorizationPairs(page)...)
			h.requireOK(err)
			code, _, _ := h.requireCode(step)
			r := show(h.redeemRequest(page, "", code))
			_, err = h.Token(t.Context(), r)
			h.requireOK(err)
			_, err = h.Token(t.Context(), show(clienttest.Form(t, "grant_type", "authorization_code", "code", "wwc_x", "client_id", string(page.ID), "client_secret", "")))
			h.requireRefused(err, oauth.InvalidGrant)
		}
		if events := h.events(auth.EventClientRefused); len(events) != 0 {
			t.Errorf("%d refused attempts", len(events))
		}
		// An empty secret proves nothing for a client that has one, however it is sent.
		app, clientSecret := h.newWebClient()
		for range 2 {
			_, err := h.Token(t.Context(), clienttest.Basic(clienttest.Form(t, "grant_type", "refresh_token", "refresh_token", "wwr_x"), app.ID, ""))
			if auth.KindOf(err) != auth.KindThrottled {
				h.requireRefused(err, oauth.InvalidClient)
			}
		}
		// Beside another method the client_id must be the same, and an empty secret is no second method.
		_, err := h.Token(t.Context(), clienttest.Basic(clienttest.Form(t, "grant_type", "refresh_token", "refresh_token", "wwr_x", "client_id", string(app.ID), "client_secret", clientSecret), page.ID, ""))
		h.requireRefused(err, oauth.InvalidRequest)
		_, err = h.Token(t.Context(), clienttest.Basic(clienttest.Form(t, "grant_type", "refresh_token", "refresh_token", "wwr_x", "client_id", string(app.ID), "client_secret", clientSecret), app.ID, ""))
		h.requireRefused(err, oauth.InvalidGrant)
	}, once)
}
