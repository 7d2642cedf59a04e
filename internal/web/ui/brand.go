package ui

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/watchword-auth/watchword/internal/auth"
)

// Paths of a tenant's branding, below the tenant's base.
const (
	BrandPath = "/assets/brand.css"
	LogoPath  = "/assets/logo"
)

// Brand has the URLs of a tenant's branding; an empty one means the default. They change with the
// branding.
type Brand struct {
	Sheet string
	Logo  string
}

// BrandOf returns the URLs of a tenant's branding.
func BrandOf(t auth.Tenant) Brand {
	var b Brand
	if sheet := BrandSheet(t.Settings.Branding); len(sheet) > 0 {
		b.Sheet = t.ID.Path() + versioned(BrandPath, sheet)
	}
	if logo := t.Settings.Branding.Logo; logo != "" {
		sum := sha256.Sum256([]byte(logo))
		b.Logo = t.ID.Path() + LogoPath + "?v=" + hex.EncodeToString(sum[:6])
	}
	return b
}

// fonts are the font families by the names that a tenant can choose.
var fonts = map[string]string{
	"serif":   `"Iowan Old Style", "Palatino Linotype", "URW Palladio L", Georgia, "Noto Serif", serif`,
	"rounded": `ui-rounded, "SF Pro Rounded", "Hiragino Maru Gothic ProN", Quicksand, Comfortaa, Manjari, Nunito, system-ui, sans-serif`,
	"mono":    `ui-monospace, "SF Mono", "Cascadia Mono", "Liberation Mono", Menlo, Consolas, monospace`,
}

// BrandSheet returns the stylesheet of a tenant's branding, which follows Stylesheet; it is empty for
// the default. It contains no text of the tenant: colours and numbers are parsed and formatted,
// fonts are known names. A stored value that cannot be parsed means the default.
func BrandSheet(b auth.Branding) []byte {
	var s strings.Builder
	if b.Accent+b.AccentInk+b.Page+b.Card+b.Ink+b.DarkAccent+b.DarkAccentInk+b.DarkPage+b.DarkCard+b.DarkInk != "" {
		fmt.Fprintf(&s, ":root { %s}\n", colours(b.Light(), lightBad))
		fmt.Fprintf(&s, "@media (prefers-color-scheme: dark) { :root { %s} }\n", colours(b.Dark(), darkBad))
	}
	if r := b.Radius; r != nil && *r >= 0 && *r <= 24 {
		fmt.Fprintf(&s, ":root { --radius: %dpx; --round: %dpx; }\n", *r, min(*r, 8))
	}
	if f, ok := fonts[b.Font]; ok {
		fmt.Fprintf(&s, ":root { --font: %s; }\n", f)
	}
	return []byte(s.String())
}

// The red of look.css, adjusted until it is readable.
var (
	lightBad = auth.Color{0xb3, 0x26, 0x1e}
	darkBad  = auth.Color{0xff, 0x9a, 0x92}
)

// colours returns the colour variables of look.css. Colours that a tenant does not choose are mixed from
// those that it does, as pale as contrast allows.
func colours(p auth.Palette, bad auth.Color) string {
	sunken := p.Card.Mix(p.Ink, 4)
	muted := p.Card.Mix(p.Ink, 50).Toward(p.Ink, 4.6, p.Card, p.Page, sunken)
	var s strings.Builder
	for _, v := range []struct {
		name  string
		color auth.Color
	}{
		{"accent", p.Accent}, {"accent-ink", p.AccentInk}, {"page", p.Page}, {"card", p.Card}, {"ink", p.Ink},
		{"muted", muted}, {"line", p.Card.Mix(p.Ink, 14)}, {"sunken", sunken},
		{"field", p.Card}, {"field-line", p.Card.Mix(p.Ink, 30).Toward(p.Ink, 3.1, p.Card)},
		{"bad", bad.Toward(p.Ink, 4.6, p.Card)}, {"bad-bg", p.Card},
	} {
		fmt.Fprintf(&s, "--%s: %s; ", v.name, v.color)
	}
	return s.String()
}
