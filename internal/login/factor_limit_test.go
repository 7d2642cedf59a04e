package login_test

import (
	"slices"
	"testing"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/limit"
	"github.com/watchword-auth/watchword/internal/login"
)

// TestAttack_MF_05_KnownBrowserIsNotLockedOut: strangers who use up the guesses of an account keep its owner's
// browser from nothing, and their own lock ends.
func TestAttack_MF_05_KnownBrowserIsNotLockedOut(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		a := h.insertAccount("ann@example.test", good)
		seed := h.addTOTP(a)
		p, _ := (&browser{h: h}).beginSignIn("ann@example.test", false)
		e, err := p.prove(auth.ProofTOTP, h.codeOf(seed))
		h.requireOK(err)
		h.clock.Advance(30 * time.Second)
		guess := func(ip, known, code string) error {
			by := browserActor
			by.IP, by.Known = ip, known
			res, err := h.Password(t.Context(), tenant, login.Request{Email: "ann@example.test", Password: good, Actor: by})
			h.requireOK(err)
			_, err = h.Factor(t.Context(), tenant, login.FactorRequest{Token: res.Pending.Token.Reveal(), Method: auth.ProofTOTP, Code: code, Actor: by})
			return err
		}
		var last error
		for i := range 100 { // of many networks
			if last = guess("198.51."+string(rune('0'+i%10))+".7", "", "000000"); auth.KindOf(last) == auth.KindThrottled {
				break
			}
		}
		h.requireRefused(last, "rate_limited")
		h.requireRefused(guess("203.0.113.9", "", h.codeOf(seed)), "rate_limited") // strangers together
		h.requireOK(guess("203.0.113.9", e.Known.Reveal(), h.codeOf(seed)))
		h.clock.Advance(time.Hour)
		h.requireOK(guess("203.0.113.9", "", h.codeOf(seed)))
	})
}

// TestAttack_MF_05_GuessesOfADay: whoever has the password and goes on for days gets few guesses, and a browser that
// is known is not concerned. The owner gets one notice a day, however many sign-ins and nodes the guesses use.
func TestAttack_MF_05_GuessesOfADay(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		a := h.insertAccount("ann@example.test", good)
		seed := h.addTOTP(a)
		p, _ := (&browser{h: h}).beginSignIn("ann@example.test", false)
		e, err := p.prove(auth.ProofTOTP, h.codeOf(seed))
		h.requireOK(err)
		h.allMails()
		guesses, nodes := 0, []*login.Service{h.Service, login.New(h.cfg)}
		for i := range 4 * 24 {
			h.clock.Advance(15 * time.Minute)
			p, _ := (&browser{h: h}).beginSignIn("ann@example.test", false)
			for range 5 {
				_, err := nodes[i%2].SignInFactor(t.Context(), login.FactorForm{FormRef: p.form, Method: auth.ProofTOTP, Code: "000000"})
				if auth.KindOf(err) != auth.KindThrottled {
					guesses++
				}
			}
			if i == 1 { // ten wrong codes
				h.requireOneNotice()
			}
		}
		if guesses > 100 {
			t.Errorf("%d guesses in a day", guesses)
		}
		if got := h.allMails(); len(got) != 0 {
			t.Errorf("more mails: %q", got)
		}
		by := browserActor
		by.Known = e.Known.Reveal()
		h.clock.Advance(time.Hour)
		for range 10 {
			res, err := h.Password(t.Context(), tenant, login.Request{Email: "ann@example.test", Password: good, Actor: by})
			h.requireOK(err)
			_, err = h.Factor(t.Context(), tenant, login.FactorRequest{Token: res.Pending.Token.Reveal(), Method: auth.ProofTOTP, Code: "000000", Actor: by})
			h.requireRefused(err, "invalid_code")
		}
		h.requireOneNotice() // of the next day
	}, func(c *login.Config) { c.Rates["factor.day"] = limit.Rate{Count: 50, Per: 24 * time.Hour} })
}

func (h *fixture) requireOneNotice() {
	h.t.Helper()
	if got := h.allMails(); !slices.Equal(got, []auth.MessageKind{auth.MailCodesGuessed}) {
		h.t.Errorf("mails %q, want one notice", got)
	}
}

// TestAttack_MF_05_ManyKnownBrowsers: each reset of the password makes a browser known. All of them together
// get the guesses of a day.
func TestAttack_MF_05_ManyKnownBrowsers(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		a := h.insertAccount("ann@example.test", good)
		seed := h.addTOTP(a)
		guess := func(code string) error {
			by := browserActor
			by.Known = h.sessions.IssueKnownBrowser(tenant, "ann@example.test", "", h.clock.Now()).Reveal()
			res, err := h.Password(t.Context(), tenant, login.Request{Email: "ann@example.test", Password: good, Actor: by})
			h.requireOK(err)
			_, err = h.Factor(t.Context(), tenant, login.FactorRequest{Token: res.Pending.Token.Reveal(), Method: auth.ProofTOTP, Code: code, Actor: by})
			return err
		}
		for range 50 {
			h.requireRefused(guess("000000"), "invalid_code")
		}
		h.requireRefused(guess(h.codeOf(seed)), "rate_limited")
		h.clock.Advance(time.Hour)
		h.requireOK(guess(h.codeOf(seed)))
	}, func(c *login.Config) { c.Rates["factor.day"] = limit.Rate{Count: 50, Per: 24 * time.Hour} })
}
