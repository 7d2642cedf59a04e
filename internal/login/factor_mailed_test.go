package login_test

import (
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/limit"
	"github.com/watchword-auth/watchword/internal/login"
	"github.com/watchword-auth/watchword/internal/store"
)

// takeMails returns the waiting mails of a kind, and removes all.
func (h *fixture) takeMails(kind auth.MessageKind) (list []auth.Mail) {
	h.t.Helper()
	h.requireOK(h.db.WriteSystem(h.t.Context(), func(tx *store.SystemTx) error {
		list = nil
		for range 100 { // one of each queue at a time
			found, err := tx.ClaimMessages("test", tx.Now.Add(time.Minute), "mail.", 1000)
			if err != nil || len(found) == 0 {
				return err
			}
			for _, m := range found {
				if m.Kind == kind {
					list = append(list, m.Payload)
				}
				if err := tx.FinishMessage(m); err != nil {
					return err
				}
			}
		}
		return nil
	}))
	return list
}

// requireCode returns the code of the only waiting mail with one.
func (h *fixture) requireCode() string {
	h.t.Helper()
	list := h.takeMails(auth.MailCode)
	if len(list) != 1 || list[0].To != "ann@example.test" || len(list[0].Code) != 6 {
		h.t.Fatalf("mails: %+v", list)
	}
	return list[0].Code
}

// wrong returns another code than the given one.
func wrong(code string) string {
	if code == "000000" {
		return "000001"
	}
	return "000000"
}

// mailCodes requires a second factor, and allows mailed codes.
func (h *fixture) mailCodes() {
	h.setPolicy(func(f *auth.FactorSettings) { f.Policy, f.EmailCode = auth.FactorsRequired, true })
}

// TestMailedCode: an account without an authenticator signs in with the code that is mailed after its
// password.
func TestMailedCode(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		h.insertAccount("ann@example.test", good)
		h.mailCodes()
		v := &browser{h: h}
		p, e := v.beginSignIn("ann@example.test", false)
		if e.Step.Kind != auth.StepFactor || !e.Step.Proving.EmailCode || e.Session.ID != "" {
			t.Fatalf("after the password: %+v", e.Step)
		}
		code := h.requireCode()
		if live, err := h.CodeMailed(t.Context(), tenant, p.form.Flow, e.Step.Proving.Account); err != nil || !live {
			t.Errorf("%t, %v", live, err)
		}
		_, err := p.prove(auth.ProofEmailCode, wrong(code))
		h.requireRefused(err, "invalid_code")
		e, err = p.prove(auth.ProofEmailCode, " "+code[:3]+" "+code[3:])
		h.requireOK(err)
		if e.Session.ACR != "2" || !slices.Equal(e.Session.AMR, []string{"mfa", "otp", "pwd"}) || e.Step.Kind != auth.StepDone {
			t.Errorf("%+v", e)
		}
		if got := h.events(auth.EventCodeMailed); len(got) != 1 || got[0].Detail["method"] != "email_code" {
			t.Errorf("%+v", got)
		}
	})
}

// TestAttack_MF_04_MailedCodeOfAnotherFlow: a mailed code works in its own flow only.
func TestAttack_MF_04_MailedCodeOfAnotherFlow(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		h.insertAccount("ann@example.test", good)
		h.mailCodes()
		first, _ := (&browser{h: h}).beginSignIn("ann@example.test", false)
		code := h.requireCode()
		second, other := first, code
		for other == code { // one of a million flows has the same code
			second, _ = (&browser{h: h}).beginSignIn("ann@example.test", false)
			other = h.requireCode()
		}
		_, err := second.prove(auth.ProofEmailCode, code)
		h.requireRefused(err, "invalid_code")
		_, err = h.factor(h.beginPassword(login.Request{}), auth.ProofEmailCode, code)
		h.requireRefused(err, "invalid_code")
		_, err = first.prove(auth.ProofEmailCode, code)
		h.requireOK(err)
	})
}

// TestAttack_MF_01_MailedCodeOnce: of 64 posts of one code on two nodes, one signs in.
func TestAttack_MF_01_MailedCodeOnce(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		h.insertAccount("ann@example.test", good)
		h.mailCodes()
		p, _ := (&browser{h: h}).beginSignIn("ann@example.test", false)
		code := h.requireCode()
		nodes := []*login.Service{h.Service, login.New(h.cfg)}
		var sessions sync.Map
		var wg sync.WaitGroup
		for i := range 64 {
			wg.Go(func() {
				e, err := nodes[i%2].SignInFactor(t.Context(), login.FactorForm{FormRef: p.form, Method: auth.ProofEmailCode, Code: code})
				if err == nil && e.Session.ID != "" {
					sessions.Store(e.Session.ID, true)
				}
			})
		}
		wg.Wait()
		h.requireOneSignIn(&sessions, "email_code")
	}, func(c *login.Config) { c.Rates["factor.account"] = limit.Rate{Count: 1000, Per: time.Hour} })
}

