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

func (h *house) forbidden(err error) {
	h.t.Helper()
	if auth.KindOf(err) != auth.KindForbidden {
		h.t.Errorf("got %v, want Forbidden", err)
	}
}

func (h *house) over(err error) {
	h.t.Helper()
	if auth.KindOf(err) != auth.KindNotFound {
		h.t.Errorf("got %v, want flow_over", err)
	}
}

// AZ-37: a form counts only with what its own page had.
func TestAttack_AZ_37_Forgery(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		c, _ := h.app()
		ctx := t.Context()
		mine, evil := h.visitor(), h.visitor()
		step, err := mine.ask(request(c)...)
		h.ok(err)
		step = mine.login(step, h.alice)
		other, err := mine.ask(request(c, "prompt", "login")...) // another flow of the same browser
		h.ok(err)
		theirs, err := evil.ask(request(c)...)
		h.ok(err)
		for name, ask := range map[string]struct {
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
			h.sub(t, name, func(h *house) {
				_, err := h.Consent(ctx, formRef(step.Flow.ID, ask.b, ask.csrf), true)
				h.forbidden(err)
				_, err = h.flows.Choose(ctx, formRef(step.Flow.ID, ask.b, ask.csrf), "")
				h.forbidden(err)
				_, err = h.completeSignIn(formRef(step.Flow.ID, ask.b, ask.csrf), "")
				h.forbidden(err)
				_, err = h.flows.CheckForm(ctx, formRef(step.Flow.ID, ask.b, ask.csrf))
				h.forbidden(err)
			})
		}
		_, err = h.flows.Continue(ctx, tenant, step.Flow.ID, evil.b)
		h.over(err)
		_, err = h.flows.Continue(ctx, "acme", step.Flow.ID, mine.b)
		h.over(err)
		_, err = h.flows.Continue(ctx, tenant, "nothing", mine.b)
		h.over(err)
		if n := len(h.events(auth.EventConsentGiven)) + h.codes(); n != 0 {
			t.Errorf("%d lines of what did not happen", n)
		}
		h.granted(mine.consent(step, true))
	})
}

// AZ-38: the consent form twice at once is one code.
func TestAttack_AZ_38_Twice(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		c, _ := h.app()
		v := h.visitor()
		step, err := v.ask(request(c)...)
		h.ok(err)
		step = v.login(step, h.alice)
		h.at(step, auth.StepConsent)
		var wg sync.WaitGroup
		var mu sync.Mutex
		codes, refused := map[string]bool{}, 0
		for range 8 {
			wg.Go(func() {
				got, err := h.Consent(t.Context(), formRef(step.Flow.ID, v.b, step.CSRF), true)
				mu.Lock()
				defer mu.Unlock()
				if err != nil {
					h.over(err)
					refused++
				} else if got.Response != nil {
					codes[got.Response.Get("code")] = true
				}
			})
		}
		wg.Wait()
		if len(codes) != 1 || refused != 7 || h.codes() != 1 {
			t.Errorf("%d codes, %d refused", len(codes), refused)
		}
		_, err = h.flows.Continue(t.Context(), tenant, step.Flow.ID, v.b)
		h.over(err)
	})
}

