package oidc_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/client"
	"github.com/watchword-auth/watchword/internal/client/clienttest"
	"github.com/watchword-auth/watchword/internal/oauth"
	"github.com/watchword-auth/watchword/internal/oidc"
	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/store"
)

const verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk" // RFC 7636 appendix B

// newCode leads alice through the authorization endpoint of a first-party client, which needs no
// consent, and returns the code.
func (h *fixture) newCode(c auth.Client, changes ...string) string {
	h.t.Helper()
	v := h.newBrowser()
	v.signIn(h.alice)
	return h.newCodeIn(v, c, changes...)
}

func (h *fixture) newCodeIn(v *browser, c auth.Client, changes ...string) string {
	h.t.Helper()
	step, err := v.authorize(authorizationPairs(c, changes...)...)
	h.requireOK(err)
	code, _, _ := h.requireCode(step)
	return code
}

// redeemRequest is a valid redemption of the code, with changes in pairs: an empty value leaves the
// parameter out.
func (h *fixture) redeemRequest(c auth.Client, clientSecret, code string, changes ...string) client.Request {
	h.t.Helper()
	good := map[string]string{"grant_type": "authorization_code", "code": code, "redirect_uri": callback, "code_verifier": verifier}
	if clientSecret == "" {
		good["client_id"] = string(c.ID)
	}
	for i := 0; i < len(changes); i += 2 {
		good[changes[i]] = changes[i+1]
	}
	var pairs []string
	for name, value := range good {
		if value != "" {
			pairs = append(pairs, name, value)
		}
	}
	r := clienttest.Form(h.t, pairs...)
	if clientSecret != "" {
		r = clienttest.Basic(r, c.ID, clientSecret)
	}
	return r
}

func (h *fixture) redeemCode(c auth.Client, clientSecret, code string, changes ...string) (auth.Tokens, error) {
	h.t.Helper()
	out, err := h.Token(h.t.Context(), h.redeemRequest(c, clientSecret, code, changes...))
	if err != nil && (out.AccessToken != "" || out.RefreshToken != "" || out.IDToken != "") {
		h.t.Error("a refusal came with tokens")
	}
	return out.Tokens, err
}

// tokensActive reports whether the tokens are valid at all endpoints that accept them. All three must
// agree.
func (h *fixture) tokensActive(c auth.Client, clientSecret string, ts auth.Tokens) bool {
	h.t.Helper()
	seen, err := h.Introspect(h.t.Context(), clienttest.Basic(clienttest.Form(h.t, "token", ts.AccessToken), c.ID, clientSecret))
	h.requireOK(err)
	_, err = h.UserInfo(h.t.Context(), oidc.UserInfoInput{Tenant: tenant, Authorization: []string{"Bearer " + ts.AccessToken}, Method: "GET"})
	if (err == nil) != seen.Active {
		h.t.Errorf("introspection says %v, userinfo %v", seen.Active, err)
	}
	if ts.RefreshToken != "" {
		kept, err := h.Introspect(h.t.Context(), clienttest.Basic(clienttest.Form(h.t, "token", ts.RefreshToken), c.ID, clientSecret))
		h.requireOK(err)
		if kept.Active != seen.Active {
			h.t.Errorf("the access token is active: %v, the refresh token: %v", seen.Active, kept.Active)
		}
	}
	return seen.Active
}

func withOfflineAccess(r *client.Registration) {
	withFirstParty(r)
	r.Scopes = []string{"openid", "profile", "email", "offline_access"}
}

func TestRedeem(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		c, clientSecret := h.newWebClient(withOfflineAccess)
		code := h.newCode(c, "scope", "openid email offline_access", "nonce", "n-1")
		ts, err := h.redeemCode(c, clientSecret, code)
		h.requireOK(err)
		if ts.RefreshToken == "" || ts.IDToken == "" || ts.Scope.String() != "openid email offline_access" || ts.Type != "" {
			t.Errorf("%+v", ts)
		}
		if got := decodeAccessToken(t, ts.AccessToken); got.Subject != string(h.alice) || got.Session != string(ts.Session) || got.Audience != base {
			t.Errorf("the token says %+v", got)
		}
		if !h.tokensActive(c, clientSecret, ts) {
			t.Error("the tokens are not alive")
		}
		ev := h.events(auth.EventTokenIssued)
		if len(ev) != 1 || ev[0].Account != h.alice || ev[0].Detail["grant"] != "authorization_code" || ev[0].Detail["session"] != string(ts.Session) {
			t.Errorf("audit events %+v", ev)
		}
		next, err := h.refreshTokens(c, clientSecret, ts.RefreshToken)
		h.requireOK(err)
		if next.Session != ts.Session || next.IDToken == "" {
			t.Errorf("refreshed: %+v", next)
		}
	})
}

