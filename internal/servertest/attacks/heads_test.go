package attacks_test

import (
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/client"
	"github.com/watchword-auth/watchword/internal/servertest"
)

// longestURI returns the longest URI that can be registered.
func longestURI(prefix string) string { return prefix + strings.Repeat("a", auth.MaxURI-len(prefix)) }

// No response head is longer than usual proxies allow: a longer redirect is a page with a link,
// and the response arrives whole. The browser of these tests checks every response.
func TestRepair_Heads_StayBelowWhatProxiesTake(t *testing.T) {
	t.Parallel()
	callback, bye, state := longestURI("https://ledger.example.test/"), longestURI("https://ledger.example.test/bye/"), strings.Repeat("é&", 1365)
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		createAccount(t, s, alice)
		c := newThirdParty(t, s, auth.DefaultTenant, func(r *client.Registration) {
			r.RedirectURIs, r.PostLogoutURIs = []string{callback, ledgerCallback}, []string{bye}
			for i := range 99 {
				r.PostLogoutURIs = append(r.PostLogoutURIs, fmt.Sprintf("http://localhost:%d/%d", 10000+i, i))
			}
		})
		begin := func(b *servertest.Browser, more ...string) *servertest.Page {
			u, err := url.Parse(authorizationQuery(c, append([]string{"redirect_uri", callback, "state", state}, more...)...))
			if err != nil {
				t.Fatal(err)
			}
			return b.Post("/oauth2/authorize", u.Query(), "https://ledger.example.test")
		}
		b := s.Browser(t)
		begin(b)
		signIn(t, b, alice).At(t, "/consent")
		b.Press("approve")
		var hint string
		for _, mode := range []string{"", "query", "fragment", "form_post"} {
			if mode != "" {
				begin(b, "response_mode", mode)
			}
			if mode == "form_post" {
				b.Press("submit")
			}
			if got := b.Page.Answer(t); got.Get("state") != state || got.Get("code") == "" || !strings.HasPrefix(b.Page.URL.String(), callback) {
				t.Fatalf("mode %q: %v", mode, got)
			}
			form := url.Values{"grant_type": {"authorization_code"}, "code": {b.Page.Answer(t).Get("code")}, "redirect_uri": {callback}, "code_verifier": {pkceVerifier}}
			hint = decode[body](t, postForm(t, s, "/oauth2/token", form.Encode(), c.basic()).Want(t, 200))["id_token"].(string)
		}
		for _, refused := range [][]string{{"scope", "\""}, {"prompt", "none", "max_age", "0"}, {"response_type", "token"}, {"resource", "https://other.example.test"}} {
			begin(b, refused...)
			if got := b.Page.Answer(t); got.Get("state") != state && b.Page.URL.Fragment == "" || got.Get("error") == "" {
				t.Errorf("%q: %v", refused, got)
			}
		}
		state := strings.Repeat("\x01é", 682)
		leave := url.Values{"post_logout_redirect_uri": {bye}, "state": {state}, "client_id": {string(c.ID)}}
		b.Post("/oauth2/logout", leave, "https://ledger.example.test").At(t, "/oauth2/logout")
		leave.Set("id_token_hint", hint)
		b.Post("/oauth2/logout", leave, "https://ledger.example.test")
		if got := b.Page.Answer(t); got.Get("state") != state {
			t.Errorf("after the log-out: %v", got)
		}
	})
}

// The same behind nginx with the defaults of Debian, whose buffer for response heads is 4 KiB.
func TestRepair_Heads_PassNginx(t *testing.T) {
	t.Parallel()
	nginx, err := exec.LookPath("nginx")
	if err != nil {
		nginx = "/usr/sbin/nginx"
	}
	if _, err := os.Stat(nginx); err != nil {
		if os.Getenv("WATCHWORD_TEST_ALL") != "" {
			t.Fatal("nginx is not there, and WATCHWORD_TEST_ALL forbids skipping")
		}
		t.Skip("nginx is not there")
	}
	s := servertest.New(t)
	c := newThirdParty(t, s, auth.DefaultTenant)
	front := startNginx(t, nginx, s.URL)
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	for _, size := range []int{10, 1000, 2000, 3000, 3500, 4096} {
		state := strings.Repeat("x", size)
		r, err := client.Get(front + authorizationQuery(c, "prompt", "none", "state", state))
		if err != nil {
			t.Fatal(err)
		}
		r.Body.Close()
		if want := map[bool]int{true: 303, false: 200}[size <= 2000]; r.StatusCode != want {
			t.Errorf("a state of %d bytes: %d, want %d", size, r.StatusCode, want)
		}
	}
}

// startNginx runs nginx with its defaults in front of the server.
func startNginx(t *testing.T, nginx, to string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	dir := t.TempDir()
	conf := fmt.Sprintf(`daemon off; pid %[1]s/pid; error_log stderr; events {}
http { access_log off; client_body_temp_path %[1]s; proxy_temp_path %[1]s; fastcgi_temp_path %[1]s; uwsgi_temp_path %[1]s; scgi_temp_path %[1]s;
server { listen %[2]s; location / { proxy_pass %[3]s; } } }`, dir, address, to)
	file := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(file, []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	p := exec.CommandContext(t.Context(), nginx, "-p", dir, "-c", file)
	p.Cancel = func() error { return p.Process.Signal(os.Interrupt) }
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Wait() })
	eventually(t, "nginx listens", func() bool {
		c, err := net.Dial("tcp", address)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
	return "http://" + address
}
