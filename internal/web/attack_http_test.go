package web

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"
)

// zeros is an endless body.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

func TestAttack_HT_01_BodyOverLimit(t *testing.T) {
	t.Parallel()
	h := newFixture(t)
	srv := httptest.NewServer(h.Public())
	t.Cleanup(srv.Close)
	for _, c := range []struct {
		name, path, media string
		most              int64
	}{
		{"json", "/api/v1/login", "application/json", 1 << 20},
		{"form", "/verify-email", "application/x-www-form-urlencoded", 64 << 10},
	} {
		for _, chunked := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s chunked=%v", c.name, chunked), func(t *testing.T) {
				r, err := http.NewRequest("POST", srv.URL+c.path, io.LimitReader(zeros{}, c.most+1))
				if err != nil {
					t.Fatal(err)
				}
				if !chunked {
					r.ContentLength = c.most + 1
				}
				r.Header.Set("Content-Type", c.media)
				res, err := http.DefaultTransport.RoundTrip(r)
				if err != nil {
					t.Fatal(err)
				}
				defer res.Body.Close()
				if res.StatusCode != 413 || !res.Close {
					t.Errorf("status %d, close %v", res.StatusCode, res.Close)
				}
			})
		}
	}
	best := ^uint64(0)
	for range 20 { // other tests allocate at the same time, so the best of twenty counts
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		r := request("POST", "/api/v1/login", "")
		r.Body, r.ContentLength = io.NopCloser(io.LimitReader(zeros{}, 1<<30)), -1
		r.Header.Set("Content-Type", "application/json")
		h.requireReply(h.do(r), 413, "body_too_large")
		runtime.ReadMemStats(&after)
		if best = min(best, after.TotalAlloc-before.TotalAlloc); best < 16<<20 {
			break
		}
	}
	if best > 64<<20 {
		t.Errorf("a gigabyte of body cost %d bytes of memory", best)
	}
}

func TestAttack_HT_02_HostileJSON(t *testing.T) {
	t.Parallel()
	h := newFixture(t)
	var members strings.Builder
	members.WriteString("{")
	for i := 0; members.Len() < 1<<20-32; i++ {
		fmt.Fprintf(&members, `"%x":0,`, i)
	}
	members.WriteString(`"z":0}`)
	for name, body := range map[string]string{
		"deep arrays":    strings.Repeat("[", 100_000),
		"deep and whole": strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000),
		"deep objects":   strings.Repeat(`{"a":`, 100_000),
		"many keys":      members.String(),
		"duplicate":      `{"email":"a@example.com","password":"a","password":"b"}`,
		"same spelling":  `{"email":"a@example.com","password":"a","pass\u0077ord":"b"}`,
		"NaN":            `{"email":NaN,"password":"a"}`,
		"trailing":       `{"email":"a@example.com","password":"a"}x`,
		"long string":    `{"email":"` + strings.Repeat("a", 1<<20-64) + `"`,
	} {
		r := h.post("/api/v1/login", body)
		best := time.Hour
		for range 10 { // other tests run at the same time, so the best of ten counts
			if best > 5*time.Second {
				began := time.Now()
				h.post("/api/v1/login", body)
				best = min(best, time.Since(began))
			}
		}
		if best > 5*time.Second { // anything worse than linear takes minutes
			t.Errorf("%s: took %v", name, best)
		}
		if r.StatusCode != 400 || r.code() != "malformed_json" {
			t.Errorf("%s: %d %q", name, r.StatusCode, r.code())
		}
	}
}

// rawStatus sends raw bytes and returns the status, or 0 if the connection was closed without a
// response.
func rawStatus(t *testing.T, addr, head string) int {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(time.Minute))
	go io.WriteString(c, head) // the response may come before all is sent
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return 0
	}
	return res.StatusCode
}

