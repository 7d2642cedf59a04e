package oidc_test

import (
	"testing"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/oauth"
)

// A client that puts an address into login_hint without encoding it sends a space for
// its plus. Where only that makes an address of it, it is what the client has meant.
func TestRepair_M_LoginHintWithAPlus(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		c, _ := h.app(ours)
		for sent, want := range map[string]string{
			"alice tag@example.test": "alice+tag@example.test", "alice+tag@example.test": "alice+tag@example.test", "a b c@example.test": "a+b+c@example.test",
			" alice@example.test ": "alice@example.test", "Alice Liddell": "Alice Liddell", "alice": "alice", "": "",
		} {
			step, err := h.visitor().ask(request(c, "login_hint", sent)...)
			h.ok(err)
			if h.at(step, auth.StepLogin); step.Flow.Request.LoginHint != want {
				t.Errorf("%q became %q, want %q", sent, step.Flow.Request.LoginHint, want)
			}
		}
	})
}

// The padding of base64url, which RFC 7636 §3 has not and some libraries leave, changes
// no challenge.
func TestRepair_B2_PaddedChallenge(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		c, shown := h.app(ours)
		v := h.visitor()
		v.signIn(h.alice)
		step, err := v.ask(request(c, "code_challenge", challenge+"=")...)
		h.ok(err)
		code, _, _ := h.granted(step)
		_, err = h.redeem(c, shown, code)
		h.ok(err)
		step, err = v.ask(request(c, "code_challenge", challenge+"==")...)
		h.told(step, err, string(oauth.InvalidRequest))
	})
}
