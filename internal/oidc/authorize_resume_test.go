package oidc_test

import (
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/client"
	"github.com/watchword-auth/watchword/internal/flow"
	"github.com/watchword-auth/watchword/internal/store"
)

// authorizeToConsent brings a new browser to the consent page of a request.
func (h *fixture) authorizeToConsent(c auth.Client, pairs ...string) (*browser, flow.Step) {
	h.t.Helper()
	v := h.newBrowser()
	step, err := v.authorize(authorizationPairs(c, pairs...)...)
	h.requireOK(err)
	step = v.login(step, h.alice)
	h.requireStep(step, auth.StepConsent)
	return v, step
}

// B1: an answer that is sent twice has the same outcome twice. The codes differ, and the second
// revokes nothing.
func TestRepair_B1_ConsentSentTwice(t *testing.T) {
	for name, pairs := range map[string][]string{
		"plain": nil, "consent": {"prompt", "consent"}, "login": {"prompt", "login"}, "max_age": {"max_age", "0"}, "select": {"prompt", "select_account"},
	} {
		t.Run(name, func(t *testing.T) {
			each(t, func(t *testing.T, h *fixture) {
				c, clientSecret := h.newWebClient()
				v, step := h.authorizeToConsent(c, pairs...)
				in := newFormRef(step.Flow.ID, v.b, step.CSRF)

				first, err := h.Consent(t.Context(), in, true)
				h.requireOK(err)
				h.clock.Advance(300 * time.Millisecond)
				second, err := h.Consent(t.Context(), in, true)
				h.requireOK(err)

				one, _, _ := h.requireCode(first)
				two, _, _ := h.requireCode(second)
				if one == two || second.Flow.ID == first.Flow.ID || second.Response.Get("state") != first.Response.Get("state") {
					t.Errorf("first %+v, second %+v", first.Response, second.Response)
				}
				got, err := h.redeemCode(c, clientSecret, one)
				h.requireOK(err)
				again, err := h.redeemCode(c, clientSecret, two)
				h.requireOK(err)
				for _, token := range []string{got.AccessToken, again.AccessToken} {
					_, err = h.tokens.VerifyAudience(t.Context(), tenant, token, h.tokens.UserInfoURL(tenant))
					h.requireOK(err)
				}
			})
		})
	}
}

// B1: a pushed request leads to a second code only while the answer counts as sent twice.
func TestRepair_B1_PushedConsentSentTwice(t *testing.T) {
	for name, required := range map[string]bool{"pushed": false, "must push": true} {
		t.Run(name, func(t *testing.T) {
			each(t, func(t *testing.T, h *fixture) {
				c, clientSecret := h.newWebClient()
				h.changeClient(c, func(c *auth.Client) { c.Settings.RequirePushed = required })
				p, err := h.pushRequest(c, clientSecret, authorizationPairs(c)...)
				h.requireOK(err)
				v := h.newBrowser()
				step, err := v.authorize("client_id", string(c.ID), "request_uri", p.RequestURI)
				h.requireOK(err)
				step = v.login(step, h.alice)
				in := newFormRef(step.Flow.ID, v.b, step.CSRF)
				first, err := h.Consent(t.Context(), in, true)
				h.requireOK(err)
				one, _, _ := h.requireCode(first)

				second, err := h.Consent(t.Context(), in, true)

				h.requireOK(err)
				two, _, _ := h.requireCode(second)
				if one == two {
					t.Error("the same code twice")
				}
				for _, code := range []string{one, two} {
					_, err = h.redeemCode(c, clientSecret, code)
					h.requireOK(err)
				}
				h.clock.Advance(2 * time.Minute)
				if _, err = h.Consent(t.Context(), in, true); required {
					h.requireFlowOver(err)
				}
				_, err = v.authorize("client_id", string(c.ID), "request_uri", p.RequestURI)
				if err == nil {
					t.Error("the request_uri was used again")
				}
			})
		})
	}
}

