package attacks_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/watchword-auth/watchword/internal/config"
	"github.com/watchword-auth/watchword/internal/servertest"
)

// bodyRoutes are the routes that read a body without authentication, with the maximum size of
// their kind.
func bodyRoutes(s *servertest.Server) map[string]struct {
	media string
	most  int64
} {
	form := struct {
		media string
		most  int64
	}{"application/x-www-form-urlencoded", int64(s.Config.HTTP.BodyForm)}
	json := form
	json.media, json.most = "application/json", int64(s.Config.HTTP.BodyJSON)
	return map[string]struct {
		media string
		most  int64
	}{
		"/verify-email": form, "/reset-password": form,
		api("/login"): json, api("/register"): json, api("/refresh"): json, api("/verify-email"): json, api("/verify-email/resend"): json, api("/password/forgot"): json, api("/password/reset"): json,
	}
}

// countingReader counts the bytes that were read from it.
type countingReader struct {
	io.Reader
	n *atomic.Int64
}

func (c countingReader) Read(b []byte) (int, error) {
	n, err := c.Reader.Read(b)
	c.n.Add(int64(n))
	return n, err
}

// endlessReader is an endless stream of one letter.
type endlessReader struct{}

func (endlessReader) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = 'a'
	}
	return len(b), nil
}

// TestAttack_HT_01_LargeBodies: a body over the limit, with or without Content-Length, gets
// 413; the connection is closed and the rest not read.
func TestAttack_HT_01_LargeBodies(t *testing.T) {
	t.Parallel()
	s := servertest.New(t, servertest.Configure(func(c *config.Config) {
		c.HTTP.ReadHeaderTimeout, c.HTTP.ReadTimeout = 10*time.Second, 20*time.Second // how long the rest is waited for at most
	}))
	var wg sync.WaitGroup // the server waits before it closes, so all wait together
	for path, r := range bodyRoutes(s) {
		c := dial(t, s.URL)
		wg.Go(func() {
			c.SetDeadline(time.Now().Add(patience))
			fmt.Fprintf(c, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n", path, r.media, r.most+1)
			b, err := io.ReadAll(c) // not one byte of the body was sent
			if err != nil || !bytes.HasPrefix(b, []byte("HTTP/1.1 413 ")) {
				t.Errorf("HT-01 %s with a length: %v: %.200s", path, err, b)
			}
		})
	}
	wg.Wait()
	for path, r := range bodyRoutes(s) {
		t.Run("HT-01 "+path, func(t *testing.T) {
			t.Parallel()
			t.Run("chunked", func(t *testing.T) {
				var sent atomic.Int64
				req, err := http.NewRequest("POST", s.URL+path, countingReader{io.LimitReader(io.MultiReader(strings.NewReader(`{"email":"`), endlessReader{}), 256<<20), &sent})
				if err != nil {
					t.Fatal(err)
				}
				req.Header.Set("Content-Type", r.media)
				res, err := s.Client.Do(req)
				if err == nil { // or the line was cut while we were still writing
					res.Body.Close()
					if res.StatusCode != 413 || !res.Close {
						t.Errorf("status %d, closed: %v", res.StatusCode, res.Close)
					}
				}
				if n := sent.Load(); n > 16<<20 {
					t.Errorf("%d MiB were taken", n>>20)
				}
			})
			t.Run("just within it", func(t *testing.T) {
				b := strings.Repeat(" ", int(r.most))
				res, err := s.Try("POST", path, b, servertest.Header("Content-Type", r.media))
				if err != nil || res.Status != 400 {
					t.Errorf("status %d, %v", res.Status, err)
				}
			})
		})
	}
}

// TestAttack_HT_02_HostileJSON: hostile JSON is refused quickly and has no effect.
func TestAttack_HT_02_HostileJSON(t *testing.T) {
	t.Parallel()
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		s.SignUp(t, alice)
		var members strings.Builder
		for i := range 90_000 {
			fmt.Fprintf(&members, `"k%d":1,`, i)
		}
		good := `"email":"` + alice + `","password":"` + servertest.Password + `"`
		for name, b := range map[string]string{
			"arrays":          strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000),
			"arrays, open":    strings.Repeat("[", 500_000),
			"objects":         strings.Repeat(`{"a":`, 100_000) + "1" + strings.Repeat("}", 100_000),
			"in a member":     `{"email":` + strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000) + `}`,
			"many members":    `{` + members.String() + good + `}`,
			"member twice":    `{` + good + `,"email":"` + eve + `"}`,
			"twice, escaped":  `{` + good + `,"\u0065mail":"` + eve + `"}`,
			"NaN":             `{` + good + `,"session":NaN}`,
			"Infinity":        `{` + good + `,"session":-Infinity}`,
			"trailing":        `{` + good + `} {}`,
			"trailing comma":  `{` + good + `,}`,
			"comment":         `{` + good + `/* */}`,
			"single quotes":   strings.ReplaceAll(`{`+good+`}`, `"`, `'`),
			"BOM":             "\xef\xbb\xbf{" + good + `}`,
			"UTF-16":          "\xff\xfe{\x00}\x00",
			"bad UTF-8":       `{"email":"` + alice + "\xff" + `","password":"x"}`,
			"lone surrogate":  `{"email":"` + alice + `","password":"\ud800"}`,
			"array":           `[{` + good + `}]`,
			"text":            `"` + alice + `"`,
			"null":            `null`,
			"null members":    `{"email":null,"password":null}`,
			"number":          `{"email":1e999999,"password":2}`,
			"long number":     `{"email":` + strings.Repeat("9", 500_000) + `,"password":"x"}`,
			"operator":        `{"email":{"$ne":null},"password":{"$ne":null}}`,
			"list of mails":   `{"email":["` + alice + `","` + eve + `"],"password":"` + servertest.Password + `"}`,
			"other case":      `{"Email":"` + alice + `","password":"` + servertest.Password + `"}`,
			"control in text": "{\"email\":\"" + alice + "\n\",\"password\":\"x\"}",
		} {
			at := time.Now()
			r := s.Do(t, "POST", api("/login"), b, jsonType)
			if took := time.Since(at); took > 30*time.Second {
				t.Errorf("HT-02 %s: took %s", name, took)
			}
			if r.Status != 400 && r.Status != 413 {
				t.Errorf("HT-02 %s: %d %s", name, r.Status, r.Body)
			}
		}
	})
}

