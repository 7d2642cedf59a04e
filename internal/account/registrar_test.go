package account_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/watchword-auth/watchword/internal/account"
	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/limit"
	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/store"
)

const bob = "bob@example.test"

// registerBob registers bob's address and returns the token of the mail, if one was sent.
func (h *fixture) registerBob(pw, browser string, actor auth.Actor) string {
	h.t.Helper()
	h.requireOK(h.Register(h.t.Context(), tenant, account.Registration{Email: bob, Password: pw, Browser: browser}, actor))
	for _, m := range h.takeMails() {
		return m.Payload.Token
	}
	return ""
}

// submitLink submits the page of a link.
func (h *fixture) submitLink(token, browser, pw string) error {
	_, err := h.VerifyEmail(h.t.Context(), tenant, account.Verification{Token: token, Browser: browser, Password: pw}, alice)
	return err
}

// requireMissing checks what the page of a link requires.
func (h *fixture) requireMissing(want account.Missing, token, browser string) {
	h.t.Helper()
	got, err := h.VerifyRequirements(h.t.Context(), tenant, account.Verification{Token: token, Browser: browser})
	h.requireOK(err)
	if got.Missing != want {
		h.t.Errorf("needs %q, want %q", got.Missing, want)
	}
}

// An attacker uses up the limit: the owner's registration sends no mail, and the newest link in
// the mailbox is that of the attacker's registration.
func TestRepair_S2_LimitUsedUpByAnother(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		var newest string
		for range 5 {
			newest = h.registerBob(another, "", eve)
		}
		if h.registerBob(good, "wwb_bob", alice) != "" {
			t.Fatal("a mail beyond the limit")
		}
		h.requireRefused(h.verify(newest, alice), "password_needed")
		h.requireRefused(h.submitLink(newest, "wwb_bob", ""), "password_needed")
		h.requireMissing(account.MissingPassword, newest, "wwb_bob")
		h.requireRefused(h.submitLink(newest, "wwb_bob", "short"), "password_refused")
		h.requireOK(h.submitLink(newest, "wwb_bob", good))
		if h.passwordMatches(bob, another) || !h.passwordMatches(bob, good) || !h.find(bob).Verified() {
			t.Error("the owner's password is not the only valid one")
		}
	}, func(c *account.Config) { c.Rates["register.account"] = limit.Rate{Count: 5, Per: time.Hour} })
}

// With a limit of one there is no second link, and the address is contested all the same.
func TestRepair_S2_LimitOfOne(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		link := h.registerBob(another, "", eve)
		h.registerBob(good, "", alice)
		h.requireRefused(h.verify(link, alice), "password_needed")
	}, func(c *account.Config) { c.Rates["register.account"] = limit.Rate{Count: 1, Per: time.Hour} })
}

// A later registration of an attacker neither invalidates the owner's link nor sets a password.
func TestRepair_S2_RegisteredByAnotherLater(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		own := h.registerBob(good, "wwb_bob", alice)
		h.requireMissing(account.MissingNothing, own, "wwb_bob")
		newest := h.registerBob(another, "wwb_eve", eve)
		if h.passwordMatches(bob, another) {
			t.Error("the attacker's password is valid")
		}
		for _, token := range []string{own, newest} {
			h.requireMissing(account.MissingPassword, token, "wwb_bob")
			h.requireRefused(h.verify(token, alice), "password_needed")
			h.requireRefused(h.submitLink(token, "wwb_bob", ""), "password_needed")
		}
		h.requireOK(h.submitLink(own, "wwb_bob", good))
		if h.passwordMatches(bob, another) || !h.passwordMatches(bob, good) {
			t.Error("the owner's password is not the only valid one")
		}
		h.requireRefused(h.submitLink(newest, "wwb_eve", another), "invalid_link")
	})
}

// A user who never registered opens the link of an attacker's registration.
func TestRepair_S2_LinkOfAStranger(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		for _, browser := range []string{"wwb_eve", ""} {
			link := h.registerBob(another, browser, eve)
			h.requireMissing(account.MissingPassword, link, "")
			h.requireMissing(account.MissingPassword, link, "wwb_bob")
			h.requireRefused(h.submitLink(link, "", ""), "password_needed")
			h.requireRefused(h.submitLink(link, "wwb_bob", ""), "password_needed")
			if h.find(bob).Verified() {
				t.Fatal("verified without a password")
			}
		}
		link := h.registerBob(another, "wwb_eve", eve)
		h.requireOK(h.submitLink(link, "wwb_bob", third))
		if h.passwordMatches(bob, another) || !h.passwordMatches(bob, third) {
			t.Error("the attacker's password became valid")
		}
	})
}

