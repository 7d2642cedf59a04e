package login_test

import (
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/flow"
	"github.com/watchword-auth/watchword/internal/login"
	"github.com/watchword-auth/watchword/internal/passkey/passkeytest"
	"github.com/watchword-auth/watchword/internal/store"
	"github.com/watchword-auth/watchword/internal/store/storetest"
)

func newAuthenticator() *passkeytest.Authenticator {
	return passkeytest.New("https://auth.example.test", "auth.example.test")
}

// addPasskey gives an account a passkey.
func (h *fixture) addPasskey(a auth.Account, k *passkeytest.Authenticator) auth.Factor {
	h.t.Helper()
	options, err := h.BeginPasskey(h.t.Context(), tenant, owner(a))
	h.requireOK(err)
	f, _, err := h.AddPasskey(h.t.Context(), tenant, k.Create(h.t, options), "", owner(a))
	h.requireOK(err)
	return f
}

// options returns the options that a page of the flow shows.
func (h *fixture) options(form flow.FormRef, use login.PasskeyUse, account auth.AccountID) []byte {
	h.t.Helper()
	var f auth.Flow
	h.requireOK(h.db.Read(h.t.Context(), tenant, func(tx *store.Tx) (err error) {
		f, err = tx.Flow(form.Flow)
		return err
	}))
	options, err := h.PasskeyOptions(h.t.Context(), tenant, f, use, account)
	h.requireOK(err)
	if len(options) == 0 {
		h.t.Fatal("no options")
	}
	return options
}

// passkeyForm answers the options of a page.
func (h *fixture) passkeyForm(form flow.FormRef, use login.PasskeyUse, account auth.AccountID, k *passkeytest.Authenticator) login.PasskeyForm {
	h.t.Helper()
	options := h.options(form, use, account)
	response := k.Get
	if use == login.PasskeyCreate {
		response = k.Create
	}
	return login.PasskeyForm{FormRef: form, Use: use, Response: string(response(h.t, options))}
}

// signInPasskey signs in with a passkey alone.
func (v *browser) signInPasskey(k *passkeytest.Authenticator) (login.SignedIn, error) {
	v.h.t.Helper()
	form := v.h.newSignInForm(flow.Browser{Sessions: v.sessions(), Actor: browserActor})
	e, err := v.h.SignInPasskey(v.h.t.Context(), v.h.passkeyForm(form, login.PasskeySignIn, "", k))
	v.keepCookies(e)
	return e, err
}

// TestSignInPasskey: a passkey alone signs in, as strongly as its authenticator proves.
func TestSignInPasskey(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		a := h.insertAccount("ann@example.test", good)
		bound, synced := newAuthenticator(), newAuthenticator()
		synced.Synced = true
		h.addPasskey(a, bound)
		if f := h.addPasskey(a, synced); f.Name != "" || !f.Data.BackupEligible || !f.Usable() {
			t.Errorf("%+v", f)
		}
		for acr, k := range map[string]*passkeytest.Authenticator{"phrh": bound, "phr": synced} {
			v := &browser{h: h}
			e, err := v.signInPasskey(k)
			h.requireOK(err)
			if e.Step.Kind != auth.StepDone || e.Session.Account != a.ID || e.Session.ACR != acr || !slices.Contains(e.Session.AMR, "user") || slices.Contains(e.Session.AMR, "pwd") ||
				len(v.sessions()) != 1 || e.Known == "" {
				t.Errorf("%s: %+v", acr, e)
			}
		}
		if got := h.events(auth.EventLogin); len(got) != 2 || got[0].Detail["method"] != "passkey" {
			t.Errorf("%+v", got)
		}
		list, err := h.Passkeys(t.Context(), tenant, a.ID)
		if err != nil || len(list.List) != 2 || list.List[0].UsedAt.IsZero() || len(list.User.Passkeys) != 2 {
			t.Errorf("%+v, %v", list, err)
		}
	})
}