// TestAttack_HT_07_Injection sends injections for databases, shells, templates and paths in
// every parameter: no error, no delay, no effect.
func TestAttack_HT_07_Injection(t *testing.T) {
	t.Parallel()
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		tokens := s.SignUp(t, alice)
		by := servertest.Bearer(tokens.AccessToken)
		payloads := []string{
			"' OR '1'='1", "' OR 1=1 -- ", "admin'--", "'; DROP TABLE accounts; --", "' UNION SELECT * FROM accounts --", "\" OR \"\"=\"", "') OR ('1'='1", "1' AND SLEEP(100) --",
			"'; SELECT pg_sleep(100); --", "' || pg_sleep(100) || '", "1; WAITFOR DELAY '0:1:40' --", "' AND randomblob(1000000000) --", "\\' OR 1=1 --", "%' ESCAPE '\\", "$1", "$$x$$", ":1", "?", "@@version",
			"' AND 1=CAST((SELECT version()) AS int) --", "x' AND load_extension('x') --", "*)(uid=*))(|(uid=*", "{{7*7}}", "${7*7}", "<%= 7*7 %>", "#{7*7}", "`id`", "$(id)", "; cat /etc/passwd", "| id",
			"../../../../etc/passwd", "..%2f..%2fetc/passwd", "file:///etc/passwd", "<script>alert(1)</script>", "\"><img src=x onerror=alert(1)>", "%00", "%s%s%n", "\u0000", "\\u0000", "0x31303235", "NULL", "-1", "9999999999999999999999",
		}
		check := func(where, payload string, r servertest.Response, took time.Duration) {
			t.Helper()
			if r.Status >= 500 || r.Status < 400 && r.Status != 202 && r.Status != 200 {
				t.Errorf("HT-07 %s with %q: %d %s", where, payload, r.Status, r.Body)
			}
			if took > patience {
				t.Errorf("HT-07 %s with %q took %s", where, payload, took)
			}
			for _, leak := range []string{"root:x:", "syntax error", "SQLSTATE", "sqlite", "goroutine ", ".go:", "pgx"} {
				if bytes.Contains(r.Body, []byte(leak)) {
					t.Errorf("HT-07 %s with %q says %q", where, payload, leak)
				}
			}
		}
		try := func(method, path string, b any, payload string, opts ...servertest.RequestOption) {
			t.Helper()
			at := time.Now()
			check(method+" "+path, payload, s.Do(t, method, path, b, opts...), time.Since(at))
		}
		requireUnchanged(t, s, func() {
			for _, p := range payloads {
				e := url.QueryEscape(p)
				try("POST", api("/login"), body{"email": p, "password": p}, p)
				try("POST", api("/login"), body{"email": alice, "password": p}, p)
				try("POST", api("/login"), body{"email": alice, "password": wrongPassword, "session": p}, p)
				try("POST", api("/login"), body{p: p}, p)
				try("POST", api("/refresh"), body{"refresh_token": p}, p)
				try("POST", api("/refresh"), body{"refresh_token": tokens.RefreshToken + p}, p)
				try("POST", api("/verify-email"), body{"token": "wwl_" + p}, p)
				try("POST", api("/password/reset"), body{"token": p, "password": p}, p)
				try("POST", api("/password/forgot"), body{"email": p}, p)
				try("POST", api("/register"), body{"email": p, "password": servertest.Password, "name": p}, p)
				try("POST", api("/password/change"), body{"current_password": p, "new_password": p}, p, by)
				try("DELETE", api("/me/sessions/")+url.PathEscape(p)+"x", nil, p, by)
				try("DELETE", api("/me"), body{"current_password": p}, p, by)
				try("GET", "/t/"+url.PathEscape(p)+"x"+api("/me"), nil, p, by)
				try("GET", "/.well-known/oauth-authorization-server/t/"+url.PathEscape(p)+"x", nil, p)
				try("GET", "/verify-email?token="+e, nil, p)
				try("GET", "/reset-password?token="+e+"&next="+e+"&theme="+e+"&ui_locales="+e, nil, p)
				try("GET", api("/openapi.json")+"?"+e+"="+e, nil, p)
				try("POST", "/verify-email", "token="+e, p, servertest.Header("Content-Type", "application/x-www-form-urlencoded"))
				try("POST", "/reset-password", "token="+e+"&password="+e, p, servertest.Header("Content-Type", "application/x-www-form-urlencoded"))
				if !strings.ContainsAny(p, "\x00") {
					try("GET", api("/me"), nil, p, servertest.Header("Authorization", "Bearer "+p), servertest.Header("User-Agent", p))
					try("GET", api("/me"), nil, p, servertest.Header("Cookie", cookieName+"="+p), servertest.Header("Accept", p), servertest.Header("Accept-Language", p))
				}
			}
		})
		r := s.Do(t, "PATCH", api("/me"), body{"name": payloads[3]}, by).Want(t, 200) // as text it is a name like any other
		if got := decode[struct{ Name string }](t, r).Name; got != payloads[3] {
			t.Errorf("the name became %q", got)
		}
	})
}