// The browser or program that registered needs no password, even after registering twice.
func TestRepair_S2_OwnRegistrationNeedsNoPassword(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		first := h.registerBob(another, "wwb_bob", alice)
		link := h.registerBob(good, "wwb_bob", alice)
		h.requireRefused(h.submitLink(first, "wwb_bob", ""), "invalid_link")
		h.requireOK(h.Resend(t.Context(), tenant, account.LinkRequest{Email: bob, Browser: "wwb_bob"}, alice))
		h.requireRefused(h.submitLink(link, "wwb_bob", ""), "invalid_link")
		h.requireOK(h.submitLink(h.requireMail(auth.MailVerify, bob).Token, "wwb_bob", ""))
		if !h.passwordMatches(bob, good) {
			t.Error("the password of the registration is not valid")
		}
		first, link = h.register("dave@example.test", another), h.register("dave@example.test", good)
		h.requireRefused(h.verify(first, alice), "invalid_link")
		h.requireOK(h.verify(link, alice))
		if !h.passwordMatches("dave@example.test", good) {
			t.Error("the password of the program is not valid")
		}
	})
}

// A request for another link does not make its browser the registrar.
func TestRepair_S2_ResendKeepsTheRegistrar(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		h.registerBob(another, "wwb_eve", eve)
		h.requireOK(h.Resend(t.Context(), tenant, account.LinkRequest{Email: bob, Browser: "wwb_bob"}, alice))
		h.requireMissing(account.MissingPassword, h.requireMail(auth.MailVerify, bob).Token, "wwb_bob")
	})
}

// An attacker has signed in and allowed a client before the verification, which ends both.
func TestRepair_S2_VerificationEndsEarlierAccess(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		h.changeSettings(func(s *auth.Settings) { s.AllowUnverified = true })
		h.registerBob(another, "wwb_eve", eve)
		a := h.find(bob)
		v, f, _ := h.signIn(a)
		series := auth.RememberMeID("series")
		h.requireOK(h.db.Write(t.Context(), tenant, func(tx *store.Tx) error {
			if err := tx.InsertClient(auth.Client{ID: "app", Name: "App", Type: auth.ClientWeb, CreatedAt: tx.Now, UpdatedAt: tx.Now}); err != nil {
				return err
			}
			if err := tx.PutConsent(auth.Consent{Account: a.ID, Client: "app", Scope: auth.Scope{"openid"}}); err != nil {
				return err
			}
			if err := tx.InsertFactor(auth.Factor{ID: "app", Account: a.ID, Kind: auth.ProofTOTP, CreatedAt: tx.Now, ProvedAt: tx.Now}); err != nil {
				return err
			}
			return tx.InsertRememberMe(auth.RememberMe{ID: series, Account: a.ID, Digest: "d", AuthAt: tx.Now, CreatedAt: tx.Now, RotatedAt: tx.Now, ExpiresAt: tx.Now.Add(time.Hour)})
		}))
		h.requireOK(h.resend(bob, alice))
		link := h.requireMail(auth.MailVerify, bob).Token
		h.requireRefused(h.verify(link, alice), "password_needed")
		_, err := h.VerifyEmail(t.Context(), tenant, account.Verification{Token: link, Password: good, Program: true}, alice)
		h.requireOK(err)
		if h.sessionLive(v, f) || h.passwordMatches(bob, another) || !h.passwordMatches(bob, good) {
			t.Error("a session or the password of the attacker is still valid")
		}
		h.requireOK(h.db.Read(t.Context(), tenant, func(tx *store.Tx) error {
			if list, err := tx.Consents(a.ID); err != nil || len(list) != 0 {
				t.Errorf("consents %v, %v", list, err)
			}
			if list, err := tx.Factors(a.ID); err != nil || len(list) != 0 {
				t.Errorf("factors %v, %v", list, err)
			}
			if got, err := tx.RememberMe(series); err != nil || got.RevokedAt.IsZero() {
				t.Errorf("the attacker's remember-me token is valid: %+v, %v", got, err)
			}
			return nil
		}))
	})
}

// A registrar who signed in before the verification stays signed in.
func TestRepair_S2_RegistrarStaysSignedIn(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		h.changeSettings(func(s *auth.Settings) { s.AllowUnverified = true })
		link := h.registerBob(good, "wwb_bob", alice)
		v, f, _ := h.signIn(h.find(bob))
		h.requireOK(h.submitLink(link, "wwb_bob", ""))
		if !h.sessionLive(v, f) || !h.passwordMatches(bob, good) || !h.find(bob).Verified() {
			t.Error("the registrar lost something")
		}
	})
}

