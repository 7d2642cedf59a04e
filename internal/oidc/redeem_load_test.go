package oidc_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/client"
	"github.com/watchword-auth/watchword/internal/client/clienttest"
	"github.com/watchword-auth/watchword/internal/flow"
	"github.com/watchword-auth/watchword/internal/keys"
	"github.com/watchword-auth/watchword/internal/limit"
	"github.com/watchword-auth/watchword/internal/oauth"
	"github.com/watchword-auth/watchword/internal/oidc"
	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/session"
	"github.com/watchword-auth/watchword/internal/store"
	"github.com/watchword-auth/watchword/internal/store/storetest"
	"github.com/watchword-auth/watchword/internal/token"
)

// newNode starts another server on the database of the fixture.
func (h *fixture) newNode(cfg store.Config) *oidc.Service {
	h.t.Helper()
	cfg.Now = h.clock.Now
	db, err := store.Open(h.t.Context(), cfg)
	h.requireOK(err)
	h.t.Cleanup(func() { db.Close() })
	ring := keys.New(keys.Config{DB: db, Now: h.clock.Now, Algorithm: keys.ES256, RotateEvery: 90 * 24 * time.Hour, PublishAhead: 24 * time.Hour, Lifetimes: storetest.Lifetimes()})
	tokens, limiter := token.New(token.Config{Lifetimes: storetest.Lifetimes(), DB: db, Keys: ring, Base: base, Now: h.clock.Now, Root: secret.Bytes(32)}), limit.NewMemory(1024, h.clock.Now)
	root := secret.Bytes(32)
	flows := flow.New(flow.Config{DB: db, Tokens: tokens, Root: root, Base: base})
	return oidc.New(oidc.Config{CodeLifetime: time.Minute, PushedLifetime: time.Minute, DeviceLifetime: 10 * time.Minute, DB: db, Keys: ring, Sessions: session.New(session.Config{DB: db, Lifetimes: storetest.Lifetimes()}), Flows: flows, Root: root, Base: base, Now: h.clock.Now, Tokens: tokens,
		Limiter: limiter, Clients: client.New(client.Config{DB: db, Tokens: tokens, Limiter: limiter, Rates: limit.Rates{"public_client.ip": {Count: 120, Per: time.Minute, Burst: 240}}, Base: base, Now: h.clock.Now})})
}

// runConcurrently runs fn n times, at most 32 at once.
func runConcurrently(n int, fn func(i int)) {
	var wg sync.WaitGroup
	turn := make(chan struct{}, 32)
	for i := range n {
		turn <- struct{}{}
		wg.Go(func() {
			fn(i)
			<-turn
		})
	}
	wg.Wait()
}

// TestRepair_P1_CodesAtOnce: a user who signs in is not refused because other users do, or because the
// same browser requests many codes, on any number of nodes.
func TestRepair_P1_CodesAtOnce(t *testing.T) {
	t.Parallel()
	for users, codes := range map[int]int{1: 1000, 16: 256} {
		if testing.Short() {
			codes = 128
		}
		t.Run(fmt.Sprint("of ", users), func(t *testing.T) {
			t.Parallel()
			storetest.Each(t, func(t *testing.T, cfg store.Config) {
				h := newFixture(t, cfg)
				nodes := []*oidc.Service{h.Service, h.newNode(cfg)}
				c, clientSecret := h.newWebClient(withOfflineAccess)
				var browsers []flow.Browser
				for i := range users {
					v := h.newBrowser()
					v.signIn(h.newAccount(fmt.Sprint("p", i)))
					browsers = append(browsers, v.b)
				}
				requested, err := oauth.ParseAuthorizeForm(encodePairs(authorizationPairs(c, "scope", "openid offline_access")...))
				h.requireOK(err)
				granted := make([]string, codes)
				runConcurrently(codes, func(i int) {
					step, err := nodes[i%2].Authorize(t.Context(), oidc.AuthorizeInput{Tenant: auth.Tenant{ID: tenant}, Form: requested, Browser: browsers[i%users]})
					if err != nil || step.Response == nil {
						t.Errorf("authorize %d: %+v, %v", i, step, err)
						return
					}
					granted[i] = step.Response.Get("code")
				})
				if t.Failed() {
					t.FailNow()
				}
				began := time.Now()
				runConcurrently(codes, func(i int) {
					out, err := nodes[i/2%2].Token(t.Context(), h.redeemRequest(c, clientSecret, granted[i]))
					if err != nil || out.RefreshToken == "" || out.IDToken == "" {
						t.Errorf("redeem %d: %+v, %v", i, out, err)
					}
				})
				t.Logf("%d redemptions in %s", codes, time.Since(began))
			})
		})
	}
}

// TestRepair_P1_StrangersAtOnce: concurrent requests within the limits of strangers are not refused
// because of each other, on any number of nodes.
func TestRepair_P1_StrangersAtOnce(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, cfg store.Config) {
		h := newFixture(t, cfg)
		nodes := []*oidc.Service{h.Service, h.newNode(cfg)}
		c, clientSecret := h.newWebClient(func(r *client.Registration) {
			r.Grants = []auth.GrantType{auth.GrantAuthorizationCode, auth.GrantDeviceCode}
		})
		request := func(pairs ...string) client.Request {
			return clienttest.Basic(clienttest.Form(t, pairs...), c.ID, clientSecret)
		}
		var users []*browser
		var steps []flow.Step
		for i := range 16 {
			v := h.newBrowser()
			v.signIn(h.newAccount(fmt.Sprint("p", i)))
			step, err := v.authorize(authorizationPairs(c)...)
			h.requireOK(err)
			h.requireStep(step, auth.StepConsent)
			users, steps = append(users, v), append(steps, step)
		}

		runConcurrently(160, func(i int) {
			node := nodes[i/2%2]
			var err error
			switch i % 5 {
			case 0:
				_, err = node.Push(t.Context(), request(authorizationPairs(c)...))
			case 1:
				_, err = node.AuthorizeDevice(t.Context(), request("scope", "openid"))
			case 2:
				_, err = h.flows.Start(t.Context(), tenant, auth.FlowAccount, flow.Browser{})
			case 3:
				if n := i / 5; n < len(users) { // its pages are those of the first node
					_, err = h.Consent(t.Context(), newFormRef(steps[n].Flow.ID, users[n].b, steps[n].CSRF), true)
				}
			case 4:
				_, err = node.Authorize(t.Context(), oidc.AuthorizeInput{Tenant: auth.Tenant{ID: tenant}, Form: newAuthorizeForm(t, c), Browser: users[i%16].b})
			}
			if err != nil {
				t.Errorf("%d: %v", i, err)
			}
		})
	})
}

func newAuthorizeForm(t *testing.T, c auth.Client) oauth.Form {
	t.Helper()
	f, err := oauth.ParseAuthorizeForm(encodePairs(authorizationPairs(c)...))
	if err != nil {
		t.Fatal(err)
	}
	return f
}
