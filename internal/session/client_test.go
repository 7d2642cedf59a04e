package session_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/session"
	"github.com/watchword-auth/watchword/internal/store"
	"github.com/watchword-auth/watchword/internal/store/storetest"
)

const refreshAbsolute = 30 * 24 * time.Hour // the default

func (h *fixture) client(id auth.ClientID, change ...func(*auth.Client)) auth.Client {
	h.t.Helper()
	c := auth.Client{ID: id, Name: string(id), Type: auth.ClientWeb}
	c.Settings.Grants = []auth.GrantType{auth.GrantAuthorizationCode, auth.GrantRefreshToken}
	c.Settings.BackchannelURI = "https://" + string(id) + ".example.test/out"
	for _, f := range change {
		f(&c)
	}
	h.write(func(tx *store.Tx) error {
		c.CreatedAt, c.UpdatedAt = tx.Now, tx.Now
		return tx.InsertClient(c)
	})
	return c
}

func firstParty(c *auth.Client)       { c.FirstParty = true }
func native(c *auth.Client)           { c.Type = auth.ClientNative }
func withoutLogoutURL(c *auth.Client) { c.Settings.BackchannelURI = "" }

func (h *fixture) startClient(parent auth.Session, b session.ClientParams) (v auth.Session, err error) {
	h.t.Helper()
	err = h.db.Write(h.t.Context(), auth.DefaultTenant, func(tx *store.Tx) (err error) {
		v, err = h.sessions.StartClient(tx, parent, b)
		return err
	})
	return v, err
}

func (h *fixture) requireClientSession(parent auth.Session, b session.ClientParams) auth.Session {
	h.t.Helper()
	v, err := h.startClient(parent, b)
	if err != nil {
		h.t.Fatal(err)
	}
	return v
}

func (h *fixture) session(id auth.SessionID) (v auth.Session) {
	h.t.Helper()
	h.write(func(tx *store.Tx) (err error) {
		v, err = tx.Session(id)
		return err
	})
	return v
}

// logoutNotices removes the notices for clients from the outbox and returns them by session.
func (h *fixture) logoutNotices() map[auth.SessionID]auth.LogoutNotice {
	h.t.Helper()
	out := map[auth.SessionID]auth.LogoutNotice{}
	for _, m := range storetest.TakeMessages(h.t, h.db, "logout.") {
		if out[m.Logout.Session].Client != "" {
			h.t.Errorf("%+v", m)
		}
		out[m.Logout.Session] = m.Logout
	}
	return out
}

func TestStartClient(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		parent, _ := h.start()
		web, scope := h.client("web"), auth.Scope{"openid"}
		h.clock.Advance(time.Minute)
		set := auth.SessionID(secret.NewID(h.clock.Now()))
		v := h.requireClientSession(parent, session.ClientParams{ID: set, Client: web, Scope: scope, Claims: auth.ClaimsRequest{UserInfo: []string{"email"}}})
		if v.ID != set || v.Parent != parent.ID || v.Account != h.alice || v.Client != "web" || v.Digest != "" || v.AuthAt != parent.AuthAt || v.ACR != "1" ||
			v.ExpiresAt != parent.ExpiresAt || v.Offline {
			t.Errorf("%+v", v)
		}
		// Again in the same browser: the same session, which stays offline.
		again := h.requireClientSession(parent, session.ClientParams{Client: web, Scope: auth.Scope{"openid", "offline_access"}})
		if again.ID != set || !again.Offline || again.ExpiresAt != h.clock.Now().Add(refreshAbsolute) {
			t.Errorf("%+v", again)
		}
		if again = h.requireClientSession(parent, session.ClientParams{Client: web, Scope: scope}); again.ID != set || !h.session(set).Offline {
			t.Errorf("%+v", again)
		}
		// A device has a session of its own.
		if other := h.requireClientSession(parent, session.ClientParams{ID: auth.SessionID(secret.NewID(h.clock.Now())), Client: web, Scope: scope}); other.ID == set {
			t.Error("shared")
		}
		for name, b := range map[string]session.ClientParams{
			"another client's id": {ID: set, Client: h.client("other")},
			"a browser's id":      {ID: parent.ID, Client: web},
		} {
			if _, err := h.startClient(parent, b); auth.KindOf(err) != auth.KindUnauthenticated {
				t.Errorf("%s: %v", name, err)
			}
		}
		if _, err := h.startClient(v, session.ClientParams{Client: web}); auth.KindOf(err) != auth.KindUnauthenticated {
			t.Errorf("under a client's session: %v", err)
		}
		h.write(func(tx *store.Tx) error { return tx.EndSession(h.alice, set, auth.EndCode) })
		if _, err := h.startClient(parent, session.ClientParams{ID: set, Client: web}); auth.KindOf(err) != auth.KindUnauthenticated {
			t.Errorf("an ended one: %v", err)
		}
		h.wantUntouched(parent)
		h.write(func(tx *store.Tx) error { return tx.EndSession(h.alice, parent.ID, auth.EndLogout) })
		if _, err := h.startClient(parent, session.ClientParams{Client: web}); auth.KindOf(err) != auth.KindUnauthenticated {
			t.Errorf("under an ended one: %v", err)
		}
	})
}

