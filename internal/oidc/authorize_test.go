package oidc_test

import (
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/client"
	"github.com/watchword-auth/watchword/internal/client/clienttest"
	"github.com/watchword-auth/watchword/internal/keys"
	"github.com/watchword-auth/watchword/internal/oauth"
	"github.com/watchword-auth/watchword/internal/oidc"
	"github.com/watchword-auth/watchword/internal/store"
)

// A new user signs in and consents, and the client gets a code.
func TestAuthorize(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		c, _ := h.newWebClient(func(r *client.Registration) { r.Audiences = []string{"https://api.test"} })
		v := h.newBrowser()
		step, err := v.authorize(authorizationPairs(c, "scope", "openid unknown email", "nonce", "n", "resource", "https://api.test", "login_hint", "alice@example.test",
			"ui_locales", "de en", "max_age", "3600", "display", "page", "unknown", "x")...)
		h.requireOK(err)
		if step.NewBrowser == "" || step.Flow.Request.LoginHint != "alice@example.test" || !slices.Equal(step.Flow.Request.Locales, []string{"de", "en"}) {
			t.Errorf("login page of %+v", step)
		}
		h.clock.Advance(time.Minute)
		step = v.login(step, h.alice)
		view := step.Consent
		if view == nil || view.Account.ID != h.alice || view.Client.Name != "App" || view.Host != "app.example.test" || view.Offline ||
			!slices.Equal(view.Scope, []string{"openid", "email"}) || !slices.Equal(view.Resources, []string{"https://api.test"}) {
			t.Errorf("the consent page shows %+v", view)
		}
		step = v.consent(step, true)
		_, g, kept := h.requireCode(step)
		want := auth.CodeGrant{RedirectURI: callback, Challenge: challenge, Nonce: "n", Scope: auth.Scope{"openid", "email"}, Resources: []string{"https://api.test"},
			Browser: v.b.Sessions[0].Session.ID, Session: g.Session, AuthAt: h.clock.Now(), ACR: "1", AMR: []string{"pwd"}}
		if d := cmp.Diff(want, g); d != "" || g.Session == "" || g.Session == g.Browser {
			t.Errorf("the code grants (-want +got):\n%s", d)
		}
		if kept.Account != h.alice || kept.Client != c.ID || !kept.ExpiresAt.Equal(h.clock.Now().Add(time.Minute)) || strings.Contains(kept.Digest, "wwc_") {
			t.Errorf("kept %+v", kept)
		}
		if step.Response.Get("state") != "s t&=é" || !strings.HasPrefix(step.Response.Location(), callback+"?code=wwc_") {
			t.Errorf("response %s", step.Response.Location())
		}
		given, issued := h.events(auth.EventConsentGiven), h.events(auth.EventCodeIssued) // OP-05
		if len(given) != 1 || len(issued) != 1 || issued[0].Account != h.alice || issued[0].Actor.IP != "192.0.2.7" || issued[0].Detail["client"] != string(c.ID) {
			t.Errorf("audit events %+v, %+v", given, issued)
		}
		// With a session and a consent the response comes at once, without a page or a stored flow.
		step, err = v.authorize(authorizationPairs(c)...)
		h.requireOK(err)
		if _, again, _ := h.requireCode(step); again.Browser != g.Browser || step.Flow.ID != "" {
			t.Errorf("again: %+v", again)
		}
		// Without a state in the request there is none in the response.
		step, err = v.authorize(authorizationPairs(c, "state", "")...)
		h.requireOK(err)
		if strings.Contains(step.Response.Location(), "state=") {
			t.Error("a state that nobody sent")
		}
	})
}