// TestPasskeyAsSecondFactor: after the password, a passkey of the account is the second factor, without
// verification of the user, too.
func TestPasskeyAsSecondFactor(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		a := h.insertAccount("ann@example.test", good)
		k := newAuthenticator()
		h.addPasskey(a, k)
		k.Verifies = false
		v := &browser{h: h}
		p, e := v.beginSignIn("ann@example.test", true)
		if e.Step.Kind != auth.StepFactor {
			t.Fatalf("at %s", e.Step.Kind)
		}
		e, err := h.SignInPasskey(t.Context(), h.passkeyForm(p.form, login.PasskeyFactor, a.ID, k))
		h.requireOK(err)
		if e.Session.ACR != "phrh" || !slices.Equal(e.Session.AMR, []string{"hwk", "mfa", "pwd", "user"}) || e.RememberMe == "" {
			t.Errorf("%+v", e)
		}

		pending := h.beginPassword(login.Request{Scope: auth.Scope{"openid"}})
		if !slices.Equal(pending.Methods, []auth.ProofMethod{auth.ProofPasskey}) {
			t.Errorf("%+v", pending)
		}
		options, err := h.BeginPasskeySignIn(t.Context(), tenant, pending.Token.Reveal(), browserActor)
		h.requireOK(err)
		r := login.PasskeyRequest{Request: login.Request{Actor: browserActor}, Token: pending.Token.Reveal(), Response: k.Get(t, options)}
		res, err := h.Passkey(t.Context(), tenant, r)
		h.requireOK(err)
		if res.Session.ACR != "phrh" || res.Tokens.Scope.String() != "openid" || res.Known == "" {
			t.Errorf("%+v", res)
		}
		_, err = h.Passkey(t.Context(), tenant, r)
		h.requireRefused(err, "invalid_mfa_token")
	})
}

// TestPasskeyByAPI: a program signs in with a passkey, to tokens or to a cookie.
func TestPasskeyByAPI(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		a := h.insertAccount("ann@example.test", good)
		k := newAuthenticator()
		h.addPasskey(a, k)
		for _, cookie := range []bool{false, true} {
			options, err := h.BeginPasskeySignIn(t.Context(), tenant, "", browserActor)
			h.requireOK(err)
			r := login.PasskeyRequest{Request: login.Request{Cookie: cookie, Actor: browserActor}, Response: k.Get(t, options)}
			res, err := h.Passkey(t.Context(), tenant, r)
			h.requireOK(err)
			if res.Session.Account != a.ID || res.Session.ACR != "phrh" || (res.Cookie != "") != cookie || (res.Tokens.AccessToken != "") == cookie {
				t.Errorf("cookie %t: %+v", cookie, res)
			}
			_, err = h.Passkey(t.Context(), tenant, r)
			h.requireRefused(err, "invalid_passkey")
		}
		options, err := h.BeginPasskeySignIn(t.Context(), tenant, "", browserActor)
		h.requireOK(err)
		before := h.countSessions(a)
		refused := login.Request{Scope: auth.Scope{"openid"}, Resource: "https://api.example.test", Actor: browserActor}
		_, err = h.Passkey(t.Context(), tenant, login.PasskeyRequest{Request: refused, Response: k.Get(t, options)})
		h.requireRefused(err, "invalid_target")
		if n := h.countSessions(a); n != before {
			t.Errorf("a refused resource leaves %d sessions, want %d", n, before)
		}
		h.clock.Advance(5 * time.Minute)
		_, err = h.Passkey(t.Context(), tenant, login.PasskeyRequest{Response: k.Get(t, options)})
		h.requireRefused(err, "invalid_passkey")
	})
}

// TestAttack_MF_09_WrongResponses: a response that is not the one to the newest options of this flow and of
// this use signs nobody in, and consumes them.
func TestAttack_MF_09_WrongResponses(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		a := h.insertAccount("ann@example.test", good)
		k := newAuthenticator()
		h.addPasskey(a, k)
		form := h.newSignInForm(flow.Browser{Actor: browserActor})
		cases := map[string]func(login.PasskeyForm) login.PasskeyForm{
			"another origin": func(f login.PasskeyForm) login.PasskeyForm {
				k := *k
				k.Origin = "https://auth.example.test.evil.test"
				f.Response = string(k.Get(t, h.options(form, login.PasskeySignIn, "")))
				return f
			},
			"without verification of the user": func(f login.PasskeyForm) login.PasskeyForm {
				k := *k
				k.Verifies = false
				f.Response = string(k.Get(t, h.options(form, login.PasskeySignIn, "")))
				return f
			},
			"of another flow": func(f login.PasskeyForm) login.PasskeyForm {
				other := h.newSignInForm(flow.Browser{Actor: browserActor})
				f.Response = h.passkeyForm(other, login.PasskeySignIn, "", k).Response
				return f
			},
			"as a second factor": func(f login.PasskeyForm) login.PasskeyForm { f.Use = login.PasskeyFactor; return f },
			"as a new passkey":   func(f login.PasskeyForm) login.PasskeyForm { f.Use = login.PasskeyCreate; return f },
			"of nobody":          func(f login.PasskeyForm) login.PasskeyForm { f.Response = "{}"; return f },
			"empty":              func(f login.PasskeyForm) login.PasskeyForm { f.Response = ""; return f },
		}
		for name, change := range cases {
			f := change(h.passkeyForm(form, login.PasskeySignIn, "", k))
			e, err := h.SignInPasskey(t.Context(), f)
			h.requireRefused(err, "invalid_passkey")
			if e.Step.Kind != auth.StepLogin || e.Session.ID != "" || e.Cookie != "" {
				t.Errorf("%s: %+v", name, e)
			}
		}
		f := h.passkeyForm(form, login.PasskeySignIn, "", k)
		broken := f
		broken.Response = strings.Replace(f.Response, `"signature":"M`, `"signature":"N`, 1)
		_, err := h.SignInPasskey(t.Context(), broken)
		h.requireRefused(err, "invalid_passkey")
		_, err = h.SignInPasskey(t.Context(), f) // the broken one was the first response
		h.requireRefused(err, "invalid_passkey")
		_, err = h.SignInPasskey(t.Context(), h.passkeyForm(form, login.PasskeySignIn, "", k))
		h.requireOK(err)
	})
}