// wantUntouched checks that the browser session was not ended with a client session.
func (h *fixture) wantUntouched(v auth.Session) {
	h.t.Helper()
	if got := h.session(v.ID); !got.EndedAt.IsZero() {
		h.t.Errorf("the browser's session has ended: %s", got.EndReason)
	}
}

func TestOffline(t *testing.T) {
	t.Parallel()
	refresh := auth.StoredSettings{ClientSettings: auth.ClientSettings{Grants: []auth.GrantType{auth.GrantRefreshToken}}}
	away, here := auth.Scope{"openid", "offline_access"}, auth.Scope{"openid"}
	for _, c := range []struct {
		client auth.Client
		scope  auth.Scope
		want   bool
	}{
		{auth.Client{Type: auth.ClientWeb, Settings: refresh}, away, true},
		{auth.Client{Type: auth.ClientWeb, Settings: refresh}, here, false},
		{auth.Client{Type: auth.ClientWeb}, away, false},
		{auth.Client{Type: auth.ClientWeb, FirstParty: true, Settings: refresh}, away, false},
		{auth.Client{Type: auth.ClientSPA, FirstParty: true, Settings: refresh}, away, false},
		{auth.Client{Type: auth.ClientNative, FirstParty: true, Settings: refresh}, away, true},
	} {
		if got := (session.ClientParams{Client: c.client, Scope: c.scope}).Offline(); got != c.want {
			t.Errorf("%s, first party %t, %s: %t", c.client.Type, c.client.FirstParty, c.scope, got)
		}
	}
}

// crowd starts four client sessions below one browser session.
func (h *fixture) crowd(parent auth.Session) map[string]auth.Session {
	away := auth.Scope{"openid", "offline_access"}
	out := map[string]auth.Session{}
	for name, c := range map[string]auth.Client{"ours": h.client("ours", firstParty), "phone": h.client("phone", firstParty, native), "third": h.client("third"), "deaf": h.client("deaf", withoutLogoutURL)} {
		out[name] = h.requireClientSession(parent, session.ClientParams{Client: c, Scope: away})
		h.write(func(tx *store.Tx) error {
			v := out[name]
			return tx.InsertFamily(auth.Family{ID: auth.FamilyID(name), Account: v.Account, Client: v.Client, Session: v.ID, Digest: name,
				CreatedAt: tx.Now, RotatedAt: tx.Now, IdleAt: v.ExpiresAt, ExpiresAt: v.ExpiresAt})
		})
	}
	return out
}

