// Package proxies tests the configurations of this directory: a client sends requests to a
// server through each proxy.
package proxies

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/watchword-auth/watchword/internal/config"
	"github.com/watchword-auth/watchword/internal/servertest"
)

// client is the address that the client connects from; the proxy is at 127.0.0.1.
const client = "127.0.0.2"

func TestRepair_N22_Proxies(t *testing.T) {
	t.Parallel()
	for name, p := range map[string]struct {
		program string
		start   func(t *testing.T, f *front) *exec.Cmd
	}{
		"nginx": {"nginx", func(t *testing.T, f *front) *exec.Cmd {
			site := f.configuration(t, "nginx.conf", "listen 443", "listen 127.0.0.1:"+f.port, "/etc/ssl/auth.example.com.crt", f.cert, "/etc/ssl/private/auth.example.com.key", f.key)
			whole := f.file(t, "whole.conf", "daemon off;\npid "+f.dir+"/pid;\nerror_log stderr;\nevents {}\nhttp {\naccess_log off;\n"+
				"client_body_temp_path "+f.dir+"/1;\nproxy_temp_path "+f.dir+"/2;\nfastcgi_temp_path "+f.dir+"/3;\nuwsgi_temp_path "+f.dir+"/4;\nscgi_temp_path "+f.dir+"/5;\ninclude "+site+";\n}\n")
			return exec.Command("nginx", "-p", f.dir, "-c", whole)
		}},
		"caddy": {"caddy", func(t *testing.T, f *front) *exec.Cmd {
			site := f.configuration(t, "Caddyfile", "auth.example.com {", "https://localhost:"+f.port+" {\n\tbind 127.0.0.1\n\ttls "+f.cert+" "+f.key)
			return exec.Command("caddy", "run", "--adapter", "caddyfile", "--config", f.file(t, "whole", "{\n\tadmin off\n\tauto_https disable_redirects\n}\nimport "+site+"\n"))
		}},
		"haproxy": {"haproxy", func(t *testing.T, f *front) *exec.Cmd {
			both := f.file(t, "both.pem", f.text(t, f.cert)+f.text(t, f.key))
			return exec.Command("haproxy", "-db", "-f", f.configuration(t, "haproxy.cfg", "bind :443", "bind 127.0.0.1:"+f.port, "/etc/haproxy/auth.example.com.pem", both))
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			lacks(t, p.program)
			f := newFront(t)
			f.run(t, p.start(t, f))
			f.signIn(t)
			f.wantAddress(t)
		})
	}
}

// front is a server with a proxy in front of it.
type front struct {
	*servertest.Server
	log            *buffer
	dir, port      string
	cert, key      string // files
	upstream, base string
}

func newFront(t *testing.T) *front {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(l.Addr().String())
	l.Close()
	f := &front{log: &buffer{}, dir: t.TempDir(), port: port, base: "https://localhost:" + port}
	if err := os.Chmod(f.dir, 0o755); err != nil { // nginx gives its rights away
		t.Fatal(err)
	}
	f.makeCertificate(t)
	f.Server = servertest.New(t, servertest.Log(slog.New(slog.NewJSONHandler(f.log, nil))), servertest.Configure(func(c *config.Config) {
		c.Issuer, c.Proxy.Trusted = f.base, config.Prefixes{netip.MustParsePrefix("127.0.0.1/32")}
	}))
	f.upstream = strings.TrimPrefix(f.URL, "http://")
	return f
}

// configuration returns a file of this directory with replaced names, all of which must
// occur in it.
func (f *front) configuration(t *testing.T, name string, pairs ...string) string {
	t.Helper()
	text := f.text(t, name)
	pairs = append(pairs, "127.0.0.1:8080", f.upstream)
	for i := 0; i < len(pairs); i += 2 {
		if !strings.Contains(text, pairs[i]) {
			t.Fatalf("%s lacks %q", name, pairs[i])
		}
		text = strings.ReplaceAll(text, pairs[i], pairs[i+1])
	}
	return f.file(t, name, strings.ReplaceAll(text, "server_name auth.example.com", "server_name localhost"))
}

