package oidc_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/keys"
	"github.com/watchword-auth/watchword/internal/limit"
	"github.com/watchword-auth/watchword/internal/oidc"
	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/session"
	"github.com/watchword-auth/watchword/internal/store"
	"github.com/watchword-auth/watchword/internal/store/storetest"
	"github.com/watchword-auth/watchword/internal/token"
)

// node is another server on the database of the house.
func (h *house) node(cfg store.Config) *oidc.Service {
	h.t.Helper()
	cfg.Now = h.clock.Now
	cfg.Wait = 30 * time.Second
	db, err := store.Open(h.t.Context(), cfg)
	h.ok(err)
	h.t.Cleanup(func() { db.Close() })
	ring := keys.New(keys.Config{DB: db, Now: h.clock.Now})
	return oidc.New(oidc.Config{DB: db, Keys: ring, Sessions: session.New(session.Config{}), Root: secret.Bytes(32), Base: base, Now: h.clock.Now,
		Tokens:  token.New(token.Config{DB: db, Keys: ring, Base: base, Now: h.clock.Now, Root: secret.Bytes(32)}),
		Limiter: limit.NewMemory(1024, h.clock.Now)})
}

// together runs fn for each of n with 32 at once.
func together(n int, fn func(i int)) {
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

// TestRepair_P1_CodesAtOnce: a person who signs in is not refused because others do,
// or because their own browser asks for many codes, on any number of nodes.
func TestRepair_P1_CodesAtOnce(t *testing.T) {
	t.Parallel()
	codes := 1000
	if testing.Short() {
		codes = 128
	}
	for name, people := range map[string]int{"of one person": 1, "of sixteen": 16} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			storetest.Each(t, func(t *testing.T, cfg store.Config) {
				h := newHouse(t, cfg)
				nodes := []*oidc.Service{h.Service, h.node(cfg)}
				c, shown := h.app(lasting)
				var browsers []oidc.Browser
				for i := range people {
					v := h.visitor()
					v.signIn(h.person(fmt.Sprint("p", i)))
					browsers = append(browsers, v.b)
				}
				asked, err := oidc.ParseAuthorizeForm(pairsOf(request(c, "scope", "openid offline_access")...))
				h.ok(err)
				granted := make([]string, codes)
				together(codes, func(i int) {
					step, err := nodes[i%2].Authorize(t.Context(), oidc.AuthorizeInput{Tenant: auth.Tenant{ID: tenant}, Form: asked, Browser: browsers[i%people]})
					if err != nil || step.Answer == nil {
						t.Errorf("authorize %d: %+v, %v", i, step, err)
						return
					}
					granted[i] = step.Answer.Get("code")
				})
				if t.Failed() {
					t.FailNow()
				}
				began := time.Now()
				together(codes, func(i int) {
					out, err := nodes[i/2%2].Token(t.Context(), h.redeeming(c, shown, granted[i]))
					if err != nil || out.RefreshToken == "" || out.IDToken == "" {
						t.Errorf("redeem %d: %+v, %v", i, out, err)
					}
				})
				t.Logf("%d redemptions in %s", codes, time.Since(began))
			})
		})
	}
}
