package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/config"
	"github.com/watchword-auth/watchword/internal/place/placetest"
	"github.com/watchword-auth/watchword/internal/store/storetest"
)

const testKey = "4AFs5sYQYJ2nkBXgsEpDWSoC8QrmA1VnAx7OdYhGLks="

// examine runs the doctor and returns what it found, by the name of the check.
func examine(t *testing.T, env ...string) map[string]finding {
	t.Helper()
	var out, errs bytes.Buffer
	env = append([]string{"WATCHWORD_DATA=" + t.TempDir(), "WATCHWORD_LISTEN=" + freeAddress(), "WATCHWORD_MANAGE=" + freeAddress()}, env...)
	run(context.Background(), []string{"doctor", "--json"}, system{Env: env, Out: &out, Err: &errs})
	return findings(t, out.Bytes(), errs.String())
}

func findings(t *testing.T, out []byte, errs string) map[string]finding {
	t.Helper()
	var report struct{ Checks []finding }
	if err := json.Unmarshal(out, &report); err != nil {
		t.Fatalf("%v: %s%s", err, out, errs)
	}
	found := map[string]finding{}
	for _, f := range report.Checks {
		found[f.Check] = f
	}
	return found
}

func wantFinding(t *testing.T, found map[string]finding, check string, ok bool, words string) {
	t.Helper()
	if f := found[check]; f.OK != ok || !strings.Contains(f.Detail, words) {
		t.Errorf("%s: %+v, want ok %v and %q", check, f, ok, words)
	}
}

func TestRepair_N6_DoctorAsksForTheProxy(t *testing.T) {
	t.Parallel()
	found := examine(t, "WATCHWORD_ISSUER=https://auth.example.test")
	wantFinding(t, found, "proxy", false, "proxy.trusted")
	found = examine(t, "WATCHWORD_ISSUER=https://auth.example.test", "WATCHWORD_PROXY_TRUSTED=127.0.0.1")
	wantFinding(t, found, "proxy", true, "127.0.0.1/32")
	found = examine(t, "WATCHWORD_ISSUER=https://auth.example.test", "WATCHWORD_LISTEN=:0", "WATCHWORD_TLS_AUTO=auth.example.test", "WATCHWORD_TLS_DIRECTORY=https://127.0.0.1:1/")
	wantFinding(t, found, "proxy", true, "none: ")
}

func TestDoctorOpensTheDatabaseOfPlaces(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "cities.mmdb")
	wantFinding(t, examine(t, "WATCHWORD_PLACES_DATABASE="+file), "places", false, "want a database of cities or countries")
	placetest.Write(t, file, "GeoLite2-City", nil)
	wantFinding(t, examine(t, "WATCHWORD_PLACES_DATABASE="+file), "places", true, file)
}

// The issuer has to lead to this server, and by a certificate that is trusted.
func TestRepair_N7_DoctorComparesTheIssuer(t *testing.T) {
	t.Parallel()
	serve := func(h http.HandlerFunc) string {
		s := httptest.NewServer(h)
		t.Cleanup(s.Close)
		return s.URL
	}
	metadata := func(issuer string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if issuer == "" {
				issuer = "http://" + r.Host
			}
			json.NewEncoder(w).Encode(map[string]string{"issuer": issuer})
		}
	}
	untrusted := httptest.NewUnstartedServer(metadata(""))
	untrusted.Config.ErrorLog = nil
	untrusted.StartTLS()
	t.Cleanup(untrusted.Close)
	mute, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { mute.Close() })
	go func() {
		for {
			c, err := mute.Accept()
			if err != nil {
				return
			}
			c.Close()
		}
	}()
	for name, c := range map[string]struct {
		issuer string
		ok     bool
		words  string
	}{
		"this server":              {serve(metadata("")), true, "responds at"},
		"one of another name":      {serve(metadata("https://other.example")), false, "has the issuer https://other.example"},
		"a file server":            {serve(http.NotFound), false, "another server responds"},
		"a page for everything":    {serve(func(w http.ResponseWriter, r *http.Request) { w.Write([]byte("<html>")) }), false, "another server responds"},
		"a redirect":               {serve(func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/elsewhere", http.StatusFound) }), false, "redirects to"},
		"a proxy without a server": {serve(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(502) }), false, "is the server running?"},
		"nothing":                  {"http://" + freeAddress(), false, "is the server running?"},
		"no HTTP":                  {"http://" + mute.Addr().String(), false, "another server responds"},
		"an untrusted certificate": {untrusted.URL, false, "does not trust the certificate"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wantFinding(t, examine(t, "WATCHWORD_ISSUER="+c.issuer), "issuer", c.ok, c.words)
		})
	}
}

// TestRepair_B7_DoctorNamesThePooler: what stands in front of PostgreSQL is said.
func TestRepair_B7_DoctorNamesThePooler(t *testing.T) {
	t.Parallel()
	database := storetest.Postgres(t)
	if got := examine(t, "WATCHWORD_DATABASE="+database)["database"]; strings.Contains(got.Detail, "pooler") {
		t.Errorf("without a pooler: %+v", got)
	}
	storetest.Poolers(t, func(t *testing.T, through func(string) string) {
		wantFinding(t, examine(t, "WATCHWORD_DATABASE="+through(database)), "database", true, "through a connection pooler")
	})
}