// Ending a browser session ends its client sessions and notifies the clients with a logout URI.
// After a sign-out only offline client sessions continue.
func TestEndings(t *testing.T) {
	endings := map[string]func(h *fixture, tx *store.Tx, v auth.Session) error{
		"log-out": func(h *fixture, tx *store.Tx, v auth.Session) error {
			return h.sessions.End(tx, h.alice, v.ID, auth.EndLogout)
		},
		"by the owner": func(h *fixture, tx *store.Tx, v auth.Session) error {
			return h.sessions.End(tx, h.alice, v.ID, auth.EndByOwner)
		},
		"everything": func(h *fixture, tx *store.Tx, _ auth.Session) error {
			_, err := h.sessions.EndAll(tx, h.alice, "", auth.EndReset)
			return err
		},
		"one too many": func(h *fixture, tx *store.Tx, _ auth.Session) error {
			_, err := tx.EndOldestSessions(h.alice, 0, auth.EndTooManySessions)
			return err
		},
		"its series": func(h *fixture, tx *store.Tx, _ auth.Session) error {
			_, err := tx.EndRememberMeSessions(h.alice, "s", auth.EndRememberMeReused)
			return err
		},
		"sessions but one": func(h *fixture, tx *store.Tx, _ auth.Session) error {
			_, err := h.sessions.EndAll(tx, h.alice, "elsewhere", auth.EndByOwner)
			return err
		},
	}
	for name, end := range endings {
		t.Run(name, func(t *testing.T) {
			each(t, func(t *testing.T, h *fixture) {
				var parent auth.Session
				h.write(func(tx *store.Tx) (err error) {
					parent, _, err = h.sessions.Start(tx, session.Params{Account: h.alice, Client: auth.FirstParty, Cookie: true, RememberMe: "s"})
					return err
				})
				below := h.crowd(parent)
				h.write(func(tx *store.Tx) error { return end(h, tx, parent) })
				notices := h.logoutNotices()
				for who, v := range below {
					stays := name == "log-out" && (who == "phone" || who == "third" || who == "deaf")
					got := h.session(v.ID)
					var f auth.Family
					h.write(func(tx *store.Tx) (err error) {
						f, err = tx.Family(auth.FamilyID(who))
						return err
					})
					if got.EndedAt.IsZero() != stays || f.RevokedAt.IsZero() != stays || stays && got.Parent != "" {
						t.Errorf("%s: session %+v, family %+v", who, got, f)
					}
					if n, ok := notices[v.ID]; ok != (who != "deaf") || ok && (n.Client != v.Client || n.Account != h.alice || n.URI != "https://"+who+".example.test/out") {
						t.Errorf("%s got %+v", who, n)
					}
				}
				if len(notices) != 3 {
					t.Errorf("%d messages", len(notices))
				}
			})
		})
	}
}

// Ending all other sessions keeps the client sessions of the own browser, from any of its sessions.
func TestEndAllOthersKeepsTheBrowser(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		parent, _ := h.start()
		own := h.requireClientSession(parent, session.ClientParams{Client: h.client("own")})
		sibling := h.requireClientSession(parent, session.ClientParams{Client: h.client("sibling")})
		else1, _ := h.start()
		far := h.requireClientSession(else1, session.ClientParams{Client: h.client("far")})
		h.write(func(tx *store.Tx) error {
			n, err := h.sessions.EndAll(tx, h.alice, own.ID, auth.EndPassword)
			if n != 2 {
				t.Errorf("ended %d", n)
			}
			return err
		})
		for id, want := range map[auth.SessionID]bool{parent.ID: true, own.ID: true, sibling.ID: true, else1.ID: false, far.ID: false} {
			if got := h.session(id).EndedAt.IsZero(); got != want {
				t.Errorf("%s is live: %t", id, got)
			}
		}
		if notices := h.logoutNotices(); len(notices) != 1 || notices[far.ID].Client != "far" {
			t.Errorf("notices %v", notices)
		}
	})
}

