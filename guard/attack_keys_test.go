package guard

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestAttack_JV_16_WeakOrForeignKeys(t *testing.T) {
	t.Parallel()
	es, rs, ed := esSigner(), rsSigner(), edSigner()
	short := make([]byte, 128)
	_, _ = rand.Read(short)
	short[0], short[127] = 0xff, 0xff
	private := es.jwk(map[string]any{"d": encodeBase64(es.private.(*ecdsa.PrivateKey).D.FillBytes(make([]byte, 32)))})
	for name, tt := range map[string]struct {
		s     signer
		entry any
	}{
		"RSA 1024":                {rs, rs.jwk(map[string]any{"n": encodeBase64(short)})},
		"RSA e = 1":               {rs, rs.jwk(map[string]any{"e": "AQ"})},
		"RSA e = 2":               {rs, rs.jwk(map[string]any{"e": "Ag"})},
		"RSA e = 2^31 - 1":        {rs, rs.jwk(map[string]any{"e": encodeBase64(big.NewInt(1<<31 - 1).Bytes())})},
		"RSA e even":              {rs, rs.jwk(map[string]any{"e": encodeBase64(big.NewInt(65538).Bytes())})},
		"use enc":                 {es, es.jwk(map[string]any{"use": "enc"})},
		"use unknown":             {es, es.jwk(map[string]any{"use": "Sig"})},
		"key_ops without verify":  {es, es.jwk(map[string]any{"key_ops": []string{"sign", "encrypt"}})},
		"key_ops empty":           {es, es.jwk(map[string]any{"key_ops": []string{}})},
		"alg RS512, header RS256": {rs, rs.jwk(map[string]any{"alg": "RS512"})},
		"alg ES384 on P-256":      {es, es.jwk(map[string]any{"alg": "ES384"})},
		"alg RSA-OAEP":            {rs, rs.jwk(map[string]any{"alg": "RSA-OAEP"})},
		"alg HS256 on EC":         {es, es.jwk(map[string]any{"alg": "HS256"})},
		"alg not configured":      {ed, newECDSASigner(elliptic.P384(), "ES384", "ed-1").jwk(nil)},
		"private key published":   {es, private},
	} {
		t.Run("JV-16 "+name, func(t *testing.T) {
			// The valid key shows that only the invalid entry is skipped.
			other := newECDSASigner(elliptic.P256(), "ES256", "healthy")
			g := newGuard(t, newIssuerStub(tt.entry, other.jwk(nil)), newClock(), nil)
			requireAccepted(t, g, other.validToken())
			requireRefused(t, g, tt.s.validToken(), ErrSignature)
			requireRefused(t, g, tt.s.token(`{"kid":"`+tt.s.kid+`","typ":"at+jwt","alg":"`+tt.s.alg+`"}`, validPayload(nil)), ErrSignature)
		})
	}
	for name, more := range map[string]map[string]any{
		"no alg": {"alg": nil}, "no use": {"use": nil}, "key_ops": {"key_ops": []string{"verify"}}, "x5t and more": {"x": 1, "nbf": 7},
	} {
		if name == "x5t and more" {
			more = map[string]any{"nbf": 7, "ext": true}
		}
		t.Run("accepted: "+name, func(t *testing.T) {
			g := newGuard(t, newIssuerStub(es.jwk(more), rs.jwk(more), ed.jwk(more)), newClock(), nil)
			requireAccepted(t, g, es.validToken())
			requireAccepted(t, g, rs.validToken())
			requireAccepted(t, g, ed.validToken())
		})
	}
}

