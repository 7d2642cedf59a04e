package web

import (
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/limit"
	"github.com/watchword-auth/watchword/internal/web/router"
)

var hrefOf = regexp.MustCompile(`<a href="([^"]*)"`)

// wantLinks checks that a page has links or a form, and links only to this server, and returns the
// links.
func (h *fixture) wantLinks(name string, r reply) string {
	h.Helper()
	page := string(r.body)
	links := hrefOf.FindAllStringSubmatch(page, -1)
	if len(links) == 0 && !strings.Contains(page, "<form") {
		h.Errorf("%s: no link and no form: %s", name, page)
	}
	var to []string
	for _, link := range links {
		if to = append(to, link[1]); !strings.HasPrefix(link[1], "/") || strings.HasPrefix(link[1], "//") {
			h.Errorf("%s leads to %s", name, link[1])
		}
	}
	return strings.Join(to, " ")
}

// Every error page has a link, in both languages.
func TestRepair_N2_ProblemPages(t *testing.T) {
	t.Parallel()
	h := newFixture(t, func(c *Config) {
		c.Rates["reset.ip"] = limit.Rate{Count: 1, Per: time.Hour}
	})
	form(h, "/reset-password", "token=x")
	big := strings.Repeat("a", 65<<10)
	for _, c := range []struct {
		name, method, path, body, header string
		status                           int
		leads                            string // to
	}{
		{"no page", "GET", "/nowhere", "", "", 404, "/login"},
		{"no tenant", "GET", "/t/nobody/login", "", "", 404, "/login"},
		{"wrong method", "GET", "/account/logout", "", "", 405, "/login"},
		{"long address", "GET", "/login?" + strings.Repeat("a", 9000), "", "", 414, "/login"},
		{"large form", "POST", "/login", "email=" + big, "", 413, "/login"},
		{"no form", "POST", "/login", "{}", "Content-Type: application/json", 415, "/login"},
		{"malformed form", "POST", "/login", "email=%zz", "", 400, "/login /login"},
		{"another site", "POST", "/consent", "flow=f+1", "Sec-Fetch-Site: cross-site", 403, "/consent /login"},
		{"another page", "POST", "/login", "flow=f&csrf=x", "", 403, "/login?flow=f /login"},
		{"another page, its address", "POST", "/consent", "csrf=x", "Referer: https://auth.example.test//x?flow=f&next=//evil.test", 403, "/consent?flow=f /login"},
		{"a link of another site", "POST", "/verify-email", "csrf=x", "Referer: https://evil.test/?token=theirs&flow=f", 400, "/login"},
		{"another site with a link", "POST", "/consent", "csrf=x", "Referer: https://evil.test/?token=theirs&flow=f", 403, "/consent /login"},
		{"a site with a longer name", "POST", "/consent", "csrf=x", "Referer: https://auth.example.test.evil.test/?token=theirs", 403, "/consent /login"},
		{"another page, resend", "POST", "/verify-email/resend", "flow=f&csrf=x", "", 403, "/login?flow=f /login"},
		{"too often", "POST", "/reset-password", "token=x", "Referer: https://auth.example.test/reset-password?token=x", 429, "/reset-password?token=x /login"},
		{"no flow", "GET", "/login?flow=gone", "", "", 404, "/login"},
		{"no link", "GET", "/verify-email", "", "", 400, "/login"},
		{"no reset link", "GET", "/reset-password", "", "", 400, "/forgot-password"},
		{"no request", "GET", "/oauth2/authorize", "", "", 400, "/login"},
		{"no client", "GET", "/oauth2/authorize?client_id=x", "", "", 400, "/login"},
		{"no log-out", "GET", "/oauth2/logout?client_id=x", "", "", 400, "/login"},
	} {
		for _, lang := range []string{"en", "de"} {
			r := request(c.method, c.path, c.body, "Accept: text/html", "Accept-Language: "+lang)
			if c.body != "" {
				r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			}
			if name, value, ok := strings.Cut(c.header, ": "); ok {
				r.Header.Set(name, value)
			}
			got := h.do(r)
			if got.StatusCode != c.status || !strings.Contains(string(got.body), `<html lang="`+lang+`"`) {
				t.Errorf("%s: status %d in %s: %s", c.name, got.StatusCode, lang, got.body)
			}
			if leads := h.wantLinks(c.name, got); leads != c.leads {
				t.Errorf("%s leads to %q, want %q", c.name, leads, c.leads)
			}
		}
	}
}