// AZ-01 to AZ-08, AZ-43, AZ-45: the client or the redirect URI is not certain.
func TestAttack_AZ_01_08_Pages(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		c, _ := h.newWebClient(withFirstParty)
		disabled, _ := h.newWebClient(withFirstParty)
		_, err := h.clients.Disable(t.Context(), tenant, disabled.ID, operator)
		h.requireOK(err)
		h.requireOK(h.db.WriteSystem(t.Context(), func(tx *store.SystemTx) error {
			return tx.InsertTenant(auth.Tenant{ID: "acme", Name: "Acme", CreatedAt: tx.Now})
		}))
		there, _, err := h.clients.Create(t.Context(), "acme", client.Registration{Name: "There", Type: auth.ClientWeb, RedirectURIs: []string{callback}}, operator)
		h.requireOK(err)
		v := h.newBrowser()
		v.signIn(h.alice)
		for name, pairs := range map[string][]string{
			"AZ-01 longer path":            authorizationPairs(c, "redirect_uri", callback+"/x"),
			"AZ-02 a query more":           authorizationPairs(c, "redirect_uri", callback+"?a=b"),
			"AZ-03 user":                   authorizationPairs(c, "redirect_uri", "https://app.example.test@evil.test/cb"),
			"AZ-04 scheme":                 authorizationPairs(c, "redirect_uri", "HTTPS://app.example.test/cb"),
			"AZ-04 host":                   authorizationPairs(c, "redirect_uri", "https://APP.example.test/cb"),
			"AZ-05 slash":                  authorizationPairs(c, "redirect_uri", callback+"/"),
			"AZ-06 fragment":               authorizationPairs(c, "redirect_uri", callback+"#x"),
			"AZ-07 good then evil":         append(authorizationPairs(c), "redirect_uri", "https://evil.test/"),
			"AZ-07 evil then good":         append([]string{"redirect_uri", "https://evil.test/"}, authorizationPairs(c)...),
			"AZ-07 good twice":             append(authorizationPairs(c), "redirect_uri", callback),
			"AZ-08 unknown client":         authorizationPairs(auth.Client{ID: "nobody"}),
			"AZ-08 disabled client":        authorizationPairs(disabled),
			"AZ-08 no client":              authorizationPairs(c, "client_id", ""),
			"AZ-08 two clients":            append(authorizationPairs(c), "client_id", string(c.ID)),
			"AZ-08 malformed client_id":    authorizationPairs(c, "client_id", strings.Repeat("x", 300)),
			"AZ-43 client of other tenant": authorizationPairs(there),
			"AZ-45 no redirect_uri":        authorizationPairs(c, "redirect_uri", ""),
			"AZ-11 port of a web client":   authorizationPairs(c, "redirect_uri", "https://app.example.test:1/cb"),
		} {
			h.runSubtest(t, name, func(h *fixture) { h.requireErrorPage(v.authorize(pairs...)) })
		}
		_, one := v.authorize(authorizationPairs(auth.Client{ID: "nobody"})...)
		_, two := v.authorize(authorizationPairs(disabled)...)
		if one.Error() != two.Error() {
			t.Errorf("unknown and disabled differ: %v, %v", one, two)
		}
		if n := h.countCodes(); n != 0 {
			t.Errorf("%d codes", n)
		}
	})
}

// AZ-11: a native client chooses its port. Any program can do so in its name, so consent is required
// (AZ-46), even for a first-party client.
func TestAttack_AZ_11_Loopback(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		c, _ := h.newClient(client.Registration{Name: "Tool", Type: auth.ClientNative, RedirectURIs: []string{"http://127.0.0.1/cb"}, FirstParty: true})
		v := h.newBrowser()
		v.signIn(h.alice)
		step, err := v.authorize(authorizationPairs(c, "redirect_uri", "http://127.0.0.1:51004/cb")...)
		h.requireOK(err)
		h.requireStep(step, auth.StepConsent)
		step = v.consent(step, true)
		if !strings.HasPrefix(step.Response.Location(), "http://127.0.0.1:51004/cb?code=") {
			t.Errorf("response %s", step.Response.Location())
		}
		if _, g, _ := h.requireCode(step); g.RedirectURI != "http://127.0.0.1:51004/cb" {
			t.Errorf("the code is for %s", g.RedirectURI)
		}
		h.requireErrorPage(v.authorize(authorizationPairs(c, "redirect_uri", "http://127.0.0.1:51004/other")...))
		h.requireErrorPage(v.authorize(authorizationPairs(c, "redirect_uri", "http://127.0.0.1.evil.test:51004/cb")...))
	})
}

