package guard

import (
	"context"
	"crypto/rand"
	"fmt"
	"testing"
	"time"
)

func TestCache_IsBounded(t *testing.T) {
	t.Parallel()
	const size = 1024
	c := newCache(size)
	var d digest
	kept := digest{1}
	c.put(&kept, &entry{exp: start})
	for range 20 * size {
		_, _ = rand.Read(d[:])
		c.put(&d, &entry{})
		if c.get(&kept) == nil {
			t.Fatal("an entry in constant use was evicted")
		}
	}
	n := 0
	for i := range c.shard {
		n += len(c.shard[i].young) + len(c.shard[i].old)
	}
	if n > size || n < size/4 {
		t.Errorf("%d entries, want at most %d", n, size)
	}
	if newCache(-1) != nil {
		t.Error("a negative size does not disable the cache")
	}
}

// requireEntry verifies the token and returns its cache entry.
func requireEntry(t *testing.T, g *Guard, token string) *entry {
	t.Helper()
	en, e := g.verify(t.Context(), token)
	if e != nil {
		t.Fatal(e)
	}
	return en
}

func TestCache_EndsAtExp(t *testing.T) {
	t.Parallel()
	c := newClock()
	g := newGuard(t, newIssuerStub(esSigner().jwk(nil)), c, nil)
	token := esSigner().validToken()
	first := requireEntry(t, g, token)
	if requireEntry(t, g, token) != first {
		t.Error("the second time was not from the cache")
	}
	c.Advance(15 * time.Minute)
	if requireEntry(t, g, token) == first { // within the leeway, but verified again
		t.Error("served from the cache after exp")
	}
	c.Advance(DefaultLeeway)
	requireRefused(t, g, token, ErrExpired)
}

func TestCache_IsKeyedByTheWholeToken(t *testing.T) {
	t.Parallel()
	g := newStandardGuard(t)
	alice := esSigner().validToken()
	bob := esSigner().token(esSigner().header(), validPayload(map[string]any{"sub": "bob"}))
	requireAccepted(t, g, alice)
	requireAccepted(t, g, bob)
	h, p, _ := splitToken(alice)
	_, _, s := splitToken(bob)
	requireRefused(t, g, h+"."+p+"."+s, ErrSignature)
	if requireAccepted(t, g, bob).Subject != "bob" || requireAccepted(t, g, alice).Subject != "alice" {
		t.Error("mixed up")
	}
}

func TestCache_CanBeDisabled(t *testing.T) {
	t.Parallel()
	g := newGuard(t, newIssuerStub(esSigner().jwk(nil)), newClock(), func(c *Config) { c.CacheSize = -1 })
	token := esSigner().validToken()
	if first := requireEntry(t, g, token); first == requireEntry(t, g, token) {
		t.Error("cached")
	}
	// Long tokens are not cached either: the cache is bounded in bytes.
	g = newStandardGuard(t)
	token = esSigner().token(esSigner().header(), validPayload(map[string]any{"x": fmt.Sprintf("%05000d", 1)}))
	if first := requireEntry(t, g, token); first == requireEntry(t, g, token) {
		t.Error("cached")
	}
}

func TestVerify_AllocatesNothingFromCache(t *testing.T) {
	g := newStandardGuard(t) // not parallel: it measures
	token, ctx := esSigner().validToken(), context.Background()
	requireAccepted(t, g, token)
	if n := testing.AllocsPerRun(1000, func() { _, _ = g.Verify(ctx, token) }); n > 1 {
		t.Errorf("Verify allocates %v times", n)
	}
	h := g.Require(Scope("orders:read"))(noopHandler{})
	r, w := benchRequest(token), &discardWriter{}
	if n := testing.AllocsPerRun(1000, func() { h.ServeHTTP(w, r) }); n > 2 {
		t.Errorf("Require allocates %v times", n)
	}
}