// A client signs in twice in one browser: there is one session, and all of its tokens are valid.
func TestRedeemUsesTheClientsSessionAgain(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		c, clientSecret := h.newWebClient(withOfflineAccess)
		other, otherShown := h.newWebClient(withOfflineAccess)
		v := h.newBrowser()
		v.signIn(h.alice)
		one, err := h.redeemCode(c, clientSecret, h.newCodeIn(v, c))
		h.requireOK(err)
		two, err := h.redeemCode(c, clientSecret, h.newCodeIn(v, c))
		h.requireOK(err)
		foreign, err := h.redeemCode(other, otherShown, h.newCodeIn(v, other))
		h.requireOK(err)
		if one.Session != two.Session || one.Session == foreign.Session {
			t.Errorf("sessions %s, %s and of another client %s", one.Session, two.Session, foreign.Session)
		}
		if !h.tokensActive(c, clientSecret, one) || !h.tokensActive(c, clientSecret, two) || !h.tokensActive(other, otherShown, foreign) {
			t.Error("a token died of another sign-in")
		}
	})
}

func TestAttack_TK_01_CodeTwice(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		c, clientSecret := h.newWebClient(withOfflineAccess)
		other, otherShown := h.newWebClient(withOfflineAccess)
		v := h.newBrowser()
		v.signIn(h.alice)
		bystander, err := h.redeemCode(other, otherShown, h.newCodeIn(v, other))
		h.requireOK(err)
		code := h.newCodeIn(v, c, "scope", "openid offline_access")
		ts, err := h.redeemCode(c, clientSecret, code)
		h.requireOK(err)
		for range 2 {
			_, err = h.redeemCode(c, clientSecret, code)
			h.requireRefused(err, oauth.InvalidGrant)
			if h.tokensActive(c, clientSecret, ts) {
				t.Error("the tokens of the first redemption are alive")
			}
		}
		_, err = h.refreshTokens(c, clientSecret, ts.RefreshToken)
		h.requireRefused(err, oauth.InvalidGrant)
		if !h.tokensActive(other, otherShown, bystander) {
			t.Error("another client's tokens in the same browser died as well")
		}
		if ev := h.events(auth.EventCodeReused); len(ev) != 1 || ev[0].Outcome != auth.Failure || ev[0].Account != h.alice {
			t.Errorf("audit events %+v", ev)
		}
		again, err := h.redeemCode(c, clientSecret, h.newCodeIn(v, c)) // the browser session stays live
		h.requireOK(err)
		if again.Session == ts.Session || !h.tokensActive(c, clientSecret, again) {
			t.Error("the next sign-in went into the session that had ended")
		}
	})
}

func TestAttack_TK_02_CodeInParallel(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		c, clientSecret := h.newWebClient(withOfflineAccess)
		code := h.newCode(c, "scope", "openid offline_access")
		r := h.redeemRequest(c, clientSecret, code)
		const n = 64
		var wg sync.WaitGroup
		var got [n]oidc.Issued
		var errs [n]error
		start := make(chan struct{})
		for i := range n {
			wg.Go(func() {
				<-start
				got[i], errs[i] = h.Token(t.Context(), r)
			})
		}
		close(start)
		wg.Wait()
		won := 0
		for i := range n {
			if errs[i] != nil {
				h.requireRefused(errs[i], oauth.InvalidGrant)
				continue
			}
			won++
			if h.tokensActive(c, clientSecret, got[i].Tokens) {
				t.Error("the code was replayed, and its tokens are alive")
			}
		}
		if won != 1 {
			t.Errorf("%d redemptions of one code", won)
		}
	})
}