// TestAttack_HT_08_CommonPaths requests paths that scanners try from the public listener.
func TestAttack_HT_08_CommonPaths(t *testing.T) {
	t.Parallel()
	s := servertest.New(t, servertest.Production(), servertest.Configure(func(c *config.Config) { c.Metrics.Pprof = true }))
	for _, path := range strings.Fields(`/.git/HEAD /.git/config /.gitignore /.svn/entries /.hg/ /.env /.env.local /.htaccess /.htpasswd /.DS_Store /.aws/credentials /.ssh/id_rsa /.bash_history /.dockerenv
		/backup /backup.sql /backup.zip /backup.tar.gz /db.sqlite /watchword.db /watchword.db-wal /watchword-data/ /data/ /dump.sql /database.yml /config.json /config.yaml /watchword.yaml /web.config /server-status /server-info
		/metrics /debug /debug/ /debug/pprof /debug/pprof/ /debug/pprof/heap /debug/pprof/cmdline /debug/pprof/goroutine?debug=2 /debug/vars /actuator /actuator/env /actuator/health /healthz /health /status /stats /trace /info
		/admin /admin/ /administrator /console /phpmyadmin/ /wp-login.php /wp-admin/ /xmlrpc.php /index.php /cgi-bin/ /manager/html /solr/ /jenkins/ /graphql /graphiql /swagger /swagger-ui.html /swagger.json /api-docs /openapi.json
		/docs /api /api/ /api/v1 /api/v1/ /api/v2/login /api/v1/admin /api/v1/admin/users /api/v1/users /api/v1/debug /api/v1/config /api/v1/openapi.yaml /api/v1/schemas /assets /assets/ /assets/../ /assets/look.css.map /static/ /templates/ /ui/
		/robots.txt~ /package.json /go.mod /Dockerfile /docker-compose.yml /Makefile /.github/ /dev /dev/ /dev/mailbox /dev/mailbox.json /mailbox /t /t/ /t/default/api/v1/me /t/x/metrics /oauth2/token/.. /%2e%2e/ /..%2f /%2e%2e%2fetc/passwd
		/.well-known/ /.well-known /.well-known/jwks.json/ /.well-known/jwks.json/x /livez/ /readyz/x /verify-email/ //metrics /./metrics /metrics/ /METRICS /Api/v1/me /api//v1/me /%61dmin /livez%00 /livez;x /livez%2f..%2fmetrics`) {
		r := s.Do(t, "GET", path, nil).Want(t, 404)
		protocol := strings.HasPrefix(path, "/oauth2/") // speaks of errors in words of its own
		if !protocol && (r.Code() != "not_found" || r.Header.Get("Content-Type") != "application/problem+json") || len(r.Header["Location"]) != 0 {
			t.Errorf("HT-08 %s: %v", path, r.Header)
		}
		for _, listing := range []string{"<pre>", "<a href", "Index of", "goroutine"} {
			if bytes.Contains(r.Body, []byte(listing)) {
				t.Errorf("HT-08 %s: %s", path, r.Body)
			}
		}
		page := s.Do(t, "GET", path, nil, servertest.Header("Accept", "text/html"))
		if page.Status != 404 || bytes.Contains(page.Body, []byte(strings.Trim(path, "/.")+"\"")) && len(path) > 3 {
			t.Errorf("HT-08 %s as a page: %d", path, page.Status)
		}
		if v := r.Header.Get("Server") + r.Header.Get("X-Powered-By"); v != "" {
			t.Errorf("HT-08: header with the software %s", v)
		}
	}
	for _, path := range []string{"/t/default", "/t/default/", "/t/nobody", "/t/nobody/"} { // pages for people
		if r := s.Do(t, "GET", path, nil); r.Status != 404 || len(r.Header["Location"]) != 0 {
			t.Errorf("HT-08 %s: %d %v", path, r.Status, r.Header)
		}
	}
	for path, want := range map[string]int{"/livez": 200, "/readyz": 200, "/metrics": 200, "/debug/pprof/cmdline": 200, "/api/v1/login": 404, "/.well-known/jwks.json": 404, "/dev/mailbox": 404} {
		if got := s.Managed(t, path).Status; got != want {
			t.Errorf("OP-08 %s on the management listener: %d", path, got)
		}
	}
	if got := servertest.New(t).Managed(t, "/debug/pprof/").Status; got != 404 {
		t.Errorf("OP-08 profiles without being asked for: %d", got)
	}
}