func TestAttack_JV_17_BrokenEntries(t *testing.T) {
	t.Parallel()
	es := esSigner()
	weakEd := edSigner().jwk(map[string]any{"x": encodeBase64(make([]byte, 32)), "kid": "weak"})
	g := newGuard(t, newIssuerStub(
		map[string]any{"kty": "oct", "kid": "oct-1", "k": encodeBase64([]byte("0123456789abcdef0123456789abcdef")), "alg": "HS256"},
		map[string]any{"kty": "PQC", "kid": "new"}, map[string]any{"kid": "no kty"}, map[string]any{}, "text", 7, nil, []int{1},
		es.jwk(map[string]any{"y": encodeBase64(make([]byte, 32)), "kid": "off-curve"}),
		es.jwk(map[string]any{"x": "!", "kid": "not base64"}),
		es.jwk(map[string]any{"crv": "P-192", "kid": "small curve"}),
		es.jwk(map[string]any{"kid": 7}), weakEd,
		es.jwk(nil),
	), newClock(), nil)
	requireAccepted(t, g, es.validToken())
	requireRefused(t, g, signHMACToken(`{"alg":"HS256","typ":"at+jwt","kid":"oct-1"}`, []byte("0123456789abcdef0123456789abcdef")), ErrAlgorithm)
	requireRefused(t, g, es.token(`{"alg":"ES256","typ":"at+jwt","kid":"off-curve"}`, validPayload(nil)), ErrSignature)

	// Responses without any usable key: 503.
	for _, body := range []string{
		"", "null", "[]", `{"keys":{}}`, `{"keys":null}`, `{"keys":[]}`, `{}`, `{"keys":[]}{}`, `{"keys":[],"keys":[]}`,
		`{"keys":[{"kty":"oct","k":"AAAA"}]}`, "<html>", `{"keys":[` + strings.Repeat(`{"a":[`, 100),
	} {
		st := newIssuerStub()
		st.setAnswer(func(r *http.Request) (*http.Response, error) {
			if strings.HasSuffix(r.URL.Path, "openid-configuration") {
				return newResponse(404, ""), nil
			}
			return newResponse(200, body), nil
		})
		requireRefused(t, newGuard(t, st, newClock(), nil), es.validToken(), ErrKeysUnavailable)
	}

	// Two keys with the same ID and algorithm: neither is used.
	twin := newECDSASigner(elliptic.P256(), "ES256", es.kid)
	other := newECDSASigner(elliptic.P256(), "ES256", "healthy")
	g = newGuard(t, newIssuerStub(es.jwk(nil), twin.jwk(nil), other.jwk(nil), other.jwk(nil)), newClock(), nil)
	requireRefused(t, g, es.validToken(), ErrSignature)
	requireRefused(t, g, twin.validToken(), ErrSignature)
	requireAccepted(t, g, other.validToken()) // an exact duplicate counts once
}

func TestAttack_JV_19_RandomKeyIDs(t *testing.T) {
	t.Parallel()
	c, st := newClock(), newIssuerStub(esSigner().jwk(nil))
	g := newGuard(t, st, c, nil)
	honest := esSigner().validToken()
	var wg sync.WaitGroup
	for worker := range 10 {
		wg.Go(func() {
			for i := range 1000 {
				kid := fmt.Sprintf("random-%d-%d", worker, i)
				requireRefused(t, g, esSigner().token(`{"alg":"ES256","typ":"at+jwt","kid":"`+kid+`"}`, "{}"), ErrSignature)
				if i%100 == 0 {
					c.Advance(100 * time.Millisecond) // 10 s in all
					requireAccepted(t, g, honest)
				}
			}
		})
	}
	wg.Wait()
	if n := st.countKeyFetches(); n < 1 || n > 2 {
		t.Errorf("%d fetches of the key set", n)
	}
}

func TestAttack_JV_20_IssuerDown(t *testing.T) {
	t.Parallel()
	es := esSigner()
	for name, answer := range map[string]func(r *http.Request) (*http.Response, error){
		"down":    func(*http.Request) (*http.Response, error) { return nil, errors.New("connection refused") },
		"500":     func(*http.Request) (*http.Response, error) { return newResponse(500, "oops"), nil },
		"HTML":    func(*http.Request) (*http.Response, error) { return newResponse(200, "<html>maintenance</html>"), nil },
		"no keys": func(*http.Request) (*http.Response, error) { return newResponse(200, `{"keys":[]}`), nil },
		"hung": func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		},
		"hung body": func(r *http.Request) (*http.Response, error) {
			res := newResponse(200, "")
			res.Body = io.NopCloser(hangingBody{r.Context()})
			return res, nil
		},
		"ignores its context": func(r *http.Request) (*http.Response, error) {
			time.Sleep(10 * time.Second)
			return nil, errors.New("too late")
		},
	} {
		t.Run("JV-20 "+name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				st := newIssuerStub(es.jwk(nil))
				g := newGuard(t, st, newClock(), func(c *Config) { c.Now = time.Now })
				began := time.Now()
				token := es.token(es.header(), validPayload(map[string]any{
					"iat": began.Unix(), "exp": began.Add(100 * time.Hour).Unix(), "auth_time": nil}))
				requireAccepted(t, g, token)
				st.setAnswer(answer)
				worst := time.Duration(0)
				for time.Since(began) < 7*time.Hour {
					before := time.Now()
					_, err := g.Verify(context.Background(), token)
					worst = max(worst, time.Since(before))
					switch age := time.Since(began); {
					case age < DefaultMaxStale && err != nil:
						t.Fatalf("after %v: %v", age, err)
					case age > DefaultMaxStale && !errors.Is(err, ErrKeysUnavailable):
						t.Fatalf("after %v: %v", age, err)
					}
					time.Sleep(17 * time.Second)
				}
				if worst > DefaultFetchTimeout {
					t.Errorf("a request waited %v", worst)
				}
				// It recovers within the longest backoff.
				time.Sleep(2 * time.Hour)
				st.publishKeys(es.jwk(nil))
				time.Sleep(DefaultMinRefetch)
				requireAccepted(t, g, token)
			})
		})
	}
}

