package login_test

import (
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/flow"
	"github.com/watchword-auth/watchword/internal/limit"
	"github.com/watchword-auth/watchword/internal/login"
	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/store"
)

// apiBrowser is the cookie of a browser that asks for the cookie of a session.
var apiBrowser = secret.New(flow.BrowserPrefix).Reveal()

// askInAPI asks for a mail by the JSON API. It returns the token and what was mailed, empty for nothing.
func (h *fixture) askInAPI(r login.Request, token string) (string, auth.Mail) {
	h.t.Helper()
	r.Actor = browserActor
	if r.Cookie {
		r.Actor.Browser = apiBrowser
	}
	issued, err := h.BeginEmailSignIn(h.t.Context(), tenant, token, r)
	h.requireOK(err)
	list := h.takeMails(auth.MailSignIn)
	if len(list) == 0 {
		return issued.Token.Reveal(), auth.Mail{}
	}
	return issued.Token.Reveal(), list[len(list)-1]
}

func (h *fixture) email(token, code string) (login.Result, error) {
	return h.Email(h.t.Context(), tenant, login.EmailRequest{Token: token, Code: code, Actor: browserActor})
}

func (h *fixture) countSessions(a auth.Account) (n int) {
	h.t.Helper()
	h.requireOK(h.db.Read(h.t.Context(), tenant, func(tx *store.Tx) error {
		list, err := tx.Sessions(a.ID)
		n = len(list)
		return err
	}))
	return n
}

func TestEmailSignInByAPI(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		a := h.insertAccount("ann@example.test", good)
		_, err := h.BeginEmailSignIn(t.Context(), tenant, "", login.Request{Email: "ann@example.test", Actor: browserActor})
		h.requireRefused(err, "not_found") // the tenant has not turned it on
		h.signInByMail()
		_, err = h.BeginEmailSignIn(t.Context(), tenant, "", login.Request{Email: "ann", Actor: browserActor})
		h.requireRefused(err, "email_invalid")

		token, m := h.askInAPI(login.Request{Email: "ANN@example.test", Scope: auth.Scope{"openid"}}, "")
		_, err = h.email(token, "AAAA-AAAA")
		h.requireRefused(err, "invalid_code")
		res, err := h.email(token, m.Code)
		h.requireOK(err)
		if res.Session.ACR != "1" || !slices.Equal(res.Session.AMR, []string{"email"}) || res.Tokens.AccessToken == "" || res.Tokens.Scope.String() != "openid" || res.Known == "" || res.Cookie != "" {
			t.Errorf("%+v", res)
		}
		_, err = h.email(token, m.Code)
		h.requireRefused(err, "invalid_login_token")

		token, m = h.askInAPI(login.Request{Email: "ann@example.test", Cookie: true}, "")
		_, err = h.email(token, m.Code) // without the cookie of the browser
		h.requireRefused(err, "invalid_login_token")
		by := browserActor
		by.Browser = apiBrowser
		res, err = h.Email(t.Context(), tenant, login.EmailRequest{Token: token, Code: m.Code, Actor: by})
		h.requireOK(err)
		if res.Cookie == "" || res.Tokens.AccessToken != "" {
			t.Errorf("%+v", res)
		}

		// A resource that it may not ask for leaves no session, and the code works again.
		token, m = h.askInAPI(login.Request{Email: "ann@example.test", Scope: auth.Scope{"openid"}, Resource: "https://api.example.test"}, "")
		before := h.countSessions(a)
		for range 2 {
			_, err = h.email(token, m.Code)
			h.requireRefused(err, "invalid_target")
		}
		if n := h.countSessions(a); n != before {
			t.Errorf("%d sessions, want %d", n, before)
		}
	})
}

