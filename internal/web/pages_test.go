package web

import (
	"encoding/json"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/web/pages"
	"github.com/watchword-auth/watchword/internal/web/ui"
)

// PW-19: the pages of mailed links do not reveal their URL to other sites and load nothing from
// them.
func TestAttack_PW_19_LinkPages(t *testing.T) {
	t.Parallel()
	h := newFixture(t)
	for _, path := range []string{"/verify-email?token=wwl_abc", "/reset-password?token=wwl_abc", "/verify-email", "/reset-password", "/verify-email/done", "/reset-password/done", "/nowhere"} {
		r := h.get(path, "Accept: text/html")
		body := string(r.body)
		if r.Header.Get("Referrer-Policy") != "no-referrer" || r.Header.Get("Cache-Control") != "no-store" ||
			r.Header.Get("Cross-Origin-Opener-Policy") != "same-origin" || r.Header.Get("X-Frame-Options") != "DENY" {
			t.Errorf("%s: headers %v", path, r.Header)
		}
		if r.Header.Get("Content-Type") != "text/html; charset=utf-8" {
			t.Errorf("%s: %s", path, r.Header.Get("Content-Type"))
		}
		for _, attr := range regexp.MustCompile(`(?:src|href|action)="([^"]*)"`).FindAllStringSubmatch(body, -1) {
			if !strings.HasPrefix(attr[1], "/") || strings.HasPrefix(attr[1], "//") {
				t.Errorf("%s loads or links %s", path, attr[1])
			}
			if strings.Contains(attr[1], "wwl_abc") {
				t.Errorf("%s passes its secret on in %s", path, attr[1])
			}
		}
		body = strings.ReplaceAll(body, `<script src="`+ui.ShowScriptURL()+`" defer></script>`, "")
		for _, no := range []string{"<script", "onclick", "style=", "<style", "http:", "https:"} {
			if strings.Contains(body, no) {
				t.Errorf("%s holds %s", path, no)
			}
		}
		if !strings.Contains(body, `<html lang="en" dir="ltr">`) || !strings.Contains(body, "<h1>") || !strings.Contains(body, ui.StylesheetURL()) {
			t.Errorf("%s lacks language, heading or style sheet: %s", path, body)
		}
	}
	css := h.requireReply(h.get(ui.StylesheetURL()), 200, "")
	if css.Header.Get("Content-Type") != "text/css; charset=utf-8" || !strings.Contains(css.Header.Get("Cache-Control"), "immutable") || strings.Contains(string(css.body), "url(") {
		t.Errorf("style sheet: %v", css.Header)
	}
}

// PW-09: no header of the request gets into a mailed link. The message has only the token; sending it
// adds the configured base URL.
func TestAttack_PW_09_HostOfTheRequest(t *testing.T) {
	t.Parallel()
	h := newFixture(t)
	h.newAccount("alice@example.com")
	h.takeMails()
	r := request("POST", "http://evil.test/api/v1/password/forgot", `{"email":"alice@example.com"}`,
		"X-Forwarded-Host: evil.test", "X-Forwarded-Proto: http", "Forwarded: host=evil.test;proto=http", "X-Original-Host: evil.test")
	r.Host = "evil.test"
	h.requireReply(h.do(r), 202, "")
	b, err := json.Marshal(h.takeMails())
	h.requireOK(err)
	if strings.Contains(string(b), "evil") || !strings.Contains(string(b), "wwl_") {
		t.Errorf("mails %s", b)
	}
}

