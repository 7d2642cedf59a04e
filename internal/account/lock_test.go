package account_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/watchword-auth/watchword/internal/account"
	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/store"
	"github.com/watchword-auth/watchword/internal/token"
)

// requireLocked fails the test unless the account is locked as wanted, and tokens are issued to it accordingly.
func (h *fixture) requireLocked(a auth.Account, want bool) {
	h.t.Helper()
	a, err := h.Get(h.t.Context(), tenant, a.ID)
	h.requireOK(err)
	if err := token.CheckIssuance(auth.Tenant{}, a, auth.Client{}); a.Locked() != want || (err != nil) != want {
		h.t.Fatalf("locked %v, %v; want %v", a.Locked(), err, want)
	}
}

func (h *fixture) lock(a auth.Account, actor auth.Actor) account.SecureOutcome {
	h.t.Helper()
	out, err := h.Lock(h.t.Context(), tenant, a.ID, actor)
	h.requireOK(err)
	return out
}

func (h *fixture) changePassword(a auth.Account, current, next string) string {
	h.t.Helper()
	_, err := h.ChangePassword(h.t.Context(), tenant, a.ID, current, next, actorOf(a))
	h.requireOK(err)
	return h.requireMail(auth.MailPasswordChanged, h.address(a)).Token
}

func (h *fixture) address(a auth.Account) string {
	h.t.Helper()
	a, err := h.Get(h.t.Context(), tenant, a.ID)
	h.requireOK(err)
	return a.Email.Address
}

func TestLock(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		a := h.newMember("alice@example.test", good)
		v, f, _ := h.signIn(a)
		link := h.requestReset("alice@example.test")

		h.lock(a, actorOf(a))
		m := h.requireMail(auth.MailAccountLocked, "alice@example.test")
		h.lock(a, actorOf(a))
		if h.sessionLive(v, f) || len(h.takeMails()) != 0 || len(h.events(auth.EventAccountLocked)) != 1 {
			t.Error("the session lives, or the account was locked twice")
		}
		h.requireLocked(a, true)
		h.requireRefused(h.Reset(t.Context(), tenant, link, another, alice), "invalid_link")

		h.requireOK(h.Reset(t.Context(), tenant, m.Token, another, alice))
		h.requireMail(auth.MailPasswordChanged, "alice@example.test")
		h.requireLocked(a, false)
		if len(h.events(auth.EventAccountUnlocked)) != 1 {
			t.Error("no event of the unlocking")
		}
		_, err := h.Lock(t.Context(), tenant, "unknown", admin)
		h.requireRefused(err, "not_found")
	})
}

func TestOperatorUnlocks(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		a := h.newMember("alice@example.test", good)
		for name, unlock := range map[string]func() error{
			"enable":   func() error { return h.Enable(t.Context(), tenant, a.ID, admin) },
			"password": func() error { return h.SetPassword(t.Context(), tenant, a.ID, another, admin) },
			"both": func() error {
				h.requireOK(h.Disable(t.Context(), tenant, a.ID, admin))
				return h.Enable(t.Context(), tenant, a.ID, admin)
			},
		} {
			h.lock(a, actorOf(a))
			h.requireLocked(a, true)
			if err := unlock(); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			h.requireLocked(a, false)
		}
	})
}

// The link of a notice locks once, says what it does, and has the same outcome after a double click.
func TestSecureLink(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		a := h.newMember("alice@example.test", good)
		link := h.changePassword(a, good, another)
		secure := func() (account.SecureOutcome, error) { return h.Secure(t.Context(), tenant, link, alice) }

		out, err := h.SecureRequirements(t.Context(), tenant, link)
		if h.requireOK(err); out != (account.SecureOutcome{}) {
			t.Errorf("required: %+v", out)
		}
		h.requireLocked(a, false)
		for range 2 {
			_, err := secure()
			h.requireOK(err)
		}
		h.requireMail(auth.MailAccountLocked, "alice@example.test")
		h.requireLocked(a, true)
		h.clock.Advance(11 * time.Minute)
		_, err = secure()
		h.requireRefused(err, "invalid_link")
		_, err = h.SecureRequirements(t.Context(), tenant, link)
		h.requireRefused(err, "invalid_link")

		for _, bad := range []string{"", "wwl_x", link + "A"} {
			_, err := h.Secure(t.Context(), tenant, bad, eve)
			h.requireRefused(err, "invalid_link")
		}
	})
}

