package guard

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestKeys_FetchesOnceForManyRequests(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		st := newIssuerStub()
		body := string(encodeJWKS(esSigner().jwk(nil)))
		st.setAnswer(func(r *http.Request) (*http.Response, error) {
			time.Sleep(time.Second)
			return newResponse(200, body), nil
		})
		ctx, cancel := context.WithCancel(context.Background())
		cancel() // New does not wait, and the fetch goes on without it
		g, err := New(ctx, Config{
			Issuer: issuerURL, JWKSURL: issuerURL + "/.well-known/jwks.json",
			HTTPClient: &http.Client{Transport: st}, Now: newClock().Now,
		})
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for range 200 {
			wg.Go(func() { requireAccepted(t, g, esSigner().validToken()) })
		}
		wg.Wait()
		if n := st.countKeyFetches(); n != 1 {
			t.Errorf("%d fetches", n)
		}
	})
}

func TestVerify_EndsWithItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		st := newIssuerStub()
		st.setAnswer(func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		})
		g := newGuard(t, st, newClock(), nil)
		time.Sleep(time.Minute)
		g.keys.nextTry.Store(0)
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		began := time.Now()
		if _, err := g.Verify(ctx, esSigner().validToken()); err == nil || time.Since(began) != time.Second {
			t.Errorf("%v after %v", err, time.Since(began))
		}
		time.Sleep(DefaultFetchTimeout) // the fetch ends by its own timeout
	})
}

func TestKeys_FetchesAgainAfterClockSetBack(t *testing.T) {
	t.Parallel()
	c, st := newClock(), newIssuerStub(esSigner().jwk(nil))
	g := newGuard(t, st, c, nil)
	c.Advance(-24 * time.Hour)
	before := st.countKeyFetches()
	_ = g.Ready(context.Background())
	waitForFetch(g)
	if st.countKeyFetches() == before {
		t.Error("no fetch before the clock reaches its former time")
	}
}

func TestDiscovery_RefusesOtherIssuersAndHosts(t *testing.T) {
	t.Parallel()
	const elsewhere = "https://keys.test/acme"
	body := string(encodeJWKS(esSigner().jwk(nil)))
	for name, tt := range map[string]struct {
		status   int
		document string
		keysAt   string
		ok       bool
	}{
		"jwks_uri":           {200, `{"issuer":"` + issuerURL + `","jwks_uri":"` + issuerURL + `/keys"}`, issuerURL + "/keys", true},
		"jwks_uri elsewhere": {200, `{"issuer":"` + issuerURL + `","jwks_uri":"` + elsewhere + `"}`, elsewhere, false},
		"no jwks_uri":        {200, `{"issuer":"` + issuerURL + `"}`, issuerURL + "/.well-known/jwks.json", true},
		"no document":        {404, "", issuerURL + "/.well-known/jwks.json", true},
		"other issuer":       {200, `{"issuer":"https://evil.test","jwks_uri":"` + elsewhere + `"}`, elsewhere, false},
		"issuer with slash":  {200, `{"issuer":"` + issuerURL + `/","jwks_uri":"` + elsewhere + `"}`, elsewhere, false},
		"no issuer":          {200, `{"jwks_uri":"` + elsewhere + `"}`, elsewhere, false},
		"jwks_uri over http": {200, `{"issuer":"` + issuerURL + `","jwks_uri":"http://keys.test/acme"}`, "http://keys.test/acme", false},
		"jwks_uri is a file": {200, `{"issuer":"` + issuerURL + `","jwks_uri":"file:///etc/passwd"}`, "file:///etc/passwd", false},
		"repeated issuer":    {200, `{"issuer":"https://evil.test","issuer":"` + issuerURL + `"}`, elsewhere, false},
		"broken":             {200, `{"issuer":`, elsewhere, false},
		"server error":       {500, "", issuerURL + "/.well-known/jwks.json", false},
	} {
		t.Run(name, func(t *testing.T) {
			st := newIssuerStub()
			st.setAnswer(func(r *http.Request) (*http.Response, error) {
				switch {
				case strings.HasSuffix(r.URL.Path, "/.well-known/openid-configuration"):
					return newResponse(tt.status, tt.document), nil
				case r.URL.String() == tt.keysAt:
					return newResponse(200, body), nil
				}
				return newResponse(404, ""), nil
			})
			g := newGuard(t, st, newClock(), nil)
			if err := g.Ready(context.Background()); (err == nil) != tt.ok {
				t.Errorf("Ready: %v", err)
			}
		})
	}
}

// The guard finds moved keys without a restart.
func TestDiscovery_FindsMovedKeys(t *testing.T) {
	t.Parallel()
	c, st := newClock(), newIssuerStub()
	var moved atomic.Bool
	at := func() string {
		if moved.Load() {
			return issuerURL + "/new"
		}
		return issuerURL + "/old"
	}
	body := string(encodeJWKS(esSigner().jwk(nil)))
	st.setAnswer(func(r *http.Request) (*http.Response, error) {
		switch r.URL.String() {
		case issuerURL + "/.well-known/openid-configuration":
			return newResponse(200, `{"issuer":"`+issuerURL+`","jwks_uri":"`+at()+`"}`), nil
		case at():
			return newResponse(200, body), nil
		}
		return newResponse(404, ""), nil
	})
	g := newGuard(t, st, c, nil)
	moved.Store(true)
	for range 2 {
		c.Advance(DefaultRefreshInterval)
		_ = g.Ready(context.Background())
		waitForFetch(g)
	}
	c.Advance(DefaultMaxStale - time.Minute)
	if err := g.Ready(context.Background()); err != nil {
		t.Error(err)
	}
	if st.countRequests("/t/acme/new") == 0 {
		t.Error("the new URL was not fetched")
	}
}

func TestConfig_FetchKeysReplacesDiscovery(t *testing.T) {
	t.Parallel()
	calls := 0
	g, err := New(context.Background(), Config{
		Issuer: issuerURL, Now: newClock().Now,
		FetchKeys: func(context.Context) ([]byte, error) {
			calls++
			return encodeJWKS(esSigner().jwk(nil)), nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	requireAccepted(t, g, esSigner().validToken())
	if calls != 1 {
		t.Errorf("%d calls", calls)
	}
}

func TestMaxAge_ParsesCacheControl(t *testing.T) {
	t.Parallel()
	for header, want := range map[string]time.Duration{
		"": 0, "no-store": 0, "max-age=300": 5 * time.Minute, "public, Max-Age=60, must-revalidate": time.Minute,
		`max-age="60"`: time.Minute, "max-age=-1": 0, "max-age=x": 0, "s-maxage=9": 0, "max-age=99999999999999": 0,
	} {
		if got := maxAge(header); got != want {
			t.Errorf("%q: %v, want %v", header, got, want)
		}
	}
}
