package web

import (
	"bytes"
	"encoding/base64"
	"image"
	"image/png"
	"strings"
	"testing"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/web/ui"
)

// A tenant's branding is served only below its own path, immutable under a URL that changes with it.
// A tenant without branding has none.
func TestBrand_ServesOnlyItsTenant(t *testing.T) {
	t.Parallel()
	h := newFixture(t)
	var dot bytes.Buffer
	h.requireOK(png.Encode(&dot, image.NewGray(image.Rect(0, 0, 1, 1))))
	logo := dot.String()
	_, err := h.cfg.Tenants.Create(t.Context(), "acme", "Acme <b>", auth.Settings{Locale: "de", Branding: auth.Branding{Accent: "#8a1f3c",
		Logo: base64.StdEncoding.EncodeToString([]byte(logo)), PrivacyURI: "https://acme.example/privacy?a=1&b=2"}}, system)
	h.requireOK(err)
	page := string(h.requireReply(h.get("/t/acme/verify-email/done"), 200, "").body)
	acme := auth.Tenant{ID: "acme", Settings: auth.Settings{Branding: auth.Branding{Accent: "#8a1f3c", Logo: base64.StdEncoding.EncodeToString([]byte(logo))}}}
	brand := ui.BrandOf(acme)
	for _, want := range []string{`href="` + brand.Sheet + `"`, `src="` + brand.Logo + `"`, `href="https://acme.example/privacy?a=1&amp;b=2"`, `<html lang="de"`, "Acme &lt;b&gt;"} {
		if !strings.Contains(page, want) {
			t.Errorf("no %s in %s", want, page)
		}
	}
	for address, want := range map[string][3]string{
		brand.Sheet:                    {"text/css; charset=utf-8", "immutable", "--accent: #8a1f3c;"},
		brand.Logo:                     {"image/png", "immutable", logo},
		"/t/acme/assets/logo?v=old":    {"image/png", "no-cache", logo},
		"/t/acme/assets/brand.css":     {"text/css; charset=utf-8", "no-cache", "--accent: #8a1f3c;"},
		ui.ScriptURL():                 {"text/javascript; charset=utf-8", "immutable", "click"},
		ui.ShowScriptURL():             {"text/javascript; charset=utf-8", "immutable", "password"},
		ui.IconURL():                   {"image/svg+xml", "immutable", "<svg"},
		"/favicon.ico":                 {"image/svg+xml", "no-cache", "<svg"},
		"/t/acme" + ui.StylesheetURL(): {"", "", ""},
		"/assets/brand.css":            {"", "", ""},
		"/assets/logo":                 {"", "", ""},
	} {
		r := h.get(address)
		if want[0] == "" {
			h.requireReply(r, 404, "")
			continue
		}
		h.requireReply(r, 200, "")
		if r.Header.Get("Content-Type") != want[0] || !strings.Contains(r.Header.Get("Cache-Control"), want[1]) || !strings.Contains(string(r.body), want[2]) ||
			r.Header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: %v %s", address, r.Header, r.body)
		}
	}
}

// The language is the browser's if the pages have it, else the tenant's.
func TestPages_UseTheBrowsersLanguage(t *testing.T) {
	t.Parallel()
	h := newFixture(t)
	for accept, want := range map[string]string{"de-CH,fr;q=0.9": "E-Mail-Adresse bestätigt", "fr": "Email address confirmed", "": "Email address confirmed"} {
		if body := string(h.requireReply(h.get("/verify-email/done", "Accept-Language: "+accept), 200, "").body); !strings.Contains(body, want) {
			t.Errorf("%q: %s", accept, body)
		}
	}
	if body := string(h.get("/nowhere", "Accept: text/html", "Accept-Language: de").body); !strings.Contains(body, "Seite nicht gefunden") {
		t.Errorf("a problem: %s", body)
	}
}
