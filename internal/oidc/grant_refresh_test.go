package oidc_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/client"
	"github.com/watchword-auth/watchword/internal/client/clienttest"
	"github.com/watchword-auth/watchword/internal/oauth"
)

func (h *fixture) refreshTokens(c auth.Client, clientSecret, raw string, more ...string) (auth.Tokens, error) {
	h.t.Helper()
	r := clienttest.Form(h.t, append([]string{"grant_type", "refresh_token", "refresh_token", raw}, more...)...)
	if clientSecret == "" {
		r = clienttest.Form(h.t, append([]string{"grant_type", "refresh_token", "refresh_token", raw, "client_id", string(c.ID)}, more...)...)
	} else {
		r = clienttest.Basic(r, c.ID, clientSecret)
	}
	out, err := h.Token(h.t.Context(), r)
	return out.Tokens, err
}

// RT-03, RT-04, RT-05, RT-11 and part of RT-01.
func TestAttack_RT_RefreshGrant(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		conf, clientSecret := h.newClient(client.Registration{Name: "A", Type: auth.ClientWeb})
		conf2, secret2 := h.newClient(client.Registration{Name: "B", Type: auth.ClientWeb})
		page, _ := h.newClient(client.Registration{Name: "C", Type: auth.ClientSPA})
		ts := h.signIn(conf.ID, auth.DefaultScope)

		_, err := h.refreshTokens(conf2, secret2, ts.RefreshToken) // RT-03
		h.requireRefused(err, oauth.InvalidGrant)
		_, err = h.refreshTokens(page, "", ts.RefreshToken)
		h.requireRefused(err, oauth.InvalidGrant)
		_, err = h.refreshTokens(conf, "", ts.RefreshToken)
		h.requireRefused(err, oauth.InvalidClient)
		_, err = h.refreshTokens(conf, clientSecret, ts.AccessToken) // RT-11
		h.requireRefused(err, oauth.InvalidGrant)
		_, err = h.refreshTokens(conf, clientSecret, ts.RefreshToken, "scope", "openid admin") // RT-04
		h.requireRefused(err, oauth.InvalidScope)

		narrow, err := h.refreshTokens(conf, clientSecret, ts.RefreshToken, "scope", "openid") // RT-05
		h.requireOK(err)
		if narrow.Scope.String() != "openid" || decodeAccessToken(t, narrow.AccessToken).Scope != "openid" {
			t.Errorf("narrowed to %q", narrow.Scope)
		}
		wide, err := h.refreshTokens(conf, clientSecret, narrow.RefreshToken)
		h.requireOK(err)
		if d := cmp.Diff(auth.DefaultScope, wide.Scope); d != "" {
			t.Errorf("scope (-want +got):\n%s", d)
		}
		again, err := h.refreshTokens(conf, clientSecret, wide.RefreshToken, "scope", auth.DefaultScope.String())
		h.requireOK(err)
		if got := decodeAccessToken(t, again.AccessToken); got.Subject != string(h.alice) || got.ClientID != string(conf.ID) || got.Session == "" {
			t.Errorf("the token says %+v", got)
		}

		_, err = h.refreshTokens(conf, clientSecret, ts.RefreshToken) // RT-01: used long ago
		h.requireRefused(err, oauth.InvalidGrant)
		_, err = h.refreshTokens(conf, clientSecret, again.RefreshToken)
		h.requireRefused(err, oauth.InvalidGrant)
		if n := len(h.events(auth.EventRefreshReused)); n != 1 {
			t.Errorf("%d audit events of reuse", n)
		}

		// Tokens of the first-party API can be refreshed here, too.
		own := h.signIn(auth.FirstParty, auth.DefaultScope)
		_, err = h.Token(t.Context(), clienttest.Form(t, "grant_type", "refresh_token", "refresh_token", own.RefreshToken, "client_id", string(auth.FirstParty)))
		h.requireOK(err)
	})
}
