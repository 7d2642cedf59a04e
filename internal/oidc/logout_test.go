package oidc_test

import (
	"encoding/json"
	"errors"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/client"
	"github.com/watchword-auth/watchword/internal/client/clienttest"
	"github.com/watchword-auth/watchword/internal/keys"
	"github.com/watchword-auth/watchword/internal/oauth"
	"github.com/watchword-auth/watchword/internal/oidc"
	"github.com/watchword-auth/watchword/internal/session"
	"github.com/watchword-auth/watchword/internal/store"
	"github.com/watchword-auth/watchword/internal/store/storetest"
)

const goodbye = "https://app.example.test/bye"

// withLogoutURI registers a page to return to after logout.
func withLogoutURI(r *client.Registration) { r.PostLogoutURIs = []string{goodbye} }

// logout sends the browser to the endpoint and stores the cookies of the response.
func (v *browser) logout(pairs ...string) (oidc.LogoutStep, error) {
	v.h.t.Helper()
	return v.logoutByMethod(false, pairs...)
}

func (v *browser) logoutByMethod(posted bool, pairs ...string) (oidc.LogoutStep, error) {
	v.h.t.Helper()
	b := v.b
	if posted {
		b.Sessions = nil // as SameSite has it
	}
	step, err := v.h.Logout(v.h.t.Context(), oidc.LogoutInput{Tenant: tenant, Form: clienttest.Form(v.h.t, pairs...).Form, Posted: posted, Browser: b})
	v.keepCookies(step)
	return step, err
}

func (v *browser) keepCookies(step oidc.LogoutStep) {
	if step.NewBrowser != "" {
		v.b.Secret = step.NewBrowser.Reveal()
	}
	if step.Ended {
		stay := session.ParseCookie(step.Cookie)
		v.b.Sessions = slices.DeleteFunc(v.b.Sessions, func(s session.SignedIn) bool { return !slices.Contains(stay, s.Secret) })
	}
}

// signInClient starts a client session below the browser's current session, with a refresh token.
func (v *browser) signInClient(c auth.Client, scope auth.Scope) (auth.Session, auth.FamilyID) {
	v.h.t.Helper()
	var s auth.Session
	family := auth.FamilyID("family of " + c.ID)
	v.h.write(func(tx *store.Tx) (err error) {
		s, err = session.New(session.Config{Lifetimes: storetest.Lifetimes()}).StartClient(tx, v.b.Sessions[0].Session, session.ClientParams{Client: c, Scope: scope})
		if err != nil {
			return err
		}
		return tx.InsertFamily(auth.Family{ID: family, Account: s.Account, Client: c.ID, Session: s.ID, Scope: scope, Digest: string(family),
			CreatedAt: tx.Now, RotatedAt: tx.Now, IdleAt: s.ExpiresAt, ExpiresAt: s.ExpiresAt})
	})
	return s, family
}

func (h *fixture) sessionExists(id auth.SessionID) bool {
	h.t.Helper()
	var v auth.Session
	h.requireOK(h.db.Read(h.t.Context(), tenant, func(tx *store.Tx) (err error) {
		v, err = tx.Session(id)
		return err
	}))
	return v.EndedAt.IsZero()
}

func (h *fixture) familyEnded(id auth.FamilyID) bool {
	h.t.Helper()
	var f auth.Family
	h.requireOK(h.db.Read(h.t.Context(), tenant, func(tx *store.Tx) (err error) {
		f, err = tx.Family(id)
		return err
	}))
	return !f.RevokedAt.IsZero()
}

// requireLogoutRefused checks that the response is an error page.
func (h *fixture) requireLogoutRefused(name string, step oidc.LogoutStep, err error) {
	h.t.Helper()
	if p, ok := errors.AsType[*auth.DisplayError](err); !ok || step.Kind != "" || p.Desc == "" {
		h.t.Errorf("%s: %+v, %v", name, step, err)
	}
}

