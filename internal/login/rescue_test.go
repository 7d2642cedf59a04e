package login_test

import (
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/flow"
	"github.com/watchword-auth/watchword/internal/login"
	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/store"
)

var operator = auth.Actor{Kind: auth.ActorOperator, ID: "root"}

// rescue opens a rescue link in a browser.
func (v *browser) rescue(token secret.Text) (*pendingSignIn, error) {
	b := flow.Browser{Actor: browserActor}
	b.EnsureSecret()
	step, err := v.h.Rescue(v.h.t.Context(), tenant, token.Reveal(), b)
	return &pendingSignIn{v, flow.FormRef{Tenant: tenant, Flow: step.Flow.ID, CSRF: step.CSRF, Browser: b}}, err
}

func (h *fixture) createRescue(a auth.Account) secret.Text {
	h.t.Helper()
	token, _, err := h.CreateRescue(h.t.Context(), tenant, a.ID, operator)
	h.requireOK(err)
	return token
}

// password sends the password in the flow.
func (p *pendingSignIn) password(email string) login.SignedIn {
	p.h.t.Helper()
	e, err := p.h.SignInBrowser(p.h.t.Context(), login.PasswordForm{FormRef: p.form, Email: email, Password: good})
	p.h.requireOK(err)
	return e
}

// enrol adds an authenticator app in the flow.
func (p *pendingSignIn) enrol(a auth.Account) (login.SignedIn, error) {
	p.h.t.Helper()
	app, err := p.h.ContinueTOTP(p.h.t.Context(), tenant, a.ID, p.form.Flow)
	p.h.requireOK(err)
	e, err := p.h.SignInFactor(p.h.t.Context(), login.FactorForm{FormRef: p.form, Method: auth.ProofTOTP, Enrol: app.ID, Code: p.h.codeOf(app.Secret.Reveal())})
	p.keepCookies(e)
	return e, err
}

// allMails returns the kinds of all mails that wait, in their order.
func (h *fixture) allMails() (kinds []auth.MessageKind) {
	h.t.Helper()
	for {
		next := h.mails() // the first one of each address
		if len(next) == 0 {
			return kinds
		}
		kinds = append(kinds, next...)
	}
}

func (h *fixture) sessionsOf(a auth.Account) (n int) {
	h.t.Helper()
	h.requireOK(h.db.Read(h.t.Context(), tenant, func(tx *store.Tx) error {
		list, err := tx.Sessions(a.ID)
		n = len(slices.DeleteFunc(list, func(v auth.Session) bool { return !v.Live(tx.Now) }))
		return err
	}))
	return n
}

// TestAttack_MF_15_Reset: after an operator has removed the factors there is a notice and an audit event, no
// session is left, and the next sign-in adds a factor, also within days of grace.
func TestAttack_MF_15_Reset(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		a := h.insertAccount("ann@example.test", good)
		_, err := h.ResetFactors(t.Context(), tenant, a.ID, operator)
		h.requireRefused(err, "no_factor")
		v := &browser{h: h}
		v.requireSignIn("ann@example.test", true)
		seed := h.addTOTP(a)
		h.addRecoveryCodes(a)
		h.setPolicy(func(f *auth.FactorSettings) { f.Policy, f.Since, f.GraceDays = auth.FactorsRequired, h.clock.Now(), 30 })
		h.allMails()

		n, err := h.ResetFactors(t.Context(), tenant, a.ID, operator)

		if h.requireOK(err); n != 1 || h.sessionsOf(a) != 0 {
			t.Errorf("%d factors removed, %d sessions left", n, h.sessionsOf(a))
		}
		if got := h.allMails(); !slices.Equal(got, []auth.MessageKind{auth.MailFactorsReset}) {
			t.Errorf("mails %q", got)
		}
		if got := h.events(auth.EventFactorsReset); len(got) != 1 || got[0].Actor.ID != "root" || got[0].Account != a.ID || got[0].Detail["removed"] != "1" {
			t.Errorf("%+v", got)
		}
		if n, err := h.ResetFactors(t.Context(), tenant, a.ID, operator); n != 0 || err != nil || len(h.allMails()) != 0 {
			t.Errorf("again: %d removed, %v", n, err)
		}
		if _, err := v.reopen().resume(); err == nil {
			t.Error("remember-me is left")
		}
		p, e := (&browser{h: h}).beginSignIn("ann@example.test", false)
		if e.Step.Kind != auth.StepEnrol || e.Session.ID != "" {
			t.Fatalf("the next sign-in is at %s", e.Step.Kind)
		}
		if _, err := p.prove(auth.ProofTOTP, h.codeOf(seed)); err == nil {
			t.Error("the removed app is good")
		}
		if e, err = p.enrol(a); err != nil || e.Session.ACR != "2" {
			t.Errorf("%+v, %v", e.Session, err)
		}
		list, left, err := h.Factors(t.Context(), tenant, a.ID)
		if err != nil || len(list) != 1 || left != 0 {
			t.Errorf("%+v, %d recovery codes, %v", list, left, err)
		}
		h.clock.Advance(30 * time.Second)
		if _, e := (&browser{h: h}).beginSignIn("ann@example.test", false); e.Step.Kind != auth.StepFactor {
			t.Errorf("later sign-ins are at %s", e.Step.Kind)
		}
	})
}