func TestVerifyPage_VerifiesTheAddress(t *testing.T) {
	t.Parallel()
	h := newFixture(t)
	h.requireReply(h.post("/api/v1/register", `{"email":"alice@example.com","password":"`+pass+`"}`), 202, "")
	link := h.link()
	page := string(h.requireReply(h.get("/verify-email?token="+link), 200, "").body)
	if !strings.Contains(page, `name="token" value="`+link+`"`) || !strings.Contains(page, `<form method="post" action="/verify-email">`) || !strings.Contains(page, `id="submit"`) {
		t.Fatalf("page %s", page)
	}
	cross := h.do(request("POST", "/verify-email", "token="+link, "Content-Type: application/x-www-form-urlencoded", "Sec-Fetch-Site: cross-site"))
	if cross.StatusCode != 403 {
		t.Errorf("from another site: %d", cross.StatusCode)
	}
	// In another browser than the one that registered, a click without a password does not consume the link.
	ask := h.requireReply(form(h, "/verify-email", "token="+link), 400, "")
	if !strings.Contains(string(ask.body), `name="password"`) || strings.Contains(string(ask.body), `role="alert"`) {
		t.Errorf("page %s", ask.body)
	}
	r := h.requireReply(form(h, "/verify-email", "token="+link+"&password="+url.QueryEscape(pass)), 303, "")
	if r.Header.Get("Location") != "/verify-email/done?password=set" {
		t.Errorf("Location %q", r.Header.Get("Location"))
	}
	h.requireReply(h.get(r.Header.Get("Location")), 200, "")
	if done := h.get("/verify-email/done"); !strings.Contains(string(done.body), `href="/login"`) {
		t.Errorf("no link to sign in: %s", done.body)
	}
	h.requireReply(h.login("alice@example.com", pass), 200, "")
	again := h.requireReply(form(h, "/verify-email", "token="+link), 400, "")
	if !strings.Contains(string(again.body), "has already been used") || !strings.Contains(string(again.body), `role="alert"`) {
		t.Errorf("page %s", again.body)
	}
}

func TestResetPage_ChangesThePassword(t *testing.T) {
	t.Parallel()
	h := newFixture(t)
	_, err := h.cfg.Tenants.Create(t.Context(), "acme", "Acme <Ltd>", auth.Settings{Password: auth.PasswordRules{MinLength: 14}}, system)
	h.requireOK(err)
	h.requireReply(h.post("/t/acme/api/v1/register", `{"email":"alice@example.com","password":"`+pass+`"}`), 202, "")
	h.requireReply(h.post("/t/acme/api/v1/password/forgot", `{"email":"alice@example.com"}`), 202, "")
	link := h.link()
	page := string(h.requireReply(h.get("/t/acme/reset-password?token="+link), 200, "").body)
	for _, want := range []string{"At least 14 characters", "Acme &lt;Ltd&gt;", `action="/t/acme/reset-password"`, `autocomplete="new-password"`, `<label for="password">`} {
		if !strings.Contains(page, want) {
			t.Errorf("page lacks %s: %s", want, page)
		}
	}
	short := h.requireReply(form(h, "/t/acme/reset-password", "token="+link+"&password=short"), 400, "")
	if !strings.Contains(string(short.body), `aria-invalid="true"`) || !strings.Contains(string(short.body), link) || strings.Contains(string(short.body), "short") && strings.Contains(string(short.body), `value="short"`) {
		t.Errorf("page %s", short.body)
	}
	r := h.requireReply(form(h, "/t/acme/reset-password", "token="+link+"&password=a+long+enough+password"), 303, "")
	if r.Header.Get("Location") != "/t/acme/reset-password/done" {
		t.Errorf("Location %q", r.Header.Get("Location"))
	}
}