// EP-18, and the effect of a valid hint: an expired ID Token is sufficient, and only the state is
// returned.
func TestAttack_EP_18_ExpiredHint(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		c, _ := h.newWebClient(withLogoutURI)
		v := h.newBrowser()
		sid := v.signIn(h.alice)
		step, err := v.logout("id_token_hint", h.signIDToken(c, h.alice), "client_id", string(c.ID), "post_logout_redirect_uri", goodbye, "state", "a b&c")
		h.requireOK(err)
		if step.Kind != oidc.LogoutRedirect || step.Location != goodbye+"?state=a%20b%26c" || !step.Ended || step.Cookie != "" || h.sessionExists(sid) {
			t.Errorf("%+v", step)
		}
		if e := h.events(auth.EventLogout); len(e) != 1 || e[0].Account != h.alice || e[0].Detail["client"] != string(c.ID) {
			t.Errorf("audit: %+v", e)
		}
		// Without a session the redirect is the same.
		step, err = v.logout("id_token_hint", h.signIDToken(c, h.alice), "post_logout_redirect_uri", goodbye)
		h.requireOK(err)
		if step.Kind != oidc.LogoutRedirect || step.Location != goodbye || step.Ended {
			t.Errorf("again: %+v", step)
		}
		// Without a redirect URI there is a page.
		v.signIn(h.alice)
		if step, err = v.logout("id_token_hint", h.signIDToken(c, h.alice), "state", "x"); err != nil || step.Kind != oidc.LogoutDone || !step.Ended {
			t.Errorf("no redirect: %+v, %v", step, err)
		}
	})
}

// A repeated parameter may mean one thing to the server and another to an intermediary.
func TestLogoutParameterTwice(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		c, _ := h.newWebClient(withLogoutURI)
		v := h.newBrowser()
		sid := v.signIn(h.alice)
		f, err := oauth.ParseAuthorizeForm(url.Values{"id_token_hint": {h.signIDToken(c, h.alice)}, "state": {"a", "b"}}.Encode())
		h.requireOK(err)
		step, err := h.Logout(t.Context(), oidc.LogoutInput{Tenant: tenant, Form: f, Browser: v.b})
		h.requireLogoutRefused("state twice", step, err)
		if !h.sessionExists(sid) {
			t.Error("logged out")
		}
	})
}

func TestAttack_EP_15_PostLogoutRedirect(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		c, _ := h.newWebClient(withLogoutURI)
		other, _ := h.newWebClient(func(r *client.Registration) { r.PostLogoutURIs = []string{"https://other.example.test/"} })
		v := h.newBrowser()
		sid := v.signIn(h.alice)
		for _, uri := range []string{"https://evil.example/", goodbye + "/", goodbye + "?x=y", goodbye + "#x", "https://app.example.test/by", "HTTPS://app.example.test/bye",
			goodbye + "%00", "https://other.example.test/", "javascript:alert(1)", "//app.example.test/bye", callback} {
			step, err := v.logout("id_token_hint", h.signIDToken(c, h.alice), "post_logout_redirect_uri", uri)
			h.requireLogoutRefused(uri, step, err)
		}
		step, err := v.logout("id_token_hint", h.signIDToken(other, h.alice), "post_logout_redirect_uri", goodbye)
		h.requireLogoutRefused("another client's", step, err)
		if !h.sessionExists(sid) {
			t.Error("a refused request logged out")
		}
		// No client has registered a redirect without a client.
		step, err = v.logout("post_logout_redirect_uri", goodbye, "state", "s")
		h.requireOK(err)
		if step.Kind != oidc.LogoutConfirm {
			t.Fatalf("%+v", step)
		}
		step, err = v.confirmLogout(step)
		h.requireOK(err)
		if step.Kind != oidc.LogoutDone || !step.Ended || h.sessionExists(sid) {
			t.Errorf("%+v", step)
		}
	})
}

// confirmLogout submits the confirmation page.
func (v *browser) confirmLogout(step oidc.LogoutStep) (oidc.LogoutStep, error) {
	v.h.t.Helper()
	next, err := v.h.ConfirmLogout(v.h.t.Context(), oidc.LogoutAnswer{Tenant: tenant, Pending: step.Pending, CSRF: step.CSRF, Browser: v.b})
	v.keepCookies(next)
	return next, err
}

