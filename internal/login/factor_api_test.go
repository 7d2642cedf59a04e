package login_test

import (
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/limit"
	"github.com/watchword-auth/watchword/internal/login"
	"github.com/watchword-auth/watchword/internal/store"
)

// beginPassword sends the password of an account with a second factor to the JSON API.
func (h *fixture) beginPassword(r login.Request) login.Pending {
	h.t.Helper()
	r.Email, r.Password, r.Actor = "ann@example.test", good, browserActor
	res, err := h.Password(h.t.Context(), tenant, r)
	h.requireOK(err)
	if res.Pending.Token == "" || res.Tokens.AccessToken != "" || res.Cookie != "" || res.Known != "" {
		h.t.Fatalf("%+v", res)
	}
	return res.Pending
}

func (h *fixture) factor(p login.Pending, method auth.ProofMethod, code string) (login.Result, error) {
	by := browserActor
	by.Browser = p.Browser.Reveal()
	return h.Factor(h.t.Context(), tenant, login.FactorRequest{Token: p.Token.Reveal(), Method: method, Code: code, Actor: by})
}

// TestPasswordAndFactor: the second request returns what the first one requested.
func TestPasswordAndFactor(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		a := h.insertAccount("ann@example.test", good)
		seed := h.addTOTP(a)
		codes := h.addRecoveryCodes(a)
		p := h.beginPassword(login.Request{Scope: auth.Scope{"openid"}})
		if !slices.Equal(p.Methods, []auth.ProofMethod{auth.ProofTOTP, auth.ProofRecoveryCode}) || p.Need != auth.NeedFactor {
			t.Errorf("%+v", p)
		}
		_, err := h.factor(p, auth.ProofTOTP, "000000")
		h.requireRefused(err, "invalid_code")
		res, err := h.factor(p, auth.ProofTOTP, h.codeOf(seed))
		h.requireOK(err)
		if res.Session.ACR != "2" || res.Tokens.Scope.String() != "openid" || res.Tokens.AccessToken == "" || res.Cookie != "" {
			t.Errorf("%+v", res)
		}
		_, err = h.factor(p, auth.ProofRecoveryCode, codes[1])
		h.requireRefused(err, "invalid_mfa_token")

		res, err = h.factor(h.beginPassword(login.Request{Cookie: true}), auth.ProofRecoveryCode, codes[1])
		h.requireOK(err)
		if res.Cookie == "" || res.Tokens.AccessToken != "" || res.Session.ACR != "2" {
			t.Errorf("%+v", res)
		}
	})
}

// TestMFATokens: one works for ten minutes, in its tenant, and only here.
func TestMFATokens(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		a := h.insertAccount("ann@example.test", good)
		seed := h.addTOTP(a)
		p := h.beginPassword(login.Request{})
		for _, bad := range []string{"", "x", p.Token.Reveal() + "A", "wwr_" + p.Token.Reveal()[4:]} {
			_, err := h.Factor(t.Context(), tenant, login.FactorRequest{Token: bad, Method: auth.ProofTOTP, Code: h.codeOf(seed)})
			h.requireRefused(err, "invalid_mfa_token")
		}
		h.requireOK(h.db.WriteSystem(t.Context(), func(tx *store.SystemTx) error {
			return tx.InsertTenant(auth.Tenant{ID: "other", Name: "Other", CreatedAt: tx.Now})
		}))
		_, err := h.Factor(t.Context(), "other", login.FactorRequest{Token: p.Token.Reveal(), Method: auth.ProofTOTP, Code: h.codeOf(seed)})
		h.requireRefused(err, "invalid_mfa_token")
		if _, err := h.flows.Continue(t.Context(), tenant, flowOfToken(h, p), h.newSignInForm(flowBrowser(h)).Browser); err == nil {
			t.Error("a page continues the sign-in")
		}
		h.clock.Advance(10 * time.Minute)
		_, err = h.factor(p, auth.ProofTOTP, h.codeOf(seed))
		h.requireRefused(err, "invalid_mfa_token")
	})
}

// TestAttack_MF_01_OneTokenOnce: of 64 posts of one token, with a right code each, one succeeds.
func TestAttack_MF_01_OneTokenOnce(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		a := h.insertAccount("ann@example.test", good)
		h.addTOTP(a)
		codes := h.addRecoveryCodes(a)
		p := h.beginPassword(login.Request{})
		var succeeded atomic.Int32
		var wg sync.WaitGroup
		for i := range 64 {
			wg.Go(func() {
				if _, err := h.factor(p, auth.ProofRecoveryCode, codes[i%10]); err == nil {
					succeeded.Add(1)
				}
			})
		}
		wg.Wait()
		if n := succeeded.Load(); n != 1 {
			t.Errorf("%d successes", n)
		}
		// One sign-in used one code up.
		if _, left, err := h.Factors(t.Context(), tenant, a.ID); err != nil || left != 9 {
			t.Errorf("%d codes are left, %v", left, err)
		}
	}, func(c *login.Config) { c.Rates["factor.account"] = limit.Rate{Count: 1000, Per: time.Hour} })
}

// TestAttack_PW_12_PendingSignIn completes a sign-in whose password was replaced after it was entered.
func TestAttack_PW_12_PendingSignIn(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		a := h.insertAccount("ann@example.test", good)
		h.addTOTP(a)
		codes := h.addRecoveryCodes(a)
		p := h.beginPassword(login.Request{})
		inBrowser, _ := (&browser{h: h}).beginSignIn("ann@example.test", false)

		h.clock.Advance(time.Second)
		hash, err := h.hasher.Hash(t.Context(), another)
		h.requireOK(err)
		h.requireOK(h.db.Write(t.Context(), tenant, func(tx *store.Tx) error { return tx.SetPassword(a.ID, hash) }))

		_, err = h.factor(p, auth.ProofRecoveryCode, codes[1])
		h.requireRefused(err, "invalid_mfa_token")
		_, err = inBrowser.prove(auth.ProofRecoveryCode, codes[1])
		h.requireRefused(err, "session_invalid")
	})
}