// AZ-41: the page shows a parameter of the URL only as text.
func TestPages_EscapeInput(t *testing.T) {
	t.Parallel()
	h := newFixture(t)
	for _, bad := range []string{`"><script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, `{{7*7}}`, "'\"<>&"} {
		for _, path := range []string{"/verify-email", "/reset-password"} {
			r := request("GET", path, "")
			r.URL.RawQuery = "token=" + strings.ReplaceAll(strings.ReplaceAll(strings.ReplaceAll(bad, "&", "%26"), "#", "%23"), " ", "+")
			body := string(h.do(r).body)
			if strings.Contains(body, "<script>") || strings.Contains(body, "<img") || strings.Contains(body, ">49<") {
				t.Errorf("%s in %s: %s", bad, path, body)
			}
		}
	}
}

func TestNotFound_IsAPageOrAProblem(t *testing.T) {
	t.Parallel()
	h := newFixture(t)
	for path, want := range map[string]string{
		"/nowhere": "text/html; charset=utf-8", "/api/v1/nowhere": "application/problem+json", "/t/acme/api/v1/x": "application/problem+json",
	} {
		if r := h.get(path, "Accept: text/html,*/*"); r.StatusCode != 404 || r.Header.Get("Content-Type") != want {
			t.Errorf("%s: %d %s", path, r.StatusCode, r.Header.Get("Content-Type"))
		}
	}
}

// A page of another site whose name resolves to this machine has the same origin as this server's
// pages (DNS rebinding).
func TestAttack_DevelopmentMailboxUnderAForeignName(t *testing.T) {
	t.Parallel()
	h := newFixture(t, func(c *Config) { c.Mailbox = func() []pages.Mail { return []pages.Mail{{Subject: "secret"}} } })
	for host, status := range map[string]int{
		"auth.example.test": 200, "AUTH.example.test:443": 200, "127.0.0.1:8080": 200, "[::1]:8080": 200, "localhost:8080": 200, "dev.localhost": 200,
		"evil.test": 421, "evil.test:8080": 421, "127.0.0.1.evil.test": 421, "localhost.evil.test": 421, "auth.example.test.evil.test": 421, "": 421,
	} {
		for _, path := range []string{"/dev/mailbox", "/dev/mailbox.json"} {
			r := request("GET", path, "")
			r.Host = host
			if got := h.do(r); got.StatusCode != status || strings.Contains(string(got.body), "secret") != (status == 200) {
				t.Errorf("%s under %q: %d, want %d", path, host, got.StatusCode, status)
			}
		}
	}
}

func TestDevelopmentMailbox(t *testing.T) {
	t.Parallel()
	sent := time.Date(2026, 3, 1, 9, 30, 0, 0, time.UTC)
	mails := []pages.Mail{{To: "alice@example.com", Subject: "Confirm <your> address", Text: "Hello\n<b>there</b>", HTML: "<p>Hello</p>", Links: []string{base + "/verify-email?token=x"}, SentAt: sent}}
	h := newFixture(t, func(c *Config) { c.Mailbox = func() []pages.Mail { return mails } })
	r := h.requireReply(h.get("/dev/mailbox.json"), 200, "")
	want := `[{"to":"alice@example.com","subject":"Confirm <your> address","text":"Hello\n<b>there</b>","html":"<p>Hello</p>","links":["https://auth.example.test/verify-email?token=x"],"sent_at":"2026-03-01T09:30:00Z"}]` + "\n"
	if string(r.body) != want {
		t.Errorf("got  %s\nwant %s", r.body, want)
	}
	page := string(h.requireReply(h.get("/dev/mailbox"), 200, "").body)
	if !strings.Contains(page, "Confirm &lt;your&gt; address") || !strings.Contains(page, `href="https://auth.example.test/verify-email?token=x"`) || strings.Contains(page, "<b>there") {
		t.Errorf("page %s", page)
	}
	mails = nil
	if r := h.get("/dev/mailbox.json"); string(r.body) != "[]\n" {
		t.Errorf("empty: %s", r.body)
	}
	if page := string(h.get("/dev/mailbox").body); !strings.Contains(page, "No mail yet") {
		t.Errorf("page %s", page)
	}
	welcome := string(h.requireReply(h.get("/"), 200, "").body)
	for _, link := range []string{"/account", "/register", "/dev/mailbox", "/dev/api", "curl -s " + base + "/api/v1/register"} {
		if !strings.Contains(welcome, link) {
			t.Errorf("the welcome page lacks %s", link)
		}
	}
	for _, link := range regexp.MustCompile(`href="(/[^"]*)"`).FindAllStringSubmatch(welcome, -1) {
		if r := h.get(link[1]); r.StatusCode != 200 && r.StatusCode != 303 {
			t.Errorf("%s: %d", link[1], r.StatusCode)
		}
	}
	api := string(h.requireReply(h.get("/dev/api"), 200, "").body)
	for _, call := range []string{"POST <code>/api/v1/login</code>", "GET <code>/api/v1/me</code>", `href="/api/v1/openapi.json"`} {
		if !strings.Contains(api, call) {
			t.Errorf("the page of the API lacks %s", call)
		}
	}
}

// The root of a server and of each tenant redirects to the account page.
func TestRepair_N18_RootLeadsToTheAccount(t *testing.T) {
	t.Parallel()
	for name, opts := range map[string][]option{
		"production":  nil,
		"development": {func(c *Config) { c.Mailbox = func() []pages.Mail { return nil } }},
	} {
		h := newFixture(t, opts...)
		if _, err := h.cfg.Tenants.Create(t.Context(), "acme", "Acme", noSettings, system); err != nil {
			t.Fatal(err)
		}
		if r := h.get("/"); name == "production" && (r.StatusCode != 303 || r.Header.Get("Location") != "/account") {
			t.Errorf("%s: / is %d %s", name, r.StatusCode, r.Header.Get("Location"))
		}
		if r := h.get("/t/acme/"); r.StatusCode != 303 || r.Header.Get("Location") != "/t/acme/account" {
			t.Errorf("%s: /t/acme/ is %d %s", name, r.StatusCode, r.Header.Get("Location"))
		}
	}
}