// TestAttack_MF_09_OneAssertionOnce: of 64 posts of one assertion, one signs in.
func TestAttack_MF_09_OneAssertionOnce(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		a := h.insertAccount("ann@example.test", good)
		k := newAuthenticator()
		h.addPasskey(a, k)
		form := h.passkeyForm(h.newSignInForm(flow.Browser{Actor: browserActor}), login.PasskeySignIn, "", k)
		options, err := h.BeginPasskeySignIn(t.Context(), tenant, "", browserActor)
		h.requireOK(err)
		request := login.PasskeyRequest{Request: login.Request{Actor: browserActor}, Response: k.Get(t, options)}
		for name, post := range map[string]func() bool{
			"page": func() bool { e, err := h.SignInPasskey(t.Context(), form); return err == nil && e.Session.ID != "" },
			"api":  func() bool { _, err := h.Passkey(t.Context(), tenant, request); return err == nil },
		} {
			var signedIn atomic.Int32
			var wg sync.WaitGroup
			for range 64 {
				wg.Go(func() {
					if post() {
						signedIn.Add(1)
					}
				})
			}
			wg.Wait()
			if n := signedIn.Load(); n != 1 {
				t.Errorf("%s: %d sign-ins by one assertion", name, n)
			}
		}
	})
}

// TestAttack_MF_10_PasskeyOfAnother: a credential ID that an account has is not added to another one.
func TestAttack_MF_10_PasskeyOfAnother(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		ann, eve := h.insertAccount("ann@example.test", good), h.insertAccount("eve@example.test", good)
		k := newAuthenticator()
		first := h.addPasskey(ann, k)
		options, err := h.BeginPasskey(t.Context(), tenant, owner(eve))
		h.requireOK(err)
		_, _, err = h.AddPasskey(t.Context(), tenant, k.CreateAgain(t, options), "", owner(eve))
		h.requireRefused(err, "passkey_taken")
		if list, err := h.Passkeys(t.Context(), tenant, eve.ID); err != nil || len(list.List) != 0 {
			t.Errorf("%+v, %v", list.List, err)
		}
		e, err := (&browser{h: h}).signInPasskey(k)
		if err == nil && e.Session.Account != ann.ID {
			t.Errorf("%+v, %v", e.Session, err)
		}
		if list, err := h.Passkeys(t.Context(), tenant, ann.ID); err != nil || len(list.List) != 1 || list.List[0].ID != first.ID {
			t.Errorf("%+v, %v", list.List, err)
		}
	})
}

// TestAttack_MF_11_PasskeyOfBob: while alice signs in, a passkey of bob is no second factor, and the user
// handle of another account signs nobody in.
func TestAttack_MF_11_PasskeyOfBob(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		alice, bob := h.insertAccount("ann@example.test", good), h.insertAccount("bob@example.test", good)
		ka, kb := newAuthenticator(), newAuthenticator()
		h.addPasskey(alice, ka)
		h.addPasskey(bob, kb)
		p, _ := (&browser{h: h}).beginSignIn("ann@example.test", false)
		e, err := h.SignInPasskey(t.Context(), h.passkeyForm(p.form, login.PasskeyFactor, alice.ID, kb))
		h.requireRefused(err, "invalid_passkey")
		if e.Step.Kind != auth.StepFactor {
			t.Errorf("at %s", e.Step.Kind)
		}
		ka.Handle = kb.HandleOf()
		_, err = (&browser{h: h}).signInPasskey(ka)
		h.requireRefused(err, "invalid_passkey")
	})
}