// A wrong request consumes and ends nothing, neither before nor after the code is used.
func TestAttack_TK_03_08_39_WrongRedemptions(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		c, clientSecret := h.newWebClient(withOfflineAccess)
		thief, thiefShown := h.newWebClient(withOfflineAccess)
		page, _ := h.newClient(client.Registration{Name: "Page", Type: auth.ClientSPA, RedirectURIs: []string{callback}})
		type wrong struct {
			client       auth.Client
			clientSecret string
			changes      []string
		}
		wrongs := map[string]wrong{
			"TK-03 another client":           {thief, thiefShown, nil},
			"TK-03 a public client":          {page, "", nil},
			"TK-04 wrong redirect_uri":       {c, clientSecret, []string{"redirect_uri", callback + "/"}},
			"TK-04 no redirect_uri":          {c, clientSecret, []string{"redirect_uri", ""}},
			"TK-05 wrong verifier":           {c, clientSecret, []string{"code_verifier", strings.Repeat("a", 43)}},
			"TK-05 case of the verifier":     {c, clientSecret, []string{"code_verifier", strings.ToUpper(verifier)}},
			"TK-05 the challenge itself":     {c, clientSecret, []string{"code_verifier", challenge}},
			"TK-06 no verifier":              {c, clientSecret, []string{"code_verifier", ""}},
			"TK-08 verifier with a newline":  {c, clientSecret, []string{"code_verifier", verifier + "%0a"}},
			"TK-08 verifier with characters": {c, clientSecret, []string{"code_verifier", verifier + "!"}},
		}
		try := func(code string) {
			t.Helper()
			for name, w := range wrongs {
				if _, err := h.redeemCode(w.client, w.clientSecret, code, w.changes...); err == nil {
					t.Errorf("%s: redeemed", name)
				} else {
					h.requireRefused(err, oauth.InvalidGrant)
				}
			}
		}
		code := h.newCode(c, "scope", "openid offline_access")
		try(code)
		ts, err := h.redeemCode(c, clientSecret, code)
		h.requireOK(err)
		try(code) // TK-39
		if !h.tokensActive(c, clientSecret, ts) {
			t.Error("TK-39: a bad replay ended the tokens of the good redemption")
		}
		if n := len(h.events(auth.EventCodeReused)); n != 0 {
			t.Errorf("%d audit events of reuse", n)
		}
	})
}

func TestAttack_TK_07_VerifierWithoutChallenge(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		c, clientSecret := h.newWebClient(withOfflineAccess, func(r *client.Registration) { r.PKCEOptional = true })
		code := h.newCode(c, "code_challenge", "", "code_challenge_method", "", "nonce", "n")
		_, err := h.redeemCode(c, clientSecret, code)
		h.requireRefused(err, oauth.InvalidGrant)
		ts, err := h.redeemCode(c, clientSecret, code, "code_verifier", "")
		h.requireOK(err)
		if !h.tokensActive(c, clientSecret, ts) {
			t.Error("not alive")
		}
	})
}

// TK-08: verifiers with a matching hash and an invalid form.
func TestAttack_TK_08_VerifierOfABadForm(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		c, clientSecret := h.newWebClient(withOfflineAccess)
		for name, tt := range map[string]struct {
			verifier string
			good     bool
		}{
			"42 characters":  {strings.Repeat("v", 42), false},
			"43 characters":  {strings.Repeat("v", 43), true},
			"128 characters": {strings.Repeat("v", 128), true},
			"129 characters": {strings.Repeat("v", 129), false},
			"a plus":         {strings.Repeat("v", 43) + "+", false},
			"a space":        {strings.Repeat("v", 43) + " ", false},
			"not ASCII":      {strings.Repeat("v", 43) + "é", false},
			"all marks":      {strings.Repeat("v", 39) + "-._~", true},
		} {
			code := h.newCode(c, "code_challenge", secret.Digest(tt.verifier))
			_, err := h.redeemCode(c, clientSecret, code, "code_verifier", tt.verifier)
			if tt.good && err != nil || !tt.good && err == nil {
				t.Errorf("%s: %v", name, err)
			}
			if !tt.good {
				h.requireRefused(err, oauth.InvalidGrant)
			}
		}
	})
}

func TestAttack_TK_09_OldCode(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		c, clientSecret := h.newWebClient(withOfflineAccess)
		code, late := h.newCode(c), h.newCode(c)
		h.clock.Advance(time.Minute - time.Millisecond)
		_, err := h.redeemCode(c, clientSecret, code)
		h.requireOK(err)
		h.clock.Advance(time.Millisecond)
		_, err = h.redeemCode(c, clientSecret, late)
		h.requireRefused(err, oauth.InvalidGrant)
	})
}