// B1: a denial that is sent twice is one denial, and the last answer counts.
func TestRepair_B1_LastAnswerCounts(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		c, _ := h.newWebClient()
		for _, answers := range [][]bool{{false, false}, {true, false}, {false, true}, {true, false, true}} {
			v, step := h.authorizeToConsent(c, "prompt", "consent")
			var last flow.Step
			for _, allow := range answers {
				var err error
				last, err = h.Consent(t.Context(), newFormRef(step.Flow.ID, v.b, step.CSRF), allow)
				h.requireOK(err)
			}

			if answers[len(answers)-1] {
				h.requireCode(last)
			} else {
				h.requireErrorRedirect(last, nil, "access_denied")
			}
		}
	})
}

// B1: a form that is sent again later decides nothing, and every rule of the request applies.
func TestRepair_B1_LateFormDecidesNothing(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		for name, want := range map[string]auth.StepKind{"login": auth.StepLogin, "consent": auth.StepConsent, "select_account": auth.StepChoose} {
			c, _ := h.newWebClient()
			v, step := h.authorizeToConsent(c, "prompt", name)
			in := newFormRef(step.Flow.ID, v.b, step.CSRF)
			done, err := h.Consent(t.Context(), in, true)
			h.requireOK(err)
			h.requireCode(done)
			before := h.countCodes()
			h.clock.Advance(2 * time.Minute)

			late, err := h.Consent(t.Context(), in, true)

			h.requireOK(err)
			h.requireStep(late, want)
			if n := h.countCodes(); n != before {
				t.Errorf("%s: %d codes more", name, n-before)
			}
		}
	})
}

// B1: approval from another browser, or to another question, never counts.
func TestRepair_B1_RepetitionIsOfTheSameBrowser(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		c, _ := h.newWebClient()
		v, step := h.authorizeToConsent(c)
		h.requireCode(v.consent(step, true))
		other := h.newBrowser()
		other.b.EnsureSecret()
		other.signIn(h.alice)

		_, err := h.Consent(t.Context(), newFormRef(step.Flow.ID, other.b, step.CSRF), true)
		h.requireForbidden(err)
		_, err = h.Consent(t.Context(), newFormRef(step.Flow.ID, other.b, h.flows.CSRF(tenant, other.b, "flow", string(step.Flow.ID))), true)
		h.requireFlowOver(err)
		_, err = h.flows.Continue(t.Context(), tenant, step.Flow.ID, other.b)
		h.requireFlowOver(err)
		_, err = h.flows.Continue(t.Context(), "acme", step.Flow.ID, v.b)
		h.requireFlowOver(err)
		v.b.Sessions = nil // signed out meanwhile
		again, err := h.Consent(t.Context(), newFormRef(step.Flow.ID, v.b, step.CSRF), true)
		h.requireOK(err)
		h.requireStep(again, auth.StepLogin)
	})
}

