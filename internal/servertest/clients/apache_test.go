package clients_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/watchword-auth/watchword/internal/client"
	"github.com/watchword-auth/watchword/internal/config"
	"github.com/watchword-auth/watchword/internal/servertest"
)

// modules of Apache, from Debian's packages.
const modules = "/usr/lib/apache2/modules"

// apacheConf protects every path with mod_auth_openidc, which passes the claims in headers to
// the application behind it.
const apacheConf = `
ServerRoot %[1]q
PidFile "%[1]s/pid"
Mutex file:%[1]s default
ServerName localhost
Listen %[2]s
ErrorLog /dev/stderr
LogLevel warn
User www-data
Group www-data
LoadModule mpm_event_module %[3]s/mod_mpm_event.so
LoadModule authn_core_module %[3]s/mod_authn_core.so
LoadModule authz_core_module %[3]s/mod_authz_core.so
LoadModule authz_user_module %[3]s/mod_authz_user.so
LoadModule proxy_module %[3]s/mod_proxy.so
LoadModule proxy_http_module %[3]s/mod_proxy_http.so
LoadModule auth_openidc_module %[3]s/mod_auth_openidc.so

OIDCProviderMetadataURL %[4]s/.well-known/openid-configuration
OIDCClientID %[5]s
OIDCClientSecret %[6]s
OIDCRedirectURI http://localhost:%[7]s/redirect
OIDCCryptoPassphrase test
OIDCScope "openid email"
OIDCPKCEMethod S256
OIDCDefaultURL http://localhost:%[7]s/
OIDCDefaultLoggedOutURL http://localhost:%[7]s/out
OIDCCookieSameSite On

<Location />
  AuthType openid-connect
  Require valid-user
  ProxyPass %[8]s/
</Location>
<Location /out>
  AuthType None
  Require all granted
</Location>
`

// TestApache signs a user in to a site behind Apache with mod_auth_openidc. Signing out at
// either of them signs out at both.
func TestApache(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat(modules + "/mod_auth_openidc.so"); err != nil {
		skipMissing(t, "Apache with mod_auth_openidc", err)
	}
	behind := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s knows %s as %s", r.URL.Path, r.Header.Get("OIDC_CLAIM_email"), r.Header.Get("OIDC_CLAIM_sub"))
	}))
	defer behind.Close()
	s := servertest.New(t, servertest.Configure(func(c *config.Config) {
		c.Outbound.Allow = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	}))
	addr := freeAddress(t)
	_, port, _ := strings.Cut(addr, ":")
	site := "http://localhost:" + port
	id, secret := register(t, s, application(site+"/redirect", func(r *client.Registration) {
		r.PostLogoutURIs = []string{site + "/out"}
		r.BackchannelURI = "http://" + addr + "/redirect?logout=backchannel"
	}))
	dir := apacheDir(t)
	apache(t, dir, fmt.Sprintf(apacheConf, dir, addr, modules, s.Issuer, id, secret, port, behind.URL))
	waitForServer(t, "http://"+addr+"/out")
	p := newPerson(t, s)

	c := browser(t)
	status, body := p.browse(c, site+"/orders?page=2")
	if status != 200 || !strings.HasPrefix(body, "/orders knows "+alice+" as ") {
		t.Fatalf("%d: %s", status, body)
	}
	if status, body := p.browse(c, site+"/other"); status != 200 || !strings.HasPrefix(body, "/other knows "+alice) {
		t.Errorf("the second page: %d: %s", status, body)
	}

	// Logging out at the site ends the session here.
	if status, body := p.browse(c, site+"/redirect?logout="+url.QueryEscape(site+"/out")); status != 200 || !strings.HasPrefix(body, "/out knows  as ") {
		t.Fatalf("logged out at the site: %d: %s", status, body)
	}
	if page := p.b.Open("/account"); !page.Has("password") {
		t.Errorf("still signed in here: %s: %s", page.URL, page.Text())
	}

	// Logging out here ends the session at the site.
	if status, body := p.browse(c, site+"/again"); status != 200 || !strings.HasPrefix(body, "/again knows "+alice) {
		t.Fatalf("signed in again: %d: %s", status, body)
	}
	p.b.Open("/logout")
	p.b.Press("decision=approve")
	for until := time.Now().Add(time.Minute); time.Now().Before(until); time.Sleep(25 * time.Millisecond) {
		s.Outbox.Wake()
		res := get(t, c, site+"/again")
		res.Body.Close()
		if res.StatusCode == http.StatusFound { // to us, to sign in
			return
		}
	}
	t.Error("the site got no logout token")
}

// apacheDir returns a directory that Apache can use, which starts as root and continues as www-
// data.
func apacheDir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for d := dir; d != os.TempDir() && d != "/"; d = filepath.Dir(d) {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// apache runs Apache with its own configuration.
func apache(t *testing.T, dir, conf string) {
	t.Helper()
	file := filepath.Join(dir, "apache.conf")
	if err := os.WriteFile(file, []byte(conf), 0o644); err != nil {
		t.Fatal(err)
	}
	startProgram(t, os.Environ(), "/usr/sbin/apache2", "-D", "FOREGROUND", "-f", file)
}