func TestAttack_TK_10_AlteredCodesAndTokens(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		c, clientSecret := h.newWebClient(withOfflineAccess)
		code := h.newCode(c, "scope", "openid offline_access")
		altered := func(s string) (out []string) {
			for n := 1; n <= 10; n++ {
				out = append(out, s[:len(s)-n])
			}
			body := strings.Map(func(r rune) rune {
				if r >= 'a' && r <= 'z' {
					return r - 'a' + 'A'
				}
				return r
			}, s[4:])
			return append(out, s+"A", s+"=", s+"==", s[:4]+body, strings.ToUpper(s[:4])+s[4:], s[:10]+" "+s[10:], "")
		}
		for _, bad := range altered(code)[:16] {
			_, err := h.redeemCode(c, clientSecret, bad)
			h.requireRefused(err, oauth.InvalidGrant)
		}
		_, err := h.redeemCode(c, clientSecret, "")
		h.requireRefused(err, oauth.InvalidRequest)
		ts, err := h.redeemCode(c, clientSecret, code)
		h.requireOK(err)
		for _, bad := range altered(ts.RefreshToken)[:16] {
			_, err := h.refreshTokens(c, clientSecret, bad)
			h.requireRefused(err, oauth.InvalidGrant)
		}
		sealed, sealedShown := h.newWebClient(withOfflineAccess, func(r *client.Registration) { r.TokenFormat = "opaque" })
		opaque, err := h.redeemCode(sealed, sealedShown, h.newCode(sealed))
		h.requireOK(err)
		for _, good := range []string{ts.AccessToken, opaque.AccessToken} {
			for _, bad := range altered(good) {
				_, err := h.UserInfo(t.Context(), oidc.UserInfoInput{Tenant: tenant, Authorization: []string{"Bearer " + bad}, Method: "GET"})
				if err == nil {
					t.Errorf("an altered access token was accepted: %.12s…", bad)
				}
			}
		}
	})
}

func TestAttack_TK_37_ShutBetweenCodeAndRedemption(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		c, clientSecret := h.newWebClient(withOfflineAccess)
		for name, change := range map[string]func(tx *store.Tx, a *auth.Account) error{
			"account disabled": func(tx *store.Tx, a *auth.Account) error { a.DisabledAt = tx.Now; return tx.UpdateAccount(*a) },
			"address not proved": func(tx *store.Tx, a *auth.Account) error {
				a.EmailVerifiedAt = time.Time{}
				return tx.UpdateAccount(*a)
			},
			"signed out": func(tx *store.Tx, a *auth.Account) error {
				_, err := tx.EndSessions(a.ID, "", auth.EndLogout)
				return err
			},
			"account deleted": func(tx *store.Tx, a *auth.Account) error { return tx.DeleteAccount(a.ID) },
		} {
			v := h.newBrowser()
			account := h.newAccount(strings.ReplaceAll(name, " ", "."))
			v.signIn(account)
			code := h.newCodeIn(v, c, "scope", "openid offline_access")
			h.write(func(tx *store.Tx) error {
				a, err := tx.Account(account)
				if err != nil {
					return err
				}
				return change(tx, &a)
			})
			if _, err := h.redeemCode(c, clientSecret, code); err == nil {
				t.Errorf("%s: redeemed", name)
			} else {
				h.requireRefused(err, oauth.InvalidGrant)
			}
		}
	})
}

// RT-14: offline access of first-party and third-party clients.
func TestAttack_RT_14_OfflineAccess(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		c, clientSecret := h.newWebClient(withFirstParty, func(r *client.Registration) { r.Scopes = []string{"openid"} })
		ts, err := h.redeemCode(c, clientSecret, h.newCode(c, "scope", "openid offline_access"))
		h.requireOK(err)
		if ts.RefreshToken != "" || ts.Scope.String() != "openid" {
			t.Errorf("a client without offline_access got %q and a refresh token: %v", ts.Scope, ts.RefreshToken != "")
		}
		once, onceShown := h.newWebClient(withOfflineAccess, func(r *client.Registration) { r.Grants = []auth.GrantType{auth.GrantAuthorizationCode} })
		ts, err = h.redeemCode(once, onceShown, h.newCode(once, "scope", "openid offline_access"))
		h.requireOK(err)
		if ts.RefreshToken != "" || ts.Scope.Has("offline_access") {
			t.Errorf("a client that may not refresh got %q and a refresh token: %v", ts.Scope, ts.RefreshToken != "")
		}
	})
}