// hang is a body that never ends and never comes.
type hangingBody struct{ ctx context.Context }

func (h hangingBody) Read([]byte) (int, error) {
	<-h.ctx.Done()
	return 0, h.ctx.Err()
}

func TestAttack_JV_20_DownAtStart(t *testing.T) {
	t.Parallel()
	c, st := newClock(), newIssuerStub()
	st.setAnswer(func(*http.Request) (*http.Response, error) { return nil, errors.New("connection refused") })
	g := newGuard(t, st, c, nil) // no error
	e := requireRefused(t, g, esSigner().validToken(), ErrKeysUnavailable)
	if e.RetryAfter < time.Second || e.RetryAfter > DefaultMinRefetch {
		t.Errorf("retry after %v", e.RetryAfter)
	}
	if err := g.Ready(context.Background()); !errors.Is(err, ErrKeysUnavailable) {
		t.Errorf("Ready: %v", err)
	}
	before := st.countRequests("/t/acme/.well-known/openid-configuration")
	for range 1000 {
		requireRefused(t, g, esSigner().validToken(), ErrKeysUnavailable)
	}
	if got := st.countRequests("/t/acme/.well-known/openid-configuration"); got != before {
		t.Errorf("%d requests hammered the issuer %d times", 1000, got-before)
	}
	st.publishKeys(esSigner().jwk(nil))
	c.Advance(time.Second)
	requireAccepted(t, g, esSigner().validToken())
	if err := g.Ready(context.Background()); err != nil {
		t.Error(err)
	}
}