// The link of a change of address does not change the address when another user opens it.
func TestRepair_S2_ChangeOpenedElsewhere(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		e := h.newMember("eve@example.test", another)
		email := bob
		_, err := h.Update(t.Context(), tenant, e.ID, account.Patch{Email: &email, CurrentPassword: another, Browser: "wwb_eve"}, actorOf(e))
		h.requireOK(err)
		link := h.requireMail(auth.MailChangeEmail, bob).Token
		h.requireMissing(account.MissingCurrentPassword, link, "wwb_bob")
		h.requireRefused(h.submitLink(link, "wwb_bob", ""), "password_needed")
		h.requireRefused(h.verify(link, alice), "password_needed")
		h.requireRefused(h.submitLink(link, "wwb_bob", good), "wrong_password")
		if h.find("eve@example.test").ID != e.ID {
			t.Fatal("the address changed")
		}
		h.requireMissing(account.MissingNothing, link, "wwb_eve")
		in, err := h.VerifyRequirements(t.Context(), tenant, account.Verification{Token: link, SignedIn: []auth.AccountID{e.ID}})
		if h.requireOK(err); in.Missing != account.MissingNothing || in.Address != bob {
			t.Errorf("signed in, and needs %+v", in)
		}
		h.requireOK(h.submitLink(link, "wwb_other", another))
		if h.find(bob).ID != e.ID {
			t.Error("the owner's password was not accepted")
		}
	})
}

// An address stays contested after the links have expired, and after another link was
// requested.
func TestRepair_S2_RegisteredByAnotherAfterTheLinkExpired(t *testing.T) {
	for name, between := range map[string]func(*fixture){
		"expired": func(h *fixture) { h.clock.Advance(verifyLifetime + time.Minute) },
		"resent": func(h *fixture) {
			h.clock.Advance(verifyLifetime + time.Minute)
			h.requireOK(h.resend(bob, auth.Actor{Kind: auth.ActorAnonymous, IP: "203.0.113.5"}))
			h.takeMails()
		},
	} {
		t.Run(name, func(t *testing.T) {
			each(t, func(t *testing.T, h *fixture) {
				h.registerBob(good, "", alice)
				between(h)
				newest := h.registerBob(another, "wwb_eve", eve)
				if h.passwordMatches(bob, another) || h.passwordMatches(bob, good) {
					t.Error("a password is valid")
				}
				h.requireRefused(h.verify(newest, alice), "password_needed")

				between(h)
				newest = h.registerBob(another, "wwb_eve", eve) // again, as the only registrar with a link
				h.requireRefused(h.verify(newest, alice), "password_needed")
				h.requireOK(h.submitLink(newest, "", good))
				if !h.passwordMatches(bob, good) || h.find(bob).Registrar != "" {
					t.Error("the verification did not settle the ownership")
				}
			})
		})
	}
}

// A registration of an attacker does not invalidate the owner's reset link.
func TestRepair_S2_RegistrationKeepsResetLink(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		h.registerBob(good, "", alice)
		h.clock.Advance(verifyLifetime + time.Minute)
		reset := h.requestReset(bob)
		h.registerBob(another, "wwb_eve", eve)

		h.requireOK(h.Reset(t.Context(), tenant, reset, third, alice))
		if !h.passwordMatches(bob, third) || !h.find(bob).Verified() {
			t.Error("the reset had no effect")
		}
	})
}

// No registration changes an account that an operator created, within the limit or beyond it.
func TestRepair_S2_RegistrationKeepsOperatorsAccount(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		_, err := h.Create(t.Context(), tenant, account.Creation{Email: bob, Password: good, Name: "Bob"}, admin)
		h.requireOK(err)
		link := h.requireMail(auth.MailVerify, bob).Token
		h.registerBob(another, "", eve)
		h.registerBob(another, "wwb_eve", eve) // beyond the limit

		if !h.passwordMatches(bob, good) || h.find(bob).Name != "Bob" {
			t.Error("an attacker's registration changed the operator's password or name")
		}
		h.requireOK(h.verify(link, alice))
	}, func(c *account.Config) { c.Rates["register.account"] = limit.Rate{Count: 1, Per: time.Hour} })
}

