package account_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/watchword-auth/watchword/internal/account"
	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/store"
)

func TestAttack_PW_14_ChangeOfAddress(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		a := h.inGerman(h.newMember("alice@example.test", good))
		own, ownFamily, _ := h.signIn(a)
		other, otherFamily, _ := h.signIn(a)
		actor := actorOf(a)
		actor.Session = own.ID
		email := "Alice@new.test"
		change := func() string {
			got, err := h.Update(t.Context(), tenant, a.ID, account.Patch{Email: &email, CurrentPassword: good}, actor)
			h.requireOK(err)
			if got.Email != a.Email || !got.Verified() {
				t.Errorf("before the verification the account is %+v", got)
			}
			m := h.requireMail(auth.MailChangeEmail, "Alice@new.test")
			if m.NewEmail != "Alice@new.test" || m.Locale != "de" || m.Name != "" { // the name could be spam
				t.Errorf("mail %+v", m)
			}
			return m.Token
		}
		older := change()
		link := change()
		if _, err := h.Find(t.Context(), tenant, email); auth.KindOf(err) != auth.KindNotFound {
			t.Error("the new address finds the account before its verification")
		}
		h.requestReset("alice@example.test") // the old one can still reset the password
		h.requireRefused(h.verify(older, alice), "invalid_link")
		h.requireOK(h.verifyChange(link, good, eve))
		if got := h.find(email); got.ID != a.ID || !got.Verified() || got.Email.Address != email {
			t.Errorf("account %+v", got)
		}
		if _, err := h.Find(t.Context(), tenant, "alice@example.test"); auth.KindOf(err) != auth.KindNotFound {
			t.Error("the old address still finds the account")
		}
		if m := h.requireMail(auth.MailEmailChanged, "alice@example.test"); m.NewEmail != email {
			t.Errorf("notice %+v", m)
		}
		if !h.sessionLive(own, ownFamily) || h.sessionLive(other, otherFamily) {
			t.Error("the change must end every session except the one that requested it")
		}
		h.requireRefused(h.verify(link, alice), "invalid_link")
	})
}

func TestAttack_PW_14_AddressOfAnother(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		h.inGerman(h.newMember("bob@example.test", good))
		a := h.newMember("alice@example.test", good)
		ask := func(email string) traces {
			return h.measureTraces(func() {
				_, err := h.Update(t.Context(), tenant, a.ID, account.Patch{Email: &email, CurrentPassword: good}, actorOf(a))
				h.requireOK(err)
			})
		}
		if free, taken := ask("new@example.test"), ask("BOB@example.test"); free != taken {
			t.Errorf("a free address cost %+v, a taken one %+v", free, taken)
		}
		email := "bob@example.test"
		_, err := h.Update(t.Context(), tenant, a.ID, account.Patch{Email: &email, CurrentPassword: good}, actorOf(a))
		h.requireOK(err)
		if m := h.requireMail(auth.MailKnownAddress, "bob@example.test"); m.Token != "" || m.Locale != "de" {
			t.Errorf("mail %+v, want one in bob's language, without the link of alice's change", m)
		}
		// Free when requested, taken when verified.
		email = "late@example.test"
		_, err = h.Update(t.Context(), tenant, a.ID, account.Patch{Email: &email, CurrentPassword: good}, actorOf(a))
		h.requireOK(err)
		link := h.requireMail(auth.MailChangeEmail, email).Token
		h.newMember(email, good)
		h.requireRefused(h.verifyChange(link, good, actorOf(a)), "invalid_link")
		if got := h.find("alice@example.test"); got.ID != a.ID {
			t.Error("alice lost her address")
		}
	})
}

func TestChangeIsCalledOff(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		a := h.newMember("alice@example.test", good)
		for _, email := range []string{"new@example.test", "alice@example.test"} {
			_, err := h.Update(t.Context(), tenant, a.ID, account.Patch{Email: &email, CurrentPassword: good}, actorOf(a))
			h.requireOK(err)
		}
		h.requireRefused(h.verify(h.requireMail(auth.MailChangeEmail, "new@example.test").Token, alice), "invalid_link")
	})
}

func TestUpdateName(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		a := h.newMember("alice@example.test", good)
		name, bad := " Alice\u0301 ", "a\x00b"
		got, err := h.Update(t.Context(), tenant, a.ID, account.Patch{Name: &name}, actorOf(a))
		h.requireOK(err)
		if got.Name != "Alicé" || h.find("alice@example.test").Name != "Alicé" {
			t.Errorf("name %q", got.Name)
		}
		_, err = h.Update(t.Context(), tenant, a.ID, account.Patch{Name: &bad}, actorOf(a))
		h.requireRefused(err, "name_invalid")
		_, err = h.Update(t.Context(), tenant, "nobody", account.Patch{Name: &name}, actorOf(a))
		h.requireRefused(err, "not_found")
		if n := len(h.events(auth.EventProfileChanged)); n != 1 {
			t.Errorf("%d audit lines", n)
		}
	})
}

func TestExportHoldsNoSecret(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		a := h.newMember("alice@example.test", good)
		v, _, cookie := h.signIn(a)
		h.requestReset("alice@example.test")
		out, err := h.Export(t.Context(), tenant, a.ID, actorOf(a))
		h.requireOK(err)
		b, err := json.Marshal(out)
		h.requireOK(err)
		for _, want := range []string{"alice@example.test", string(v.ID), "account.registered", "password.reset_requested", `"roles":[]`} {
			if !strings.Contains(string(b), want) {
				t.Errorf("no %q in %s", want, b)
			}
		}
		var hash string
		h.requireOK(h.db.Read(t.Context(), tenant, func(tx *store.Tx) (err error) {
			hash, err = tx.PasswordHash(a.ID)
			return err
		}))
		for _, never := range []string{hash, "argon2", cookie, v.Digest, "wwl_", "digest"} {
			if strings.Contains(string(b), never) {
				t.Errorf("%q in %s", never, b)
			}
		}
		if len(h.events(auth.EventAccountExported)) != 1 {
			t.Error("the export left no audit line")
		}
	})
}