// TestAttack_MF_12_CounterGoesBack: a counter that does not rise is audited; the sign-in goes on.
func TestAttack_MF_12_CounterGoesBack(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		a := h.insertAccount("ann@example.test", good)
		k := newAuthenticator()
		k.Counter = 100
		f := h.addPasskey(a, k)
		k.Counter = 50
		_, err := (&browser{h: h}).signInPasskey(k)
		h.requireOK(err)
		got := h.events(auth.EventCounterRegressed)
		if len(got) != 1 || got[0].Account != a.ID || got[0].Detail["factor"] != string(f.ID) {
			t.Errorf("%+v", got)
		}
		if list, err := h.Passkeys(t.Context(), tenant, a.ID); err != nil || list.List[0].Counter != 100 {
			t.Errorf("%+v, %v", list.List, err)
		}
	})
}

// TestRemovedPasskey: a passkey that was removed is named as such, unless it is of another tenant, whose
// passkeys the same authenticator offers here.
func TestRemovedPasskey(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		a := h.insertAccount("ann@example.test", good)
		k := newAuthenticator()
		f := h.addPasskey(a, k)
		h.requireOK(h.RemoveFactor(t.Context(), tenant, f.ID, owner(a)))
		_, err := (&browser{h: h}).signInPasskey(k)
		h.requireRefused(err, "passkey_unknown")
		k.Handle = make([]byte, 32)
		_, err = (&browser{h: h}).signInPasskey(k)
		h.requireRefused(err, "invalid_passkey")
	})
}

// TestDisabledAccount: the passkey of a disabled account is refused like any wrong one.
func TestDisabledAccountHasNoPasskey(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		a := h.insertAccount("ann@example.test", good)
		k := newAuthenticator()
		h.addPasskey(a, k)
		h.requireOK(h.db.Write(t.Context(), tenant, func(tx *store.Tx) error {
			a.DisabledAt = tx.Now
			return tx.UpdateAccount(a)
		}))
		_, err := (&browser{h: h}).signInPasskey(k)
		h.requireRefused(err, "invalid_passkey")
	})
}

// TestAddPasskey: a creation counts once, in the session that began it; the same form again changes nothing.
func TestAddPasskey(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		a := h.insertAccount("ann@example.test", good)
		by := owner(a)
		k := newAuthenticator()
		k.AAGUID = [16]byte{0xfb, 0xfc, 0x30, 0x07, 0x15, 0x4e, 0x4e, 0xcc, 0x8c, 0x0b, 0x6e, 0x02, 0x05, 0x57, 0xd7, 0xbd}
		options, err := h.BeginPasskey(t.Context(), tenant, by)
		h.requireOK(err)
		response := k.Create(t, options)
		elsewhere := by
		elsewhere.Session = "another"
		_, _, err = h.AddPasskey(t.Context(), tenant, response, "", elsewhere)
		h.requireRefused(err, "passkey_refused")
		f, _, err := h.AddPasskey(t.Context(), tenant, response, "", by)
		h.requireOK(err)
		if f.Name != "Apple Passwords" {
			t.Errorf("named %q", f.Name)
		}
		again, _, err := h.AddPasskey(t.Context(), tenant, response, "", by)
		if err != nil || again.ID != f.ID || len(h.events(auth.EventFactorAdded)) != 1 {
			t.Errorf("again: %+v, %v", again, err)
		}
		_, _, err = h.AddPasskey(t.Context(), tenant, newAuthenticator().Create(t, options), "", by)
		h.requireRefused(err, "passkey_refused")
		if list, err := h.Passkeys(t.Context(), tenant, a.ID); err != nil || len(list.List) != 1 {
			t.Errorf("%+v, %v", list.List, err)
		}
	})
}

// TestEnrolPasskey: an account that must have a phishing-resistant factor creates a passkey in its sign-in.
func TestEnrolPasskey(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		a := h.insertAccount("ann@example.test", good)
		h.setPolicy(func(f *auth.FactorSettings) { f.Policy = auth.FactorsResistant })
		p, e := (&browser{h: h}).beginSignIn("ann@example.test", false)
		if e.Step.Kind != auth.StepEnrol || e.Step.Required != auth.AssurancePhishingResistant {
			t.Fatalf("%+v", e.Step.Kind)
		}
		k := newAuthenticator()
		e, err := h.SignInPasskey(t.Context(), h.passkeyForm(p.form, login.PasskeyCreate, a.ID, k))
		h.requireOK(err)
		if e.Step.Kind != auth.StepDone || e.Session.ACR != "phrh" {
			t.Errorf("%+v", e)
		}
		if e, err := (&browser{h: h}).signInPasskey(k); err != nil || e.Session.Account != a.ID {
			t.Errorf("%+v, %v", e.Session, err)
		}
		// Who has one cannot add another by the password alone.
		p, e = (&browser{h: h}).beginSignIn("ann@example.test", false)
		if e.Step.Kind != auth.StepFactor {
			t.Errorf("at %s", e.Step.Kind)
		}
		_, err = h.SignInPasskey(t.Context(), h.passkeyForm(p.form, login.PasskeyCreate, a.ID, newAuthenticator()))
		h.requireRefused(err, "session_invalid")
	})
}

