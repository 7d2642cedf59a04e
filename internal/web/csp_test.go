package web

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/flow"
	"github.com/watchword-auth/watchword/internal/secret"
	"github.com/watchword-auth/watchword/internal/session"
)

// A form may lead to where its flow ends, and nothing that a client has registered gets
// another word into the policy.
func TestFormAction(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"https://app.example/callback":    " https:",
		"http://127.0.0.1:4711/callback":  " https: http://127.0.0.1:*",
		"http://localhost/callback":       " https: http://localhost:*",
		"http://[::1]:4711/callback":      " https: http:",
		"com.example.app:/callback":       " https: com.example.app:",
		"com.example.app://host/callback": " https: com.example.app:",
		"":                                " https:",
		"/relative":                       " https:",
		"a b:c":                           " https:",
		"x;script-src *:y":                " https:",
		"http://a;b/":                     " https:",
	} {
		if got := towards(address); got != want {
			t.Errorf("%q: %q, want %q", address, got, want)
		}
	}
	if got := towards("https://a.example/", "com.example.app:/x", "https://b.example/", "com.example.app:/y"); got != " https: com.example.app:" {
		t.Errorf("several: %q", got)
	}
	if p := csp(""); p != cspPage[0] || strings.Contains(p, "script-src") {
		t.Errorf("plain page: %q", p)
	}
}

// No two cookies of one host have one name.
func TestCookieNames(t *testing.T) {
	t.Parallel()
	seen := map[string]string{}
	for _, tenant := range []auth.TenantID{auth.DefaultTenant, "acme", "browser", "keep", "browser-acme", "keep-acme", "keep-browser", "browser-keep", "browsers", "a-browser"} {
		for _, kind := range []cookieKind{cookieSession, cookieBrowser, cookieRemember, cookieKnown, cookieApps} {
			name := (&cookies{tenant: tenant}).name(kind)
			if whose := string(kind) + " of " + string(tenant); seen[name] != "" {
				t.Errorf("%s is the cookie %s and %s", name, whose, seen[name])
			} else {
				seen[name] = whose
			}
			if !strings.HasPrefix(name, "__Host-watchword") {
				t.Errorf("%s is not ours alone", name)
			}
		}
	}
}

// FuzzCookies: of whatever is sent as a cookie, only what has the exact form of one of
// ours is used, and no header makes reading fail.
func FuzzCookies(f *testing.F) {
	a, b := secret.New(session.Prefix).Reveal(), secret.New(session.Prefix).Reveal()
	browser, keep := secret.New(flow.BrowserPrefix).Reveal(), rememberPrefix+strings.Repeat("A", 64)
	for _, line := range []string{
		"__Host-watchword=" + a + "." + b + "; __Host-watchword-browser=" + browser + "; __Host-watchword-keep=" + keep,
		"__Host-watchword-browser=" + a, "__Host-watchword-keep=" + browser, "__Host-watchword-browser=" + browser + "; __Host-watchword-browser=" + browser,
		"__Host-watchword=" + a + "." + a, "__Host-watchword=" + a + ".", "__Host-watchword=." + a, "__Host-watchword=" + strings.Repeat(a+".", 6) + a,
		"__Host-watchword-keep=wwm_", "\x00", "; ; =", "__Host-watchword-browser=\"" + browser + "\"",
	} {
		f.Add(line, "acme")
		f.Add(line, "")
	}
	f.Fuzz(func(t *testing.T, line, name string) {
		tenant, err := auth.ParseTenantID(name)
		if err != nil {
			tenant = auth.DefaultTenant
		}
		r := httptest.NewRequest("GET", "/", nil)
		r.Header["Cookie"] = []string{line}
		ex := &cookies{request: r, header: http.Header{}, tenant: tenant}
		if v := ex.sessionCookie(); v != "" {
			all := session.ParseCookie(v)
			if len(all) == 0 || len(all) > session.MaxAccounts || ex.currentSession() != all[0] {
				t.Fatalf("%q gave the sessions %q", line, v)
			}
		}
		if v := ex.browserCookie(); v != "" && !secret.Valid(flow.BrowserPrefix, v) {
			t.Fatalf("%q gave the browser %q", line, v)
		}
		if v := ex.rememberCookie(); v != "" && (!strings.HasPrefix(v, rememberPrefix) || len(v) > 256) {
			t.Fatalf("%q gave the keep cookie %q", line, v)
		}
		if ex.sessionCookie()+ex.browserCookie()+ex.rememberCookie() != "" && !ex.hasAnyCookie() {
			t.Fatalf("%q gave a cookie that the cross-site check does not see", line)
		}
	})
}
