package auth

import (
	"encoding/base64"
	"math"
	"strings"
	"testing"
)

func TestContrast(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		a, b string
		want float64
	}{
		{"#000000", "#ffffff", 21},
		{"#ffffff", "#ffffff", 1},
		{"#777777", "#ffffff", 4.48}, // the grey that is just too pale for text
		{"#767676", "#ffffff", 4.54},
		{"#ff0000", "#0000ff", 2.15},
	} {
		a, okA := ParseColor(c.a)
		b, okB := ParseColor(c.b)
		if got := Contrast(a, b); !okA || !okB || math.Abs(got-c.want) > 0.005 || got != Contrast(b, a) {
			t.Errorf("%s on %s: %.3f, want %.2f", c.a, c.b, got, c.want)
		}
	}
}

func TestParseColor(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"", "#fff", "1f5eff", "#1f5efg", "#1f5eff ", "red", "#+12345", "#1f5eff;}", "url(x)", "#１２３４５６"} {
		if c, ok := ParseColor(s); ok {
			t.Errorf("%q is the colour %s", s, c)
		}
	}
	if c, ok := ParseColor("#1F5eFf"); !ok || c.String() != "#1f5eff" {
		t.Errorf("#1F5eFf is %s", c)
	}
}

func TestCheckBranding(t *testing.T) {
	t.Parallel()
	ten, huge := 10, 25
	good := []Branding{
		{},
		{Accent: "#8a1f3c"},
		{Accent: "#0b6e4f", Font: "serif", Radius: &ten, PrivacyURI: "https://acme.example/privacy"},
		{Page: "#101010", Card: "#202020", Ink: "#f0f0f0", Accent: "#ffc24b"},
		{Accent: "#000000"}, // dark mode lightens it by itself
	}
	for _, b := range good {
		if err := CheckBranding(b); err != nil {
			t.Errorf("%+v: %v", b, err)
		}
	}
	for want, b := range map[string]Branding{
		"branding.accent (#ffd500) on card (#ffffff)":    {Accent: "#ffd500"},
		"branding.accent_ink (#ffffff) on accent (":      {Accent: "#e06000", AccentInk: "#ffffff"},
		"branding.ink (#999999) on card":                 {Ink: "#999999"},
		"branding.dark_ink (#e8ecf2) on dark_card (#fff": {DarkCard: "#ffffff"},
		"branding.dark_accent (#000080) on dark_card":    {DarkAccent: "#000080"},
		"branding.accent: want a colour":                 {Accent: "#1f5eff; } body { display: none"},
		"branding.dark_page: want a colour":              {DarkPage: "black"},
		"branding.radius: want 0 to 24":                  {Radius: &huge},
		"branding.font: want one of":                     {Font: "Comic Sans MS"},
		"branding.privacy_uri: want an https":            {PrivacyURI: "javascript:alert(1)"},
		"branding.tos_uri: want an https":                {TermsURI: "https://user@acme.example/"},
		"branding.support_uri: want an https":            {SupportURI: "http://acme.example/"},
		"branding.logo: want base64":                     {Logo: "<svg/>"},
		"branding.logo: want PNG":                        {Logo: base64.StdEncoding.EncodeToString([]byte("<svg xmlns='http://www.w3.org/2000/svg'/>"))},
		"branding.logo: want at most 64 KiB":             {Logo: base64.StdEncoding.EncodeToString(make([]byte, 64<<10+3))},
	} {
		if err := CheckBranding(b); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got %v", want, err)
		}
	}
}

func TestLogoImage(t *testing.T) {
	t.Parallel()
	for head, want := range map[string]string{
		"\x89PNG\r\n\x1a\n….": "image/png", "\xff\xd8\xff\xe0….": "image/jpeg", "RIFF\x10\x00\x00\x00WEBPVP8 ": "image/webp",
		"GIF89a": "", "%PDF": "", "<?xml version='1.0'?><svg/>": "", "RIFF\x10\x00\x00\x00AVI LIST": "",
	} {
		_, got, err := Branding{Logo: base64.StdEncoding.EncodeToString([]byte(head))}.LogoImage()
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%q is %q, %v", head, got, err)
		}
	}
}