func TestAttack_HT_05_HugeHead(t *testing.T) {
	t.Parallel()
	h := newFixture(t)
	srv := httptest.NewUnstartedServer(h.Public())
	srv.Config.MaxHeaderBytes = 32 << 10
	srv.Start()
	t.Cleanup(srv.Close)
	addr := srv.Listener.Addr().String()
	head := "GET /livez HTTP/1.1\r\nHost: x\r\n"
	var many strings.Builder
	for i := range 10_000 {
		fmt.Fprintf(&many, "X-%d: 1\r\n", i)
	}
	if got := rawStatus(t, addr, head+"X-Big: "+strings.Repeat("a", 1<<20)+"\r\n\r\n"); got != 431 && got != 0 {
		t.Errorf("header of 1 MiB: %d", got)
	}
	if got := rawStatus(t, addr, head+many.String()+"\r\n"); got != 431 && got != 0 {
		t.Errorf("10,000 headers: %d", got)
	}
	if got := rawStatus(t, addr, "GET /"+strings.Repeat("a", 64<<10)+" HTTP/1.1\r\nHost: x\r\n\r\n"); got != 431 && got != 414 && got != 0 {
		t.Errorf("URL of 64 KiB: %d", got)
	}
	// The router has tighter bounds than the listener.
	h.requireReply(h.get("/livez?"+strings.Repeat("a", 9<<10)), 414, "url_too_long")
	r := request("GET", "/livez", "")
	for i := range 200 {
		r.Header.Set(fmt.Sprintf("X-%d", i), "1")
	}
	h.requireReply(h.do(r), 431, "too_many_headers")
}

func TestAttack_HT_06_Methods(t *testing.T) {
	t.Parallel()
	h := newFixture(t)
	srv := httptest.NewServer(h.Public())
	t.Cleanup(srv.Close)
	for _, method := range []string{"TRACE", "CONNECT", "PROPFIND", "get", "FOO"} {
		for _, path := range []string{"/api/v1/me", "/verify-email", "/.well-known/jwks.json", "/livez"} {
			got := rawStatus(t, srv.Listener.Addr().String(), method+" "+path+" HTTP/1.1\r\nHost: x\r\n\r\n")
			if got != 405 && got != 501 && got != 400 {
				t.Errorf("%s %s: %d", method, path, got)
			}
			if method == "CONNECT" || method == "get" {
				continue
			}
			if got != 405 {
				t.Errorf("%s %s: %d", method, path, got)
			}
		}
	}
	r := h.do(request("HEAD", "/.well-known/jwks.json", ""))
	if r.StatusCode != 200 {
		t.Errorf("HEAD: %d", r.StatusCode)
	}
}

func TestAttack_HT_08_NothingLiesAround(t *testing.T) {
	t.Parallel()
	h := newFixture(t)
	for _, path := range []string{"/.git/config", "/.env", "/backup.zip", "/metrics", "/debug/pprof/", "/debug/vars", "/assets/", "/admin.php",
		"/dev/mailbox", "/dev/mailbox.json", "/watchword.db", "/docs", "/schemas/Me.json", "/openapi.json", "/openapi.yaml", "/server-status"} {
		if r := h.get(path); r.StatusCode != 404 {
			t.Errorf("%s: %d", path, r.StatusCode)
		}
	}
}