// Ending the sessions of a client ends only its own, in batches.
func TestEndsOfClients(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		gone, stays := h.client("gone"), h.client("stays")
		bob := h.insertAccount("bob")
		var mine, other []auth.Session
		for _, id := range []auth.AccountID{h.alice, bob} {
			parent, _ := h.startFor(id)
			mine = append(mine, h.requireClientSession(parent, session.ClientParams{Client: gone}))
			other = append(other, h.requireClientSession(parent, session.ClientParams{Client: stays}), parent)
		}
		h.write(func(tx *store.Tx) error { // one user revokes the access
			n, err := tx.EndGrantedSessions(bob, gone.ID, auth.EndConsent)
			if n != 1 {
				t.Errorf("ended %d", n)
			}
			return err
		})
		if !h.session(mine[0].ID).EndedAt.IsZero() || h.session(mine[1].ID).EndedAt.IsZero() {
			t.Error("not bob's, or not only bob's")
		}
		for i, want := range []int64{1, 0} {
			h.write(func(tx *store.Tx) error {
				n, err := tx.EndClientSessions(gone.ID, 1, auth.EndClient)
				if n != want {
					t.Errorf("round %d: ended %d", i, n)
				}
				return err
			})
		}
		h.write(func(tx *store.Tx) error {
			if n, err := tx.EndClientSessions(auth.FirstParty, 10, auth.EndClient); n != 0 || err != nil {
				t.Errorf("browser sessions: %d, %v", n, err)
			}
			return nil
		})
		for _, v := range other {
			if !h.session(v.ID).EndedAt.IsZero() {
				t.Errorf("%s has ended", v.ID)
			}
		}
		if notices := h.logoutNotices(); len(notices) != 2 {
			t.Errorf("notices %v", notices)
		}
	})
}

// Client sessions are not counted among the sessions of an account.
func TestClientsDoNotCrowd(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		parent, cookie := h.start()
		web := h.client("web")
		h.write(func(tx *store.Tx) error {
			for i := range session.MaxSessions {
				if _, err := h.sessions.StartClient(tx, parent, session.ClientParams{ID: auth.SessionID(fmt.Sprintf("s%d", i)), Client: web}); err != nil {
					return err
				}
			}
			return nil
		})
		h.start()
		h.requireLive(cookie)
		h.write(func(tx *store.Tx) error {
			list, err := tx.Sessions(h.alice)
			if len(list) != 2 {
				t.Errorf("the owner sees %d", len(list))
			}
			return err
		})
	})
}

// A full outbox does not prevent the end of a session.
func TestFault_FL_12_EndsWithAFullOutbox(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		cfg := h.cfg
		cfg.OutboxLimit = 1
		parent, _ := h.start()
		one, two := h.requireClientSession(parent, session.ClientParams{Client: h.client("one")}), h.requireClientSession(parent, session.ClientParams{Client: h.client("two")})
		for i := range 3 {
			h.write(func(tx *store.Tx) error {
				return tx.Enqueue(auth.MailVerify, auth.Mail{To: fmt.Sprintf("%d@example.test", i)})
			})
		}
		if h.db.Close() != nil {
			t.Fatal("close")
		}
		db, err := store.Open(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { db.Close() })
		h.db = db
		if err := db.ReadSystem(t.Context(), func(tx *store.SystemTx) error { _, _, err := tx.OutboxBacklog(); return err }); err != nil {
			t.Fatal(err)
		}
		h.write(func(tx *store.Tx) error {
			if err := tx.Enqueue(auth.MailVerify, auth.Mail{To: "x@example.test"}); auth.KindOf(err) != auth.KindUnavailable {
				return errors.New("the outbox is not full")
			}
			return nil
		})
		h.write(func(tx *store.Tx) error { return tx.EndSession(h.alice, parent.ID, auth.EndLogout) })
		if h.session(one.ID).EndedAt.IsZero() || h.session(two.ID).EndedAt.IsZero() {
			t.Error("a session is still live")
		}
	})
}
