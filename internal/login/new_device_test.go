package login_test

import (
	"testing"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/flow"
	"github.com/watchword-auth/watchword/internal/login"
	"github.com/watchword-auth/watchword/internal/store"
	"github.com/watchword-auth/watchword/internal/store/storetest"
)

func TestNewDeviceIsNotified(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		a := h.insertAccount("alice@example.test", good)
		var agent string // of the last notice
		at := func(ip, agent, known string) auth.Actor {
			return auth.Actor{Kind: auth.ActorAnonymous, IP: ip, UserAgent: agent, Known: known}
		}
		signIn := func(actor auth.Actor) login.Result {
			t.Helper()
			res, err := h.Password(t.Context(), tenant, login.Request{Email: "alice@example.test", Password: good, Actor: actor})
			h.requireOK(err)
			return res
		}
		notices := func() (n int) {
			t.Helper()
			for _, m := range storetest.TakeMessages(t, h.db, "") {
				if m.Kind != auth.MailNewDevice || m.Payload.To != "alice@example.test" || m.Payload.Token == "" {
					t.Errorf("mail %+v", m)
				}
				agent = m.Payload.UserAgent
				n++
			}
			return n
		}

		known := signIn(at("192.0.2.1", "Firefox", "")).Known.Reveal()
		for _, step := range []struct {
			name  string
			actor auth.Actor
			want  int
		}{
			{"the same device", at("192.0.2.1", "Firefox", ""), 0},
			{"a known browser elsewhere", at("203.0.113.5", "Firefox 2", known), 0},
			{"another network", at("198.51.100.7", "Firefox", ""), 1},
			{"that network again", at("198.51.100.7", "Firefox", ""), 0},
			{"another program", at("192.0.2.1", "curl", ""), 1},
		} {
			signIn(step.actor)
			if n := notices(); n != step.want {
				t.Errorf("%s: %d notices, want %d", step.name, n, step.want)
			}
		}

		seed := h.addTOTP(a)
		h.takeMails(auth.MailFactorAdded)
		res := signIn(at("192.0.2.9", "Orders/3", ""))
		if n := notices(); n != 0 {
			t.Errorf("after the password only: %d notices", n)
		}
		_, err := h.Factor(t.Context(), tenant, login.FactorRequest{Token: res.Pending.Token.Reveal(), Method: auth.ProofTOTP, Code: h.codeOf(seed), Actor: at("192.0.2.9", "Orders/3", "")})
		h.requireOK(err)
		if n := notices(); n != 1 || agent != "Orders/3" {
			t.Errorf("after the code: %d notices, of %q", n, agent)
		}
		if err := h.signInPassword("alice@example.test", another); err == nil || notices() != 0 {
			t.Error("a wrong password was accepted or mailed a notice")
		}
	})
}

// TestNewDeviceOfOtherFactors: a mailed code and a passkey are noticed like a password, on pages and in the API.
func TestNewDeviceOfOtherFactors(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		h.signInByMail()
		a := h.insertAccount("ann@example.test", good)
		k := newAuthenticator()
		h.addPasskey(a, k)
		h.setPolicy(func(f *auth.FactorSettings) { f.Policy = auth.FactorsOff })
		h.requireOK(h.signInPassword("ann@example.test", good))
		for i, signIn := range map[string]func(actor auth.Actor) error{
			"mail on the page": func(actor auth.Actor) error {
				form := h.askForMail("ann@example.test")
				form.Browser.Actor = actor
				_, err := h.SignInEmail(t.Context(), login.EmailForm{FormRef: form, Code: h.requireSignInMail(form)})
				return err
			},
			"mail in the API": func(actor auth.Actor) error {
				token, m := h.askInAPI(login.Request{Email: "ann@example.test"}, "")
				_, err := h.Email(t.Context(), tenant, login.EmailRequest{Token: token, Code: m.Code, Actor: actor})
				return err
			},
			"passkey on the page": func(actor auth.Actor) error {
				form := h.newSignInForm(flow.Browser{Actor: actor})
				_, err := h.SignInPasskey(t.Context(), h.passkeyForm(form, login.PasskeySignIn, "", k))
				return err
			},
			"passkey in the API": func(actor auth.Actor) error {
				options, err := h.BeginPasskeySignIn(t.Context(), tenant, "", actor)
				h.requireOK(err)
				_, err = h.Passkey(t.Context(), tenant, login.PasskeyRequest{Request: login.Request{Actor: actor}, Response: k.Get(t, options)})
				return err
			},
		} {
			for n, want := range []int{1, 0} {
				h.requireOK(signIn(auth.Actor{Kind: auth.ActorAnonymous, IP: "203.0.113.9", UserAgent: i}))
				if list := h.takeMails(auth.MailNewDevice); len(list) != want || want == 1 && list[0].UserAgent != i {
					t.Errorf("%s, sign-in %d: notices %+v", i, n+1, list)
				}
			}
		}
	})
}

// Only the right password tells that an account is locked.
func TestLockedAccount(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		a := h.insertAccount("alice@example.test", good)
		h.requireOK(h.db.Write(t.Context(), tenant, func(tx *store.Tx) error {
			a.LockedAt = tx.Now
			return tx.UpdateAccount(a)
		}))
		h.requireRefused(h.signInPassword("alice@example.test", good), "account_locked")
		h.requireRefused(h.signInPassword("alice@example.test", another), "invalid_credentials")
	})
}