// beginOffer signs in with the password in a browser that can create passkeys.
func (v *browser) beginOffer(email string) (flow.FormRef, login.SignedIn) {
	v.h.t.Helper()
	form := v.h.newSignInForm(flow.Browser{Sessions: v.sessions(), Actor: browserActor})
	e, err := v.h.SignInBrowser(v.h.t.Context(), login.PasswordForm{FormRef: form, Email: email, Password: good, CanCreate: true})
	v.h.requireOK(err)
	v.keepCookies(e)
	form.Browser.Sessions = v.sessions()
	return form, e
}

// TestOffers: an account without a passkey is offered one after a sign-in, at most every 30 days, and never
// after it said so.
func TestOffers(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		a := h.insertAccount("ann@example.test", good)
		v := &browser{h: h}
		v.requireSignIn("ann@example.test", false) // this browser cannot create one
		form, e := v.beginOffer("ann@example.test")
		if e.Step.Kind != auth.StepOffer || e.Session.ID == "" {
			t.Fatalf("at %s", e.Step.Kind)
		}
		answered, err := h.AnswerOffer(t.Context(), login.PasskeyForm{FormRef: form}, login.OfferLater)
		if err != nil || answered.Step.Kind != auth.StepDone || answered.Cookie != "" {
			t.Errorf("%+v, %v", answered, err)
		}
		if _, e := v.beginOffer("ann@example.test"); e.Step.Kind != auth.StepDone {
			t.Errorf("again at once: %s", e.Step.Kind)
		}
		h.clock.Advance(30 * 24 * time.Hour)
		form, e = v.beginOffer("ann@example.test")
		if e.Step.Kind != auth.StepOffer {
			t.Errorf("after 30 days: %s", e.Step.Kind)
		}
		answered, err = h.AnswerOffer(t.Context(), login.PasskeyForm{FormRef: form}, login.OfferNever)
		if err != nil || answered.Step.Kind != auth.StepDone {
			t.Errorf("%+v, %v", answered, err)
		}
		h.clock.Advance(365 * 24 * time.Hour)
		if _, e := v.beginOffer("ann@example.test"); e.Step.Kind != auth.StepDone {
			t.Errorf("after never: %s", e.Step.Kind)
		}
		if list, err := h.Passkeys(t.Context(), tenant, a.ID); err != nil || len(list.List) != 0 {
			t.Errorf("%+v, %v", list.List, err)
		}
	})
}

// TestAttack_MF_06_OfferAddsNoFirstFactor: a passkey is offered, and created from an offer, only in a session that may
// add a factor. One by the password alone may not where codes are mailed, nor one by trust in the browser.
func TestAttack_MF_06_OfferAddsNoFirstFactor(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		a := h.insertAccount("ann@example.test", good)
		form, e := (&browser{h: h}).beginOffer("ann@example.test")
		if e.Step.Kind != auth.StepOffer {
			t.Fatalf("at %s", e.Step.Kind)
		}
		h.setPolicy(func(f *auth.FactorSettings) { f.EmailCode = true })
		answered, err := h.AnswerOffer(t.Context(), h.passkeyForm(form, login.PasskeyCreate, a.ID, newAuthenticator()), login.OfferAccepted)
		if list, _, _ := h.Factors(t.Context(), tenant, a.ID); err != nil || answered.Step.Kind != auth.StepDone || answered.Cookie != "" || len(list) != 0 {
			t.Errorf("at %s with %d passkeys, %v", answered.Step.Kind, len(list), err)
		}
		h.clock.Advance(31 * 24 * time.Hour)
		if _, e := (&browser{h: h}).beginOffer("ann@example.test"); e.Step.Kind != auth.StepDone {
			t.Errorf("where codes are mailed: %s", e.Step.Kind)
		}
		h.setPolicy(func(f *auth.FactorSettings) { f.EmailCode = false })
		if _, e := (&browser{h: h}).beginOffer("ann@example.test"); e.Step.Kind != auth.StepOffer {
			t.Errorf("where they are not: %s", e.Step.Kind)
		}
	})
}