// RT-10: a logout ends every session without offline access.
func TestAttack_RT_10_LogoutEndsWhatIsNotOffline(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		own, ownSecret := h.newWebClient(withOfflineAccess)
		stranger, strangerShown := h.newWebClient()
		v := h.newBrowser()
		sid := v.signIn(h.alice)
		mine, err := h.redeemCode(own, ownSecret, h.newCodeIn(v, own, "scope", "openid offline_access"))
		h.requireOK(err)
		step, err := v.authorize(authorizationPairs(stranger, "scope", "openid offline_access", "prompt", "consent")...)
		h.requireOK(err)
		code, _, _ := h.requireCode(v.consent(step, true))
		theirs, err := h.redeemCode(stranger, strangerShown, code)
		h.requireOK(err)
		if mine.RefreshToken == "" || theirs.RefreshToken == "" {
			t.Fatal("no refresh tokens")
		}
		h.write(func(tx *store.Tx) error { return tx.EndSession(h.alice, sid, auth.EndLogout) })
		if h.tokensActive(own, ownSecret, mine) {
			t.Error("our own client's tokens outlive the log-out")
		}
		_, err = h.refreshTokens(own, ownSecret, mine.RefreshToken)
		h.requireRefused(err, oauth.InvalidGrant)
		if !h.tokensActive(stranger, strangerShown, theirs) {
			t.Error("offline access ended with the log-out")
		}
		_, err = h.refreshTokens(stranger, strangerShown, theirs.RefreshToken)
		h.requireOK(err)
	})
}

// The resources of a grant can be narrowed for a token, and never widened (RFC 8707 §2.2).
func TestRedeemForResources(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		const one, two, three = "https://one.test", "https://two.test", "https://three.test"
		c, clientSecret := h.newWebClient(withOfflineAccess, func(r *client.Registration) { r.Audiences = []string{one, two, three} })
		v := h.newBrowser()
		v.signIn(h.alice)
		step, err := v.authorize(append(authorizationPairs(c, "scope", "openid offline_access"), "resource", one, "resource", two)...)
		h.requireOK(err)
		code, _, _ := h.requireCode(step)
		for _, bad := range []string{three, base, "one.test"} {
			_, err = h.redeemCode(c, clientSecret, code, "resource", bad)
			h.requireRefused(err, oauth.InvalidTarget)
		}
		ts, err := h.redeemCode(c, clientSecret, code, "resource", one)
		h.requireOK(err)
		if got := decodeAccessToken(t, ts.AccessToken).Audience; got != one {
			t.Errorf("audience %v", got)
		}
		_, err = h.refreshTokens(c, clientSecret, ts.RefreshToken, "resource", three)
		h.requireRefused(err, oauth.InvalidTarget)
		wide, err := h.refreshTokens(c, clientSecret, ts.RefreshToken)
		h.requireOK(err)
		if got, ok := decodeAccessToken(t, wide.AccessToken).Audience.([]any); !ok || len(got) != 2 {
			t.Errorf("audience after a refresh %v", got)
		}
		narrow, err := h.refreshTokens(c, clientSecret, wide.RefreshToken, "resource", two)
		h.requireOK(err)
		if got := decodeAccessToken(t, narrow.AccessToken).Audience; got != two {
			t.Errorf("audience %v", got)
		}
	})
}

func FuzzVerifier(f *testing.F) {
	f.Add(verifier)
	f.Add(strings.Repeat("v", 129))
	f.Add("é")
	f.Fuzz(func(t *testing.T, s string) {
		if !oidc.ValidVerifier(s) {
			return
		}
		if len(s) < 43 || len(s) > 128 {
			t.Errorf("%d characters", len(s))
		}
		for i := range len(s) {
			if c := s[i]; !strings.ContainsRune("-._~", rune(c)) && (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') {
				t.Errorf("%q has %q", s, c)
			}
		}
	})
}