// TestEmailSignInAgain: with its token another mail has the same code, and after five minutes another one.
func TestEmailSignInAgain(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		h.insertAccount("ann@example.test", good)
		h.signInByMail()
		ask := login.Request{Email: "ann@example.test"}
		token, first := h.askInAPI(ask, "")
		if again, m := h.askInAPI(ask, token); again != token || m.Code != "" {
			t.Errorf("at once: %q, %+v", again, m)
		}
		h.clock.Advance(time.Minute)
		if _, m := h.askInAPI(ask, token); m.Code != first.Code {
			t.Errorf("after a minute: %q, want %q", m.Code, first.Code)
		}
		if _, m := h.askInAPI(ask, ""); m.Code == first.Code || m.Code == "" {
			t.Errorf("without the token: %q", m.Code)
		}
		h.clock.Advance(9 * time.Minute)
		_, second := h.askInAPI(ask, token)
		if second.Code == first.Code || second.Code == "" {
			t.Errorf("after ten minutes: %q", second.Code)
		}
		_, err := h.email(token, second.Code)
		h.requireOK(err)
		_, err = h.BeginEmailSignIn(t.Context(), tenant, token, ask)
		h.requireRefused(err, "invalid_login_token")
		for _, bad := range []string{"x", "wwf_", token + "A"} {
			_, err := h.BeginEmailSignIn(t.Context(), tenant, bad, ask)
			h.requireRefused(err, "invalid_login_token")
			_, err = h.email(bad, second.Code)
			h.requireRefused(err, "invalid_login_token")
		}
		late, _ := h.askInAPI(ask, "")
		h.clock.Advance(time.Hour)
		_, err = h.email(late, "AAAA-AAAA")
		h.requireRefused(err, "invalid_login_token")
	})
}

// TestAttack_MF_03_EmailCodeByAPI: after a mailed code an account with an authenticator has no session, its token
// is none for second factors before the code, and a mailed code is not its second factor.
func TestAttack_MF_03_EmailCodeByAPI(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		h.signInByMail()
		h.mailCodes()
		h.insertAccount("bob@example.test", "")
		token, m := h.askInAPI(login.Request{Email: "bob@example.test"}, "")
		res, err := h.email(token, m.Code)
		h.requireOK(err)
		if res.Pending.Need != auth.NeedEnrolment || len(res.Pending.Methods) != 0 || res.Tokens.AccessToken != "" {
			t.Errorf("without an authenticator: %+v", res)
		}

		a := h.insertAccount("ann@example.test", good)
		seed := h.addTOTP(a)
		token, m = h.askInAPI(login.Request{Email: "ann@example.test"}, "")
		_, err = h.Factor(t.Context(), tenant, login.FactorRequest{Token: token, Method: auth.ProofTOTP, Code: h.codeOf(seed), Actor: browserActor})
		h.requireRefused(err, "invalid_mfa_token")
		res, err = h.email(token, m.Code)
		h.requireOK(err)
		if res.Pending.Need != auth.NeedFactor || !slices.Equal(res.Pending.Methods, []auth.ProofMethod{auth.ProofTOTP}) || res.Session.ID != "" || res.Tokens.AccessToken != "" || res.Known != "" {
			t.Fatalf("%+v", res)
		}
		_, err = h.BeginEmailSignIn(t.Context(), tenant, res.Pending.Token.Reveal(), login.Request{Email: "ann@example.test", Actor: browserActor})
		h.requireRefused(err, "invalid_login_token")
		h.requireRefused(h.MailPendingCode(t.Context(), tenant, res.Pending.Token.Reveal(), browserActor), "no_factor")
		_, err = h.factor(res.Pending, auth.ProofEmailCode, m.Code)
		h.requireRefused(err, "invalid_code")
		res, err = h.factor(res.Pending, auth.ProofTOTP, h.codeOf(seed))
		h.requireOK(err)
		if res.Session.ACR != "2" || !slices.Equal(res.Session.AMR, []string{"email", "mfa", "otp"}) || res.Tokens.AccessToken == "" {
			t.Errorf("%+v", res)
		}

		// An application can ask for the second factor where no policy does.
		h.setPolicy(func(f *auth.FactorSettings) { f.Policy = auth.FactorsOff })
		for acr, want := range map[string]auth.Need{"2": auth.NeedFactor, "1": auth.NeedNothing} {
			token, m = h.askInAPI(login.Request{Email: "ann@example.test", ACR: []string{acr}}, "")
			res, err = h.email(token, m.Code)
			h.requireOK(err)
			if res.Pending.Need != want || (res.Tokens.AccessToken == "") != (want == auth.NeedFactor) {
				t.Errorf("acr %s requested: %+v", acr, res)
			}
		}
	})
}