func TestAttack_HT_09_CORS(t *testing.T) {
	t.Parallel()
	h := newFixture(t)
	tk := h.signedIn("alice@example.com")
	for _, c := range []struct {
		origin string
		ok     bool
	}{
		{origin, true},
		{"null", false},
		{"https://app.example.test.evil.test", false},
		{"https://evil-app.example.test", false},
		{"https://sub.app.example.test", false},
		{"http://app.example.test", false},
		{"https://app.example.test:8443", false},
		{"https://app.example.tes", false},
		{"*", false},
		{base, false}, // its own pages need no CORS
	} {
		for _, path := range []string{"/api/v1/me", "/api/v1/login"} {
			r := h.get(path, "Origin: "+c.origin, bearer(tk))
			got := r.Header.Get("Access-Control-Allow-Origin")
			if (got == c.origin) != c.ok || (got != "" && got != c.origin) {
				t.Errorf("%s to %s: Access-Control-Allow-Origin %q", c.origin, path, got)
			}
			pre := h.do(request("OPTIONS", path, "", "Origin: "+c.origin, "Access-Control-Request-Method: GET", "Access-Control-Request-Headers: authorization"))
			got = pre.Header.Get("Access-Control-Allow-Origin")
			if (got == c.origin) != c.ok || (got != "" && got != c.origin) {
				t.Errorf("preflight of %s to %s: Access-Control-Allow-Origin %q", c.origin, path, got)
			}
			if !strings.Contains(strings.Join(r.Header.Values("Vary"), ","), "Origin") {
				t.Errorf("%s: a cache could mix up origins", path)
			}
		}
	}
	for _, path := range []string{"/verify-email?token=x", "/livez", "/", "/login", "/continue", "/consent", "/account", "/device", "/logout", "/oauth2/logout", "/oauth2/authorize", "/oauth2/introspect"} {
		for _, method := range []string{"GET", "OPTIONS"} {
			r := h.do(request(method, path, "", "Origin: "+origin, "Access-Control-Request-Method: GET"))
			if got := r.Header.Get("Access-Control-Allow-Origin"); got != "" {
				t.Errorf("%s %s: Access-Control-Allow-Origin %q", method, path, got)
			}
		}
	}
	for _, bad := range []string{"*", "https://*.example.test", "null", "app.example.test", "https://app.example.test/", "https://app.example.test/x", "ftp://x"} {
		cfg := h.cfg
		cfg.Metrics, cfg.Origins = nil, []string{bad}
		if _, err := New(cfg); err == nil {
			t.Errorf("origin %q was accepted", bad)
		}
	}
}

// Scripts of every origin may read published documents and call endpoints that read no cookie, always
// without cookies.
func TestCORS_AllowsEveryOriginWithoutCookies(t *testing.T) {
	t.Parallel()
	for _, configured := range [][]string{nil, {origin}} {
		h := newFixture(t, func(c *Config) { c.Origins = configured })
		for path, method := range map[string]string{
			"/.well-known/jwks.json": "GET", "/.well-known/openid-configuration": "GET", "/t/acme/.well-known/jwks.json": "GET",
			"/oauth2/token": "POST", "/oauth2/revoke": "POST", "/oauth2/par": "POST", "/oauth2/device_authorization": "POST", "/oauth2/userinfo": "GET",
			"/oauth2/register": "POST", "/oauth2/register/x": "PUT", "/t/acme/oauth2/token": "POST",
		} {
			for _, from := range []string{origin, "https://evil.test", "null"} {
				pre := h.do(request("OPTIONS", path, "", "Origin: "+from, "Access-Control-Request-Method: "+method, "Access-Control-Request-Headers: authorization,content-type,dpop"))
				if pre.StatusCode != 204 || pre.Header.Get("Access-Control-Allow-Origin") != "*" || pre.Header.Get("Access-Control-Allow-Headers") == "" || pre.Header.Get("Access-Control-Allow-Credentials") != "" {
					t.Errorf("%s from %s: %d %v", path, from, pre.StatusCode, pre.Header)
				}
				r := h.do(request(method, path, "", "Origin: "+from, "Sec-Fetch-Site: cross-site"))
				exposed := r.Header.Get("Access-Control-Expose-Headers")
				if strings.Contains(string(r.body), "another site") || r.Header.Get("Access-Control-Allow-Origin") != "*" || !strings.Contains(strings.ToLower(exposed), "dpop-nonce") || !strings.Contains(strings.ToLower(exposed), "www-authenticate") {
					t.Errorf("%s %s from %s: %d %v", method, path, from, r.StatusCode, r.Header)
				}
			}
		}
	}
}

func TestAttack_HT_10_CompressedBody(t *testing.T) {
	t.Parallel()
	h := newFixture(t)
	for _, enc := range []string{"gzip", "deflate", "br", "zstd", "gzip, gzip"} {
		h.requireReply(h.post("/api/v1/login", "\x1f\x8b\x08\x00", "Content-Encoding: "+enc), 415, "unsupported_media_type")
		r := h.post("/verify-email", "\x1f\x8b\x08\x00", "Content-Type: application/x-www-form-urlencoded", "Content-Encoding: "+enc)
		if r.StatusCode != 415 {
			t.Errorf("form: %d", r.StatusCode)
		}
	}
}