// TestAttack_MF_15_Rescue: the link works once, in one browser, for an hour, and only with the password. What
// the account had is good until a new factor is added, and gone then.
func TestAttack_MF_15_Rescue(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		a := h.insertAccount("ann@example.test", good)
		_, _, err := h.CreateRescue(t.Context(), tenant, a.ID, operator)
		h.requireRefused(err, "no_factor")
		seed := h.addTOTP(a)
		h.addRecoveryCodes(a)
		old, e := (&browser{h: h}).beginSignIn("ann@example.test", false)
		_, err = old.prove(auth.ProofTOTP, h.codeOf(seed))
		h.requireOK(err)
		h.clock.Advance(30 * time.Second)
		h.allMails()

		first := h.createRescue(a)
		token := h.createRescue(a)
		if got := h.allMails(); !slices.Equal(got, []auth.MessageKind{auth.MailRescue, auth.MailRescue}) {
			t.Errorf("mails %q", got)
		}
		if got := h.events(auth.EventRescueCreated); len(got) != 2 || got[0].Actor.ID != "root" {
			t.Errorf("%+v", got)
		}
		for _, bad := range []secret.Text{first, "", "wwl_x", token + "A"} {
			_, err := (&browser{h: h}).rescue(bad)
			h.requireRefused(err, "invalid_link")
		}
		p, err := (&browser{h: h}).rescue(token)
		h.requireOK(err)
		again, err := h.Rescue(t.Context(), tenant, token.Reveal(), p.form.Browser) // the form sent twice
		if err != nil || again.Flow.ID != p.form.Flow || again.Kind != auth.StepLogin {
			t.Errorf("again: %+v, %v", again.Kind, err)
		}
		_, err = (&browser{h: h}).rescue(token)
		h.requireRefused(err, "invalid_link")

		if _, err := p.enrol(a); err == nil {
			t.Error("a factor without the password")
		}
		if e = p.password("ann@example.test"); e.Step.Kind != auth.StepEnrol || e.Session.ID != "" || h.sessionsOf(a) != 1 {
			t.Fatalf("after the password at %s", e.Step.Kind)
		}
		if list, left, _ := h.Factors(t.Context(), tenant, a.ID); len(list) != 1 || left != 10 {
			t.Errorf("too early: %+v, %d", list, left)
		}
		e, err = p.enrol(a)
		if err != nil || e.Session.ACR != "2" || h.sessionsOf(a) != 1 {
			t.Fatalf("%+v, %v; %d sessions", e.Session, err, h.sessionsOf(a))
		}
		list, left, err := h.Factors(t.Context(), tenant, a.ID)
		if err != nil || len(list) != 1 || left != 0 {
			t.Errorf("%+v, %d recovery codes, %v", list, left, err)
		}
		if got := h.allMails(); !slices.Equal(got, []auth.MessageKind{auth.MailFactorAdded, auth.MailFactorsReset}) {
			t.Errorf("mails %q", got)
		}
		p, _ = (&browser{h: h}).beginSignIn("ann@example.test", false)
		_, err = p.prove(auth.ProofTOTP, h.codeOf(seed))
		h.requireRefused(err, "invalid_code")
	})
}

