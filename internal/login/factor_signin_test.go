package login_test

import (
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/flow"
	"github.com/watchword-auth/watchword/internal/limit"
	"github.com/watchword-auth/watchword/internal/login"
	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/store"
)

// pendingSignIn is a sign-in in a browser whose password was right.
type pendingSignIn struct {
	*browser
	form flow.FormRef
}

// beginSignIn sends the password in a new flow.
func (v *browser) beginSignIn(email string, remember bool) (*pendingSignIn, login.SignedIn) {
	v.h.t.Helper()
	p := &pendingSignIn{v, v.h.newSignInForm(flow.Browser{Sessions: v.sessions(), Actor: browserActor})}
	e, err := v.h.SignInBrowser(v.h.t.Context(), login.PasswordForm{FormRef: p.form, Email: email, Password: good, Remember: remember, RememberMe: v.rememberMe})
	v.h.requireOK(err)
	v.keepCookies(e)
	return p, e
}

func (p *pendingSignIn) prove(method auth.ProofMethod, code string) (login.SignedIn, error) {
	p.h.t.Helper()
	e, err := p.h.SignInFactor(p.h.t.Context(), login.FactorForm{FormRef: p.form, Method: method, Code: code, RememberMe: p.rememberMe})
	p.keepCookies(e)
	return e, err
}

// addRecoveryCodes gives an account with an authenticator app recovery codes.
func (h *fixture) addRecoveryCodes(a auth.Account) (codes []string) {
	h.t.Helper()
	list, err := h.BeginRecoveryCodes(h.t.Context(), tenant, a.ID)
	h.requireOK(err)
	h.requireOK(h.ConfirmRecoveryCodes(h.t.Context(), tenant, list[0].Reveal(), owner(a)))
	for _, c := range list {
		codes = append(codes, c.Reveal())
	}
	return codes
}

func (h *fixture) setPolicy(change func(*auth.FactorSettings)) {
	h.t.Helper()
	h.setTenant(func(v *auth.Settings) { change(&v.Factors) })
}

func (h *fixture) setTenant(change func(*auth.Settings)) {
	h.t.Helper()
	h.requireOK(h.db.Write(h.t.Context(), tenant, func(tx *store.Tx) error {
		v, err := tx.CurrentTenant()
		if err != nil {
			return err
		}
		change(&v.Settings)
		return tx.UpdateCurrentTenant(v)
	}))
}

// TestAttack_MF_03_PasswordAlone: after the password there is no session and no step but the second
// factor; with it there is both.
func TestAttack_MF_03_PasswordAlone(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		a := h.insertAccount("ann@example.test", good)
		seed := h.addTOTP(a)
		v := &browser{h: h}
		p, e := v.beginSignIn("ann@example.test", true)
		if e.Step.Kind != auth.StepFactor || e.Session.ID != "" || e.Cookie != "" || e.RememberMe != "" || e.Known != "" || len(v.sessions()) != 0 {
			t.Errorf("after the password: %+v", e)
		}
		if step, err := h.flows.Continue(t.Context(), tenant, p.form.Flow, p.form.Browser); err != nil || step.Kind != auth.StepFactor {
			t.Errorf("the page again: %+v, %v", step.Kind, err)
		}
		if got := h.events(auth.EventFirstFactor); len(got) != 1 || got[0].Detail["need"] != "second_factor" {
			t.Errorf("%+v", got)
		}
		e, err := p.prove(auth.ProofTOTP, h.codeOf(seed))
		h.requireOK(err)
		if e.Step.Kind != auth.StepDone || e.Session.ACR != "2" || !slices.Equal(e.Session.AMR, []string{"mfa", "otp", "pwd"}) || e.Session.Account != a.ID || len(v.sessions()) != 1 {
			t.Errorf("%+v", e)
		}
		// Remember-me rests on both.
		e, err = v.reopen().resume()
		h.requireOK(err)
		if e.Session.ACR != "2" {
			t.Errorf("remembered: %+v", e.Session)
		}
	})
}