func TestSecureLinkExpires(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		a := h.newMember("alice@example.test", good)
		link := h.changePassword(a, good, another)
		h.clock.Advance(72 * time.Hour)
		_, err := h.Secure(t.Context(), tenant, link, alice)
		h.requireRefused(err, "invalid_link")
		h.requireLocked(a, false)
	})
}

// TestAttack_PW_14_TakenOver takes an account over as far as a known password allows: another address, a new
// password, a second factor, and the attacker's own link. The owner's older link undoes all of it.
func TestAttack_PW_14_TakenOver(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		a := h.newMember("alice@example.test", good)
		h.requireOK(h.verifyChange(h.requestEmailChange(a, good, "eve@example.test"), good, eve))
		owners := h.requireMail(auth.MailEmailChanged, "alice@example.test").Token
		h.clock.Advance(time.Minute)
		h.insertTOTP(a)
		attackers := []string{h.changePassword(a, good, another), h.changePassword(a, another, third)}
		_, err := h.Secure(t.Context(), tenant, attackers[0], eve)
		h.requireOK(err)
		h.requireMail(auth.MailAccountLocked, "eve@example.test")

		out, err := h.SecureRequirements(t.Context(), tenant, owners)
		if h.requireOK(err); out.Restored != "alice@example.test" {
			t.Errorf("required: %+v", out)
		}
		out, err = h.Secure(t.Context(), tenant, owners, alice)
		if h.requireOK(err); out.Restored != "alice@example.test" || out.NotMailed {
			t.Errorf("outcome: %+v", out)
		}
		m := h.requireMail(auth.MailAccountLocked, "alice@example.test")
		for _, link := range attackers[1:] {
			_, err := h.Secure(t.Context(), tenant, link, eve)
			h.requireRefused(err, "invalid_link")
		}
		h.requireOK(h.Reset(t.Context(), tenant, m.Token, good, alice))

		a = h.find("alice@example.test")
		if n := h.countFactors(a); !a.Verified() || a.Locked() || n != 0 {
			t.Errorf("account %+v with %d factors", a, n)
		}
	})
}

// TestAttack_PW_11_NoticeKeepsFactors uses the link of a notice with nothing but the mailbox. A factor that the
// account had before stays.
func TestAttack_PW_11_NoticeKeepsFactors(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		a := h.newMember("alice@example.test", good)
		h.insertTOTP(a)
		h.clock.Advance(time.Second)
		_, err := h.Secure(t.Context(), tenant, h.changePassword(a, good, another), eve)
		h.requireOK(err)
		if n := h.countFactors(a); n != 1 {
			t.Errorf("%d factors", n)
		}
	})
}