// B11: a flow that is over continues with its request, however it ended, and every rule of the
// request is applied again.
func TestRepair_B11_FlowThatIsOver(t *testing.T) {
	for name, end := range map[string]func(h *fixture, v *browser, step flow.Step){
		"finished": func(h *fixture, v *browser, step flow.Step) { h.requireCode(v.consent(step, true)) },
		"denied":   func(h *fixture, v *browser, step flow.Step) { v.consent(step, false) },
		"expired":  func(h *fixture, _ *browser, _ flow.Step) { h.clock.Advance(time.Hour) },
		"an hour after": func(h *fixture, v *browser, step flow.Step) {
			h.requireCode(v.consent(step, true))
			h.clock.Advance(time.Hour)
		},
	} {
		t.Run(name, func(t *testing.T) {
			each(t, func(t *testing.T, h *fixture) {
				for prompt, want := range map[string]auth.StepKind{"login": auth.StepLogin, "consent": auth.StepConsent, "select_account": auth.StepChoose} {
					c, clientSecret := h.newWebClient()
					v, step := h.authorizeToConsent(c, "prompt", prompt, "nonce", "n-"+prompt)
					end(h, v, step)

					next := v.continueFlow(step)

					h.requireStep(next, want)
					if again := v.continueFlow(step); next.Flow.ID == step.Flow.ID || again.Flow.ID != next.Flow.ID {
						t.Errorf("%s: %s continues as %s, then %s", prompt, step.Flow.ID, next.Flow.ID, again.Flow.ID)
					}
					if !slices.Equal(next.Flow.Request.Prompt, []string{prompt}) || next.Flow.Request.Challenge != step.Flow.Request.Challenge {
						t.Errorf("%s: another request %+v", prompt, next.Flow.Request)
					}
					switch want {
					case auth.StepLogin:
						next = v.login(next, h.alice)
					case auth.StepChoose:
						var err error
						next, err = h.flows.Choose(t.Context(), newFormRef(next.Flow.ID, v.b, next.CSRF), v.b.Sessions[0].Session.ID)
						h.requireOK(err)
					}
					if next.Kind == auth.StepConsent {
						next = v.consent(next, true)
					}
					code, g, _ := h.requireCode(next)
					if g.Nonce != "n-"+prompt {
						t.Errorf("%s: nonce %q", prompt, g.Nonce)
					}
					_, err := h.redeemCode(c, clientSecret, code)
					h.requireOK(err)
				}
			})
		})
	}
}

// B11: what ends a flow for good: a day, a used pushed request, a deleted client.
func TestRepair_B11_WhatIsNotResumed(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		c, clientSecret := h.newWebClient()
		v, step := h.authorizeToConsent(c)
		h.clock.Advance(flow.Retention - time.Second)
		v.continueFlow(step)
		h.clock.Advance(time.Second)
		_, err := h.flows.Continue(t.Context(), tenant, step.Flow.ID, v.b)
		h.requireFlowOver(err)

		p, err := h.pushRequest(c, clientSecret, authorizationPairs(c)...)
		h.requireOK(err)
		pushed, err := v.authorize("client_id", string(c.ID), "request_uri", p.RequestURI)
		h.requireOK(err)
		h.clock.Advance(time.Hour)
		_, err = h.flows.Continue(t.Context(), tenant, pushed.Flow.ID, v.b)
		h.requireFlowOver(err)
		if home, err := h.flows.Client(t.Context(), tenant, pushed.Flow.ID, v.b); err != nil || home.ID != c.ID {
			t.Errorf("the page has no way home: %v, %v", home.ID, err)
		}

		for name, change := range map[string]func(*auth.StoredSettings){
			"pushed": func(s *auth.StoredSettings) { s.RequirePushed = true },
			"signed": func(s *auth.StoredSettings) { s.RequireSignedRequest = true },
		} {
			c, _ := h.newWebClient()
			v, step := h.authorizeToConsent(c)
			h.clock.Advance(time.Hour)
			h.changeClient(c, func(c *auth.Client) { change(&c.Settings) })
			if _, err := h.flows.Continue(t.Context(), tenant, step.Flow.ID, v.b); auth.KindOf(err) != auth.KindNotFound {
				t.Errorf("%s: %v", name, err)
			}
		}

		for name, changed := range map[string]bool{"changed": true, "unchanged": false} {
			c, _ := h.newWebClient(func(r *client.Registration) { r.PKCEOptional = true })
			v, step := h.authorizeToConsent(c, "code_challenge", "", "code_challenge_method", "")
			h.clock.Advance(time.Hour)
			if changed {
				h.changeClient(c, func(c *auth.Client) { c.Settings.PKCEOptional, c.UpdatedAt = false, h.clock.Now() })
			}
			if _, err := h.flows.Continue(t.Context(), tenant, step.Flow.ID, v.b); changed != (auth.KindOf(err) == auth.KindNotFound) {
				t.Errorf("a request without PKCE of a client that is %s: %v", name, err)
			}
		}

		v, step = h.authorizeToConsent(c)
		h.clock.Advance(time.Hour)
		h.changeClient(c, func(c *auth.Client) { c.DisabledAt = h.clock.Now() })
		h.requireErrorPage(h.flows.Continue(t.Context(), tenant, step.Flow.ID, v.b))
	})
}