// TestAttack_MF_04_ProofsOfAnotherBrowser: a pending sign-in continues only in its own browser.
func TestAttack_MF_04_ProofsOfAnotherBrowser(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		a, eve := h.insertAccount("ann@example.test", good), h.insertAccount("eve@example.test", good)
		h.addTOTP(a)
		eves := h.addTOTP(eve)
		anns, _ := (&browser{h: h}).beginSignIn("ann@example.test", false)
		other, _ := (&browser{h: h}).beginSignIn("eve@example.test", false)
		stolen := *other
		stolen.form.Flow = anns.form.Flow
		_, err := stolen.prove(auth.ProofTOTP, h.codeOf(eves))
		h.requireRefused(err, "cross_site")
		stolen = *anns
		stolen.form.Browser.Secret = other.form.Browser.Secret
		_, err = stolen.prove(auth.ProofTOTP, h.codeOf(eves))
		h.requireRefused(err, "cross_site")
		// In her own browser, eve's code is wrong for ann.
		_, err = anns.prove(auth.ProofTOTP, h.codeOf(eves))
		h.requireRefused(err, "invalid_code")
	})
}

// TestAttack_MF_01_OneCodeManyFlows: of 64 posts of one code, in as many flows, one signs in.
func TestAttack_MF_01_OneCodeManyFlows(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		a := h.insertAccount("ann@example.test", good)
		seed := h.addTOTP(a)
		codes := h.addRecoveryCodes(a)
		for method, code := range map[auth.ProofMethod]string{auth.ProofTOTP: h.codeOf(seed), auth.ProofRecoveryCode: codes[1]} {
			var signedIn atomic.Int32
			var wg sync.WaitGroup
			for range 64 {
				p, _ := (&browser{h: h}).beginSignIn("ann@example.test", false)
				wg.Go(func() {
					e, err := h.SignInFactor(t.Context(), login.FactorForm{FormRef: p.form, Method: method, Code: code})
					if err == nil && e.Session.ID != "" {
						signedIn.Add(1)
					}
				})
			}
			wg.Wait()
			if n := signedIn.Load(); n != 1 {
				t.Errorf("%s: %d sign-ins by one code", method, n)
			}
		}
	}, func(c *login.Config) { c.Rates["factor.account"] = limit.Rate{Count: 1000, Per: time.Hour} })
}

// TestAttack_MF_02_FL_09_UsedSteps: neither a used code nor an older one signs in, also after the clock went back.
func TestAttack_MF_02_FL_09_UsedSteps(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		seed := h.addTOTP(h.insertAccount("ann@example.test", good))
		prove := func(code string) error {
			p, _ := (&browser{h: h}).beginSignIn("ann@example.test", false)
			_, err := p.prove(auth.ProofTOTP, code)
			return err
		}
		h.clock.Advance(time.Hour)
		older := h.codeOf(seed)
		h.clock.Advance(30 * time.Second)
		used := h.codeOf(seed)
		h.requireOK(prove(used))

		for _, back := range []time.Duration{0, 30 * time.Second, time.Hour} {
			h.clock.Advance(-back)
			for _, code := range []string{used, older, h.codeOf(seed)} {
				h.requireRefused(prove(code), "invalid_code")
			}
		}
	})
}

// TestAttack_MF_05_WrongCodesEndTheSignIn: ten wrong codes end the pending sign-in, and a new one goes on
// counting.
func TestAttack_MF_05_WrongCodesEndTheSignIn(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		a := h.insertAccount("ann@example.test", good)
		seed := h.addTOTP(a)
		p, _ := (&browser{h: h}).beginSignIn("ann@example.test", false)
		var e login.SignedIn
		var err error
		for range 10 {
			e, err = p.prove(auth.ProofTOTP, "000000")
			h.requireRefused(err, "invalid_code")
		}
		if e.Step.Kind != auth.StepLogin {
			t.Errorf("the sign-in is at %s", e.Step.Kind)
		}
		if got := h.allMails(); !slices.Contains(got, auth.MailCodesGuessed) {
			t.Errorf("mails %q", got)
		}
		p, _ = (&browser{h: h}).beginSignIn("ann@example.test", false)
		if e, err = p.prove(auth.ProofTOTP, h.codeOf(seed)); e.Step.Kind != auth.StepFactor {
			t.Errorf("limited at %s", e.Step.Kind)
		}
		h.requireRefused(err, "rate_limited")
		h.clock.Advance(15 * time.Minute)
		p, _ = (&browser{h: h}).beginSignIn("ann@example.test", false)
		_, err = p.prove(auth.ProofTOTP, h.codeOf(seed))
		h.requireOK(err)
		if got := h.events(auth.EventLogin); len(got) != 11 || got[0].Detail["reason"] != "wrong_code" && got[10].Detail["reason"] != "wrong_code" {
			t.Errorf("%d events: %+v", len(got), got)
		}
	})
}

