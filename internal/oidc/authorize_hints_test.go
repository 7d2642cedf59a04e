package oidc_test

import (
	"testing"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/oauth"
)

// A client that puts an address into login_hint without encoding it sends a space for
// its plus. Where only that makes an address of it, it is what the client has meant.
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

// The padding of base64url, which RFC 7636 §3 has not and some libraries leave, changes
// no challenge.
func TestRepair_B2_PaddedChallenge(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		c, shown := h.newWebClient(withFirstParty)
		v := h.newBrowser()
		v.signIn(h.alice)
		step, err := v.authorize(authorizationPairs(c, "code_challenge", challenge+"=")...)
		h.requireOK(err)
		code, _, _ := h.requireCode(step)
		_, err = h.redeemCode(c, shown, code)
		h.requireOK(err)
		step, err = v.authorize(authorizationPairs(c, "code_challenge", challenge+"==")...)
		h.requireErrorRedirect(step, err, string(oauth.InvalidRequest))
	})
}