// AZ-46: what was allowed is remembered, what is new is asked, and RT-09: what was
// taken back is worth nothing.
func TestAttack_AZ_46_RT_09_Remembered(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		c, _ := h.app()
		v := h.visitor()
		v.signIn(h.alice)
		step, err := v.ask(request(c)...)
		h.ok(err)
		h.granted(v.consent(step, true))
		step, err = v.ask(request(c)...)
		h.ok(err)
		h.granted(step)
		step, err = v.ask(request(c, "scope", "openid files offline_access")...)
		h.ok(err)
		h.at(step, auth.StepConsent)
		if !slices.Equal(step.Consent.New, []string{"files", "offline_access"}) || !step.Consent.Offline {
			t.Errorf("asked to allow %+v", step.Consent)
		}
		h.told(v.consent(step, false), nil, "access_denied")
		step, err = v.ask(request(c, "scope", "openid files")...)
		h.ok(err)
		h.granted(v.consent(step, true))
		step, err = v.ask(request(c, "scope", "files openid", "prompt", "none")...)
		h.ok(err)
		h.granted(step)
		list, err := h.Consents(t.Context(), tenant, h.alice)
		h.ok(err)
		if len(list) != 1 || list[0].Client.ID != c.ID || !slices.Equal(list[0].Consent.Scope, []string{"openid", "files"}) {
			t.Errorf("allowed %+v", list)
		}
		if n := len(h.events(auth.EventConsentRefused)); n != 1 {
			t.Errorf("%d lines of refusals", n)
		}
		code, _, _ := h.granted(step)
		tokens := h.signIn(c.ID, auth.Scope{"openid", "offline_access"})
		others := h.signIn(auth.FirstParty, auth.Scope{"openid", "offline_access"})
		h.ok(h.RevokeConsent(t.Context(), tenant, h.alice, c.ID, operator))
		h.over(h.RevokeConsent(t.Context(), tenant, h.alice, c.ID, operator))
		if _, err := h.tokens.Verify(t.Context(), tenant, tokens.AccessToken); auth.KindOf(err) != auth.KindUnauthenticated {
			t.Errorf("an access token lives: %v", err)
		}
		if _, err := h.tokens.Refresh(t.Context(), token.RefreshRequest{Tenant: tenant, Client: c.ID, Token: tokens.RefreshToken}); auth.KindOf(err) != auth.KindUnauthenticated {
			t.Errorf("a refresh token lives: %v", err)
		}
		if _, err := h.tokens.Verify(t.Context(), tenant, others.AccessToken); err != nil {
			t.Errorf("another client's token: %v", err)
		}
		h.write(func(tx *store.Tx) error {
			if _, err := tx.Consume(auth.UseCode, secret.Digest(code)); err == nil {
				t.Error("a code lives")
			}
			return nil
		})
		step, err = v.ask(request(c)...)
		h.ok(err)
		h.at(step, auth.StepConsent)
		if n := len(h.events(auth.EventConsentRevoked)); n != 1 {
			t.Errorf("%d lines", n)
		}
	})
}

// AZ-46: a program on a device could be any other, so it is asked about each time.
func TestAttack_AZ_46_Unassured(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		c, _ := h.client(client.Registration{Name: "Tool", Type: auth.ClientNative, RedirectURIs: []string{"com.example.app:/cb"}})
		v := h.visitor()
		v.signIn(h.alice)
		for range 2 {
			step, err := v.ask(request(c, "redirect_uri", "com.example.app:/cb")...)
			h.ok(err)
			if step = v.consent(step, true); step.Response.RedirectURI != "com.example.app:/cb" {
				t.Errorf("answered at %s", step.Response.RedirectURI)
			}
			h.granted(step)
		}
		step, err := v.ask(request(c, "redirect_uri", "com.example.app:/cb", "prompt", "none")...)
		h.ok(err)
		if step.Response.Get("error") != "consent_required" {
			t.Errorf("answered %+v", step.Response)
		}
	})
}

// Somebody allows, somebody else is signed in by then: nothing is allowed.
func TestAttack_AZ_37_AnotherPerson(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		c, _ := h.app()
		bob := h.person("bob")
		v := h.visitor()
		v.signIn(h.alice)
		step, err := v.ask(request(c)...)
		h.ok(err)
		h.at(step, auth.StepConsent)
		v.b.Sessions = nil
		v.signIn(bob)
		step = v.consent(step, true)
		h.at(step, auth.StepConsent)
		if step.Consent.Account.ID != bob || len(h.events(auth.EventConsentGiven)) != 0 {
			t.Errorf("asked %+v", step.Consent)
		}
		if _, _, kept := h.granted(v.consent(step, true)); kept.Account != bob {
			t.Errorf("the code is %s's", kept.Account)
		}
	})
}