func TestAttack_HT_12_ParametersChooseNothing(t *testing.T) {
	t.Parallel()
	h := newFixture(t)
	plain := h.get("/verify-email?token=x")
	for _, q := range []string{"ui_locales=../../etc/passwd", "theme=../look.css", "locale=%00", "template=..%2f..%2fverify_email.html"} {
		if r := h.get("/verify-email?token=x&" + q); string(r.body) != string(plain.body) {
			t.Errorf("%s changes the page", q)
		}
	}
	for _, path := range []string{"/assets/../ui.go", "/assets/%2e%2e/ui.go", "/assets/look.css/../ui.go", "/assets/..%2fui.go", "/assets/ui.go"} {
		if r := h.get(path); r.StatusCode != 404 {
			t.Errorf("%s: %d", path, r.StatusCode)
		}
	}
}

func TestAPI_RefusesOtherMediaTypes(t *testing.T) {
	t.Parallel()
	h := newFixture(t)
	body := `{"email":"a@example.com","password":"x"}`
	for _, media := range []string{"text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/json, text/plain", "application/ld+json", "x", ""} {
		h.requireReply(h.post("/api/v1/login", body, "Content-Type: "+media), 415, "unsupported_media_type")
	}
	r := request("POST", "/api/v1/login", body)
	r.Header.Del("Content-Type")
	h.requireReply(h.do(r), 415, "unsupported_media_type")
	for _, media := range []string{"application/json", "application/json; charset=UTF-8", "Application/JSON", "application/json; charset=iso-8859-1", "application/json ;charset"} {
		h.requireReply(h.post("/api/v1/login", body, "Content-Type: "+media), 401, "invalid_credentials")
	}
}

func TestResponses_HaveSecurityHeaders(t *testing.T) {
	t.Parallel()
	h := newFixture(t)
	for _, path := range []string{"/livez", "/api/v1/me", "/nowhere", "/verify-email?token=x", "/reset-password?token=x", "/.well-known/jwks.json", "/api/v1/openapi.json", "//x"} {
		r := h.get(path)
		for name, want := range map[string]string{
			"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer",
			"Strict-Transport-Security": "max-age=63072000", "Server": "", "X-Powered-By": "",
		} {
			if got := r.Header.Get(name); got != want {
				t.Errorf("%s: %s %q, want %q", path, name, got, want)
			}
		}
		csp := r.Header.Get("Content-Security-Policy")
		if !strings.Contains(csp, "default-src 'none'") || !strings.Contains(csp, "frame-ancestors 'none'") || strings.Contains(csp, "unsafe") {
			t.Errorf("%s: policy %q", path, csp)
		}
		if cc := r.Header.Get("Cache-Control"); cc != "no-store" && !strings.HasPrefix(path, "/.well-known") && path != "/api/v1/openapi.json" {
			t.Errorf("%s: Cache-Control %q", path, cc)
		}
	}
}

func TestDocuments_ArePublicAndCacheable(t *testing.T) {
	t.Parallel()
	h := newFixture(t)
	r := h.requireReply(h.get("/.well-known/jwks.json"), 200, "")
	if got := r.Header.Get("Cache-Control"); got != "public, max-age=900" {
		t.Errorf("Cache-Control %q", got)
	}
	for _, private := range []string{`"d"`, `"p"`, `"q"`, `"k"`} {
		if strings.Contains(string(r.body), private) {
			t.Errorf("a private member %s is published", private)
		}
	}
	tag := r.Header.Get("Etag")
	again := h.get("/.well-known/jwks.json", "If-None-Match: "+tag)
	if again.StatusCode != 304 || len(again.body) != 0 || again.Header.Get("Etag") != tag {
		t.Errorf("%d %q", again.StatusCode, again.body)
	}
	// EP-09: no header of a request changes the issuer.
	for _, headers := range [][]string{{"X-Forwarded-Host: evil.test"}, {"Forwarded: host=evil.test"}, {"X-Forwarded-Proto: http"}} {
		req := request("GET", "/.well-known/openid-configuration", "", headers...)
		req.Host = "evil.test"
		if doc := h.do(req).json(t); doc["issuer"] != base {
			t.Errorf("%v: issuer %v", headers, doc["issuer"])
		}
	}
}
