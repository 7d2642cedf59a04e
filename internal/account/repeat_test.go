package account_test

import (
	"sync"
	"testing"
	"time"

	"github.com/watchword-auth/watchword/internal/account"
	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/store"
)

var (
	bobs = secret.New("wwb_").Reveal()
	eves = secret.New("wwb_").Reveal()
)

// submitRegistration registers bob from a page and returns the tokens of the mails.
func (h *fixture) submitRegistration(r account.Registration) []string {
	h.t.Helper()
	r.Email = bob
	h.requireOK(h.Register(h.t.Context(), tenant, r, alice))
	return h.mailTokens()
}

// mailTokens returns the tokens of the mails in the outbox.
func (h *fixture) mailTokens() []string {
	h.t.Helper()
	var out []string
	for _, m := range h.takeMails() {
		if m.Kind != auth.MailNone && m.Payload.Token != "" {
			out = append(out, m.Payload.Token)
		}
	}
	return out
}

// submitReset uses a reset link in a browser.
func (h *fixture) submitReset(token, pw, browser string) (account.LinkOutcome, error) {
	return h.ResetIn(h.t.Context(), tenant, account.PasswordReset{Token: token, Password: pw, Browser: browser}, alice)
}

// insertFlow stores a flow of the browser.
func (h *fixture) insertFlow(id auth.FlowID, browser string) {
	h.t.Helper()
	h.requireOK(h.db.Write(h.t.Context(), tenant, func(tx *store.Tx) error {
		return tx.InsertFlow(auth.Flow{ID: id, Browser: secret.Digest(browser), Kind: auth.FlowAccount, CreatedAt: tx.Now, ExpiresAt: tx.Now.Add(time.Hour)})
	}))
}

// A registration that is posted twice counts once: the first link stays valid.
func TestRepair_B1_RegisterTwice(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		page := account.Registration{Password: good, Browser: bobs, Flow: "f"}
		first := h.submitRegistration(page)
		if len(first) != 1 || len(h.submitRegistration(page)) != 0 {
			t.Fatal("the same form was not one registration")
		}
		h.requireOK(h.submitLink(first[0], bobs, ""))
		if !h.passwordMatches(bob, good) {
			t.Error("the password of the form is not valid")
		}
	})
}

// Another password or browser, a program and a later form are registrations of their own.
func TestRepair_B1_RegisterAgainDiffers(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		page := account.Registration{Password: good, Browser: bobs, Flow: "f"}
		program := account.Registration{Password: good, Browser: bobs}
		changed, elsewhere := page, page
		changed.Password, elsewhere.Browser = another, eves
		for name, r := range map[string]account.Registration{"password": changed, "program": program} {
			h.submitRegistration(page)
			if len(h.submitRegistration(r)) != 1 {
				t.Errorf("another %s is the same form", name)
			}
			h.clock.Advance(11 * time.Second)
		}
		if len(h.submitRegistration(page)) != 1 || len(h.submitRegistration(elsewhere)) != 1 {
			t.Error("a later form, or one of another browser, is the same form")
		}
		if h.passwordMatches(bob, good) {
			t.Error("two browsers have registered, and a password is valid")
		}
	})
}

// A request for a link that is posted twice counts once, with or without an account.
func TestRepair_B1_ForgotTwice(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		h.newMember(bob, good)
		for _, email := range []string{bob, "nobody@example.test"} {
			for range 2 {
				h.requireOK(h.Forgot(t.Context(), tenant, account.LinkRequest{Email: email, Browser: bobs, Flow: "f"}, alice))
			}
		}
		links := h.mailTokens()
		if len(links) != 1 {
			t.Fatalf("%d links", len(links))
		}
		if _, err := h.submitReset(links[0], another, bobs); err != nil {
			t.Error(err)
		}
	})
}

// A reset that is posted twice has the outcome of the first. It changes nothing, and the
// link gives nothing to another browser, to a program, with another password, or later.
func TestRepair_B1_ResetTwice(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		h.newMember(bob, good)
		link := h.requestReset(bob)
		_, err := h.submitReset(link, another, bobs)
		h.requireOK(err)
		v, f, _ := h.signIn(h.find(bob))
		h.takeMails()

		out, err := h.submitReset(link, another, bobs)
		h.requireOK(err)
		if !out.PasswordSet || out.Known == "" || !h.sessionLive(v, f) || len(h.takeMails()) != 0 {
			t.Errorf("repeated: %+v", out)
		}
		n, err := h.ResetRequirements(t.Context(), tenant, account.PasswordReset{Token: link, Browser: bobs})
		h.requireOK(err)
		if n.Used == nil || n.Address != "" {
			t.Errorf("the page again: %+v", n)
		}

		for _, who := range []account.PasswordReset{{Browser: bobs, Password: third}, {Browser: eves, Password: another}, {Password: another}} {
			_, err := h.submitReset(link, who.Password, who.Browser)
			h.requireRefused(err, "invalid_link")
		}
		h.requireRefused(h.Reset(t.Context(), tenant, link, another, alice), "invalid_link")
		h.clock.Advance(11 * time.Minute)
		_, err = h.submitReset(link, another, bobs)
		h.requireRefused(err, "invalid_link")
	})
}

// A link whose change is no longer in effect is a used link.
func TestRepair_B1_ResetOverridden(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		a := h.newMember(bob, good)
		link := h.requestReset(bob)
		_, err := h.submitReset(link, another, bobs)
		h.requireOK(err)
		h.requireOK(h.SetPassword(t.Context(), tenant, a.ID, third, admin))
		for _, pw := range []string{another, third} {
			_, err = h.submitReset(link, pw, bobs)
			h.requireRefused(err, "invalid_link")
		}
		_, err = h.ResetRequirements(t.Context(), tenant, account.PasswordReset{Token: link, Browser: bobs})
		h.requireRefused(err, "invalid_link")
	})
}

