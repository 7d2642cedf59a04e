package oidc_test

import (
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/client"
	"github.com/watchword-auth/watchword/internal/flow"
	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/store"
	"github.com/watchword-auth/watchword/internal/token"
)

func (h *fixture) requireForbidden(err error) {
	h.t.Helper()
	if auth.KindOf(err) != auth.KindForbidden {
		h.t.Errorf("got %v, want Forbidden", err)
	}
}

func (h *fixture) requireFlowOver(err error) {
	h.t.Helper()
	if auth.KindOf(err) != auth.KindNotFound {
		h.t.Errorf("got %v, want flow_over", err)
	}
}

// AZ-37: a form counts only with the values of its own page.
func TestAttack_AZ_37_Forgery(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		c, _ := h.newWebClient()
		ctx := t.Context()
		mine, evil := h.newBrowser(), h.newBrowser()
		step, err := mine.authorize(authorizationPairs(c)...)
		h.requireOK(err)
		step = mine.login(step, h.alice)
		other, err := mine.authorize(authorizationPairs(c, "prompt", "login")...) // another flow of the same browser
		h.requireOK(err)
		theirs, err := evil.authorize(authorizationPairs(c)...)
		h.requireOK(err)
		for name, request := range map[string]struct {
			b    flow.Browser
			csrf string
		}{
			"no token":                           {mine.b, ""},
			"token of another flow":              {mine.b, other.CSRF},
			"token of another browser":           {mine.b, theirs.CSRF},
			"another browser":                    {evil.b, step.CSRF},
			"another browser, the same sessions": {flow.Browser{Secret: evil.b.Secret, Sessions: mine.b.Sessions}, step.CSRF},
			"no cookie":                          {flow.Browser{Sessions: mine.b.Sessions}, step.CSRF},
			"a cookie of no kind":                {flow.Browser{Secret: "x", Sessions: mine.b.Sessions}, step.CSRF},
		} {
			h.runSubtest(t, name, func(h *fixture) {
				_, err := h.Consent(ctx, newFormRef(step.Flow.ID, request.b, request.csrf), true)
				h.requireForbidden(err)
				_, err = h.flows.Choose(ctx, newFormRef(step.Flow.ID, request.b, request.csrf), "")
				h.requireForbidden(err)
				_, err = h.completeSignIn(newFormRef(step.Flow.ID, request.b, request.csrf), "")
				h.requireForbidden(err)
				_, err = h.flows.CheckForm(ctx, newFormRef(step.Flow.ID, request.b, request.csrf))
				h.requireForbidden(err)
			})
		}
		_, err = h.flows.Continue(ctx, tenant, step.Flow.ID, evil.b)
		h.requireFlowOver(err)
		_, err = h.flows.Continue(ctx, "acme", step.Flow.ID, mine.b)
		h.requireFlowOver(err)
		_, err = h.flows.Continue(ctx, tenant, "nothing", mine.b)
		h.requireFlowOver(err)
		if n := len(h.events(auth.EventConsentGiven)) + h.countCodes(); n != 0 {
			t.Errorf("%d audit events of refused forms", n)
		}
		h.requireCode(mine.consent(step, true))
	})
}

// AZ-38: several concurrent posts of a consent form lead to one code of its flow. Each repetition is a
// flow of its own, since a browser shows only the last response.
func TestAttack_AZ_38_Twice(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		c, _ := h.newWebClient()
		v := h.newBrowser()
		step, err := v.authorize(authorizationPairs(c)...)
		h.requireOK(err)
		step = v.login(step, h.alice)
		h.requireStep(step, auth.StepConsent)
		var wg sync.WaitGroup
		var mu sync.Mutex
		codes, flows := map[string]bool{}, map[auth.FlowID]bool{}
		for range 8 {
			wg.Go(func() {
				got, err := h.Consent(t.Context(), newFormRef(step.Flow.ID, v.b, step.CSRF), true)
				mu.Lock()
				defer mu.Unlock()
				if err != nil || got.Response == nil {
					t.Errorf("step %s, %v", got.Kind, err)
					return
				}
				codes[got.Response.Get("code")] = true
				flows[got.Flow.ID] = true
			})
		}
		wg.Wait()
		if len(codes) != 8 || len(flows) != 8 || h.countCodes() != 8 {
			t.Errorf("%d codes of %d flows, %d stored", len(codes), len(flows), h.countCodes())
		}
	})
}

