package oidc_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/client"
	"github.com/watchword-auth/watchword/internal/client/clienttest"
	"github.com/watchword-auth/watchword/internal/keys"
	"github.com/watchword-auth/watchword/internal/store"
)

func TestRepair_C4_SignedAnswers(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		for mode, travels := range map[string]string{"jwt": "query", "query.jwt": "query", "fragment.jwt": "fragment", "form_post.jwt": "form_post"} {
			for _, alg := range []string{"", "ES256", "EdDSA"} {
				c, clientSecret := h.newWebClient(withOfflineAccess, func(r *client.Registration) { r.AuthorizationAlgorithm = alg })
				v := h.newBrowser()
				v.signIn(h.alice)

				step, err := v.authorize(authorizationPairs(c, "response_mode", mode)...)

				h.requireOK(err)
				if step.Response.Mode != travels || len(step.Response.Params) != 1 || step.Response.Params[0][0] != "response" {
					t.Fatalf("%s: %+v", mode, step.Response)
				}
				head, got := h.decodeIDToken(step.Response.Get("response"))
				if want := map[string]string{"": "RS256"}[alg] + alg; head.Algorithm != want {
					t.Errorf("%s: signed with %s, want %s", mode, head.Algorithm, want)
				}
				code, _ := got["code"].(string)
				want := clienttest.Claims{"iss": base, "aud": string(c.ID), "exp": float64(h.clock.Now().Unix() + 300), "state": "s t&=é", "code": code}
				if d := cmp.Diff(want, got); d != "" {
					t.Errorf("%s: claims (-want +got):\n%s", mode, d)
				}
				_, err = h.redeemCode(c, clientSecret, code)
				h.requireOK(err)
			}
		}
	})
}

func TestRepair_C4_RefusalsAreSignedAsWell(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		c, _ := h.newWebClient(withOfflineAccess)
		for name, test := range map[string]struct {
			change []string
			mode   string
			code   string
		}{
			"nobody is signed in": {[]string{"prompt", "none", "response_mode", "jwt"}, "query", "login_required"},
			"a bad request":       {[]string{"max_age", "x", "response_mode", "form_post.jwt"}, "form_post", "invalid_request"},
			"a type with tokens":  {[]string{"response_type", "code token", "response_mode", "jwt"}, "fragment", "unsupported_response_type"},
		} {
			step, err := h.newBrowser().authorize(authorizationPairs(c, test.change...)...)
			h.requireOK(err)
			if step.Response == nil || step.Response.Mode != test.mode || len(step.Response.Params) != 1 {
				t.Fatalf("%s: %+v", name, step.Response)
			}
			_, got := h.decodeIDToken(step.Response.Get("response"))
			if got["error"] != test.code || got["state"] != "s t&=é" || got["iss"] != base || got["aud"] != string(c.ID) || got["code"] != nil {
				t.Errorf("%s: %v", name, got)
			}
		}
		// A signed response is no ID Token, although the same keys sign it.
		step, err := h.newBrowser().authorize(authorizationPairs(c, "prompt", "none", "response_mode", "jwt")...)
		h.requireOK(err)
		step, err = h.newBrowser().authorize(authorizationPairs(c, "id_token_hint", step.Response.Get("response"))...)
		h.requireOK(err)
		if step.Response == nil || step.Response.Get("error") != "invalid_request" {
			t.Errorf("as a hint: %+v", step.Response)
		}
	})
}

// A node that cannot open the signing keys finishes no flow for a response that it cannot sign.
func TestRepair_C4_NothingIsSpentForAnAnswerThatCannotBeSigned(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		c, _ := h.newWebClient(withFirstParty)
		v := h.newBrowser()
		v.signIn(h.alice)
		_, err := v.authorize(authorizationPairs(c, "response_mode", "jwt")...)
		h.requireOK(err)
		issued := len(h.events(auth.EventCodeIssued))
		h.write(func(tx *store.Tx) error {
			return tx.InsertSigningKey(auth.SigningKey{ID: "other", Algorithm: keys.RS256, Public: []byte("{}"), Sealed: []byte("of another master key"),
				CreatedAt: tx.Now, ActiveAt: tx.Now})
		})
		h.clock.Advance(time.Minute)

		_, err = v.authorize(authorizationPairs(c, "response_mode", "jwt")...)

		if n := len(h.events(auth.EventCodeIssued)); err == nil || n != issued {
			t.Errorf("%d codes, want %d; %v", n, issued, err)
		}
		_, err = v.authorize(authorizationPairs(c)...) // needs no signature
		h.requireOK(err)
		h.write(func(tx *store.Tx) error { return tx.DeleteSigningKey("other") })
		h.clock.Advance(time.Minute)
		_, err = v.authorize(authorizationPairs(c, "response_mode", "jwt")...)
		h.requireOK(err)
	})
}