// Every other refusal goes back to the client (RFC 6749 §4.1.2.1).
func TestAttack_AZ_09_44_Refusals(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		c, _ := h.newWebClient(withFirstParty)
		page, _ := h.newClient(client.Registration{Name: "Page", Type: auth.ClientSPA, RedirectURIs: []string{callback}, FirstParty: true})
		relaxed := h.changeClient(firstOf(h.newWebClient(withFirstParty)), func(c *auth.Client) { c.Settings.PKCEOptional = true })
		par := h.changeClient(firstOf(h.newWebClient(withFirstParty)), func(c *auth.Client) { c.Settings.RequirePushed = true })
		jar := h.changeClient(firstOf(h.newWebClient(withFirstParty)), func(c *auth.Client) { c.Settings.RequireSignedRequest = true })
		refresher := h.changeClient(firstOf(h.newWebClient(withFirstParty)), func(c *auth.Client) { c.Settings.Grants = []auth.GrantType{auth.GrantRefreshToken} })
		v := h.newBrowser()
		v.signIn(h.alice)
		deep := `{"userinfo":` + strings.Repeat(`{"a":`, 10_000) + "1" + strings.Repeat("}", 10_001)
		for name, request := range map[string]struct {
			pairs []string
			code  string
		}{
			"AZ-09 no response_type":            {authorizationPairs(c, "response_type", ""), "invalid_request"},
			"AZ-10 token":                       {authorizationPairs(c, "response_type", "token"), "unsupported_response_type"},
			"AZ-10 id_token token":              {authorizationPairs(c, "response_type", "id_token token"), "unsupported_response_type"},
			"AZ-10 code token":                  {authorizationPairs(c, "response_type", "code token"), "unsupported_response_type"},
			"AZ-10 none":                        {authorizationPairs(c, "response_type", "none"), "unsupported_response_type"},
			"AZ-10 code code":                   {authorizationPairs(c, "response_type", "code code"), "unsupported_response_type"},
			"AZ-14 public, no challenge":        {authorizationPairs(page, "code_challenge", "", "code_challenge_method", ""), "invalid_request"},
			"AZ-14 confidential, no challenge":  {authorizationPairs(c, "code_challenge", "", "code_challenge_method", ""), "invalid_request"},
			"AZ-14 method alone":                {authorizationPairs(relaxed, "code_challenge", ""), "invalid_request"},
			"AZ-15 plain":                       {authorizationPairs(relaxed, "code_challenge_method", "plain"), "invalid_request"},
			"AZ-15 s256":                        {authorizationPairs(c, "code_challenge_method", "s256"), "invalid_request"},
			"AZ-16 no method":                   {authorizationPairs(c, "code_challenge_method", ""), "invalid_request"},
			"AZ-17 42":                          {authorizationPairs(c, "code_challenge", challenge[:42]), "invalid_request"},
			"AZ-17 129":                         {authorizationPairs(c, "code_challenge", strings.Repeat("a", 129)), "invalid_request"},
			"AZ-17 =":                           {authorizationPairs(c, "code_challenge", challenge[:42]+"="), "invalid_request"},
			"AZ-17 +":                           {authorizationPairs(c, "code_challenge", "+"+challenge[1:]), "invalid_request"},
			"AZ-19 none login":                  {authorizationPairs(c, "prompt", "none login"), "invalid_request"},
			"AZ-19 unknown prompt":              {authorizationPairs(c, "prompt", "maybe"), "invalid_request"},
			"AZ-24 code id_token in a query":    {authorizationPairs(c, "response_type", "code id_token", "response_mode", "query"), "invalid_request"},
			"AZ-24 unknown mode":                {authorizationPairs(c, "response_mode", "web_message"), "invalid_request"},
			"AZ-25 request and request_uri":     {authorizationPairs(c, "request", "x", "request_uri", "https://app.example.test/r"), "invalid_request"},
			"AZ-28 address inside":              {authorizationPairs(c, "request_uri", "http://169.254.169.254/latest"), "invalid_request_uri"},
			"AZ-28 this machine":                {authorizationPairs(c, "request_uri", "http://127.0.0.1:5432/"), "invalid_request_uri"},
			"AZ-32 pushed, unknown":             {authorizationPairs(c, "request_uri", "urn:ietf:params:oauth:request_uri:x"), "invalid_request_uri"},
			"AZ-33 has to push":                 {authorizationPairs(par), "invalid_request"},
			"has to sign":                       {authorizationPairs(jar), "invalid_request"},
			"AZ-40 nothing of the scope":        {authorizationPairs(c, "scope", "admin"), "invalid_scope"},
			"AZ-40 no scope of the RFC":         {authorizationPairs(c, "scope", `open"id`), "invalid_scope"},
			"AZ-44 no JSON":                     {authorizationPairs(c, "claims", "{"), "invalid_request"},
			"AZ-44 no object":                   {authorizationPairs(c, "claims", "[]"), "invalid_request"},
			"AZ-44 null":                        {authorizationPairs(c, "claims", "null"), "invalid_request"},
			"AZ-44 not what it should be":       {authorizationPairs(c, "claims", `{"userinfo":[]}`), "invalid_request"},
			"AZ-44 deep":                        {authorizationPairs(c, "claims", deep), "invalid_request"},
			"AZ-44 1 MiB":                       {authorizationPairs(c, "claims", `{"userinfo":{"a":{"value":"`+strings.Repeat("x", 1<<20)+`"}}}`), "invalid_request"},
			"two subjects":                      {authorizationPairs(c, "claims", `{"id_token":{"sub":{"values":["a","b"]}}}`), "invalid_request"},
			"grant not allowed":                 {authorizationPairs(refresher), "unauthorized_client"},
			"max_age negative":                  {authorizationPairs(c, "max_age", "-1"), "invalid_request"},
			"max_age no number":                 {authorizationPairs(c, "max_age", "+1"), "invalid_request"},
			"max_age too large":                 {authorizationPairs(c, "max_age", "9223372036854775808"), "invalid_request"},
			"state twice":                       {append(authorizationPairs(c), "state", "y"), "invalid_request"},
			"scope twice":                       {append(authorizationPairs(c), "scope", "email"), "invalid_request"},
			"state too long":                    {authorizationPairs(c, "state", strings.Repeat("x", 4097)), "invalid_request"},
			"nonce too long":                    {authorizationPairs(c, "nonce", strings.Repeat("x", 1025)), "invalid_request"},
			"resource that is not the client's": {authorizationPairs(c, "resource", "https://other.test"), "invalid_target"},
			"resource that is no URI":           {authorizationPairs(c, "resource", "api"), "invalid_target"},
			"dpop_jkt that is none":             {authorizationPairs(c, "dpop_jkt", "x"), "invalid_request"},
			"registration":                      {authorizationPairs(c, "registration", "{}"), "registration_not_supported"},
			"hint that is a word":               {authorizationPairs(c, "id_token_hint", "x"), "invalid_request"},
			"acr that nobody reaches":           {authorizationPairs(c, "claims", `{"id_token":{"acr":{"essential":true,"values":["urn:x"]}}}`), "unmet_authentication_requirements"},
		} {
			h.runSubtest(t, name, func(h *fixture) {
				began := time.Now()
				step, err := v.authorize(request.pairs...)
				a := h.requireErrorRedirect(step, err, request.code)
				if d := time.Since(began); strings.HasPrefix(name, "AZ-44") && d > 30*time.Second {
					t.Errorf("took %s", d)
				}
				state := "s t&=é"
				if strings.HasPrefix(name, "state") {
					state = ""
				}
				if a.Get("state") != state {
					t.Errorf("state %q", a.Get("state"))
				}
				for _, p := range a.Params {
					if p[0] == "error_description" && strings.ContainsFunc(p[1], func(r rune) bool { return r < 0x20 || r > 0x7e || r == '"' || r == '\\' }) {
						t.Errorf("description %q", p[1])
					}
				}
				if fragment := strings.Contains(a.Location(), "#"); fragment != strings.Contains(name, "token") || strings.Contains(name, "in a query") && !fragment {
					t.Errorf("%s: response at %s", name, a.Location())
				}
			})
		}
		if n := h.countCodes(); n != 0 {
			t.Errorf("%d codes", n)
		}
		step, err := v.authorize(authorizationPairs(relaxed, "code_challenge", "", "code_challenge_method", "")...)
		h.requireOK(err)
		if _, g, _ := h.requireCode(step); g.Challenge != "" {
			t.Errorf("challenge %q", g.Challenge)
		}
	})
}

