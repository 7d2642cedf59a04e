package oidc_test

import (
	"strings"
	"testing"
	"unicode"

	"github.com/watchword-auth/watchword/internal/oidc"
)

func TestParseUserCode(t *testing.T) {
	t.Parallel()
	for typed, want := range map[string]string{
		"BCDF-GHJK": "BCDFGHJK", "bcdf-ghjk": "BCDFGHJK", "bcdfghjk": "BCDFGHJK", " b c d f - g h j k ": "BCDFGHJK", "WXZV-TSRQ": "WXZVTSRQ",
		"": "", "BCDF-GHJ": "", "BCDF-GHJKL": "", "ACDF-GHJK": "", "BCDF-GHJ0": "", "BCDFGHJ\u212a": "", "BCDF_GHJK": "",
		"BCDF-GHJK\x00": "", strings.Repeat("-", 100) + "BCDFGHJK": "",
	} {
		if code, ok := oidc.ParseUserCode(typed); ok != (want != "") || ok && code != want {
			t.Errorf("%q: got %q, %v", typed, code, ok)
		}
	}
}

// What phones, office programs and East Asian keyboards turn a code into.
func TestRepair_M_DeviceCodesAsTheyAreTyped(t *testing.T) {
	t.Parallel()
	for _, typed := range []string{"BCDF–GHJK", "BCDF‑GHJK", "BCDF—GHJK", "BCDF−GHJK", "BCDF－GHJK", "BCDF\u00adGHJK", "BCDF\u00a0GHJK", "BCDF\u202fGHJK", "\u200bBCDF-GHJK\ufeff", "\u2066BCDF-GHJK\u2069",
		"ＢＣＤＦＧＨＪＫ", "ｂｃｄｆ－ｇｈｊｋ", "BCDF　GHJK"} {
		if code, ok := oidc.ParseUserCode(typed); !ok || code != "BCDFGHJK" {
			t.Errorf("%q: %q, %v", typed, code, ok)
		}
	}
	for _, typed := range []string{"BCDF_GHJK", "BCDF.GHJK", "ВCDF-GHJK" /* a Cyrillic letter */, "BCDFGHJ\u212a", "ＢＣＤＦＧＨＪＫＬ", "ＡＣＤＦＧＨＪＫ"} {
		if code, ok := oidc.ParseUserCode(typed); ok {
			t.Errorf("%q was read as %q", typed, code)
		}
	}
}

func FuzzUserCode(f *testing.F) {
	f.Add("BCDF-GHJK")
	f.Add("bcdf ghjk\x00")
	f.Add("K\u212a")
	f.Add("ＢＣＤＦ–ＧＨＪＫ")
	f.Fuzz(func(t *testing.T, typed string) {
		code, ok := oidc.ParseUserCode(typed)
		if !ok {
			return
		}
		if len(code) != 8 || strings.Trim(code, "BCDFGHJKLMNPQRSTVWXZ") != "" {
			t.Fatalf("%q gave %q", typed, code)
		}
		if again, ok := oidc.ParseUserCode(code); !ok || again != code {
			t.Fatalf("%q is not its own canonical form", code)
		}
		plain := strings.Map(func(r rune) rune {
			switch {
			case r >= 0xff21 && r <= 0xff5a:
				r -= 0xfee0
			case r == 0x2212 || unicode.In(r, unicode.Pd, unicode.Zs, unicode.Cf):
				return -1
			}
			return r
		}, typed)
		if len(plain) != len(code) || !strings.EqualFold(plain, code) {
			t.Fatalf("%q was read as %q", typed, code)
		}
	})
}
