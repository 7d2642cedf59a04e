package oidc_test

import (
	"testing"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/oauth"
)

// A client that does not encode an email address in login_hint sends a space for its plus. The space
// is read as a plus where only that makes the hint a valid address.
func TestRepair_M_LoginHintWithAPlus(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		c, _ := h.newWebClient(withFirstParty)
		for sent, want := range map[string]string{
			"alice tag@example.test": "alice+tag@example.test", "alice+tag@example.test": "alice+tag@example.test", "a b c@example.test": "a+b+c@example.test",
			" alice@example.test ": "alice@example.test", "Alice Liddell": "Alice Liddell", "alice": "alice", "": "",
		} {
			step, err := h.newBrowser().authorize(authorizationPairs(c, "login_hint", sent)...)
			h.requireOK(err)
			if h.requireStep(step, auth.StepLogin); step.Flow.Request.LoginHint != want {
				t.Errorf("%q became %q, want %q", sent, step.Flow.Request.LoginHint, want)
			}
		}
	})
}

// Padding of base64url, which RFC 7636 §3 excludes and some libraries send, does not change a
// challenge.
func TestRepair_B2_PaddedChallenge(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		c, clientSecret := h.newWebClient(withFirstParty)
		v := h.newBrowser()
		v.signIn(h.alice)
		step, err := v.authorize(authorizationPairs(c, "code_challenge", challenge+"=")...)
		h.requireOK(err)
		code, _, _ := h.requireCode(step)
		_, err = h.redeemCode(c, clientSecret, code)
		h.requireOK(err)
		step, err = v.authorize(authorizationPairs(c, "code_challenge", challenge+"==")...)
		h.requireErrorRedirect(step, err, string(oauth.InvalidRequest))
	})
}