func firstOf[A, B any](a A, _ B) A { return a }

// AZ-14: what the tenant and the server allow confidential clients.
func TestAttack_AZ_14_OptionalChallenge(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		c, _ := h.newWebClient(withFirstParty)
		page, _ := h.newClient(client.Registration{Name: "Page", Type: auth.ClientSPA, RedirectURIs: []string{callback}, FirstParty: true})
		v := h.newBrowser()
		v.signIn(h.alice)
		h.write(func(tx *store.Tx) error {
			return tx.UpdateCurrentTenant(auth.Tenant{ID: tenant, Name: "x", Settings: auth.Settings{PKCEOptional: true}})
		})
		step, err := v.authorize(authorizationPairs(c, "code_challenge", "", "code_challenge_method", "")...)
		h.requireOK(err)
		h.requireCode(step)
		step, err = v.authorize(authorizationPairs(page, "code_challenge", "", "code_challenge_method", "")...)
		h.requireErrorRedirect(step, err, "invalid_request")
	})
}

// AZ-18, AZ-22: prompt=none shows nothing and sets nothing.
func TestAttack_AZ_18_22_Silent(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		c, _ := h.newWebClient(withFirstParty)
		other, _ := h.newWebClient()
		step, err := h.newBrowser().authorize(authorizationPairs(c, "prompt", "none")...)
		h.requireErrorRedirect(step, err, "login_required")
		v := h.newBrowser()
		v.signIn(h.alice)
		step, err = v.authorize(authorizationPairs(c, "prompt", "none")...)
		h.requireOK(err)
		h.requireCode(step)
		step, err = v.authorize(authorizationPairs(other, "prompt", "none")...)
		h.requireErrorRedirect(step, err, "consent_required")
		bob := h.newAccount("bob")
		step, err = v.authorize(authorizationPairs(c, "prompt", "none", "id_token_hint", h.signIDToken(c, bob))...)
		h.requireErrorRedirect(step, err, "login_required")
		step, err = v.authorize(authorizationPairs(c, "prompt", "none", "id_token_hint", h.signIDToken(c, h.alice))...)
		h.requireOK(err)
		h.requireCode(step)
		step, err = v.authorize(authorizationPairs(c, "prompt", "none", "id_token_hint", h.signIDToken(other, h.alice))...)
		h.requireErrorRedirect(step, err, "invalid_request")
		v.signIn(bob)
		step, err = v.authorize(authorizationPairs(c, "prompt", "none")...)
		h.requireErrorRedirect(step, err, "account_selection_required")
		step, err = v.authorize(authorizationPairs(c, "prompt", "none", "id_token_hint", h.signIDToken(c, h.alice))...)
		h.requireOK(err)
		if _, _, kept := h.requireCode(step); kept.Account != h.alice {
			t.Error("the hint was passed over")
		}
		step, err = v.authorize(authorizationPairs(c, "prompt", "none", "claims", `{"id_token":{"sub":{"value":"`+string(bob)+`"}}}`)...)
		h.requireOK(err)
		if _, _, kept := h.requireCode(step); kept.Account != bob {
			t.Error("sub of the claims parameter was passed over")
		}
	})
}