// EP-16: whatever another site makes a browser send, the session stays until the user has confirmed
// the logout.
func TestAttack_EP_16_WithoutAHint(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		c, _ := h.newWebClient(withLogoutURI)
		bob := h.newAccount("bob")
		v := h.newBrowser()
		sids := []auth.SessionID{v.signIn(h.alice), v.signIn(bob)}
		var step oidc.LogoutStep
		for _, pairs := range [][]string{nil, {"state", "x"}, {"client_id", string(c.ID)}, {"client_id", string(c.ID), "post_logout_redirect_uri", goodbye, "state", "x"}} {
			var err error
			if step, err = v.logout(pairs...); err != nil || step.Kind != oidc.LogoutConfirm || step.Location != "" || step.Ended || len(step.Accounts) != 2 {
				t.Fatalf("%q: %+v, %v", pairs, step, err)
			}
		}
		answer := oidc.LogoutAnswer{Tenant: tenant, Pending: step.Pending, CSRF: step.CSRF, Browser: v.b}
		for name, change := range map[string]func(*oidc.LogoutAnswer){
			"no csrf":            func(a *oidc.LogoutAnswer) { a.CSRF = "" },
			"changed csrf":       func(a *oidc.LogoutAnswer) { a.CSRF = clienttest.Flip(a.CSRF) },
			"changed request":    func(a *oidc.LogoutAnswer) { a.Pending = "x" + a.Pending },
			"no request":         func(a *oidc.LogoutAnswer) { a.Pending = "" },
			"of another browser": func(a *oidc.LogoutAnswer) { w := h.newBrowser(); w.signIn(h.alice); a.Browser = w.b },
			"of another tenant":  func(a *oidc.LogoutAnswer) { a.Tenant = "other" },
			"of a different order": func(a *oidc.LogoutAnswer) {
				a.Browser.Sessions = slices.Clone(a.Browser.Sessions)
				slices.Reverse(a.Browser.Sessions)
			},
		} {
			tried := answer
			change(&tried)
			if got, err := h.ConfirmLogout(t.Context(), tried); auth.KindOf(err) != auth.KindForbidden || got.Ended {
				t.Errorf("%s: %+v, %v", name, got, err)
			}
		}
		for _, sid := range sids {
			if !h.sessionExists(sid) {
				t.Fatal("logged out without a yes")
			}
		}
		step, err := v.confirmLogout(step)
		h.requireOK(err)
		if step.Kind != oidc.LogoutRedirect || step.Location != goodbye+"?state=x" || step.Cookie != "" || h.sessionExists(sids[0]) || h.sessionExists(sids[1]) {
			t.Errorf("%+v", step)
		}
		// A page that was open for hours logs out, without a redirect to a client.
		sid := v.signIn(h.alice)
		step, err = v.logout("client_id", string(c.ID), "post_logout_redirect_uri", goodbye)
		h.requireOK(err)
		h.clock.Advance(time.Hour)
		step, err = v.confirmLogout(step)
		h.requireOK(err)
		if step.Kind != oidc.LogoutDone || step.Location != "" || h.sessionExists(sid) {
			t.Errorf("an old page: %+v", step)
		}
	})
}

func TestAttack_EP_17_Hints(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		c, _ := h.newWebClient(withLogoutURI)
		other, _ := h.newWebClient(withLogoutURI)
		v := h.newBrowser()
		sid := v.signIn(h.alice)
		good := h.signIDToken(c, h.alice)
		say := func(alg, typ string, body clienttest.Claims) string {
			b, err := json.Marshal(body)
			h.requireOK(err)
			raw, err := h.keys.Sign(t.Context(), tenant, alg, typ, b)
			h.requireOK(err)
			return raw
		}
		body := clienttest.Claims{"iss": base, "sub": h.alice, "aud": c.ID}
		parts := strings.Split(good, ".")
		for name, raw := range map[string]string{
			"changed signature": clienttest.Flip(good), "cut": good[:20], "no JWT": "x", "too long": strings.Repeat("x", 20000),
			"alg none":       "eyJhbGciOiJub25lIn0." + parts[1] + ".",
			"another issuer": say(keys.RS256, "JWT", clienttest.WithClaim(body, "iss", base+"/t/other")),
			"access token":   say(keys.RS256, "at+jwt", body),
			"logout token":   say(keys.RS256, "logout+jwt", body),
		} {
			// Such a hint counts as none: the user is asked, and there is no redirect.
			step, err := v.logout("id_token_hint", raw, "post_logout_redirect_uri", goodbye)
			if err != nil || step.Kind != oidc.LogoutConfirm || step.Location != "" || step.Client.ID != "" {
				t.Errorf("%s: %+v, %v", name, step, err)
				continue
			}
			if !h.sessionExists(sid) {
				t.Errorf("%s: logged out without confirmation", name)
			}
		}
		step, err := v.logout("id_token_hint", say(keys.RS256, "JWT", clienttest.WithClaim(body, "aud", []string{})), "post_logout_redirect_uri", goodbye)
		h.requireLogoutRefused("no audience", step, err)
		step, err = v.logout("id_token_hint", good, "client_id", string(other.ID), "post_logout_redirect_uri", goodbye)
		h.requireLogoutRefused("aud is not client_id", step, err)
		step, err = v.logout("client_id", "nobody", "post_logout_redirect_uri", goodbye)
		h.requireLogoutRefused("unknown client", step, err)
		h.changeClient(other, func(c *auth.Client) { c.DisabledAt = h.clock.Now() })
		step, err = v.logout("id_token_hint", h.signIDToken(other, h.alice))
		h.requireLogoutRefused("disabled client", step, err)
		// A hint for another user: the user is asked.
		step, err = v.logout("id_token_hint", h.signIDToken(c, h.newAccount("bob")), "post_logout_redirect_uri", goodbye)
		if err != nil || step.Kind != oidc.LogoutConfirm || step.Location != "" {
			t.Errorf("of another user: %+v, %v", step, err)
		}
		if !h.sessionExists(sid) {
			t.Error("logged out")
		}
	})
}

