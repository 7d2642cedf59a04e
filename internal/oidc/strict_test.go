package oidc_test

import (
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/client"
	"github.com/watchword-auth/watchword/internal/client/clienttest"
	"github.com/watchword-auth/watchword/internal/oauth"
)

// What a server exempts other clients from, it requires from clients that are held to the FAPI 2.0
// Security Profile.
func TestStrictClients(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		k := clienttest.NewKeyPair(t, jose.PS256)
		web := client.Registration{Name: "Bank", Type: auth.ClientWeb, RedirectURIs: []string{"https://bank.test/cb"}}
		keyed := func(r *client.Registration) { r.Auth, r.JWKS = auth.AuthPrivateKeyJWT, k.JWKS }
		strict, _ := h.newClient(web, keyed, func(r *client.Registration) { r.DPoP, r.RequirePushed = true, true })
		plain, _ := h.newClient(web, keyed)
		push := func(c auth.Client, alg jose.SignatureAlgorithm, aud string, more ...string) error {
			raw := clienttest.Sign(t, alg, k.Private, clienttest.WithClaim(h.assertionClaims(c.ID), "aud", aud), nil)
			_, err := h.Push(t.Context(), clienttest.Form(t, append([]string{"client_assertion_type", clienttest.AssertionType, "client_assertion", raw,
				"response_type", "code", "redirect_uri", "https://bank.test/cb", "scope", "openid"}, more...)...))
			return err
		}
		pkce := []string{"code_challenge", challenge, "code_challenge_method", "S256"}
		h.requireOK(push(strict, jose.PS256, base, pkce...))
		h.requireRefused(push(strict, jose.PS256, base), oauth.InvalidRequest)
		h.requireRefused(push(strict, jose.PS256, tokenURL, pkce...), oauth.InvalidClient)
		h.requireRefused(push(strict, jose.RS256, base, pkce...), oauth.InvalidClient)
		h.requireOK(push(plain, jose.RS256, tokenURL))
	}, func(c *settings) { c.client.EndpointAudience, c.PKCEOptional = true, true })
}
