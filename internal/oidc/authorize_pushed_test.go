package oidc_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/client"
	"github.com/watchword-auth/watchword/internal/client/clienttest"
	"github.com/watchword-auth/watchword/internal/flow"
	"github.com/watchword-auth/watchword/internal/oauth"
	"github.com/watchword-auth/watchword/internal/oidc"
	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/store"
)

func (h *fixture) pushRequest(c auth.Client, clientSecret string, pairs ...string) (oidc.Pushed, error) {
	h.t.Helper()
	return h.Push(h.t.Context(), clienttest.Basic(clienttest.Form(h.t, pairs...), c.ID, clientSecret))
}

// AZ-29, AZ-30, AZ-32, AZ-33: the use of a pushed request.
func TestAttack_AZ_29_33_Pushed(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		c, clientSecret := h.newWebClient(withFirstParty)
		conf, _ := h.newWebClient(withFirstParty)
		c = h.changeClient(c, func(c *auth.Client) { c.Settings.RequirePushed = true })
		v := h.newBrowser()
		p, err := h.pushRequest(c, clientSecret, authorizationPairs(c, "nonce", "n")...)
		h.requireOK(err)
		if !strings.HasPrefix(p.RequestURI, "urn:ietf:params:oauth:request_uri:") || len(p.RequestURI) < 70 || p.ExpiresIn != 60 {
			t.Errorf("pushed %+v", p)
		}
		short := []string{"client_id", string(c.ID), "request_uri", p.RequestURI}
		// Until the flow has ended it can be started again, and other parameters are ignored.
		step, err := v.authorize(short...)
		h.requireOK(err)
		h.requireStep(step, auth.StepLogin)
		step, err = v.authorize(append(short, "state", "evil", "scope", "email", "redirect_uri", "https://evil.test", "nonce", "evil")...)
		h.requireOK(err)
		h.requireStep(step, auth.StepLogin)
		again, err := v.authorize(short...)
		h.requireOK(err)
		h.clock.Advance(30 * time.Minute) // far beyond expires_in: the user takes their time
		step = v.login(step, h.alice)
		if _, g, _ := h.requireCode(step); g.Nonce != "n" || g.Scope.String() != "openid" || step.Response.Get("state") != "s t&=é" || step.Response.RedirectURI != callback {
			t.Errorf("the code grants %+v, response %+v", g, step.Response)
		}
		h.requireErrorPage(v.authorize(short...)) // AZ-29
		step, err = v.authorize(authorizationPairs(c, "request_uri", p.RequestURI)...)
		h.requireErrorRedirect(step, err, "invalid_request_uri")
		h.requireStep(again, auth.StepLogin)
		_, err = h.flows.Continue(t.Context(), tenant, again.Flow.ID, v.b)
		h.requireErrorPage(flow.Step{}, err) // the other tab of the same request
		if n := h.countCodes(); n != 1 {
			t.Errorf("%d codes", n)
		}
		p, err = h.pushRequest(c, clientSecret, authorizationPairs(c)...)
		h.requireOK(err)
		h.requireErrorPage(v.authorize("client_id", string(conf.ID), "request_uri", p.RequestURI)) // AZ-30
		step, err = v.authorize(authorizationPairs(conf, "request_uri", p.RequestURI)...)
		h.requireErrorRedirect(step, err, "invalid_request_uri")
		h.clock.Advance(time.Minute - time.Millisecond)
		step, err = v.authorize("client_id", string(c.ID), "request_uri", p.RequestURI)
		h.requireOK(err)
		h.requireCode(step)
		p, err = h.pushRequest(c, clientSecret, authorizationPairs(c)...)
		h.requireOK(err)
		h.clock.Advance(time.Minute)
		h.requireErrorPage(v.authorize("client_id", string(c.ID), "request_uri", p.RequestURI)) // AZ-32
		step, err = v.authorize(authorizationPairs(c)...)
		h.requireErrorRedirect(step, err, "invalid_request") // AZ-33
		if n := h.countCodes(); n != 2 {
			t.Errorf("%d codes", n)
		}
	})
}

