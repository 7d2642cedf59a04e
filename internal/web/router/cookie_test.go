package router

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

// No two cookies on a host have the same name.
func TestCookieNames(t *testing.T) {
	t.Parallel()
	seen := map[string]string{}
	for _, tenant := range []auth.TenantID{auth.DefaultTenant, "acme", "browser", "remember", "browser-acme", "remember-acme", "remember-browser", "browser-remember", "browsers", "a-browser"} {
		for _, kind := range []cookieKind{cookieSession, cookieBrowser, cookieRemember, cookieKnown, CookieApps} {
			name := (&Cookies{tenant: tenant}).name(kind)
			if cookie := string(kind) + " of " + string(tenant); seen[name] != "" {
				t.Errorf("%s is the name of the cookies %s and %s", name, cookie, seen[name])
			} else {
				seen[name] = cookie
			}
			if !strings.HasPrefix(name, "__Host-watchword") {
				t.Errorf("%s lacks the prefix", name)
			}
		}
	}
}

// FuzzCookies: only well-formed cookies of the server are used, and no header makes reading fail.
func FuzzCookies(f *testing.F) {
	a, b := secret.New(session.Prefix).Reveal(), secret.New(session.Prefix).Reveal()
	browser, rememberMe := secret.New(flow.BrowserPrefix).Reveal(), rememberPrefix+strings.Repeat("A", 64)
	for _, line := range []string{
		"__Host-watchword=" + a + "." + b + "; __Host-watchword-browser=" + browser + "; __Host-watchword-remember=" + rememberMe,
		"__Host-watchword-browser=" + a, "__Host-watchword-remember=" + browser, "__Host-watchword-browser=" + browser + "; __Host-watchword-browser=" + browser,
		"__Host-watchword=" + a + "." + a, "__Host-watchword=" + a + ".", "__Host-watchword=." + a, "__Host-watchword=" + strings.Repeat(a+".", 6) + a,
		"__Host-watchword-remember=wwm_", "\x00", "; ; =", "__Host-watchword-browser=\"" + browser + "\"",
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
		ex := &Cookies{request: r, header: http.Header{}, tenant: tenant}
		if v := ex.SessionCookie(); v != "" {
			all := session.ParseCookie(v)
			if len(all) == 0 || len(all) > session.MaxAccounts || ex.CurrentSession() != all[0] {
				t.Fatalf("%q gave the sessions %q", line, v)
			}
		}
		if v := ex.BrowserCookie(); v != "" && !secret.Valid(flow.BrowserPrefix, v) {
			t.Fatalf("%q gave the browser %q", line, v)
		}
		if v := ex.RememberCookie(); v != "" && (!strings.HasPrefix(v, rememberPrefix) || len(v) > 256) {
			t.Fatalf("%q gave the remember-me cookie %q", line, v)
		}
		if ex.SessionCookie()+ex.BrowserCookie()+ex.RememberCookie() != "" && !ex.hasAnyCookie() {
			t.Fatalf("%q gave a cookie that the cross-site check does not see", line)
		}
	})
}

// FuzzCookie: only a well-formed session cookie reaches the database.
func FuzzCookie(f *testing.F) {
	good := secret.New(session.Prefix).Reveal()
	for _, line := range []string{"__Host-watchword=" + good, "a=b; __Host-watchword=" + good, "__Host-watchword=\"" + good + "\"", "__Host-watchword", "=", "\xff", "__Host-watchword=" + good + "; __Host-watchword=" + good} {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header["Cookie"] = []string{line}
		ex := &Cookies{request: r, tenant: auth.DefaultTenant}
		got := ex.SessionCookie()
		for _, value := range session.ParseCookie(got) {
			if !secret.Valid(session.Prefix, value) {
				t.Fatalf("%q gave %q", line, got)
			}
		}
		if got != "" && len(session.ParseCookie(got)) == 0 {
			t.Fatalf("%q gave %q", line, got)
		}
		if got != "" && !ex.hasAnyCookie() {
			t.Fatalf("%q gave a cookie that is not seen", line)
		}
	})
}