// AZ-46: a consent is remembered, and new scopes need consent again. RT-09: revocation of a consent
// invalidates all tokens.
func TestAttack_AZ_46_RT_09_Remembered(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		c, _ := h.newWebClient()
		v := h.newBrowser()
		v.signIn(h.alice)
		step, err := v.authorize(authorizationPairs(c)...)
		h.requireOK(err)
		h.requireCode(v.consent(step, true))
		step, err = v.authorize(authorizationPairs(c)...)
		h.requireOK(err)
		h.requireCode(step)
		step, err = v.authorize(authorizationPairs(c, "scope", "openid files offline_access")...)
		h.requireOK(err)
		h.requireStep(step, auth.StepConsent)
		if !slices.Equal(step.Consent.New, []string{"files", "offline_access"}) || !step.Consent.Offline {
			t.Errorf("the consent page shows %+v", step.Consent)
		}
		h.requireErrorRedirect(v.consent(step, false), nil, "access_denied")
		step, err = v.authorize(authorizationPairs(c, "scope", "openid files")...)
		h.requireOK(err)
		h.requireCode(v.consent(step, true))
		step, err = v.authorize(authorizationPairs(c, "scope", "files openid", "prompt", "none")...)
		h.requireOK(err)
		h.requireCode(step)
		list, err := h.Consents(t.Context(), tenant, h.alice)
		h.requireOK(err)
		if len(list) != 1 || list[0].Client.ID != c.ID || !slices.Equal(list[0].Consent.Scope, []string{"openid", "files"}) {
			t.Errorf("allowed %+v", list)
		}
		if n := len(h.events(auth.EventConsentRefused)); n != 1 {
			t.Errorf("%d audit events of refusals", n)
		}
		code, _, _ := h.requireCode(step)
		tokens := h.signIn(c.ID, auth.Scope{"openid", "offline_access"})
		others := h.signIn(auth.FirstParty, auth.Scope{"openid", "offline_access"})
		h.requireOK(h.RevokeConsent(t.Context(), tenant, h.alice, c.ID, operator))
		h.requireFlowOver(h.RevokeConsent(t.Context(), tenant, h.alice, c.ID, operator))
		if _, err := h.tokens.Verify(t.Context(), tenant, tokens.AccessToken); auth.KindOf(err) != auth.KindUnauthenticated {
			t.Errorf("an access token is valid: %v", err)
		}
		if _, err := h.tokens.Refresh(t.Context(), token.RefreshRequest{Tenant: tenant, Client: c.ID, Token: tokens.RefreshToken}); auth.KindOf(err) != auth.KindUnauthenticated {
			t.Errorf("a refresh token is valid: %v", err)
		}
		if _, err := h.tokens.Verify(t.Context(), tenant, others.AccessToken); err != nil {
			t.Errorf("another client's token: %v", err)
		}
		h.write(func(tx *store.Tx) error {
			if _, err := tx.Consume(auth.UseCode, secret.Digest(code)); err == nil {
				t.Error("a code is valid")
			}
			return nil
		})
		step, err = v.authorize(authorizationPairs(c)...)
		h.requireOK(err)
		h.requireStep(step, auth.StepConsent)
		if n := len(h.events(auth.EventConsentRevoked)); n != 1 {
			t.Errorf("%d audit events", n)
		}
	})
}

// AZ-46: any other program on a device could impersonate the client, so consent is required each time.
func TestAttack_AZ_46_Unassured(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		c, _ := h.newClient(client.Registration{Name: "Tool", Type: auth.ClientNative, RedirectURIs: []string{"com.example.app:/cb"}})
		v := h.newBrowser()
		v.signIn(h.alice)
		for range 2 {
			step, err := v.authorize(authorizationPairs(c, "redirect_uri", "com.example.app:/cb")...)
			h.requireOK(err)
			if step = v.consent(step, true); step.Response.RedirectURI != "com.example.app:/cb" {
				t.Errorf("response at %s", step.Response.RedirectURI)
			}
			h.requireCode(step)
		}
		step, err := v.authorize(authorizationPairs(c, "redirect_uri", "com.example.app:/cb", "prompt", "none")...)
		h.requireOK(err)
		if step.Response.Get("error") != "consent_required" {
			t.Errorf("response %+v", step.Response)
		}
	})
}

// One user consents while another is already signed in: nothing is allowed.
func TestAttack_AZ_37_AnotherPerson(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		c, _ := h.newWebClient()
		bob := h.newAccount("bob")
		v := h.newBrowser()
		v.signIn(h.alice)
		step, err := v.authorize(authorizationPairs(c)...)
		h.requireOK(err)
		h.requireStep(step, auth.StepConsent)
		v.b.Sessions = nil
		v.signIn(bob)
		step = v.consent(step, true)
		h.requireStep(step, auth.StepConsent)
		if step.Consent.Account.ID != bob || len(h.events(auth.EventConsentGiven)) != 0 {
			t.Errorf("asked %+v", step.Consent)
		}
		if _, _, kept := h.requireCode(v.consent(step, true)); kept.Account != bob {
			t.Errorf("the code is %s's", kept.Account)
		}
	})
}