// TestAttack_MF_06_LockRemovesAddedFactors locks an account whose second factors the owner and an attacker have
// added. A passkey that stays signs in alone.
func TestAttack_MF_06_LockRemovesAddedFactors(t *testing.T) {
	const old, young = 100 * time.Hour, 50 * time.Hour // before it is locked
	totp, passkey, codes := auth.ProofTOTP, auth.ProofPasskey, auth.ProofRecoveryCode
	type added struct {
		kind auth.FactorKind
		age  time.Duration
	}
	each(t, func(t *testing.T, h *fixture) {
		for name, tc := range map[string]struct {
			factors []added
			began   time.Duration // the notice, or the session of the button
			remain  string
			want    account.SecureOutcome
		}{
			"added before the notice that is used":   {[]added{{totp, old}, {passkey, young}, {passkey, time.Hour}}, time.Hour, "totp", account.SecureOutcome{Removed: true}},
			"recovery codes in place of the owner's": {[]added{{totp, old}, {codes, time.Hour}}, 2 * time.Hour, "totp", account.SecureOutcome{Removed: true}},
			"the owner's are not old":                {[]added{{totp, young}, {codes, young}, {passkey, time.Hour}}, 2 * time.Hour, "recovery_code totp", account.SecureOutcome{Removed: true}},
			"none before":                            {[]added{{totp, time.Hour}, {passkey, time.Minute}}, young, "", account.SecureOutcome{Removed: true}},
			"nothing was added":                      {[]added{{totp, old}, {passkey, old}, {codes, old}}, time.Hour, "passkey recovery_code totp", account.SecureOutcome{}},
			"none at all":                            {nil, time.Hour, "", account.SecureOutcome{}},
		} {
			for _, button := range []bool{false, true} {
				a := h.newMember(fmt.Sprintf("%d@example.test", h.clock.Now().UnixNano()), good)
				password, link, actor := good, "", actorOf(a)
				at := func(age time.Duration) {
					for _, f := range tc.factors {
						if f.age == age {
							h.insertFactor(a, f.kind)
						}
					}
					if age == tc.began {
						link = h.changePassword(a, password, another)
						v, _, _ := h.signIn(a)
						actor.Session = v.ID
					}
				}
				for _, age := range []time.Duration{old, young, 2 * time.Hour, time.Hour, time.Minute} {
					at(age)
					h.clock.Advance(age - map[time.Duration]time.Duration{old: young, young: 2 * time.Hour, 2 * time.Hour: time.Hour, time.Hour: time.Minute}[age])
				}
				var out account.SecureOutcome
				if button {
					out = h.lock(a, actor)
				} else {
					need, err := h.SecureRequirements(t.Context(), tenant, link)
					h.requireOK(err)
					out, err = h.Secure(t.Context(), tenant, link, alice)
					h.requireOK(err)
					if need != out {
						t.Errorf("%s: the page announces %+v", name, need)
					}
				}
				m := h.requireMail(auth.MailAccountLocked, a.Email.Address)
				if got := h.kinds(a); out != tc.want || got != tc.remain || len(m.Removed) != len(tc.factors)-len(strings.Fields(got)) {
					t.Errorf("%s, button %v: %+v, left %q, mailed %+v; want %+v, %q", name, button, out, got, m.Removed, tc.want, tc.remain)
				}
				h.requireOK(h.Reset(t.Context(), tenant, m.Token, third, alice))
				h.takeMails()
			}
		}
	})
}

// TestAttack_PW_11_ReplacedFactor uses a link after the only authenticator was replaced, by an attacker or by the
// owner. The mailbox alone must not decide who of them it was.
func TestAttack_PW_11_ReplacedFactor(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		a := h.newMember("alice@example.test", good)
		v, _, _ := h.signIn(a)
		h.insertTOTP(a)
		h.clock.Advance(time.Second)
		link := h.changePassword(a, good, another)
		h.requireOK(h.db.Write(t.Context(), tenant, func(tx *store.Tx) error {
			_, err := tx.DeleteFactors(a.ID, auth.ProofTOTP)
			return err
		}))
		h.insertFactor(a, auth.ProofPasskey)
		h.clock.Advance(time.Second)
		need, err := h.SecureRequirements(t.Context(), tenant, link)
		if h.requireOK(err); !need.NotMailed {
			t.Errorf("the page announces %+v", need)
		}
		actor := actorOf(a)
		actor.Session = v.ID
		if out := h.lock(a, actor); !out.NotMailed || out.Removed || h.kinds(a) != "passkey" {
			t.Errorf("outcome %+v", out)
		}
		h.requireNoWayBack(a)
	})
}

// requireNoWayBack fails the test unless only an operator helps.
func (h *fixture) requireNoWayBack(a auth.Account) {
	h.t.Helper()
	if n := len(h.takeMails()); n != 0 {
		h.t.Errorf("%d mails", n)
	}
	h.requireOK(h.Forgot(h.t.Context(), tenant, account.LinkRequest{Email: h.address(a)}, eve))
	if all := h.takeMails(); len(all) != 1 || all[0].Kind != auth.MailNone {
		h.t.Errorf("outbox: %+v", all)
	}
	h.requireLocked(a, true)
	h.requireOK(h.Enable(h.t.Context(), tenant, a.ID, admin))
	h.requireLocked(a, false)
}