// Several accounts in one browser.
func TestChooseAccount(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		c, _ := h.app(ours)
		bob := h.person("bob")
		v := h.visitor()
		v.signIn(h.alice)
		v.signIn(bob)
		step, err := v.ask(request(c)...)
		h.ok(err)
		h.at(step, auth.StepChoose)
		if len(step.Accounts) != 2 {
			t.Errorf("%d to choose from", len(step.Accounts))
		}
		_, err = h.flows.Choose(t.Context(), formRef(step.Flow.ID, v.b, step.CSRF), "somebody-else")
		if auth.KindOf(err) != auth.KindUnauthenticated {
			t.Errorf("chose a stranger's session: %v", err)
		}
		another, err := h.flows.Choose(t.Context(), formRef(step.Flow.ID, v.b, step.CSRF), "")
		h.ok(err)
		h.at(another, auth.StepLogin)
		h.at(v.resume(another), auth.StepLogin)
		step, err = h.flows.Choose(t.Context(), formRef(step.Flow.ID, v.b, step.CSRF), v.b.Sessions[1].Session.ID)
		h.ok(err)
		if _, _, kept := h.granted(step); kept.Account != h.alice {
			t.Errorf("the code is %s's", kept.Account)
		}
	})
}

// A flow lives an hour, and a session that ends in the middle of it is asked for again.
func TestFlowEnds(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		c, _ := h.app()
		v := h.visitor()
		step, err := v.ask(request(c)...)
		h.ok(err)
		step = v.login(step, h.alice)
		h.write(func(tx *store.Tx) error { return tx.EndSession(h.alice, v.b.Sessions[0].Session.ID, auth.EndByOwner) })
		h.at(v.consent(step, true), auth.StepLogin)
		h.clock.Advance(time.Hour)
		_, err = h.flows.Continue(t.Context(), tenant, step.Flow.ID, v.b)
		h.over(err)
		_, err = h.Consent(t.Context(), formRef(step.Flow.ID, v.b, step.CSRF), true)
		h.over(err)
		if n := h.codes(); n != 0 {
			t.Errorf("%d codes", n)
		}
	})
}

// A request that a form of another site has posted: the first browser that comes for it
// has it, and no other.
func TestAttack_SE_08_Posted(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		c, _ := h.app()
		v, evil := h.visitor(), h.visitor()
		step, err := v.send(true, request(c)...)
		h.ok(err)
		h.at(step, auth.StepContinue)
		if step.NewBrowser != "" || step.CSRF != "" {
			t.Errorf("posted: %+v", step)
		}
		v.signIn(h.alice) // the cookies come with the next request
		step = v.resume(step)
		h.at(step, auth.StepConsent)
		evil.b.Secret = "wwb_" + secret.Encode(make([]byte, 32))
		_, err = h.flows.Continue(t.Context(), tenant, step.Flow.ID, evil.b)
		h.over(err)
		h.granted(v.consent(step, true))
		// Nothing has to be shown: nothing is set.
		step, err = v.send(true, request(c, "prompt", "none")...)
		h.ok(err)
		step = v.resume(step)
		h.granted(step)
		if step.NewBrowser != "" {
			t.Error("a cookie was set")
		}
		_, err = h.flows.Continue(t.Context(), tenant, step.Flow.ID, v.b)
		h.over(err)
	})
}

// Signing in for its own sake.
func TestStartFlow(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		v := h.visitor()
		step, err := h.flows.Start(t.Context(), tenant, auth.FlowAccount, v.b)
		h.ok(err)
		v.keep(step)
		step = v.login(step, h.alice)
		h.at(step, auth.StepDone)
		step, err = h.flows.Start(t.Context(), tenant, auth.FlowDevice, v.b)
		h.ok(err)
		h.at(step, auth.StepDeviceCode)
		if step.NewBrowser != "" {
			t.Error("the browser got a second cookie")
		}
		if _, err := h.flows.Start(t.Context(), tenant, auth.FlowAuthorize, v.b); err == nil {
			t.Error("an authorization flow without a request")
		}
	})
}