// signIDToken signs an ID Token that expired long ago.
func (h *fixture) signIDToken(c auth.Client, a auth.AccountID) string {
	h.t.Helper()
	b, err := json.Marshal(clienttest.Claims{"iss": base, "sub": h.tokens.Subject(c, a), "aud": c.ID, "iat": 1, "exp": 2})
	h.requireOK(err)
	raw, err := h.keys.Sign(h.t.Context(), tenant, keys.RS256, "JWT", b)
	h.requireOK(err)
	return raw
}

// AZ-22: JWTs that look like ID Tokens.
func TestAttack_AZ_22_Hints(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		c, _ := h.newWebClient(withFirstParty)
		v := h.newBrowser()
		v.signIn(h.alice)
		good := h.signIDToken(c, h.alice)
		access := h.signIn(c.ID, auth.DefaultScope).AccessToken
		foreign, err := json.Marshal(clienttest.Claims{"iss": base + "/t/acme", "sub": h.alice, "aud": c.ID})
		h.requireOK(err)
		elsewhere, err := h.keys.Sign(t.Context(), tenant, keys.RS256, "JWT", foreign)
		h.requireOK(err)
		for name, raw := range map[string]string{"changed": clienttest.Flip(good), "cut": good[:len(good)-8], "access token": access, "another issuer": elsewhere, "long": strings.Repeat("x", 20000),
			"of the client": clienttest.Sign(t, clienttest.NewKeyPair(t, "ES256").Alg, clienttest.NewKeyPair(t, "ES256").Private, clienttest.Claims{"iss": base, "sub": h.alice, "aud": c.ID}, nil)} {
			step, err := v.authorize(authorizationPairs(c, "id_token_hint", raw)...)
			if err != nil || step.Kind != auth.StepAnswer || step.Response.Get("error") != "invalid_request" {
				t.Errorf("%s: %+v, %v", name, step, err)
			}
		}
		// A hint for a user without a session here leads to a sign-in, and to no other account.
		bob := h.newAccount("bob")
		step, err := v.authorize(authorizationPairs(c, "id_token_hint", h.signIDToken(c, bob))...)
		h.requireOK(err)
		step = v.login(step, h.alice)
		h.requireErrorRedirect(step, nil, "login_required")
		// A client with pairwise subjects sends hints with these.
		pair := h.changeClient(firstOf(h.newWebClient(withFirstParty)), func(c *auth.Client) { c.Settings.SubjectType = "pairwise" })
		step, err = v.authorize(authorizationPairs(pair, "prompt", "none", "id_token_hint", h.signIDToken(pair, h.alice))...)
		h.requireOK(err)
		h.requireCode(step)
	})
}

