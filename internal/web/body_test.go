package web

import (
	"bytes"
	"io"
	"strings"
	"sync"
	"testing"
)

// Slow senders of large bodies share a budget; small bodies are served at the same time.
func TestAttack_HT_03_SlowLargeBodiesHoldBoundedMemory(t *testing.T) {
	t.Parallel()
	h := newFixture(t)
	slow := bodyBudget/(1<<20) + 8
	for range 2 { // the first round returns what it took
		var all sync.WaitGroup
		begun, end, codes := make(chan struct{}), make(chan struct{}), make(chan string, slow)
		for range slow {
			all.Go(func() {
				body := io.MultiReader(bytes.NewReader(bytes.Repeat([]byte(" "), smallBody)), &gate{begun, end}, strings.NewReader("{}"))
				r := request("POST", "/api/v1/refresh", "{}")
				r.Body, r.ContentLength = io.NopCloser(body), -1
				codes <- h.do(r).code()
			})
		}
		for range bodyBudget / (1 << 20) {
			<-begun
		}
		for range 8 {
			if code := <-codes; code != "unavailable" {
				t.Errorf("beyond the budget: %q", code)
			}
		}
		h.requireReply(h.post("/api/v1/refresh", `{"refresh_token":"x"}`), 401, "invalid_refresh_token")
		close(end)
		all.Wait()
		close(codes)
		for code := range codes {
			if code != "member_missing" {
				t.Errorf("within the budget: %q", code)
			}
		}
	}
}

// The router's size of a small body and its budget for large ones.
const (
	smallBody  = 16 << 10
	bodyBudget = 32 << 20
)

// gate is a body that has nothing to read until end is closed.
type gate struct{ begun, end chan struct{} }

func (g *gate) Read([]byte) (int, error) {
	g.begun <- struct{}{}
	<-g.end
	return 0, io.EOF
}

// Forms of endpoints and of pages share the same budget.
func TestRepair_Forms_SlowLargeFormsHoldBoundedMemory(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/oauth2/token", "/verify-email"} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			h := newFixture(t, func(c *Config) { c.BodyForm = bodyBudget / 2 })
			begun, end := make(chan struct{}), make(chan struct{})
			send := func() int {
				body := io.MultiReader(strings.NewReader("token="+strings.Repeat("x", smallBody)), &gate{begun, end})
				r := request("POST", path, "x", "Content-Type: application/x-www-form-urlencoded")
				r.Body, r.ContentLength = io.NopCloser(body), -1
				return h.do(r).StatusCode
			}
			for range 2 { // the first round returns what it took
				var all sync.WaitGroup
				for range 2 {
					all.Go(func() { send() })
					<-begun
				}
				if status := send(); status != 503 {
					t.Errorf("beyond the budget: %d", status)
				}
				end <- struct{}{}
				end <- struct{}{}
				all.Wait()
			}
		})
	}
}