// TestAttack_PW_14_FormerAddressTaken registers the former address of a stolen account before its owner uses the
// link. An address that nobody has proved is the owner's; a proved one leaves the account to an operator, since a
// mail to its present address would give it to the attacker.
func TestAttack_PW_14_FormerAddressTaken(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		for _, proved := range []bool{false, true} {
			a := h.newMember(fmt.Sprintf("alice%v@example.test", proved), good)
			former := a.Email.Address
			h.requireOK(h.verifyChange(h.requestEmailChange(a, good, fmt.Sprintf("eve%v@example.test", proved)), good, eve))
			link := h.requireMail(auth.MailEmailChanged, former).Token
			token := h.register(former, another)
			if proved {
				h.requireOK(h.verify(token, alice))
			}
			other := h.find(former)
			v, f, _ := h.signIn(other)
			h.requireOK(h.db.Write(t.Context(), tenant, func(tx *store.Tx) error { return tx.TouchLogin(other.ID) }))

			out, err := h.Secure(t.Context(), tenant, link, alice)
			h.requireOK(err)
			h.requireLocked(a, true)
			if proved {
				if !out.NotMailed || !h.sessionLive(v, f) {
					t.Errorf("outcome %+v", out)
				}
				h.requireNoWayBack(a)
				continue
			}
			if _, err := h.Get(t.Context(), tenant, other.ID); out.NotMailed || out.Restored != former || auth.KindOf(err) != auth.KindNotFound {
				t.Errorf("outcome %+v, the other account: %v", out, err)
			}
			h.requireOK(h.Reset(t.Context(), tenant, h.requireMail(auth.MailAccountLocked, former).Token, third, alice))
			h.takeMails()
		}
	})
}

// TestAttack_PW_14_MovedBackByHand changes a stolen address back without the link. The links that went to the
// attacker's address in between give them nothing.
func TestAttack_PW_14_MovedBackByHand(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		a := h.newMember("alice@example.test", good)
		h.requireOK(h.verifyChange(h.requestEmailChange(a, good, "eve@example.test"), good, eve))
		h.requireMail(auth.MailEmailChanged, "alice@example.test")
		h.clock.Advance(time.Minute)
		eves := []string{h.changePassword(a, good, another)}
		h.requireOK(h.verifyChange(h.requestEmailChange(h.find("eve@example.test"), another, "alice@example.test"), another, alice))
		eves = append(eves, h.requireMail(auth.MailEmailChanged, "eve@example.test").Token)
		for _, link := range eves {
			if link == "" {
				continue // a notice without a link
			}
			_, err := h.Secure(t.Context(), tenant, link, eve)
			h.requireRefused(err, "invalid_link")
		}
		if got := h.address(a); got != "alice@example.test" || eves[1] != "" {
			t.Errorf("address %s, link %q", got, eves[1])
		}
		h.requireLocked(a, false)
	})
}

// An account that an operator created, or to whom one gave roles, is not deleted for its address.
func TestSecureLinkKeepsInvitedAccount(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		a := h.newMember("alice@example.test", good)
		h.requireOK(h.verifyChange(h.requestEmailChange(a, good, "new@example.test"), good, alice))
		link := h.requireMail(auth.MailEmailChanged, "alice@example.test").Token
		invited, err := h.Create(t.Context(), tenant, account.Creation{Email: "alice@example.test"}, admin)
		h.requireOK(err)
		out, err := h.Secure(t.Context(), tenant, link, alice)
		if h.requireOK(err); !out.NotMailed {
			t.Errorf("outcome %+v", out)
		}
		_, err = h.Get(t.Context(), tenant, invited.ID)
		h.requireOK(err)
	})
}

// insertFactor adds a factor that counts.
func (h *fixture) insertFactor(a auth.Account, kind auth.FactorKind) {
	h.t.Helper()
	h.requireOK(h.db.Write(h.t.Context(), tenant, func(tx *store.Tx) error {
		id := secret.NewID(tx.Now)
		return tx.InsertFactor(auth.Factor{ID: auth.FactorID(id), Account: a.ID, Kind: kind, Lookup: id, CreatedAt: tx.Now, ProvedAt: tx.Now})
	}))
}

// kinds returns the kinds of the account's factors, in alphabetical order.
func (h *fixture) kinds(a auth.Account) string {
	h.t.Helper()
	var out []string
	h.requireOK(h.db.Read(h.t.Context(), tenant, func(tx *store.Tx) error {
		list, err := tx.Factors(a.ID)
		for _, f := range list {
			out = append(out, string(f.Kind))
		}
		return err
	}))
	slices.Sort(out)
	return strings.Join(out, " ")
}

func (h *fixture) countFactors(a auth.Account) int {
	h.t.Helper()
	var list []auth.Factor
	h.requireOK(h.db.Read(h.t.Context(), tenant, func(tx *store.Tx) (err error) {
		list, err = tx.Factors(a.ID)
		return err
	}))
	return len(list)
}
