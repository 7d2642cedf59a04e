package account_test

import (
	"testing"
	"time"

	"github.com/watchword-auth/watchword/internal/account"
	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/limit"
)

var twice = limit.Rate{Count: 2, Per: time.Hour}

// S3: a stranger cannot use up the reset mails of the owner, and a limit on all strangers
// together protects the mailbox.
func TestRepair_S3_ResetMailsOfOwnerAndStrangers(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		h.newMember("alice@example.test", good)
		from := func(ip string) auth.Actor { return auth.Actor{Kind: auth.ActorAnonymous, IP: ip} }
		asked := func(actor auth.Actor) int {
			h.requireOK(h.Forgot(t.Context(), tenant, account.LinkRequest{Email: "alice@example.test"}, actor))
			return len(h.takeMails())
		}
		sent := 0
		for range 20 {
			sent += asked(eve)
		}
		if sent != 2 || asked(alice) != 1 {
			t.Fatalf("%d mails for one stranger, and then none for the owner", sent)
		}
		for _, ip := range []string{"203.0.113.1", "203.0.113.2", "203.0.113.3"} {
			sent += asked(from(ip))
		}
		if sent != 3 { // with alice's that is four
			t.Errorf("%d mails for strangers", sent)
		}

		known := alice
		known.Known = h.sessions.IssueKnownBrowser(tenant, "alice@example.test", "", h.clock.Now()).Reveal()
		if asked(known) != 1 {
			t.Error("no mail for a browser that the account knows")
		}
	}, func(c *account.Config) { c.Rates["forgot.account"] = limit.Rate{Count: 4, Per: time.Hour} })
}

// S3: an attacker with a stolen session who guesses the current password does not prevent the
// owner from changing it.
func TestRepair_S3_WrongCurrentPasswordsOfAnotherSession(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		a := h.newMember("alice@example.test", good)
		stolen, own := actorOf(a), actorOf(a)
		for _, actor := range []*auth.Actor{&stolen, &own} {
			v, _, _ := h.signIn(a)
			actor.Session = v.ID
		}
		for range 2 {
			_, err := h.ChangePassword(t.Context(), tenant, a.ID, third, another, stolen)
			h.requireRefused(err, "wrong_password")
		}
		_, err := h.ChangePassword(t.Context(), tenant, a.ID, third, another, stolen)
		h.requireRefused(err, "rate_limited")

		_, err = h.ChangePassword(t.Context(), tenant, a.ID, good, another, own)
		h.requireOK(err)
	}, func(c *account.Config) { c.Rates["change.account"] = twice })
}

// S3: the mailed link makes the browser known, so that the owner can sign in there in spite of
// strangers' attempts.
func TestRepair_S3_ResetMakesTheBrowserKnown(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		h.newMember("alice@example.test", good)
		before := h.sessions.IssueKnownBrowser(tenant, "alice@example.test", "", h.clock.Now()).Reveal()
		h.clock.Advance(time.Second)
		out, err := h.ResetIn(t.Context(), tenant, account.PasswordReset{Token: h.requestReset("alice@example.test"), Password: another}, alice)
		h.requireOK(err)
		is := func(cookie string) bool {
			name, err := h.sessions.VerifyKnownBrowser(t.Context(), tenant, "alice@example.test", cookie)
			h.requireOK(err)
			return name != ""
		}
		if !is(out.Known.Reveal()) || is(before) {
			t.Error("the browser of the reset is not known, or a former one still is")
		}
	})
}