// TestAttack_MF_08_OneRecoveryCodeASignIn: a sign-in that needs more than a recovery code gives uses up no second
// one, on the pages and by the JSON API.
func TestAttack_MF_08_OneRecoveryCodeASignIn(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		a := h.insertAccount("ann@example.test", good)
		h.addTOTP(a)
		codes := h.addRecoveryCodes(a)
		h.setPolicy(func(f *auth.FactorSettings) { f.Policy = auth.FactorsResistant })
		p, _ := (&browser{h: h}).beginSignIn("ann@example.test", false)
		e, err := p.prove(auth.ProofRecoveryCode, codes[1])
		h.requireOK(err)
		if e.Step.Kind != auth.StepEnrol || e.Session.ID != "" {
			t.Errorf("%+v", e.Step.Kind)
		}
		_, err = p.prove(auth.ProofRecoveryCode, codes[2])
		h.requireRefused(err, "invalid_code")

		pending := h.beginPassword(login.Request{})
		if res, err := h.factor(pending, auth.ProofRecoveryCode, codes[3]); err != nil || res.Pending.Need != auth.NeedEnrolment {
			t.Errorf("%+v, %v", res, err)
		}
		_, err = h.factor(pending, auth.ProofRecoveryCode, codes[4])
		h.requireRefused(err, "invalid_code")
		if _, left, err := h.Factors(t.Context(), tenant, a.ID); err != nil || left != 8 {
			t.Errorf("%d codes are left, %v", left, err)
		}
	})
}

// A proof counts for ten minutes.
func TestPendingSignInsExpire(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		a := h.insertAccount("ann@example.test", good)
		seed := h.addTOTP(a)
		p, _ := (&browser{h: h}).beginSignIn("ann@example.test", false)
		h.clock.Advance(10 * time.Minute)
		e, err := p.prove(auth.ProofTOTP, h.codeOf(seed))
		h.requireRefused(err, "session_invalid")
		if e.Step.Kind != auth.StepLogin {
			t.Errorf("at %s", e.Step.Kind)
		}
	})
}

// TestAttack_MF_13_RememberMe: a remembered password does not pass a policy that came since.
func TestAttack_MF_13_RememberMe(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		h.insertAccount("ann@example.test", good)
		v := &browser{h: h}
		v.requireSignIn("ann@example.test", true)
		h.setPolicy(func(f *auth.FactorSettings) { f.Policy = auth.FactorsRequired })
		_, err := v.reopen().resume()
		h.requireRefused(err, "session_invalid")
		_, e := (&browser{h: h}).beginSignIn("ann@example.test", false)
		if e.Step.Kind != auth.StepEnrol || e.Session.ID != "" {
			t.Errorf("%+v", e.Step.Kind)
		}
		h.setPolicy(func(f *auth.FactorSettings) { f.Since, f.GraceDays = h.clock.Now(), 7 })
		_, e = (&browser{h: h}).beginSignIn("ann@example.test", false)
		if e.Step.Kind != auth.StepDone {
			t.Errorf("within the days of grace: %s", e.Step.Kind)
		}
		due := func() time.Time {
			at, err := h.GraceEnds(t.Context(), tenant, e.Session.Account)
			h.requireOK(err)
			return at
		}
		if want := h.clock.Now().AddDate(0, 0, 7); !due().Equal(want) {
			t.Errorf("they end at %v, want %v", due(), want)
		}
		h.clock.Advance(7 * 24 * time.Hour)
		if !due().IsZero() {
			t.Errorf("over, and they end at %v", due())
		}
	})
}

func flowBrowser(h *fixture) flow.Browser { return flow.Browser{Actor: browserActor} }

// flowOfToken returns the flow that keeps the proofs of a sign-in by the JSON API.
func flowOfToken(_ *fixture, p login.Pending) auth.FlowID {
	return auth.FlowID(secret.Digest(p.Token.Reveal()))
}
