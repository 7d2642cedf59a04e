package login_test

import (
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/flow"
	"github.com/watchword-auth/watchword/internal/limit"
	"github.com/watchword-auth/watchword/internal/login"
)

// signInByMail lets users sign in by mail.
func (h *fixture) signInByMail() {
	h.setTenant(func(v *auth.Settings) { v.EmailSignIn = true })
}

// askForMail asks for a mail in a new flow.
func (h *fixture) askForMail(email string) flow.FormRef {
	h.t.Helper()
	form := h.newSignInForm(flow.Browser{Actor: browserActor})
	if step, err := h.MailSignIn(h.t.Context(), form, email); err != nil || step.Kind != auth.StepLogin {
		h.t.Fatalf("%+v, %v", step.Kind, err)
	}
	return form
}

// requireSignInMail returns the code of the only waiting mail that signs in, and checks its link.
func (h *fixture) requireSignInMail(form flow.FormRef) string {
	h.t.Helper()
	list := h.takeMails(auth.MailSignIn)
	if len(list) != 1 || list[0].To != "ann@example.test" {
		h.t.Fatalf("mails: %+v", list)
	}
	code, f, ok := login.ParseSignInLink(list[0].Token)
	if !ok || code != list[0].Code || f != form.Flow {
		h.t.Fatalf("%q: %q, %q, %t", list[0].Token, code, f, ok)
	}
	return code
}

func (h *fixture) enterCode(form flow.FormRef, code string) (login.SignedIn, error) {
	return h.SignInEmail(h.t.Context(), login.EmailForm{FormRef: form, Code: code})
}

func TestEmailSignIn(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		h.insertAccount("ann@example.test", good)
		form := h.newSignInForm(flow.Browser{Actor: browserActor})
		_, err := h.MailSignIn(t.Context(), form, "ann@example.test")
		h.requireRefused(err, "not_found") // the tenant has not turned it on
		h.signInByMail()
		_, err = h.MailSignIn(t.Context(), form, "ann")
		h.requireRefused(err, "email_invalid")
		form = h.askForMail("ANN@example.test")
		code := h.requireSignInMail(form)
		if address, live, err := h.SignInMailed(t.Context(), tenant, form.Flow); err != nil || !live || address != "ann@example.test" {
			t.Errorf("%q, %t, %v", address, live, err)
		}
		e, err := h.enterCode(form, "AAAA-AAAA")
		h.requireRefused(err, "invalid_code")
		if e.Step.Kind != auth.StepLogin {
			t.Errorf("at %s", e.Step.Kind)
		}
		e, err = h.SignInEmail(t.Context(), login.EmailForm{FormRef: form, Code: strings.ToLower(strings.ReplaceAll(code, "-", " ")), Remember: true})
		h.requireOK(err)
		if e.Step.Kind != auth.StepDone || e.Session.ACR != "1" || !slices.Equal(e.Session.AMR, []string{"email"}) || e.Cookie == "" || e.RememberMe == "" {
			t.Errorf("%+v", e)
		}
		if got := h.events(auth.EventLogin); len(got) != 2 || got[1].Detail["method"] != "email_link" && got[0].Detail["method"] != "email_link" {
			t.Errorf("%+v", got)
		}
	})
}

