package oidc_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/client"
	"github.com/watchword-auth/watchword/internal/client/clienttest"
	"github.com/watchword-auth/watchword/internal/limit"
	"github.com/watchword-auth/watchword/internal/oauth"
	"github.com/watchword-auth/watchword/internal/oidc"
	"github.com/watchword-auth/watchword/internal/store"
)

// AZ-40, AZ-46: a claim that is requested by name needs consent like its scope, and a client that may
// not have that scope does not get the claim.
func TestAttack_AZ_46_ClaimsByName(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		const named = `{"userinfo":{"email":null,"name":null},"id_token":{"email":null,"name":{"essential":true}}}`
		c, clientSecret := h.newWebClient() // may have email, and not profile
		v := h.newBrowser()
		v.signIn(h.alice)
		step, err := v.authorize(authorizationPairs(c)...)
		h.requireOK(err)
		h.requireCode(v.consent(step, true)) // openid alone
		step, err = v.authorize(authorizationPairs(c, "claims", named, "prompt", "none")...)
		h.requireErrorRedirect(step, err, "consent_required")
		step, err = v.authorize(authorizationPairs(c, "claims", named)...)
		h.requireOK(err)
		h.requireStep(step, auth.StepConsent)
		if !slices.Equal(step.Consent.Scope, []string{"openid", "email"}) || !slices.Equal(step.Consent.New, []string{"email"}) {
			t.Errorf("the consent page shows %v, new %v", step.Consent.Scope, step.Consent.New)
		}
		code, _, _ := h.requireCode(v.consent(step, true))
		ts, err := h.redeemCode(c, clientSecret, code)
		h.requireOK(err)
		want := clienttest.Claims{"sub": string(h.alice), "email": "alice@example.test"}
		if d := cmp.Diff(want, h.userInfo(ts.AccessToken)); d != "" {
			t.Errorf("userinfo (-want +got):\n%s", d)
		}
		if _, id := h.decodeIDToken(ts.IDToken); id["email"] != "alice@example.test" || id["name"] != nil {
			t.Errorf("ID Token %v", id)
		}
		step, err = v.authorize(authorizationPairs(c, "claims", named, "prompt", "none")...)
		h.requireOK(err)
		h.requireCode(step)
		narrow, _ := h.newWebClient(func(r *client.Registration) { r.Scopes = []string{"openid"} })
		step, err = v.authorize(authorizationPairs(narrow, "claims", named)...)
		h.requireOK(err)
		h.requireStep(step, auth.StepConsent)
		if _, g, _ := h.requireCode(v.consent(step, true)); len(g.Claims.UserInfo)+len(g.Claims.IDToken) != 0 {
			t.Errorf("beyond its scopes it may request %+v", g.Claims)
		}
	})
}

// AZ-01: a redirect URI that is removed while the user is on the pages gets neither a code nor an
// error.
func TestAttack_AZ_01_TakenOut(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		c, _ := h.newWebClient()
		v := h.newBrowser()
		v.signIn(h.alice)
		step, err := v.authorize(authorizationPairs(c)...)
		h.requireOK(err)
		h.requireStep(step, auth.StepConsent)
		h.changeClient(c, func(c *auth.Client) { c.RedirectURIs = []string{"https://other.example.test/cb"} })
		for _, allow := range []bool{true, false} {
			next, err := h.Consent(t.Context(), newFormRef(step.Flow.ID, v.b, step.CSRF), allow)
			h.requireErrorPage(next, err)
		}
		next, err := h.flows.Continue(t.Context(), tenant, step.Flow.ID, v.b)
		h.requireErrorPage(next, err)
		if h.countCodes() != 0 {
			t.Error("there is a code")
		}
	})
}

// A client session that was unused for too long is replaced by a new one; the user can still sign in
// to the client while the browser session lasts.
func TestIdleSessionOfClient(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		c, clientSecret := h.newWebClient(withFirstParty)
		v := h.newBrowser()
		parent := v.signIn(h.alice)
		first, err := h.redeemCode(c, clientSecret, h.newCodeIn(v, c))
		h.requireOK(err)
		h.write(func(tx *store.Tx) error { return tx.TouchSession(first.Session, tx.Now.Add(time.Minute)) })
		h.clock.Advance(2 * time.Minute)
		second, err := h.redeemCode(c, clientSecret, h.newCodeIn(v, c))
		h.requireOK(err)
		if second.Session == first.Session || second.Session == parent {
			t.Errorf("session %s after %s", second.Session, first.Session)
		}
	})
}