// All concurrent posts of one browser have the outcome of one reset.
func TestRepair_B1_ResetAtOnce(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		h.newMember(bob, good)
		link := h.requestReset(bob)
		h.takeMails()
		var wg sync.WaitGroup
		for range 6 {
			wg.Go(func() {
				if _, err := h.submitReset(link, another, bobs); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if n := len(h.takeMails()); n != 1 || len(h.events(auth.EventPasswordReset)) != 1 {
			t.Errorf("%d notices", n)
		}
	})
}

// A verification that is posted or opened twice has the outcome of the first in that browser.
func TestRepair_B1_VerifyTwice(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		link := h.registerBob(good, bobs, alice)
		h.requireOK(h.submitLink(link, bobs, ""))
		lines := len(h.events(auth.EventVerified))
		h.requireOK(h.submitLink(link, bobs, ""))
		n, err := h.VerifyRequirements(t.Context(), tenant, account.Verification{Token: link, Browser: bobs})
		h.requireOK(err)
		if n.Used == nil || n.Used.PasswordSet || len(h.events(auth.EventVerified)) != lines {
			t.Errorf("repeated: %+v", n)
		}
		h.requireRefused(h.submitLink(link, eves, ""), "invalid_link")
		h.requireRefused(h.verify(link, alice), "invalid_link")
	})
}

// The same with a new password, which must be the same in both posts.
func TestRepair_B1_VerifyTwiceWithPassword(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		link := h.registerBob(good, "", alice)
		h.requireOK(h.submitLink(link, bobs, another))
		h.requireOK(h.submitLink(link, bobs, another))
		h.requireRefused(h.submitLink(link, bobs, third), "invalid_link")
		if !h.passwordMatches(bob, another) {
			t.Error("the chosen password is not valid")
		}
	})
}

// The same for the link of a change of address.
func TestRepair_B1_ChangeOfAddressTwice(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		a := h.newMember("alice@example.test", good)
		link := h.requestEmailChange(a, good, bob)
		h.requireOK(h.submitLink(link, bobs, good))
		h.requireOK(h.submitLink(link, bobs, good))
		h.requireRefused(h.submitLink(link, eves, good), "invalid_link")
		if h.find(bob).ID != a.ID {
			t.Error("the address has not changed")
		}
	})
}

// The outcome of a link contains the flow from whose page it was requested only in the browser
// in which that flow began.
func TestRepair_N2_LinkKnowsItsFlow(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		h.insertFlow("f", bobs)
		links := h.submitRegistration(account.Registration{Password: good, Browser: bobs, Flow: "f"})
		flowIn := func(browser string) auth.FlowID {
			n, err := h.VerifyRequirements(t.Context(), tenant, account.Verification{Token: links[0], Browser: browser})
			h.requireOK(err)
			return n.Flow.ID
		}
		if own, other, none := flowIn(bobs), flowIn(eves), flowIn(""); own != "f" || other != "" || none != "" {
			t.Errorf("own %q, other %q, none %q", own, other, none)
		}
		out, err := h.VerifyEmail(t.Context(), tenant, account.Verification{Token: links[0], Browser: bobs}, alice)
		h.requireOK(err)
		if out.Flow.ID != "f" {
			t.Errorf("outcome %+v", out)
		}

		h.requireOK(h.Forgot(t.Context(), tenant, account.LinkRequest{Email: bob, Browser: bobs, Flow: "f"}, alice))
		link := h.mailTokens()[0]
		out, err = h.submitReset(link, another, eves)
		h.requireOK(err)
		if out.Flow.ID != "" {
			t.Errorf("another browser gets the flow: %+v", out)
		}
	})
}

// After a verification in another browser the link is used for the flow's own browser, too.
func TestRepair_N2_LinkUsedElsewhere(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		h.insertFlow("f", bobs)
		link := h.submitRegistration(account.Registration{Password: good, Browser: bobs, Flow: "f"})[0]
		h.requireOK(h.submitLink(link, eves, another))
		h.requireRefused(h.submitLink(link, bobs, ""), "invalid_link")
		h.requireRefused(h.submitLink(link, bobs, another), "invalid_link")
	})
}

// In a browser without a cookie the secret of the page replaces that of the browser.
func TestRepair_B1_ResetTwiceWithoutCookie(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		h.newMember(bob, good)
		page := account.PasswordReset{Token: h.requestReset(bob), Password: another, Page: "wwp_one"}
		for range 2 {
			_, err := h.ResetIn(t.Context(), tenant, page, alice)
			h.requireOK(err)
		}
		page.Page = "wwp_two"
		_, err := h.ResetIn(t.Context(), tenant, page, alice)
		h.requireRefused(err, "invalid_link")
	})
}

// A link leads back into a flow that is too old, and not into one that has reached its end.
func TestRepair_N2_LinkOfAFlowThatIsOver(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		h.insertFlow("old", bobs)
		h.insertFlow("done", bobs)
		h.requireOK(h.db.Write(t.Context(), tenant, func(tx *store.Tx) error { return tx.FinishFlow("done") }))
		for _, c := range []struct{ id, want auth.FlowID }{{"old", "old"}, {"done", ""}} {
			link := h.submitRegistration(account.Registration{Password: good, Browser: bobs, Flow: c.id})[0]
			h.clock.Advance(2 * time.Hour)
			n, err := h.VerifyRequirements(t.Context(), tenant, account.Verification{Token: link, Browser: bobs})
			h.requireOK(err)
			if n.Flow.ID != c.want {
				t.Errorf("%s leads to %q", c.id, n.Flow.ID)
			}
		}
	})
}