// TestAttack_MF_03_EmailLinkAlone: after a mailed code an account with an authenticator has no session, and a
// mailed code is not its second factor.
func TestAttack_MF_03_EmailLinkAlone(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		a := h.insertAccount("ann@example.test", good)
		seed := h.addTOTP(a)
		h.signInByMail()
		h.mailCodes()
		form := h.askForMail("ann@example.test")
		e, err := h.enterCode(form, h.requireSignInMail(form))
		h.requireOK(err)
		if e.Step.Kind != auth.StepFactor || e.Step.Proving.EmailCode || e.Session.ID != "" || e.Cookie != "" {
			t.Fatalf("%+v", e)
		}
		e, err = h.SignInFactor(t.Context(), login.FactorForm{FormRef: form, Method: auth.ProofTOTP, Code: h.codeOf(seed)})
		h.requireOK(err)
		if e.Session.ACR != "2" || !slices.Equal(e.Session.AMR, []string{"email", "mfa", "otp"}) {
			t.Errorf("%+v", e.Session)
		}

		// Without an authenticator the account adds one. No code is mailed before: the mailbox is proved.
		bob := h.insertAccount("bob@example.test", "")
		enrol := func() flow.FormRef {
			form := h.askForMail("bob@example.test")
			e, err := h.enterCode(form, h.takeMails(auth.MailSignIn)[0].Code)
			if err != nil || e.Step.Kind != auth.StepEnrol || e.Session.ID != "" {
				t.Fatalf("%+v, %v", e.Step.Kind, err)
			}
			return form
		}
		form, other := enrol(), enrol()
		app, err := h.ContinueTOTP(t.Context(), tenant, bob.ID, form.Flow)
		h.requireOK(err)
		e, err = h.SignInFactor(t.Context(), login.FactorForm{FormRef: form, Method: auth.ProofTOTP, Enrol: app.ID, Code: h.codeOf(app.Secret.Reveal())})
		if err != nil || e.Step.Kind != auth.StepDone || !slices.Equal(e.Session.AMR, []string{"email", "mfa", "otp"}) {
			t.Errorf("%+v, %v", e.Session, err)
		}
		// The sign-in that has begun before proves the app, and adds nothing.
		e, err = h.SignInPasskey(t.Context(), h.passkeyForm(other, login.PasskeyCreate, bob.ID, newAuthenticator()))
		if h.requireRefused(err, "session_invalid"); e.Step.Kind != auth.StepFactor {
			t.Errorf("at %s", e.Step.Kind)
		}

		h.setPolicy(func(f *auth.FactorSettings) { f.Policy = auth.FactorsResistant })
		bob = h.insertAccount("cat@example.test", "")
		form = h.askForMail("cat@example.test")
		_, err = h.enterCode(form, h.takeMails(auth.MailSignIn)[0].Code)
		h.requireOK(err)
		e, err = h.SignInPasskey(t.Context(), h.passkeyForm(form, login.PasskeyCreate, bob.ID, newAuthenticator()))
		if err != nil || e.Step.Kind != auth.StepDone || e.Session.ACR != "phrh" {
			t.Errorf("%+v, %v", e.Session, err)
		}
	})
}

// TestAttack_MF_04_SignInCodeOfAnotherBrowser: the code works in the browser and flow that asked for it.
func TestAttack_MF_04_SignInCodeOfAnotherBrowser(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		h.insertAccount("ann@example.test", good)
		h.signInByMail()
		victims := h.askForMail("ann@example.test")
		code := h.requireSignInMail(victims)
		_, err := h.enterCode(h.newSignInForm(flow.Browser{Actor: browserActor}), code)
		h.requireRefused(err, "invalid_code")
		eves := h.askForMail("ann@example.test")
		h.requireSignInMail(eves)
		_, err = h.enterCode(eves, code)
		h.requireRefused(err, "invalid_code")
		stolen := victims
		stolen.Browser.Secret = eves.Browser.Secret
		_, err = h.enterCode(stolen, code)
		h.requireRefused(err, "cross_site")
		_, err = h.enterCode(victims, code)
		h.requireOK(err)
	})
}

// TestAttack_MF_01_SignInCodeOnce: of 64 posts of one code on two nodes, one begins a session.
func TestAttack_MF_01_SignInCodeOnce(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		h.insertAccount("ann@example.test", good)
		h.signInByMail()
		form := h.askForMail("ann@example.test")
		code := h.requireSignInMail(form)
		nodes := []*login.Service{h.Service, login.New(h.cfg)}
		var sessions sync.Map
		var wg sync.WaitGroup
		for i := range 64 {
			wg.Go(func() {
				if e, err := nodes[i%2].SignInEmail(t.Context(), login.EmailForm{FormRef: form, Code: code}); err == nil && e.Session.ID != "" {
					sessions.Store(e.Session.ID, true)
				}
			})
		}
		wg.Wait()
		h.requireOneSignIn(&sessions, "email_link")
	}, func(c *login.Config) { c.Rates["login.account"] = limit.Rate{Count: 1000, Per: time.Hour} })
}