// BF-11: a known client_id of a public client cannot be used to fill the database; an authenticated
// client is not limited.
func TestAttack_BF_11_PublicClients(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		tv := h.newDeviceClient(func(r *client.Registration) { r.Grants = append(r.Grants, auth.GrantAuthorizationCode) })
		from := func(ip string, pairs ...string) client.Request {
			r := clienttest.Form(t, append([]string{"client_id", string(tv.ID)}, pairs...)...)
			r.Actor.IP = ip
			return r
		}
		pushed := authorizationPairs(tv, "client_id", "", "redirect_uri", "http://127.0.0.1/callback")
		_, err := h.AuthorizeDevice(t.Context(), from("2001:db8::1"))
		h.requireOK(err)
		_, err = h.Push(t.Context(), from("2001:db8::2", pushed...))
		h.requireOK(err)
		for _, ip := range []string{"2001:db8::1", "2001:db8::3"} { // one network
			if _, err = h.AuthorizeDevice(t.Context(), from(ip)); auth.KindOf(err) != auth.KindThrottled {
				t.Errorf("a third code of a device: %v", err)
			}
			if _, err = h.Push(t.Context(), from(ip, pushed...)); auth.KindOf(err) != auth.KindThrottled {
				t.Errorf("a third pushed request: %v", err)
			}
		}
		_, err = h.AuthorizeDevice(t.Context(), from("192.0.2.9"))
		h.requireOK(err)
		c, clientSecret := h.newWebClient()
		for range 4 {
			_, err := h.pushRequest(c, clientSecret, authorizationPairs(c)...)
			h.requireOK(err)
		}
	}, func(c *settings) { c.client.Rates["public_client.ip"] = limit.Rate{Count: 2, Per: time.Hour} })
}

// TK-32: claims that one client has requested are not returned to another one that uses its token.
func TestAttack_TK_32_ClaimsOfAnother(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		c, clientSecret := h.newWebClient(withOfflineAccess)
		other, otherShown := h.newClient(client.Registration{Name: "Other", Type: auth.ClientWeb, FirstParty: true, RedirectURIs: []string{callback}, Scopes: []string{"openid"},
			ClientSettings: auth.ClientSettings{Grants: []auth.GrantType{auth.GrantAuthorizationCode, auth.GrantTokenExchange},
				Exchange: &auth.ClientExchangePolicy{Subjects: []auth.ClientID{c.ID}, Audiences: []string{base}}}})
		ts, err := h.redeemCode(c, clientSecret, h.newCode(c, "claims", `{"userinfo":{"email":null}}`))
		h.requireOK(err)
		if got := h.userInfo(ts.AccessToken); got["email"] == nil {
			t.Fatalf("the requesting client gets %v", got)
		}
		out, err := h.Token(t.Context(), clienttest.Basic(clienttest.Form(t, "grant_type", string(auth.GrantTokenExchange), "subject_token", ts.AccessToken,
			"subject_token_type", accessToken, "resource", base), other.ID, otherShown))
		h.requireOK(err)
		if d := cmp.Diff(clienttest.Claims{"sub": string(h.alice)}, h.userInfo(out.AccessToken)); d != "" {
			t.Errorf("(-want +got):\n%s", d)
		}
	})
}

// AZ-40: what an operator removes from a client is in no token any more, neither by an issued code nor
// by a refresh token.
func TestAttack_AZ_40_TakenFromTheClient(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		c, clientSecret := h.newWebClient(withFirstParty)
		all := c.Scopes
		scopes := func(list ...string) { h.changeClient(c, func(c *auth.Client) { c.Scopes = list }) }
		code := h.newCode(c, "scope", "openid email files offline_access")
		scopes("openid", "email", "offline_access")
		ts, err := h.redeemCode(c, clientSecret, code)
		h.requireOK(err)
		if got := ts.Scope.String(); got != "openid email offline_access" {
			t.Errorf("the code gives %q", got)
		}
		refresh := func(raw string) (oidc.Issued, error) {
			return h.Token(t.Context(), clienttest.Basic(clienttest.Form(t, "grant_type", "refresh_token", "refresh_token", raw), c.ID, clientSecret))
		}
		scopes("openid", "offline_access")
		next, err := refresh(ts.RefreshToken)
		h.requireOK(err)
		if got := next.Scope.String(); got != "openid offline_access" {
			t.Errorf("the refresh token gives %q", got)
		}
		scopes("openid", "email")
		_, err = refresh(next.RefreshToken)
		h.requireRefused(err, oauth.InvalidGrant)
		if seen, err := h.Introspect(t.Context(), clienttest.Basic(clienttest.Form(t, "token", next.RefreshToken), c.ID, clientSecret)); err != nil || seen.Active {
			t.Errorf("introspected %+v, %v", seen, err)
		}
		scopes(all...) // nothing was consumed by that
		next, err = refresh(next.RefreshToken)
		h.requireOK(err)
		if got := next.Scope.String(); got != "openid email offline_access" {
			t.Errorf("given back: %q", got)
		}
	})
}

// TK-29: sessions of a disabled client stay ended when it is enabled again, even if disabling it was
// interrupted.
func TestAttack_TK_29_OpenedAgain(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		c, _ := h.newWebClient(withFirstParty)
		before := h.signIn(c.ID, auth.Scope{"openid", "offline_access"})
		_, err := h.clients.Enable(t.Context(), tenant, c.ID, operator) // it is open
		h.requireOK(err)
		live := func(id auth.SessionID) (alive bool) {
			h.write(func(tx *store.Tx) error {
				v, err := tx.Session(id)
				alive = v.Live(tx.Now)
				return err
			})
			return alive
		}
		if !live(before.Session) {
			t.Error("opening an open client has ended a session")
		}
		h.changeClient(c, func(c *auth.Client) { c.DisabledAt = h.clock.Now() }) // and no further
		_, err = h.clients.Enable(t.Context(), tenant, c.ID, operator)
		h.requireOK(err)
		if live(before.Session) {
			t.Error("a former session is live")
		}
	})
}
