package account_test

import (
	"testing"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
)

const week = 7 * 24 * time.Hour

func deleteAfterAWeek(s *auth.Settings) { s.DeletionDays = 7 }

func TestDeletionIsDelayed(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		h.changeSettings(deleteAfterAWeek)
		a := h.newMember("alice@example.test", good)
		v, f, _ := h.signIn(a)

		h.requireRefused(h.Delete(t.Context(), tenant, a.ID, another, actorOf(a)), "wrong_password")
		h.requireOK(h.Delete(t.Context(), tenant, a.ID, good, actorOf(a)))
		m := h.requireMail(auth.MailAccountDeletion, "alice@example.test")
		due := h.clock.Now().Add(week)
		if h.sessionLive(v, f) || !m.DeleteAt.Equal(due) || m.Token == "" {
			t.Errorf("mail %+v", m)
		}
		h.clock.Advance(time.Hour)
		h.requireOK(h.Delete(t.Context(), tenant, a.ID, good, actorOf(a))) // again
		if got := h.find("alice@example.test").DeleteAt; !got.Equal(due) || len(h.takeMails()) != 0 {
			t.Errorf("asked again: due %v", got)
		}
		e, err := h.Export(t.Context(), tenant, a.ID, actorOf(a))
		if h.requireOK(err); !e.Account.DeleteAt.Equal(due) {
			t.Errorf("export: %+v", e.Account)
		}

		h.clock.Advance(week - time.Hour - time.Second)
		h.requireOK(h.RemoveDue(t.Context()))
		h.find("alice@example.test")
		h.clock.Advance(time.Second)
		h.requireOK(h.RemoveDue(t.Context()))
		h.requireOK(h.RemoveDue(t.Context()))
		_, err = h.Find(t.Context(), tenant, "alice@example.test")
		h.requireRefused(err, "not_found")
		h.requireMail(auth.MailAccountDeleted, "alice@example.test")
	})
}

func TestDeletionIsCancelled(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		h.changeSettings(deleteAfterAWeek)
		a := h.newMember("alice@example.test", good)
		request := func() string {
			t.Helper()
			h.requireOK(h.Delete(t.Context(), tenant, a.ID, good, actorOf(a)))
			return h.requireMail(auth.MailAccountDeletion, "alice@example.test").Token
		}

		link := request()
		h.requireOK(h.KeepRequirements(t.Context(), tenant, link))
		for range 2 {
			h.requireOK(h.KeepByLink(t.Context(), tenant, link, alice))
		}
		h.requireRefused(h.KeepRequirements(t.Context(), tenant, link), "invalid_link")
		h.clock.Advance(11 * time.Minute)
		h.requireRefused(h.KeepByLink(t.Context(), tenant, link, alice), "invalid_link")

		link = request()
		h.requireOK(h.Keep(t.Context(), tenant, a.ID, actorOf(a)))
		h.requireOK(h.Keep(t.Context(), tenant, a.ID, actorOf(a)))
		h.requireRefused(h.KeepByLink(t.Context(), tenant, link, alice), "invalid_link")

		request()
		h.lock(a, actorOf(a))
		h.clock.Advance(2 * week)
		h.requireOK(h.RemoveDue(t.Context()))
		if got := h.find("alice@example.test").DeleteAt; !got.IsZero() || len(h.events(auth.EventAccountKept)) < 2 {
			t.Errorf("due %v", got)
		}
	})
}