// After a key rotation, ID Tokens of live sessions are still valid hints.
func TestRepair_S19_HintsOutliveTheirKey(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		c, _ := h.newWebClient(withLogoutURI)
		hint := h.signIDToken(c, h.alice)
		h.requireOK(h.keys.Rotate(t.Context(), tenant, keys.RS256, auth.System))
		h.clock.Advance(50 * time.Hour)
		h.requireOK(h.keys.Maintain(t.Context()))
		v := h.newBrowser()
		sid := v.signIn(h.alice)

		step, err := v.authorize(authorizationPairs(c, "prompt", "none", "id_token_hint", hint)...)
		if err != nil || step.Response == nil || step.Response.Get("error") == "invalid_request" {
			t.Errorf("prompt=none: %+v, %v", step, err)
		}
		out, err := v.logout("id_token_hint", hint, "post_logout_redirect_uri", goodbye)
		if err != nil || out.Kind != oidc.LogoutRedirect || h.sessionExists(sid) {
			t.Errorf("log-out: %+v, %v", out, err)
		}
	})
}

func TestRepair_S19_HintThatCannotBeCheckedLeadsToThePageThatAsks(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		c, _ := h.newWebClient(withLogoutURI)
		hint := h.signIDToken(c, h.alice)
		h.requireOK(h.keys.Rotate(t.Context(), tenant, keys.RS256, auth.System))
		h.clock.Advance(50 * time.Hour)
		h.requireOK(h.keys.Maintain(t.Context()))
		h.clock.Advance(40 * 24 * time.Hour)
		v := h.newBrowser()
		sid := v.signIn(h.alice)

		step, err := v.logout("id_token_hint", hint, "client_id", string(c.ID), "post_logout_redirect_uri", goodbye)

		if err != nil || step.Kind != oidc.LogoutConfirm || !h.sessionExists(sid) {
			t.Fatalf("%+v, %v", step, err)
		}
		step, err = h.ConfirmLogout(t.Context(), oidc.LogoutAnswer{Tenant: tenant, Pending: step.Pending, CSRF: step.CSRF, Browser: v.b})
		if err != nil || step.Kind != oidc.LogoutRedirect || h.sessionExists(sid) {
			t.Errorf("after the user's confirmation: %+v, %v", step, err)
		}
	})
}

// Of several accounts in a browser, only the one of the hint is logged out.
func TestLogoutOfOneAmongSeveral(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		c, _ := h.newWebClient(withLogoutURI)
		pairwise, _ := h.newWebClient(func(r *client.Registration) { r.SubjectType = "pairwise" })
		bob := h.newAccount("bob")
		v := h.newBrowser()
		alices := v.signIn(h.alice)
		bobs := v.signIn(bob)
		step, err := v.logout("id_token_hint", h.signIDToken(c, h.alice), "post_logout_redirect_uri", goodbye)
		h.requireOK(err)
		if step.Kind != oidc.LogoutRedirect || step.Cookie != v.b.Sessions[0].Secret || len(v.b.Sessions) != 1 || h.sessionExists(alices) || !h.sessionExists(bobs) {
			t.Errorf("%+v", step)
		}
		if step, err = v.logout("id_token_hint", h.signIDToken(pairwise, bob)); err != nil || step.Kind != oidc.LogoutDone || h.sessionExists(bobs) {
			t.Errorf("by a pairwise subject: %+v, %v", step, err)
		}
	})
}