// Several accounts in one browser.
func TestChooseAccount(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		c, _ := h.newWebClient(withFirstParty)
		bob := h.newAccount("bob")
		v := h.newBrowser()
		v.signIn(h.alice)
		v.signIn(bob)
		step, err := v.authorize(authorizationPairs(c)...)
		h.requireOK(err)
		h.requireStep(step, auth.StepChoose)
		if len(step.Accounts) != 2 {
			t.Errorf("%d to choose from", len(step.Accounts))
		}
		_, err = h.flows.Choose(t.Context(), newFormRef(step.Flow.ID, v.b, step.CSRF), "somebody-else")
		if auth.KindOf(err) != auth.KindUnauthenticated {
			t.Errorf("chose a session of another browser: %v", err)
		}
		another, err := h.flows.Choose(t.Context(), newFormRef(step.Flow.ID, v.b, step.CSRF), "")
		h.requireOK(err)
		h.requireStep(another, auth.StepLogin)
		h.requireStep(v.continueFlow(another), auth.StepLogin)
		step, err = h.flows.Choose(t.Context(), newFormRef(step.Flow.ID, v.b, step.CSRF), v.b.Sessions[1].Session.ID)
		h.requireOK(err)
		if _, _, kept := h.requireCode(step); kept.Account != h.alice {
			t.Errorf("the code is %s's", kept.Account)
		}
	})
}

// A flow lives for an hour, and a session that ends meanwhile requires another sign-in.
func TestFlowEnds(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		c, _ := h.newWebClient()
		v := h.newBrowser()
		step, err := v.authorize(authorizationPairs(c)...)
		h.requireOK(err)
		step = v.login(step, h.alice)
		h.write(func(tx *store.Tx) error { return tx.EndSession(h.alice, v.b.Sessions[0].Session.ID, auth.EndByOwner) })
		h.requireStep(v.consent(step, true), auth.StepLogin)
		h.clock.Advance(time.Hour)
		next := v.continueFlow(step)
		h.requireStep(next, auth.StepLogin)
		late, err := h.Consent(t.Context(), newFormRef(step.Flow.ID, v.b, step.CSRF), true)
		h.requireOK(err)
		h.requireStep(late, auth.StepLogin)
		if next.Flow.ID == step.Flow.ID || late.Flow.ID != next.Flow.ID {
			t.Errorf("flow %s continues as %s and %s", step.Flow.ID, next.Flow.ID, late.Flow.ID)
		}
		if n := h.countCodes(); n != 0 {
			t.Errorf("%d codes", n)
		}
	})
}

// SE-08: a request that a form of another site has posted belongs to the first browser that follows
// it, and to no other.
func TestAttack_SE_08_Posted(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		c, _ := h.newWebClient()
		v, evil := h.newBrowser(), h.newBrowser()
		step, err := v.authorizeByMethod(true, authorizationPairs(c)...)
		h.requireOK(err)
		h.requireStep(step, auth.StepContinue)
		if step.NewBrowser != "" || step.CSRF != "" {
			t.Errorf("posted: %+v", step)
		}
		v.signIn(h.alice) // the cookies come with the next request
		step = v.continueFlow(step)
		h.requireStep(step, auth.StepConsent)
		evil.b.Secret = "wwb_" + secret.Encode(make([]byte, 32))
		_, err = h.flows.Continue(t.Context(), tenant, step.Flow.ID, evil.b)
		h.requireFlowOver(err)
		h.requireCode(v.consent(step, true))
		// Without a page to show, no cookie is set.
		step, err = v.authorizeByMethod(true, authorizationPairs(c, "prompt", "none")...)
		h.requireOK(err)
		step = v.continueFlow(step)
		h.requireCode(step)
		if step.NewBrowser != "" {
			t.Error("a cookie was set")
		}
		_, err = h.flows.Continue(t.Context(), tenant, step.Flow.ID, v.b)
		h.requireFlowOver(err)
	})
}

// A sign-in without a client.
func TestStartFlow(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		v := h.newBrowser()
		step, err := h.flows.Start(t.Context(), tenant, auth.FlowAccount, v.b)
		h.requireOK(err)
		v.keepCookie(step)
		step = v.login(step, h.alice)
		h.requireStep(step, auth.StepDone)
		step, err = h.flows.Start(t.Context(), tenant, auth.FlowDevice, v.b)
		h.requireOK(err)
		h.requireStep(step, auth.StepDeviceCode)
		if step.NewBrowser != "" {
			t.Error("the browser got a second cookie")
		}
		if _, err := h.flows.Start(t.Context(), tenant, auth.FlowAuthorize, v.b); err == nil {
			t.Error("an authorization flow without a request")
		}
	})
}