// requireOneSignIn fails unless all posts got one session, which began once. The form was sent many times.
func (h *fixture) requireOneSignIn(sessions *sync.Map, method string) {
	h.t.Helper()
	n := 0
	sessions.Range(func(any, any) bool { n++; return true })
	signIns := slices.DeleteFunc(h.events(auth.EventLogin), func(e auth.Event) bool { return e.Outcome == auth.Failure || e.Detail["method"] != method })
	if n != 1 || len(signIns) != 1 {
		h.t.Errorf("%d sessions and %d sign-ins by one code", n, len(signIns))
	}
}

// TestMailedCodeTwice: a form that was sent twice has one outcome, for a minute.
func TestMailedCodeTwice(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		h.insertAccount("ann@example.test", good)
		h.mailCodes()
		p, _ := (&browser{h: h}).beginSignIn("ann@example.test", false)
		code := h.requireCode()
		form := login.FactorForm{FormRef: p.form, Method: auth.ProofEmailCode, Code: code}
		first, err := h.SignInFactor(t.Context(), form)
		h.requireOK(err)
		second, err := h.SignInFactor(t.Context(), form)
		h.requireOK(err)
		if second.Session.ID != first.Session.ID || second.Cookie == "" {
			t.Errorf("%+v", second)
		}
		h.clock.Advance(2 * time.Minute)
		if e, err := h.SignInFactor(t.Context(), form); err == nil && e.Session.ID != "" {
			t.Error("a form that was kept signs in")
		}

		h.setPolicy(func(f *auth.FactorSettings) { *f = auth.FactorSettings{} })
		h.signInByMail()
		mailed := h.askForMail("ann@example.test")
		code = h.requireSignInMail(mailed)
		first, err = h.enterCode(mailed, code)
		h.requireOK(err)
		second, err = h.enterCode(mailed, code)
		h.requireOK(err)
		if second.Session.ID != first.Session.ID || second.Cookie == "" {
			t.Errorf("by mail: %+v", second)
		}
		h.clock.Advance(2 * time.Minute)
		if e, err := h.enterCode(mailed, code); err == nil && e.Session.ID != "" {
			t.Error("a mailed code that was kept signs in")
		}
	})
}

// TestAttack_MF_05_MailedCodeGuesses: five wrong guesses end a code, also when they are sent at once.
func TestAttack_MF_05_MailedCodeGuesses(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		h.insertAccount("ann@example.test", good)
		h.mailCodes()
		p, e := (&browser{h: h}).beginSignIn("ann@example.test", false)
		code := h.requireCode()
		var wg sync.WaitGroup
		for range 5 {
			wg.Go(func() {
				if _, err := h.SignInFactor(t.Context(), login.FactorForm{FormRef: p.form, Method: auth.ProofEmailCode, Code: wrong(code)}); err == nil {
					t.Error("a wrong code signs in")
				}
			})
		}
		wg.Wait()
		_, err := p.prove(auth.ProofEmailCode, code)
		h.requireRefused(err, "invalid_code")
		if live, err := h.CodeMailed(t.Context(), tenant, p.form.Flow, e.Step.Proving.Account); err != nil || live {
			t.Errorf("the page asks for it: %t, %v", live, err)
		}
		step, err := h.MailCode(t.Context(), p.form)
		if err != nil || step.Kind != auth.StepFactor {
			t.Errorf("%+v, %v", step.Kind, err)
		}
		_, err = p.prove(auth.ProofEmailCode, h.requireCode())
		h.requireOK(err)
	})
}

// TestMailedCodeAgain: another mail has the same code in the first half of its life, and comes after a
// pause.
func TestMailedCodeAgain(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		h.insertAccount("ann@example.test", good)
		h.mailCodes()
		p, _ := (&browser{h: h}).beginSignIn("ann@example.test", false)
		code := h.requireCode()
		again := func() {
			t.Helper()
			if _, err := h.MailCode(t.Context(), p.form); err != nil {
				t.Fatal(err)
			}
		}
		again()
		if list := h.takeMails(auth.MailCode); len(list) != 0 {
			t.Errorf("a form that was sent twice: %d mails", len(list))
		}
		h.clock.Advance(4 * time.Minute)
		if again(); h.requireCode() != code {
			t.Error("the mail after four minutes has another code")
		}
		h.clock.Advance(time.Minute)
		if again(); h.requireCode() == code {
			t.Log("the new code is the old one by chance")
		}
		h.clock.Advance(5 * time.Minute) // the proof of the password ends first
		_, err := p.prove(auth.ProofEmailCode, code)
		h.requireRefused(err, "session_invalid")
		_, err = h.MailCode(t.Context(), p.form)
		h.requireRefused(err, "session_invalid")
	})
}