// B11: reloads store no rows, and neither do concurrent requests.
func TestRepair_B11_ReloadsAreBounded(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		c, _ := h.newWebClient()
		v, step := h.authorizeToConsent(c)
		h.clock.Advance(time.Hour)
		flows := sync.Map{}
		var wg sync.WaitGroup
		for range 16 {
			wg.Go(func() {
				next, err := h.flows.Continue(t.Context(), tenant, step.Flow.ID, v.b)
				if err != nil {
					t.Error(err)
				}
				flows.Store(next.Flow.ID, true)
			})
		}
		wg.Wait()
		n := 0
		flows.Range(func(any, any) bool { n++; return true })
		if n != 1 {
			t.Errorf("%d flows", n)
		}

		// Each of these ends its flow at once. Their number is limited, too.
		done := v.continueFlow(step)
		h.requireCode(v.consent(done, true))
		codes := h.countCodes()
		refused := false
		for range 50 {
			_, err := h.flows.Continue(t.Context(), tenant, step.Flow.ID, v.b)
			if refused = err != nil; refused {
				h.requireFlowOver(err)
				break
			}
		}
		if n := h.countCodes() - codes; !refused || n < 20 || n > 40 {
			t.Errorf("%d codes by one address", n)
		}
	})
}

// B11: two tabs with a flow each, one after the other.
func TestRepair_B11_TwoTabs(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		c, _ := h.newWebClient(withFirstParty)
		v := h.newBrowser()
		one, err := v.authorize(authorizationPairs(c, "nonce", "one")...)
		h.requireOK(err)
		two, err := v.authorize(authorizationPairs(c, "nonce", "two")...)
		h.requireOK(err)

		h.requireCode(v.login(one, h.alice))
		_, g, _ := h.requireCode(v.continueFlow(two))

		if g.Nonce != "two" {
			t.Errorf("the second tab got %q", g.Nonce)
		}
		_, g, _ = h.requireCode(v.continueFlow(one)) // Back in the first
		if g.Nonce != "one" {
			t.Errorf("the first tab got %q", g.Nonce)
		}
	})
}

// B1: the chooser sent twice is one choice.
func TestRepair_B1_ChoiceSentTwice(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		c, _ := h.newWebClient(withFirstParty)
		v := h.newBrowser()
		bob := h.newAccount("bob")
		v.signIn(h.alice)
		v.signIn(bob)
		step, err := v.authorize(authorizationPairs(c)...)
		h.requireOK(err)
		h.requireStep(step, auth.StepChoose)
		in := newFormRef(step.Flow.ID, v.b, step.CSRF)

		for i := range 2 {
			got, err := h.flows.Choose(t.Context(), in, v.b.Sessions[1].Session.ID)
			h.requireOK(err)
			if _, _, kept := h.requireCode(got); kept.Account != h.alice {
				t.Errorf("time %d: the code is %s's", i, kept.Account)
			}
		}
		got, err := h.flows.Choose(t.Context(), in, v.b.Sessions[0].Session.ID) // Back, and another
		h.requireOK(err)
		if _, _, kept := h.requireCode(got); kept.Account != bob {
			t.Errorf("the code is %s's", kept.Account)
		}
	})
}