// AZ-20, AZ-21: requests that require reauthentication.
func TestAttack_AZ_20_21_Again(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		c, _ := h.newWebClient(withFirstParty)
		v := h.newBrowser()
		v.signIn(h.alice)
		before := h.clock.Now()
		h.clock.Advance(2 * time.Second)
		for _, again := range [][]string{{"prompt", "login"}, {"max_age", "0"}, {"max_age", "1"}} {
			step, err := v.authorize(authorizationPairs(c, again...)...)
			h.requireOK(err)
			h.requireStep(step, auth.StepLogin)
			if len(step.Accounts) != 1 || step.Accounts[0].Account.ID != h.alice {
				t.Errorf("%q: the page is about %+v", again, step.Accounts)
			}
			h.requireStep(v.continueFlow(step), auth.StepLogin)
			// The choice of an account is no proof.
			still, err := h.flows.Choose(t.Context(), newFormRef(step.Flow.ID, v.b, step.CSRF), v.b.Sessions[0].Session.ID)
			h.requireOK(err)
			h.requireStep(still, auth.StepLogin)
			old := v.b.Sessions[0].Session.ID
			still, err = h.completeSignIn(newFormRef(step.Flow.ID, v.b, step.CSRF), old) // nor does a session that is older than the flow
			h.requireOK(err)
			h.clock.Advance(time.Second)
			if still.Kind == auth.StepLogin {
				step = v.login(still, h.alice)
			} else if v.b.Sessions[0].Session.AuthAt.Before(still.Flow.CreatedAt) {
				t.Fatalf("%q: an older session proved something", again)
			}
			h.clock.Advance(time.Minute)
			_, g, _ := h.requireCode(step)
			if !g.AuthAt.After(before) {
				t.Errorf("%q: %+v", again, g)
			}
			before = g.AuthAt
			h.clock.Advance(2 * time.Second)
		}
		step, err := v.authorize(authorizationPairs(c, "max_age", "10000")...)
		h.requireOK(err)
		h.requireCode(step)
		// The registered default of the client.
		strict := h.changeClient(firstOf(h.newWebClient(withFirstParty)), func(c *auth.Client) { age := int64(0); c.Settings.DefaultMaxAge = &age })
		step, err = v.authorize(authorizationPairs(strict)...)
		h.requireOK(err)
		h.requireStep(step, auth.StepLogin)
	})
}