// TestAcceptedOffer: the offer creates a passkey, also without a gesture of the user.
func TestAcceptedOffer(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		a := h.insertAccount("ann@example.test", good)
		form, _ := (&browser{h: h}).beginOffer("ann@example.test")
		k := newAuthenticator()
		k.NoUser, k.Verifies, k.Synced = true, false, true
		in := h.passkeyForm(form, login.PasskeyCreate, a.ID, k)
		bad := in
		bad.Response = "{}"
		answered, err := h.AnswerOffer(t.Context(), bad, login.OfferAccepted)
		h.requireRefused(err, "passkey_refused")
		if answered.Step.Kind != auth.StepOffer {
			t.Errorf("at %s", answered.Step.Kind)
		}
		answered, err = h.AnswerOffer(t.Context(), h.passkeyForm(form, login.PasskeyCreate, a.ID, k), login.OfferAccepted)
		if err != nil || answered.Step.Kind != auth.StepDone {
			t.Errorf("%+v, %v", answered, err)
		}
		answered, err = h.AnswerOffer(t.Context(), in, login.OfferAccepted) // the form again
		if err != nil || answered.Step.Kind != auth.StepDone {
			t.Errorf("again: %+v, %v", answered, err)
		}
		k.NoUser, k.Verifies = false, true
		if e, err := (&browser{h: h}).signInPasskey(k); err != nil || e.Session.Account != a.ID {
			t.Errorf("%+v, %v", e.Session, err)
		}
	})
}

// TestOfferedPasskeyBindsNothing: after an accepted offer the password signs in as before, also where codes are
// mailed, until the user adds another factor or recovery codes, or a policy requires a factor.
func TestOfferedPasskeyBindsNothing(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		var a auth.Account
		accept := func(email string) {
			a = h.insertAccount(email, good)
			form, _ := (&browser{h: h}).beginOffer(email)
			_, err := h.AnswerOffer(t.Context(), h.passkeyForm(form, login.PasskeyCreate, a.ID, newAuthenticator()), login.OfferAccepted)
			h.requireOK(err)
		}
		require := func(when, email string, want auth.StepKind) login.SignedIn {
			t.Helper()
			_, e := (&browser{h: h}).beginSignIn(email, false)
			if e.Step.Kind != want {
				t.Errorf("%s: at %s", when, e.Step.Kind)
			}
			return e
		}
		accept("ann@example.test")
		require("after the offer", "ann@example.test", auth.StepDone)
		h.mailCodes()
		if e := require("required, with mailed codes", "ann@example.test", auth.StepFactor); !e.Step.Proving.EmailCode {
			t.Error("no code is mailed any more")
		}
		if p := h.beginPassword(login.Request{}); !slices.Equal(p.Methods, []auth.ProofMethod{auth.ProofPasskey, auth.ProofEmailCode}) {
			t.Errorf("%q", p.Methods)
		}
		h.setPolicy(func(f *auth.FactorSettings) { f.EmailCode = false })
		require("required", "ann@example.test", auth.StepFactor)
		h.setPolicy(func(f *auth.FactorSettings) { f.Policy = "" })
		require("no longer required", "ann@example.test", auth.StepDone)
		h.addRecoveryCodes(a)
		require("with recovery codes", "ann@example.test", auth.StepFactor)
		list, _, err := h.Factors(t.Context(), tenant, a.ID)
		if h.requireOK(err); len(list) != 1 || !list[0].Binds() || !list[0].UsedAt.IsZero() {
			t.Errorf("%+v", list)
		}

		accept("bob@example.test")
		h.addTOTP(a)
		require("with an app", "bob@example.test", auth.StepFactor)
		list, _, err = h.Factors(t.Context(), tenant, a.ID)
		h.requireOK(err)
		for _, f := range list {
			if f.Kind == auth.ProofTOTP {
				h.requireOK(h.RemoveFactor(t.Context(), tenant, f.ID, owner(a)))
			}
		}
		require("without the app again", "bob@example.test", auth.StepFactor)
	})
}