// TestAttack_HT_10_GzipBomb sends a few bytes that decompress to much more.
func TestAttack_HT_10_GzipBomb(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	var member bytes.Buffer
	z := gzip.NewWriter(&member)
	if _, err := io.Copy(z, io.LimitReader(endlessReader{}, 1<<20)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	bomb := bytes.Repeat(member.Bytes(), 64) // 64 MiB, as members of one file (RFC 1952 §2.2)
	for path, r := range bodyRoutes(s) {
		for _, coding := range []string{"gzip", "deflate", "br", "zstd", "x-gzip", "gzip, gzip", "identity, gzip", "GZIP"} {
			res, err := s.Try("POST", path, bomb, servertest.Header("Content-Type", r.media), servertest.Header("Content-Encoding", coding))
			if err != nil || res.Status != 415 && res.Status != 413 {
				t.Errorf("HT-10 %s as %s: %d %v", path, coding, res.Status, err)
			}
		}
	}
	answers, closed := sendRaw(t, s, "POST /api/v1/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: gzip, chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n")
	if len(answers) != 1 || answers[0].StatusCode != 501 && answers[0].StatusCode != 400 || !closed {
		t.Errorf("HT-10 as transfer coding: %d answers", len(answers))
	}
}

// TestAttack_HT_03_SlowClients: connections that send a byte now and then are closed at their
// timeout, and other requests are served meanwhile.
func TestAttack_HT_03_SlowClients(t *testing.T) {
	t.Parallel()
	const headTime, bodyTime = 2 * time.Second, 6 * time.Second
	s := servertest.New(t, servertest.Configure(func(c *config.Config) {
		c.HTTP.ReadHeaderTimeout, c.HTTP.ReadTimeout = headTime, bodyTime
	}))
	holdSlowConnections(t, s.URL, slowness{each: scaled(150, 1000), head: headTime, body: bodyTime}, func() error {
		r, err := s.Try("GET", "/.well-known/jwks.json", nil)
		if err == nil && r.Status != 200 {
			err = fmt.Errorf("status %d", r.Status)
		}
		return err
	})
}

// slowness is the number of slow connections of each kind, and how long the server allows them.
type slowness struct {
	each       int
	head, body time.Duration
}

// holdSlowConnections opens slow connections and sends valid requests until they are closed.
func holdSlowConnections(t *testing.T, url string, v slowness, good func() error) {
	t.Helper()
	var open, wrong atomic.Int64
	ended := make(chan struct{}, 2*v.each)
	drip := func(head string, limit time.Duration) {
		defer func() { ended <- struct{}{} }()
		c, err := net.DialTimeout("tcp", strings.TrimPrefix(url, "http://"), patience)
		if err != nil {
			wrong.Add(1)
			return
		}
		defer c.Close()
		open.Add(1)
		at := time.Now()
		io.WriteString(c, head)
		stop := time.NewTicker(limit / 4)
		defer stop.Stop()
		go func() {
			for range stop.C {
				if _, err := io.WriteString(c, "a"); err != nil {
					return
				}
			}
		}()
		c.SetReadDeadline(at.Add(limit + 30*time.Second))
		answer, err := io.ReadAll(c)
		if n, ok := err.(net.Error); ok && n.Timeout() {
			wrong.Add(1)
			t.Errorf("HT-03: still open after %s", time.Since(at))
		}
		if bytes.HasPrefix(answer, []byte("HTTP/1.1 2")) {
			wrong.Add(1)
			t.Errorf("HT-03: answered with %.40s", answer)
		}
	}
	for range v.each {
		go drip("GET /livez HTTP/1.1\r\nHost: x\r\nX-Slow: ", v.head)
		go drip("POST /api/v1/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n{\"email\":\"", v.body)
	}
	var slowest time.Duration
	served := 0
	for gone := 0; gone < 2*v.each; {
		select {
		case <-ended:
			gone++
		default:
			at := time.Now()
			if err := good(); err != nil {
				t.Fatalf("HT-03: a good client got %v", err)
			}
			slowest = max(slowest, time.Since(at))
			served++
		}
	}
	t.Logf("%d slow connections; meanwhile %d good requests, the slowest in %s", open.Load(), served, slowest)
	if open.Load() < int64(2*v.each) || served < 10 {
		t.Errorf("HT-03: only %d connections, %d good requests", open.Load(), served)
	}
}
