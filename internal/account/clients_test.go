package account_test

import (
	"testing"
	"time"

	"github.com/watchword-auth/watchword/internal/account"
	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/session"
	"github.com/watchword-auth/watchword/internal/store"
)

// signedInClient is a browser with a signed-in user and a remember-me token, and a client with
// offline access.
type signedInClient struct {
	session, client auth.Session
	series          auth.RememberMeID
}

func (h *fixture) insertSignedInClient(a auth.Account, id auth.ClientID) (p signedInClient) {
	h.t.Helper()
	h.requireOK(h.db.Write(h.t.Context(), tenant, func(tx *store.Tx) error {
		c := auth.Client{ID: id, Name: "App", Type: auth.ClientWeb, CreatedAt: tx.Now, UpdatedAt: tx.Now}
		c.Settings.Grants = []auth.GrantType{auth.GrantAuthorizationCode, auth.GrantRefreshToken}
		c.Settings.BackchannelURI = "https://app.example.test/out"
		if err := tx.InsertClient(c); err != nil {
			return err
		}
		series, _, err := h.sessions.StartRememberMe(tx, a.ID, session.AuthContext{AuthAt: tx.Now})
		if err != nil {
			return err
		}
		p.series = series.ID
		if p.session, _, err = h.sessions.Start(tx, session.Params{Account: a.ID, Client: auth.FirstParty, Cookie: true, RememberMe: p.series}); err != nil {
			return err
		}
		p.client, err = h.sessions.StartClient(tx, p.session, session.ClientParams{Client: c, Scope: auth.Scope{"openid", "offline_access"}})
		return err
	}))
	return p
}

func (h *fixture) readSessions(p signedInClient) (session, client, series bool) {
	h.t.Helper()
	h.requireOK(h.db.Read(h.t.Context(), tenant, func(tx *store.Tx) error {
		v, err := tx.Session(p.session.ID)
		if err != nil {
			return err
		}
		c, err := tx.Session(p.client.ID)
		if err != nil {
			return err
		}
		s, err := tx.RememberMe(p.series)
		session, client, series = v.EndedAt.IsZero(), c.EndedAt.IsZero(), s.RevokedAt.IsZero()
		return err
	}))
	return session, client, series
}

// logoutNotices counts the notices for clients.
func (h *fixture) logoutNotices() (n int) {
	h.t.Helper()
	for _, m := range h.takeMails() {
		if m.Kind == auth.LogoutBackchannel {
			n++
		}
	}
	return n
}

// RT-08, SE-14: a new password ends the sessions of all browsers, their client sessions even with
// offline access, and remember-me tokens. The browser in which it was changed stays signed in.
func TestAttack_RT_08_SE_14_WhatEndsEverywhere(t *testing.T) {
	for name, c := range map[string]struct {
		do   func(h *fixture, a auth.Account, own signedInClient) error
		kept bool // the own browser stays signed in
	}{
		"password changed": {func(h *fixture, a auth.Account, own signedInClient) error {
			actor := actorOf(a)
			actor.Session = own.session.ID
			_, err := h.ChangePassword(h.t.Context(), tenant, a.ID, good, another, actor)
			return err
		}, true},
		"password changed at a client": {func(h *fixture, a auth.Account, own signedInClient) error {
			actor := actorOf(a)
			actor.Session = own.client.ID
			_, err := h.ChangePassword(h.t.Context(), tenant, a.ID, good, another, actor)
			return err
		}, true},
		"all others ended": {func(h *fixture, a auth.Account, own signedInClient) error {
			_, err := h.EndOtherSessions(h.t.Context(), tenant, a.ID, own.session.ID, actorOf(a))
			return err
		}, true},
		"password reset": {func(h *fixture, a auth.Account, _ signedInClient) error {
			h.requireOK(h.Forgot(h.t.Context(), tenant, account.LinkRequest{Email: a.Email.Address}, alice))
			return h.Reset(h.t.Context(), tenant, h.requireMail(auth.MailReset, a.Email.Address).Token, another, alice)
		}, false},
		"disabled": {func(h *fixture, a auth.Account, _ signedInClient) error {
			return h.Disable(h.t.Context(), tenant, a.ID, admin)
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			each(t, func(t *testing.T, h *fixture) {
				a := h.newMember("alice@example.test", good)
				own, other := h.insertSignedInClient(a, "own"), h.insertSignedInClient(a, "other")
				h.clock.Advance(time.Minute)
				h.requireOK(c.do(h, a, own))
				if s, client, series := h.readSessions(other); s || client || series {
					t.Errorf("another browser: session %t, client %t, series %t", s, client, series)
				}
				if s, client, series := h.readSessions(own); s != c.kept || client != c.kept || series != c.kept {
					t.Errorf("the own browser: session %t, client %t, series %t", s, client, series)
				}
				want := 2
				if c.kept {
					want = 1
				}
				if n := h.logoutNotices(); n != want {
					t.Errorf("%d clients were notified, want %d", n, want)
				}
			})
		})
	}
}

// Clients are notified of a deletion, although its rows are deleted.
func TestDeletionTellsClients(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		a := h.newMember("alice@example.test", good)
		h.insertSignedInClient(a, "app")
		h.requireOK(h.Delete(t.Context(), tenant, a.ID, good, actorOf(a)))
		if n := h.logoutNotices(); n != 1 {
			t.Errorf("%d clients were notified", n)
		}
	})
}

// A browser whose session was ended from another one does not sign in again by itself.
func TestEndedBrowserForgets(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		a := h.newMember("alice@example.test", good)
		p := h.insertSignedInClient(a, "app")
		h.requireOK(h.EndSession(t.Context(), tenant, a.ID, p.session.ID, actorOf(a)))
		if s, client, series := h.readSessions(p); s || client || series {
			t.Errorf("session %t, client %t, series %t", s, client, series)
		}
		if list, err := h.Sessions(t.Context(), tenant, a.ID); err != nil || len(list) != 0 {
			t.Errorf("%+v, %v", list, err)
		}
	})
}