// B11: successors outlive no bound of their first flow: the single use of a pushed request, the expiry
// of a signed one, the day, however often the newest is continued.
func TestRepair_B11_SuccessionIsBounded(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		c, clientSecret := h.newWebClient()
		p, err := h.pushRequest(c, clientSecret, authorizationPairs(c)...)
		h.requireOK(err)
		v := h.newBrowser()
		step, err := v.authorize("client_id", string(c.ID), "request_uri", p.RequestURI)
		h.requireOK(err)
		step = v.login(step, h.alice)
		in := newFormRef(step.Flow.ID, v.b, step.CSRF)
		denied, err := h.Consent(t.Context(), in, false)
		h.requireOK(err)
		h.requireErrorRedirect(denied, nil, "access_denied")
		allowed, err := h.Consent(t.Context(), in, true)
		h.requireOK(err)
		h.requireCode(allowed)
		if _, err = v.authorize("client_id", string(c.ID), "request_uri", p.RequestURI); err == nil {
			t.Error("the request_uri leads to a second flow after its code")
		}
		h.clock.Advance(2 * time.Minute)
		_, err = h.flows.Continue(t.Context(), tenant, allowed.Flow.ID, v.b)
		h.requireFlowOver(err)

		for name, bound := range map[string]time.Duration{"signed": flow.Lifetime, "plain": flow.Retention} {
			c, _ := h.newWebClient()
			v, step := h.authorizeToConsent(c, "prompt", "consent")
			h.changeClient(c, func(c *auth.Client) { c.Settings.RequireSignedRequest = name == "signed" })
			h.write(func(tx *store.Tx) error {
				f, err := tx.Flow(step.Flow.ID)
				f.Request.Signed = true
				return errors.Join(err, tx.UpdateFlow(f))
			})
			for left := bound; left > 0; left -= 50 * time.Minute {
				h.requireCode(v.consent(step, true))
				step = v.continueFlow(step)
				h.requireStep(step, auth.StepConsent)
				h.clock.Advance(min(left, 50*time.Minute))
			}
			if _, err := h.flows.Continue(t.Context(), tenant, step.Flow.ID, v.b); auth.KindOf(err) != auth.KindNotFound {
				t.Errorf("%s: continued after %s: %v", name, bound, err)
			}
		}
	})
}

// B1: a proof in a flow counts for a minute after its end, whatever is sent meanwhile.
func TestRepair_B1_RepetitionKeepsNoProof(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		c, _ := h.newWebClient()
		v, step := h.authorizeToConsent(c, "prompt", "login")
		in := newFormRef(step.Flow.ID, v.b, step.CSRF)
		h.requireCode(v.consent(step, true))
		h.clock.Advance(50 * time.Second)
		_, err := h.flows.CheckForm(t.Context(), in) // a form that decides nothing, like a wrong password
		h.requireOK(err)
		h.clock.Advance(20 * time.Second)
		h.requireStep(v.continueFlow(step), auth.StepLogin)

		c, _ = h.newWebClient()
		v, step = h.authorizeToConsent(c, "prompt", "login")
		in = newFormRef(step.Flow.ID, v.b, step.CSRF)
		h.requireCode(v.consent(step, true))
		for i := range 3 {
			h.clock.Advance(25 * time.Second)
			again, err := h.Consent(t.Context(), in, true)
			h.requireOK(err)
			if i < 2 {
				h.requireCode(again)
			} else {
				h.requireStep(again, auth.StepLogin)
			}
		}
	})
}