func (f *front) text(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func (f *front) file(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(f.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// makeCertificate makes a certificate that the client of the test trusts.
func (f *front) makeCertificate(t *testing.T) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	f.cert = f.file(t, "cert.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	f.key = f.file(t, "key.pem", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})))
}

// run starts the proxy and makes the client of the test use it.
func (f *front) run(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(f.text(t, f.cert)))
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(client)}}
	f.URL = f.base
	f.Client = &http.Client{
		Timeout:       time.Minute,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}, ForceAttemptHTTP2: true,
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				return dialer.DialContext(ctx, "tcp", "127.0.0.1:"+f.port)
			}},
	}
	var said buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	cmd.Env = append(os.Environ(), "XDG_DATA_HOME="+f.dir, "XDG_CONFIG_HOME="+f.dir)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { cmd.Wait(); close(ended) }()
	t.Cleanup(func() {
		f.Client.CloseIdleConnections()
		cmd.Process.Signal(os.Interrupt)
		<-ended
	})
	for until := time.Now().Add(time.Minute); time.Now().Before(until); {
		if r, err := f.Try("GET", "/readyz", nil); err == nil && r.Status == http.StatusOK {
			return
		}
		select {
		case <-ended:
			t.Fatalf("%s has ended:\n%s", cmd.Path, said.String())
		case <-time.After(50 * time.Millisecond):
		}
	}
	t.Fatalf("%s does not become ready:\n%s", cmd.Path, said.String())
}

// signIn signs in by the pages and by the API.
func (f *front) signIn(t *testing.T) {
	t.Helper()
	var metadata struct{ Issuer string }
	f.Do(t, "GET", "/.well-known/openid-configuration", nil).Want(t, 200).Decode(t, &metadata)
	if metadata.Issuer != f.base {
		t.Errorf("issuer %s, want %s", metadata.Issuer, f.base)
	}
	const alice = "alice@example.test"
	tokens := f.SignUp(t, alice)
	f.Do(t, "GET", "/api/v1/me", nil, servertest.Bearer(tokens.AccessToken)).Want(t, 200)

	b := f.Browser(t)
	b.Open("/account").Want(t, 200)
	page := b.Press("submit", "email", alice, "password", servertest.Password).Want(t, 200).At(t, "/account")
	if !strings.Contains(page.Text(), alice) {
		t.Errorf("the account page does not name %s: %s", alice, page.Text())
	}
}

// wantAddress fails the test unless the server logs the client's address, whatever
// X-Forwarded-For the client sends.
func (f *front) wantAddress(t *testing.T) {
	t.Helper()
	for nth, header := range []string{"", "203.0.113.9", "127.0.0.1", "203.0.113.9, 127.0.0.1"} {
		var opts []servertest.RequestOption
		if header != "" {
			opts = append(opts, servertest.Header("X-Forwarded-For", header))
		}
		f.Do(t, "GET", "/api/v1/openapi.json", nil, opts...).Want(t, 200)
		if got := f.address(t, nth); got != client {
			t.Errorf("with X-Forwarded-For %q the server sees %s, want %s", header, got, client)
		}
	}
	for _, words := range []string{"sends no X-Forwarded-For", "not in proxy.trusted"} {
		if strings.Contains(f.log.String(), words) {
			t.Errorf("the server warns: %s", words)
		}
	}
}

// address returns the address of the nth request for the OpenAPI description in the access
// log, which is written after the response.
func (f *front) address(t *testing.T, nth int) string {
	t.Helper()
	for until := time.Now().Add(time.Minute); time.Now().Before(until); time.Sleep(10 * time.Millisecond) {
		var seen []string
		for line := range strings.Lines(f.log.String()) {
			var l struct{ Route, IP string }
			if json.Unmarshal([]byte(line), &l) == nil && l.Route == "/api/v1/openapi.json" {
				seen = append(seen, l.IP)
			}
		}
		if len(seen) > nth {
			return seen[nth]
		}
	}
	t.Fatal("the request is not in the log")
	return ""
}

func lacks(t *testing.T, program string) {
	t.Helper()
	for _, dir := range []string{"", "/usr/sbin/"} {
		if _, err := exec.LookPath(dir + program); err == nil {
			return
		}
	}
	if os.Getenv("WATCHWORD_TEST_ALL") != "" {
		t.Fatalf("%s is not installed", program)
	}
	t.Skipf("%s is not installed", program)
}

// buffer is a bytes.Buffer for several goroutines.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
