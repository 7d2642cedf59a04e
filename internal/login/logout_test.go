package login_test

import (
	"testing"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/login"
	"github.com/watchword-auth/watchword/internal/token"
)

func (h *fixture) signIn(email string, cookie bool, former auth.SessionID) login.Result {
	h.t.Helper()
	actor := browserActor
	actor.Session = former
	res, err := h.Password(h.t.Context(), tenant, login.Request{Email: email, Password: good, Cookie: cookie, Actor: actor})
	h.requireOK(err)
	return res
}

func (h *fixture) canRefresh(res login.Result) bool {
	h.t.Helper()
	_, err := h.tokens.Refresh(h.t.Context(), token.RefreshRequest{Tenant: tenant, Client: auth.FirstParty, Token: res.Tokens.RefreshToken, Actor: browserActor})
	if err != nil && auth.KindOf(err) != auth.KindUnauthenticated {
		h.t.Fatal(err)
	}
	return err == nil
}

func (h *fixture) tokenVerifies(res login.Result) bool {
	h.t.Helper()
	_, err := h.tokens.Verify(h.t.Context(), tenant, res.Tokens.AccessToken)
	if err != nil && auth.KindOf(err) != auth.KindUnauthenticated {
		h.t.Fatal(err)
	}
	return err == nil
}

func TestLogout(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		a := h.insertAccount("alice@example.test", good)
		h.insertAccount("bob@example.test", good)
		one, two, three := h.signIn("alice@example.test", false, ""), h.signIn("alice@example.test", false, ""), h.signIn("alice@example.test", false, "")
		bobs := h.signIn("bob@example.test", false, "")
		actor := auth.Actor{Kind: auth.ActorAccount, ID: string(a.ID), Session: one.Session.ID, IP: browserActor.IP}
		for _, refresh := range []string{two.Tokens.RefreshToken, bobs.Tokens.RefreshToken} {
			h.requireOK(h.Logout(t.Context(), login.LogoutRequest{Tenant: tenant, RefreshToken: refresh, Actor: actor}))
		}
		actor.Session = bobs.Session.ID
		h.requireOK(h.Logout(t.Context(), login.LogoutRequest{Tenant: tenant, RefreshToken: "garbage", Actor: actor}))
		for i, res := range []login.Result{one, two} {
			if h.tokenVerifies(res) || h.canRefresh(res) {
				t.Errorf("session %d survived", i)
			}
		}
		for i, res := range []login.Result{three, bobs} {
			if !h.tokenVerifies(res) || !h.canRefresh(res) {
				t.Errorf("session %d of another account or browser ended", i)
			}
		}
		if list := h.events(auth.EventLogout); len(list) != 1 || list[0].Account != a.ID {
			t.Errorf("audit %+v", list)
		}
	})
}

// A log-out with the cookie ends every account that is signed in in the browser, and records each.
func TestLogoutOfBrowser(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		h.insertAccount("alice@example.test", good)
		h.insertAccount("bob@example.test", good)
		alices, bobs := h.signIn("alice@example.test", true, ""), h.signIn("bob@example.test", true, "")
		elsewhere := h.signIn("alice@example.test", true, "")

		r := login.LogoutRequest{Tenant: tenant, Cookie: alices.Cookie.Reveal() + "." + bobs.Cookie.Reveal(), Actor: browserActor.AsSession(alices.Session)}
		h.requireOK(h.Logout(t.Context(), r))
		h.requireOK(h.Logout(t.Context(), r))

		for i, res := range []login.Result{alices, bobs, elsewhere} {
			_, _, err := h.sessions.Find(t.Context(), tenant, res.Cookie.Reveal())
			if live := err == nil; live != (i == 2) {
				t.Errorf("session %d: live %v, %v", i, live, err)
			}
		}
		if list := h.events(auth.EventLogout); len(list) != 2 {
			t.Errorf("audit %+v", list)
		}
	})
}

// SE-01, SE-02: a new sign-in ends the former session of the browser.
func TestAttack_SE_01_FormerSessionEnds(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		h.insertAccount("alice@example.test", good)
		h.insertAccount("eve@example.test", good)
		eves := h.signIn("eve@example.test", true, "")
		alices := h.signIn("alice@example.test", true, eves.Session.ID)
		if eves.Session.ID == alices.Session.ID || eves.Cookie == alices.Cookie {
			t.Error("the session was carried over")
		}
		if _, _, err := h.sessions.Find(t.Context(), tenant, eves.Cookie.Reveal()); auth.KindOf(err) != auth.KindUnauthenticated {
			t.Errorf("the former cookie still works: %v", err)
		}
		if _, a, err := h.sessions.Find(t.Context(), tenant, alices.Cookie.Reveal()); err != nil || a.Email.Login != "alice@example.test" {
			t.Errorf("%+v, %v", a, err)
		}
		// A failed attempt ends nothing.
		actor := browserActor
		actor.Session = alices.Session.ID
		_, err := h.Password(t.Context(), tenant, login.Request{Email: "eve@example.test", Password: another, Cookie: true, Actor: actor})
		h.requireRefused(err, "invalid_credentials")
		if _, _, err := h.sessions.Find(t.Context(), tenant, alices.Cookie.Reveal()); err != nil {
			t.Error(err)
		}
	})
}