// A verified change of address and an operator replace an unverified, unused registration.
// Neither replaces an account that an operator created.
func TestRepair_S2_RegistrationsHoldNoAddress(t *testing.T) {
	for _, unverified := range []bool{false, true} {
		each := func(fn func(t *testing.T, h *fixture, dave auth.Account)) {
			t.Run(fmt.Sprint("allow_unverified ", unverified), func(t *testing.T) {
				each(t, func(t *testing.T, h *fixture) {
					dave := h.newMember("dave@example.test", good)
					h.changeSettings(func(s *auth.Settings) { s.AllowUnverified = unverified })
					fn(t, h, dave)
				})
			})
		}
		each(func(t *testing.T, h *fixture, dave auth.Account) {
			squatter := h.registerBob(another, "wwb_eve", eve)
			change := h.requestEmailChange(dave, good, bob)
			h.requireOK(h.verifyChange(change, good, alice))
			if a := h.find(bob); a.ID != dave.ID || !a.Verified() || !h.passwordMatches(bob, good) {
				t.Errorf("the address does not belong to the account that verified it: %+v", a)
			}
			h.requireRefused(h.submitLink(squatter, "wwb_eve", ""), "invalid_link")
		})
		each(func(t *testing.T, h *fixture, dave auth.Account) {
			squatter := h.registerBob(another, "wwb_eve", eve)
			made, err := h.Create(t.Context(), tenant, account.Creation{Email: bob}, admin)
			h.requireOK(err)
			h.requireRefused(h.submitLink(squatter, "wwb_eve", ""), "invalid_link")
			_, err = h.Create(t.Context(), tenant, account.Creation{Email: bob}, admin)
			h.requireRefused(err, "email_taken")
			h.takeMails()
			email := bob
			_, err = h.Update(t.Context(), tenant, dave.ID, account.Patch{Email: &email, CurrentPassword: good}, actorOf(dave))
			h.requireOK(err)
			h.requireMail(auth.MailKnownAddress, bob)
			if h.find(bob).ID != made.ID {
				t.Error("the operator's account was deleted")
			}
		})
		each(func(t *testing.T, h *fixture, _ auth.Account) {
			h.registerBob(another, "wwb_eve", eve)
			used := h.find(bob)
			h.requireOK(h.db.Write(t.Context(), tenant, func(tx *store.Tx) error { return tx.TouchLogin(used.ID) }))
			_, err := h.Create(t.Context(), tenant, account.Creation{Email: bob}, admin)
			h.requireRefused(err, "email_taken")
		})
	}
}

func TestRepair_S2_RequirementsOfInvalidLinks(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		link := h.registerBob(good, "wwb_bob", alice)
		h.requireOK(h.submitLink(link, "wwb_bob", ""))
		for _, token := range []string{"", "wwl_x", secret.New("wwl_").Reveal(), link} {
			_, err := h.VerifyRequirements(t.Context(), tenant, account.Verification{Token: token, Browser: "wwb_eve"})
			h.requireRefused(err, "invalid_link")
		}
	})
}

// An account without a password is an invitation.
func TestRepair_N3_Invitation(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		_, err := h.Create(t.Context(), tenant, account.Creation{Email: bob, Name: "Bob"}, admin)
		h.requireOK(err)
		link := h.requireMail(auth.MailInvite, bob).Token
		h.requireMissing(account.MissingPassword, link, "")
		h.requireRefused(h.verify(link, alice), "password_needed")
		if n, err := h.VerifyRequirements(t.Context(), tenant, account.Verification{Token: link}); err != nil || !n.Invited || n.Address != bob {
			t.Errorf("needs %+v, %v", n, err)
		}
		h.requireOK(h.submitLink(link, "", good))
		if a := h.find(bob); !a.Verified() || a.Name != "Bob" || !h.passwordMatches(bob, good) {
			t.Errorf("%+v", a)
		}
		// With a password it is no invitation, but the page still requires a new password.
		_, err = h.Create(t.Context(), tenant, account.Creation{Email: "dave@example.test", Password: good}, admin)
		h.requireOK(err)
		h.requireMissing(account.MissingPassword, h.requireMail(auth.MailVerify, "dave@example.test").Token, "")
	})
}

// Notices about an account are not sent to an unverified address, which may be another user's.
func TestRepair_S18_NoticesOnlyToProvedAddresses(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		h.changeSettings(func(s *auth.Settings) { s.AllowUnverified = true })
		h.registerBob(another, "wwb_eve", eve)
		a := h.find(bob)
		_, err := h.ChangePassword(t.Context(), tenant, a.ID, another, third, actorOf(a))
		h.requireOK(err)
		email := "eve@example.test"
		_, err = h.Update(t.Context(), tenant, a.ID, account.Patch{Email: &email, CurrentPassword: third}, actorOf(a))
		h.requireOK(err)
		h.requireOK(h.verifyChange(h.requireMail(auth.MailChangeEmail, email).Token, third, eve))
		h.registerBob(another, "wwb_eve", eve)
		b := h.find(bob)
		h.requireOK(h.Delete(t.Context(), tenant, b.ID, another, actorOf(b)))
		if all := h.takeMails(); len(all) != 0 {
			t.Errorf("sent to an unverified address: %+v", all)
		}
	})
}