// A request that would be refused now gets no code: later requirements of the client or tenant apply
// to running flows, to forms that are sent twice, to successors and to pushed requests.
func TestRequirementsOfTheAnswer(t *testing.T) {
	noPKCE := []string{"code_challenge", "", "code_challenge_method", ""}
	for name, v := range map[string]struct {
		pairs   []string
		require func(h *fixture, c auth.Client)
		pushes  bool // also a pushed request is refused
	}{
		"PKCE by the client": {noPKCE, func(h *fixture, c auth.Client) {
			h.changeClient(c, func(c *auth.Client) { c.Settings.PKCEOptional = false })
		}, true},
		"PKCE by the tenant": {noPKCE, func(h *fixture, c auth.Client) {
			h.write(func(tx *store.Tx) error { return tx.UpdateCurrentTenant(auth.Tenant{ID: tenant, Name: "x"}) })
		}, true},
		"pushed": {nil, func(h *fixture, c auth.Client) {
			h.changeClient(c, func(c *auth.Client) { c.Settings.RequirePushed = true })
		}, false},
		"signed": {nil, func(h *fixture, c auth.Client) {
			h.changeClient(c, func(c *auth.Client) { c.Settings.RequireSignedRequest = true })
		}, true},
	} {
		t.Run(name, func(t *testing.T) {
			each(t, func(t *testing.T, h *fixture) {
				byTenant := name == "PKCE by the tenant"
				h.write(func(tx *store.Tx) error {
					return tx.UpdateCurrentTenant(auth.Tenant{ID: tenant, Name: "x", Settings: auth.Settings{PKCEOptional: byTenant}})
				})
				c, clientSecret := h.newWebClient(func(r *client.Registration) { r.PKCEOptional = !byTenant })
				running, step := h.authorizeToConsent(c, v.pairs...)
				ended, last := h.authorizeToConsent(c, v.pairs...)
				h.requireCode(ended.consent(last, true))
				p, err := h.pushRequest(c, clientSecret, authorizationPairs(c, append([]string{"prompt", "consent"}, v.pairs...)...)...)
				h.requireOK(err)
				pushing := h.newBrowser()
				pushed, err := pushing.authorize("client_id", string(c.ID), "request_uri", p.RequestURI)
				h.requireOK(err)
				pushed = pushing.login(pushed, h.alice)
				before := h.countCodes()

				v.require(h, c)

				got, err := h.Consent(t.Context(), newFormRef(step.Flow.ID, running.b, step.CSRF), true)
				h.requireErrorRedirect(got, err, "invalid_request")
				if name != "pushed" { // whose flows have no successor
					got, err = h.Consent(t.Context(), newFormRef(last.Flow.ID, ended.b, last.CSRF), true)
					h.requireErrorRedirect(got, err, "invalid_request")
					got, err = h.flows.Continue(t.Context(), tenant, last.Flow.ID, ended.b)
					h.requireErrorRedirect(got, err, "invalid_request")
				}
				want := before
				if v.pushes {
					got, err = h.Consent(t.Context(), newFormRef(pushed.Flow.ID, pushing.b, pushed.CSRF), true)
					h.requireErrorRedirect(got, err, "invalid_request")
				} else {
					h.requireCode(pushing.consent(pushed, true))
					want++
				}
				if n := h.countCodes(); n != want {
					t.Errorf("%d codes, want %d", n, want)
				}
			})
		})
	}
}

// A request_uri in two tabs leads to one code, even if the flow of the other tab has ended without one
// and has a successor. A form that is sent again in the flow of the code has the same outcome.
func TestPushedInTwoTabs(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		c, clientSecret := h.newWebClient()
		p, err := h.pushRequest(c, clientSecret, authorizationPairs(c, "prompt", "consent")...)
		h.requireOK(err)
		v := h.newBrowser()
		open := func() flow.Step {
			step, err := v.authorize("client_id", string(c.ID), "request_uri", p.RequestURI)
			h.requireOK(err)
			if step.Kind == auth.StepLogin {
				step = v.login(step, h.alice)
			}
			h.requireStep(step, auth.StepConsent)
			return step
		}
		first, second, third := open(), open(), open()
		answer := func(step flow.Step, allow bool) (flow.Step, error) {
			return h.Consent(t.Context(), newFormRef(step.Flow.ID, v.b, step.CSRF), allow)
		}
		denied, err := answer(second, false)
		h.requireErrorRedirect(denied, err, "access_denied")
		h.requireCode(v.consent(first, true))

		h.requireErrorPage(answer(second, true))
		h.requireErrorPage(answer(third, true))
		h.requireErrorPage(answer(second, true))
		if n := h.countCodes(); n != 1 {
			t.Errorf("%d codes", n)
		}
		again, err := answer(first, true)
		h.requireOK(err)
		h.requireCode(again)
	})
}
