package auth

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// Bounds of a tenant's branding.
const (
	maxRadius = 24
	maxLogo   = 64 << 10
	// WCAG 2.2 AA: 1.4.3 for text, 1.4.11 for borders of fields and the focus indicator.
	contrastText   = 4.5
	contrastBorder = 3.0
)

// Fonts are the font families from which a tenant can choose. All are installed on devices: no
// page fetches one.
var Fonts = []string{"system", "serif", "rounded", "mono"}

// Palette holds the colours from which all others of a page are computed.
type Palette struct{ Accent, AccentInk, Page, Card, Ink Color }

// The default colours.
var (
	lightPalette = Palette{
		Accent: Color{0x1f, 0x5e, 0xff}, AccentInk: Color{0xff, 0xff, 0xff},
		Page: Color{0xf6, 0xf7, 0xf9}, Card: Color{0xff, 0xff, 0xff}, Ink: Color{0x14, 0x17, 0x1c},
	}
	darkPalette = Palette{
		Accent: Color{0x7a, 0xa2, 0xff}, AccentInk: Color{0x0b, 0x10, 0x20},
		Page: Color{0x0e, 0x11, 0x16}, Card: Color{0x16, 0x1b, 0x22}, Ink: Color{0xe8, 0xec, 0xf2},
	}
	white = Color{0xff, 0xff, 0xff}
)

// Light returns the colours in light mode. Defaults replace missing ones; the ink on an accent is
// then white or dark, the one with more contrast.
func (b Branding) Light() Palette {
	p := lightPalette
	set(&p.Page, b.Page)
	set(&p.Card, b.Card)
	set(&p.Ink, b.Ink)
	if set(&p.Accent, b.Accent) {
		p.AccentInk = readable(p.Accent)
	}
	set(&p.AccentInk, b.AccentInk)
	return p
}

// Dark returns the colours in dark mode. An accent that was chosen only for light mode is
// lightened until its contrast suffices.
func (b Branding) Dark() Palette {
	p := darkPalette
	set(&p.Page, b.DarkPage)
	set(&p.Card, b.DarkCard)
	set(&p.Ink, b.DarkInk)
	if set(&p.Accent, b.Accent) && b.DarkAccent == "" {
		p.Accent = p.Accent.Toward(white, contrastText, p.Card, p.Page)
		p.AccentInk = readable(p.Accent)
	}
	if set(&p.Accent, b.DarkAccent) {
		p.AccentInk = readable(p.Accent)
	}
	set(&p.AccentInk, b.DarkAccentInk)
	return p
}

func set(c *Color, s string) bool {
	parsed, ok := ParseColor(s)
	if ok {
		*c = parsed
	}
	return ok
}

// readable returns white or dark ink, the one with more contrast on c.
func readable(c Color) Color {
	if dark := darkPalette.AccentInk; Contrast(dark, c) > Contrast(white, c) {
		return dark
	}
	return white
}

// CheckBranding returns all errors of a tenant's branding: malformed values, and colours with too
// little contrast (WCAG 2.2 AA: 4.5:1 for text, 3:1 for borders and focus).
func CheckBranding(b Branding) error {
	var errs []error
	for _, c := range []struct{ name, value string }{
		{"accent", b.Accent}, {"accent_ink", b.AccentInk}, {"page", b.Page}, {"card", b.Card}, {"ink", b.Ink},
		{"dark_accent", b.DarkAccent}, {"dark_accent_ink", b.DarkAccentInk}, {"dark_page", b.DarkPage}, {"dark_card", b.DarkCard}, {"dark_ink", b.DarkInk},
	} {
		if _, ok := ParseColor(c.value); c.value != "" && !ok {
			errs = append(errs, fmt.Errorf("branding.%s: want a colour like #1f5eff", c.name))
		}
	}
	if len(errs) == 0 {
		errs = append(errs, checkContrast("", b.Light()), checkContrast("dark_", b.Dark()))
	}
	if b.Radius != nil && (*b.Radius < 0 || *b.Radius > maxRadius) {
		errs = append(errs, fmt.Errorf("branding.radius: want 0 to %d", maxRadius))
	}
	if b.Font != "" && !slices.Contains(Fonts, b.Font) {
		errs = append(errs, fmt.Errorf("branding.font: want one of %s", strings.Join(Fonts, ", ")))
	}
	_, _, err := b.LogoImage()
	errs = append(errs, err,
		checkLink("privacy_uri", b.PrivacyURI), checkLink("tos_uri", b.TermsURI), checkLink("support_uri", b.SupportURI))
	return errors.Join(errs...)
}

// checkContrast returns an error for each pair of colours with too little contrast.
func checkContrast(prefix string, p Palette) error {
	var errs []error
	for _, c := range []struct {
		name, on    string
		front, back Color
		least       float64
	}{
		{"ink", "card", p.Ink, p.Card, contrastText},
		{"ink", "page", p.Ink, p.Page, contrastText},
		{"accent_ink", "accent", p.AccentInk, p.Accent, contrastText},
		{"accent", "card", p.Accent, p.Card, contrastText}, // links; more than a border needs
		{"accent", "page", p.Accent, p.Page, contrastBorder},
	} {
		if got := Contrast(c.front, c.back); got < c.least {
			errs = append(errs, fmt.Errorf("branding.%s%s (%s) on %s%s (%s) has a contrast of %.2f:1, want at least %g:1",
				prefix, c.name, c.front, prefix, c.on, c.back, got, c.least))
		}
	}
	return errors.Join(errs...)
}

func checkLink(name, s string) error {
	if s == "" {
		return nil
	}
	u, err := url.Parse(s)
	if err != nil || len(s) > MaxURI || u.Scheme != "https" || u.Host == "" || u.User != nil {
		return fmt.Errorf("branding.%s: want an https URL", name)
	}
	return nil
}

// LogoImage returns the tenant's logo and its media type, or nil when it has none. The type is
// that of its first bytes. SVG is refused, as it can contain scripts.
func (b Branding) LogoImage() (image []byte, mediaType string, err error) {
	if b.Logo == "" {
		return nil, "", nil
	}
	if len(b.Logo) > base64.StdEncoding.EncodedLen(maxLogo) {
		return nil, "", fmt.Errorf("branding.logo: want at most %d KiB", maxLogo>>10)
	}
	image, err = base64.StdEncoding.DecodeString(b.Logo)
	if err != nil {
		return nil, "", errors.New("branding.logo: want base64")
	}
	switch {
	case bytes.HasPrefix(image, []byte("\x89PNG\r\n\x1a\n")):
		return image, "image/png", nil
	case bytes.HasPrefix(image, []byte("\xff\xd8\xff")):
		return image, "image/jpeg", nil
	case len(image) > 12 && string(image[:4]) == "RIFF" && string(image[8:12]) == "WEBP":
		return image, "image/webp", nil
	}
	return nil, "", errors.New("branding.logo: want PNG, JPEG or WebP")
}