// TestEmailSignInIsUniform: for addresses that cannot sign in by mail everything is the same, but the mail.
func TestEmailSignInIsUniform(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		h.insertAccount("ann@example.test", good)
		h.insertAccount("off@example.test", good, func(a *auth.Account) { a.DisabledAt = a.CreatedAt })
		h.insertAccount("new@example.test", good, func(a *auth.Account) { a.EmailVerifiedAt = time.Time{} })
		h.signInByMail()
		cost := func(email string) int64 { // a mail and a wrong code
			before := h.limiter.calls.Load()
			_, err := h.enterCode(h.askForMail(email), "AAAA-AAAA")
			h.requireRefused(err, "invalid_code")
			return h.limiter.calls.Load() - before
		}
		known := cost("ann@example.test")
		h.takeMails(auth.MailSignIn)
		for _, email := range []string{"nobody@example.test", "off@example.test", "new@example.test"} {
			if n := cost(email); n != known {
				t.Errorf("%s: %d calls of the limiter, %d of an account", email, n, known)
			}
			form := h.askForMail(email)
			if list := h.takeMails(auth.MailSignIn); len(list) != 0 {
				t.Errorf("%s: %+v", email, list)
			}
			if address, live, err := h.SignInMailed(t.Context(), tenant, form.Flow); err != nil || !live || address != email {
				t.Errorf("%s: %q, %t, %v", email, address, live, err)
			}
			for range 5 {
				e, err := h.enterCode(form, "AAAA-AAAA")
				h.requireRefused(err, "invalid_code")
				if e.Step.Kind != auth.StepLogin {
					t.Errorf("%s: at %s", email, e.Step.Kind)
				}
			}
			if _, live, err := h.SignInMailed(t.Context(), tenant, form.Flow); err != nil || live {
				t.Errorf("%s: after five wrong codes: %t, %v", email, live, err)
			}
		}
	})
}

// TestEmailSignInLimit: beyond the limit the response is the usual one, and nothing is sent.
func TestEmailSignInLimit(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		h.insertAccount("ann@example.test", good)
		h.signInByMail()
		for range 12 {
			h.askForMail("ann@example.test")
		}
		if n := len(h.takeMails(auth.MailSignIn)); n != 10 {
			t.Errorf("%d mails", n)
		}
		failed := slices.DeleteFunc(h.events(auth.EventCodeMailed), func(e auth.Event) bool { return e.Outcome != auth.Failure })
		if len(failed) != 2 || failed[0].Detail["reason"] != "rate_limited" {
			t.Errorf("%+v", failed)
		}
	})
}

// TestEmailSignInEnds: a code ends after ten minutes, and with the address and the setting.
func TestEmailSignInEnds(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		h.insertAccount("ann@example.test", good)
		h.signInByMail()
		form := h.askForMail("ann@example.test")
		code := h.requireSignInMail(form)
		h.setTenant(func(v *auth.Settings) { v.EmailSignIn = false })
		_, err := h.enterCode(form, code)
		h.requireRefused(err, "invalid_code")
		h.signInByMail()
		h.clock.Advance(10 * time.Minute)
		_, err = h.enterCode(form, code)
		h.requireRefused(err, "invalid_code")
	})
}

func FuzzSignInLink(f *testing.F) {
	for _, s := range []string{"ABCD-EFGH.x", "", ".", "abcd efgh.0190", "ABCD-EFGH", "\xff.\xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, token string) {
		code, id, ok := login.ParseSignInLink(token)
		if !ok {
			return
		}
		if again, f, ok := login.ParseSignInLink(code + "." + string(id)); !ok || again != code || f != id {
			t.Errorf("%q is read as %q and %q, and that as %q and %q", token, code, id, again, f)
		}
	})
}