// A form of another site comes without cookies, and must log out nevertheless.
func TestLogoutByPost(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		c, _ := h.newWebClient(withLogoutURI)
		v := h.newBrowser()
		sid := v.signIn(h.alice)
		step, err := v.logoutByMethod(true, "id_token_hint", h.signIDToken(c, h.alice), "post_logout_redirect_uri", goodbye, "state", "s")
		h.requireOK(err)
		u, err := url.Parse(step.Location)
		h.requireOK(err)
		if step.Kind != oidc.LogoutRedirect || !strings.HasPrefix(step.Location, base+oidc.LogoutPath+"?") || !h.sessionExists(sid) {
			t.Fatalf("%+v", step)
		}
		request := u.Query().Get("request")
		again, err := v.logout("request", clienttest.Flip(request))
		h.requireLogoutRefused("a changed one", again, err)
		if step, err = v.logout("request", request); err != nil || step.Location != goodbye+"?state=s" || h.sessionExists(sid) {
			t.Errorf("%+v, %v", step, err)
		}
	})
}

// RT-10: a logout ends the refresh tokens of all clients in the browser, except those with offline
// access.
func TestAttack_RT_10_Logout(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		scope := auth.Scope{"openid", "offline_access"}
		native := func(r *client.Registration) { r.Type, r.FirstParty = auth.ClientNative, true }
		grants := func(r *client.Registration) {
			r.Grants = []auth.GrantType{auth.GrantAuthorizationCode, auth.GrantRefreshToken}
		}
		trusted, _ := h.newWebClient(withLogoutURI, withFirstParty, grants)
		third, _ := h.newWebClient(grants)
		plain, _ := h.newWebClient(grants)
		device, _ := h.newWebClient(native, grants)
		v := h.newBrowser()
		v.signIn(h.alice)
		own, ownFamily := v.signInClient(trusted, scope)
		online, onlineFamily := v.signInClient(plain, auth.Scope{"openid"})
		away, awayFamily := v.signInClient(third, scope)
		phone, phoneFamily := v.signInClient(device, scope)
		w := h.newBrowser() // another browser
		w.signIn(h.alice)
		elsewhere, _ := h.newWebClient(grants)
		far, farFamily := w.signInClient(elsewhere, scope)
		if _, err := v.logout("id_token_hint", h.signIDToken(trusted, h.alice)); err != nil {
			t.Fatal(err)
		}
		for name, got := range map[string]bool{
			"first-party session": h.sessionExists(own.ID), "its refresh token": !h.familyEnded(ownFamily),
			"session without offline_access": h.sessionExists(online.ID), "its refresh token too": !h.familyEnded(onlineFamily),
		} {
			if got {
				t.Errorf("%s is live", name)
			}
		}
		for name, got := range map[string]bool{
			"third party with offline_access": h.sessionExists(away.ID) && !h.familyEnded(awayFamily), "app on a device": h.sessionExists(phone.ID) && !h.familyEnded(phoneFamily),
			"another browser": h.sessionExists(far.ID) && !h.familyEnded(farFamily) && h.sessionExists(w.b.Sessions[0].Session.ID),
		} {
			if !got {
				t.Errorf("%s has ended", name)
			}
		}
		// Sessions that are now without a browser session still end with all others.
		h.write(func(tx *store.Tx) error {
			list, err := tx.Sessions(h.alice)
			if err != nil || len(list) != 3 {
				t.Errorf("the owner sees %d sessions, %v", len(list), err)
			}
			_, err = tx.EndSessions(h.alice, "", auth.EndByOwner)
			return err
		})
		if h.sessionExists(away.ID) || !h.familyEnded(phoneFamily) || h.sessionExists(far.ID) {
			t.Error("a session without a browser session outlives the end of all")
		}
	})
}

func FuzzLogoutRequest(f *testing.F) {
	h := newFixture(f, storetest.SQLiteConfig(f))
	v := h.newBrowser()
	v.signIn(h.alice)
	step, err := v.logout("state", "x")
	h.requireOK(err)
	f.Add(step.Pending, step.CSRF+"x")
	f.Add("e30.x", "")
	f.Add(".", ".")
	f.Fuzz(func(t *testing.T, pending, csrf string) {
		if csrf == step.CSRF {
			return
		}
		if got, err := h.ConfirmLogout(t.Context(), oidc.LogoutAnswer{Tenant: tenant, Pending: pending, CSRF: csrf, Browser: v.b}); err == nil || got.Ended {
			t.Fatalf("%q: %+v", pending, got)
		}
		if form, err := oauth.ParseForm(url.Values{"request": {pending}, "id_token_hint": {csrf}}.Encode()); err == nil {
			got, err := h.Logout(t.Context(), oidc.LogoutInput{Tenant: tenant, Form: form, Browser: v.b})
			if err == nil && (got.Ended || got.Location != "") {
				t.Fatalf("%q: %+v", pending, got)
			}
		}
	})
}