// AZ-23: state is returned unchanged, in every response mode.
func TestAttack_AZ_23_State(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		c, _ := h.newWebClient(withFirstParty)
		v := h.newBrowser()
		v.signIn(h.alice)
		state := strings.Repeat("\"'<script>{{7*7}}é€\U0001F600\r\nSet-Cookie: a=b\r\n\x00\x7f&#;=+ %0d", 40)
		for _, mode := range []string{"query", "fragment", "form_post"} {
			for _, pairs := range [][]string{authorizationPairs(c, "state", state, "response_mode", mode), authorizationPairs(c, "state", state, "response_mode", mode, "prompt", "none login")} {
				step, err := v.authorize(pairs...)
				h.requireOK(err)
				if step.Response.Get("state") != state || step.Response.Mode != mode || step.Response.FormPost() != (mode == "form_post") {
					t.Errorf("%s: %+v", mode, step.Response)
				}
				location := step.Response.Location()
				if strings.ContainsAny(location, "\r\n\"<> ") {
					t.Errorf("%s: %q", mode, location)
				}
				_, raw, _ := strings.Cut(location, map[string]string{"query": "?", "fragment": "#", "form_post": "?"}[mode])
				got, err := url.ParseQuery(raw)
				if err != nil || got.Get("state") != state {
					t.Errorf("%s: decoded %q, %v", mode, got.Get("state"), err)
				}
			}
		}
		// The query of a redirect URI is preserved.
		h.changeClient(c, func(c *auth.Client) { c.RedirectURIs = append(c.RedirectURIs, "https://app.example.test/q?a=b%20c") })
		step, err := v.authorize(authorizationPairs(c, "redirect_uri", "https://app.example.test/q?a=b%20c")...)
		h.requireOK(err)
		if !strings.HasPrefix(step.Response.Location(), "https://app.example.test/q?a=b%20c&code=") {
			t.Errorf("response %s", step.Response.Location())
		}
	})
}

// AZ-40: the granted scope is within the registered one.
func TestAttack_AZ_40_Scope(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		c, _ := h.newWebClient(withFirstParty)
		v := h.newBrowser()
		v.signIn(h.alice)
		for requested, want := range map[string]string{"openid admin email": "openid email", "files openid files": "files openid", "": "email files", "openid offline_access": "openid offline_access"} {
			step, err := v.authorize(authorizationPairs(c, "scope", requested)...)
			h.requireOK(err)
			if _, g, _ := h.requireCode(step); g.Scope.String() != want {
				t.Errorf("%q gives %q, want %q", requested, g.Scope, want)
			}
		}
		once := h.changeClient(firstOf(h.newWebClient(withFirstParty)), func(c *auth.Client) { c.Settings.Grants = []auth.GrantType{auth.GrantAuthorizationCode} })
		step, err := v.authorize(authorizationPairs(once, "scope", "openid offline_access")...)
		h.requireOK(err)
		if _, g, _ := h.requireCode(step); g.Scope.Has("offline_access") {
			t.Error("offline_access for a client that cannot refresh")
		}
	})
}