// TestLastPasskeyStays: without a password, the last passkey that can sign in is removed only where its owner
// can sign in by mail.
func TestLastPasskeyStays(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		a := h.insertAccount("ann@example.test", "")
		first := h.addPasskey(a, newAuthenticator())
		key := newAuthenticator()
		key.FindsByID = true
		second := h.addPasskey(a, key) // cannot sign in by itself
		remove := func(f auth.Factor) error { return h.RemoveFactor(t.Context(), tenant, f.ID, owner(a)) }
		h.requireRefused(remove(first), "last_passkey")
		third := h.addPasskey(a, newAuthenticator())
		h.requireOK(remove(first))
		h.requireOK(remove(second))
		h.addTOTP(a)
		h.requireRefused(remove(third), "last_passkey")
		h.setTenant(func(s *auth.Settings) { s.EmailSignIn = true })
		h.requireOK(h.db.Write(t.Context(), tenant, func(tx *store.Tx) error {
			unproved := a
			unproved.EmailVerifiedAt = time.Time{}
			return tx.UpdateAccount(unproved)
		}))
		h.requireRefused(remove(third), "last_passkey")
		h.requireOK(h.db.Write(t.Context(), tenant, func(tx *store.Tx) error { return tx.UpdateAccount(a) }))
		h.requireOK(remove(third))
		if list, err := h.Passkeys(t.Context(), tenant, a.ID); err != nil || len(list.List) != 0 {
			t.Errorf("%+v, %v", list.List, err)
		}
	})
}

// TestAcceptedOfferStrengthens: an accepted offer makes the session as strong as a sign-in with the password and
// the passkey, and gives it another secret. A passkey that the browser created without a gesture proves nothing.
func TestAcceptedOfferStrengthens(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		for email, c := range map[string]struct {
			change func(*passkeytest.Authenticator)
			acr    string
			amr    []string
		}{
			"verified@example.test": {func(*passkeytest.Authenticator) {}, "phrh", []string{"hwk", "mfa", "pwd", "user"}},
			"synced@example.test":   {func(k *passkeytest.Authenticator) { k.Synced = true }, "phr", []string{"mfa", "pwd", "swk", "user"}},
			"touched@example.test":  {func(k *passkeytest.Authenticator) { k.Verifies = false }, "phrh", []string{"hwk", "mfa", "pwd", "user"}},
			"silent@example.test":   {func(k *passkeytest.Authenticator) { k.NoUser, k.Verifies = true, false }, "1", []string{"pwd"}},
		} {
			a := h.insertAccount(email, good)
			v := &browser{h: h}
			form, e := v.beginOffer(email)
			k := newAuthenticator()
			c.change(k)
			before := v.cookie
			answered, err := h.AnswerOffer(t.Context(), h.passkeyForm(form, login.PasskeyCreate, a.ID, k), login.OfferAccepted)
			h.requireOK(err)
			v.keepCookies(answered)
			got := v.sessions()
			if len(got) != 1 || got[0].Session.ID != e.Session.ID || got[0].Session.ACR != c.acr || !slices.Equal(got[0].Session.AMR, c.amr) || answered.Step.Kind != auth.StepDone {
				t.Errorf("%s: %+v at %s", email, got, answered.Step.Kind)
			}
			if former := (&browser{h: h, cookie: before}).sessions(); len(former) != 0 && c.acr != "1" {
				t.Errorf("%s: the secret from before still works", email)
			}
		}
	})
}

// TestPasskeyTrust: a passkey as second factor can exempt the browser from the next one; a passkey alone
// cannot.
func TestPasskeyTrust(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		a := h.insertAccount("ann@example.test", good)
		k := newAuthenticator()
		h.addPasskey(a, k)
		signIn := func(trusted string, use login.PasskeyUse, trust bool) login.SignedIn {
			t.Helper()
			actor := browserActor
			actor.Trusted = trusted
			form := h.newSignInForm(flow.Browser{Actor: actor})
			account := auth.AccountID("")
			if use == login.PasskeyFactor {
				e, err := h.SignInBrowser(t.Context(), login.PasswordForm{FormRef: form, Email: "ann@example.test", Password: good})
				h.requireOK(err)
				if account = a.ID; e.Step.Kind != auth.StepFactor || e.Step.Trust == 0 {
					return e
				}
			}
			in := h.passkeyForm(form, use, account, k)
			in.Trust = trust
			e, err := h.SignInPasskey(t.Context(), in)
			h.requireOK(err)
			return e
		}
		if e := signIn("", login.PasskeySignIn, true); e.Trusted != "" {
			t.Error("a passkey alone made the browser trusted")
		}
		if e := signIn("", login.PasskeyFactor, false); e.Trusted != "" {
			t.Error("the browser is trusted without a wish")
		}
		e := signIn("", login.PasskeyFactor, true)
		if e.Trusted == "" || e.Session.ACR != "phrh" {
			t.Fatalf("%+v", e)
		}
		if e = signIn(e.Trusted.Reveal(), login.PasskeyFactor, false); e.Session.ACR != "1" || !slices.Equal(e.Session.AMR, []string{"pwd", "rba"}) || e.Trusted == "" {
			t.Errorf("in the trusted browser: %+v", e)
		}
		h.setPolicy(func(p *auth.FactorSettings) { p.Policy = auth.FactorsResistant })
		if e = signIn(e.Trusted.Reveal(), login.PasskeyFactor, false); e.Step.Kind != auth.StepFactor || e.Step.Trust != 0 {
			t.Errorf("where a passkey is required: %+v", e)
		}
	})
}

