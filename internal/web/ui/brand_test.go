package ui

import (
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/watchword-auth/watchword/internal/auth"
)

// With any branding that CheckBranding accepts, all texts and borders have enough contrast, also in
// mixed colours.
func TestBrandSheetIsReadable(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		color := rapid.Custom(func(t *rapid.T) string {
			return auth.Color{rapid.Byte().Draw(t, "r"), rapid.Byte().Draw(t, "g"), rapid.Byte().Draw(t, "b")}.String()
		})
		b := auth.Branding{Accent: color.Draw(t, "accent"), Page: color.Draw(t, "page"), Card: color.Draw(t, "card"), Ink: color.Draw(t, "ink")}
		if auth.CheckBranding(b) != nil {
			b.Page, b.Card, b.Ink = "", "", "" // most random combinations have too little contrast
			if auth.CheckBranding(b) != nil {
				return
			}
		}
		for _, p := range []auth.Palette{b.Light(), b.Dark()} {
			v := variables(colours(p, lightBad))
			for _, c := range []struct {
				front, back string
				least       float64
			}{
				{"ink", "card", 4.5}, {"ink", "field", 4.5}, {"muted", "card", 4.5}, {"muted", "page", 4.4}, {"bad", "card", 4.5}, {"bad", "bad-bg", 4.5},
				{"accent-ink", "accent", 4.5}, {"field-line", "card", 3}, {"accent", "card", 3},
			} {
				if got := auth.Contrast(v[c.front], v[c.back]); got < c.least {
					t.Fatalf("%s on %s: %.2f in %+v", c.front, c.back, got, v)
				}
			}
		}
	})
}

func variables(css string) map[string]auth.Color {
	all := map[string]auth.Color{}
	for _, m := range regexp.MustCompile(`--([a-z-]+): (#[0-9a-f]{6});`).FindAllStringSubmatch(css, -1) {
		all[m[1]], _ = auth.ParseColor(m[2])
	}
	return all
}

// No stored text gets into the stylesheet.
func TestBrandSheetTakesNoText(t *testing.T) {
	t.Parallel()
	bad, round := "#fff;} body { background: url(https://evil.test/) }", 999
	sheet := string(BrandSheet(auth.Branding{Accent: bad, Ink: bad, DarkPage: bad, Font: `x"; } @import "//evil.test`, Radius: &round}))
	for _, part := range []string{"evil", "url", "@import", "999", "body"} {
		if strings.Contains(sheet, part) {
			t.Errorf("the stylesheet contains %s: %s", part, sheet)
		}
	}
	if sheet := BrandSheet(auth.Branding{}); len(sheet) != 0 {
		t.Errorf("a stylesheet without branding: %s", sheet)
	}
	if b := BrandOf(auth.Tenant{ID: "acme", Settings: auth.Settings{Branding: auth.Branding{Accent: "#8a1f3c", Logo: "aGk="}}}); !strings.HasPrefix(b.Sheet, "/t/acme/assets/brand.css?v=") || !strings.HasPrefix(b.Logo, "/t/acme/assets/logo?v=") {
		t.Errorf("URLs %+v", b)
	}
}