// TestAttack_MF_04_LoginTokenOfAnother: a mailed code works with the token, or in the browser, that asked for it.
func TestAttack_MF_04_LoginTokenOfAnother(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		h.insertAccount("ann@example.test", good)
		h.signInByMail()
		ask := login.Request{Email: "ann@example.test"}
		hers, m := h.askInAPI(ask, "")
		eves, _ := h.askInAPI(ask, "")
		_, err := h.email(eves, m.Code)
		h.requireRefused(err, "invalid_code")
		_, err = h.enterCode(h.newSignInForm(flow.Browser{Actor: browserActor}), m.Code)
		h.requireRefused(err, "invalid_code")
		inBrowser := h.askForMail("ann@example.test")
		_, err = h.email(eves, h.requireSignInMail(inBrowser))
		h.requireRefused(err, "invalid_code")
		_, f, _ := login.ParseSignInLink(m.Token)
		if own, err := h.flows.Owned(t.Context(), tenant, f, flow.Browser{Secret: hers}); own || err != nil {
			t.Errorf("a browser owns the sign-in: %t, %v", own, err)
		}
		_, err = h.email(hers, m.Code)
		h.requireOK(err)
	})
}

// TestAttack_MF_01_EmailCodeOnceByAPI: of 64 posts of one code on two nodes, one begins a session.
func TestAttack_MF_01_EmailCodeOnceByAPI(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		h.insertAccount("ann@example.test", good)
		h.signInByMail()
		token, m := h.askInAPI(login.Request{Email: "ann@example.test"}, "")
		nodes := []*login.Service{h.Service, login.New(h.cfg)}
		var sessions sync.Map
		var wg sync.WaitGroup
		for i := range 64 {
			wg.Go(func() {
				r := login.EmailRequest{Token: token, Code: m.Code, Actor: browserActor}
				if res, err := nodes[i%2].Email(t.Context(), tenant, r); err == nil {
					sessions.Store(res.Session.ID, true)
				}
			})
		}
		wg.Wait()
		h.requireOneSignIn(&sessions, "email_link")
	})
}

// TestAttack_BF_01_EmailSignInByAPI: for addresses that cannot sign in by mail everything is the same, but the mail.
func TestAttack_BF_01_EmailSignInByAPI(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		h.insertAccount("ann@example.test", good)
		h.insertAccount("off@example.test", good, func(a *auth.Account) { a.DisabledAt = a.CreatedAt })
		h.insertAccount("new@example.test", good, func(a *auth.Account) { a.EmailVerifiedAt = time.Time{} })
		h.signInByMail()
		for _, email := range []string{"ann@example.test", "nobody@example.test", "off@example.test", "new@example.test"} {
			events := len(h.events(""))
			token, m := h.askInAPI(login.Request{Email: email}, "")
			if (m.Code != "") != (email == "ann@example.test") {
				t.Errorf("%s: mailed %+v", email, m)
			}
			for range 6 { // the last one after the code has ended
				_, err := h.email(token, "AAAA-AAAA")
				h.requireRefused(err, "invalid_code")
			}
			if n := len(h.events("")) - events; n != 6 { // one for the mail, one for each guess
				t.Errorf("%s: %d events", email, n)
			}
			if _, err := h.email(token, m.Code); err == nil {
				t.Errorf("%s: the code works after five wrong guesses", email)
			}
		}
		for range 12 { // beyond the limit of mails to one address
			token, _ := h.askInAPI(login.Request{Email: "nobody@example.test"}, "")
			_, err := h.email(token, "AAAA-AAAA")
			if e := h.requireRefused(err, string(auth.CodeInvalidCode)); e.Kind != auth.KindInvalid {
				t.Error(e)
			}
		}
	})
}

// TestAttack_BF_04_EmailCodesAndPasswords: wrong codes of all sign-ins and wrong passwords have one counter.
func TestAttack_BF_04_EmailCodesAndPasswords(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		h.insertAccount("ann@example.test", good)
		h.signInByMail()
		guesses := 0
		for range 3 {
			token, _ := h.askInAPI(login.Request{Email: "Ann@Example.test"}, "")
			for range 4 {
				if _, err := h.email(token, "AAAA-AAAA"); auth.KindOf(err) != auth.KindThrottled {
					h.requireRefused(err, "invalid_code")
					guesses++
				}
			}
		}
		if guesses != 10 {
			t.Errorf("%d guesses", guesses)
		}
		h.requireRefused(h.signInPassword("ann@example.test", good), "rate_limited")
	}, func(c *login.Config) { c.Rates["login.account"] = limit.Rate{Count: 10, Per: 15 * time.Minute} })
}