// Redis on a distant machine is slow to connect to and quick to answer.
func TestRepair_N7_DoctorHoldsRedisToItsAnswersAlone(t *testing.T) {
	t.Parallel()
	url := os.Getenv("WATCHWORD_TEST_REDIS")
	if url == "" {
		if os.Getenv("WATCHWORD_TEST_ALL") != "" {
			t.Fatal("WATCHWORD_TEST_REDIS is not set")
		}
		t.Skip("WATCHWORD_TEST_REDIS is not set")
	}
	wantFinding(t, examine(t, "WATCHWORD_LIMITS_REDIS="+url, "WATCHWORD_LIMITS_REDIS_TIMEOUT=5s"), "Redis", true, "responds in")
	wantFinding(t, examine(t, "WATCHWORD_LIMITS_REDIS=redis://"+freeAddress(), "WATCHWORD_LIMITS_REDIS_TIMEOUT=5s"), "Redis", false, "unreachable")
}

// What this user may not write to or listen on is found before serve meets it.
func TestRepair_N7_DoctorTriesWhatTheUserMay(t *testing.T) {
	t.Parallel()
	locked := filepath.Join(t.TempDir(), "locked")
	if err := os.Mkdir(locked, 0o500); err != nil {
		t.Fatal(err)
	}
	env := []string{"WATCHWORD_DATA=" + locked, "WATCHWORD_LISTEN=127.0.0.1:81", "WATCHWORD_MANAGE=198.51.100.1:9090", "WATCHWORD_MASTER_KEY=" + testKey}

	out, errs := asUnprivilegedUser(t, env, "doctor", "--json")

	found := findings(t, []byte(out), errs)
	wantFinding(t, found, "data directory", false, "may not write to "+locked)
	wantFinding(t, found, "public listener", false, "CAP_NET_BIND_SERVICE")
	wantFinding(t, found, "management listener", false, "assign")
	_, errs = asUnprivilegedUser(t, env, "migrate")
	if !strings.Contains(errs, "may not write to the folder") || strings.Contains(errs, "wait for another process") {
		t.Errorf("the start says: %s", errs)
	}
}

// asUnprivilegedUser runs the binary as a user without rights and returns what it prints.
func asUnprivilegedUser(t *testing.T, env []string, args ...string) (out, errs string) {
	t.Helper()
	program := filepath.Join(t.TempDir(), "watchword")
	self, err := os.ReadFile(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(program, self, 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, args...)
	cmd.Dir, cmd.Env = "/", env
	if os.Getuid() == 0 {
		for dir := filepath.Dir(program); dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) {
			if err := os.Chmod(dir, 0o755); err != nil {
				t.Fatal(err)
			}
		}
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	}
	var o, e bytes.Buffer
	cmd.Stdout, cmd.Stderr = &o, &e
	_ = cmd.Run() // the caller looks at what it prints
	return o.String(), e.String()
}

func TestDescribePasswordLengths(t *testing.T) {
	t.Parallel()
	tenantOf := func(id auth.TenantID, least int, policy auth.FactorPolicy) auth.Tenant {
		return auth.Tenant{ID: id, Settings: auth.Settings{Password: auth.PasswordRules{MinLength: least}, Factors: auth.FactorSettings{Policy: policy}}}
	}
	all := []auth.Tenant{tenantOf("default", 0, ""), tenantOf("short", 10, ""), tenantOf("long", 20, ""), tenantOf("strict", 8, auth.FactorsRequired)}

	if got := describePasswordLengths(all[:1], time.Now()); !strings.HasPrefix(got, "at least 15 characters") {
		t.Errorf("defaults: %s", got)
	}
	if got := describePasswordLengths(all, time.Now()); !strings.HasSuffix(got, "minimum of tenant: short 10") {
		t.Errorf("a short minimum: %s", got)
	}
}

// TestDoctorDescribesPasskeys: it says which domain passkeys belong to, or why browsers will use none.
func TestDoctorDescribesPasskeys(t *testing.T) {
	t.Parallel()
	many := config.List{"https://a.example.org", "https://b.example.org", "https://one.test", "https://two.test", "https://three.co.uk", "https://four.test"}
	for _, c := range []struct {
		issuer, id string
		origins    config.List
		want, not  string
	}{
		{issuer: "https://auth.example.com", want: "of auth.example.com", not: ";"},
		{issuer: "https://auth.example.com", id: "example.com", origins: config.List{"https://app.example.com", "android:apk-key-hash:x"}, want: "of example.com", not: ";"},
		{issuer: "https://auth.example.com", id: "example.com", origins: config.List{"https://app.example.org"}, want: "https://example.com/.well-known/webauthn"},
		{issuer: "https://auth.example.com", origins: many, want: "of auth.example.com", not: "labels"},
		{issuer: "https://auth.example.com", origins: append(many, "https://five.test"), want: "6 labels (example, one, two, three, four, five)"},
		{issuer: "https://192.0.2.1", want: "none: 192.0.2.1 is an IP address"},
		{issuer: "https://[2001:db8::1]:8443", want: "none: 2001:db8::1 is an IP address"},
		{issuer: "http://auth.example.com", want: "none: browsers accept no passkey over http"},
		{issuer: "http://localhost:8080", want: "of localhost"},
	} {
		got := describePasskeys(&config.Config{Issuer: c.issuer, Passkeys: config.Passkeys{RPID: c.id, Origins: c.origins}})
		if !strings.Contains(got, c.want) || c.not != "" && strings.Contains(got, c.not) {
			t.Errorf("%s: %q, want %q", c.issuer, got, c.want)
		}
	}
}