// A rescue link ends after an hour, with its account, and when its user finds the old factor nothing is removed.
func TestRescueLinks(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		a := h.insertAccount("ann@example.test", good)
		seed := h.addTOTP(a)
		token := h.createRescue(a)
		if ok, err := h.RescueUsable(t.Context(), tenant, token.Reveal(), flow.Browser{}); !ok || err != nil {
			t.Errorf("new: %t, %v", ok, err)
		}
		h.clock.Advance(time.Hour)
		if ok, err := h.RescueUsable(t.Context(), tenant, token.Reveal(), flow.Browser{}); ok || err != nil {
			t.Errorf("after an hour: %t, %v", ok, err)
		}
		_, err := (&browser{h: h}).rescue(token)
		h.requireRefused(err, "invalid_link")

		p, err := (&browser{h: h}).rescue(h.createRescue(a))
		h.requireOK(err)
		p.password("ann@example.test")
		e, err := p.prove(auth.ProofTOTP, h.codeOf(seed))
		if list, _, _ := h.Factors(t.Context(), tenant, a.ID); err != nil || e.Session.ACR != "2" || len(list) != 1 {
			t.Errorf("with the old app: %+v, %v; %d factors", e.Session, err, len(list))
		}

		token = h.createRescue(a)
		a.DisabledAt = h.clock.Now()
		h.requireOK(h.db.Write(t.Context(), tenant, func(tx *store.Tx) error { return tx.UpdateAccount(a) }))
		_, err = (&browser{h: h}).rescue(token)
		h.requireRefused(err, "invalid_link")
		_, _, err = h.CreateRescue(t.Context(), tenant, a.ID, operator)
		h.requireRefused(err, "account_disabled")
	})
}

// TestAttack_MF_15_NewLinkEndsOpenedOne: a new link, and the removal of all factors, end the sign-in in which an
// earlier link was opened, before and after the password.
func TestAttack_MF_15_NewLinkEndsOpenedOne(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		a := h.insertAccount("ann@example.test", good)
		h.addTOTP(a)
		open := func() (secret.Text, *pendingSignIn) {
			t.Helper()
			token := h.createRescue(a)
			p, err := (&browser{h: h}).rescue(token)
			h.requireOK(err)
			return token, p
		}
		first, before := open()
		second, after := open()
		after.password("ann@example.test")
		third, p := open()
		if e := before.password("ann@example.test"); e.Step.Kind != auth.StepFactor {
			t.Errorf("the first link leads to %s", e.Step.Kind)
		}
		_, err := after.enrol(a)
		h.requireRefused(err, "session_invalid")
		for token, p := range map[secret.Text]*pendingSignIn{first: before, second: after} {
			if ok, err := h.RescueUsable(t.Context(), tenant, token.Reveal(), p.form.Browser); ok || err != nil {
				t.Errorf("a replaced link: %t, %v", ok, err)
			}
			_, err := h.Rescue(t.Context(), tenant, token.Reveal(), p.form.Browser)
			h.requireRefused(err, "invalid_link")
		}

		p.password("ann@example.test")
		if e, err := p.enrol(a); err != nil || e.Session.ACR != "2" {
			t.Fatalf("%+v, %v", e.Session, err)
		}
		if ok, err := h.RescueUsable(t.Context(), tenant, third.Reveal(), p.form.Browser); !ok || err != nil {
			t.Errorf("the finished link in its browser: %t, %v", ok, err)
		}

		_, p = open()
		p.password("ann@example.test")
		_, err = h.ResetFactors(t.Context(), tenant, a.ID, operator)
		h.requireOK(err)
		_, err = p.enrol(a)
		h.requireRefused(err, "session_invalid")
	})
}

// TestAttack_MF_15_OneLinkOnce: of 64 browsers with one link, one goes on.
func TestAttack_MF_15_OneLinkOnce(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		a := h.insertAccount("ann@example.test", good)
		h.addTOTP(a)
		token := h.createRescue(a)
		var opened atomic.Int32
		var wg sync.WaitGroup
		for range 64 {
			wg.Go(func() {
				if _, err := (&browser{h: h}).rescue(token); err == nil {
					opened.Add(1)
				}
			})
		}
		wg.Wait()
		if n := opened.Load(); n != 1 {
			t.Errorf("%d browsers", n)
		}
	})
}