// TestReported_AnotherMailGivesNoGuesses: another mail with the same code does not forget the wrong guesses
// (better-auth issue 1568).
func TestReported_AnotherMailGivesNoGuesses(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		h.insertAccount("ann@example.test", good)
		h.mailCodes()
		p, _ := (&browser{h: h}).beginSignIn("ann@example.test", false)
		code := h.requireCode()
		for range 4 {
			_, err := p.prove(auth.ProofEmailCode, wrong(code))
			h.requireRefused(err, "invalid_code")
		}
		h.clock.Advance(time.Minute)
		_, err := h.MailCode(t.Context(), p.form)
		h.requireOK(err)
		if again := h.requireCode(); again != code {
			t.Errorf("another code: %s, %s", code, again)
		}
		_, err = p.prove(auth.ProofEmailCode, wrong(code))
		h.requireRefused(err, "invalid_code")
		_, err = p.prove(auth.ProofEmailCode, code)
		h.requireRefused(err, "invalid_code")
	})
}

// TestMailedCodeLimit: mails to one account are counted across flows.
func TestMailedCodeLimit(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		h.insertAccount("ann@example.test", good)
		h.mailCodes()
		for range 10 {
			(&browser{h: h}).beginSignIn("ann@example.test", false)
		}
		if n := len(h.takeMails(auth.MailCode)); n != 10 {
			t.Errorf("%d mails", n)
		}
		p, e := (&browser{h: h}).beginSignIn("ann@example.test", false)
		if e.Step.Kind != auth.StepFactor || len(h.takeMails(auth.MailCode)) != 0 {
			t.Errorf("beyond the limit: %+v", e.Step.Kind)
		}
		step, err := h.MailCode(t.Context(), p.form)
		h.requireRefused(err, "rate_limited")
		if step.Kind != auth.StepFactor {
			t.Errorf("at %s", step.Kind)
		}
	})
}

// TestMailedCodesReplaceNothing: they are for accounts without an authenticator, with a verified address,
// of tenants that allow them, beside a password, and only where a second factor is required.
func TestMailedCodesReplaceNothing(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		a := h.insertAccount("ann@example.test", good)
		h.setPolicy(func(f *auth.FactorSettings) { f.EmailCode = true })
		if _, e := (&browser{h: h}).beginSignIn("ann@example.test", false); e.Step.Kind != auth.StepDone || e.Session.ACR != "1" {
			t.Errorf("optional: %+v", e.Step.Kind)
		}
		h.mailCodes()
		p, _ := (&browser{h: h}).beginSignIn("ann@example.test", false)
		code := h.requireCode()
		h.addTOTP(a)
		_, err := p.prove(auth.ProofEmailCode, code)
		h.requireRefused(err, "invalid_code")
		_, err = h.MailCode(t.Context(), p.form)
		h.requireRefused(err, "no_factor")

		h.insertAccount("eve@example.test", good, func(a *auth.Account) { a.EmailVerifiedAt = time.Time{} })
		h.setTenant(func(v *auth.Settings) { v.AllowUnverified = true })
		if _, e := (&browser{h: h}).beginSignIn("eve@example.test", false); e.Step.Kind != auth.StepEnrol {
			t.Errorf("not verified: %s", e.Step.Kind)
		}
	})
}

// TestPasswordAndMailedCode: the JSON API mails the code with the response to the password.
func TestPasswordAndMailedCode(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		h.insertAccount("ann@example.test", good)
		h.mailCodes()
		p := h.beginPassword(login.Request{})
		if !slices.Equal(p.Methods, []auth.ProofMethod{auth.ProofEmailCode}) || p.Need != auth.NeedFactor {
			t.Errorf("%+v", p)
		}
		code := h.requireCode()
		h.clock.Advance(time.Minute)
		h.requireOK(h.MailPendingCode(t.Context(), tenant, p.Token.Reveal(), browserActor))
		if again := h.requireCode(); again != code {
			t.Errorf("another code: %s, %s", code, again)
		}
		_, err := h.factor(p, auth.ProofEmailCode, wrong(code))
		h.requireRefused(err, "invalid_code")
		res, err := h.factor(p, auth.ProofEmailCode, code)
		h.requireOK(err)
		if res.Session.ACR != "2" || res.Tokens.AccessToken == "" {
			t.Errorf("%+v", res)
		}
		h.requireRefused(h.MailPendingCode(t.Context(), tenant, p.Token.Reveal(), browserActor), "invalid_mfa_token")
	})
}