// The requested claims reach the code.
func TestClaimsParameter(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		c, _ := h.newWebClient(withFirstParty, func(r *client.Registration) { r.Scopes = append(r.Scopes, auth.ScopeProfile) })
		v := h.newBrowser()
		v.signIn(h.alice)
		step, err := v.authorize(authorizationPairs(c, "claims", `{"userinfo":{"name":{"essential":true},"email":null},"id_token":{"acr":{"essential":true,"values":["1"]},"auth_time":null},"other":1}`,
			"dpop_jkt", challenge, "acr_values", "2 1")...)
		h.requireOK(err)
		_, g, _ := h.requireCode(step)
		want := auth.ClaimsRequest{UserInfo: []string{"email", "name"}, IDToken: []string{"acr", "auth_time"}, ACR: []string{"1"}}
		if d := cmp.Diff(want, g.Claims); d != "" || g.JKT != challenge {
			t.Errorf("claims (-want +got):\n%s, key %q", d, g.JKT)
		}
	})
}

// AZ-08: a tenant or client that is disabled after the flow began.
func TestAttack_AZ_08_ShutMeanwhile(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		c, _ := h.newWebClient()
		v := h.newBrowser()
		step, err := v.authorize(authorizationPairs(c)...)
		h.requireOK(err)
		step = v.login(step, h.alice)
		_, err = h.clients.Disable(t.Context(), tenant, c.ID, operator)
		h.requireOK(err)
		h.requireErrorPage(h.Consent(t.Context(), newFormRef(step.Flow.ID, v.b, step.CSRF), true))
		_, err = h.clients.Enable(t.Context(), tenant, c.ID, operator)
		h.requireOK(err)
		h.write(func(tx *store.Tx) error {
			return tx.UpdateCurrentTenant(auth.Tenant{ID: tenant, Name: "x", DisabledAt: tx.Now})
		})
		h.requireErrorPage(h.Consent(t.Context(), newFormRef(step.Flow.ID, v.b, step.CSRF), true))
		h.requireErrorPage(v.authorize(authorizationPairs(c)...))
		if n := h.countCodes(); n != 0 {
			t.Errorf("%d codes", n)
		}
	})
}

// The code of a complete flow can be redeemed.
func TestAuthorizeAndRedeem(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		c, clientSecret := h.newWebClient()
		v := h.newBrowser()
		step, err := v.authorize(authorizationPairs(c, "scope", "openid offline_access", "nonce", "n")...)
		h.requireOK(err)
		step = v.consent(v.login(step, h.alice), true)
		code, g, _ := h.requireCode(step)
		redeem := func() (oidc.Issued, error) {
			return h.Token(t.Context(), clienttest.Basic(clienttest.Form(t, "grant_type", "authorization_code", "code", code, "redirect_uri", callback,
				"code_verifier", "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"), c.ID, clientSecret))
		}
		ts, err := redeem()
		h.requireOK(err)
		if ts.IDToken == "" || ts.RefreshToken == "" || ts.Session != g.Session || ts.Account != h.alice {
			t.Errorf("got %+v", ts.Tokens)
		}
		// The client session in this browser stays the same for later requests.
		step, err = v.authorize(authorizationPairs(c)...)
		h.requireOK(err)
		if code, again, _ := h.requireCode(step); again.Session != g.Session || code == "" {
			t.Errorf("sid %s, then %s", g.Session, again.Session)
		}
		// The ID Token of the response is a hint for the next request.
		step, err = v.authorize(authorizationPairs(c, "prompt", "none", "id_token_hint", ts.IDToken)...)
		h.requireOK(err)
		h.requireCode(step)
		_, err = redeem()
		h.requireRefused(err, oauth.InvalidGrant)
	})
}