func TestAttack_JV_21_HostileAnswers(t *testing.T) {
	t.Parallel()
	es, eve := esSigner(), newECDSASigner(elliptic.P256(), "ES256", "eve")
	evil := string(encodeJWKS(eve.jwk(nil)))
	redirect := func(to string) func(r *http.Request) (*http.Response, error) {
		return func(r *http.Request) (*http.Response, error) {
			if r.URL.String() == to {
				return newResponse(200, evil), nil
			}
			res := newResponse(302, "")
			res.Header.Set("Location", to)
			return res, nil
		}
	}
	counted := &endlessBody{}
	for name, answer := range map[string]func(r *http.Request) (*http.Response, error){
		"1 GiB": func(*http.Request) (*http.Response, error) {
			res := newResponse(200, "")
			res.Body = io.NopCloser(io.LimitReader(counted, 1<<30))
			return res, nil
		},
		"1 GiB announced": func(*http.Request) (*http.Response, error) {
			res := newResponse(200, "")
			res.ContentLength = 1 << 30
			res.Body = io.NopCloser(io.LimitReader(counted, 1<<30))
			return res, nil
		},
		"gzip bomb": func(r *http.Request) (*http.Response, error) {
			if r.Header.Get("Accept-Encoding") != "identity" {
				t.Error("compression was requested")
			}
			var b bytes.Buffer
			w := gzip.NewWriter(&b)
			_, _ = w.Write([]byte(evil + strings.Repeat(" ", 10<<20)))
			_ = w.Close()
			res := newResponse(200, b.String())
			res.Header.Set("Content-Encoding", "gzip")
			return res, nil
		},
		"redirect to another host": redirect("https://evil.test/jwks.json"),
		"redirect to http":         redirect("http://id.test/t/acme/jwks.json"),
		"redirect to another port": redirect("https://id.test:8443/jwks.json"),
		"redirect loop":            redirect("https://id.test/t/acme/.well-known/jwks.json?again"),
	} {
		if name == "redirect loop" {
			answer = func(r *http.Request) (*http.Response, error) {
				res := newResponse(302, "")
				res.Header.Set("Location", r.URL.String()+"x")
				return res, nil
			}
		}
		t.Run("JV-21 "+name, func(t *testing.T) {
			c, st := newClock(), newIssuerStub(es.jwk(nil))
			g := newGuard(t, st, c, nil)
			requireAccepted(t, g, es.validToken())
			st.setAnswer(answer)
			c.Advance(DefaultRefreshInterval)
			requireRefused(t, g, eve.validToken(), ErrSignature) // waits for the fetch
			requireAccepted(t, g, es.validToken())
			if st.countRequests("evil.test") != 0 || st.countRequests("id.test:8443") != 0 {
				t.Error("the redirect was followed")
			}
		})
	}
	if counted.n > 4*(maxBody+64<<10) {
		t.Errorf("%d bytes were read", counted.n)
	}
	t.Run("redirect in the same origin", func(t *testing.T) {
		st := newIssuerStub()
		st.setAnswer(func(r *http.Request) (*http.Response, error) {
			switch r.URL.Path {
			case "/t/acme/.well-known/openid-configuration":
				return newResponse(404, ""), nil
			case "/keys":
				return newResponse(200, string(encodeJWKS(es.jwk(nil)))), nil
			}
			res := newResponse(301, "")
			res.Header.Set("Location", "/keys")
			return res, nil
		})
		requireAccepted(t, newGuard(t, st, newClock(), nil), es.validToken())
	})
}

// endlessBody is an endless body that knows how much was read.
type endlessBody struct{ n int }

func (c *endlessBody) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	c.n += len(p)
	return len(p), nil
}

func TestAttack_JV_22_Rotation(t *testing.T) {
	t.Parallel()
	c := newClock()
	old, young := newECDSASigner(elliptic.P256(), "ES256", "old"), newECDSASigner(elliptic.P256(), "ES256", "young")
	st := newIssuerStub(old.jwk(nil))
	g := newGuard(t, st, c, nil)
	oldToken := requireAccepted(t, g, old.validToken())
	if oldToken.Subject != "alice" {
		t.Fatal(oldToken)
	}

	st.publishKeys(young.jwk(nil), old.jwk(nil))
	requireAccepted(t, g, young.validToken()) // at once, by one refresh
	requireAccepted(t, g, old.validToken())
	if n := st.countKeyFetches(); n != 2 {
		t.Errorf("%d fetches", n)
	}

	remembered := old.validToken()
	requireAccepted(t, g, remembered)
	st.publishKeys(young.jwk(nil))    // old is withdrawn
	requireAccepted(t, g, remembered) // nobody knows yet
	c.Advance(DefaultRefreshInterval)
	requireAccepted(t, g, young.validToken()) // starts the refresh
	waitForFetch(g)
	requireRefused(t, g, remembered, ErrSignature) // although it is in the cache
	requireRefused(t, g, old.validToken(), ErrSignature)
	requireAccepted(t, g, young.validToken())

	// The issuer may ask for more frequent looks.
	st.setAnswer(func(*http.Request) (*http.Response, error) {
		res := newResponse(200, string(encodeJWKS(young.jwk(nil))))
		res.Header.Set("Cache-Control", "public, max-age=60")
		return res, nil
	})
	c.Advance(DefaultRefreshInterval)
	requireAccepted(t, g, young.token(young.header(), validPayload(map[string]any{"exp": c.Now().Add(time.Hour).Unix()})))
	waitForFetch(g)
	before := st.countKeyFetches()
	c.Advance(61 * time.Second)
	_ = g.Ready(context.Background())
	waitForFetch(g)
	if st.countKeyFetches() != before+1 {
		t.Error("max-age was not obeyed")
	}
}

// waitForFetch waits for the fetch under way, if any.
func waitForFetch(g *Guard) {
	g.keys.mu.Lock()
	f := g.keys.flight
	g.keys.mu.Unlock()
	if f != nil {
		<-f.done
	}
}