// AZ-29: however many flows start with it concurrently, it leads to one code.
func TestAttack_AZ_29_Race(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		c, clientSecret := h.newWebClient(withFirstParty)
		v := h.newBrowser()
		v.signIn(h.alice)
		p, err := h.pushRequest(c, clientSecret, authorizationPairs(c)...)
		h.requireOK(err)
		f, err := oauth.ParseAuthorizeForm("client_id=" + string(c.ID) + "&request_uri=" + p.RequestURI)
		h.requireOK(err)
		var wg sync.WaitGroup
		var mu sync.Mutex
		codes := 0
		for range 8 {
			wg.Go(func() {
				step, err := h.Authorize(t.Context(), oidc.AuthorizeInput{Tenant: auth.Tenant{ID: tenant}, Form: f, Browser: v.b})
				mu.Lock()
				defer mu.Unlock()
				if err != nil {
					h.requireErrorPage(step, err)
				} else if step.Response.Get("code") != "" {
					codes++
				}
			})
		}
		wg.Wait()
		if codes != 1 || h.countCodes() != 1 {
			t.Errorf("%d codes", codes)
		}
	})
}

// AZ-31, and other requests that are refused at the endpoint (RFC 9126 §2.3).
func TestAttack_AZ_31_Push(t *testing.T) {
	each(t, func(t *testing.T, h *fixture) {
		c, clientSecret := h.newWebClient(withFirstParty)
		other, _ := h.newWebClient(withFirstParty)
		page, _ := h.newClient(client.Registration{Name: "Page", Type: auth.ClientSPA, RedirectURIs: []string{callback}})
		for name, request := range map[string]struct {
			pairs []string
			code  oauth.Code
		}{
			"AZ-31 request_uri":           {authorizationPairs(c, "request_uri", "urn:ietf:params:oauth:request_uri:x"), oauth.InvalidRequest},
			"AZ-31 empty request_uri":     {authorizationPairs(c, "redirect_uri", "https://evil.test"), oauth.InvalidRequest},
			"no redirect_uri":             {authorizationPairs(c, "redirect_uri", ""), oauth.InvalidRequest},
			"another client's id":         {authorizationPairs(other), oauth.InvalidRequest},
			"AZ-15 plain":                 {authorizationPairs(c, "code_challenge_method", "plain"), oauth.InvalidRequest},
			"AZ-14 no challenge":          {authorizationPairs(c, "code_challenge", "", "code_challenge_method", ""), oauth.InvalidRequest},
			"AZ-10 response_type":         {authorizationPairs(c, "response_type", "token"), oauth.UnsupportedResponseType},
			"AZ-10 code id_token":         {authorizationPairs(c, "response_type", "code id_token"), oauth.UnsupportedResponseType},
			"AZ-40 scope":                 {authorizationPairs(c, "scope", "admin"), oauth.InvalidScope},
			"resource":                    {authorizationPairs(c, "resource", "https://other.test"), oauth.InvalidTarget},
			"request object that is none": {authorizationPairs(c, "request", "x"), oauth.InvalidRequestObject},
		} {
			h.runSubtest(t, name, func(h *fixture) {
				_, err := h.pushRequest(c, clientSecret, request.pairs...)
				h.requireRefused(err, request.code)
			})
		}
		_, err := h.pushRequest(c, "wws_wrong", authorizationPairs(c)...)
		h.requireRefused(err, oauth.InvalidClient)
		_, err = h.Push(t.Context(), clienttest.Form(t, authorizationPairs(c)...))
		h.requireRefused(err, oauth.InvalidClient)
		p, err := h.Push(t.Context(), clienttest.Form(t, authorizationPairs(page)...)) // a public client may push as well
		h.requireOK(err)
		// The redirect URI is checked again when the request is used.
		h.changeClient(page, func(c *auth.Client) { c.RedirectURIs = []string{"https://new.example.test/cb"} })
		h.requireErrorPage(h.newBrowser().authorize("client_id", string(page.ID), "request_uri", p.RequestURI))
		h.write(func(tx *store.Tx) error {
			kept, err := tx.SingleUse(auth.UsePushed, secret.Digest(p.RequestURI))
			if err == nil && strings.Contains(kept.Data+kept.Digest, p.RequestURI) {
				t.Error("the address is kept readable")
			}
			return err
		})
	})
}