// TestAttack_PW_08_RecoveryOfPasskeyInUse asks for the recovery of an account whose owner still has the passkey. A
// sign-in with it, on a page or by the API, cancels the recovery and says so.
func TestAttack_PW_08_RecoveryOfPasskeyInUse(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		a := h.insertAccount("bob@example.test", "")
		k := newAuthenticator()
		h.addPasskey(a, k)
		digest := 0
		request := func(data string) (lives func() bool) {
			digest++
			use := auth.SingleUse{Kind: auth.UseResetPassword, Digest: strconv.Itoa(digest), Account: a.ID, Data: data}
			h.requireOK(h.db.Write(t.Context(), tenant, func(tx *store.Tx) error {
				use.CreatedAt, use.ExpiresAt = tx.Now, tx.Now.Add(48*time.Hour)
				return tx.InsertSingleUse(use)
			}))
			return func() bool {
				err := h.db.Read(t.Context(), tenant, func(tx *store.Tx) error {
					_, err := tx.SingleUse(use.Kind, use.Digest)
					return err
				})
				return err == nil
			}
		}
		cancelled := func() (n int) {
			for _, m := range storetest.TakeMessages(t, h.db, "") {
				if m.Kind == auth.MailRecoveryCancelled && m.Payload.To == a.Email.Address && m.Payload.Token != "" {
					n++
				}
			}
			return n
		}
		recovery, reset := request(`{"recover":true}`), request(`{}`)
		_, err := (&browser{h: h}).signInPasskey(k)
		h.requireOK(err)
		if recovery() || !reset() || cancelled() != 1 {
			t.Errorf("page: recovery %v, reset %v", recovery(), reset())
		}
		recovery = request(`{"recover":true}`)
		options, err := h.BeginPasskeySignIn(t.Context(), tenant, "", browserActor)
		h.requireOK(err)
		_, err = h.Passkey(t.Context(), tenant, login.PasskeyRequest{Request: login.Request{Actor: browserActor}, Response: k.Get(t, options)})
		if h.requireOK(err); recovery() || cancelled() != 1 {
			t.Error("API: the recovery is pending")
		}
		_, err = (&browser{h: h}).signInPasskey(k)
		if h.requireOK(err); cancelled() != 0 {
			t.Error("a notice without a recovery")
		}
	})
}

// TestSignals: a page tells the browser once, after a sign-in with a passkey, that passkeys or names of the account
// have changed since that passkey was last used; never a browser that cannot use it.
func TestSignals(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		a := h.insertAccount("ann@example.test", good)
		k := newAuthenticator()
		h.addPasskey(a, k)
		signIn := func(takes bool) map[string][]byte {
			t.Helper()
			in := h.passkeyForm(h.newSignInForm(flow.Browser{Actor: browserActor}), login.PasskeySignIn, "", k)
			in.Signals = takes
			e, err := h.SignInPasskey(t.Context(), in)
			h.requireOK(err)
			return e.Signals
		}
		if got := signIn(true); got != nil {
			t.Errorf("of a new passkey: %s", got)
		}
		if got := signIn(true); got != nil {
			t.Errorf("unchanged: %s", got)
		}
		other := h.addPasskey(a, newAuthenticator())
		if got := signIn(false); got != nil {
			t.Errorf("in a browser that takes none: %s", got)
		}
		if got := signIn(true); !strings.Contains(string(got["signalAllAcceptedCredentials"]), other.Lookup) || got["signalCurrentUserDetails"] == nil {
			t.Errorf("after another one was added: %s", got)
		}
		h.requireOK(h.RemoveFactor(t.Context(), tenant, other.ID, owner(a)))
		if got := signIn(true); got == nil || strings.Contains(string(got["signalAllAcceptedCredentials"]), other.Lookup) {
			t.Errorf("after it was removed: %s", got)
		}
		h.requireOK(h.db.Write(t.Context(), tenant, func(tx *store.Tx) error {
			a.Name = "Ann"
			return tx.UpdateAccount(a)
		}))
		if got := signIn(true); !strings.Contains(string(got["signalCurrentUserDetails"]), `"displayName":"Ann"`) {
			t.Errorf("after a change of the name: %s", got)
		}
		if got := signIn(true); got != nil {
			t.Errorf("told again: %s", got)
		}
	})
}