// An error page below the base of a tenant is the tenant's own, also where no route is. An unknown or
// disabled tenant has no page.
func TestProblemPage_BelongsToItsTenant(t *testing.T) {
	t.Parallel()
	h := newFixture(t)
	for _, id := range []string{"acme", "gone"} {
		_, err := h.cfg.Tenants.Create(t.Context(), id, "The shop of "+id, noSettings, system)
		h.requireOK(err)
	}
	_, err := h.cfg.Tenants.Update(t.Context(), "gone", func(v *auth.Tenant) error {
		v.DisabledAt = time.Now()
		return nil
	}, system)
	h.requireOK(err)

	for _, c := range []struct {
		method, path string
		status       int
		leads        string // to
	}{
		{"GET", "/t/acme/nowhere", 404, "/t/acme/login"},
		{"GET", "/t/acme//login", 404, "/t/acme/login"},
		{"GET", "/t/acme/account/logout", 405, "/t/acme/login"},
		{"GET", "/t/acme/login?" + strings.Repeat("a", 9000), 414, "/t/acme/login"},
		{"GET", "/t/acme/login?flow=gone", 404, "/t/acme/login"},
		{"GET", "/t/acme/verify-email", 400, "/t/acme/login"},
		{"GET", "/t/acme/oauth2/authorize?client_id=x", 400, "/t/acme/login"},
		{"GET", "/t/nobody/nowhere", 404, "/login"},
		{"GET", "/t/gone/nowhere", 404, "/login"},
		{"GET", "/t/gone/login", 404, "/login"},
		{"GET", "/t/default/nowhere", 404, "/login"},
		{"GET", "/t//nowhere", 404, "/login"},
		{"GET", "/tacme/nowhere", 404, "/login"},
	} {
		r := h.do(request(c.method, c.path, "", "Accept: text/html"))
		if leads := h.wantLinks(c.path, r); r.StatusCode != c.status || leads != c.leads {
			t.Errorf("%s: status %d, leads to %q, want %d and %q", c.path[:min(40, len(c.path))], r.StatusCode, leads, c.status, c.leads)
		}
		if own := strings.Contains(string(r.body), "The shop of acme"); own != strings.HasPrefix(c.leads, "/t/acme") {
			t.Errorf("%s: the page of the tenant: %t", c.path[:min(40, len(c.path))], own)
		}
	}
}

// While the database is unavailable, the page links to itself and to the tenant's sign-in page.
func TestRepair_N2_UnavailablePage(t *testing.T) {
	t.Parallel()
	h := newFixture(t)
	h.db.Close()
	if leads := h.wantLinks("nowhere", h.get("/t/acme/nowhere", "Accept: text/html")); leads != "/t/acme/login" {
		t.Errorf("no page leads to %q", leads)
	}
	r := h.requireReply(h.get("/t/acme/login?flow=f", "Accept-Language: de"), 503, "")
	if leads := h.wantLinks("unavailable", r); leads != "/t/acme/login?flow=f /t/acme/login" {
		t.Errorf("leads to %q", leads)
	}
	if r.Header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
}

// A page of any status is in the language of the user and has a link.
func TestRepair_N2_EveryStatusHasAPage(t *testing.T) {
	t.Parallel()
	h := newFixture(t)
	var failure error
	h.router.Route("GET /failing", h.dialects.page, anyone, unlimited, func(*router.Exchange, *http.Request) error { return failure })
	for status := 400; status < 600; status++ {
		if http.StatusText(status) == "" {
			continue
		}
		failure = router.NewProblem(status, "x", "words for developers")
		page := string(h.get("/failing", "Accept-Language: de").body)
		if strings.Contains(page, "words for developers") || !strings.Contains(page, `<a href="/login`) {
			t.Errorf("%d: %s", status, page)
		}
	}
}
